"""How many instances each tool has solved after how many seconds, as an SVG."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

from compete.judge import Judged
from compete.report import tools

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 24, 52  # margins; the legend stands in the right one
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito's
DASHES = ("", "7 3", "2 3")  # when the colours have all been used


def curves(results: Sequence[Judged]) -> dict[str, list[float]]:
    """Sorted times of what each tool solved."""
    return {t: sorted(r.record.wall_s for r in results if r.solved and r.record.tool == t) for t in tools(results)}


def ticks(most: int) -> list[int]:
    """About six whole numbers from 0 on, in steps of 1, 2 or 5 times a power of ten."""
    step = next(s for power in range(10) for s in (10**power, 2 * 10**power, 5 * 10**power) if most <= 6 * s)
    return list(range(0, most + step, step))


def plot(results: Sequence[Judged]) -> str:
    """The picture, as text. A line ends at the tool's slowest solved instance."""
    times = curves(results)
    asked = {tool: sum(r.record.tool == tool for r in results) for tool in times}
    every = [max(t, 0.01) for solved in times.values() for t in solved] or [1.0]
    first, last = math.floor(math.log10(min(every))), math.ceil(math.log10(max(every)))
    last = max(last, first + 1)
    counts = ticks(max(map(len, times.values()), default=0) or 1)

    def x(seconds: float) -> float:
        return LEFT + (math.log10(max(seconds, 0.01)) - first) / (last - first) * (WIDTH - LEFT - RIGHT)

    def y(count: float) -> float:
        return HEIGHT - BOTTOM - count / counts[-1] * (HEIGHT - TOP - BOTTOM)

    parts = [_line(x(10**first), y(c), x(10**last), y(c), "#e4e4e4" if c else "#333") for c in counts]
    parts += [_text(LEFT - 8, y(c) + 4, str(c), "end") for c in counts]
    for power in range(first, last + 1):
        parts.append(_line(x(10**power), y(0), x(10**power), y(0) + 5, "#333"))
        parts.append(_text(x(10**power), y(0) + 19, f"{10.0**power:g}", "middle"))
    for power, _ in pairwise(range(first, last + 1)):
        parts += [_line(x(d * 10**power), y(0), x(d * 10**power), y(0) + 3, "#333") for d in range(2, 10)]
    parts.append(_line(LEFT, y(0), LEFT, y(counts[-1]), "#333"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "seconds, each instance on its own", "middle"))
    parts.append(_text(LEFT, TOP - 9, "instances solved", "middle"))
    own = {tool: number for number, tool in enumerate(times)}  # colours stay with a tool from plot to plot
    for number, (tool, solved) in enumerate(_ranked(times).items()):
        colour, dash = COLOURS[own[tool] % 8], DASHES[own[tool] // 8 % 3]
        style = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"'
        height = TOP + 10 + 20 * number
        parts.append(f'<path d="{_steps(solved, x, y)}" fill="none" {style}/>' if solved else "")
        parts.append(f'<path d="M{WIDTH - RIGHT + 16},{height}h22" fill="none" {style}/>')
        parts.append(_text(WIDTH - RIGHT + 44, height + 4, f"{tool} {len(solved)}/{asked[tool]}", "start"))
    body = "\n".join(filter(None, parts))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" font-size="12" fill="#333">\n<rect width="100%" height="100%" fill="white"/>\n'
        f"{body}\n</svg>\n"
    )


def _ranked(times: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """The legend's order: most solved first, of equals the faster."""
    return dict(sorted(times.items(), key=lambda item: (-len(item[1]), sum(item[1]), item[0])))


def _steps(solved: list[float], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    path = f"M{x(solved[0]):.1f},{y(0):.1f}"
    return path + "".join(f"H{x(seconds):.1f}V{y(count):.1f}" for count, seconds in enumerate(solved, 1))


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
