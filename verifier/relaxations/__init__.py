"""The sound gap of each nonlinearity, and the table of all."""
