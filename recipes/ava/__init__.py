"""The parts of `ava_aesthetics.py`, one idea a file."""
