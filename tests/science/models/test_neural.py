"""NeuralProphet, where it is installed: an environment of its own, as it needs numpy below 2."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.models.neural import fit_neuralprophet
from windows import HORIZON, index, walk, window_of

if TYPE_CHECKING:
    from experiments.science.window import Forecast, TrainingWindow

INSTALLED = importlib.util.find_spec("neuralprophet") is not None

needed = pytest.mark.skipif(not INSTALLED, reason="neuralprophet is not installed (extra 'neural', numpy below 2)")


def forecast(window: TrainingWindow) -> Forecast:
    return fit_neuralprophet(window, n_lags=5, epochs=2)()  # type: ignore[return-value]


@pytest.mark.skipif(INSTALLED, reason="neuralprophet is installed")
def test_without_the_package_it_says_what_to_install() -> None:
    with pytest.raises(InvalidInputError, match=r"NeuralProphet needs neuralprophet: pip install '.*\[neural\]'"):
        fit_neuralprophet(window_of(walk(100)))


@needed
@pytest.mark.parametrize("covariates", [0, 1])
def test_one_seed_gives_one_forecast_with_quantiles(covariates: int) -> None:
    window = window_of(walk(200), index(200) if covariates else None)
    state = np.random.get_state()[1].copy()  # type: ignore[index, union-attr]
    first = forecast(window)
    assert_array_equal(np.random.get_state()[1], state)  # type: ignore[index]
    assert first.y_hat.shape == (HORIZON,)
    assert_array_equal(forecast(window).y_hat, first.y_hat)
    assert_array_equal(first.quantiles[0.5], first.y_hat)
    assert (first.quantiles[0.1] <= first.quantiles[0.9]).all()


@needed
def test_what_cannot_be_learned_from() -> None:
    assert_array_equal(forecast(window_of(np.full(100, 50.0))).y_hat, 50.0)
    with pytest.raises(NotEnoughDataError, match="NeuralProphet with 14 lags needs at least 56"):
        fit_neuralprophet(window_of(walk(50)))
