"""Exact and LP-based methods: programs of the network, solvers, and what re-derives their answers."""
