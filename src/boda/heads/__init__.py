"""Heads: features and numbers to a prediction that can be trusted."""
