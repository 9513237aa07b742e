"""What the recipes of autoencoders share."""
