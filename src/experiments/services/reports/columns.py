"""The columns of the tables in reports, and how each is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.services.reports import formats
from experiments.services.reports.model import Column

if TYPE_CHECKING:
    import pandas as pd

_MODEL = Column(name="model_name", heading="model", shown=formats.text, is_number=False)
_LABEL = Column(name="label", heading="model", shown=formats.text, is_number=False)
_PLACE = Column(name="place", heading="place", shown=formats.count)
_CUTOFF = Column(name="cutoff", heading="cutoff", shown=formats.date, is_number=False)
_COMMODITY = Column(name="commodity", heading="commodity", shown=formats.text, is_number=False)

SCALE = (
    _COMMODITY,
    Column(name="model_type", heading="model type", shown=formats.text, is_number=False),
    Column(name="n_runs", heading="runs", shown=formats.count),
    Column(name="n_models", heading="models", shown=formats.count),
    Column(name="n_windows", heading="windows", shown=formats.count),
    Column(name="n_failed_windows", heading="failed", shown=formats.count),
    Column(name="n_tested", heading="tested", shown=formats.count),
    Column(name="total_hours", heading="hours", shown=formats.hours),
    Column(name="total_cost_usd", heading="cost, US$", shown=formats.dollars),
    Column(name="last_run", heading="last run", shown=formats.date, is_number=False),
)

MONTHS = (
    Column(name="run_month", heading="month", shown=formats.text, is_number=False),
    Column(name="n_runs", heading="runs", shown=formats.count),
    Column(name="n_models", heading="models", shown=formats.count),
)

TYPES = (
    Column(name="model_type", heading="model type", shown=formats.text, is_number=False),
    Column(name="n_runs", heading="runs", shown=formats.count),
    Column(name="n_models", heading="models", shown=formats.count),
)

LEADERBOARD = (
    _PLACE,
    _LABEL,
    Column(name="loss", heading="MAE", shown=formats.error),
    Column(name="naive_difference_share", heading="vs naive", shown=formats.change),
    Column(name="naive_lower_share", heading="95 % from", shown=formats.change),
    Column(name="naive_upper_share", heading="to", shown=formats.change),
    Column(name="dm_pvalue", heading="p", shown=formats.pvalue),
    Column(name="dm_pvalue_holm", heading="p Holm", shown=formats.pvalue),
    Column(name="in_confidence_set", heading="may be best", shown=formats.flag, is_number=False),
)

INTERVALS = (
    _PLACE,
    _LABEL,
    Column(name="naive_difference_share", heading="vs naive", shown=formats.change),
    Column(name="naive_lower_share", heading="95 % from", shown=formats.change),
    Column(name="naive_upper_share", heading="to", shown=formats.change),
    Column(name="in_confidence_set", heading="may be best", shown=formats.flag, is_number=False),
)

MEMBERS = (
    _PLACE,
    _LABEL,
    Column(name="loss", heading="MAE", shown=formats.error),
    Column(name="mcs_pvalue", heading="p of the set", shown=formats.pvalue),
    Column(name="leader_difference_share", heading="vs leader", shown=formats.change),
    Column(name="naive_win_share", heading="won against naive", shown=formats.share),
    Column(name="directional_accuracy", heading="direction", shown=formats.share),
    Column(name="execution_time_seconds", heading="seconds", shown=formats.seconds),
)

COSTS = (
    _PLACE,
    _LABEL,
    Column(name="execution_time_seconds", heading="seconds", shown=formats.seconds),
    Column(name="loss", heading="MAE", shown=formats.error),
    Column(name="cost_estimate_usd", heading="cost, US$", shown=formats.dollars),
    Column(name="is_efficient", heading="none better and cheaper", shown=formats.flag, is_number=False),
)

FORECASTS = (
    _CUTOFF,
    Column(name="step", heading="step", shown=formats.count),
    Column(name="ds", heading="date", shown=formats.date, is_number=False),
    Column(name="y", heading="actual", shown=formats.error),
    Column(name="y_hat", heading="forecast", shown=formats.error),
    Column(name="q10", heading="80 % from", shown=formats.error),
    Column(name="q90", heading="to", shown=formats.error),
)

CUMULATIVE = (
    _LABEL,
    _CUTOFF,
    Column(name="difference", heading="loss minus naive's", shown=formats.error),
    Column(name="cumulative_difference", heading="summed", shown=formats.error),
)

CANDIDATES = (
    Column(name="unique_id", heading="series", shown=formats.text, is_number=False),
    _MODEL,
    Column(name="num_runs", heading="runs", shown=formats.count),
    Column(name="avg_mae", heading="mean MAE at step 14", shown=formats.error),
    Column(name="avg_time", heading="mean seconds", shown=formats.seconds),
    Column(name="last_run", heading="last run", shown=formats.date, is_number=False),
)

PRUNED = (
    _MODEL,
    Column(name="model_version", heading="version", shown=formats.text, is_number=False),
    Column(name="pruned_from", heading="since", shown=formats.date, is_number=False),
    Column(name="rule", heading="rule", shown=formats.text, is_number=False),
    Column(name="verdict", heading="verdict", shown=formats.text, is_number=False),
    Column(name="reason", heading="reason", shown=formats.text, is_number=False),
    Column(name="decided_by", heading="by", shown=formats.text, is_number=False),
)

DECISIONS = (
    Column(name="decided_at", heading="when, UTC", shown=formats.time, is_number=False),
    Column(name="kind", heading="decision", shown=formats.text, is_number=False),
    _MODEL,
    Column(name="decided_by", heading="by", shown=formats.text, is_number=False),
    Column(name="forced", heading="forced", shown=formats.flag, is_number=False),
    Column(name="verdict", heading="evidence said", shown=formats.text, is_number=False),
    Column(name="reason", heading="reason", shown=formats.text, is_number=False),
)

EVALUATIONS = (
    Column(name="finished_at", heading="finished, UTC", shown=formats.time, is_number=False),
    Column(name="model_version", heading="version", shown=formats.text, is_number=False),
    Column(name="data_as_of", heading="data to", shown=formats.date, is_number=False),
    Column(name="status", heading="status", shown=formats.text, is_number=False),
    Column(name="n_windows", heading="windows", shown=formats.count),
    Column(name="n_failed_windows", heading="failed", shown=formats.count),
    Column(name="mae_14day", heading="MAE at step 14", shown=formats.error),
    Column(name="mae_path", heading="MAE, all steps", shown=formats.error),
    Column(name="naive_mae_path", heading="naive's", shown=formats.error),
    Column(name="directional_accuracy", heading="direction", shown=formats.share),
    Column(name="dm_pvalue", heading="p", shown=formats.pvalue),
)

SETTINGS = (
    Column(name="kind", heading="", shown=formats.text, is_number=False),
    Column(name="name", heading="name", shown=formats.text, is_number=False),
    Column(name="value", heading="value", shown=formats.text, is_number=False),
)

STEPS = (
    Column(name="step", heading="step", shown=formats.count),
    Column(name="n_windows", heading="windows", shown=formats.count),
    Column(name="mae", heading="MAE", shown=formats.error),
    Column(name="naive_mae", heading="naive's MAE", shown=formats.error),
    Column(name="rmse", heading="RMSE", shown=formats.error),
    Column(name="mape", heading="MAPE, in percent", shown=formats.error),
    Column(name="directional_accuracy", heading="direction", shown=formats.share),
)


def given(columns: tuple[Column, ...], frame: pd.DataFrame) -> tuple[Column, ...]:
    """The columns a frame has a value of, and the first two in any case."""
    return tuple(column for place, column in enumerate(columns) if place < 2 or frame[column.name].notna().any())  # noqa: PLR2004  the names
