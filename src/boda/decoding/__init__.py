"""Reading and decoding in processes that may die: references to uint8 pixels in shared memory."""
