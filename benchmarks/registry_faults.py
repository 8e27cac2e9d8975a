"""The registry under faults: processes killed while they save, promote, roll back and delete, and many at once.

A process says what was acknowledged; it is killed at a random instant, or at a step: before or after a commit, before
or after a file has its name or is removed. After the next sweep there must be no version without its file, no file
without its version and no row that is no version; every acknowledged save must be there unless it was deleted, no
number have been given twice, no model have two champions, and every acknowledged decision be in the chain. Then storage
that fails half-way, files swapped behind our back, models that cannot be saved or lie, and names and versions that are
none.
"""

from __future__ import annotations

import json
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import HERE, Report, environment, parser, say
from registry_side import STEPS

SIDE = HERE / "registry_side.py"
ANY = "at any moment"
LONGEST = 2.0
"""Seconds after its registry is open within which a process is killed at any moment."""

PATIENCE = 60
"""Seconds within which a process comes to the step where it kills itself."""

AT_ONCE = 10
"""Processes killed, one after another, between two looks at the registry."""

VERSIONS = ("1.0", "v1", "1.0.0-beta", "01.0.0", "1.0.0.0", "", " 1.0.0", "1.0.-1", "1.0.0\n", "1.0.1000000000", 1.0)
NAMED = ("a/b", "../up", "a\\b", ".", "..", ".hidden", "a.", " a", "", "-a", "a\0b", "a\nb", "x" * 300, "ä" * 100, None)
KEPT = ("a.b", "x" * 120, "Zins Kurve", "größe", "50%", "a:b*?")
"""Names that are names."""

Acknowledged = dict[str, Any]


