"""Honest certificates, made once."""

import pytest
from laws.certificates import entry, recorded
from laws.refined import empties, refined
from rejections import BAB, CUTS, MARGIN, REFINING, asked

from verifier.complete.record import Recorder
from verifier.graph.graph import Graph


@pytest.fixture(scope="session")
def trees() -> dict[str, tuple[Graph, Recorder]]:
    found = {}
    for name, stage, margin in (("activations", BAB, 1.0), ("inputs", CUTS, 0.2)):
        recorder, proved = recorded(asked(margin), stage, 20.0)
        assert proved == [0]
        found[name] = (asked(margin).model.graph, recorder)
    assert len(entry(found["activations"][1])["proof"]["search"]["leaves"]["node"]) > 3
    assert entry(found["inputs"][1])["proof"]["boxes"]["bounded"].sum() > 3
    return found


@pytest.fixture(scope="session")
def proved() -> tuple[Graph, Recorder]:
    """With refined nodes, some of them empty."""
    recorder, indices = recorded(asked(MARGIN), REFINING, 30.0)
    assert indices == [0]
    assert len(refined(entry(recorder))["place"]) > 50
    assert empties(entry(recorder))
    return asked(MARGIN).model.graph, recorder
