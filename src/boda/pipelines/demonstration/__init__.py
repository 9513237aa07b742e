"""The parts of `boda demo`: real images that are on every machine, a score that is not claimed bare, the page."""
