"""A process that uses a registry, for registry_faults.py and registry.py: until it is killed, or so often."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("spread", "volume", "yield curve")
"""The models that are saved, promoted and deleted by processes to be killed."""

STEPS = (
    "before a commit",
    "after a commit",
    "before a file has its name",
    "after a file has its name",
    "before a file is removed",
    "after a file is removed",
)
"""Where a process is killed, if not at any moment."""

PER_MODEL = 10
"""Versions of each model of a registry that is filled."""

FILLED_AT_ONCE = 50_000


def main() -> None:
    """Do as told."""
    what, path, *given = sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]
    if what == "work":
        work(path, given[0], int(given[1]))
    elif what == "save":
        save(path, int(given[0]), int(given[1]))
    else:
        print(json.dumps({"fill": fill, "measure": measure}[what](path, *map(int, given))))


def work(path: Path, step: str, seed: int) -> None:
    """Save, promote, roll back and delete for ever, and say what is begun and what was acknowledged.

    With a step, the process kills itself there, at its n-th time.
    """
    from experiments import ModelRegistry
    from experiments.errors import ExperimentsError

    rng = random.Random(seed)  # noqa: S311  no secret
    registry = ModelRegistry(path)
    say(what="opened")
    if step in STEPS:
        kill_at(step, rng.randint(1, 6 if "commit" in step else 2))
    saved: list[tuple[str, str, int]] = [
        (one["model_name"], one["version"], one["model_id"]) for one in registry.list_models()
    ]
    for turn in range(1_000_000):
        name = rng.choice(NAMES)
        ours = [one for one in saved if one[0] == name]
        what = "save" if len(ours) < 3 else rng.choice(["save", "promote", "promote", "rollback", "delete"])  # noqa: PLR2004
        token = f"{seed} {turn}"
        chosen = rng.choice(ours) if ours else None
        say(what=f"begin {what}", name=name, model_id=None if chosen is None else chosen[2])
        try:
            if what == "save":
                model_id = registry.save_model({"token": token}, name, "Made", {"f1": rng.random()})
                say(what="save", name=name, model_id=model_id, token=token)
                found = registry.get(model_id)
                say(what="version", name=name, model_id=model_id, version=found.version)
                saved.append((name, found.version, model_id))
            elif what == "promote" and chosen is not None:
                alias = rng.choice(["champion", "champion", "challenger"])
                decided = registry.promote(name, chosen[1], alias)
                say(what="promote", name=name, decision=decided.decision_id)
            elif what == "rollback":
                say(what="rollback", name=name, decision=registry.rollback(name).decision_id)
            elif chosen is not None and registry.delete_model(chosen[2], force=True, reason="to be killed"):
                say(what="delete", name=name, model_id=chosen[2])
                saved.remove(chosen)
        except ExperimentsError as error:  # it is champion already, or there is nothing to roll back to
            say(what="refused", why=str(error))


def say(**told: object) -> None:
    """Say so in one piece."""
    os.write(1, (json.dumps(told) + "\n").encode())


def kill_at(step: str, times: int) -> None:
    """Arrange for this process to be killed when it comes to a step so often."""
    from experiments.services.registry.files import ModelFiles
    from experiments.storage import table, upkeep

    left, turn = times, threading.Lock()

    def killing(done: Callable[..., Any], *, before: bool) -> Callable[..., Any]:
        def call(*given: Any, **how: Any) -> Any:
            nonlocal left
            with turn:
                left -= 1
            if before and left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = done(*given, **how)
            if not before and left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return call

    before = step.startswith("before")
    if "commit" in step:
        table.commit = upkeep.commit = killing(table.commit, before=before)
    elif "name" in step:
        os.replace = killing(os.replace, before=before)
    else:
        ModelFiles.remove = killing(ModelFiles.remove, before=before)  # type: ignore[method-assign]


def save(path: Path, number: int, count: int) -> None:
    """Save versions of one model that all save, and of one of its own; print what was acknowledged."""
    from experiments import ModelRegistry

    with ModelRegistry(path) as registry:
        (path / f"ready {number}").touch()
        while not (path / "go").exists():
            time.sleep(0.005)
        for turn in range(count):
            for name in ("of all", f"of {number}"):
                model_id = registry.save_model({"token": f"{number} {turn}"}, name, "Made", {"f1": turn / count})
                say(name=name, model_id=model_id, token=f"{number} {turn}")


def made_model() -> Any:
    """A small fitted model."""
    import numpy as np
    from sklearn.linear_model import Ridge

    x = np.random.default_rng(1).normal(size=(100, 10))
    return Ridge().fit(x, x.sum(axis=1))


def fill(path: Path, versions: int) -> dict[str, Any]:
    """Save one version, then add the others in bulk through the storage: rows like the first, each with a file.

    The files are links to copies of the first.
    """
    import numpy as np
    import pyarrow as pa

    from experiments import ModelRegistry
    from experiments.storage.arrow import arrow_table
    from experiments.storage.table import merge_arrow, records

    started = time.perf_counter()
    with ModelRegistry(path) as registry:
        registry.save_model(made_model(), "model 0", "Ridge", {"f1": 0.0, "mae": 1.0}, {"alpha": 1.0})
        engine = registry.ledger.engine
        engine.spark.sql("select 1").collect()
        first = records(engine.spark.sql("select * from models").toPandas())[0]
        row = {name: None if value != value else value for name, value in first.items() if name != "metrics"}  # noqa: PLR0124  NaN
        rng = np.random.default_rng(1)
        values = rng.random(versions)
        for begin in range(1, versions, FILLED_AT_ONCE):
            numbers = range(begin, min(begin + FILLED_AT_ONCE, versions))
            named = [(f"model {number // PER_MODEL}", f"1.0.{number % PER_MODEL}") for number in numbers]
            ids = [number + 1 for number in numbers]
            paths = [f"{registry.files.location}/{name}/{_file(version)}" for name, version in named]
            table = arrow_table("models", [row | {"metrics": {}}])
            table = pa.concat_tables([table] * len(ids)).combine_chunks()
            metrics = [[("f1", value), ("mae", 1 - value)] for value in values[begin : begin + len(ids)].tolist()]
            changed = {
                "model_id": ids,
                "model_name": [name for name, _ in named],
                "version": [version for _, version in named],
                "file_path": paths,
                "metrics": metrics,
            }
            for name, cells in changed.items():
                place = table.schema.get_field_index(name)
                table = table.set_column(place, name, pa.array(cells, table.schema.field(name).type))
            merge_arrow(engine, "models", table, key=("model_id",), ranges=("model_id",))
            content = Path(first["file_path"])
            for position, place in enumerate(map(Path, paths)):
                place.parent.mkdir(parents=True, exist_ok=True)
                if position:
                    os.link(content, place)
                else:  # a file has so many links at most
                    content = Path(shutil.copyfile(content, place))
    return {"versions": versions, "seconds": time.perf_counter() - started}


def _file(version: str) -> str:
    return f"Ridge_{version.replace('.', '_')}.pkl"


def measure(path: Path, versions: int, repeats: int, seed: int) -> dict[str, list[float]]:
    """Seconds of each thing that is done with a registry, the first time and again."""
    from experiments import ModelRegistry

    model, rng = made_model(), random.Random(seed)  # noqa: S311  no secret
    metrics, parameters = {"f1": 0.5, "mae": 0.5}, {"alpha": 1.0}
    spent: dict[str, list[float]] = {}

    def timed(what: str, do: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        found = do()
        spent.setdefault(what, []).append(time.perf_counter() - started)
        return found

    with ModelRegistry(path) as registry:
        for turn in range(repeats + 1):
            name = f"model {rng.randrange(max(versions // PER_MODEL, 1))}"
            listed = timed("list", lambda name=name: registry.list_models(model_name=name))
            _expect(len(listed) >= min(versions, PER_MODEL), f"{name} has {len(listed)} versions")
            best = timed("best", lambda: registry.get_best_model("f1"))
            _expect(best is not None, "there is no best")
            version = listed[rng.randrange(len(listed))]["version"]
            loaded = timed("load", lambda name=name, v=version: registry.load_model(version=v, model_name=name))
            _expect(loaded is not None, f"{name} {version} is not loaded")
            timed(
                "save",
                lambda turn=turn: registry.save_model(model, f"new {seed} {turn % 3}", "Ridge", metrics, parameters),
            )
            aliases = registry.aliases(name)
            other = next(one["version"] for one in reversed(listed) if one["version"] not in aliases.values())
            timed("alias", lambda name=name, v=other: registry.promote(name, v))
            _expect(registry.aliases(name)["champion"] == other, "the alias is another's")
            champion = timed("load champion", lambda name=name: registry.load_model(model_name=name, alias="champion"))
            _expect(champion is not None, "the champion is not loaded")
    return spent


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        sys.exit(otherwise)


if __name__ == "__main__":
    main()
