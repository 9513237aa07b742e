"""Clusters: groups of rows, how stable they are, and how they relate to labels."""
