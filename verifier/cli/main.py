"""The `verify` command: arguments in, exit code out; every error that is the user's becomes one line."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from verifier.cli.arguments import parse
from verifier.cli.process import prepare
from verifier.cli.streams import forget, open_all, tell
from verifier.errors import VerifierError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; `argv` without the program's name.

    Returns:
        0 all verified, 1 something falsified or misclassified, 3 something unknown, 2 usage or model error, and
        128 + the signal's number where one stopped the run.
    """
    open_all()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        args = None if words[:1] == ["check"] else parse(words)
    except SystemExit as end:  # argparse has printed help, the version, or what is wrong
        return end.code if isinstance(end.code, int) else 2
    prepare()
    try:
        code = _run(args) if args is not None else _check(words[1:])
        sys.stdout.flush()
        return code
    except VerifierError as error:
        tell(f"verify: {type(error).__name__}: {error}")
        try:
            sys.stdout.flush()
        except OSError:  # a full disk: the interpreter must not stumble over what is left
            forget(sys.stdout)
        return 2
    except SystemExit as end:  # the subcommand's arguments
        return end.code if isinstance(end.code, int) else 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read stdout has left, as `head` does; the interpreter must not stumble over it
        forget(sys.stdout)
        return 141
    except Exception as error:
        tell(traceback.format_exc().rstrip())
        tell(f"verify: this is a bug of verifier, please report it: {type(error).__name__}: {error}")
        return 2


def _check(words: Sequence[str]) -> int:
    from verifier.cli.check import check

    return check(words)


def _run(args: argparse.Namespace) -> int:
    if args.property is not None:
        from verifier.cli.property import decide

        return decide(args)
    from verifier.cli.command import explain, verify

    return explain(args) if args.explain else verify(args)


if __name__ == "__main__":
    sys.exit(main())