def main() -> None:
    """Do it all, and keep what came out."""
    options = parser(__doc__)
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--saves", type=int, default=25, help="of each process, for each of two models (%(default)s)")
    given = options.parse_args()
    report = Report(given)
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        if given.kills:
            report.note(kills(folder / "killed", given.kills))
        if given.processes:
            report.note(at_once(folder / "together", given.processes, given.saves))
        from experiments import ModelRegistry

        with ModelRegistry(folder / "faulty") as registry:
            for check in (storage_fails, swapped_files, bad_models, bad_metrics, bad_names):
                say(check.__name__)
                report.note(check(registry, folder))
    report.finish()


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start the other side."""
    return subprocess.Popen(
        [sys.executable, SIDE, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def expect(holds: object, otherwise: str) -> None:
    """End the benchmark where something does not hold."""
    if not holds:
        sys.exit(otherwise)


def kills(path: Path, count: int) -> str:
    """Kill one process after another, and look what is there."""
    rng = random.Random(1)  # noqa: S311  no secret
    told: list[Acknowledged] = []
    at: Counter[str] = Counter()
    swept: Counter[str] = Counter()
    for number in range(count):
        # every second at any moment, the others at each step in turn
        step = ANY if number % 2 else STEPS[number // 2 % len(STEPS)]
        process = start("work", path, step, number)
        opened = process.stdout.readline() if process.stdout is not None else ""
        delay = rng.uniform(0, LONGEST) if step == ANY else PATIENCE
        killer = threading.Timer(delay, process.send_signal, [signal.SIGKILL])
        killer.start()
        out, said = process.communicate()
        killer.cancel()
        expect(opened and process.returncode == -signal.SIGKILL, f"process {number} ended by itself: {said}")
        lines = [json.loads(line) for line in out.splitlines() if line.endswith("}")]
        told += lines
        doing = next((line["what"] for line in reversed(lines)), "")
        at["in " + doing.removeprefix("begin ") if doing.startswith("begin ") else "between two"] += 1
        if number % AT_ONCE == AT_ONCE - 1 or number == count - 1:
            say(f"{number + 1} of {count} killed")
            swept += look(path, told)
    n = Counter(one["what"] for one in told)
    listed = ", ".join(f"{times} {what}" for what, times in at.most_common())
    left = ", ".join(f"{times} {what}" for what, times in swept.items()) or "nothing"
    return (
        f"{count} processes killed, half of them at a step, half at any moment ({listed}): of {n['save']} acknowledged "
        f"saves, {n['promote']} promotions, {n['rollback']} rollbacks and {n['delete']} deletions none was lost; no "
        "version without its file, no file without its version, no number given twice, never two champions. Swept: "
        f"{left}"
    )


def look(path: Path, told: list[Acknowledged]) -> Counter[str]:
    """See that all is in order after a sweep; returns what was swept."""
    from experiments import ModelRegistry

    with ModelRegistry(path) as registry:
        swept = registry.sweep(older_than_hours=0)
        expect(not swept.missing, f"versions without a file: {swept.missing}")
        again = registry.sweep(older_than_hours=0)
        expect(not (again.rows or again.files or again.missing), f"left after the sweep: {again}")
        rows = registry.ledger.sql("select model_id, model_name, version, saved_at is not null as is_saved from models")
        expect(rows["is_saved"].all(), "a row is no version")
        expect(rows["model_id"].is_unique and not rows.duplicated(["model_name", "version"]).any(), "a number twice")
        versions = {one["model_id"]: registry.get(one["model_id"]) for one in registry.list_models()}
        expect(set(versions) == set(rows["model_id"]), "the view and the table differ")
        for one in versions.values():
            registry.check_file(one)
        files = {file for file, _ in registry.files.all()}
        expect(files == {one.file_path for one in versions.values()}, "a file has no version")
        champions = Counter(one.model_name for one in versions.values() if one.alias == "champion")
        expect(max(champions.values(), default=0) <= 1, f"two champions: {champions}")
        decisions = registry.ledger.sql("select decision_id, commodity, follows from decisions")
        expect(not decisions.duplicated(["commodity", "follows"]).any(), "two decisions follow one")
        expect(not [one for one in registry.ledger.audit() if one.problems], "a decision does not hold")
        acknowledged(registry, told, versions, set(decisions["decision_id"]))
        return Counter({"unfinished rows": len(swept.rows), "files of no version": len(swept.files)})


def acknowledged(registry: Any, told: list[Acknowledged], versions: dict[int, Any], decisions: set[str]) -> None:
    """See that what was acknowledged is there, and that no number was."""
    deleted = {one["model_id"] for one in told if one["what"] == "delete"}
    begun = {one["model_id"] for one in told if one["what"] == "begin delete"}
    saves = [one for one in told if one["what"] == "save"]
    expect(len({one["model_id"] for one in saves}) == len(saves), "a model_id was given twice")
    numbers = [(one["name"], one["version"]) for one in told if one["what"] == "version"]
    expect(len(set(numbers)) == len(numbers), "a version was given twice")
    for one in saves:
        found = versions.get(one["model_id"])
        expect(found is not None or one["model_id"] in begun, f"acknowledged and not there: {one}")
        expect(found is None or one["model_id"] not in deleted, f"deleted and still there: {one}")
        if found is not None:
            expect(registry.open(found) == {"token": one["token"]}, f"another model: {one}")
    for one in told:
        expect("decision" not in one or one["decision"] in decisions, f"decided and not recorded: {one}")


def at_once(path: Path, processes: int, saves: int) -> str:
    """Many processes save at once: every number once, every save there."""
    from experiments import ModelRegistry

    ModelRegistry(path).close()
    running = [start("save", path, number, saves) for number in range(processes)]
    while len(list(path.glob("ready *"))) < processes:
        expect(not any(process.poll() for process in running), "a process failed")
        time.sleep(0.01)
    (path / "go").touch()
    began = time.perf_counter()
    told: list[Acknowledged] = []
    for process in running:
        out, said = process.communicate()
        expect(process.returncode == 0, f"a process ended with {process.returncode}: {said}")
        told += [json.loads(line) for line in out.splitlines()]
    seconds = time.perf_counter() - began
    with ModelRegistry(path) as registry:
        versions = {one["model_id"]: one for one in registry.list_models()}
        expect(len(told) == len(versions) == 2 * processes * saves, f"{len(versions)} versions of {len(told)} saved")
        for name in ["of all", *(f"of {number}" for number in range(processes))]:
            got = sorted(int(one["version"].split(".")[2]) for one in versions.values() if one["model_name"] == name)
            expect(got == list(range(len(got))), f"the versions of {name} are {got}")
        for one in told:
            model = registry.load_model(one["model_id"])
            expect(model == {"token": one["token"]}, f"another model: {one}")
    return (
        f"{processes} processes saving {2 * saves} versions each at once, half of them of one model: all there, no "
        f"number twice, no gap ({len(told) / seconds:.1f} a second together)"
    )


def refused(kind: type[Exception], do: Callable[[], object], what: str) -> None:
    """See that something is refused, in one line."""
    try:
        do()
    except kind as error:
        expect(str(error).strip() and "\n" not in str(error).strip(), f"{what}: the error has several lines: {error}")
        return
    sys.exit(f"{what} was taken")


def nothing_saved(registry: Any, before: int) -> None:
    """See that there is no trace of a save that failed."""
    rows = int(registry.ledger.sql("select count(*) as n from models")["n"].item())
    files = [file for file, _ in registry.files.all()]
    expect(rows == len(files) == before, f"{rows} rows and {len(files)} files, {before} before")


def storage_fails(registry: Any, folder: Path) -> str:
    """A disk that is full half-way, a folder that is a file, and a file system that raises at each of its calls."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    from experiments import ModelRegistry
    from experiments.errors import EngineError

    before = len(registry.list_models())
    large = {"weights": os.urandom(4_000_000)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, hard))  # a write beyond fails, as on a full disk
    try:
        refused(EngineError, lambda: registry.save_model(large, "large", "Made", {}), "a model larger than the disk")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    nothing_saved(registry, before)
    place = Path(registry.files.location) / "a file"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("in the way")
    refused(EngineError, lambda: registry.save_model({}, "a file", "Made", {}), "a folder that is a file")
    place.unlink()
    nothing_saved(registry, before)

    class Failing(MemoryFileSystem):  # type: ignore[misc]
        protocol = "failing"
        store: dict[str, Any] = {}  # noqa: RUF012  of the class, as its parent has it
        pseudo_dirs = [""]  # noqa: RUF012
        broken = ""

        def __getattribute__(self, name: str) -> Any:
            if name == type(self).broken:
                msg = "the connection was reset"
                raise OSError(msg)
            return super().__getattribute__(name)

    fsspec.register_implementation("failing", Failing, clobber=True)
    beside = ModelRegistry("failing://models", ledger=registry.ledger)
    calls = ("makedirs", "pipe_file", "mv")
    for call in calls:
        Failing.broken = call
        refused(EngineError, lambda: beside.save_model({}, "far", "Made", {}), f"a store that fails at {call}")
        Failing.broken = ""
        expect(not list(beside.files.all()), f"a file is left where {call} failed")
        rows = registry.ledger.sql("select count(*) as n from models")["n"].item()
        expect(rows == before, f"a row is left where {call} failed")
    model_id = beside.save_model({"far": True}, "far", "Made", {})
    Failing.broken = "cat_file"
    expect(beside.load_model(model_id) is None, "loaded from a store that cannot be read")
    Failing.broken = "rm_file"
    refused(EngineError, lambda: beside.delete_model(model_id), "a store that removes nothing")
    Failing.broken = ""
    expect(beside.load_model(model_id) is None, "deleted and still loaded")
    swept = beside.sweep(older_than_hours=0)
    expect(swept.rows and not list(beside.files.all()), f"not swept: {swept}")
    return (
        "Storage that fails half-way, a full disk, a file in the way of a folder and a file system that raises at each "
        "of its calls: an error each, nothing saved, and no row or file left"
    )


