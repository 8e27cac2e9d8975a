"""Losses per window, read from stored windows and forecasts: what evidence is computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from experiments.definitions import EQUALITY_TOLERANCE, METRICS
from experiments.science.grid import observed_overlap, overlap
from experiments.storage.table import select_among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from experiments.services.evidence import Candidates
    from experiments.storage.engine import Engine


@dataclass(frozen=True, kw_only=True)
class Losses:
    """One loss of several evaluations in the same windows.

    Attributes
    ----------
    models : DataFrame [W, M]
        By cutoff and `experiment_id`; NaN where there is no forecast, or one of other actuals.
    naive : Series [W]
        The loss of the last observed value, repeated.
    overlap : int
        Windows that one loss reaches into.
    level : float
        Mean absolute level of the series.
    revised : mapping
        Evaluations with windows whose actuals differ from the others', and how many.
    """

    models: pd.DataFrame
    naive: pd.Series[float]
    overlap: int
    level: float
    revised: Mapping[str, int]


def metrics_of(horizon: int) -> list[str]:
    """The losses a horizon reaches."""
    return [metric for metric, step in METRICS.items() if step is None or step <= horizon]


def read_windows(engine: Engine, of: Candidates) -> pd.DataFrame:
    """The windows of evaluations, a row a step that a loss is taken at: `sql/statements/window_losses.sql`."""
    import pandas as pd

    frame = select_among(
        engine,
        "window_losses",
        "experiment_id",
        [*of.runs["experiment_id"]],
        commodity=of.commodity,
        horizon=of.horizon,
        first_month=f"{of.runs['run_timestamp'].min():%Y-%m}",
    )
    return frame.assign(cutoff=pd.to_datetime(frame["cutoff"]), ds=pd.to_datetime(frame["ds"]))


def losses_of(
    windows: pd.DataFrame, metric: str, *, horizon: int, step_size: int, experiment_ids: Sequence[str], latest: set[str]
) -> Losses:
    """The losses of evaluations in the windows of the latest of them.

    Parameters
    ----------
    windows : DataFrame
        From `read_windows`.
    metric : str
        One of `METRICS`.
    horizon, step_size : int
        Of the backtest.
    experiment_ids : sequence of str
        In the order of the columns.
    latest : set of str
        The evaluations whose windows, failed ones included, and actuals count.
    """
    step = METRICS[metric] or horizon
    value, naive_value = ("loss", "naive_loss") if METRICS[metric] else ("mae_path", "naive_mae_path")
    own = windows["experiment_id"].isin(latest)
    cutoffs = np.sort(windows.loc[own, "cutoff"].unique())
    at_step = windows[(windows["step"] == step) & windows["cutoff"].isin(cutoffs)]
    wide = {
        name: at_step.pivot_table(index="cutoff", columns="experiment_id", values=name).reindex(
            index=cutoffs, columns=[*experiment_ids]
        )
        for name in (value, naive_value)
    }
    ordered = [*sorted(latest & {*experiment_ids}), *(one for one in experiment_ids if one not in latest)]
    naive = wide[naive_value][ordered].bfill(axis=1).iloc[:, 0]
    level = float(windows["level"].mean())
    revised = wide[naive_value].sub(naive, axis=0).abs() > EQUALITY_TOLERANCE * level
    ends = at_step.groupby("cutoff")["ds"].max()
    seen = observed_overlap(ends.index.to_numpy().astype("datetime64[D]"), ends.to_numpy().astype("datetime64[D]"))
    return Losses(
        models=wide[value].mask(revised),
        naive=naive,
        overlap=max(overlap(step, step_size), seen),
        level=0.0 if np.isnan(level) else level,
        revised={str(name): int(count) for name, count in revised.sum().items() if count},
    )
