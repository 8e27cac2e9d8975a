"""Reference values of directional accuracy, on the series and forecasts that accuracy.R wrote; run after it.

    python directional_accuracy.py      made with scikit-learn 1.9.1

directional_accuracy.csv    sklearn.metrics.accuracy_score of three classes (up, flat, down, against day 0, the last
                            observed value) with weight 0 where the actual did not move: a flat forecast never hits
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from sklearn.metrics import accuracy_score

HERE = Path(__file__).parent


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open() as lines:
        return list(csv.DictReader(lines))


def sign(change: float) -> int:
    return (change > 0) - (change < 0)


def main() -> None:
    series: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in read("accuracy_series.csv"):
        series[row["case"]].append((row["ds"], float(row["y"])))
    position = {(case, ds): place for case, days in series.items() for place, (ds, _) in enumerate(days)}
    actual, forecast = defaultdict(list), defaultdict(list)
    for row in read("accuracy_forecasts.csv"):
        case, model = row["case"], row["model"]
        cutoff = position[case, row["cutoff"]]
        day0 = series[case][cutoff][1]
        actual[case, model].append(sign(series[case][cutoff + int(row["step"])][1] - day0))
        forecast[case, model].append(sign(float(row["y_hat"]) - day0))
    with (HERE / "directional_accuracy.csv").open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["case", "model", "n_flat_actuals", "n_flat_forecasts", "directional_accuracy"])
        for key, moves in actual.items():
            moved = [move != 0 for move in moves]
            figure = accuracy_score(moves, forecast[key], sample_weight=moved)
            writer.writerow([*key, moved.count(False), forecast[key].count(0), f"{figure:.17g}"])


if __name__ == "__main__":
    main()
