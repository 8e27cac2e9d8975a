"""Features of a variant's own: joined to the series, and refused where they look ahead."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from experiments.errors import InvalidInputError
from experiments.science.features import with_features
from experiments.science.forecasting import training_window
from experiments.science.series import Series
from experiments.science.window import ModelVariant
from windows import dates, index, walk

N, POSITIONS = 120, [60, 90, 110]
DAYS = dates(N)


def series_of(**covariates: Any) -> Series:
    return Series(
        commodity="Coffee",
        unique_id="Coffee",
        ds=DAYS,
        y=walk(N),
        covariates={"vix": index(N).ravel(), "rain": index(N, seed=2).ravel(), **covariates},
        frequency="trading day",
        covariate_spans={"vix": (DAYS[0].astype(object), DAYS[-1].astype(object))},
    )


def variant_of(features: Any, *covariates: str) -> ModelVariant:
    return ModelVariant(name="mine", type="Mine", function=len, covariates=covariates, features=features)


def refused(features: Any, message: str, *, positions: Any = POSITIONS) -> None:
    with pytest.raises(InvalidInputError, match=message):
        with_features(series_of(), variant_of(features), positions)


def momentum(frame: pd.DataFrame) -> pd.DataFrame:
    mean = frame["y"].rolling(20).mean()
    return pd.DataFrame({"z": (frame["y"] - mean) / frame["y"].rolling(20).std(), "up": frame["y"].diff() > 0})


def test_without_features_nothing_changes() -> None:
    series, variant = series_of(), variant_of(None, "vix")
    assert with_features(series, variant, POSITIONS) == (series, variant)


def test_features_become_observed_covariates_of_the_variant() -> None:
    series = series_of()
    more, variant = with_features(series, variant_of(momentum, "vix"), POSITIONS)
    assert variant.covariates == ("up", "vix", "z")
    assert variant.features is momentum
    frame = pd.DataFrame({"y": series.y})
    assert_array_equal(more.covariates["z"], momentum(frame)["z"])
    assert_array_equal(more.covariates["up"], np.concatenate([[0.0], np.diff(series.y) > 0]))
    assert more.covariate_spans["z"] == (DAYS[19].astype(object), DAYS[-1].astype(object))
    assert type(more.covariate_spans["z"][0]) is dt.date
    assert (more.covariate_spans["vix"], more.known) == (series.covariate_spans["vix"], ())
    assert set(series.covariates) == {"vix", "rain"}
    window = training_window(more, 60, covariates=variant.covariates, horizon=5, train_size=None, seed=1)
    assert window.covariates == ("up", "vix", "z")
    assert len(window.y) == 61 - 19
    assert_array_equal(window.x[:, 2], more.covariates["z"][19:61])


def test_the_function_is_given_a_copy_of_what_the_variant_asks_for() -> None:
    seen = []

    def features(frame: pd.DataFrame) -> pd.DataFrame:
        seen.append((list(frame.columns), frame["ds"].dtype, len(frame)))
        frame["y"] = 0.0
        return pd.DataFrame({"rain_change": frame["rain"].diff()})

    series = series_of()
    before = series.y.copy()
    with_features(series, variant_of(features, "rain"), np.array(POSITIONS))
    assert seen == [(["ds", "y", "rain"], "datetime64[ns]", n) for n in (N, 61, 111)]
    assert_array_equal(series.y, before)
    seen.clear()
    with_features(series, variant_of(features, "rain"), [90])
    assert [n for _, _, n in seen] == [N, 91]


@pytest.mark.parametrize(
    "features",
    [
        lambda frame: frame[["y"]].add_prefix("past_").expanding().mean(),
        lambda frame: frame[["y"]].add_prefix("past_").shift(3).astype("Float64"),
        lambda frame: pd.DataFrame({"a": np.where(np.arange(len(frame)) % 2, np.nan, frame["y"])}),
        lambda frame: pd.DataFrame({"rounded": frame["y"] * (1 + 1e-12 * len(frame))}),
    ],
)
def test_what_uses_the_past_only_is_accepted(features: Any) -> None:
    assert len(with_features(series_of(), variant_of(features), POSITIONS)[1].covariates) == 1


def test_a_feature_that_looks_ahead_is_named_with_the_first_date() -> None:
    def leaky(name: str, function: Any) -> Any:
        return lambda frame: pd.DataFrame({"fine": frame["y"].diff(), name: function(frame["y"])})

    last = DAYS[60]
    refused(
        leaky("z", lambda y: (y - y.mean()) / y.std()),
        rf"the features of mine: column 'z' on {DAYS[0]} changes with what comes after it: .* with the dates after "
        rf"{last}, .* without them\. A row may use its own and earlier rows only",
    )
    refused(leaky("next", lambda y: y.shift(-1)), rf"column 'next' on {last} changes .*: .* with .*, nan without them")
    refused(leaky("filled", lambda y: y.where(y.index % 4 == 0).bfill()), r"column 'filled' on \d{4}-\d\d-\d\d changes")
    refused(leaky("centred", lambda y: y.rolling(5, center=True).mean()), f"column 'centred' on {DAYS[59]} changes")
    # only the last cutoff sees it
    refused(leaky("late", lambda y: y * (1 + (len(y) == N) * (y.index > 80))), f"column 'late' on {DAYS[81]} changes")
    rng = np.random.default_rng(1)
    refused(lambda frame: pd.DataFrame({"noise": rng.normal(size=len(frame))}), "and nothing drawn at random")
    many = leaky("many", lambda y: y)
    refused(lambda frame: many(frame).iloc[:, : 2 if len(frame) > 100 else 1], "have the column 'many' on some rows")


def test_the_last_cutoff_at_the_end_of_the_series_is_fine() -> None:
    with_features(series_of(), variant_of(momentum), [N - 1])


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda frame: frame["nothing"], r"the features of mine cannot be computed on 120 rows: KeyError: 'nothing'"),
        (lambda frame: frame["y"].diff(), "the features of mine are a Series: return a DataFrame, a column for each"),
        (lambda frame: frame[["y"]].iloc[1:], "the features of mine have 119 rows for 120 dates, or others: return a"),
        (lambda frame: frame.sort_values("y")[["y"]], "in the same order and with its index"),
        (lambda frame: frame[[]], "the features of mine have no column"),
        (
            lambda frame: frame.assign(z=1.0),
            r"have a column 'ds': return the new ones only, .*: ds, rain, vix, y\.",
        ),
        (lambda frame: frame[["y"]].add_prefix("vi").rename(columns={"viy": "vix"}), "have a column 'vix'"),
        (lambda frame: frame[["y"]].set_axis([1], axis=1), "have a column 1"),
        (lambda frame: frame[["y"]].set_axis([" "], axis=1), "have a column ' '"),
        (lambda frame: frame[["y", "y"]].set_axis(["a", "a"], axis=1), "have a column 'a': .* taken: a, ds"),
        (
            lambda frame: frame[["ds"]].astype(str).set_axis(["day"], axis=1),
            "column 'day' .* is of type .*: numbers",
        ),
        (lambda frame: frame[["y"]].set_axis(["c"], axis=1) * 1j, "column 'c' .* is of type complex128"),
        (
            lambda frame: frame[["y"]].set_axis(["i"], axis=1) / 0,
            f"column 'i' .* is infinite on {DAYS[0]}: return",
        ),
        (lambda frame: frame[["y"]].set_axis(["n"], axis=1) * np.nan, "column 'n' .* has no value on any date"),
    ],
)
def test_what_is_no_frame_of_features_is_refused(features: Any, message: str) -> None:
    refused(features, message)


def test_a_covariate_called_as_a_column_of_the_frame_does_not_hide_it() -> None:
    series = dataclasses.replace(series_of(), covariates={"y": index(N).ravel()})
    more, _ = with_features(series, variant_of(lambda frame: frame[["y"]].add_prefix("own_"), "y"), POSITIONS)
    assert_array_equal(more.covariates["own_y"], series.y)
