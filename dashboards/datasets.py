"""What the dashboard asks of the ledger's views, and what it calls their columns.

A dataset takes columns of views and rows by plain conditions; what is to be known is worked out in `sql/views`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

HEADINGS = {
    "avg_mae": "Mean error at step 14, unit of the series",
    "avg_time": "Mean time, seconds",
    "backtest_id": "Backtest",
    "beats_baseline": "Beats naive",
    "best_mae": "Smallest error at step 14, unit of the series",
    "champion_from": "Since, UTC",
    "commodity": "Commodity",
    "cost_estimate_usd": "Estimated cost, US dollars",
    "data_as_of": "Data until",
    "decided_at": "When, UTC",
    "decided_by": "Who",
    "directional_accuracy": "Share of hits",
    "dm_pvalue_holm": "Holm p-value",
    "evidence_note": "Note",
    "execution_time_seconds": "Fitting and forecasting, seconds",
    "finished_at": "Finished, UTC",
    "finished_month": "Month",
    "forced": "Forced",
    "forecast_horizon_days": "Horizon, steps",
    "frequency": "Step",
    "in_confidence_set": "In confidence set",
    "is_efficient": "Efficient",
    "kind": "What",
    "label": "Model",
    "last_run": "Last evaluation, UTC",
    "latest_verdict": "What the latest backtest says",
    "loss": "Loss, unit of the series",
    "mae": "Mean absolute error, unit of the series",
    "mae_14day": "Error at step 14, unit of the series",
    "mae_path": "Error over all steps, unit of the series",
    "mape": "Mean absolute percentage error",
    "model_name": "Model",
    "model_type": "Model type",
    "model_version": "Version",
    "n_shared": "Windows shared",
    "n_tested": "Models tested",
    "n_windows": "Windows",
    "naive_difference": "Difference from naive, unit of the series",
    "naive_loss": "Loss of naive",
    "naive_lower": "95 % from",
    "naive_upper": "95 % to",
    "num_runs": "Evaluations",
    "place": "Place",
    "pruned_from": "Since, UTC",
    "reason": "Why",
    "rule": "Rule",
    "skill": "Share by which the loss is below that of naive",
    "status": "Status",
    "step": "Steps ahead",
    "total_experiments": "Evaluations",
    "total_hours": "Hours",
    "unique_id": "Series",
    "unique_models": "Models",
    "verdict": "What the evidence says",
}
"""What a column is called on the dashboard, with its unit."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A query over the views, with the default of each of its parameters, all of them texts."""

    name: str
    title: str
    query: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def columns(self) -> list[str]:
        """The names its query gives its columns, one a line."""
        listed = self.query.partition("select\n")[2].partition("\nfrom ")[0]
        return [re.split(r"[ .]", line.strip(" ,"))[-1] for line in listed.splitlines()]

    def as_json(self) -> dict[str, Any]:
        """As the file has it."""
        return {
            "name": self.name,
            "displayName": self.title,
            "queryLines": self.query.splitlines(keepends=True),
            "parameters": [
                {
                    "displayName": keyword,
                    "keyword": keyword,
                    "dataType": "STRING",
                    "defaultSelection": {"values": {"dataType": "STRING", "values": [{"value": value}]}},
                }
                for keyword, value in self.parameters
            ],
        }


def dataset(name: str, title: str, columns: str, rest: str, **parameters: str) -> Dataset:
    """A dataset: the columns, with blanks between them, of what follows `from`."""
    listed = ",\n".join(f"  {column}" for column in columns.split())
    return Dataset(
        name=name, title=title, query=f"select\n{listed}\nfrom {rest}\n", parameters=tuple(parameters.items())
    )


RUNS = dataset(
    "runs",
    "Finished evaluations",
    "commodity unique_id backtest_id forecast_horizon_days frequency model_name model_version model_type label status"
    " finished_at finished_month data_as_of n_windows n_failed_windows mae_path execution_time_seconds"
    " cost_estimate_usd experiment_id",
    "finished_runs",
)
SCALE = dataset(
    "scale",
    "Scale of experimentation",
    "commodity frequency forecast_horizon_days model_type total_experiments unique_models avg_mae best_mae total_hours",
    "experiment_history",
)
METRICS = dataset(
    "metrics", "Losses compared", "metric", "leaderboard_history\nwhere is_latest\ngroup by metric\norder by metric"
)
BOARD = dataset(
    "board",
    "Leaderboard",
    "commodity unique_id backtest_id forecast_horizon_days frequency place model_name model_version model_type loss"
    " naive_loss skill naive_difference naive_lower naive_upper dm_pvalue_holm in_confidence_set verdict n_shared"
    " n_tested evidence_note data_as_of known_at",
    "leaderboard_history\nwhere is_latest\n  and metric = :metric\n"
    "order by commodity, unique_id, backtest_id, place nulls last, model_name",
    metric="mae_path",
)
ACCURACY = dataset(
    "accuracy",
    "Accuracy by step",
    "f.label f.commodity f.model_type f.forecast_horizon_days f.finished_at a.step a.n_windows a.mae a.mape"
    " a.directional_accuracy",
    "accuracy_by_horizon as a\ninner join finished_runs as f\n  on a.commodity = f.commodity\n"
    "  and a.run_month = f.run_month\n  and a.experiment_id = f.experiment_id\n"
    "where f.is_current",
)
COST = dataset(
    "cost",
    "Cost against accuracy",
    "c.commodity c.unique_id c.backtest_id c.forecast_horizon_days l.model_type c.model_name c.model_version c.loss"
    " c.skill c.execution_time_seconds c.cost_estimate_usd c.in_confidence_set c.is_efficient c.verdict"
    " l.known_at",
    "accuracy_by_cost as c\ninner join leaderboard_history as l\n  on c.family_id = l.family_id\n"
    "  and c.model_name = l.model_name\n  and c.model_version = l.model_version\nwhere c.metric = :metric\n"
    "order by c.commodity, c.unique_id, c.backtest_id, c.execution_time_seconds, c.model_name",
    metric="mae_path",
)
CANDIDATES = dataset(
    "candidates",
    "Pruning candidates",
    "commodity unique_id frequency forecast_horizon_days model_name num_runs avg_mae avg_time last_run",
    "pruning_candidates\norder by commodity, unique_id, forecast_horizon_days, avg_mae desc nulls last, model_name",
)
PRUNED = dataset(
    "pruned",
    "Pruned models",
    "commodity model_name model_version pruned_from rule verdict reason decided_by",
    "pruned_models\norder by commodity, pruned_from desc, model_name",
)
CHAMPIONS = dataset(
    "champions",
    "Models in production",
    "commodity unique_id model_name model_version model_type champion_from forced verdict latest_verdict mae_14day"
    " mae_path beats_baseline n_windows forecast_horizon_days data_as_of",
    "champions\norder by commodity, unique_id",
)
DECISIONS = dataset(
    "decisions",
    "Decisions",
    "decided_at commodity unique_id kind model_name model_version decided_by reason rule verdict forced decision_id",
    "decision_history\norder by decision_id desc",
)
DATASETS = (RUNS, SCALE, METRICS, BOARD, ACCURACY, COST, CANDIDATES, PRUNED, CHAMPIONS, DECISIONS)


def having(column: str) -> list[tuple[Dataset, str]]:
    """The datasets with a column."""
    return [(one, column) for one in DATASETS if column in one.columns]
