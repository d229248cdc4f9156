#!/usr/bin/env bash
# VNN-COMP: one instance. Usage: run_instance.sh v1 CATEGORY ONNX VNNLIB RESULTS_FILE TIMEOUT
set -uo pipefail
[ "${1:-}" = v1 ] || { echo "expected version v1, got '${1:-}'" >&2; exit 1; }
exec python3 "$(dirname "$0")/instance.py" "$3" "$4" "$5" "$6"
