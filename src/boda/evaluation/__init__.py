"""Evaluation: honest folds, metrics with intervals, and the baseline beside each."""
