"""The peers' sides of backtest.py, each without anything of ours; prints one line of JSON.

`windows` is the one exception: it writes down, for the loop over statsmodels, what our SARIMAX variants are given.
"""

from __future__ import annotations

import json
import os
import pickle
import time
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

from backtest_task import HORIZON, LEVEL, SEASON, WARM_WINDOWS, mean_mae, read_task, statsforecast_model


def statsforecast(task: dict[str, Any]) -> dict[str, Any]:
    """`cross_validation` of all models at once, as its documentation shows it, on as many processes as cores."""
    import pandas as pd
    from statsforecast import StatsForecast

    data = _panel(pd.read_csv(task["prices"]))
    models = [statsforecast_model(name) for name in task["models"]]
    started = time.perf_counter()
    crossed = StatsForecast(models=models, freq=1, n_jobs=os.cpu_count() or 1).cross_validation(
        h=HORIZON,
        df=data.drop(columns="date"),
        n_windows=task["windows"],
        step_size=task["step"],
        input_size=task["train"],
        refit=True,
        level=[LEVEL],
    )
    seconds = time.perf_counter() - started
    windows = [one for _, one in crossed.groupby(["unique_id", "cutoff"])]
    errors = {name: [(one[name] - one["y"]).to_numpy() for one in windows] for name in task["models"]}
    dates = data.drop_duplicates("ds").set_index("ds")["date"]
    return {
        "seconds": seconds,
        "mae": mean_mae(errors),
        "cutoffs": sorted(dates[at] for at in crossed["cutoff"].unique()),
    }


def sktime(task: dict[str, Any], backend: str | None) -> dict[str, Any]:
    """`evaluate`, model by model."""
    os.environ["PYTHONWARNINGS"] = "ignore"  # thousands of lines from the workers of loky

    import pandas as pd
    from sktime.forecasting.model_evaluation import evaluate
    from sktime.performance_metrics.forecasting import MeanAbsoluteError
    from sktime.split import SlidingWindowSplitter

    data = _panel(pd.read_csv(task["prices"]))
    skipped = len(data) - HORIZON - (task["windows"] - 1) * task["step"] - task["train"]
    y = data["y"].iloc[skipped:].reset_index(drop=True)
    cv = SlidingWindowSplitter(
        fh=list(range(1, HORIZON + 1)), window_length=task["train"], step_length=task["step"], start_with_window=True
    )
    models = {name: _sktime_model(name) for name in task["models"]}
    parallel = {"backend": backend, "backend_params": {"n_jobs": os.cpu_count() or 1}} if backend else {}
    spent, mae, cutoffs = {}, {}, set()
    if task["warm"]:
        few = y.iloc[: task["train"] + HORIZON + (WARM_WINDOWS - 1) * task["step"]]
        for model in models.values():
            evaluate(model, cv, few, strategy="refit", scoring=MeanAbsoluteError(), **parallel)
    for name, model in models.items():
        started = time.perf_counter()
        found = evaluate(model, cv, y, strategy="refit", scoring=MeanAbsoluteError(), error_score="raise", **parallel)
        spent[name] = time.perf_counter() - started
        mae[name] = float(found["test_MeanAbsoluteError"].mean())
        cutoffs |= {data["date"].iloc[skipped + int(at)] for at in found["cutoff"]}
    return {"seconds": sum(spent.values()), "each": spent, "mae": mae, "cutoffs": sorted(cutoffs)}


def statsmodels(task: dict[str, Any]) -> dict[str, Any]:
    """A loop over windows: SARIMAX on the prices and covariates as they are, `fit`, `forecast`."""
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    windows = pickle.loads(Path(task["prepared"]).read_bytes())  # noqa: S301  written by `windows` below
    spent: defaultdict[str, float] = defaultdict(float)
    errors = defaultdict(list)
    for window in windows:
        started = time.perf_counter()
        model = SARIMAX(
            window["y"],
            exog=window["x"],
            order=window["order"],
            seasonal_order=window["seasonal_order"],
            trend=window["trend"],
        )
        forecast = model.fit(disp=False).forecast(HORIZON, exog=window["x_ahead"])
        spent[window["variant"]] += time.perf_counter() - started
        errors[window["variant"]].append(forecast - window["actual"])
    return {"seconds": sum(spent.values()), "each": spent, "mae": mean_mae(errors)}


