"""Parts of `boda explain`."""
