"""What `train_network` and its kin are made of."""
