"""One small function per ONNX operator, grouped by family; `table.py` joins them."""
