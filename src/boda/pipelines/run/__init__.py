"""The parts of an embedding run: batches in order, lanes that encode, the meter, the way to stop."""
