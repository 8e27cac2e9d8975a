"""The store of artifacts: content by its SHA-256, whole or not at all, in a folder or behind fsspec."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.reproduction import run_folder
from experiments.services.tracking import artifacts, places, reading
from experiments.services.tracking.artifacts import ArtifactStore, Kept, holder_of, store_of, type_of


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtifactStore]:
    if request.param == "folder":
        yield ArtifactStore(tmp_path / "store")
        return
    fsspec = pytest.importorskip("fsspec")
    yield ArtifactStore("memory://store/of/artifacts")
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def local(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "deep" / "empty").mkdir(parents=True)
    (made / "a.txt").write_text("same")
    (made / "deep" / "b 🌲.txt").write_text("same")
    (made / "deep" / "c.bin").write_bytes(bytes(range(256)) * 9000)
    (made / "link").symlink_to("deep/c.bin")
    return made


def content_of(store: ArtifactStore, sha256: str) -> bytes:
    with store.open(sha256) as content:
        return content.read()


def stored(place: Path) -> list[Path]:
    return sorted(path for path in place.rglob("*") if path.is_file())


def test_a_file_is_kept_under_its_sha256_and_comes_back(store: ArtifactStore, tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_bytes(b"\0\1" * 700_000)
    kept = store.keep(str(file))
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    assert kept == Kept(
        name="weights.pt",
        artifact_type="model",
        sha256=sha256,
        size_bytes=1_400_000,
        n_files=1,
        is_folder=False,
        location=f"{store.location}/{sha256[:2]}/{sha256}",
    )
    assert content_of(store, sha256) == file.read_bytes()
    assert store.fetch(sha256, tmp_path / "new" / "back.pt").read_bytes() == file.read_bytes()
    assert store.holds(sha256)
    assert not store.holds("0" * 64)


def test_a_folder_is_kept_as_a_list_of_its_files(store: ArtifactStore, folder: Path, tmp_path: Path) -> None:
    kept = store.keep(folder, "run/model")
    assert (kept.n_files, kept.is_folder, kept.artifact_type) == (4, True, "other")
    assert kept.size_bytes == 2 * 4 + 2 * 256 * 9000
    assert [name for name, _, _ in store.files(kept.sha256)] == ["a.txt", "deep/b 🌲.txt", "deep/c.bin", "link"]
    back = store.fetch(kept.sha256, tmp_path / "back", is_folder=True)
    for name in ("a.txt", "deep/b 🌲.txt", "deep/c.bin", "link"):
        assert (back / name).read_bytes() == (folder / name).read_bytes()
    assert store.keep(back).sha256 == kept.sha256


def test_equal_content_is_kept_once(local: ArtifactStore, folder: Path) -> None:
    first, second = local.keep(folder / "a.txt"), local.keep(folder / "deep" / "b 🌲.txt", "other/name.png", "log")
    assert (first.sha256, first.artifact_type) == (second.sha256, "log")
    assert len(stored(Path(local.location))) == 1
    assert len({local.keep(folder).sha256, local.keep(folder).sha256}) == 1
    assert len(stored(Path(local.location))) == 3


def test_objects_are_kept_in_their_own_format(store: ArtifactStore) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=["x", "y"])
    settings = {"rate": 0.1, "names": {"b"}, "frame": frame["a"].to_numpy(), "path": Path("x")}
    made = [store.keep(frame), store.keep(settings), store.keep([1, "é"], "list.json"), store.keep(b"raw", "r.bin")]
    assert [one.artifact_type for one in made] == ["data", "config", "config", "other"]
    assert made[0].name == f"frame-{made[0].sha256[:8]}.parquet"
    assert made[1].name == f"content-{made[1].sha256[:8]}.json"
    pd.testing.assert_frame_equal(pd.read_parquet(BytesIO(content_of(store, made[0].sha256))), frame)
    read = json.loads(content_of(store, made[1].sha256))
    assert read == {"rate": 0.1, "names": ["b"], "frame": [1, 2], "path": "x"}
    assert json.loads(content_of(store, made[2].sha256)) == [1, "é"]


def test_a_figure_is_a_picture_and_the_same_again_the_same(local: ArtifactStore) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    figure.add_subplot().plot([1, 2, 3])
    kept = local.keep(figure)
    assert (kept.name, kept.artifact_type) == (f"figure-{kept.sha256[:8]}.png", "plot")
    assert content_of(local, kept.sha256)[:4] == b"\x89PNG"
    assert local.keep(figure).sha256 == kept.sha256
    assert content_of(local, local.keep(figure, "f.svg").sha256)[:5] == b"<?xml"
    with pytest.raises(InvalidInputError, match=r"a figure is kept under a name that ends in .png or .svg or .pdf"):
        local.keep(figure, "f.gif")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        *((name, "give a relative path") for name in ("", " ", "/etc/passwd", "../up", "a/../../up", "a\0b", 3)),
        *((name, "without a backslash or a drive") for name in ("C:\\x", "a\\b", "C:/x", "c:x")),
        ("a/" * 250 + "b", "has 501 characters: give one of at most 500"),
        ("dir/" + "a" * 300, "has a part 'aaa.*' of 300 bytes: file systems take 255"),
        ("é" * 128 + "/x", "of 256 bytes"),
        ("\ud800", "no Unicode text"),
    ],
)
def test_a_name_no_file_can_have_is_refused(local: ArtifactStore, name: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=f"the name of an artifact.* {why}"):
        local.keep(b"", name)
    assert not Path(local.location).exists()


def test_the_longest_names_can_be_written_also_beside_their_like(local: ArtifactStore, tmp_path: Path) -> None:
    names = ["a" * 251 + ".txt", "a" * 251 + ".txt", "é" * 127 + "/" + "b" * 255, "10:30.txt"]
    kept = [local.keep(b"%d" % at, name) for at, name in enumerate(names)]
    rows = [vars(one) | {"logged_at": at} for at, one in enumerate(kept)]
    places = run_folder._places(pd.DataFrame(rows))
    assert len(set(places)) == len(names)
    for one, place in zip(kept, places, strict=True):
        local.fetch(one.sha256, tmp_path / "run" / place)


def test_what_is_no_artifact_is_refused_with_what_is_one(local: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="an artifact is a int: give the path of a file or folder"):
        local.keep(3)
    with pytest.raises(InvalidInputError, match="bytes are kept under a name"):
        local.keep(b"raw")
    with pytest.raises(InvalidInputError, match="the artifact_type is 'picture': give one of plot, log"):
        local.keep(b"raw", "a", "picture")
    with pytest.raises(InvalidInputError, match=r"a DataFrame is kept under a name that ends in .parquet"):
        local.keep(pd.DataFrame({"a": [1]}), "a.csv")
    with pytest.raises(InvalidInputError, match="the DataFrame cannot be kept as Parquet"):
        local.keep(pd.DataFrame({"a": [1, "x"]}))
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(InvalidInputError, match="the list cannot be kept as JSON: Circular"):
        local.keep(circle)
    with pytest.raises(NotFoundError, match=r"there is no file '.*none'"):
        local.keep(tmp_path / "none")
    for wrong in ("", "a\0b"):
        with pytest.raises(InvalidInputError, match="give the path of a file or folder"):
            local.keep(wrong)
    assert not Path(local.location).exists()


def test_links_that_lead_out_round_or_nowhere_are_refused_by_name(
    local: ArtifactStore, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    for target, why in (
        ("../secret", "out of the folder"),
        ("/etc", "out of the folder"),
        (".", "in a circle"),
        ("odd", "in a circle"),
        ("none", "to nothing"),
    ):
        (folder / "odd").symlink_to(target)
        with pytest.raises(InvalidInputError, match=f"the link .*made/odd leads {why}"):
            local.keep(folder)
        (folder / "odd").unlink()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InvalidInputError, match="loop cannot be kept as an artifact: Too many levels"):
        local.keep(tmp_path / "loop")
    assert not Path(local.location).exists()


def test_pipes_sockets_and_devices_are_refused(
    local: ArtifactStore, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name, what in (("pipe", "a pipe"), ("socket", "a socket"), ("/dev/null", "a device")):
            with pytest.raises(InvalidInputError, match=f"{name} is {what}: only files and folders are kept"):
                local.keep(name)
    os.mkfifo(folder / "deep" / "pipe")
    with pytest.raises(InvalidInputError, match="deep/pipe is a pipe"):
        local.keep(folder)
    assert not stored(Path(local.location))


@pytest.mark.parametrize("times", [1, 99])
@pytest.mark.parametrize("same_stamp", [True, False])
def test_a_file_that_changes_while_it_is_read_is_read_again_some_times(
    local: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, same_stamp: bool
) -> None:
    file = tmp_path / "growing.log"
    file.write_bytes(b"a" * 4)
    monkeypatch.setattr(reading, "_PAUSE_SECONDS", 0)
    changes = []
    copy = places._copy

    def changing(content: Iterator[bytes], to: object) -> tuple[str, int]:
        def pieces() -> Iterator[bytes]:
            for number, piece in enumerate(content):
                yield piece
                if not number and len(changes) < times:
                    changes.append(1)
                    before = file.stat()
                    file.write_bytes(b"%04d" % len(changes) if same_stamp else b"b" * (3 - len(changes) % 2))
                    if same_stamp:
                        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

        return copy(pieces(), to)

    monkeypatch.setattr(places, "_copy", changing)
    if times == 1:
        kept = local.keep(file)
        assert kept.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        return
    with pytest.raises(InvalidInputError, match=r"growing\.log changes while it is read"):
        local.keep(file)
    assert len(changes) == reading._TRIES
    assert not stored(Path(local.location))


def test_damaged_content_is_an_error_that_names_it_and_is_mended_by_keeping_it_again(
    local: ArtifactStore, folder: Path, tmp_path: Path
) -> None:
    kept = local.keep(folder)
    damaged = Path(local.keep(folder / "deep" / "c.bin").location)
    damaged.write_bytes(b"!" + damaged.read_bytes()[1:])
    for read in (lambda: local.open(damaged.name), lambda: local.fetch(kept.sha256, tmp_path / "back", is_folder=True)):
        with pytest.raises(EngineError, match=f"{damaged.name} is damaged: its SHA-256 is"):
            read()
    assert [path.name for path in stored(tmp_path / "back")] == ["a.txt", "b 🌲.txt"]
    local.keep(folder)
    local.fetch(kept.sha256, tmp_path / "back", is_folder=True)
    damaged.unlink()
    with pytest.raises(NotFoundError, match=f"there is no artifact {damaged.name}"):
        local.open(damaged.name)


def test_damage_behind_fsspec_is_seen_too() -> None:
    fsspec = pytest.importorskip("fsspec")
    store = ArtifactStore("memory://damaged")
    kept = store.keep(b"content", "a.txt")
    for other in (b"other", b"c0ntent"):  # of another size, and of the same
        fsspec.filesystem("memory").pipe_file(kept.location.removeprefix("memory:/"), other)
        with pytest.raises(EngineError, match=f"{kept.location} is damaged"):
            store.open(kept.sha256)
        assert store.holds(kept.sha256)
        assert not store.intact(kept.sha256)
        assert store.keep(b"content", "a.txt") == kept
        assert content_of(store, kept.sha256) == b"content"
    assert store.intact(kept.sha256)
    assert not store.intact("0" * 64)
    with pytest.raises(NotFoundError, match="in memory://damaged"):
        store.open("0" * 64)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "open"])
def test_a_disk_that_is_full_or_read_only_leaves_nothing_behind(
    local: ArtifactStore, folder: Path, monkeypatch: pytest.MonkeyPatch, code: int, call: str
) -> None:
    local.keep(b"before", "b.txt")

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    if call == "fsync":
        monkeypatch.setattr(places.os, "fsync", fail)
    else:
        monkeypatch.setattr(places, "open", fail, raising=False)
    with pytest.raises(EngineError, match=rf"nothing can be written to .*store: {os.strerror(code)}"):
        local.keep(folder / "deep" / "c.bin")
    assert [path.name for path in stored(Path(local.location))] == [hashlib.sha256(b"before").hexdigest()]


def test_a_failed_upload_leaves_nothing_under_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    store = ArtifactStore("memory://full")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("quota exceeded")

    monkeypatch.setattr(memory, "mv", fail)
    with pytest.raises(EngineError, match="nothing can be written to memory://full: quota exceeded"):
        store.keep(b"content", "a.txt")
    assert not [name for name in memory.store if name.startswith("/full")]


def test_what_is_there_already_is_read_and_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    store = ArtifactStore("memory://twice")
    kept = store.keep(b"content", "a.txt")
    monkeypatch.setattr(memory, "put_file", None)
    assert store.keep(b"content", "a.txt") == kept


@pytest.mark.parametrize("url", ["memory://", "memory:///"])
def test_the_root_of_a_file_system_is_a_location(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EXPERIMENTS_ARTIFACTS", url)
    ledger = SimpleNamespace(path=None, where="here")
    kept = store_of(ledger).keep(b"root", "a.txt")  # type: ignore[arg-type]
    assert memory.cat(f"/{kept.sha256[:2]}/{kept.sha256}") == b"root"
    monkeypatch.delenv("EXPERIMENTS_ARTIFACTS")
    assert content_of(holder_of(ledger, kept.sha256, kept.location), kept.sha256) == b"root"  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    memory.store.clear()


def test_a_location_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    for wrong in ("", " ", "a\0b", None, "file://"):
        with pytest.raises(InvalidInputError, match="the location of the artifacts is"):
            ArtifactStore(wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="the location 'nosuch://x' is of no kind that is known"):
        ArtifactStore("nosuch://x")
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match=r"nothing can be written to .*file/store: Not a directory"):
        ArtifactStore(tmp_path / "file" / "store").keep(b"", "a")
    assert ArtifactStore(f"file://{tmp_path}").location == str(tmp_path)


def test_nothing_is_written_outside_of_the_folder_fetched_to(local: ArtifactStore, tmp_path: Path) -> None:
    digest = local.keep(b"evil", "e").sha256
    for path in ("../evil", "/evil", "a/../../evil", ""):
        listed = local.keep(json.dumps([[path, digest, 4]]).encode(), "list").sha256
        with pytest.raises(InvalidInputError, match="give a relative path"):
            local.fetch(listed, tmp_path / "to", is_folder=True)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "sub").symlink_to(tmp_path)
    listed = local.keep(json.dumps([["sub/evil", digest, 4]]).encode(), "list").sha256
    with pytest.raises(InvalidInputError, match=r"'sub/evil' would be outside of .*to, by a link in it"):
        local.fetch(listed, tmp_path / "to", is_folder=True)
    assert not (tmp_path / "evil").exists()
    with pytest.raises(InvalidInputError, match="is no folder: fetch it as a file"):
        local.fetch(digest, tmp_path / "to", is_folder=True)
    with pytest.raises(InvalidInputError, match="to is a folder: give the path of the file"):
        local.fetch(digest, tmp_path / "to")
    with pytest.raises(InvalidInputError, match="give its 64 hexadecimal digits"):
        local.open("../../etc/passwd")


def test_the_store_of_a_ledger_and_the_one_that_holds_an_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SimpleNamespace(path=tmp_path / "ledger", where="here")
    managed = SimpleNamespace(path=None, where="commodity.experiments")
    kept = store_of(ledger).keep(b"x", "x")  # type: ignore[arg-type]
    assert kept.location.startswith(str(tmp_path / "ledger" / "artifacts"))
    with pytest.raises(InvalidInputError, match=f"{managed.where} has no folder .* set EXPERIMENTS_ARTIFACTS"):
        store_of(managed)  # type: ignore[arg-type]
    assert content_of(holder_of(managed, kept.sha256, kept.location), kept.sha256) == b"x"  # type: ignore[arg-type]
    monkeypatch.setenv("EXPERIMENTS_ARTIFACTS", str(tmp_path / "other"))
    assert store_of(managed).location == str(tmp_path / "other")  # type: ignore[arg-type]
    assert content_of(holder_of(ledger, kept.sha256, kept.location), kept.sha256) == b"x"  # type: ignore[arg-type]
    other = store_of(ledger).keep(b"x", "x")  # type: ignore[arg-type]
    assert holder_of(ledger, kept.sha256, kept.location).location == str(tmp_path / "other") in other.location  # type: ignore[arg-type]


def test_every_ending_has_a_type() -> None:
    endings = {"a.PNG": "plot", "a.txt": "log", "a.yml": "config", "a.md": "report", "a.ubj": "model", "a.csv": "data"}
    assert {name: type_of(name) for name in endings} == endings
    assert type_of("code.diff") == "code"
    assert {type_of("a"), type_of(".png"), type_of("a.exe")} <= set(artifacts.TYPES)
