"""The steps of training, judging and keeping heads."""
