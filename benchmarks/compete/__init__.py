"""The benchmark runner: lists of instances, solvers side by side, peers' records beside them."""
