"""Rewrites of graphs that change no value: each takes a graph and returns one, exactly the same function."""
