"""Training: pixels and targets become weights, one visible loop for every task."""
