"""The journal: what was acknowledged is there once, whatever happens to the process, the disk or a bit."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import EngineError
from experiments.storage import journal as journals
from experiments.storage.journal import NOTHING, SLOT_BYTES, SLOTS, Batch, Journal, Place, claim_dead, finish, read

RUN = "01a194b4-3340-7cbd-8bc2-51cfda245dae"

WRITES = """
import os, sys
from pathlib import Path
from experiments.storage.journal import NOTHING, Journal

journal = Journal(Path(sys.argv[1]), "theirs")
journal.begin("run", {"row": {}})
for number in range(10**9):
    journal.point("run", "loss", float(number), number, NOTHING, NOTHING)
    if number % 100 == 0:
        journal.record("note", {"number": number})
    os.write(1, b"%d\\n" % number)
"""

CLAIMS = """
import sys
from pathlib import Path
from experiments.storage.journal import claim_dead

print([folder.name for folder in claim_dead(Path(sys.argv[1]))])
"""


def python(code: str, home: Path) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    return subprocess.Popen([sys.executable, "-c", code, str(home)], env=environment, stdout=subprocess.PIPE)


def claimed_elsewhere(home: Path) -> str:
    return python(CLAIMS, home).communicate()[0].decode().strip()


def log(journal: Journal, *values: float, name: str = "loss") -> None:
    for step, value in enumerate(values):
        journal.point(RUN, name, value, step, NOTHING, NOTHING)


def whole(folder: Path) -> Batch:
    return read(folder, Place(), limit=10**9, verify=True)


def notes(batch: Batch) -> list[Any]:
    return [record["number"] for record in batch.records if record["kind"] == "note"]


def words(batch: Batch) -> dict[int, str]:
    return {record["number"]: record["text"] for record in batch.records if record["kind"] == "word"}


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path, "ours")
    yield made
    if made.folder.exists():
        made.close(remove=True)


class TestReading:
    def test_what_was_written_comes_back_in_order(self, journal: Journal) -> None:
        journal.begin(RUN, {"row": {"name": "a\nb 'quoted' ☕"}})
        log(journal, 1.5, float("nan"), float("inf"))
        journal.record("note", {"number": 7})
        found = whole(journal.folder)
        assert [record["kind"] for record in found.records] == ["run", "word", "word", "note"]
        assert found.records[0]["row"] == {"name": "a\nb 'quoted' ☕"}
        assert found.points["value"].tolist()[0] == 1.5
        assert [*map(str, found.points["value"][1:])] == ["nan", "inf"]
        assert found.points["step"].tolist() == [0, 1, 2]
        assert set(found.points["episode"]) == {NOTHING}
        assert [words(found)[n] for n in found.points[0][["run", "name"]].item()] == [RUN, "loss"]
        assert found.positions.tolist() == [0, 1, 2]
        assert not found.damage

    def test_in_parts_it_is_the_same_over_many_files(self, journal: Journal) -> None:
        n = 2 * SLOTS + 5
        for number in range(n):
            journal.point(RUN, "loss", float(number), number, NOTHING, NOTHING)
        place, values = Place(), []
        while (part := read(journal.folder, place, limit=50_000, verify=False, end=journal.end)).upto != place:
            values += part.points["value"].tolist()
            place = part.upto
        assert values == [float(number) for number in range(n)]

    def test_files_that_are_committed_go_and_the_rest_is_read(self, journal: Journal) -> None:
        for number in range(SLOTS + 5):
            journal.point(RUN, "loss", float(number), number, NOTHING, NOTHING)
        journals.note_committed(journal.folder, Place(records=0, points=SLOTS + 2))
        assert len(list(journal.folder.glob("points-*"))) == 1
        assert journals.committed(journal.folder) == Place(records=0, points=SLOTS + 2)
        rest = read(journal.folder, Place(points=SLOTS + 2), limit=10**9, verify=True)
        assert rest.points["value"].tolist() == [SLOTS + 2.0, SLOTS + 3.0, SLOTS + 4.0]

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def test_a_bit_that_flips_costs_one_thing_at_most_and_is_told(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        made = Journal(tmp_path_factory.mktemp("flip"), "one")
        made.begin(RUN, {"row": {"name": "x"}})
        log(made, *range(20))
        for number in range(5):
            made.record("note", {"number": number})
        made.close(remove=False)
        file = made.folder / data.draw(st.sampled_from(["records", "points-00000000"]))
        content = bytearray(file.read_bytes())
        end = 20 * SLOT_BYTES if file.name.startswith("points") else len(content) - 1  # no line is left unfinished
        content[data.draw(st.integers(0, end - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(content)
        found = read(made.folder, Place(), limit=64, verify=True)
        n_kept = len(found.points) + len(notes(found))
        assert n_kept >= 24
        assert found.damage or n_kept == 25  # the end of a line, which costs nothing
        assert {*words(found).values()} == {RUN, "loss"}
        assert sum(record["kind"] == "run" for record in found.records) == 1
        assert {*found.points["value"]} <= set(range(20))

    def test_a_record_that_was_never_finished_was_never_there(self, journal: Journal) -> None:
        journal.record("note", {"number": 1})
        with (journal.folder / "records").open("ab") as file:
            file.write(b'0badc0de {"kind": "no')
        assert notes(whole(journal.folder)) == [1]
        assert not whole(journal.folder).damage


class TestFaults:
    def test_what_a_killed_process_had_acknowledged_is_there(self, tmp_path: Path) -> None:
        with python(WRITES, tmp_path) as writer:
            assert writer.stdout is not None
            lines = [writer.stdout.readline() for _ in range(2000)]
            writer.send_signal(signal.SIGKILL)
            lines += writer.stdout.readlines()
        acknowledged = int([line for line in lines if line.endswith(b"\n")][-1])
        found = whole(tmp_path / "theirs")
        values = found.points["value"].tolist()
        assert values == [float(number) for number in range(len(values))]
        assert len(values) > acknowledged
        assert notes(found)[: acknowledged // 100 + 1] == list(range(0, acknowledged + 1, 100))
        assert not found.damage

    def test_a_full_disk_is_one_error_and_what_was_kept_stays(
        self, journal: Journal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        journal.record("note", {"number": 1})
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", lambda file, text, write=os.write: write(file, text[:10]))
            with pytest.raises(EngineError, match=r"No space left on device.*EXPERIMENTS_JOURNAL"):
                journal.record("note", {"number": 2})

            def full(*_: Any) -> None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            patched.setattr(os, "write", full)
            with pytest.raises(EngineError, match="No space left"):
                journal.record("note", {"number": 2})
        with monkeypatch.context() as patched:
            patched.setattr(os, "posix_fallocate", full)
            with pytest.raises(EngineError, match="No space left"):
                log(journal, 1.0)
        log(journal, 2.0)
        journal.record("note", {"number": 3})
        found = whole(journal.folder)
        assert notes(found) == [1, 3]
        assert found.points["value"].tolist() == [2.0]
        assert not found.damage

    def test_a_folder_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(EngineError, match=r"file cannot be written: Not a directory"):
            Journal(tmp_path / "file", "ours")

    def test_a_number_of_more_than_64_bits_writes_nothing(self, journal: Journal) -> None:
        with pytest.raises(struct.error):
            journal.point(RUN, "loss", 1.0, 2**63, NOTHING, NOTHING)
        assert not len(whole(journal.folder).points)

    def test_a_clock_that_jumps_back_changes_no_order(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        log(journal, 1.0)
        monkeypatch.setattr("time.time_ns", lambda: 5_000)
        log(journal, 2.0)
        found = whole(journal.folder)
        assert found.points["value"].tolist() == [1.0, 2.0]
        assert len(set(found.points["time"].tolist())) == 1


class TestOwners:
    def test_one_in_use_is_left_alone_and_one_of_the_dead_is_claimed_once(self, journal: Journal) -> None:
        home = journal.folder.parent
        assert list(claim_dead(home)) == []
        assert claimed_elsewhere(home) == "[]"
        journal.close(remove=False)
        for folder in claim_dead(home):
            assert folder == journal.folder
            finish(folder, damaged=False)
        assert not journal.folder.exists()

    def test_who_copies_its_folder_does_not_lose_it(self, journal: Journal, tmp_path: Path) -> None:
        shutil.copytree(journal.folder, tmp_path / "copy" / "ours")
        assert claimed_elsewhere(journal.folder.parent) == "[]"

    def test_who_comes_second_waits_until_all_is_recovered(self, journal: Journal) -> None:
        journal.close(remove=False)
        with ThreadPoolExecutor(1) as thread:
            for folder in claim_dead(journal.folder.parent):
                second = thread.submit(claimed_elsewhere, journal.folder.parent)
                time.sleep(0.6)  # it has started and waits
                assert not second.done()
                finish(folder, damaged=False)
            assert second.result() == "[]"

    def test_a_damaged_one_is_put_aside(self, journal: Journal) -> None:
        journal.close(remove=False)
        for folder in claim_dead(journal.folder.parent):
            finish(folder, damaged=True)
        assert (journal.folder.parent / "damaged" / "ours" / "records").exists()
        assert list(claim_dead(journal.folder.parent)) == []

    def test_a_forked_child_writes_one_of_its_own(self, journal: Journal) -> None:
        log(journal, 1.0)
        child = os.fork()
        if child == 0:
            try:
                log(journal, 2.0)
                journal.record("note", {"number": 2})
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        log(journal, 3.0)
        (other,) = claim_dead(journal.folder.parent)
        assert other.name.startswith("ours-")
        assert whole(other).points["value"].tolist() == [2.0]
        assert whole(journal.folder).points["value"].tolist() == [1.0, 3.0]

    def test_a_child_that_logs_nothing_leaves_nothing(self, journal: Journal) -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert [folder.name for folder in journal.folder.parent.iterdir()] == ["ours"]
