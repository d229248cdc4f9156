"""Attacks propose inputs; the base class replays them in another engine, and decides."""