class Running:
    """What runs code where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


def swapped_files(registry: Any, folder: Path) -> str:
    """Files changed behind our back: none is loaded, nothing in them is run."""
    first = registry.save_model({"n": 1}, "swapped", "Made", {})
    second = registry.save_model({"n": 2}, "swapped", "Made", {})
    place, other = (Path(registry.get(one).file_path) for one in (first, second))
    good, mark = place.read_bytes(), folder / "it ran"
    for content in (
        pickle.dumps(Running(mark)),
        other.read_bytes(),
        good[:-1],
        good + b"\0",
        b"",
        bytes([good[0] ^ 1]) + good[1:],
    ):
        place.write_bytes(content)
        expect(registry.load_model(first) is None, f"loaded from a file that begins with {content[:20]!r}")
    place.unlink()
    place.symlink_to(other)
    expect(registry.load_model(first) is None, "loaded through a link to another")
    place.unlink()
    expect(registry.load_model(first) is None, "loaded without a file")
    expect(registry.sweep(older_than_hours=0).missing == ("swapped 1.0.0",), "the sweep does not say what is missing")
    place.write_bytes(good)
    expect(registry.load_model(first) == {"n": 1}, "its own file was put back and is not loaded")
    expect(not mark.exists(), "code of a swapped file ran")
    return "8 ways to swap, damage or remove a file: none loaded, no code in one run; put back, it is loaded again"


class Unpicklable:
    """What no format can hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


