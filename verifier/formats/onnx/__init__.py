"""The ONNX door: `load_onnx` turns a file into a `Model`; `OrtEvaluator` runs the same file in ONNX Runtime."""

from verifier.formats.onnx.evaluator import OrtEvaluator
from verifier.formats.onnx.load import load_onnx

__all__ = ["OrtEvaluator", "load_onnx"]
