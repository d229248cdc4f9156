"""The commands `verify` and `verifier-vnnlib`: thin."""
