"""The specification's two ways in: the hook of a backtester, and the writer of finished figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.definitions import check_identifier
from experiments.services.ledger import current

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType


def log_experiment(model_name: str, results: Mapping[str, Any], config: Mapping[str, Any]) -> str:
    """Log one evaluation window to the ledger opened last, or to the default one.

    Call it after each window of a walk-forward loop. With forecasts in `results` the metrics are
    computed from them, and the evaluation's row in `model_runs` appears when the `n_windows`
    announced in `config` are in, when the ledger is closed, or on `Ledger.finish`. Logging a window
    twice changes nothing. Bare figures become one row marked `reported`.

    Parameters
    ----------
    model_name : str
        Name of the model variant.
    results : mapping
        One window: `cutoff`, `day0` (the last observed value), `ds`, `y`, `y_hat` (dates, actuals and
        forecasts [H]); `error` instead of these where the model failed; `y_train` (the series up to
        the cutoff, for the scale of MASE), `training_start_date`, `n_training`, `fit_seconds`,
        `predict_seconds`, `warning` if known. Or bare figures: `mae`, `rmse`, `directional_accuracy`
        or any other metric column of `model_runs`.
    config : mapping
        `commodity`, `model_type`, and what else is known of `EvaluationConfig`'s fields: `n_windows`,
        `step_size`, `forecast_horizon_days`, `hyperparameters`, `feature_config`, `training_start_date` ...

    Returns
    -------
    str
        The evaluation's `experiment_id`.

    Raises
    ------
    InvalidInputError
        If a key is unknown or missing or a value is of the wrong kind; nothing is written.
    ConflictError
        If the ledger holds other forecasts under the same identity; nothing is changed.
    """
    return current().log_experiment(model_name, results, config)


class DatabricksWriter:
    """Writes finished figures to `model_runs`, as in the specification's "Recording an experiment".

    By itself every `write_experiment` is one commit and recorded when it returns. As a context
    manager it collects, and records all in one commit at the end: use that for more than a few.

    Parameters
    ----------
    schema : str
        Schema of the tables, in the ledger opened last or the default one.

    Raises
    ------
    InvalidInputError
        If the schema is not an identifier.
    """

    def __init__(self, schema: str = "experiments") -> None:
        self._schema = check_identifier("schema", schema)
        self._collected: list[Mapping[str, Any]] | None = None

    def write_experiment(self, experiment: Mapping[str, Any]) -> str | None:
        """Write one experiment: columns of `model_runs`, dates as text or dates, absent ones NULL.

        Returns
        -------
        str or None
            Its `experiment_id`; None while collecting.

        Raises
        ------
        InvalidInputError
            If a field is unknown, missing or of the wrong kind; nothing is written.
        ConflictError
            If other figures are recorded under its id; nothing is changed.
        """
        if self._collected is not None:
            self._collected.append(dict(experiment))
            return None
        return current(self._schema).write_experiments([experiment])[0]

    def __enter__(self) -> DatabricksWriter:
        self._collected = []
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        collected, self._collected = self._collected, None
        if kind is None and collected:
            current(self._schema).write_experiments(collected)
