"""Parts of `boda search`."""
