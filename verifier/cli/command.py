"""From parsed arguments to a run: load, choose inputs, check the model, ask, write, sum up."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from verifier.cli.certify import certify, recorder
from verifier.cli.files import exists, is_model
from verifier.cli.interrupt import Interrupts, Stopped
from verifier.cli.process import prepare
from verifier.cli.streams import say, tell
from verifier.errors import InputError
from verifier.results import Record, Sink, check_writable

if TYPE_CHECKING:  # at run time only after everything that is cheap was checked
    from verifier.data import Inputs
    from verifier.model import Model
    from verifier.survey import Outcome, Survey


def explain(args: argparse.Namespace) -> int:
    """Print what the network is and what would be done with it."""
    is_model(args.model)
    prepare()
    from verifier.api import load
    from verifier.cli.explain import explanation
    from verifier.plan import plan

    plan(args.method)
    say(explanation(load(args.model), args.method), sys.stdout)
    return 0


def verify(args: argparse.Namespace) -> int:
    """Answer for every input, write as results come, end with the table; returns the exit code."""
    is_model(args.model)
    for path in (args.inputs, args.labels):
        if path is not None:
            exists(path)
    for path in (args.json, args.csv):
        if path is not None:
            check_writable(path)
    survey, total, run = _prepare(args)
    sinks = [
        Sink(path, kind, run, args.resume)
        for kind, path in (("json", args.json), ("csv", args.csv))
        if path is not None
    ]
    try:
        return _Run(survey, total, run, sinks, args).code()
    finally:
        for sink in sinks:
            sink.close()


class _Run:
    """One run of a survey into the result files and a table."""

    def __init__(
        self, survey: "Survey", inputs: "Inputs", run: str, sinks: Sequence[Sink], args: argparse.Namespace
    ) -> None:
        self.survey, self.inputs, self.run, self.sinks = survey, inputs, run, sinks
        self.wanted = set(inputs.index.tolist())
        self.records = {k: r for sink in sinks for k, r in sink.done.items() if k in self.wanted}
        files = [path for path in (args.json, args.csv) if path not in (None, "-")]
        self.witnesses = Path(files[0]).with_suffix(".witness") if files else None
        eps = "largest eps" if args.max_eps else f"eps {args.eps:g}"
        self.title = f"{args.model}  norm {args.norm}, {eps}, method {args.method}"
        self.record, self.certificate, self.model = survey.settings.get("record"), args.certificate, args.model
        self.out = sys.stderr if "-" in (args.json, args.csv) else sys.stdout

    def code(self) -> int:
        finished = set(self.wanted).intersection(*(sink.done for sink in self.sinks)) if self.sinks else set()
        if finished:
            tell(f"{len(finished)} of {len(self.wanted)} are in the result file already")
        start, stopped = time.monotonic(), 0
        try:
            self._work(finished)
        except Stopped as stop:
            stopped = stop.signal
            tell(f"stopped by signal {stopped} after {time.monotonic() - start:.1f} s")
        self._print()
        if self.record is not None:
            certify(self.record, self.certificate, self.model)
        return 128 + stopped if stopped else exit_code(list(self.records.values()))

    def _work(self, finished: set[int]) -> None:
        from verifier.cli.progress import Progress

        done = [self.records[index] for index in finished]
        with Progress(sys.stderr, len(self.wanted), done) as progress, Interrupts() as interrupts:
            survey = replace(self.survey, note=progress.note)
            for outcome in survey.run(skip=finished):
                with interrupts.hold():
                    self._keep(outcome)
                    progress.add(outcome.record)

    def _keep(self, outcome: "Outcome") -> None:
        from verifier.formats.witness import save_witness

        record = replace(outcome.record, run=self.run)
        if outcome.witness is not None and self.witnesses is not None:
            original = self.inputs.images[record.index - self.inputs.index[0]]
            path = save_witness(
                self.witnesses, record.index, outcome.witness, original, self.inputs.layout, self.inputs.range
            )
            record = replace(record, witness=str(path))
        for sink in self.sinks:
            sink.write(record)
        self.records[record.index] = record

    def _print(self) -> None:
        from verifier.cli.table import summary

        own_labels = self.inputs.labels is None
        table = summary(list(self.records.values()), len(self.wanted), self.inputs.named, own_labels)
        say(f"{self.title}\n\n{table}", self.out)


def exit_code(records: Sequence[Record]) -> int:
    """A misclassified input is falsified before anything moved; an error leaves its input unknown."""
    verdicts = {record.verdict for record in records}
    if verdicts & {"falsified", "misclassified"}:
        return 1
    return 3 if verdicts & {"unknown", "error"} else 0


def _prepare(args: argparse.Namespace) -> tuple["Survey", "Inputs", str]:
    """Load, choose, check; what was decided on the way is told on stderr."""
    prepare()
    import torch

    from verifier.api import load
    from verifier.data import Choice, gather, select
    from verifier.plan import plan
    from verifier.survey import Question, Survey

    plan(args.method)
    _device(args.device)
    model = load(args.model)
    choice = Choice(args.inputs, args.labels, args.count, args.offset, args.range)
    everything = gather(model, choice)
    inputs = select(everything, choice)
    settings = {
        "method": args.method,
        "timeout": args.timeout,
        "device": args.device,
        "dtype": getattr(torch, args.dtype),
        "seed": args.seed,
        "memory": args.memory,
    }
    if args.certificate is not None:
        settings["record"] = recorder(args.certificate)
    survey = Survey(model, inputs, Question(args.norm, args.eps, args.max_eps), settings)
    _tell(model, inputs)
    survey.check()
    return survey, inputs, survey.name(everything.digest) if args.json or args.csv else ""


def _tell(model: "Model", inputs: "Inputs") -> None:
    low, high = inputs.range
    first, last = int(inputs.index[0]), int(inputs.index[-1])
    which = f"input {first}" if first == last else f"inputs {first} to {last}"
    tell(f"{which} of {inputs.source}, in [{low:g}, {high:g}]")
    for note in (*model.notes, *inputs.notes):
        tell(f"note: {note}")


def _device(name: str) -> None:
    import torch

    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError(f"no device is called {name!r}; there are cpu, cuda and cuda:N")
    number = int(name.partition(":")[2] or 0)
    if name != "cpu" and number >= torch.cuda.device_count():
        raise InputError(f"--device {name}: torch sees {torch.cuda.device_count()} CUDA devices; `verify --version`")
