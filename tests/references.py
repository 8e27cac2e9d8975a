"""The reference values of tests/science/oracles: made outside, by the scripts beside them."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

ORACLES = Path(__file__).parent / "science" / "oracles"
AGREEMENT = {"rel": 1e-10, "abs": 1e-10}


def table(name: str) -> list[dict[str, str]]:
    with (ORACLES / f"{name}.csv").open() as lines:
        return list(csv.DictReader(lines))


def losses_by_case() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    rows = table("losses")
    return {
        case: tuple(
            np.array([float(row[side]) for row in rows if row["case"] == case]) for side in ("loss_a", "loss_b")
        )
        for case in dict.fromkeys(row["case"] for row in rows)
    }


def number(text: str) -> float:
    return math.nan if text == "NA" else float(text)
