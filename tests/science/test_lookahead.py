"""The checks against looking ahead: every shipped variant passes them, and each leaky model fails the right one."""

from __future__ import annotations

import copy
import functools
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import leaky
from experiments.errors import NotEnoughDataError
from experiments.science.example_data import load_wti
from experiments.science.lookahead import held, watching
from experiments.science.lookahead.checks import Finding, check_lookahead, expected_fits
from experiments.science.lookahead.watching import watched
from experiments.science.models import BASELINE_MODELS
from experiments.science.models.registry import lack_of
from experiments.science.series import Series
from experiments.science.window import ModelVariant, TrainingWindow

N, HORIZON = 400, 14
WITH_COVARIATES = ("rain",)


def series_of(n: int = N, *, covariates: tuple[str, ...] = ("rain",), known: tuple[str, ...] = ()) -> Series:
    draw = np.random.default_rng(1)
    walks = 100 + draw.normal(size=(1 + len(covariates), n)).cumsum(axis=1)
    return Series(
        commodity="Coffee",
        unique_id="Coffee",
        ds=np.busday_offset(np.datetime64("2015-01-01", "D"), np.arange(n)),
        y=walks[0],
        covariates=dict(zip(covariates, walks[1:], strict=True)),
        frequency="trading day",
        known=known,
    )


@pytest.fixture(autouse=True)
def _as_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """The data that leaky models hold are those of the series; nothing is kept from other tests."""
    series = series_of()
    monkeypatch.setattr(leaky, "PRICES", pd.DataFrame({"ds": series.ds.astype("datetime64[ns]"), "y": series.y}))
    monkeypatch.setattr(leaky, "VALUES", series.y.copy())
    leaky.KEPT.clear()
    leaky._mean_of.cache_clear()
    leaky._mean_of_values.cache_clear()


def check(variant: ModelVariant | Any, series: Series | None = None, **settings: Any) -> dict[str, Finding]:
    if not isinstance(variant, ModelVariant):
        variant = leaky.made(variant)
    given = {"horizon": HORIZON, "train_size": 150, "seed": 42} | settings
    findings = check_lookahead(variant, series or series_of(), **given)
    return {one.check: one for one in findings}


def failed(findings: dict[str, Finding]) -> list[str]:
    return [name for name, finding in findings.items() if not finding.passed]


class TestShipped:
    @pytest.mark.parametrize("name", list(BASELINE_MODELS))
    def test_every_shipped_variant_passes(self, name: str) -> None:
        slow = name.startswith(("sarimax_auto", "prophet", "neuralprophet"))
        names = ("temp_a",) if slow else ("temp_a", "humidity_a", "vix", "cop_usd")
        if lack := lack_of(BASELINE_MODELS[name], names):
            pytest.skip(f"{name} needs {lack}")
        variant = BASELINE_MODELS[name].given(names)
        size = {"train_size": 60, "horizon": 2} if slow else {"train_size": 100, "horizon": 3}
        findings = check(variant, series_of(covariates=names, known=("temp_a",)), n_cutoffs=1, **size)
        assert [f"{one.check}: {one.seen}" for one in findings.values() if not one.passed] == []
        assert len(findings) == 7

    def test_what_is_said_of_one_that_passes(self) -> None:
        series = series_of()
        findings = check(BASELINE_MODELS["naive"])
        cutoffs = [str(series.ds[position]) for position in (150, 267, 385)]
        assert list(findings) == ["fits", "future", "own data", "past", "stale", "repeat", "files"]
        assert findings["fits"].seen == f"{expected_fits()} fits, at the cutoffs {', '.join(cutoffs)}"
        assert findings["future"].seen == "the same to the last bit with other values after the cutoff (6 times)"
        assert findings["past"].seen.startswith("moves by 2")
        assert findings["own data"].seen == "no frame, array, list or text it holds goes on beyond a cutoff"


