"""The parts of the recipes of ResNets, one idea a file."""
