"""Which images are like this one."""
