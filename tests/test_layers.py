"""Lower rooms never import higher ones: a walk over the imports, also those inside functions."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import verifier

ROOT = Path(verifier.__file__).parent
FLOORS: tuple[tuple[str, ...], ...] = (
    ("errors", "numerics"),
    ("interval",),
    ("graph",),
    ("certificates",),  # the checker shares nothing with searches but the graph
    ("regions", "properties"),
    ("verdict", "model", "problem"),
    ("relaxations",),
    ("bounding",),
    ("attacks",),
    ("complete",),
    ("plan", "batch"),
    ("formats",),  # above the graph and below the API; nothing of plans, bounds or attacks, see below
    ("queries",),
    ("api",),
    ("data", "radius", "results", "samples", "survey"),
    ("cli",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
APART = {
    "formats": {"relaxations", "bounding", "attacks", "complete", "plan", "batch"}
}  # loading a file needs none of these
FILES = sorted(ROOT.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").parts[0]


def imported(file: Path) -> set[str]:
    """Rooms of this package that a file imports; relative imports are not used here."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name}: a relative import hides its room"
            names.add(str(node.module))
            if node.module == "verifier":
                names.update(f"verifier.{alias.name}" for alias in node.names)
    parts = [name.split(".") for name in names]
    return {p[1] for p in parts if p[0] == "verifier" and len(p) > 1}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_downwards(file: Path) -> None:
    here = room(file)
    if here == "__init__":
        return  # names the public ones, and imports them on use
    assert here in FLOOR, f"{here} stands on no floor yet"
    for other in imported(file) - {here, "__version__"}:
        assert other in FLOOR, f"{other} stands on no floor yet"
        assert FLOOR[other] <= FLOOR[here], f"{here} imports {other}, which stands above it"
        assert other not in APART.get(here, set()), f"{here} imports {other}"


def test_no_ring_of_rooms() -> None:
    """Rooms of one floor may use each other, but not in a ring."""
    below: dict[str, set[str]] = {}
    for file in FILES:
        below.setdefault(room(file), set()).update(imported(file) - {room(file)})
    del below["__init__"]
    assert len(list(TopologicalSorter(below).static_order())) >= len(FLOOR)  # raises CycleError where there is one


def test_the_walk_sees_imports() -> None:
    """The walk itself: a module that is known to import another."""
    assert "bounding" in imported(ROOT / "plan.py")
    assert "formats" in imported(ROOT / "api.py")
