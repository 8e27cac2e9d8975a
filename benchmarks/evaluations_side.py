"""Evaluations logged through the hook, in a process of its own: prints one line of JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

HORIZON, WINDOWS, MODELS = 14, 8, 25
COMMODITY = "Coffee"
FIRST_DAY = dt.date(2010, 1, 4)


def prices(n: int) -> list[float]:
    """A random walk, the same in every process."""
    walk, y = random.Random(1), [100.0]  # noqa: S311  no secret
    while len(y) < n:
        y.append(max(1.0, y[-1] + walk.gauss(0, 1)))
    return y


def weekday(number: int) -> dt.date:
    """The number-th trading day."""
    weeks, day = divmod(number, 5)
    return FIRST_DAY + dt.timedelta(days=7 * weeks + day)


def windows(model: int, week: int) -> Iterator[dict[str, Any]]:
    """The hook's `results` of one evaluation: a model that is a little off, on the data of a week."""
    y, skill = prices(600 + 14 * week), random.Random(f"{model} {week}")  # noqa: S311  no secret
    last = len(y) - 1 - HORIZON
    for number in range(WINDOWS):
        at = last - (WINDOWS - 1 - number) * HORIZON
        after = slice(at + 1, at + 1 + HORIZON)
        yield {
            "cutoff": weekday(at),
            "day0": y[at],
            "ds": [weekday(day) for day in range(at + 1, at + 1 + HORIZON)],
            "y": y[after],
            "y_hat": [y[at] + skill.gauss(0, 0.2 * (1 + model / MODELS)) for _ in range(HORIZON)],
            "y_train": y[: at + 1],
        }


def log(ledger: Any, name: str, model: int, week: int) -> None:
    """Log one evaluation; its rows are written with its last window."""
    for results in windows(model, week):
        config = {
            "commodity": COMMODITY,
            "model_type": "Baseline",
            "training_start_date": FIRST_DAY,
            "n_windows": WINDOWS,
            "data_as_of": weekday(599 + 14 * week),
        }
        ledger.log_experiment(name, results, config)


def fill(path: Path, evaluations: int, *, named: str, first: int) -> dict[str, Any]:
    """Log evaluations, each model anew every second week, and say how long each took."""
    from experiments import connect

    with connect(path) as ledger:
        seconds = []
        for number in range(first, first + evaluations):
            week, model = divmod(number, MODELS)
            started = time.perf_counter()
            log(ledger, f"{named} {model}", model, week)
            seconds.append(time.perf_counter() - started)
    return {"evaluations": evaluations, "total": sum(seconds), "median": median(seconds), "longest": max(seconds)}


def main() -> None:
    """Fill a ledger and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("evaluations", type=int)
    parser.add_argument("--first", type=int, default=0, help="number of the first evaluation")
    parser.add_argument("--named", default="model", help="what the models' names begin with")
    given = parser.parse_args()
    print(json.dumps(fill(given.path, given.evaluations, named=given.named, first=given.first)))


if __name__ == "__main__":
    main()
