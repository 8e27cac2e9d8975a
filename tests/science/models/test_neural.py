"""NeuralProphet, where it is installed: an environment of its own, as it needs numpy below 2."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from experiments.errors import InvalidInputError, NotEnoughDataError
from experiments.science.models.neural import fit_neuralprophet
from windows import HORIZON, index, walk, window_of

if TYPE_CHECKING:
    from experiments.science.window import Forecast, TrainingWindow

INSTALLED = importlib.util.find_spec("neuralprophet") is not None

needed = pytest.mark.skipif(not INSTALLED, reason="neuralprophet is not installed (extra 'neural', numpy below 2)")


def forecast(window: TrainingWindow) -> Forecast:
    return fit_neuralprophet(window, n_lags=5, epochs=2)()


@pytest.mark.skipif(INSTALLED, reason="neuralprophet is installed")
def test_without_the_package_it_says_what_to_install() -> None:
    with pytest.raises(InvalidInputError, match=r"NeuralProphet needs neuralprophet: pip install '.*\[neural\]'"):
        fit_neuralprophet(window_of(walk(100)))


@needed
@pytest.mark.parametrize("covariates", [0, 1])
def test_one_seed_gives_one_forecast_with_quantiles(covariates: int) -> None:
    window = window_of(walk(200), index(200) if covariates else None)
    state = np.random.get_state()[1].copy()
    first = forecast(window)
    assert_array_equal(np.random.get_state()[1], state)
    assert first.y_hat.shape == (HORIZON,)
    assert_array_equal(forecast(window).y_hat, first.y_hat)
    assert_array_equal(first.quantiles[0.5], first.y_hat)
    assert (first.quantiles[0.1] <= first.quantiles[0.9]).all()


@needed
def test_what_cannot_be_learned_from() -> None:
    assert_array_equal(forecast(window_of(np.full(100, 50.0))).y_hat, 50.0)
    with pytest.raises(NotEnoughDataError, match="NeuralProphet with 14 lags needs at least 56"):
        fit_neuralprophet(window_of(walk(50)))


# --- what is handed to the package, and what is made of its answer, by a stand-in ------------------------------------


class StandIn:
    """Forecasts at step h the last value it is given, plus h and, for the quantiles, minus or plus 1."""

    made: list[StandIn]

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.regressors: list[str] = []
        self.made.append(self)

    def add_future_regressor(self, name: str, normalize: str) -> None:
        assert normalize == "off"
        self.regressors.append(name)

    def fit(self, frame: pd.DataFrame, **_: Any) -> None:
        print("Epoch 1")  # noqa: T201
        warnings.warn("a word from Lightning", stacklevel=1)
        self.history = frame
        self.drawn = np.random.normal()

    def predict(self, frame: pd.DataFrame, *, decompose: bool, raw: bool) -> pd.DataFrame:
        assert raw
        assert not decompose
        self.ahead = frame
        last = frame["y"].dropna().iloc[-1]
        steps = range(self.settings["n_forecasts"])
        columns = {f"step{step}": last + step + 1 for step in steps}
        for level, offset in zip(self.settings["quantiles"], (-1, 1), strict=True):
            columns |= {f"step{step} {level:.1%}": last + step + 1 + offset for step in steps}
        return pd.DataFrame([dict.fromkeys(columns, np.nan), columns])


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    package, torch = ModuleType("neuralprophet"), ModuleType("torch")
    package.__spec__ = importlib.machinery.ModuleSpec("neuralprophet", None)
    StandIn.made = []
    package.NeuralProphet = StandIn
    torch.seeds, torch.threads = [], [2]
    torch.get_rng_state = lambda: "state"
    torch.set_rng_state = torch.manual_seed = torch.seeds.append
    torch.get_num_threads = lambda: torch.threads[-1]
    torch.set_num_threads = torch.threads.append
    monkeypatch.setitem(sys.modules, "neuralprophet", package)
    monkeypatch.setitem(sys.modules, "torch", torch)
    return StandIn


def test_the_forecast_is_in_the_unit_of_the_series(stand_in: type[StandIn]) -> None:
    y = walk(100)
    unit = np.std(np.diff(y))
    said = fit_neuralprophet(window_of(y), n_lags=5, epochs=3, learning_rate=0.1)()
    expected = y[-1] + unit * np.arange(1, HORIZON + 1)
    assert_allclose(said.y_hat, expected)
    assert_allclose(said.quantiles[0.1], expected - unit)
    assert_allclose(said.quantiles[0.9], expected + unit)
    settings = stand_in.made[0].settings
    assert (settings["n_lags"], settings["epochs"], settings["learning_rate"]) == (5, 3, 0.1)


def test_rows_are_consecutive_days_with_the_regressors_of_their_own(stand_in: type[StandIn]) -> None:
    x = index(100)
    fit_neuralprophet(window_of(walk(100), x), n_lags=5)()
    model = stand_in.made[0]
    assert model.regressors == ["regressor_0"]
    assert len(model.history) == 100 - HORIZON
    assert len(model.ahead) == 5 + HORIZON
    assert model.ahead["y"].isna().sum() == HORIZON
    days = pd.concat([model.history["ds"].iloc[:-5], model.ahead["ds"]])
    assert (days.diff().dropna() == pd.Timedelta(days=1)).all()
    entered = pd.concat([model.history["regressor_0"].iloc[:-5], model.ahead["regressor_0"]]).to_numpy()
    assert_allclose(abs(np.corrcoef(entered, x.ravel())[0, 1]), 1.0)


def test_it_draws_by_the_seed_alone_and_says_nothing(
    stand_in: type[StandIn], capsys: pytest.CaptureFixture[str]
) -> None:
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    fit_neuralprophet(window_of(walk(100)))
    assert_array_equal(np.random.get_state()[1], state)
    np.random.seed(2)
    fit_neuralprophet(window_of(walk(100)))
    fit_neuralprophet(window_of(walk(100), seed=8))
    first, again, other = (model.drawn for model in stand_in.made)
    assert first == again != other
    torch: Any = sys.modules["torch"]
    assert torch.seeds == [7, "state", 7, "state", 8, "state"]
    assert torch.threads[-2:] == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_series_that_never_moved_is_certain(stand_in: type[StandIn]) -> None:
    said = fit_neuralprophet(window_of(np.full(100, 50.0)))()
    for values in (said.y_hat, *said.quantiles.values()):
        assert_array_equal(values, 50.0)
    assert stand_in.made == []
