"""Gathering: the evidence for a promotion or a pruning, read from the ledger as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, known
from experiments.services import evidence
from experiments.services.decisions.rules import BETTER, INFERIOR, SPECIFIED, Grounds
from experiments.services.losses import read_windows
from experiments.storage.table import select

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    import pandas as pd

    from experiments.services.decisions.chain import Decision
    from experiments.services.decisions.policy import Policy
    from experiments.services.evidence import Candidates
    from experiments.storage.engine import Engine

_METRIC = "mae_path"

Variant = tuple[str, str]
"""Name and version of a model."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """An evaluation of a backtest that can be promoted."""

    commodity: str
    unique_id: str
    model_name: str
    model_version: str
    experiment_id: str
    grounds: Grounds


def promotion(engine: Engine, of: Candidates, label: str, champion: Decision | None, policy: Policy) -> Evaluated:
    """What the promotion of a model of a backtest would rest on: the losses of all models on the windows they share.

    Parameters
    ----------
    engine : Engine
    of : Candidates
        The backtest and series.
    label : str
        One of `of.labels`.
    champion : Decision or None
        What put the present model in production.
    policy : Policy
    """
    from experiments.science.evidence.family import shared_losses

    experiment_id = {name: one for one, name in of.labels.items()}[label]
    run = of.runs.set_index("experiment_id").loc[experiment_id]
    table, losses = evidence.loss_table(of, _METRIC, read_windows(engine, of))
    shared = shared_losses(table, BASELINE)
    figures = select(
        engine,
        "figures_of",
        commodity=of.commodity,
        run_month=f"{run['run_timestamp']:%Y-%m}",
        experiment_id=experiment_id,
    )
    found = {
        "commodity": of.commodity,
        "unique_id": of.unique_id,
        "backtest_id": of.backtest_id,
        "metric": _METRIC,
        "frequency": of.frequency,
        "horizon": of.horizon,
        "step_size": of.step_size,
        "model": label,
        "experiment_id": experiment_id,
        "data_as_of": None if known(run["data_as_of"]) is None else f"{run['data_as_of']:%Y-%m-%d}",
        "figures": {str(name): _plain(value) for name, value in figures.iloc[0].items()},
        "champion": _label_of(of, champion),
        "overlap": losses.overlap,
        "level": losses.level,
        "windows": [f"{cutoff:%Y-%m-%d}" for cutoff in shared.index],
        "losses": {str(name): [float(loss) for loss in shared[name]] for name in shared.columns},
        "evaluations": {name: one for one, name in of.labels.items() if name in shared.columns},
        "note": f"it has forecasts of {table[label].count()} of {len(table)} windows",
    }
    return Evaluated(
        commodity=of.commodity,
        unique_id=of.unique_id,
        model_name=str(run["model_name"]),
        model_version=str(run["model_version"]),
        experiment_id=experiment_id,
        grounds=Grounds(rule=BETTER, policy=policy.record, evidence=found),
    )


def inferior(
    engine: Engine, found: Sequence[Candidates], policy: Policy, as_of: dt.datetime | None = None
) -> dict[Variant, Grounds]:
    """For each model of a backtest its losses, and naive's, in every window it was evaluated on by a time."""
    first = found[0]
    evidence.refresh(engine, found)
    where = {"commodity": first.commodity, "backtest_id": first.backtest_id}
    history = select(engine, "loss_history", **where, as_of=None if as_of is None else as_of.isoformat())
    history = history[history["model_name"] != BASELINE]
    by_variant = history.groupby(["model_name", "model_version"], sort=True)
    overlap = int(select(engine, "overlap_of", **where)["overlap"].iloc[0])
    common = where | {"metric": _METRIC, "horizon": first.horizon, "overlap": overlap, "n_tested": by_variant.ngroups}
    return {
        (str(name), str(version)): Grounds(
            rule=INFERIOR,
            policy=policy.record,
            evidence=common | {"model": str(name), "version": str(version), "series": _series(rows)},
        )
        for (name, version), rows in by_variant
    }


def _series(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    return {
        str(unique_id): {
            "windows": [f"{cutoff:%Y-%m-%d}" for cutoff in own["cutoff"]],
            "losses": own["mae_path"].tolist(),
            "naive_losses": own["naive_mae_path"].tolist(),
            "evaluations": sorted(set(own["experiment_id"])),
        }
        for unique_id, own in rows.groupby("unique_id", sort=True)
    }


def specified(engine: Engine, commodity: str, policy: Policy) -> dict[Variant, Grounds]:
    """For each model that the specified query lists its groups, and the newest evaluations in them."""
    found = select(engine, "specified_candidates", commodity=commodity)
    grounds: dict[Variant, Grounds] = {}
    for name, rows in found.groupby("model_name", sort=False):
        newest = rows.sort_values("last_run").iloc[-1]
        groups = [{str(column): _plain(value) for column, value in row.items()} for row in rows.to_dict("records")]
        what = {"commodity": commodity, "model": str(name), "version": str(newest["model_version"]), "groups": groups}
        grounds[str(name), str(newest["model_version"])] = Grounds(rule=SPECIFIED, policy=policy.record, evidence=what)
    return grounds


def _label_of(of: Candidates, champion: Decision | None) -> str | None:
    """What the model in production is called in a backtest, if it is there."""
    if champion is None:
        return None
    for run in of.runs.to_dict("records"):
        if (run["model_name"], run["model_version"]) == (champion.model_name, champion.model_version):
            return of.labels[run["experiment_id"]]
    return None


def _plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if hasattr(value, "isoformat"):
        return value.isoformat()
    value = value.tolist() if hasattr(value, "tolist") else value
    return known(value) if not isinstance(value, list) else value
