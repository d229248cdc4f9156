"""The README as a user takes it: its Python runs as it stands, and the names that it promises are there."""

import re
import subprocess
import sys
from pathlib import Path

import verifier
import verifier.bounding.methods  # a submodule that is named like a function would hide it from here on

ROOT = Path(__file__).parents[2]


def test_python_snippet():
    (snippet,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Verified") == 10, done.stdout


def test_public_names_are_no_modules():
    for name in verifier.__all__:
        assert callable(getattr(verifier, name)) or not hasattr(getattr(verifier, name), "__path__"), name
    assert callable(verifier.bounds)
