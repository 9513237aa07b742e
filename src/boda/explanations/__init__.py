"""Explanations: what of an image moved a score, with a check beside each map."""
