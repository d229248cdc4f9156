#!/usr/bin/env bash
# VNN-COMP: before the clock starts; nothing is analysed. Usage: prepare_instance.sh v1 CATEGORY ONNX VNNLIB
set -euo pipefail
[ "${1:-}" = v1 ] || { echo "expected version v1, got '${1:-}'" >&2; exit 1; }
[ -f "$4" ] || { echo "$4: there is no such file" >&2; exit 1; }
# The interpreter and torch are read once, so that the first instance does not pay for a cold disk.
python3 -c "import torch, onnxruntime"
