"""How each tool is asked and how its answer is read: three adapters, and one table of names."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compete.question import Question, networks

WORDS: Mapping[str, str] = {
    "sat": "sat",
    "violated": "sat",
    "falsified": "sat",
    "unsat": "unsat",
    "holds": "unsat",
    "verified": "unsat",
    "unknown": "unknown",
    "timeout": "timeout",
    "timed-out": "timeout",
    "run_instance_timeout": "timeout",
    "prepare_instance_timeout": "timeout",
    "error": "error",
}
VERDICT = r"(?im)^\W*(?:result|verdict)?\W*(" + "|".join(sorted(WORDS, key=len, reverse=True)) + r")\b"


@dataclass(frozen=True)
class Answer:
    """What a tool said: one of the five verdicts, or empty if it said none of them; what follows a `sat`."""

    verdict: str
    witness: str


class Solver(Protocol):
    """A tool. `unpacked`: it can't read `.gz`; `shows`: a `sat` without an assignment breaks its interface."""

    @property
    def unpacked(self) -> bool: ...
    @property
    def shows(self) -> bool: ...
    def prepare(self, question: Question) -> list[str] | None:
        """A command that runs first and whose time doesn't count."""

    def command(self, question: Question) -> list[str]: ...
    def read(self, question: Question, out: str) -> Answer: ...


@dataclass(frozen=True)
class Standard:
    """The command line of the VNN-LIB standard: `<solver> verify QUERY --network NAME=MODEL --timeout SECONDS`."""

    executable: str
    unpacked: bool = True
    shows: bool = True

    def prepare(self, question: Question) -> None:
        return None

    def command(self, question: Question) -> list[str]:
        names = networks(question.query)
        models = question.models
        if list(models) == [""]:
            models = {names[0]: models[""]}
        told = [part for name, path in models.items() for part in ("--network", f"{name}={path}")]
        limit = f"{question.seconds:g}"
        return [*shlex.split(self.executable), "verify", str(question.query), *told, "--timeout", limit]

    def read(self, question: Question, out: str) -> Answer:
        return first_line(out)


@dataclass(frozen=True)
class Scripts:
    """The scripts of VNN-COMP, in a tool's folder: `run_instance.sh v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT`."""

    folder: str
    unpacked: bool = True
    shows: bool = True

    def prepare(self, question: Question) -> list[str] | None:
        script = Path(self.folder).resolve() / "prepare_instance.sh"
        return ["bash", str(script), *self._asked(question)] if script.is_file() else None

    def command(self, question: Question) -> list[str]:
        script = Path(self.folder).resolve() / "run_instance.sh"
        if not script.is_file():
            raise SystemExit(f"{self.folder}: no run_instance.sh in it. Give the folder of a tool's VNN-COMP scripts.")
        return ["bash", str(script), *self._asked(question), str(question.results), f"{question.seconds:g}"]

    def _asked(self, question: Question) -> list[str]:
        return ["v1", question.category, question.onnx, str(question.query)]

    def read(self, question: Question, out: str) -> Answer:
        return first_line(question.results.read_text(errors="replace") if question.results.is_file() else "")


@dataclass(frozen=True)
class Template:
    """Any other command, with {onnx} {vnnlib} {timeout} {results}: its verdict is the first match of `verdict` in the
    results file if it wrote one, else in its output; what follows the verdict's line is taken for the assignment."""

    template: str
    verdict: str = VERDICT
    unpacked: bool = True
    shows: bool = False

    def prepare(self, question: Question) -> None:
        return None

    def command(self, question: Question) -> list[str]:
        values = {
            "onnx": question.onnx,
            "vnnlib": question.query,
            "timeout": f"{question.seconds:g}",
            "results": question.results,
        }
        return [part.format(**values) for part in shlex.split(self.template)]

    def read(self, question: Question, out: str) -> Answer:
        text = question.results.read_text(errors="replace") if question.results.is_file() else out
        match = re.search(self.verdict, text)
        if match is None:
            return Answer("", "")
        word = match[match.lastindex or 0].lower()
        return Answer(WORDS.get(word, ""), text[match.end() :].partition("\n")[2])


SOLVERS: Mapping[str, Solver] = {
    "verifier": Standard("verifier-vnnlib", unpacked=False),
    "vibecheck": Standard("vibecheck"),
    "nnenum": Template("nnenum {onnx} {vnnlib} {timeout} {results}"),
    "marabou": Template("marabou {onnx} {vnnlib} --timeout {timeout}"),
}


def named(text: str) -> tuple[str, Solver]:
    """One of the table, or NAME=standard:COMMAND, NAME=scripts:FOLDER, NAME=command:TEMPLATE ## REGEX."""
    name, is_defined, definition = text.partition("=")
    kind, _, value = definition.partition(":")
    match kind if is_defined else "":
        case "" if name in SOLVERS and not is_defined:
            return name, SOLVERS[name]
        case "standard" if value:
            return name, Standard(value)
        case "scripts" if value:
            return name, Scripts(value)
        case "command" if value:
            template, has_regex, regex = value.partition("##")
            return name, Template(template, regex.strip() if has_regex else VERDICT)
    raise SystemExit(
        f"--solver {text}: not understood. Known names: {', '.join(SOLVERS)}. Others: NAME=standard:COMMAND, "
        "NAME=scripts:FOLDER or NAME=command:'tool {onnx} {vnnlib} {timeout}', with ' ## REGEX' for its verdicts."
    )


def first_line(text: str) -> Answer:
    """The verdict is the whole first line, the assignment the rest."""
    line, _, rest = text.partition("\n")
    return Answer(WORDS.get(line.strip().lower(), ""), rest)
