"""Result files survive being cut anywhere, and are only resumed by the run that they belong to."""

import pytest

from verifier.errors import InputError
from verifier.results import Record, Sink, to_csv, to_json

RUN = "model=a eps=0.1"
RECORDS = [
    Record(0, 7, "verified", bound=0.1 + 0.2, seconds=1e-9, method="crown", predicted=7, run=RUN),
    Record(1, 2, "unknown", "time", None, 3.5, "alpha-crown", 2, None, 0.25, None, "", 'a, "b"', run=RUN),
    Record(2, 1, "error", 'RuntimeError: "quoted", \u2028 and ünïcode', None, run=RUN),
]


def write(path, kind, records=RECORDS):
    sink = Sink(str(path), kind, RUN, resume=False)
    for record in records:
        sink.write(record)
    sink.close()


@pytest.mark.parametrize("kind", ["json", "csv"])
class TestSink:
    def test_round_trip(self, kind, tmp_path):
        write(tmp_path / "r", kind)
        sink = Sink(str(tmp_path / "r"), kind, RUN, resume=True)
        assert sink.done[0] == RECORDS[0]
        assert sink.done[1] == RECORDS[1]
        assert sink.done[2].verdict == "error"
        sink.close()

    def test_cut_anywhere(self, kind, tmp_path):
        write(tmp_path / "whole", kind)
        whole = (tmp_path / "whole").read_bytes()
        breaks = {k + step for k, byte in enumerate(whole) if byte == 10 for step in (-1, 0, 1, 2)}
        for end in sorted({*range(0, len(whole), 25), *breaks} & set(range(len(whole)))):
            path = tmp_path / "r"
            path.write_bytes(whole[:end])
            sink = Sink(str(path), kind, RUN, resume=True)
            assert list(sink.done) == list(range(whole[:end].count(b"\n") - (kind == "csv" and b"\n" in whole[:end])))
            for record in RECORDS:
                sink.write(record)
            sink.close()
            assert path.read_bytes() == whole

    def test_another_run_is_refused(self, kind, tmp_path):
        write(tmp_path / "r", kind)
        before = (tmp_path / "r").read_bytes()
        with pytest.raises(InputError, match=r"eps 0\.1 there, 0\.2 now"):
            Sink(str(tmp_path / "r"), kind, "model=a eps=0.2", resume=True)
        assert (tmp_path / "r").read_bytes() == before

    @pytest.mark.parametrize("damage", [b"hello\n", b'{"index": 1}\n', b"[]\n", b"\xff\xfe\n"])
    def test_other_files_are_refused(self, kind, tmp_path, damage):
        (tmp_path / "r").write_bytes(damage)
        with pytest.raises(InputError, match="can't be"):
            Sink(str(tmp_path / "r"), kind, RUN, resume=True)
        assert (tmp_path / "r").read_bytes() == damage

    def test_nothing_to_resume_is_a_new_run(self, kind, tmp_path):
        sink = Sink(str(tmp_path / "r"), kind, RUN, resume=True)
        sink.write(RECORDS[0])
        sink.close()
        assert sink.done == {}

    def test_one_line_each(self, kind, tmp_path):
        line = {"json": to_json, "csv": to_csv}[kind](Record(0, 0, "error", reason="a\nb\r\nc\x85d"))
        assert len(line.splitlines()) == 1


def test_json_has_no_infinities():
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(Record(0, 0, "unknown", bound=float("inf")))
