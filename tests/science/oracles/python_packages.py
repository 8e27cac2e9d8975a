"""Reference values from two Python packages, on the inputs that dm_test.R wrote; run after it.

    python python_packages.py       made with scores 2.7.0 (scipy 1.17.1), statsmodels 0.15.0

scores_dm.csv       scores.stats.statistical_tests.diebold_mariano, method "HG" (normal distribution) and "HLN"
                    (t with n - 1 degrees of freedom; NA where its variance is negative)
directions_sm.csv   statsmodels.stats.diagnostic.pesaran_timmermann(alternative="larger"), which leaves the term of
                    order 1 / n^2 out of the published variance: its statistic is sqrt((n - 1) / n) times the published
"""

from __future__ import annotations

import csv
from math import isnan
from pathlib import Path

HERE = Path(__file__).parent
OVERLAPS = (1, 2, 7, 14)


def read_losses() -> dict[str, list[tuple[float, float]]]:
    losses: dict[str, list[tuple[float, float]]] = {}
    with (HERE / "losses.csv").open() as lines:
        for row in csv.DictReader(lines):
            losses.setdefault(row["case"], []).append((float(row["loss_a"]), float(row["loss_b"])))
    return losses


def write(name: str, header: list[str], rows: list[list[str]]) -> None:
    with (HERE / name).open("w", newline="") as lines:
        csv.writer(lines, lineterminator="\n").writerows([header, *rows])


def scores_diebold_mariano() -> None:
    import xarray as xr
    from scores.stats.statistical_tests import diebold_mariano

    rows = []
    for case, pairs in read_losses().items():
        for overlap in (overlap for overlap in OVERLAPS if overlap < len(pairs)):
            differences = xr.DataArray(
                [[a - b for a, b in pairs]],
                dims=["series", "window"],
                coords={"series": [0], "h": ("series", [overlap])},
            )
            for method, distribution in (("HG", "normal"), ("HLN", "t")):
                result = diebold_mariano(differences, "series", "h", method=method, statistic_distribution=distribution)
                numbers = [float(result[name][0]) for name in ("dm_test_stat", "confidence_gt_0")]
                written = ["NA" if isnan(number) else f"{number:.17g}" for number in numbers]
                rows.append([case, str(overlap), method, *written])
    write("scores_dm.csv", ["case", "overlap", "method", "statistic", "less"], rows)


def pesaran_timmermann() -> None:
    from statsmodels.stats.diagnostic import pesaran_timmermann as reference

    rows = []
    with (HERE / "directions.csv").open() as lines:
        for row in csv.DictReader(lines):
            actual, predicted = ([2 * int(up) - 1 for up in row[side]] for side in ("actual", "predicted"))
            result = reference(actual, predicted, alternative="larger")
            rows.append([row["case"], f"{float(result.statistic):.17g}", f"{float(result.pvalue):.17g}"])
    write("directions_sm.csv", ["case", "statistic", "pvalue"], rows)


if __name__ == "__main__":
    scores_diebold_mariano()
    pesaran_timmermann()
