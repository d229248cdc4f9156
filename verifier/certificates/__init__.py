"""Certificates: what a search proved, written so that a small program of its own can prove it again.

`record` and `file` write; `check` reads and proves. The checker shares nothing with the searches but the graph: start
reading at `walk.py`.
"""
