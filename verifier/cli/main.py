"""The `verify` command: arguments in, exit code out; every error that is the user's becomes one line."""

import sys
from collections.abc import Sequence
from typing import NoReturn

from verifier.cli.arguments import parse
from verifier.cli.process import guarded, leave


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; `argv` without the program's name.

    Returns:
        0 all verified, 1 something falsified or misclassified, 3 something unknown, 2 usage or model error, and
        128 + the signal's number where one stopped the run.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    return guarded("verify", lambda: _run(words), wrong=2)


def command() -> NoReturn:
    """`verify` as a process of its own."""
    leave(main())


def _run(words: list[str]) -> int:
    if words[:1] == ["check"]:
        from verifier.cli.check import check

        return check(words[1:])
    args = parse(words)
    if args.property is not None:
        from verifier.cli.property import decide

        return decide(args)
    from verifier.cli.command import explain, verify

    return explain(args) if args.explain else verify(args)


if __name__ == "__main__":
    command()
