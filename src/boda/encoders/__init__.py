"""Pixels to features: one family a file."""
