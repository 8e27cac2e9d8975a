"""One model on one window: what it may see, and that whatever happens to it is recorded."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from experiments.definitions import SEASON_LENGTH
from experiments.science.example_data import load_vix, load_wti
from experiments.science.forecasting import (
    WindowForecast,
    WindowsTask,
    forecast_window,
    forecast_windows,
    part_for,
    training_window,
    window_key,
)
from experiments.science.metrics import scale_and_level
from experiments.science.models import BASELINE_MODELS
from experiments.science.series import Series, prepare
from experiments.science.window import Forecast, ModelVariant, Predict, TrainingWindow

HORIZON = 3
NAMES = ("rain", "usd")


def series_of(n: int, known: tuple[str, ...] = (), **covariates: Any) -> Series:
    """`n` days whose value is their position."""
    return Series(
        commodity="Coffee",
        unique_id="Coffee",
        ds=np.datetime64("2024-01-01", "D") + np.arange(n),
        y=np.arange(float(n)),
        covariates={name: np.array(values, dtype=float) for name, values in covariates.items()},
        frequency="day",
        known=known,
    )


def window_at(
    series: Series, position: int, *, covariates: tuple[str, ...] = (), train_size: int | None = None, seed: int = 0
) -> TrainingWindow:
    return training_window(series, position, covariates=covariates, horizon=HORIZON, train_size=train_size, seed=seed)


def assert_same_window(one: TrainingWindow, other: TrainingWindow) -> None:
    for name in ("ds", "y", "x", "x_future"):
        assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("covariates", "known", "horizon", "season_length", "seed"):
        assert getattr(one, name) == getattr(other, name)


# --- what a model may see ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "train_size", "first"),
    [(9, None, 0), (9, 4, 6), (9, 1, 9), (9, 10, 0), (9, 11, 0), (0, None, 0), (0, 5, 0), (2, 3, 0), (3, 3, 1)],
)
def test_a_window_ends_at_its_cutoff_and_is_as_long_as_asked(position: int, train_size: int | None, first: int) -> None:
    window = window_at(series_of(20), position, train_size=train_size)
    assert_array_equal(window.y, np.arange(first, position + 1.0))
    assert_array_equal(window.ds, np.datetime64("2024-01-01", "D") + np.arange(first, position + 1))
    assert window.x.shape == (len(window.y), 0)


@pytest.mark.parametrize("frequency", SEASON_LENGTH)
def test_a_window_carries_what_the_model_is_told(frequency: str) -> None:
    window = window_at(replace(series_of(9), frequency=frequency), 5, seed=7)
    assert (window.horizon, window.seed, window.season_length) == (HORIZON, 7, SEASON_LENGTH[frequency])


nan = math.nan


@pytest.mark.parametrize(
    ("rain", "usd", "train_size", "first"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7], None, 0),
        ([nan, nan, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7], None, 2),
        ([nan, nan, 2, 3, 4, 5, 6, 7], [nan, nan, nan, nan, 4, 5, 6, 7], None, 4),
        ([nan, nan, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7], 4, 4),  # known before the rolling window begins
        ([nan, nan, 2, nan, 4, 5, nan, 7], [0, 1, 2, 3, 4, 5, 6, 7], None, 2),  # gaps later on stay
        ([0, 1, 2, nan, nan, 5, 6, 7], [0, 1, 2, 3, 4, 5, 6, 7], 4, 5),  # stale where the rolling window begins
        ([0, 1, nan, nan, 4, 5, 6, 7], [nan, nan, 2, 3, 4, 5, 6, 7], None, 4),  # never both before
        ([nan, nan, nan, nan, nan, nan, nan, 7], [0, 1, 2, 3, 4, 5, 6, 7], None, 7),
        ([nan, nan, nan, nan, nan, nan, nan, 7], [0, 1, 2, 3, 4, 5, 6, 7], 2, 7),
    ],
)
def test_a_window_begins_where_all_its_covariates_are_known(
    rain: list[float], usd: list[float], train_size: int | None, first: int
) -> None:
    series = series_of(8, rain=rain, usd=usd)
    window = window_at(series, 7, covariates=NAMES, train_size=train_size)
    assert_array_equal(window.y, np.arange(first, 8.0))
    assert_array_equal(window.ds, series.ds[first:])
    assert_array_equal(window.x, np.column_stack([rain, usd])[first:])
    assert np.isfinite(window.x[0]).all()
    assert_array_equal(window_at(series, 7, covariates=("usd",)).y, series.y[np.isfinite(usd).argmax() :])


@pytest.mark.parametrize("train_size", [None, 3])
def test_a_window_without_its_covariate_is_empty(train_size: int | None) -> None:
    """Known only after the cutoff: no row of the future is let in to fill it."""
    series = series_of(8, rain=[nan] * 6 + [6, 7], usd=np.arange(8))
    window = window_at(series, 5, covariates=NAMES, train_size=train_size)
    assert window.ds.shape == window.y.shape == (0,)
    assert window.x.shape == (0, 2)


def test_covariates_stand_in_the_order_asked_for() -> None:
    series = series_of(6, rain=np.arange(6) + 10, usd=np.arange(6) + 20, vix=np.arange(6) + 30)
    for names in (("rain", "usd"), ("usd", "rain"), ("vix",), ("vix", "usd", "rain")):
        window = window_at(series, 4, covariates=names)
        assert window.covariates == names
        for column, name in enumerate(names):
            assert_array_equal(window.x[:, column], series.covariates[name][:5])


@pytest.mark.parametrize("names", [(), ("rain",), NAMES])
def test_a_model_that_writes_into_its_window_does_not_change_the_series(names: tuple[str, ...]) -> None:
    series = series_of(8, rain=np.arange(8), usd=np.arange(8))
    window = window_at(series, 5, covariates=names)
    window.ds[:] = np.datetime64("1970-01-01")
    window.y[:] = -1
    window.x[:] = -1
    untouched = series_of(8, rain=np.arange(8), usd=np.arange(8))
    assert_array_equal(series.ds, untouched.ds)
    assert_array_equal(series.y, untouched.y)
    for name in NAMES:
        assert_array_equal(series.covariates[name], untouched.covariates[name])


# --- covariates known in advance -----------------------------------------------------------------------------------


def test_a_known_covariate_is_there_at_the_dates_of_the_steps() -> None:
    series = series_of(12, known=("usd",), rain=np.arange(12) * 2, usd=np.arange(12) * 3)
    window = window_at(series, 6, covariates=NAMES)
    assert window.known == ("usd",)
    assert_array_equal(window.x_future, [[nan, 21], [nan, 24], [nan, 27]])
    assert_array_equal(window.x[:, 1], np.arange(7) * 3)
    assert window_at(series, 6, covariates=("rain",)).known == ()
    assert window_at(series, 6).x_future.shape == (HORIZON, 0)


def test_beyond_the_end_of_the_series_nothing_is_known() -> None:
    window = window_at(series_of(8, known=("usd",), usd=np.arange(8)), 6, covariates=("usd",))
    assert_array_equal(window.x_future, [[7], [nan], [nan]])


@pytest.mark.parametrize("name", ["sarimax_all_v1", "xgboost_all_v1"])
def test_a_known_covariate_that_is_not_there_fails_the_window_and_is_not_filled(name: str) -> None:
    usd = np.sin(np.arange(120.0))
    usd[111:113] = nan
    series = replace(series_of(120, known=("usd",), usd=usd, rain=usd), y=np.cos(np.arange(120.0)).cumsum())
    variant = replace(BASELINE_MODELS[name], covariates=("rain", "usd"))
    result = forecast_window(variant, window_at(series, 109, covariates=variant.covariates))
    assert result.y_hat is None
    assert result.error == (
        "InvalidInputError: covariate 'usd' is declared known in advance and has no value at step 2 after the cutoff "
        "(2 of 3 steps): give it, or declare it observed"
    )
    assert forecast_window(variant, window_at(series, 105, covariates=variant.covariates)).error is None


# --- no leak -------------------------------------------------------------------------------------------------------

VALUES = st.sampled_from([-3.0, 0.5, 2.0, nan])


@st.composite
def cut_series(draw: st.DrawFn) -> tuple[Series, int, tuple[str, ...], int | None]:
    n = draw(st.integers(1, 30))
    covariates = {name: draw(hnp.arrays(float, n, elements=VALUES)) for name in NAMES}
    names = draw(st.sampled_from([(), ("rain",), ("usd", "rain")]))
    train_size = draw(st.none() | st.integers(1, 30))
    return series_of(n, **covariates), draw(st.integers(0, n - 1)), names, train_size


@settings(max_examples=60, deadline=None)
@given(cut=cut_series(), factor=st.sampled_from([nan, -1e9, 0.0]))
def test_of_a_known_covariate_only_what_is_declared_for_the_steps_reaches_a_window(
    cut: tuple[Series, int, tuple[str, ...], int | None], factor: float
) -> None:
    series, position, names, train_size = cut
    series = replace(series, known=("usd",))
    place = np.arange(len(series.y))
    after, beyond = place > position, place > position + HORIZON
    perturbed = replace(
        series,
        y=np.where(after, factor, series.y),
        covariates={
            "rain": np.where(after, factor, series.covariates["rain"]),
            "usd": np.where(beyond, factor, series.covariates["usd"]),
        },
    )
    one, other = (window_at(each, position, covariates=names, train_size=train_size) for each in (series, perturbed))
    assert_same_window(one, other)
    variant = ModelVariant(name="m", type="T", function=len)
    assert window_key(variant, "a", one) == window_key(variant, "a", other)
    if "usd" in names and position + 1 < len(series.y):
        changed = replace(series, covariates={**series.covariates, "usd": np.where(after, 7.5, 0.0)})
        assert window_key(variant, "a", window_at(changed, position, covariates=names, train_size=train_size)) != (
            window_key(variant, "a", one)
        )


@settings(max_examples=60, deadline=None)
@given(cut=cut_series(), factor=st.sampled_from([nan, -1e9, 0.0]))
def test_nothing_after_the_cutoff_reaches_a_window(
    cut: tuple[Series, int, tuple[str, ...], int | None], factor: float
) -> None:
    series, position, names, train_size = cut
    after = np.arange(len(series.y)) > position
    perturbed = replace(
        series,
        ds=series.ds + np.where(after, 400, 0),
        y=np.where(after, factor, series.y),
        covariates={name: np.where(after, factor, values) for name, values in series.covariates.items()},
    )
    truncated = replace(
        series,
        ds=series.ds[~after],
        y=series.y[~after],
        covariates={name: values[~after] for name, values in series.covariates.items()},
    )
    window = window_at(series, position, covariates=names, train_size=train_size)
    for changed in (perturbed, truncated):
        assert_same_window(window_at(changed, position, covariates=names, train_size=train_size), window)
    assert (window.ds <= series.ds[position]).all()
    if len(window.y):
        assert window.ds[-1] == series.ds[position]
        assert window.y[-1] == series.y[position]


@pytest.fixture(scope="module")
def real_frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    return load_wti().tail(300), load_vix().tail(280)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), position=st.integers(30, 250), how=st.sampled_from(["changed", "removed"]))
def test_nothing_dated_after_the_cutoff_reaches_a_window_from_the_frames(
    real_frames: tuple[pd.DataFrame, pd.DataFrame], seed: int, position: int, how: str
) -> None:
    """From the rows as they are given, prices and a covariate that both have gaps, to what a model is handed."""
    data, volatility = real_frames
    (series,) = prepare(data, commodity="WTI", covariates={"vix": volatility})
    cutoff = pd.Timestamp(series.ds[position])
    rng = np.random.default_rng(seed)

    def changed(frame: pd.DataFrame, value: str) -> pd.DataFrame:
        later = frame["ds"] > cutoff
        if how == "removed":
            return frame[~later]
        noise = pd.Series(rng.normal(1000, 500, len(frame)), index=frame.index)
        return frame.assign(**{value: frame[value].mask(later & frame[value].notna(), noise)})

    (other,) = prepare(changed(data, "y"), commodity="WTI", covariates={"vix": changed(volatility, "vix")})
    assert (len(other.y) == len(series.y)) == (how == "changed")
    for names in ((), ("vix",)):
        one, two = (window_at(each, position, covariates=names, train_size=100) for each in (series, other))
        assert_same_window(one, two)
    assert scale_and_level(other.y[: position + 1]) == scale_and_level(series.y[: position + 1])
    naive = BASELINE_MODELS["naive"]
    forecasts = [forecast_window(naive, window_at(each, position)).y_hat for each in (series, other)]
    assert_array_equal(*forecasts)
    assert_array_equal(forecasts[0], np.full(HORIZON, series.y[position]))


# --- what becomes of a fit -----------------------------------------------------------------------------------------

WINDOW = window_at(series_of(10), 6)


def run(function: Callable[..., Predict], window: TrainingWindow = WINDOW, **params: Any) -> WindowForecast:
    return forecast_window(ModelVariant(name="mine", type="Mine", function=function, params=params), window)


def returning(values: Any) -> Callable[[TrainingWindow], Predict]:
    return lambda window: lambda: values


@pytest.mark.parametrize(
    "values", [[1.0, 2.0, 3.0], (1, 2, 3), np.array([1, 2, 3]), np.arange(1, 4, dtype=np.float32), pd.Series([1, 2, 3])]
)
def test_a_forecast_is_an_array_of_floats(values: Any) -> None:
    result = run(returning(values))
    assert result.y_hat.dtype == np.float64
    assert_array_equal(result.y_hat, [1.0, 2.0, 3.0])
    assert (result.error, result.warning) == (None, None)
    assert result.fit_seconds >= 0
    assert result.predict_seconds >= 0


def test_the_parameters_of_the_variant_reach_its_function() -> None:
    def constant(window: TrainingWindow, *, value: float) -> Predict:
        return lambda: np.full(window.horizon, value)

    assert_array_equal(run(constant, value=4.0).y_hat, [4.0, 4.0, 4.0])
    assert run(constant).error.startswith("TypeError: ")


class OddError(Exception):
    def __str__(self) -> str:
        return ""


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (ValueError("no luck"), "ValueError: no luck"),
        (np.linalg.LinAlgError("Singular matrix"), "LinAlgError: Singular matrix"),
        (KeyError("vix"), "KeyError: 'vix'"),
        (MemoryError(), "MemoryError:"),
        (OddError("unseen"), "OddError:"),
        (RuntimeError("x" * 900), "RuntimeError: " + "x" * 486),
    ],
)
@pytest.mark.parametrize("when", ["fit", "predict"])
def test_whatever_a_model_raises_is_the_error_of_its_window(failure: Exception, said: str, when: str) -> None:
    def failing(*_: Any) -> Any:
        raise failure

    result = run(failing if when == "fit" else lambda window: failing)
    assert result.y_hat is None
    assert result.error == said
    assert len(result.error) <= 500
    assert result.fit_seconds >= 0
    assert result.predict_seconds >= 0
    if when == "fit":
        assert result.predict_seconds == 0


def test_an_interruption_by_the_user_is_no_error_of_the_model() -> None:
    def interrupted(_: TrainingWindow) -> Predict:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted)


def with_quantiles(levels: dict[float, float]) -> Forecast:
    return Forecast(y_hat=np.ones(3), quantiles={level: np.full(3, value) for level, value in levels.items()})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 2.0], "InvalidInputError: the model returned an array of shape (2,); (3,) is needed"),
        ([1.0] * 4, "of shape (4,); (3,) is needed"),
        ([], "of shape (0,); (3,) is needed"),
        ([[1.0, 2.0, 3.0]], "of shape (1, 3); (3,) is needed"),
        (1.0, "of shape (); (3,) is needed"),
        (None, "of shape (); (3,) is needed"),
        ([1.0, nan, 3.0], "InvalidInputError: the model forecast nan at step 2"),
        ([1.0, 2.0, math.inf], "the model forecast inf at step 3"),
        ([-math.inf, nan, math.inf], "the model forecast -inf at step 1"),
        (["a", "b", "c"], "InvalidInputError: the model returned list; an array of 3 numbers is needed"),
        ([1.0, [2.0], 3.0], "InvalidInputError: the model returned list; an array of 3 numbers is needed"),
        (None, "the model returned an array of shape (); (3,) is needed"),
        ("text", "InvalidInputError: the model returned str; an array of 3 numbers is needed"),
        (Forecast(y_hat=np.ones(2)), "the model returned an array of shape (2,); (3,) is needed"),
        (with_quantiles({0.25: 1.0}), "the model returned the quantile 0.25; 0.1, 0.5, 0.9 are recorded"),
        (with_quantiles({0.1: 1.0}), "the model returned quantiles without 0.5; give 0.1, 0.5, 0.9 or none"),
        (with_quantiles({0.1: 1.0, 0.5: nan, 0.9: 2.0}), "quantile 0.5 of the model forecast nan at step 1"),
    ],
)
def test_forecasts_that_cannot_be_scored_are_an_error(values: Any, said: str) -> None:
    result = run(returning(values))
    assert result.y_hat is None
    assert said in result.error


def test_quantiles_that_cross_are_put_in_order() -> None:
    result = run(returning(with_quantiles({0.1: 2.0, 0.5: 1.0, 0.9: 3.0})))
    assert {level: found.tolist() for level, found in result.quantiles.items()} == {
        0.1: [1.0] * 3,
        0.5: [2.0] * 3,
        0.9: [3.0] * 3,
    }


def test_seconds_are_those_of_fit_and_of_predict() -> None:
    def slow(window: TrainingWindow) -> Predict:
        time.sleep(0.03)

        def predict() -> Any:
            time.sleep(0.01)
            return window.y[-HORIZON:]

        return predict

    result = run(slow)
    assert result.fit_seconds >= 0.03
    assert result.predict_seconds >= 0.01


def warning_with(*categories: type[Warning], fails: bool = False) -> Callable[[TrainingWindow], Predict]:
    def fit(window: TrainingWindow) -> Predict:
        for count, category in enumerate(categories):
            warnings.warn(f"message {count}", category, stacklevel=1)
        if fails:
            msg = "no luck"
            raise ValueError(msg)
        return lambda: window.y[-HORIZON:]

    return fit


@pytest.mark.parametrize(
    ("categories", "said"),
    [
        ((), None),
        ((UserWarning,), "UserWarning: message 0"),
        ((RuntimeWarning, UserWarning), "RuntimeWarning: message 0"),
        ((DeprecationWarning,), None),
        ((DeprecationWarning, PendingDeprecationWarning, FutureWarning, ImportWarning), None),
        ((FutureWarning, UserWarning, RuntimeWarning), "UserWarning: message 1"),
    ],
)
@pytest.mark.parametrize("fails", [False, True])
def test_the_first_warning_that_says_something_about_the_fit_is_kept(
    categories: tuple[type[Warning], ...], said: str | None, fails: bool
) -> None:
    result = run(warning_with(*categories, fails=fails))
    assert result.warning == said
    assert (result.error is not None) == fails


def test_a_warning_is_recorded_every_time_and_cut_to_length() -> None:
    def fit(window: TrainingWindow) -> Predict:
        def predict() -> Any:
            warnings.warn("y" * 900, UserWarning, stacklevel=1)
            return window.y[-HORIZON:]

        return predict

    for _ in range(3):
        result = run(fit)
        assert result.warning.startswith("UserWarning: yyy")
        assert len(result.warning) == 500
        assert result.error is None


def test_an_empty_window_is_a_failed_one_for_a_real_model() -> None:
    window = window_at(series_of(8, rain=[nan] * 8), 5, covariates=("rain",))
    result = forecast_window(BASELINE_MODELS["naive"], window)
    assert result.y_hat is None
    assert result.error


def test_a_window_s_key_changes_with_all_a_fit_depends_on() -> None:
    def key(**changed: object) -> str:
        window = TrainingWindow(
            **{  # type: ignore[arg-type]
                "ds": np.arange("2024-01-01", "2024-01-06", dtype="datetime64[D]"),
                "y": np.arange(5.0),
                "x": np.ones((5, 1)),
                "x_future": np.full((2, 1), nan),
                "covariates": ("vix",),
                "known": (),
                "horizon": 2,
                "season_length": 5,
                "seed": 1,
            }
            | {name: value for name, value in changed.items() if name not in ("params", "fingerprint")}
        )
        variant = ModelVariant(name="m", type="T", function=len, params=changed.get("params", {}))  # type: ignore[arg-type]
        return window_key(variant, str(changed.get("fingerprint", "a")), window)

    changes: list[dict[str, object]] = [
        {"ds": np.arange("2024-01-02", "2024-01-07", dtype="datetime64[D]")},
        {"y": np.arange(5.0) + 1e-9},
        {"x": np.zeros((5, 1))},
        {"covariates": ("oil",)},
        {"horizon": 3},
        {"season_length": 7},
        {"seed": 2},
        {"params": {"order": 1}},
        {"fingerprint": "b"},
        {"known": ("vix",)},
        {"known": ("vix",), "x_future": np.array([[1.0], [2.0]])},
        {"known": ("vix",), "x_future": np.array([[1.0], [2.0 + 1e-12]])},
    ]
    keys = [key(), *(key(**change) for change in changes)]
    assert len(set(keys)) == len(keys)
    assert key() == key()
    # what is recorded under keys made before covariates could be known in advance is found again
    assert key() == "aa28456b33b2035d"
    assert key(x_future=np.zeros((2, 1))) == key()


# --- several windows, in whatever process ----------------------------------------------------------------------------


@pytest.mark.parametrize("requires", [None, "statsmodels", "a_package_nobody_has"])
@pytest.mark.parametrize("train_size", [None, 10])
def test_the_windows_of_a_task_are_forecast_from_the_part_of_the_series_they_need(
    train_size: int | None, requires: str | None
) -> None:
    whole, positions = series_of(60, rain=range(60)), (30, 40)
    part, before = part_for(whole, positions, horizon=HORIZON, train_size=train_size)
    assert (len(part.y), before) == ((44, 0) if train_size is None else (23, 21))
    task = WindowsTask(
        variant=replace(BASELINE_MODELS["naive"], requires=requires),
        series=part,
        positions=tuple(position - before for position in positions),
        horizon=HORIZON,
        train_size=train_size,
        seed=0,
    )
    for position, forecast in zip(positions, forecast_windows(task), strict=True):
        assert forecast.y_hat is not None
        assert_array_equal(forecast.y_hat, np.full(HORIZON, float(position)))
