"""Certificates: what a search proved, written so that a small program of its own can prove it again.

Searches note what they prove (`verifier/complete/record.py`), `file` writes and reads it (`FORMAT.md`), and `check`
proves it. The checker shares nothing with the searches but the graph and its rewrites: start reading at `walk.py`.
"""
