"""The PyTorch door: modules in memory and `.pt2` programs become graphs."""
