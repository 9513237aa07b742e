"""Networks of our own, in plain PyTorch. They know torch and arrays, not encoders or training."""
