"""Mutants of the checker's zonotopes and bands: the catalogue's third and fourth, something left out or shared."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from laws.certificates import table_of
from laws.exact import exact_values
from mutation import MLP, Patch, fails, puzzle

from verifier.bounding.methods import Crown, Method, Zonotope
from verifier.bounding.notes import Notes
from verifier.bounding.options import Options
from verifier.bounding.propagate import propagate
from verifier.certificates.bands import Band, Bands
from verifier.certificates.numbers import Array
from verifier.certificates.zonotope import Form, Zonotopes
from verifier.complete.record import question
from verifier.complete.written import noted
from verifier.graph.graph import Node
from verifier.numerics import flat


def contains(method: Method) -> Callable[[], None]:
    """Intervals that the checker finds by what a run noted hold at points."""

    def law() -> None:
        for seed in range(6):
            asked, notes = puzzle(seed, (*MLP, "linear")).problem(), Notes()
            graph, options = asked.model.graph, Options(proof=True, notes=notes, bands=isinstance(method, Crown))
            propagate(graph, asked.region, method, None, options)
            table = table_of(graph, {**question(asked), "proof": noted(notes, [0])})
            low, high = (flat(side, 1) for side in (asked.region.box().lower, asked.region.box().upper))
            share = torch.rand(500, low.shape[1], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            x = (low + (high - low) * share).reshape(-1, *graph.input.shape)
            for node in graph.nodes:
                y = flat(graph.until(node.name)(x), 1).numpy()
                assert ((y >= table.lower[node.name] - 1e-9) & (y <= table.upper[node.name] + 1e-9)).all()

    return law


def exactly(method: Method) -> Callable[[], None]:
    """At single points intervals hold for rational arithmetic, with no tolerance at all."""

    def law() -> None:
        for seed in range(4):
            asked, notes = replace(puzzle(seed, (*MLP, "linear")), region="point").problem(), Notes()
            graph = asked.model.graph
            propagate(graph, asked.region, method, None, Options(proof=True, notes=notes))
            proof = {**noted(notes, [0]), "bands": int(isinstance(method, Crown))}
            table = table_of(graph, {**question(asked), "proof": proof})
            for name, values in exact_values(graph, asked.region.box().lower[0]).items():
                ends = zip(table.lower[name][0].tolist(), table.upper[name][0].tolist(), strict=True)
                for (low, high), true in zip(ends, values.reshape(-1), strict=True):
                    assert Fraction(low) <= true <= Fraction(high), name

    return law


@pytest.mark.parametrize(("kind", "method"), [(Zonotopes, Zonotope()), (Bands, Crown())])
def test_rounding_is_forgotten(kind: type, method: Method, monkeypatch: Patch) -> None:
    """Catalogue 16."""
    lost = kind._lost  # type: ignore[attr-defined]

    def nothing(self: object, *args: object) -> Array:
        found: Array = lost(self, *args)
        return found * 0

    fails(exactly(method), lambda: monkeypatch.setattr(kind, "_lost", nothing))


def test_symbols_that_two_nodes_share(monkeypatch: Patch) -> None:
    fresh = Zonotopes._fresh

    def shared(self: Zonotopes, generators: Array, radius: Array, count: int) -> Array:
        used, rest = self.used, fresh(self, generators, radius, count)
        self.used = used
        return rest

    fails(contains(Zonotope()), lambda: monkeypatch.setattr(Zonotopes, "_fresh", shared))


def test_what_has_no_symbol_is_forgotten(monkeypatch: Patch) -> None:
    def forgotten(self: Zonotopes, generators: Array, radius: Array, count: int) -> Array:
        return np.zeros_like(radius)

    fails(contains(Zonotope(symbols=3)), lambda: monkeypatch.setattr(Zonotopes, "_fresh", forgotten))


@pytest.mark.parametrize("part", ["remainder", "generators"])
def test_a_form_that_loses_a_part(part: str, monkeypatch: Patch) -> None:
    bent = Zonotopes.bent

    def without(self: Zonotopes, node: Node) -> Form:
        form = bent(self, node)
        return Form.of(
            **{"center": form.center, "generators": form.generators, "remainder": form.remainder}
            | {part: getattr(form, part) * 0}
        )

    symbols = 3 if part == "remainder" else 2048
    fails(contains(Zonotope(symbols)), lambda: monkeypatch.setattr(Zonotopes, "bent", without))


def test_a_band_without_its_gap(monkeypatch: Patch) -> None:
    bent = Bands.bent

    def without(self: Bands, node: Node) -> Band:
        band = bent(self, node)
        return replace(band, gap=band.gap * 0)

    fails(contains(Crown()), lambda: monkeypatch.setattr(Bands, "bent", without))
