"""The one nearest-neighbour search."""
