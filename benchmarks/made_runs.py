"""Made-up runs for both sides of a comparison; standard library only, so that any interpreter can import it."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import Any

COMMODITIES = ("Coffee", "Sugar", "Cocoa", "Cotton")
SERIES = 5
VARIANTS = 100
TYPES = ("ARIMA", "SARIMAX", "XGBoost", "Prophet", "Baseline")
BEST = "Coffee"
"""The commodity whose best five are asked for."""

FIRST_RUN = dt.datetime(2024, 1, 1, 6, tzinfo=dt.UTC)
METRICS = (
    "mae_1day",
    "mae_7day",
    "mae_14day",
    "rmse_14day",
    "mape_14day",
    "directional_accuracy",
    "dm_test_vs_naive",
    "dm_pvalue",
    "mae_path",
    "naive_mae_path",
    "mase_14day",
    "execution_time_seconds",
)


def made_runs(count: int, *, seed: int) -> Iterator[dict[str, Any]]:
    """Runs as a weekly job makes them: each week every variant on every series of every commodity.

    Each is a `run_timestamp`, 12 `metrics`, 10 `params`, and what else the specification's dictionary names.
    """
    rng = random.Random(seed)  # noqa: S311  made-up figures
    a_week = len(COMMODITIES) * SERIES * VARIANTS
    for number in range(count):
        week, place = divmod(number, a_week)
        series, variant = divmod(place, VARIANTS)
        metrics = {name: rng.uniform(1, 9) for name in METRICS}
        metrics |= {
            "directional_accuracy": rng.random(),
            "dm_pvalue": rng.random(),
            "dm_test_vs_naive": rng.gauss(0, 1),
        }
        yield {
            "model_name": f"variant_{variant:03}",
            "model_version": "v1",
            "model_type": TYPES[variant % len(TYPES)],
            "commodity": COMMODITIES[series % len(COMMODITIES)],
            "unique_id": f"series_{series // len(COMMODITIES)}",
            "run_timestamp": FIRST_RUN + dt.timedelta(weeks=week, seconds=10 * place),
            "beats_baseline": metrics["dm_test_vs_naive"] < 0 and metrics["dm_pvalue"] < 0.05,  # noqa: PLR2004
            "params": {f"param_{index}": str(rng.randrange(100)) for index in range(10)},
            "metrics": metrics,
        }
