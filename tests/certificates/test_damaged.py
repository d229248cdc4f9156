"""Files that are no certificates, or none of this network."""

import io
import pickle
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laws.certificates import MODEL, law_true, written

from verifier.certificates.check import check
from verifier.complete.record import Recorder
from verifier.errors import InputError, Rejected
from verifier.graph.graph import Graph


def test_another_network_is_refused(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    model.write_bytes(MODEL + b".")
    with pytest.raises(Rejected, match="another file"):
        list(check(certificate, model, graph))


def test_damaged_files_are_input_errors(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    whole = certificate.read_bytes()
    gen = np.random.default_rng(0)
    files = [b"", b"PK", gen.bytes(1000), b'{"version": 1}', *(whole[:n] for n in range(0, len(whole) - 1, 997))]
    for data in files:
        certificate.write_bytes(data)
        with pytest.raises(InputError):
            list(check(certificate, model, graph))
    for place in gen.integers(0, len(whole), 60):
        flipped = bytearray(whole)
        flipped[place] ^= 255
        certificate.write_bytes(bytes(flipped))
        with suppress(InputError, Rejected):
            law_true(list(check(certificate, model, graph)))


def test_nothing_is_unpickled(trees: dict[str, tuple[Graph, Recorder]], tmp_path: Path) -> None:
    graph, recorder = trees["activations"]
    certificate, model = written(recorder, tmp_path)
    touched = tmp_path / "touched"

    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return touched.touch, ()

    data = io.BytesIO()
    np.save(data, np.array([Bomb()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(certificate, "a") as archive:
        archive.writestr("999.npy", data.getvalue())
    with pytest.raises(InputError):
        list(check(certificate, model, graph))
    certificate.write_bytes(pickle.dumps([1]))
    with pytest.raises(InputError):
        list(check(certificate, model, graph))
    assert not touched.exists()
