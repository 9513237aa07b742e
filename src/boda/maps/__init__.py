"""Maps: every row a point in two or three dimensions, and how far the picture can be trusted."""
