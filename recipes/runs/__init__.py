"""What the real runs share: feature sets, trials over several seeds, and receipts, one idea a file."""
