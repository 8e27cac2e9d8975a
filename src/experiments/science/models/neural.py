"""NeuralProphet: Prophet's parts with an autoregressive network, behind the extra `neural`.

References
----------
Triebe, O. et al. (2021), NeuralProphet: explainable forecasting at scale, doi 10.48550/arXiv.2111.15397.
"""

from __future__ import annotations

import importlib.util
import io
import random
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import InvalidInputError
from experiments.science.models.prophet import quiet
from experiments.science.models.regressors import aligned_covariates, complete_rows, regressors_of
from experiments.science.window import QUANTILE_LEVELS, Forecast

if TYPE_CHECKING:
    import pandas as pd

    from experiments.science.models.regressors import Rows
    from experiments.science.window import Predict, TrainingWindow

_FIRST_DAY = np.datetime64("2000-01-01", "D")

_BATCH = 64

_MEDIAN = 0.5


def fit_neuralprophet(
    window: TrainingWindow, *, n_lags: int = 14, epochs: int = 40, learning_rate: float = 0.03
) -> Predict:
    """Fit a NeuralProphet with `n_lags` autoregressive terms that forecasts every step directly, with its quantiles.

    The covariates enter as regressors as in `fit_sarimax`: observed ones lagged by H steps, known ones at their own
    date. The package needs dates without gaps, which trading days are not: it is given the rows as consecutive days,
    so that a step is a step of the series, and no season of the calendar. Prices are counted from the last one in
    units of their typical step. All that is drawn at random is drawn by the window's seed, on one thread.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used.
    n_lags : int
        Autoregressive terms, at least 1.
    epochs : int
        Passes over the rows.
    learning_rate : float
        Of the optimiser; above 0.

    Returns
    -------
    callable
        Gives the forecasts with quantiles.

    Raises
    ------
    InvalidInputError
        If NeuralProphet is not installed, or a covariate has a gap after its first value.
    NotEnoughDataError
        If there are fewer rows than twice the terms and the horizon together, and two more for each covariate.
    """
    if importlib.util.find_spec("neuralprophet") is None:
        msg = "NeuralProphet needs neuralprophet: pip install 'experiment-ledger[neural]', which keeps numpy below 2."
        raise InvalidInputError(msg)
    needed = 2 * (n_lags + window.horizon) + 2 * len(window.covariates)
    rows = complete_rows(window, aligned_covariates(window), needed, f"NeuralProphet with {n_lags} lags")
    if not rows.y.any():
        return lambda: rows.flat(window.horizon)
    with _silent():
        import torch

        with _drawing(torch, window.seed), tempfile.TemporaryDirectory() as scratch:
            model, frame = _trained(rows, window.horizon, scratch, n_lags=n_lags, epochs=epochs, rate=learning_rate)

    def predict() -> Forecast:
        with _silent():
            said = model.predict(frame, decompose=False, raw=True).iloc[-1]
        steps = [f"step{step}" for step in range(window.horizon)]
        columns = {
            level: steps if level == _MEDIAN else [f"{step} {level:.1%}" for step in steps] for level in QUANTILE_LEVELS
        }
        quantiles = {
            level: rows.last + rows.unit * said[names].to_numpy(dtype=np.float64) for level, names in columns.items()
        }
        return Forecast(y_hat=quantiles[_MEDIAN], quantiles=quantiles)

    return predict


def _trained(
    rows: Rows, horizon: int, scratch: str, *, n_lags: int, epochs: int, rate: float
) -> tuple[Any, pd.DataFrame]:
    """The network, and the frame it forecasts from: the last rows and the steps ahead."""
    import pandas as pd
    from neuralprophet import NeuralProphet

    model = NeuralProphet(
        growth="off",  # the terms of a price carry its trend
        n_lags=n_lags,
        n_forecasts=horizon,
        epochs=epochs,
        batch_size=_BATCH,
        learning_rate=rate,
        quantiles=[level for level in QUANTILE_LEVELS if level != _MEDIAN],
        yearly_seasonality=False,
        weekly_seasonality=False,
        daily_seasonality=False,
        collect_metrics=False,
        accelerator="cpu",
        trainer_config={"default_root_dir": scratch, "logger": False},
    )
    past, ahead = regressors_of(rows, 0, 0, 1)
    names = [f"regressor_{k}" for k in range(past.shape[1])]
    for name in names:
        model.add_future_regressor(name, normalize="off")
    regressors = np.concatenate([past, ahead])
    days = _FIRST_DAY + np.arange(len(regressors))
    y = np.concatenate([rows.y, np.full(horizon, np.nan)])
    frame = pd.DataFrame(regressors, columns=names).assign(ds=days.astype("datetime64[ns]"), y=y)
    model.fit(frame.iloc[: len(rows.y)], freq="D", progress=None, metrics=False, minimal=True)
    return model, frame.iloc[len(rows.y) - n_lags :].reset_index(drop=True)


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing is said by the package, by Lightning or by torch, who speak on all channels, even when imported."""
    with quiet(), warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _drawing(torch: Any, seed: int) -> Iterator[None]:
    """Seed the shared generators, and give them back as they were; one thread, as the order of sums depends on it."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    threads = torch.get_num_threads()
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_num_threads(threads)