class TestFeatures:
    @pytest.mark.parametrize(
        ("features", "covariates"),
        [(leaky.next_value, ()), (leaky.covariate_to_come, WITH_COVARIATES), (leaky.z_score, ())],
    )
    def test_a_feature_that_looks_ahead_fails(self, features: Any, covariates: tuple[str, ...]) -> None:
        variant = leaky.made(leaky.fit_last_feature, features=features, covariates=covariates)
        findings = check(variant)
        assert failed(findings) == ["future"]
        assert "the feature '" in findings["future"].seen

    @pytest.mark.parametrize(
        ("features", "covariates"),
        [
            (leaky.value_before, ()),
            (leaky.covariate_of_before, WITH_COVARIATES),
            (leaky.z_score_so_far, ()),
        ],
    )
    def test_its_correct_version_passes(self, features: Any, covariates: tuple[str, ...]) -> None:
        variant = leaky.made(leaky.fit_last_feature, features=features, covariates=covariates)
        findings = check(variant)
        assert failed(findings) == []
        assert "observed covariates and features" in findings["future"].seen

    def test_a_model_that_ignores_its_leaky_feature_fails_all_the_same(self) -> None:
        variant = leaky.made(functools.partial(leaky.fit_last_feature, share=0.0), features=leaky.z_score)
        assert failed(check(variant)) == ["future"]

    def test_one_that_changes_with_the_length_only(self) -> None:
        findings = check(leaky.made(leaky.fit_last_feature, features=leaky.share_of_length))
        assert failed(findings) == ["future"]
        assert "when the series ends 14 observations after the cutoff 2015-07-30" in findings["future"].seen

    @pytest.mark.parametrize(
        ("features", "said"),
        [
            (leaky.only_if_long, "a price below zero"),
            (leaky.named_by_the_end, "the features become down"),
            (leaky.late_by_the_end, "the first date with all features goes from 2015-01-02 to 2015-02-12"),
        ],
    )
    def test_one_that_is_other_by_what_comes_after(self, features: Any, said: str) -> None:
        findings = check(leaky.made(leaky.fit_last_feature, features=features), train_size=None)
        assert failed(findings) == ["future"]
        assert said in findings["future"].seen
        assert "when only what comes after the cutoff" in findings["future"].seen

    def test_features_that_fail(self) -> None:
        findings = check(leaky.made(leaky.fit_last_feature, features=lambda frame: frame["z"]))
        assert failed(findings) == ["fits"]
        assert "KeyError: 'z'" in findings["fits"].seen

    def test_a_covariate_known_in_advance_is_no_look_ahead(self) -> None:
        def fit(window: TrainingWindow) -> Any:
            return lambda: window.y[-1] + window.x_future[:, 0]

        variant = leaky.made(fit, covariates=("rain",))
        assert failed(check(variant, series_of(known=("rain",)))) == []


