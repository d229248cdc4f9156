"""torch without what only its compilers need: the same answers, and all of it for whoever asks."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from verifier.cli.light import KNOWN

pytestmark = pytest.mark.skipif(not torch.__version__.startswith(KNOWN), reason="this torch is loaded as it is")


def light(code: str, *arguments: str) -> str:
    """What a fresh process prints that has loaded torch lightly."""
    code = f"from verifier.cli.light import load_torch\nload_torch()\nimport sys, torch, verifier\n{code}"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_what_nobody_asks_for_is_not_loaded():
    assert light("print('torch.export.exported_program' in sys.modules)") == "False"


@pytest.mark.parametrize("method", ["alpha-crown", "bab"])
def test_no_question_loads_a_compiler(method):
    """Importing it takes longer than most questions; torch's own Adam does."""
    model = Path(__file__).parents[2] / "models" / "mnist_dense.onnx"
    code = "from verifier.cli.main import main; main(sys.argv[1:]); print('torch._dynamo' in sys.modules)"
    said = light(code, str(model), "--eps", "0.06", "--count", "2", "--method", method, "--timeout", "5")
    assert said.splitlines()[-1] == "False"


def test_random_generators_work():
    assert light("print(torch.Generator().manual_seed(5).initial_seed())") == "5"


@pytest.mark.parametrize("look", ["export.export", "distributions.Normal", "_meta_registrations.activate_meta"])
def test_a_look_brings_the_real_thing(look):
    assert light(f"print(callable(torch.{look}))") == "True"


def test_a_submodule_brings_its_parent():
    assert light("import torch.export.graph_signature as s; print(s.__name__)") == "torch.export.graph_signature"


def test_programs_are_written_and_read_as_before(tmp_path: Path):
    """Reading one finds shapes on tensors without data, which is what most of the postponed code is for."""
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(), torch.nn.Linear(8, 3), torch.nn.Softmax(1),
    ).eval()  # fmt: skip
    path = str(tmp_path / "net.pt2")
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 4, 4),)), path)
    ours = light("from verifier.formats.torch import load_pt2; print(load_pt2(sys.argv[1]).graph)", path)
    from verifier.formats.torch import load_pt2

    assert ours == str(load_pt2(path).graph)
