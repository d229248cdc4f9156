"""A property that was written as a formula over a model's inputs and outputs, as clauses."""

import math

import numpy as np

from verifier.errors import InputError
from verifier.formats.vnnlib.query import Network, Variable
from verifier.model import Model
from verifier.properties.cases import MOST, cases
from verifier.properties.expression import Formula
from verifier.properties.specification import Specification
from verifier.properties.variables import INPUT, OUTPUT
from verifier.queries.networks import Joint, Part
from verifier.queries.question import output
from verifier.queries.rows import NEVER, Row, denied, specification

ALWAYS = Row({}, 1.0, False)


def specified(model: Model, formula: Formula, batch: int) -> tuple[Model, Specification]:
    """The formula as clauses for each of `batch` questions, over the output of the model that comes with it: the given
    one, if the formula is linear in its outputs alone.

    Raises:
        InputError: the formula is about other tensors, or too large to write as clauses.
    """
    shapes = {INPUT: model.graph.input.shape, OUTPUT: model.graph.output_shape}
    compared = {entry.name for comparison in formula.comparisons() for entry in comparison.left.entries()}
    if foreign := compared - set(shapes):
        raise InputError(f"the property mentions {sorted(foreign)}; write it with verifier.outputs and inputs")
    for comparison in formula.comparisons():
        for entry in comparison.left.entries():
            if entry.index >= math.prod(shapes[entry.name]):
                raise InputError(f"{entry.name}[{entry.index}] lies outside of the shape {list(shapes[entry.name])}")
    against = cases([formula.negated()], free=())
    if not against.complete:
        raise InputError(f"the property's alternatives multiply to more than {MOST} clauses; split it into several")
    rows = [[denied(comparison) for comparison in case.rows] or [NEVER] for case in against.cases] or [[ALWAYS]]
    asked, place = output(_alone(model), rows, compared)
    return asked, specification([rows] * batch, place, asked.graph.output_shape)


def _alone(model: Model) -> Joint:
    """The model as the only network of a query."""
    x = Variable(INPUT, "input", "real", model.graph.input.shape)
    y = Variable(OUTPUT, "output", "real", model.graph.output_shape)
    part = Part(Network("", (x,), (), (y,)), model, 0, {OUTPUT: 0})
    return Joint((part,), {INPUT: 0}, {INPUT: ""}, np.arange(math.prod(x.shape)))
