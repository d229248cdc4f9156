"""The command line's options. Nothing here imports torch: help and mistakes are answered at once."""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

from verifier.bounding.methods import MEMORY

METHODS = (
    "auto",
    "bounds",
    "interval",
    "crown-ibp",
    "crown",
    "alpha-crown",
    "zonotope",
    "bab",
    "input-split",
    "milp",
    "lp",
    "sdp",
    "lipschitz",
    "attack",
)  # for the help; plan() decides
DESCRIPTION = "Verify that a network keeps its label for every input within a radius of each given input."
EPILOG = """\
exit codes: 0 everything is verified; 1 an input is falsified or misclassified; 3 nothing is falsified, but something is
unknown (or failed with an error); 2 the arguments or the model are wrong; 130 or 143 stopped by Ctrl-C or a signal
(what was finished is in the result files; --resume goes on).

  verify model.onnx --eps 0.03                        the inputs that the model's metadata names, or a sample that fits
  verify model.onnx --eps 8/255 --inputs photo.png    a file; its label is the model's own, unless --labels says it
  verify model.onnx --max-eps --count 10              how far: largest verified and smallest broken radius
  verify model.onnx --property p.vnnlib               a VNN-LIB query: is what it asserts impossible?
  verify check FILE model.onnx                        prove again what --certificate FILE wrote
  verify --explain model.onnx                         the graph, its operators, the conditions of their bounds
"""


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._negative_number_matcher = re.compile(r"^-(\d|\.\d|inf)")  # so that --range -inf -1e-3 are two numbers

    def error(self, message: str) -> NoReturn:
        """One line that says what is wrong; the whole usage would bury it."""
        self.exit(2, f"{self.prog}: error: {message}. `verify --help` lists the options\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from verifier.cli.version import show

        show()
        parser.exit()


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments, checked as far as that goes without reading files."""
    parser = build()
    args = parser.parse_args(argv)
    if args.property is None and (args.model is None or args.network):
        parser.error("which model? Say MODEL.onnx; --network is for properties of several")
    if args.property is not None:
        _check_property(parser, args)
        return args
    if not args.explain and args.eps is None and not args.max_eps:
        parser.error("how far may an input move? Say --eps RADIUS (in input units), or --max-eps to find out")
    if args.max_eps and args.eps == 0:
        parser.error("--max-eps starts its search at --eps, which must then be positive")
    if args.resume and not [path for path in (args.json, args.csv) if path not in (None, "-")]:
        parser.error("--resume goes on with a result file: name it with --json or --csv")
    if args.json is not None and args.csv is not None and Path(args.json).resolve() == Path(args.csv).resolve():
        parser.error("--json and --csv can't both go to the same place")
    if args.certificate is not None and (args.max_eps or args.resume):
        parser.error("--certificate goes with one radius and a whole run: leave out --max-eps and --resume")
    args.range = args.range and opened(*args.range)
    if args.range is not None and not args.range[0] <= args.range[1]:
        parser.error(f"--range {args.range[0]:g} {args.range[1]:g} is empty: LOW comes first")
    return args


def _check_property(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """A property says itself which inputs it is about."""
    others = {"--eps": args.eps, "--inputs": args.inputs, "--labels": args.labels, "--range": args.range}
    for option, value in others.items():
        if value is not None:
            parser.error(f"a property says where its inputs may be; leave {option} out")
    if args.max_eps or args.resume or args.explain or args.csv is not None:
        parser.error(
            "--property goes with --timeout, --method, --seed, --memory, --device, --dtype, --json and --certificate"
        )
    if (args.model is None) == (not args.network):
        parser.error("give the property's MODEL.onnx, or --network NAME=MODEL.onnx for each network that it declares")


def build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="verify", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("model", nargs="?", help="an .onnx, .onnx.gz or .pt2 file")
    add("--property", metavar="FILE", help="a .vnnlib file, 1.0 or 2.0, that says where and what; instead of --eps")
    add("--network", action="append", type=named, metavar="NAME=FILE", help="a network that the property declares")
    add("--eps", type=radius, metavar="R", help="radius in input units, before any normalisation: 0.03, 8/255")
    add("--max-eps", action="store_true", help="find each input's largest verified and smallest broken radius")
    add("--norm", choices=("inf", "2", "1"), default="inf", help="norm of the radius (default: inf)")
    add("--inputs", metavar="PATH", help=".npy .npz .png file, or a directory with MNIST or CIFAR-10 as published")
    add("--labels", metavar="FILE", help="text or .npy file of integers, one for each of the inputs")
    add("--count", type=at_least(1), metavar="N", help="how many inputs (default: all)")
    add("--offset", type=at_least(0), default=0, metavar="N", help="the first input to take (default: 0)")
    add("--range", nargs=2, type=number, metavar=("LOW", "HIGH"), help="valid input range; 'none' leaves an end open")
    add("--method", default="auto", metavar="NAME", help=f"{', '.join(METHODS)} (default: auto)")
    add("--timeout", type=seconds, default=60.0, metavar="S", help="seconds of work for one input (default: 60)")
    add("--device", default="cpu", metavar="NAME", help="cpu, cuda or cuda:N, to search on (default: cpu)")
    add("--dtype", choices=("float32", "float64"), default="float32", help="to search in; proofs are always float64")
    add("--seed", type=at_least(0), default=0, metavar="N", help="of the attack (default: 0)")
    add("--memory", type=size, default=MEMORY, metavar="BYTES", help="for bounds: 512M, 4G (default: 2G)")
    add("--json", metavar="FILE", help="write a JSON object a line, as results come; '-' is stdout")
    add("--csv", metavar="FILE", help="the same as CSV; witnesses are saved beside the first of these files")
    add("--certificate", metavar="FILE", help="write what was proved; `verify check FILE MODEL` proves it again")
    add("--resume", action="store_true", help="go on with the --json or --csv file of a run that was stopped")
    add("--explain", action="store_true", help="show the graph, the conditions of its bounds and the plan; no verdicts")
    add("--version", nargs=0, action=_Version, help="show versions, solvers and devices")
    return parser


def named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"expected NAME=MODEL.onnx, not {text!r}")
    return name, path


def radius(text: str) -> float:
    try:
        value = float(Fraction(text)) if "/" in text else float(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is no number; expected 0.03 or 8/255") from None
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"a radius is finite and not negative, not {text}")
    return value


def opened(low: float, high: float) -> tuple[float, float]:
    """An end that is NaN was said to be open."""
    return (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)


def number(text: str) -> float:
    if text == "none":
        return math.nan  # which side is open, only the caller knows
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; expected a number, or 'none'") from None


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value > 0:
        raise argparse.ArgumentTypeError(f"expected a positive number of seconds, not {text!r}")
    return value


def size(text: str) -> int:
    """`512M`, `2G` or bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    value = int(float(match[1]) * 2 ** (10 * " KMGT".index(match[2].upper() or " "))) if match else 0
    if value < 2**20:
        raise argparse.ArgumentTypeError(f"expected a size of at least 1M, such as 512M or 2G, not {text!r}")
    return value


def at_least(least: int) -> Callable[[str], int]:
    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not least <= value < 2**63:
            raise argparse.ArgumentTypeError(f"at least {least} is needed, not {text}")
        return value

    return whole
