"""Parts of `boda look-inside`."""
