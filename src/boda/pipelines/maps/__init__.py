"""What the verb map is made of: keeping, measuring, showing."""
