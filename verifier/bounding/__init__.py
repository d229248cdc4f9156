"""Incomplete methods: intervals, linear bounds backwards (CROWN, α-CROWN) and forwards (zonotopes, bands)."""
