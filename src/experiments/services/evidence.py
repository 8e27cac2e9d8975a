"""Evidence: the models of each backtest compared as families, recorded once for each set of evaluations.

A family is named after what it compares, so evidence that is recorded is found again, a new evaluation makes a new
family, and what was known at an earlier time has its family too.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, METRICS, counted
from experiments.errors import EngineError, InvalidInputError, NotFoundError, first_line
from experiments.identity import digest
from experiments.services.losses import losses_of, metrics_of, read_windows
from experiments.services.progress import progress_bar
from experiments.services.rows import as_timestamp
from experiments.storage.table import merge_new, select, select_among

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from experiments.science.evidence.family import Family, Standing
    from experiments.science.evidence.pairs import Pair
    from experiments.services.losses import Losses
    from experiments.services.rows import Row
    from experiments.storage.engine import Engine

EVIDENCE_VERSION = 1
"""Raised whenever a definition of the evidence changes, so that old and new evidence never share a family."""

SEED, REPS = 42, 1000

UNLOGGED = "-"
"""Version of a naive forecast that nobody logged: its losses follow from the last observed values."""

KEYS = {
    "comparisons": ("family_id", "model_name", "model_version", "other_name", "other_version"),
    "standings": ("family_id", "model_name", "model_version"),
    "families": ("family_id",),
}
"""The key of each table, in the order in which they are written: a family is seen when it is whole."""

_INTERVAL, _PVALUES = ("difference", "lower", "upper"), ("pvalue", "pvalue_holm")
_PAIR = ("statistic", "method", "n", "win_share", "note")
_STANDING = (
    *("place", "n_windows", "loss", "skill", "mcs_pvalue", "in_confidence_set"),
    *("verdict", "equal_within", "detectable", "windows_to_tell"),
)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The evaluations of one backtest and series, the latest of each variant: what a family is made of.

    `runs` has a row an evaluation: `experiment_id`, `model_name`, `model_version`, `data_as_of`, `known_at` ...
    """

    commodity: str
    unique_id: str
    backtest_id: str
    frequency: str
    horizon: int
    step_size: int
    runs: pd.DataFrame

    def family_id(self, metric: str) -> str:
        """When it was known, and the digest of what is compared: later ones are larger, so older files are not read."""
        what = {"version": EVIDENCE_VERSION, "metric": metric, "seed": SEED, "reps": REPS}
        compared = digest(what | {"experiment_ids": sorted(self.runs["experiment_id"])})
        return f"{self.known_at:%Y%m%d%H%M%S}-{compared}"

    @property
    def known_at(self) -> dt.datetime:
        """When the last of the evaluations was finished."""
        moment: dt.datetime = self.runs["known_at"].max().to_pydatetime()
        return moment

    @property
    def latest(self) -> set[str]:
        """The evaluations on the latest data: their windows are the family's."""
        as_of = self.runs["data_as_of"]
        return set(self.runs.loc[as_of.isna() if as_of.isna().all() else as_of == as_of.max(), "experiment_id"])

    @property
    def labels(self) -> dict[str, str]:
        """A name of its own for each evaluation: the model's, with its version where another version has it too."""
        labels: dict[str, str] = {}
        for run in self.runs.sort_values(["model_name", "model_version"]).to_dict("records"):
            name = str(run["model_name"])
            labels[str(run["experiment_id"])] = f"{name} {run['model_version']}" if name in labels.values() else name
        return labels


def as_of_time(value: object) -> dt.datetime | None:
    """A moment in UTC; a day without a time is meant to its end.

    Raises
    ------
    InvalidInputError
        If it is neither a date nor a time.
    """
    try:
        day = dt.date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        day = value
    if value is None:
        return None
    if isinstance(day, dt.date) and not isinstance(day, dt.datetime):
        return dt.datetime.combine(day, dt.time.max, tzinfo=dt.UTC)
    try:
        return as_timestamp("as_of", day)
    except InvalidInputError as error:
        msg = f"as_of is {value!r}: give a date such as '2024-12-31', or a time such as '2024-12-31T09:30:00+00:00'."
        raise InvalidInputError(msg) from error


def candidates(engine: Engine, commodity: str, *, as_of: dt.datetime | None = None) -> list[Candidates]:
    """What there is to compare of a commodity, known now or at an earlier time."""
    known = select(engine, "known_runs", commodity=commodity, as_of=None if as_of is None else as_of.isoformat())
    found = []
    for (backtest_id, unique_id), runs in known.groupby(["backtest_id", "unique_id"], sort=True):
        first = runs.iloc[0]
        found.append(
            Candidates(
                commodity=commodity,
                unique_id=str(unique_id),
                backtest_id=str(backtest_id),
                frequency=str(first["frequency"]),
                horizon=int(first["horizon"]),
                step_size=int(first["step_size"]),
                runs=runs.reset_index(drop=True),
            )
        )
    return found


