"""How many rows one walk may carry: as memory and caches allow. No choice changes an answer."""

from verifier.bounding.state import State
from verifier.graph.graph import Node

COPIES = 8  # tensors of the size of the largest coefficient that one walk holds at its peak
ROWS = 64  # of one walk on a CPU: coefficients stay in its cache, and inputs that need fewer rows leave early
CACHED = 2048  # rows times inputs of a walk, where few inputs leave room for more; with slopes an eighth of it


def rows_at_once(state: State, node: Node, sloped: bool, memory: int) -> int:
    """Of walks that start at `node`, within `memory` bytes; `sloped` ones are optimised, and keep a graph of gradients
    over all lines."""
    batch, like = state.region.batch, state.region.box().lower
    largest = max(n.size for n in state.graph.until(node.name).nodes)
    copies = COPIES * 2 * len(state.lines) if sloped else COPIES
    room = memory // (batch * 2 * largest * like.element_size() * copies)
    if like.device.type == "cpu":
        room = min(room, max(ROWS, (CACHED // 8 if sloped else CACHED) // batch))
    return max(1, room)