class TestOwnData:
    def test_the_target_from_a_frame_it_holds(self) -> None:
        findings = check(leaky.fit_held_target)
        assert failed(findings) == ["own data"]
        assert "the forecast of step" in findings["own data"].seen
        assert "the global PRICES, a DataFrame of 400 rows to 2016-07-13" in findings["own data"].seen

    def test_the_mean_of_a_frame_it_holds(self) -> None:
        assert failed(check(leaky.fit_held_mean)) == ["own data"]

    def test_an_array_it_holds(self) -> None:
        findings = check(leaky.fit_held_array)
        assert failed(findings) == ["own data"]
        assert "the global VALUES, an array of 400 rows" in findings["own data"].seen

    def test_a_frame_of_which_only_the_past_is_used_is_named(self) -> None:
        findings = check(leaky.fit_held_past)
        assert failed(findings) == []
        assert findings["own data"].seen == (
            "holds the global PRICES, a DataFrame of 400 rows to 2016-07-13; what is in there after a cutoff changes "
            "no forecast"
        )

    def test_its_own_mean_is_no_look_ahead(self) -> None:
        assert failed(check(leaky.fit_own_mean)) == []

    def test_in_features(self) -> None:
        history = series_of().y

        def features(frame: pd.DataFrame) -> pd.DataFrame:
            return pd.DataFrame({"z": frame["y"] - history.mean()})

        findings = check(leaky.made(leaky.fit_last_feature, features=features))
        assert failed(findings) == ["own data"]
        assert "the variable history of the features, an array of 400 rows" in findings["own data"].seen

    def test_in_a_parameter(self) -> None:
        def fit(window: TrainingWindow, history: pd.Series[float]) -> Any:
            return leaky.flat(window, window.y[-1] + history.mean())

        series = series_of()
        by_date = pd.Series(series.y, index=pd.DatetimeIndex(series.ds))
        findings = check(leaky.made(fit, params={"history": by_date}))
        assert failed(findings) == ["own data"]
        assert "the parameters['history'], a Series of 400 rows to 2016-07-13" in findings["own data"].seen

    @pytest.mark.parametrize("kind", ["list", "dictionary", "records"])
    def test_in_what_can_be_changed(self, kind: str) -> None:
        series = series_of()
        history: Any = {
            "list": series.y.tolist(),
            "dictionary": dict(zip(series.ds.astype(str).tolist(), series.y.tolist(), strict=True)),
            "records": [{"ds": str(d), "y": float(v)} for d, v in zip(series.ds, series.y, strict=True)],
        }[kind]
        before = copy.deepcopy(history)
        findings = check(leaky.made(leaky.fit_listed, params={"history": history}))
        assert failed(findings) == ["own data"]
        assert "the forecast of step 1 goes" in findings["own data"].seen
        assert f"the parameters['history'], a {type(history).__name__} of 400 items" in findings["own data"].seen
        assert history == before
        findings = check(leaky.made(leaky.fit_listed_past, params={"history": history}))
        assert failed(findings) == []
        assert "what is in there after a cutoff changes no forecast" in findings["own data"].seen

    @pytest.mark.parametrize("kind", ["tuple", "text", "bytes"])
    def test_in_what_cannot_be_changed(self, kind: str) -> None:
        series = series_of()
        text = pd.DataFrame({"ds": series.ds, "y": series.y}).to_csv(index=False)
        days = [int(str(day).replace("-", "")) for day in series.ds]
        history = {
            "tuple": tuple(zip(days, series.y.tolist(), strict=True)),
            "text": text,
            "bytes": text.encode(),
        }[kind]
        findings = check(leaky.made(leaky.fit_given, params={"number": 1.0, "other": history}))
        assert failed(findings) == ["own data"]
        assert "holds what comes after the cutoff 2015-07-30 in the parameters['other']" in findings["own data"].seen
        assert f"a {type(history).__name__} of " in findings["own data"].seen
        past = history[: len(history) // 4]
        assert failed(check(leaky.made(leaky.fit_given, params={"number": 1.0, "other": past}))) == []

    def test_what_was_changed_is_put_back(self) -> None:
        before = leaky.PRICES.copy()
        check(leaky.fit_held_mean)
        pd.testing.assert_frame_equal(leaky.PRICES, before)


class TestHoldings:
    """What counts as data that go beyond the cutoff, the 300th of 400 observations."""

    def found(self, thing: Any, series: Series | None = None) -> list[int]:
        found = held.holdings([("it", thing)], series or series_of(), 299)
        return [row for one in found for row in one.rows.tolist()]

    @pytest.mark.parametrize("dates", ["datetime64[ns]", "period", "text", "zone", "index"])
    def test_dates_of_any_kind(self, dates: str) -> None:
        days = pd.DatetimeIndex(series_of().ds)
        columns: dict[str, Any] = {
            "datetime64[ns]": days,
            "text": days.strftime("%Y-%m-%d"),
            "zone": days.tz_localize("UTC"),
        }
        frame = pd.DataFrame({"date": columns.get(dates, 1), "v": 1.0}, index=range(N))
        if dates in ("period", "index"):
            frame = frame.set_index(days.to_period("D") if dates == "period" else days)
        assert self.found(frame.iloc[290:]) == list(range(10, 110))
        assert self.found(frame.iloc[:300]) == []

    def test_text_that_is_no_date_and_columns_of_one_name(self) -> None:
        frame = pd.DataFrame([["a", 1.0, 2.0]] * N, columns=["name", "v", "v"])
        assert self.found(frame) == list(range(300, 400))
        assert self.found(frame.iloc[:0]) == []

    def test_as_long_as_the_series_or_its_differences(self) -> None:
        assert self.found(np.zeros(N)) == list(range(300, 400))
        assert self.found(np.zeros((N - 1, 2))) == list(range(299, 399))
        assert self.found(np.zeros((2, N))) == []

    def test_the_values_after_the_cutoff_in_a_row(self) -> None:
        series = series_of()
        assert self.found(series.y[295:]) == list(range(5, 105))
        assert self.found(series.y[250:320].astype("float32")) == list(range(50, 70))
        assert self.found(np.column_stack([np.zeros(50), series.y[290:340]])) == list(range(10, 50))
        assert self.found(pd.DataFrame({"a": 1, "y": series.y[290:340]})) == list(range(10, 50))
        assert self.found(series.y[:300]) == []
        assert self.found(series.y[300:303]) == []
        assert self.found(series.y[295:], replace(series, y=np.ones(N))) == []
        assert self.found(series.y[295:], series.head(302)) == []

    def test_what_holds_no_numbers(self) -> None:
        for thing in (np.array(["a"] * N), np.zeros((N, 1, 1)), np.array(1.0), "text", pd.Series(["a"] * N)):
            assert self.found(thing) == []

    def places(self, thing: Any, series: Series | None = None) -> list[Any]:
        found = held.holdings([("it", thing)], series or series_of(), 299)
        return [key for one in found for _, key, _ in one.places]

    def test_later_values_in_containers_either_way_round(self) -> None:
        values = series_of().y.tolist()
        assert self.places(values) == list(range(300, 400))
        assert self.places(values[::-1]) == list(range(100))
        assert self.places(deque(values[395:])) == list(range(5))
        assert self.places([0, *values[298:303], 7, *values[303:310]]) == [3, 4, 5, *range(7, 14)]
        assert self.places(tuple(Decimal(str(value)) for value in values)) == [*range(300, 400)]

    def test_containers_without_them(self) -> None:
        series = series_of()
        values = series.y.tolist()
        assert self.places(values[:300]) == []
        assert self.places(sorted(values)) == []
        assert self.places([value for later in values[300:] for value in (later, *[0] * held._GAP)]) == []
        assert self.places([1.0, 2.0]) == []
        assert self.places(values, replace(series, y=np.ones(N))) == []

    def test_in_columns_of_text_and_in_lists_of_lines(self) -> None:
        series = series_of()
        lines = [f"{day},{value}" for day, value in zip(series.ds, series.y, strict=True)]
        for thing in (lines, np.array(lines), pd.DataFrame({"line": lines}), "\n".join(lines), [lines[290:310]]):
            assert [one.is_fixed for one in held.holdings([("it", thing)], series, 299)] == [True]

    def test_a_list_of_lists_is_told_once_with_what_holds_it(self) -> None:
        rows = [[i, value] for i, value in enumerate(series_of().y.tolist())]
        found = held.holdings(held.reach({"it": rows}), series_of(), 299)
        assert [one.called for one in found] == ["it, a list of 400 items"]
        assert not found[0].is_fixed
        long = series_of().y.tolist()
        assert [one.name for one in held.holdings(held.reach({"it": [long]}), series_of(), 299)] == ["it[0]"]

    def test_numbers_of_every_kind_are_changed_and_put_back(self) -> None:
        days = pd.DatetimeIndex(series_of().ds)
        frame = pd.DataFrame({"f": 1.5, "i": 3, "s": "a", "b": True, "n": np.nan}, index=days)
        locked = np.ones((N, 2))
        locked.flags.writeable = False
        things = [frame, frame["i"].copy(), locked]
        before = [thing.copy() for thing in things]
        found = held.holdings([("it", thing) for thing in things], series_of(), 299)
        with held.changed(found, np.random.default_rng(1)):
            assert (frame["f"] != 1.5).tolist() == [False] * 300 + [True] * 100
            assert (frame["i"] != 3).tolist() == [False] * 300 + [True] * 100
            assert (locked != 1).all(axis=1).tolist() == [False] * 300 + [True] * 100
            assert (frame["s"] == "a").all()
        pd.testing.assert_frame_equal(frame, before[0])
        pd.testing.assert_series_equal(things[1], before[1])
        assert (locked == 1).all()
        assert not locked.flags.writeable


class TestReach:
    """Where data are found, and how that is said."""

    def names(self, function: Any) -> list[str]:
        return [name for name, thing in held.reach({"the function": function}) if thing is leaky.VALUES]

    def test_in_what_a_function_is_made_of(self) -> None:
        values = leaky.VALUES

        def in_closure() -> Any:
            return values

        def in_default(a: Any = values) -> Any:
            return a

        def in_named_default(*, a: Any = values) -> Any:
            return a

        def in_attribute() -> None:
            return None

        in_attribute.data = values  # type: ignore[attr-defined]
        assert self.names(in_closure) == ["the variable values of the function"]
        assert self.names(in_default) == ["a default of the function"]
        assert self.names(in_named_default) == ["a default of the function"]
        assert self.names(in_attribute) == ["the function.data"]
        assert self.names(functools.partial(print, values)) == ["an argument of the function"]
        assert self.names(functools.partial(print, data=[values])) == ["the argument data of the function[0]"]
        assert self.names(functools.cache(in_closure)) == ["the variable values of the function"]

    def test_in_a_module_of_the_users_that_a_function_names(self) -> None:
        def in_module() -> Any:
            return leaky.VALUES

        def not_named() -> Any:
            return leaky.PRICES

        assert self.names(in_module) == ["the global leaky.VALUES"]
        assert self.names(not_named) == []

    def test_in_an_object_and_its_class(self) -> None:
        values = leaky.VALUES

        class Holder:
            shared = values

            def __init__(self, data: Any = None) -> None:
                self.data = data

            def __call__(self) -> None: ...

            @property
            def own(self) -> Any:
                return values

            @staticmethod
            def plain() -> None: ...

        assert self.names(Holder({"a": values}).__call__) == ["the class Holder.shared"]
        del Holder.shared
        assert self.names(Holder({"a": values})) == ["the function.data['a']"]
        assert self.names(Holder().plain) == []
        assert self.names(Holder()) == ["the variable values of the class Holder.own"]

    def test_among_the_constants_of_its_code(self) -> None:
        def literal() -> str:
            return "70.25 71.5 72.75"

        assert "70.25 71.5 72.75" in [thing for _, thing in held.reach({"it": literal})]

    def test_not_in_a_library(self) -> None:
        assert not [name for name, _ in held.reach({"it": pd.read_csv}) if "global" in name]

    def test_no_deeper_than_said(self) -> None:
        nested: Any = leaky.VALUES
        for _ in range(held.DEEPEST + 1):
            nested = [nested]
        assert self.names(nested) == []
        assert len(self.names(nested[0])) == 1

    def test_a_variable_that_has_no_value_yet(self) -> None:
        def outer() -> Any:
            def inner() -> Any:
                return later

            reached = held.reach({"the function": inner})
            held.remember(reached)()
            later = 1
            return reached, inner

        reached, inner = outer()
        assert [name for name, _ in reached] == ["the function"]
        assert inner() == 1


class TestForgetting:
    def test_everything_is_put_back(self) -> None:
        state: dict[str, Any] = {"kept": 1}
        items, members, array = [1], {1}, np.ones(3)
        locked = np.ones(3)
        locked.flags.writeable = False

        class Holder:
            level: Any = 1

            def __call__(self) -> Any:
                return state, items, members, array, locked, counter

        counter = 1
        holder = Holder()
        holder.data = state  # type: ignore[attr-defined]
        forget = held.remember(held.reach({"it": holder}))
        state.update(kept=2, new=3)
        items.append(2)
        members.add(2)
        array[:] = 2
        counter = 2
        Holder.level = 2
        Holder.more = 1  # type: ignore[attr-defined]
        del holder.data  # type: ignore[attr-defined]
        holder.other = 1  # type: ignore[attr-defined]
        forget()
        assert (state, items, members, array.tolist(), counter) == ({"kept": 1}, [1], {1}, [1, 1, 1], 1)
        assert Holder.level == 1
        assert not hasattr(Holder, "more")
        assert vars(holder) == {"data": state}


class TestStale:
    @pytest.mark.parametrize(
        "function",
        [leaky.fit_kept_in_a_dictionary, leaky.fit_cached_by_length, leaky.Regressor(again=False), leaky.fit_warm],
    )
    @pytest.mark.parametrize("n_cutoffs", [1, 3])
    def test_a_fit_that_is_kept_fails(self, function: Any, n_cutoffs: int) -> None:
        findings = check(function, n_cutoffs=n_cutoffs)
        assert failed(findings) == ["stale"]
        assert "after a fit at another cutoff: a fit is kept" in findings["stale"].seen

    @pytest.mark.parametrize(
        "function", [leaky.fit_kept_by_what_it_saw, leaky.fit_cached_by_values, leaky.Regressor(again=True)]
    )
    def test_one_that_is_kept_for_its_own_data_only_passes(self, function: Any) -> None:
        assert failed(check(function)) == []

    def test_nothing_is_left_behind(self) -> None:
        regressor = leaky.Regressor(again=False)
        check(regressor)
        assert regressor.mean is None
        check(leaky.fit_kept_in_a_dictionary)
        assert leaky.KEPT == {}

    def test_other_quantiles_after_another_fit(self) -> None:
        assert failed(check(leaky.fit_quantiles)) == []
        findings = check(leaky.fit_quantiles_after_a_while)
        assert failed(findings) == ["stale"]
        assert "the forecast has other quantiles" in findings["stale"].seen


class TestTheRest:
    def test_a_constant_does_not_move_with_the_past(self) -> None:
        findings = check(leaky.fit_constant)
        assert failed(findings) == ["past"]
        assert "stays at 60" in findings["past"].seen

    def test_one_that_fails_on_another_past(self) -> None:
        findings = check(leaky.fit_low_prices)
        assert failed(findings) == ["past"]
        assert "too high" in findings["past"].seen

    def test_a_series_of_zeros_moves_too(self) -> None:
        series = replace(series_of(), y=np.zeros(N))
        assert failed(check(BASELINE_MODELS["naive"], series)) == []

    @pytest.mark.parametrize(
        ("function", "why"),
        [
            (leaky.fit_unseeded, "it draws at random without window.seed"),
            (leaky.fit_global_noise, "it draws from the global generator"),
        ],
    )
    def test_one_that_cannot_be_repeated(self, function: Any, why: str) -> None:
        findings = check(function)
        assert failed(findings) == ["repeat"]
        assert why in findings["repeat"].seen
        assert list(findings) == ["fits", "repeat", "files"]

    def test_one_that_draws_by_the_seed_passes_and_the_callers_generators_go_on(self) -> None:
        np.random.seed(1)
        random.seed(1)
        expected, state = np.random.normal(size=2), random.getstate()
        np.random.seed(1)
        random.seed(1)
        assert failed(check(leaky.fit_seeded)) == []
        assert (np.random.normal(size=2) == expected).all()
        assert random.getstate() == state

    def test_one_that_fails(self) -> None:
        findings = check(leaky.fit_fails)
        assert list(findings) == ["fits", "files"]
        assert findings["fits"].seen == "fails at the cutoff 2015-07-30: ValueError: singular"

    def test_one_that_fails_at_one_cutoff_is_checked_at_the_others(self) -> None:
        def fit(window: TrainingWindow) -> Any:
            return leaky.fit_fails(window) if window.ds[-1] < np.datetime64("2016-01-01") else leaky.fit_seeded(window)

        findings = check(fit)
        assert failed(findings) == ["fits"]
        assert len(findings) == 7

    def test_the_one_before_the_last_cutoff_may_fail(self) -> None:
        def fit(window: TrainingWindow) -> Any:
            return leaky.fit_fails(window) if str(window.ds[-1]) == "2016-06-22" else leaky.fit_seeded(window)

        assert failed(check(fit)) == []

    def test_a_series_that_is_too_short(self) -> None:
        with pytest.raises(NotEnoughDataError, match=r"has 17 observations .* needs 14 after the last cutoff"):
            check(leaky.fit_seeded, series_of(17))
        assert failed(check(leaky.fit_seeded, series_of(18))) == []

    def test_cutoffs_lie_where_the_covariates_are_known(self) -> None:
        series = series_of()
        rain = series.covariates["rain"].copy()
        rain[:300] = np.nan
        given = replace(series, covariates={"rain": rain})
        findings = check(leaky.made(leaky.fit_last_feature, covariates=("rain",)), given, train_size=50)
        assert failed(findings) == []
        assert str(series.ds[350]) in findings["fits"].seen
        nothing = replace(series, covariates={"rain": np.full(N, np.nan)})
        assert failed(check(leaky.made(leaky.fit_last_feature, covariates=("rain",)), nothing)) == ["fits"]


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = tmp_path / "number.txt"
        path.write_text("1.5")
        time.sleep(0.1)  # older than the check, or it would be its own
        return path

    def test_a_model_that_reads_a_file_fails(self, path: Path) -> None:
        findings = check(leaky.made(leaky.fit_reads, params={"path": str(path)}))
        assert failed(findings) == ["files"]
        assert findings["files"].seen == f"while it fits it reads {path}: data it is not given"

    def test_one_that_is_given_the_number_passes(self) -> None:
        assert failed(check(leaky.made(leaky.fit_given, params={"number": 1.5}))) == []

    @pytest.fixture
    def listener(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield server

    def test_connections_and_databases(self, path: Path, listener: socket.socket) -> None:
        address = listener.getsockname()
        with watched() as found, socket.create_connection(address):
            sqlite3.connect(path).close()
            sqlite3.connect(":memory:").close()
        assert found == [f"connects to 127.0.0.1 port {address[1]}", f"reads {path}"]

    def test_what_is_no_reading_of_others(self, tmp_path: Path, path: Path) -> None:
        (tmp_path / "code.py").write_text("")
        with watched() as found:
            (tmp_path / "own.txt").write_text("x")
            (tmp_path / "own.txt").read_text()
            path.write_text("2")
            (tmp_path / "code.py").read_text()
            with pytest.raises(FileNotFoundError):
                (tmp_path / "none.csv").read_text()
            Path(pd.__file__).with_name("py.typed").exists()
            Path("/proc/self/stat").read_text()
            with open(path, "rb") as file, open(file.fileno(), "rb", closefd=False):
                pass
        assert found == [f"reads {path}"] * (path.stat().st_ctime < 0)

    def test_data_that_a_package_ships(self) -> None:
        with watched() as found:
            load_wti()
        assert [Path(one).name for one in found] == ["wti.csv.gz"]

    def test_programs_it_starts(self, path: Path) -> None:
        def fit(window: TrainingWindow) -> Any:
            return leaky.flat(window, window.y[-1] + float(subprocess.check_output([str(shutil.which("cat")), path])))

        findings = check(fit)
        assert failed(findings) == ["files"]
        assert f"while it fits it starts {shutil.which('cat')}: data it is not given" in findings["files"].seen
        with watched() as started:
            os.system(str(shutil.which("true")))  # noqa: S605  what is tested
            os.waitpid(os.posix_spawn(str(shutil.which("true")), ["true"], {}), 0)
        assert started == [f"starts {shutil.which('true')}"]

    def test_programs_of_packages_and_about_the_machine_are_no_data(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = tmp_path / "site-packages" / "model.bin"
        model.parent.mkdir()
        model.write_text("#!/bin/sh\n")
        model.chmod(0o755)
        monkeypatch.syspath_prepend(str(model.parent))
        watching._packages.cache_clear()
        with watched() as found:
            subprocess.check_call([model])
            subprocess.check_output([str(shutil.which("uname"))])
        watching._packages.cache_clear()
        assert found == []

    def test_nothing_is_seen_afterwards(self, path: Path) -> None:
        with watched() as found:
            pass
        path.read_text()
        assert found == []
