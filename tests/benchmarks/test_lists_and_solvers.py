"""Lists of instances, commands of each interface, words of each tool."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from compete import instances, main, solvers
from compete.instances import Instance
from compete.question import Question, networks, question
from compete.solvers import Scripts, Standard, Template

ROOT = Path(__file__).resolve().parents[2]
LISTED = ROOT.parent / "shared" / "vnncomp" / "instances.csv"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_checkout_in_all_its_layouts(tmp_path: Path) -> None:
    write(tmp_path / "benchmarks/b/instances.csv", "n.onnx,vnnlib/p.vnnlib,116\n\nn.onnx,vnnlib/q.vnnlib,1e2\n")
    write(tmp_path / "benchmarks/a/2.0/instances.csv", "\"[('f','n.onnx'),('g', 'm.onnx')]\",p.vnnlib,60\n")
    write(tmp_path / "benchmarks/a/1.0/instances.csv", "n.onnx,p.vnnlib,60")
    found = instances.read(tmp_path)
    assert [(i.benchmark, i.category, i.timeout_s, i.expected) for i in found] == [
        ("a/1.0", "a", 60.0, ""),
        ("a/2.0", "a", 60.0, ""),
        ("b", "b", 116.0, ""),
        ("b", "b", 100.0, ""),
    ]
    folder = tmp_path.resolve() / "benchmarks"
    assert found[1].models == {"f": folder / "a/2.0/n.onnx", "g": folder / "a/2.0/m.onnx"}
    assert found[2].query == folder / "b/vnnlib/p.vnnlib"
    assert len(found[1].missing) == 3
    write(folder / "b/vnnlib/p.vnnlib.gz", "")
    assert found[2].query == folder / "b/vnnlib/p.vnnlib.gz"  # stored packed, listed plain
    pointer = folder / "b/n.onnx.gz"
    pointer.write_bytes(gzip.compress(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"))
    assert pointer in found[2].missing


@pytest.mark.parametrize("text", ["", "a,b,c\n", "a,b\n", "x,a,b,1,sat,more\n"])
def test_what_is_no_list_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SystemExit, match=r"instances\.csv"):
        instances.read(write(tmp_path / "instances.csv", text))


def test_selection_is_drawn_by_its_seed_and_keeps_the_order(tmp_path: Path) -> None:
    every = [Instance("ab"[n % 2], "n", str(n), 1.0, "", tmp_path) for n in range(40)]
    drawn = instances.select(every, families=["a"], count=5, seed=1)
    assert drawn == instances.select(every, families=["a"], count=5, seed=1)
    assert drawn != instances.select(every, families=["a"], count=5, seed=2)
    assert drawn == sorted(drawn, key=lambda i: int(i.vnnlib))
    assert {i.benchmark for i in drawn} == {"a"}
    assert instances.select(every, only=frozenset({("n", "7")})) == [every[7]]
    assert instances.select(every, count=99) == every


@pytest.mark.skipif(not LISTED.is_file(), reason="needs the collection of public instances")
def test_the_public_instances_and_the_random_sample() -> None:
    every = instances.read(LISTED)
    assert len(every) == 651
    assert {Path(i.onnx).name for i in every if i.missing} <= {"mscn_2048d_dual.onnx.gz"}  # a Git LFS pointer
    sample = instances.keys(LISTED.parents[1] / "peers" / "complete.csv", "random")
    assert len(instances.select(every, only=sample)) == len(sample) == 82


def asked(tmp_path: Path, text: str = "", models: dict[str, Path] | None = None) -> Question:
    query = write(tmp_path / "q.vnnlib", text)
    return Question("cat", models or {"": tmp_path / "n.onnx"}, query, 20.0, tmp_path)


def test_the_standard_command_line_names_the_networks(tmp_path: Path) -> None:
    tail = ["--timeout", "20"]
    one = asked(tmp_path)
    assert Standard("tool -v").command(one) == [
        *["tool", "-v", "verify", str(one.query), "--network", f"N={tmp_path}/n.onnx", *tail]
    ]
    text = (
        "; (declare-network no)\n(declare-network net_1 (declare-input X ...))(declare-network b (equal-to net_1) ...)"
    )
    assert networks(asked(tmp_path, text).query) == ["net_1"]
    assert f"net_1={tmp_path}/n.onnx" in Standard("tool").command(asked(tmp_path, text))
    two = asked(tmp_path, text, {"f": Path("a.onnx"), "g": Path("b.onnx")})
    assert Standard("tool").command(two)[3:] == ["--network", "f=a.onnx", "--network", "g=b.onnx", *tail]
    assert two.onnx == "[('f', 'a.onnx'), ('g', 'b.onnx')]"


def test_templates_and_their_verdicts(tmp_path: Path) -> None:
    tool = Template("tool --net {onnx} -t {timeout} '{vnnlib} x'")
    question = asked(tmp_path)
    assert tool.command(question) == ["tool", "--net", f"{tmp_path}/n.onnx", "-t", "20", f"{question.query} x"]
    for text, verdict in [
        ("loading satellite.onnx\nResult: unsat\n", "unsat"),
        ("unsatisfactory\nVIOLATED\n", "sat"),
        ("Verdict: timed-out", "timeout"),
        ("sat\n((X_0 1))", "sat"),
        ("nothing", ""),
    ]:
        assert tool.read(question, text).verdict == verdict, text
    assert tool.read(question, "sat\n((X_0 1))").witness == "((X_0 1))"
    assert Template("tool", r"is (\w+)").read(question, "result is holds").verdict == "unsat"
    write(question.results, "timeout\n")
    assert tool.read(question, "sat").verdict == "timeout"  # the file counts


def test_names_and_definitions() -> None:
    assert solvers.named("verifier") == ("verifier", Standard("verifier-vnnlib", unpacked=False))
    assert solvers.named("a=standard:/x/tool --quiet") == ("a", Standard("/x/tool --quiet"))
    assert solvers.named("a=scripts:/x") == ("a", Scripts("/x"))
    assert solvers.named("a=command:t {onnx} ## (sat)") == ("a", Template("t {onnx} ", "(sat)"))
    for wrong in ("unheard", "a=", "a=standard:", "a=b:c", "verifier="):
        with pytest.raises(SystemExit, match="Known names: verifier"):
            solvers.named(wrong)


def test_packed_files_are_unpacked_for_those_who_need_it(tmp_path: Path) -> None:
    for name in ("n.onnx.gz", "q.vnnlib.gz"):
        (tmp_path / name).write_bytes(gzip.compress(name.encode()))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    instance = Instance("b", "n.onnx.gz", "q.vnnlib.gz", 1.0, "", tmp_path)
    plain = question(instance, 1.0, scratch, unpacked=True)
    assert (plain.query, plain.query.read_text()) == (scratch / "q.vnnlib", "q.vnnlib.gz")
    assert plain.models == {"": scratch / "n.onnx"}
    packed = question(instance, 1.0, scratch, unpacked=False)
    assert packed.query == tmp_path.resolve() / "q.vnnlib.gz"


def test_sizes() -> None:
    assert (main.size("12G"), main.size("1.5m")) == (12 * 2**30, 3 * 2**19)
    for wrong in ("", "G", "12", "12X"):
        with pytest.raises(Exception, match="not a size"):
            main.size(wrong)


def test_the_command_as_a_whole(tmp_path: Path) -> None:
    """Run, report with a peer, and all three files, from another folder."""
    write(tmp_path / "instances.csv", "benchmark,onnx,vnnlib,timeout_s,expected\nfam,n,q,9,unsat\nfam,n,r,9,unsat\n")
    write(tmp_path / "n", ""), write(tmp_path / "q", "holds"), write(tmp_path / "r", "violated")
    write(tmp_path / "peers.csv", "tool,benchmark,onnx,vnnlib,verdict,wall_s,limit_s\npeer,fam,n,r,unsat,3,9\n")
    options = ["--peers", "peers.csv", "--versus", "peer", "--table", "table.csv", "--cactus", "plot.svg"]
    command = [sys.executable, str(ROOT / "benchmarks" / "compete")]
    told = [*command, "run", "instances.csv", "--results", "out.csv", "--solver", "cat=command:cat {vnnlib}", *options]
    first = subprocess.run(told, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "wrong: cat  fam  n  r  sat" in first.stdout
    assert "solved by peer, not by cat: 1" in first.stdout
    assert (tmp_path / "table.csv").read_text().splitlines()[1].startswith("fam,cat,2,1,0,0,0,1,0,")
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
    second = subprocess.run(
        [*command, "report", "out.csv", *options], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert second.stdout == first.stdout
