"""Reference values of conformal prediction intervals, on the series and forecasts that accuracy.R wrote; run after it.

To them comes, for every series, the last observed value as the forecast of 7 steps on the last 30 windows that begin at
every third observation ("naive"): windows that overlap.

    python -W ignore conformal.py       made with crepes 0.9.1 (numpy 2.4.6)

conformal.csv   for each step and cutoff, a crepes.ConformalPredictiveSystem fitted to the residuals of that step that
                were known at the cutoff; its percentiles 10 (lower), the mean of both 50s and 90 (higher), and how many
                residuals there were; only where both ends are finite
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
HORIZON, STEP_SIZE, N_WINDOWS = 7, 3, 30


def read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open() as lines:
        return list(csv.DictReader(lines))


def main() -> None:
    from crepes import ConformalPredictiveSystem

    series: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for row in read("accuracy_series.csv"):
        series[row["case"]].append((row["ds"], float(row["y"])))
    position = {(case, ds): place for case, days in series.items() for place, (ds, _) in enumerate(days)}
    steps: dict[tuple[str, str, int], list[tuple[int, float, float]]] = defaultdict(list)
    for row in read("accuracy_forecasts.csv"):
        cutoff, step = position[row["case"], row["cutoff"]], int(row["step"])
        actual = series[row["case"]][cutoff + step][1]
        steps[row["case"], row["model"], step].append((cutoff, actual, float(row["y_hat"])))
    for case, days in series.items():
        for cutoff in [*range(0, len(days) - HORIZON, STEP_SIZE)][-N_WINDOWS:]:
            for step in range(1, HORIZON + 1):
                steps[case, "naive", step].append((cutoff, days[cutoff + step][1], days[cutoff][1]))
    with (HERE / "conformal.csv").open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(["case", "model", "cutoff", "step", "n", "q10", "q50", "q90"])
        for (case, model, step), cells in steps.items():
            for cutoff, _, y_hat in cells:
                known = [y - forecast for earlier, y, forecast in cells if earlier + step <= cutoff]
                if not known:
                    continue
                system = ConformalPredictiveSystem()
                system.fit(np.array(known))
                asked = {"lower_percentiles": [10.0, 50.0], "higher_percentiles": [50.0, 90.0]}
                low, below, above, high = system.predict_percentiles(np.array([y_hat]), **asked)[0]
                if np.isfinite([low, high]).all():
                    found = [f"{float(value):.17g}" for value in (low, (below + above) / 2, high)]
                    writer.writerow([case, model, series[case][cutoff][0], step, len(known), *found])


if __name__ == "__main__":
    main()