def windows(task: dict[str, Any]) -> dict[str, Any]:
    """What the SARIMAX variants are given at the cutoffs of a task: covariates as they enter, and the orders found."""
    import numpy as np

    from experiments.science.forecasting import training_window
    from experiments.science.models import variant
    from experiments.science.models.statistical import aligned_covariates
    from experiments.science.series import prepare
    from experiments.services.sources import read_covariates, read_prices

    covariates = read_covariates(task["covariates"], ledger=None)
    prices = read_prices(task["prices"], ledger=None).frame
    series = prepare(prices, commodity="Benchmark", covariates=covariates)[0]
    found = []
    for name in task["models"]:
        given = variant(name).given(list(covariates))
        for cutoff in task["cutoffs"]:
            at = int(np.searchsorted(series.ds, np.datetime64(cutoff)))
            window = training_window(
                series, at, covariates=given.covariates, horizon=HORIZON, train_size=task["train"], seed=0
            )
            x, n = aligned_covariates(window), len(window.y)
            first = int(np.argmax(np.isfinite(x).all(axis=1)))
            found.append(
                {
                    "variant": name,
                    "y": window.y[first:],
                    "x": x[first:n] if x.shape[1] else None,
                    "x_ahead": x[n:] if x.shape[1] else None,
                    "actual": series.y[at + 1 : at + 1 + HORIZON],
                }
                | _orders(given, window, x)
            )
    Path(task["prepared"]).write_bytes(pickle.dumps(found))
    return {"windows": len(found)}


def _orders(given: Any, window: Any, x: Any) -> dict[str, Any]:
    """The orders of a variant: its own, or those its search finds on this window."""
    if "order" in given.params:
        own = given.params
        return {"order": own["order"], "seasonal_order": (*own["seasonal_order"], window.season_length), "trend": "n"}
    from statsforecast.models import AutoARIMA

    from experiments.science.models.statistical import complete_rows, regressors_of

    rows = complete_rows(window, x, 10, "the search")
    past, _ = regressors_of(rows, 0, 0, 1)
    model = AutoARIMA(season_length=1).fit(rows.y, past if past.shape[1] else None).model_
    p, q, _, _, _, d, _ = model["arma"]
    constant = {"intercept", "drift"} & set(model["coef"])
    return {"order": (p, d, q), "seasonal_order": (0, 0, 0, 0), "trend": "c" if constant else "n"}


def _panel(data: Any) -> Any:
    """Series on the numbers of their rows: the peers need not know of trading days."""
    data["unique_id"] = data["unique_id"].astype(str) if "unique_id" in data else "one"
    data["ds"] = data["ds"].astype(str).str[:10]
    return data.assign(date=data["ds"], ds=data.groupby("unique_id").cumcount())[["unique_id", "ds", "y", "date"]]


def _sktime_model(name: str) -> Any:
    if name == "arima":
        from sktime.forecasting.sarimax import SARIMAX

        return SARIMAX(order=(1, 1, 1))
    from sktime.forecasting import statsforecast as wrappers

    return getattr(wrappers, f"StatsForecast{name}")(season_length=SEASON)


SIDES = {
    "statsforecast": statsforecast,
    "sktime-serial": lambda task: sktime(task, None),
    "sktime-loky": lambda task: sktime(task, "loky"),
    "statsmodels": statsmodels,
    "windows": windows,
}


def main() -> None:
    """Run one side."""
    given, task = read_task(__doc__)
    warnings.simplefilter("ignore")  # what the models say of their convergence
    print(json.dumps(SIDES[given.side](task)))


if __name__ == "__main__":
    main()