def of_one_backtest(
    engine: Engine, commodity: str, backtest_id: str | None, as_of: dt.datetime | None
) -> list[Candidates]:
    """The candidates of one backtest, series by series: by default of the backtest on the latest data.

    Raises
    ------
    NotFoundError
        If nothing of it was known by then.
    """
    found = candidates(engine, commodity, as_of=as_of)
    if backtest_id is None and found:
        backtest_id = max(found, key=_recency).backtest_id
    found = [one for one in found if one.backtest_id == backtest_id]
    if not found:
        raise none_finished(commodity, as_of)
    return found


def none_finished(of: str, as_of: dt.datetime | None) -> NotFoundError:
    """An error that says that nothing of a commodity or model was known by a time."""
    when = "yet" if as_of is None else f"by {as_of:%Y-%m-%d %H:%M} UTC: ask for a later day"
    return NotFoundError(f"no evaluation of {of} was finished {when}.")


def _recency(of: Candidates) -> tuple[bool, dt.date, dt.datetime]:
    """How late the data of a backtest are, then how late it was evaluated."""
    as_of = of.runs["data_as_of"].dropna()
    return len(as_of) > 0, as_of.max() if len(as_of) else dt.date.min, of.runs["run_timestamp"].max().to_pydatetime()


def metric_at(horizon: int | None) -> str:
    """The loss of a leaderboard: over all steps, or at one.

    Raises
    ------
    InvalidInputError
        If there is no such loss.
    """
    for metric, step in METRICS.items():
        if step == horizon:
            return metric
    msg = f"horizon is {horizon!r}: errors are compared at 1, 7 and 14 steps ahead, and by default over all."
    raise InvalidInputError(msg)


def check_reach(found: Sequence[Candidates], horizon: int | None) -> None:
    """Refuse a step beyond the windows.

    Raises
    ------
    InvalidInputError
        If the windows end before it.
    """
    reach = found[0].horizon
    if horizon is not None and horizon > reach:
        msg = f"horizon is {horizon}: the windows of this backtest of {found[0].commodity} have {reach} steps."
        raise InvalidInputError(msg)


def refresh(engine: Engine, found: Sequence[Candidates]) -> int:
    """Record the families of a commodity that are not recorded yet, in one commit a table; returns how many were made.

    Twice, or by two processes at once, changes nothing.
    """
    if not found:
        return 0
    commodity = found[0].commodity
    wanted = {one.family_id(metric): (one, metric) for one in found for metric in metrics_of(one.horizon)}
    known = set(select_among(engine, "known_families", "family_id", [*wanted], commodity=commodity)["family_id"])
    missing = {family_id: what for family_id, what in wanted.items() if family_id not in known}
    if not missing:
        return 0
    rows: dict[str, list[Row]] = {table: [] for table in KEYS}
    windows: dict[tuple[str, str], pd.DataFrame] = {}
    with progress_bar("comparing", total=len(missing), enabled=True) as advance:
        for family_id, (one, metric) in missing.items():
            place = one.backtest_id, one.unique_id
            if place not in windows:
                windows[place] = read_windows(engine, one)
            for table, own in _family_rows(family_id, one, metric, windows[place]).items():
                rows[table] += own
            advance(f"{one.unique_id} {metric}")
    try:
        for table, key in KEYS.items():
            merge_new(engine, table, rows[table], key=key, pins=("commodity",))
    except Exception as error:  # the engine's own: whoever asks may not be allowed to write
        msg = (
            f"{counted(len(missing), 'comparison')} of {commodity} are not recorded yet and cannot be recorded here: "
            f"run 'experiments job refresh' where the ledger can be written. {first_line(error)}"
        )
        raise EngineError(msg) from error
    return len(rows["families"])


def loss_table(of: Candidates, metric: str, windows: pd.DataFrame) -> tuple[pd.DataFrame, Losses]:
    """The losses of candidates under their labels and of naive [W, M], and what was read.

    Parameters
    ----------
    of : Candidates
    metric : str
        One of `METRICS`.
    windows : DataFrame
        From `losses.read_windows`.
    """
    losses = losses_of(
        windows,
        metric,
        horizon=of.horizon,
        step_size=of.step_size,
        experiment_ids=[*of.runs["experiment_id"]],
        latest=of.latest,
    )
    return losses.models.rename(columns=of.labels).assign(**{BASELINE: losses.naive}), losses


