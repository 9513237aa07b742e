"""The parts of `boda cluster`."""
