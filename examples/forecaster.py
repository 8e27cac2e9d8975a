"""How volatile will markets be in a week? A forecaster, one child run a fold, and whether it beats "as today".

The VIX five trading days ahead by linear regression on today's value and its means over a week and a month (a
heterogeneous autoregression, doi:10.1093/jjfinec/nbp001), bagged: fifty fits on samples of the training days. Each fold
is forecast from the days before it, but for the last five, whose outcomes come during the fold. Nothing is downloaded.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from experiments import DatasetManager, ExperimentTracker, connect, diebold_mariano, set_deterministic_seeds
from experiments.science.example_data import load_vix

AHEAD, FITS, LEVEL = 5, 50, 0.05
LEAST, MOST = 2, 20  # folds
FEATURES = ["today", "week", "month"]


def table_of(vix: pd.Series) -> pd.DataFrame:
    """A row a day: the logarithm of the VIX today, its means over a week and a month, and what it is in a week."""
    logs = np.log(vix)
    columns = {"today": logs, "week": logs.rolling(5).mean(), "month": logs.rolling(22).mean()}
    return pd.DataFrame(columns | {"in_a_week": logs.shift(-AHEAD)}).dropna().rename_axis("ds").reset_index()


def fit(tracker: ExperimentTracker, known: pd.DataFrame) -> np.ndarray:
    """Mean coefficients of the fits, the constant first; how they spread for today's value is logged."""
    x, y = np.column_stack([np.ones(len(known)), known[FEATURES]]), known["in_a_week"].to_numpy()
    # drawn from the generator that set_deterministic_seeds has seeded
    samples = np.random.randint(len(known), size=(FITS, len(known)))
    fits = np.array([np.linalg.lstsq(x[sample], y[sample], rcond=None)[0] for sample in samples])
    tracker.log_distribution("weight_of_today", fits[:, 1])
    return np.asarray(fits.mean(axis=0))


def drawn(folds: list[pd.DataFrame]) -> Figure:
    """Forecasts and what came."""
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    whole = pd.concat(folds)
    axes.plot(whole["ds"], np.exp(whole["in_a_week"]), label="VIX a week later", linewidth=0.8)
    axes.plot(whole["ds"], np.exp(whole["forecast"]), label="forecast", linewidth=0.8)
    axes.legend()
    return figure


def main() -> None:
    """Forecast fold by fold, and track it."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example:\n  python3 examples/forecaster.py --folds 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folds", type=int, default=5, help="spans of time to forecast, each by the past (default 5)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same numbers (default 42)")
    asked = parser.parse_args()
    if not LEAST <= asked.folds <= MOST:
        parser.error(f"--folds is {asked.folds}: give {LEAST} to {MOST}.")

    set_deterministic_seeds(asked.seed)
    prepared = table_of(load_vix().dropna().set_index("ds")["vix"])
    # the first part is only learned from; each of the others is forecast from all that lies before it
    spans = np.array_split(np.arange(len(prepared)), asked.folds + 1)[1:]
    table = Table("fold", "from", "days", "MAE", "as today", title="Error of the logarithm, about a share of the VIX")
    folds: list[pd.DataFrame] = []
    with connect() as ledger, ExperimentTracker(ledger) as tracker:
        run = tracker.start_experiment("VIX in a week", "forecast", tags=["vix", "har"])
        tracker.log_hyperparameters_batch({"days_ahead": AHEAD, "fits": FITS, "folds": asked.folds, "gap": AHEAD})
        datasets = DatasetManager(ledger)
        dataset = datasets.register_dataset(
            prepared, "vix_in_a_week", time_column="ds", feature_columns=FEATURES, target_columns=["in_a_week"]
        )
        data = datasets.load(dataset)
        for number, span in enumerate(spans):
            with tracker.child(f"fold {number}", "forecast", tags=["vix", "fold"]) as fold:
                fold.link_dataset(dataset)
                known, there = data.iloc[: span[0] - AHEAD], data.iloc[span]
                fold.log_hyperparameters_batch({"train_days": len(known), "first_day": there["ds"].iloc[0]})
                weights = fit(fold, known)
                there = there.assign(forecast=weights[0] + there[FEATURES].to_numpy() @ weights[1:])
                errors = there["forecast"] - there["in_a_week"]
                naive = there["today"] - there["in_a_week"]
                scores = {"mae": float(errors.abs().mean()), "mae_as_today": float(naive.abs().mean())}
                fold.log_metrics(scores)
                fold.log_distribution("error", errors)
            tracker.log_metrics(scores, step=number)
            first = f"{there['ds'].iloc[0]:%Y-%m-%d}"
            table.add_row(str(number), first, str(len(there)), *(f"{one:.4f}" for one in scores.values()))
            folds.append(there.assign(loss=errors.abs(), loss_as_today=naive.abs()))
        whole = pd.concat(folds)
        # days whose weeks overlap err alike: the test has to know how far
        test = diebold_mariano(whole["loss"].to_numpy(), whole["loss_as_today"].to_numpy(), overlap=AHEAD)
        p_value = np.nan if test.pvalue is None else test.pvalue
        skill = 1 - float(whole["loss"].mean() / whole["loss_as_today"].mean())
        tracker.log_metrics({"skill": skill, "dm_p_value": p_value})
        tracker.log_artifact(drawn(folds), "forecasts.png")
        tracker.log_artifact(whole, "forecasts.parquet")
        tracker.log_artifact(vars(asked) | {"features": FEATURES}, "config.json")

    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    verdict = "evidence" if p_value < LEVEL else "not more than chance would give"
    difference = f"{100 * abs(skill):.1f} % {'less' if skill > 0 else 'more'} error than 'as today'"
    console.print(f"{difference} (Diebold-Mariano p = {p_value:.3f}): {verdict}.")
    console.print(f"Run {run} is in {ledger.where}, its folds are its children. Ask next:")
    console.print(f"  experiments show {run}\n  experiments runs --type forecast\n  experiments checklist {run}")


if __name__ == "__main__":
    main()
