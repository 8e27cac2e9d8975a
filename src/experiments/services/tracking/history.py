"""The metrics of runs as values: histories, figures over them, runs beside each other, distributions."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from experiments.definitions import check_text
from experiments.errors import InvalidInputError, NotFoundError, unknown
from experiments.services.ledger import current
from experiments.services.tracking import runs
from experiments.services.tracking.aggregation import PERCENTILES, Histogram, check_percentiles, histogram, summarise

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.ledger import Ledger
    from experiments.storage.engine import Engine

_LISTED = 20
"""Names of metrics that a message lists."""


class MetricsLogger:
    """What runs logged, asked for as values; to log is a matter of the tracker.

    What this process has logged is in the answers; of another process what it has committed so far. A run is named by
    its id or the beginning of it.

    Parameters
    ----------
    ledger : Ledger, optional
        By default the one opened last, else the default one.

    Examples
    --------
    >>> metrics = MetricsLogger()  # doctest: +SKIP
    >>> metrics.aggregate(experiment_id, "reward", by="episode")  # doctest: +SKIP
    """

    def __init__(self, ledger: Ledger | None = None) -> None:
        self._ledger = current() if ledger is None else ledger

    def history(self, experiment_id: str, name: str | None = None) -> pd.DataFrame:
        """The points of a run, in the order in which they were logged.

        Parameters
        ----------
        experiment_id : str
        name : str, optional
            Only those of this metric.

        Returns
        -------
        DataFrame
            As of `runs.points`: `name`, `value`, `step`, `episode`, `epoch`, `logged_at`, `edges`, `counts`, `summary`.

        Raises
        ------
        InvalidInputError
            If several runs begin so.
        NotFoundError
            If there is no such run, or it has not logged that metric.
        """
        run = runs.resolve(self._engine, experiment_id)
        if name is None:
            return runs.points(self._engine, run)
        found = runs.points(self._engine, run, _checked_name(name))
        return found if len(found) else self._none(run, name)

    def aggregate(
        self, experiment_id: str, name: str, *, by: str | None = None, percentiles: Sequence[float] = PERCENTILES
    ) -> pd.DataFrame:
        """Figures over the points of a metric: over all, or over those of each step, episode or epoch.

        Points that are NaN are counted and left out of the figures; infinities are kept.

        Parameters
        ----------
        experiment_id, name : str
        by : str, optional
            "step", "episode" or "epoch"; by default all points are one group.
        percentiles : sequence of float
            0 to 100.

        Returns
        -------
        DataFrame
            A row a group in its order, points not counted so last: `by` where it is given, `n` (points that are no
            NaN), `n_nan`, `mean`, `std` (of a sample, ddof 1), `min`, `max`, `p5` and so on (linear between two
            points).

        Raises
        ------
        InvalidInputError
            If a percentile or `by` is none, or no point is counted so, or several runs begin so.
        NotFoundError
            If there is no such run, or it has not logged that metric.
        """
        import pandas as pd

        asked = check_percentiles(percentiles)
        _check_by(by, optional=True)
        run = runs.resolve(self._engine, experiment_id)
        found = self._values(run, name)
        if by is None:
            values = found["value"].to_numpy(dtype=float)
            return pd.DataFrame(summarise(values, np.zeros(len(values), dtype=np.int64), 1, asked))
        if found[by].isna().all():
            raise _not_counted(run, name, by, found)
        return _grouped(found, by, asked)

    def compare(self, experiment_ids: Sequence[str], name: str, *, by: str = "step") -> pd.DataFrame:
        """One metric of several runs side by side.

        Parameters
        ----------
        experiment_ids : sequence of str
            One or more runs.
        name : str
        by : str
            "step", "episode" or "epoch".

        Returns
        -------
        DataFrame
            A row for every step (episode, epoch) that any of the runs counted, ascending, as the index; a column a
            run, by its id, in the order given: the mean of its points there, without NaN; NaN where it has none.

        Raises
        ------
        InvalidInputError
            If no run is given, one is given twice, none counts so, or several runs begin so.
        NotFoundError
            If there is no such run, or none of them has logged that metric.
        """
        import pandas as pd

        _check_by(by)
        if isinstance(experiment_ids, str) or not experiment_ids:
            msg = f"experiment_ids is {experiment_ids!r}: give a list of the ids of runs."
            raise InvalidInputError(msg)
        _checked_name(name)
        whole = [runs.resolve(self._engine, given) for given in experiment_ids]
        again, times = Counter(whole).most_common(1)[0]
        if times > 1:
            msg = f"the run {again} is given {times} times: give each run once."
            raise InvalidInputError(msg)
        found = {run: runs.values(self._engine, run, name) for run in whole}
        logged = {run: own for run, own in found.items() if len(own)}
        if not logged:
            self._none(whole[0], name)
        if all(own[by].isna().all() for own in logged.values()):
            run, own = next(iter(logged.items()))
            raise _not_counted(run, name, by, own)
        means = [_grouped(own[own[by].notna()], by, ()).set_index(by)["mean"].rename(run) for run, own in found.items()]
        return pd.concat(means, axis=1).sort_index()

    def distribution(self, experiment_id: str, name: str) -> pd.DataFrame:
        """The distributions a run logged under a name, as values.

        Parameters
        ----------
        experiment_id, name : str

        Returns
        -------
        DataFrame
            A row a distribution in the order in which they were logged: `step`, `episode`, `epoch`, `logged_at`,
            `edges` [B + 1], `counts` [B], and what was kept of its values: `n`, `mean`, `std`, `min`, `max`, `p5` to
            `p95`.

        Raises
        ------
        InvalidInputError
            If several runs begin so, or the metric has single values only.
        NotFoundError
            If there is no such run, or it has not logged that metric.
        """
        import pandas as pd

        run = runs.resolve(self._engine, experiment_id)
        found = runs.points(self._engine, run, _checked_name(name))
        if found.empty:
            self._none(run, name)
        found = found[found["edges"].notna()].reset_index(drop=True)
        if found.empty:
            msg = f"the metric {name!r} of run {run} has single values, no distributions: ask for its histogram."
            raise InvalidInputError(msg)
        kept = pd.DataFrame([dict(one) for one in found["summary"]], index=found.index)
        return pd.concat([found[[*runs.COUNTED_BY, "logged_at", "edges", "counts"]], kept], axis=1)

    def histogram(self, experiment_id: str, name: str, bins: int | Sequence[float] = 10) -> Histogram:
        """How the points of a metric are spread, as values.

        Parameters
        ----------
        experiment_id, name : str
        bins : int or sequence of float
            How many bins of one width from the least to the greatest finite point, or their ascending edges.

        Raises
        ------
        InvalidInputError
            If `bins` is neither, or several runs begin so.
        NotFoundError
            If there is no such run, or it has not logged that metric.
        """
        run = runs.resolve(self._engine, experiment_id)
        return histogram(self._values(run, name)["value"].to_numpy(dtype=float), bins)

    @property
    def _engine(self) -> Engine:
        return self._ledger.engine

    def _values(self, run: str, name: str) -> pd.DataFrame:
        found = runs.values(self._engine, run, _checked_name(name))
        return found if len(found) else self._none(run, name)

    def _none(self, run: str, name: str) -> NoReturn:
        """Say why there is nothing of a metric."""
        known = runs.metric_names(self._engine, run)
        if not known:
            msg = f"run {run} has no metrics yet: what it logged is in the tables after flush() or its end."
            raise NotFoundError(msg)
        if len(known) <= _LISTED:
            raise unknown(f"metric of run {run}", name, known)
        nearest = difflib.get_close_matches(name, known, n=_LISTED, cutoff=0.0)
        raise unknown(f"metric of run {run}, which has {len(known):,}", name, [*nearest, "..."])


def _grouped(found: pd.DataFrame, by: str, percentiles: Sequence[float]) -> pd.DataFrame:
    """Figures of the points of each step, episode or epoch; of those not counted so last."""
    import pandas as pd

    groups, keys = pd.factorize(found[by], sort=True, use_na_sentinel=False)
    figures = summarise(found["value"].to_numpy(dtype=float), groups, len(keys), percentiles)
    return pd.DataFrame({by: pd.Series(keys, dtype="Int64")} | figures)


def _checked_name(name: object) -> str:
    return check_text("name", name, "the name of a metric")


def _check_by(by: object, *, optional: bool = False) -> None:
    if not (by is None and optional) and by not in runs.COUNTED_BY:
        none = " or None" if optional else ""
        msg = f"by is {by!r}: give one of {', '.join(map(repr, runs.COUNTED_BY))}{none}."
        raise InvalidInputError(msg)


def _not_counted(run: str, name: str, by: str, found: pd.DataFrame) -> InvalidInputError:
    counted = [f"by {one}" for one in runs.COUNTED_BY if found[one].notna().any()]
    told = " and ".join(counted) if counted else "by nothing"
    return InvalidInputError(f"the metric {name!r} of run {run} is counted {told}, not by {by}.")
