#!/usr/bin/env bash
# VNN-COMP: install the tool once. Usage: install_tool.sh v1
set -euo pipefail
[ "${1:-}" = v1 ] || { echo "expected version v1, got '${1:-}'" >&2; exit 1; }
root=$(cd "$(dirname "$0")/../.." && pwd)
python3 -m pip install "$root"
