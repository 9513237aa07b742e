"""Health: copies, outliers, probable label errors and poor pictures in a collection."""