def _family_rows(family_id: str, of: Candidates, metric: str, windows: pd.DataFrame) -> dict[str, list[Row]]:
    """The rows of every table for one family."""
    from experiments.science.evidence.family import compare_family

    table, losses = loss_table(of, metric, windows)
    labels = of.labels
    family = compare_family(table, baseline=BASELINE, overlap=losses.overlap, level=losses.level, seed=SEED, reps=REPS)
    variants = {BASELINE: {"model_name": BASELINE, "model_version": UNLOGGED, "experiment_id": None}}
    for run in of.runs.to_dict("records"):
        known = {str(name): run[name] for name in ("model_name", "model_version", "experiment_id")}
        variants[labels[run["experiment_id"]]] = known
    stamp = {"family_id": family_id, "commodity": of.commodity}
    return {
        "comparisons": [stamp | _pair_row(pair, variants) for pair in family.pairs],
        "standings": [stamp | _standing_row(one, of, variants, losses) for one in family.standings],
        "families": [stamp | _family_row(family, of, metric, variants)],
    }


def _family_row(family: Family, of: Candidates, metric: str, variants: Mapping[str, Row]) -> Row:
    compared = [one for one in family.standings if one.place is not None]
    leader, corrected, chosen = family.standings[0], family.selected, family.confidence_set
    cutoffs = [cutoff.date() for cutoff in family.windows]
    notes = dict.fromkeys(note for note in (chosen.note, corrected.note) if note)
    as_of = of.runs["data_as_of"].dropna()
    return {
        "unique_id": of.unique_id,
        "backtest_id": of.backtest_id,
        "metric": metric,
        "frequency": of.frequency,
        "forecast_horizon_days": of.horizon,
        "step_size": of.step_size,
        "known_at": of.known_at,
        "data_as_of": as_of.max() if len(as_of) else None,
        "n_models": len(family.standings),
        "n_compared": max(1, len(compared)),
        "n_tested": family.n_tested,
        "n_windows": family.n_windows,
        "n_shared": len(cutoffs),
        "first_cutoff": cutoffs[0] if cutoffs else None,
        "last_cutoff": cutoffs[-1] if cutoffs else None,
        "overlap": family.overlap,
        "naive_loss": family.naive_loss,
        "leader_name": variants[leader.model]["model_name"] if compared else None,
        "leader_version": variants[leader.model]["model_version"] if compared else None,
        "leader_loss": leader.loss,
        "leader_loss_corrected": corrected.corrected,
        "confidence_level": chosen.level,
        "confidence_method": chosen.method,
        "bootstrap_reps": chosen.reps,
        "bootstrap_block": chosen.block,
        "bootstrap_seed": chosen.seed,
        "evidence_version": EVIDENCE_VERSION,
        "note": "; ".join(notes) or None,
        "created_at": dt.datetime.now(dt.UTC),
    }


def _standing_row(one: Standing, of: Candidates, variants: Mapping[str, Row], losses: Losses) -> Row:
    own = {name: getattr(one, name) for name in _STANDING}
    naive, leader = asdict(one.to_naive) if one.to_naive else {}, asdict(one.to_leader) if one.to_leader else {}
    experiment_id = variants[one.model]["experiment_id"]
    revised = losses.revised.get(experiment_id)
    notes = [one.note] if one.note else []
    if one.place is None and experiment_id not in of.latest:
        notes = [f"evaluated on older data: {one.note if one.n_windows else 'none of these windows'}"]
    if revised:
        notes.append(f"{revised} windows left out whose actuals were others than now")
    return {
        **variants[one.model],
        **own,
        **{f"naive_{name}": naive.get(name) for name in (*_INTERVAL, "win_share")},
        "dm_test_vs_naive": naive.get("statistic"),
        **{f"dm_{name}": naive.get(name) for name in _PVALUES},
        **{f"leader_{name}": leader.get(name) for name in (*_INTERVAL, *_PVALUES)},
        "note": "; ".join(notes) or None,
    }


def _pair_row(pair: Pair, variants: Mapping[str, Row]) -> Row:
    model, other = variants[pair.model], variants[pair.other]
    return {
        "model_name": model["model_name"],
        "model_version": model["model_version"],
        "other_name": other["model_name"],
        "other_version": other["model_version"],
        "first_half_difference": pair.first_half,
        "second_half_difference": pair.second_half,
        **{
            name: getattr(pair, name)
            for name in (*_INTERVAL, *_PVALUES, "statistic", "method", "n", "win_share", "note")
        },
    }
