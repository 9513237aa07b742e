"""Bytes to pixels: one function for everybody."""
