"""What a network is: a graph of ops, and the two contracts that an op may have."""
