"""Honest certificates, made once."""

import pytest
from laws.certificates import entry, recorded
from rejections import BAB, CUTS, asked

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
