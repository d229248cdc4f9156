"""Where branch and bound over activations cuts: one heuristic a file."""