class Posing:
    """What says it is a model of XGBoost, and writes another thing."""

    def save_model(self, path: Path) -> None:
        """Write no model."""
        Path(path).write_bytes(b"no model")


Posing.__module__ = "xgboost.sklearn"


def bad_models(registry: Any, folder: Path) -> str:
    """Models that cannot be saved, and models that are not what they say."""
    from sklearn.linear_model import Ridge

    from experiments.errors import InvalidInputError

    before = len(registry.list_models())
    for model in (Unpicklable(), lambda x: x, (one for one in ())):
        refused(InvalidInputError, lambda model=model: registry.save_model(model, "bad", "Made", {}), f"{model}")
    for form in ("xgboost", "lightgbm"):
        save = lambda form=form: registry.save_model(Ridge(), "bad", "XGBRegressor", {}, file_format=form)  # noqa: E731
        refused(InvalidInputError, save, f"Ridge as {form}")
    nothing_saved(registry, before)
    lying = registry.save_model({"not": "XGBoost"}, "lying", "XGBClassifier", {})
    expect(registry.load_model(lying) == {"not": "XGBoost"}, "joblib takes what it is given, whatever it is called")
    try:
        posing = registry.save_model(Posing(), "posing", "XGBClassifier", {}, file_format="xgboost")
        expect(registry.load_model(posing) is None, "what posed as XGBoost's was loaded")
    except InvalidInputError:
        nothing_saved(registry, before + 1)
    return (
        "3 models that cannot be pickled and 2 that are another library's refused, nothing saved; one that poses as "
        "XGBoost's is not loaded"
    )


def bad_metrics(registry: Any, folder: Path) -> str:
    """Metrics that are NaN or missing."""
    nan, infinite = float("nan"), float("inf")
    given = [{"f1": nan, "mae": nan}, {}, {"f1": 0.5}, {"f1": 0.7, "mae": 2.0}, {"mae": 1.0}, {"f1": -infinite}]
    for metrics in given:
        registry.save_model({}, "measured", "Made", metrics)
    best = {name: registry.get_best_model(name, model_name="measured") for name in ("f1", "mae", "none")}
    found = {name: None if one is None else one["version"] for name, one in best.items()}
    expect(found == {"f1": "1.0.3", "mae": "1.0.4", "none": None}, f"best are {found}")
    least = registry.list_models(model_name="measured", min_f1=-1e300)
    expect([one["version"] for one in least] == ["1.0.2", "1.0.3"], f"with an f1 are {least}")
    return "Metrics NaN, missing and infinite: never best, and in no list by a least f1"


def bad_names(registry: Any, folder: Path) -> str:
    """Names and versions that are none, and some that are."""
    from experiments.errors import InvalidInputError

    before = len(registry.list_models())
    files = len(list(registry.files.all()))
    for version in VERSIONS:
        save = lambda version=version: registry.save_model({}, "named", "Made", {}, version=version)  # noqa: E731
        refused(InvalidInputError, save, f"the version {version!r}")
    for name in NAMED:
        refused(InvalidInputError, lambda name=name: registry.save_model({}, name, "Made", {}), f"the name {name!r}")
        refused(InvalidInputError, lambda name=name: registry.save_model({}, "a", name, {}), f"the type {name!r}")
    expect(len(list(registry.files.all())) == files, "a file was written")
    expect(len(registry.list_models()) == before, "a version was saved")
    for name in KEPT:
        model_id = registry.save_model({"name": name}, name, name, {})
        expect(registry.load_model(model_id) == {"name": name}, f"{name!r} is not loaded")
        expect(registry.load_model(model_name=name, version="1.0.0") == {"name": name}, f"{name!r} is not found")
    return (
        f"{len(VERSIONS)} versions and {len(NAMED)} names that are none refused, nothing saved; {len(KEPT)} unusual "
        "names saved and loaded"
    )


if __name__ == "__main__":
    main()
