"""Which entries of which nodes can reach the rows that are asked for. Others need no tight bounds."""

import torch
from torch import Tensor

from verifier.graph.graph import Graph
from verifier.graph.op import Affine, Input


def relevant(graph: Graph, rows: Tensor) -> dict[str, Tensor]:
    """For every node a mask `(B, *)`: does an entry reach some row of `rows (S, B, *out)` at the output?

    One walk back with absolute weights, so that nothing cancels.
    """
    weight = {graph.output: (rows != 0).any(0).to(rows.dtype)}
    for node in reversed(graph.nodes):
        reach = weight.get(node.name)
        if reach is None or isinstance(node.op, Input):
            continue
        reach = (reach > 0).to(rows.dtype)  # again ones and zeros: products of many weights would vanish or overflow
        shapes = [torch.Size(graph.by_name[name].shape) for name in node.inputs]
        if isinstance(node.op, Affine):
            parts = graph.magnitudes[node.name].transport(reach, shapes)
        else:
            parts = tuple(
                reach.reshape(*reach.shape, *(1,) * (len(s) + 1 - reach.dim())).expand(-1, *s) for s in shapes
            )
        for name, part in zip(node.inputs, parts, strict=True):
            weight[name] = weight[name] + part if name in weight else part
    return {name: reach > 0 for name, reach in weight.items()}
