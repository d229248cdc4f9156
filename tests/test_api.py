"""What Python users call."""

from pathlib import Path

import pytest
import torch
from laws.cases import Case, make_region, make_specification
from laws.nets import network
from test_plan import Float64
from torch import nn

import verifier
from verifier import api
from verifier.model import Model
from verifier.plan import PLANS


def a_case(batch: int = 1, seed: int = 0) -> Case:
    graph = network((4,), ("linear", "relu", "linear"), seed)
    return Case(graph, make_region("linf", (4,), batch, seed, 0.05), make_specification(graph, batch, seed))


def model(case: Case) -> Model:
    return Model(case.graph, Float64(case.graph), "test")


def small_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).eval()


def test_public_names_exist() -> None:
    for name in verifier.__all__:
        assert getattr(verifier, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = verifier.nonsense


def test_no_public_name_is_a_package() -> None:
    """A function called like a package of ours would be hidden by it as soon as that is imported."""
    inside = {path.stem for path in Path(verifier.__file__).parent.iterdir()}
    assert not inside & set(verifier.__all__)


def test_a_module_from_start_to_verdict() -> None:
    """The story of the package's docstring, with a module."""
    net = small_net()
    loaded = verifier.load(net, torch.zeros(1, 3))
    images = torch.rand(1, 3, generator=torch.Generator().manual_seed(0))
    label = net(images).argmax(1)
    region = verifier.linf(images, 1e-4, lower=0, upper=1)
    robust = verifier.robust(label, loaded.graph.output_shape)
    assert isinstance(verifier.verify(loaded, region, robust), verifier.Verified)
    wrong = verifier.robust(1 - label, loaded.graph.output_shape)
    verdict = verifier.verify(loaded, region, wrong)
    assert isinstance(verdict, verifier.Falsified)
    assert net(torch.from_numpy(verdict.witness).reshape(1, 3)).argmax(1) == label


def test_load_refuses(tmp_path: Path) -> None:
    with pytest.raises(verifier.InputError, match="no such file"):
        verifier.load(tmp_path / "missing.onnx")
    with pytest.raises(verifier.InputError, match="no such file"):
        verifier.load(str(tmp_path / "missing.pt2"))
    with pytest.raises(verifier.InputError, match="example"):
        verifier.load(small_net())


@pytest.mark.parametrize("name", ["broken.onnx", "broken.pt2"])
def test_a_broken_file_is_an_error_of_ours(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"this is no network")
    with pytest.raises(verifier.VerifierError):
        verifier.load(tmp_path / name)


def test_verify_is_for_one_question() -> None:
    case = a_case(2)
    with pytest.raises(verifier.InputError, match="verify_each"):
        verifier.verify(model(case), case.region, case.specification)


@pytest.mark.parametrize("method", [name for name in PLANS if name != "auto"])
def test_verify_and_verify_each_agree(method: str) -> None:
    """One question alone, or all at once."""
    for seed in range(3):
        case = a_case(3, seed)
        settings = {"method": method, "timeout": 30.0}
        all_of_them = verifier.verify_each(model(case), case.region, case.specification, **settings)
        answers = {a.index: a.verdict for a in all_of_them}
        assert sorted(answers) == [0, 1, 2]
        for i in range(3):
            one = case.select(torch.tensor([i]))
            alone = verifier.verify(model(case), one.region, one.specification, **settings)
            assert type(alone) is type(answers[i])


def test_dtype_of_the_search_does_not_change_verdicts() -> None:
    for seed in range(4):
        case = a_case(1, seed)
        single, double = (
            verifier.verify(model(case), case.region, case.specification, method="crown", dtype=dtype)
            for dtype in (torch.float32, torch.float64)
        )
        assert type(single) is type(double)


def test_unknown_names() -> None:
    case = a_case()
    with pytest.raises(verifier.InputError, match="crown-ibp"):
        verifier.verify(model(case), case.region, case.specification, method="magic")
    with pytest.raises(verifier.InputError, match="crown-ibp"):
        verifier.bounds(model(case), case.region, method="magic")


@pytest.mark.parametrize("method", list(api.METHODS))
def test_bounds_by_name_and_by_value(method: str) -> None:
    case = a_case(2)
    by_name = verifier.bounds(model(case), case.region, case.specification, method=method)
    by_value = verifier.bounds(model(case), case.region, case.specification, method=api.METHODS[method])
    assert by_name.rows is not None
    assert by_value.rows is not None
    assert torch.equal(by_name.rows, by_value.rows)
    assert api.METHODS[method].name == method
    assert set(by_name.table) == {node.name for node in case.graph.nodes}


def test_bounds_as_proof() -> None:
    case = a_case(2)
    free = verifier.bounds(model(case), case.region, case.specification, dtype=torch.float64).rows
    proved = verifier.bounds(model(case), case.region, case.specification, proof=True).rows
    assert free is not None
    assert proved is not None
    assert proved.dtype == torch.float64
    assert bool((proved < free).all())
    assert torch.allclose(proved, free)


def test_bounds_without_a_property() -> None:
    case = a_case()
    found = verifier.bounds(model(case), case.region)
    assert found.rows is None
    assert case.graph.output in found.table


def test_notes_are_heard() -> None:
    case, heard = a_case(), list[str]()
    verifier.verify(model(case), case.region, case.specification, method="interval", note=heard.append)
    assert heard
    assert "open" in heard[0]
