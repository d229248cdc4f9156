"""The command line.

    python benchmarks/compete run INSTANCES --results FILE [--solver verifier ...] [--limit-s 60] [--memory 12G] ...
    python benchmarks/compete report FILE ... [--peers complete.csv] [--versus abcrown] [--cactus FILE.svg]

INSTANCES is an instances.csv or a checkout of a competition's benchmarks. `run` ends with the report of what ran.
"""

import argparse
import signal
import sys
from pathlib import Path

from compete import cactus, instances, peers, records, report, runner, solvers
from compete.judge import Judged, judge


def size(text: str) -> int:
    """Bytes: 12G, 500M."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    try:
        return int(float(text[:-1]) * units[text[-1].upper()])
    except (KeyError, ValueError, IndexError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 12G or 500M") from None


def positive(text: str) -> int:
    if text.isdigit() and int(text):
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="compete", description="Solvers side by side on lists of instances.")
    commands = top.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run solvers, then report")
    run.add_argument("instances", type=Path)
    run.add_argument("--results", type=Path, required=True, help="CSV that grows; what it has is not run again")
    run.add_argument("--solver", action="append", help=f"{', '.join(solvers.SOLVERS)}, or NAME=standard:COMMAND, "
                     "NAME=scripts:FOLDER, NAME=command:TEMPLATE; may be repeated")  # fmt: skip
    run.add_argument("--limit-s", type=float, default=0.0, help="wall seconds (default: each instance's own)")
    run.add_argument("--memory", type=size, default=size("12G"), help="of all processes of a solver (default 12G)")
    run.add_argument("--count", type=positive, help="draw this many")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument("--jobs", type=positive, default=1, help="at a time; times are only comparable with 1")
    run.add_argument("--again", nargs="*", default=[], metavar="VERDICT", help="repeat those with these verdicts")
    show = commands.add_parser("report", help="report results that are there")
    show.add_argument("results", type=Path, nargs="+")
    for command in (run, show):
        command.add_argument("--family", nargs="*", action="extend", default=[], help="only these")
        command.add_argument("--only", type=Path, help="only the instances of this CSV")
        command.add_argument("--sample", help="only the instances of this sample of --peers (random, picked)")
        command.add_argument("--peers", type=Path, help="CSV of other tools' measured results")
        command.add_argument("--competition", type=Path, help="CSV of a competition's results")
        command.add_argument("--versus", metavar="TOOL", help="list where the first solver and this tool differ")
        command.add_argument("--table", type=Path, help="write the table as CSV")
        command.add_argument("--cactus", type=Path, help="write a plot as SVG")
    return top


def wanted(args: argparse.Namespace) -> frozenset[instances.Key] | None:
    """The instances that --only and --sample leave."""
    if args.sample and not args.peers:
        raise SystemExit("--sample names instances of the peers' file: give --peers FILE too")
    parts = [instances.keys(args.only)] if args.only else []
    parts += [instances.keys(args.peers, args.sample)] if args.sample else []
    return frozenset.intersection(*parts) if parts else None


def ran(args: argparse.Namespace) -> list[records.Record]:
    """Run what is to be run; the results of everything asked for."""
    listed = instances.read(args.instances)
    chosen = instances.select(listed, families=args.family, only=wanted(args), count=args.count, seed=args.seed)
    there = [instance for instance in chosen if not instance.missing]
    if len(there) < len(chosen):
        lost = next(i for i in chosen if i.missing)
        lacks = f"missing or a Git LFS pointer, the first is {lost.missing[0]}"
        print(f"{len(chosen) - len(there)} instances left out: a file is {lacks}", file=sys.stderr)
    if not there:
        raise SystemExit(f"none of the {len(listed)} instances is left. Check --family, --sample and --only.")
    table = dict(solvers.named(text) for text in args.solver or ["verifier"])
    limits = runner.Limits(args.limit_s, args.memory)
    return runner.run(there, table, limits, args.results, jobs=args.jobs, again=args.again)


def recorded(args: argparse.Namespace) -> list[records.Record]:
    """Results of files; the last one of each tool and instance counts."""
    for file in args.results:
        if not file.is_file():
            raise SystemExit(f"{file}: there is no such file")
    keys, last = wanted(args), {}
    for record in (record for file in args.results for record in records.read(file)):
        if (keys is None or record.key in keys) and (not args.family or record.benchmark in args.family):
            last[record.tool, record.key] = record
    return list(last.values())


def judged(args: argparse.Namespace, own: list[records.Record]) -> list[Judged]:
    limits = {record.key: record.limit_s for record in own}
    beside = sorted(peers.measured(args.peers, args.sample), key=records.done) if args.peers else []
    others = sorted(peers.competition(args.competition, limits), key=records.done) if args.competition else []
    order = {tool: number for number, tool in enumerate(dict.fromkeys(record.tool for record in own))}
    return judge(sorted(own, key=lambda r: (order[r.tool], records.done(r))), beside, others)


def main(arguments: list[str] | None = None) -> int:
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    args = parser().parse_args(arguments)
    try:
        own = ran(args) if args.command == "run" else recorded(args)
    except KeyboardInterrupt:
        print(f"\nstopped; what was done is in {args.results}, the same command goes on with the rest", file=sys.stderr)
        return 130
    results = judged(args, own)
    print(report.summary(results))
    if args.versus and own:
        print(f"\n{report.versus(results, own[0].tool, args.versus)}")
    if args.table:
        report.save(args.table, results)
    if args.cactus:
        args.cactus.write_text(cactus.plot(results), encoding="utf-8")
    return 0
