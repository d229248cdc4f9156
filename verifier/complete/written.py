"""Notes and dual variables as a certificate has them: `verifier/certificates/FORMAT.md` says what the keys mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from verifier.bounding.notes import Notes, Shares
from verifier.complete.domains import Domains
from verifier.complete.refine import Tighter
from verifier.numerics import flat


def duals(parts: Sequence[Domains]) -> dict[str, Any]:
    """Numbers of nodes, and the dual variables that bound their rows."""
    depth = max(part.beta.shape[1] for part in parts)
    parts = [part.deepened(depth) for part in parts]
    shares: dict[str, dict[str, np.ndarray]] = {}
    for name, side in parts[0].share:
        shares.setdefault(name, {})[side] = torch.cat([part.share[name, side] for part in parts]).numpy()
    weight = torch.cat([part.weight for part in parts]).double()
    return {
        "node": torch.cat([part.node for part in parts]).numpy(),
        "beta": torch.cat([part.beta for part in parts]).numpy(),
        "weight": (weight / weight.sum(1, keepdim=True)).numpy(),  # as they are in proofs
        "shares": shares,
    }


def claims(found: Tighter) -> dict[str, np.ndarray]:
    """For each node the multipliers that were tried, and how many of the listed ends are its own: of entry `place` from
    `above` or below, in half precision as the search goes on with it, by `which` of the multipliers."""
    row, column = found.new.nonzero(as_tuple=True)
    place, above = found.place[column % len(found.place)], column >= len(found.place)
    end = torch.where(above, found.domains.upper[row, place], found.domains.lower[row, place])
    return {
        "tried": found.tried.numpy(),
        "count": found.new.sum(1).numpy(),
        "place": place.int().numpy(),
        "above": above.numpy(),
        "which": found.which[row, column].numpy(),
        "end": end.nan_to_num().numpy(),
    }


def _shares(shares: Shares, place: int) -> dict[str, dict[str, np.ndarray]]:
    """Of one input, `(S, n)`; shares of all inputs together have one axis for them."""
    return {name: {side: array(x[:, place]) for side, x in sides.items()} for name, sides in shares.items() if sides}


def array(x: Tensor) -> np.ndarray:
    return flat(x.detach(), 1).cpu().numpy()


def noted(notes: Notes, index: list[int]) -> dict[str, Any]:
    """The notes of the questions at `index`; of slopes of rows only one question's."""
    standard = {
        name: {"lower": array(s.lower[index]), "upper": array(s.upper[index])} for name, s in notes.standard.items()
    }
    starts: dict[str, list[dict[str, Any]]] = {}
    for name, parts in notes.starts.items():
        for part in parts:
            at = (part.which == index[0]).nonzero().flatten()
            if len(at):
                place = int(at)
                starts.setdefault(name, []).append(
                    {"index": part.index[:, place].numpy(), "shares": _shares(part.shares, place)}
                )
    rows = [{"first": first, "shares": _shares(shares, index[0])} for first, shares in notes.rows]
    return {
        "level": int(notes.level),
        "grounded": int(notes.grounded),
        "bands": notes.bands,
        "symbols": dict(notes.symbols),
        "tightened": list(dict.fromkeys(notes.tightened)),
        "standard": standard,
        "starts": starts,
        "rows": rows,
    }
