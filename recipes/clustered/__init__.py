"""What the recipe on clusters is made of."""
