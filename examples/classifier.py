"""Will the price of oil be higher tomorrow? A classifier, its candidates tracked, and an honest answer.

A logistic regression on returns of the last days, weeks and months. Its strength of regularisation is chosen by F1 on
the 20 % of the days that follow the training days; the last 20 % are looked at once, beside "always up" and beside the
same forecasts in shuffled order. Nothing is downloaded.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from experiments import DatasetManager, ExperimentTracker, ModelRegistry, connect, set_deterministic_seeds
from experiments.science.example_data import load_wti

SPANS = (1, 2, 5, 21, 63)
SHUFFLES = 1000
LEVEL = 0.05


def table_of(prices: pd.DataFrame) -> pd.DataFrame:
    """A row a day: what is known at its end, and whether the next day closes higher (known one day later)."""
    logs = np.log(prices["y"])
    features = {f"return_{days}": logs.diff(days) for days in SPANS} | {"volatility_21": logs.diff().rolling(21).std()}
    up = (prices["y"].shift(-1) > prices["y"]).astype(int)
    # the last day has no day after it: whether that will be higher is not known
    return pd.DataFrame({"ds": prices["ds"], **features, "up": up}).iloc[:-1].dropna().reset_index(drop=True)


def drawn(model: Pipeline, features: list[str]) -> Figure:
    """How much each feature weighs."""
    figure = Figure(figsize=(6, 3), layout="constrained")
    axes = figure.subplots()
    axes.barh(features, model[-1].coef_[0])
    axes.set(title="Feature importance", xlabel="coefficient, features with standard deviation 1")
    return figure


def main() -> None:
    """Fit the candidates, choose one, test it, and track it all."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Example:\n  python3 examples/classifier.py --candidates 7",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--candidates", type=int, default=7, help="strengths of regularisation to try (default 7)")
    parser.add_argument("--seed", type=int, default=42, help="the same seed gives the same numbers (default 42)")
    asked = parser.parse_args()
    if asked.candidates < 1:
        parser.error(f"--candidates is {asked.candidates}: give 1 or more.")

    set_deterministic_seeds(asked.seed)
    data = table_of(load_wti().dropna())
    features = [str(name) for name in data if name not in ("ds", "up")]
    strengths = np.logspace(-4, 2, asked.candidates)
    with connect() as ledger, ExperimentTracker(ledger) as tracker:
        run = tracker.start_experiment("WTI up tomorrow", "classification", tags=["oil"], random_seed=asked.seed)
        datasets, registry = DatasetManager(ledger), ModelRegistry(ledger=ledger)
        dataset = datasets.register_dataset(
            data,
            "wti_direction",
            time_column="ds",
            feature_columns=features,
            target_columns=["up"],
            splits={"train": 0.6, "validation": 0.2, "test": 0.2},
        )
        parts = {name: datasets.load(dataset, name) for name in ("train", "validation", "test")}
        folder = Path("models") / run
        folder.mkdir(parents=True)
        candidates: list[tuple[float, float, Pipeline]] = []
        for at, strength in enumerate(strengths):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=strength))
            model.fit(parts["train"][features], parts["train"]["up"])
            scores = {
                f"{name}_f1": float(f1_score(parts[name]["up"], model.predict(parts[name][features])))
                for name in ("train", "validation")
            }
            tracker.log_metrics(scores, step=at)
            candidates.append((scores["validation_f1"], strength, model))
            joblib.dump(model, folder / f"candidate{at}.joblib")
            is_best = all(scores["validation_f1"] > before for before, *_ in candidates[:-1])
            model_id = registry.register_model(
                run, folder / f"candidate{at}.joblib", at, scores["validation_f1"], is_best=is_best
            )
            tracker.log_hyperparameter("C", float(strength), model_id)

        best_f1, strength, model = max(candidates, key=lambda one: one[0])
        test, up = parts["test"], parts["test"]["up"].to_numpy()
        told = model.predict(test[features])
        # shuffling leaves the numbers of both answers as they are: F1 grows with the hits alone
        hits = int((told & up).sum())
        shuffled = [int((np.random.permutation(told) & up).sum()) for _ in range(SHUFFLES)]
        f1 = float(f1_score(up, told))
        p_value = (1 + sum(one >= hits for one in shuffled)) / (1 + SHUFFLES)
        tested = {
            "test_f1": f1,
            "test_f1_always_up": float(f1_score(up, np.ones_like(up))),
            "test_accuracy": float((told == up).mean()),
            "test_brier": float(brier_score_loss(up, model.predict_proba(test[features])[:, 1])),
            "test_p_value": p_value,
        }
        tracker.log_metrics(tested)
        tracker.log_hyperparameters_batch({"C": float(strength), "features": features, "spans": list(SPANS)})
        tracker.log_artifact(drawn(model, features), "feature_importance.png")
        tracker.log_artifact(vars(asked) | {"strengths": strengths.tolist()}, "config.json")

    console = Console(highlight=False, soft_wrap=True)
    table = Table("on the test days", "value", title=f"C = {strength:g}, validation F1 {best_f1:.3f}")
    for name, value in tested.items():
        table.add_row(name.removeprefix("test_").replace("_", " "), f"{value:.3f}")
    console.print(table)
    better = p_value < LEVEL and f1 > tested["test_f1_always_up"]
    console.print("It beats chance and 'always up'." if better else "It does not beat both chance and 'always up'.")
    console.print(f"Run {run} is in {ledger.where}. Ask next:")
    console.print(f"  experiments show {run}\n  experiments checklist {run}\n  experiments datasets show {dataset}")


if __name__ == "__main__":
    main()
