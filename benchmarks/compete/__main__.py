"""`python benchmarks/compete run ...` and `python benchmarks/compete report ...`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from compete.main import main

if __name__ == "__main__":
    sys.exit(main())
