"""Laws that every bound obeys, on random networks. A law is a function `law_xxx` that asserts; tests, mutants and
`benchmarks/laws.py` feed it."""
