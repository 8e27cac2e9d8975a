"""Prophet: a piecewise linear trend, the seasons of the calendar and covariates, by the package of that name.

References
----------
Taylor, S. J. and Letham, B. (2018), Forecasting at scale, The American Statistician 72(1),
doi 10.1080/00031305.2017.1380080.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from experiments.science.models.pairs import next_dates, weekday
from experiments.science.models.regressors import aligned_covariates, complete_rows, regressors_of
from experiments.science.window import QUANTILE_LEVELS, Forecast

if TYPE_CHECKING:
    from experiments.science.window import Predict, TrainingWindow

_MINIMUM = 10

_SAMPLES = 1000
"""Paths the quantiles are taken from."""

_WEEK = 7


def fit_prophet(
    window: TrainingWindow,
    *,
    changepoint_prior_scale: float = 0.05,
    n_changepoints: int = 25,
    seasonality_prior_scale: float = 10.0,
) -> Predict:
    """Fit a Prophet model; its quantiles come from paths drawn with the window's seed.

    The covariates enter as regressors as in `fit_sarimax`: observed ones lagged by H steps, known ones at their own
    date. There is a yearly season with two years of data, a weekly one only where the series has all weekdays. Prices
    are counted from the last one in units of their typical step, so that neither their unit nor their level matters.
    The dates of the steps are not known at the cutoff: they continue the series by its rhythm, see `next_dates`; for
    trading days by weekdays, as which of them will be holidays is not known.

    Parameters
    ----------
    window : TrainingWindow
        What is known at the cutoff; all of its covariates are used.
    changepoint_prior_scale : float
        How freely the trend bends; above 0.
    n_changepoints : int
        Where it may, evenly over the first 80 % of the rows.
    seasonality_prior_scale : float
        How freely the seasons move; above 0.

    Returns
    -------
    callable
        Gives the forecasts with quantiles.

    Raises
    ------
    InvalidInputError
        If a covariate has a gap after its first value.
    NotEnoughDataError
        If there are fewer than 10 rows, and two more for each covariate.
    """
    rows = complete_rows(window, aligned_covariates(window), _MINIMUM + 2 * len(window.covariates), "Prophet")
    if not rows.y.any():
        return lambda: rows.flat(window.horizon)

    with quiet(), tempfile.TemporaryDirectory() as scratch:
        import pandas as pd
        from prophet import Prophet

        model = Prophet(
            changepoint_prior_scale=changepoint_prior_scale,
            n_changepoints=n_changepoints,
            seasonality_prior_scale=seasonality_prior_scale,
            weekly_seasonality="auto" if len(np.unique(weekday(window.ds))) == _WEEK else False,
            daily_seasonality=False,
            uncertainty_samples=_SAMPLES,
        )
        past, ahead = regressors_of(rows, 0, 0, 1)
        names = [f"regressor_{k}" for k in range(past.shape[1])]
        for name in names:
            model.add_regressor(name, standardize=False)
        # Rounded, because the optimiser ends elsewhere for a difference in the last digits, as another unit makes.
        y = np.round(rows.y, 9)
        history = pd.DataFrame(np.round(past, 9), columns=names).assign(ds=window.ds[-len(y) :], y=y)
        model.fit(history, seed=window.seed, output_dir=scratch)
    future = pd.DataFrame(ahead, columns=names).assign(ds=next_dates(window.ds, window.horizon))

    def predict() -> Forecast:
        with quiet(), _drawing(window.seed):
            y_hat = model.predict(future)["yhat"].to_numpy(dtype=np.float64)
            paths = model.predictive_samples(future)["yhat"]
        quantiles = np.quantile(paths, QUANTILE_LEVELS, axis=1)
        return Forecast(
            y_hat=rows.last + rows.unit * y_hat,
            quantiles=dict(zip(QUANTILE_LEVELS, rows.last + rows.unit * quantiles, strict=True)),
        )

    return predict


@contextmanager
def quiet() -> Iterator[None]:
    """Let no logger speak: the packages report their progress by many, some of them even when imported."""
    before = logging.root.manager.disable
    logging.disable()
    try:
        yield
    finally:
        logging.disable(before)


@contextmanager
def _drawing(seed: int) -> Iterator[None]:
    """Prophet draws from numpy's shared generator: seeded here, and given back to the caller as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)
