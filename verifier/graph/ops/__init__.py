"""The ops by family: what they compute. Bounds of the nonlinear ones stand in `verifier.relaxations`."""
