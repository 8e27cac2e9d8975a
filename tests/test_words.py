"""The words everything speaks in: errors, identifiers, digests, definitions."""

from __future__ import annotations

import datetime as dt
import decimal
import hashlib
import uuid
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.definitions import (
    BASELINE,
    METRIC_VERSION,
    SEASON_LENGTH,
    BacktestDefinition,
    check_commodity,
    check_identifier,
)
from experiments.errors import (
    ConflictError,
    EngineError,
    ExperimentsError,
    InvalidInputError,
    NotEnoughDataError,
    NotFoundError,
    unknown,
)
from experiments.identity import digest, uuid7

# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("leaf", "builtin"),
    [
        (InvalidInputError, ValueError),
        (NotFoundError, LookupError),
        (NotEnoughDataError, InvalidInputError),
        (NotEnoughDataError, ValueError),
        (ConflictError, RuntimeError),
        (EngineError, RuntimeError),
    ],
)
def test_every_error_has_the_one_root_and_is_also_a_builtin(leaf: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(leaf, ExperimentsError)
    assert issubclass(leaf, builtin)
    with pytest.raises(builtin, match=r"^said$"):
        raise leaf("said")


@pytest.mark.parametrize(
    ("given_name", "known", "said"),
    [
        ("arma", ["naive", "arima"], "unknown model 'arma'. Did you mean 'arima'? Known: arima, naive."),
        ("NAIVE", ["naive", "arima"], "unknown model 'NAIVE'. Did you mean 'naive'? Known: arima, naive."),
        ("wti", ["WTI", "Coffee"], "unknown model 'wti'. Did you mean 'WTI'? Known: Coffee, WTI."),
        ("xyz", ["naive", "arima"], "unknown model 'xyz'. Known: arima, naive."),
        ("xyz", [], "unknown model 'xyz'. Known: none yet."),
        ("", ["naive"], "unknown model ''. Known: naive."),
        ("sarimax_vx", (name for name in ["sarimax", "sarimax_vix"]), "Did you mean 'sarimax_vix'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all(given_name: str, known: Any, said: str) -> None:
    error = unknown("model", given_name, known)
    assert type(error) is NotFoundError
    assert said in str(error)


# --- identifiers of runs -------------------------------------------------------------------------------------------

# RFC 9562, appendix A.6: Tuesday, February 22, 2022 2:22:22.00 PM GMT-05:00
VECTOR = uuid.UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F")
VECTOR_TIME = dt.datetime(2022, 2, 22, 14, 22, 22, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
TIMES = st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(9999, 12, 31)).map(lambda when: when.replace(tzinfo=dt.UTC))


def test_an_id_has_the_timestamp_of_the_published_vector() -> None:
    made = uuid.UUID(uuid7(VECTOR_TIME))
    assert made.int >> 76 == VECTOR.int >> 76  # 48 bits of time and 4 of version
    assert made.int >> 80 == 0x017F22E279B0
    assert made.int >> 62 & 0b11 == VECTOR.int >> 62 & 0b11 == 0b10
    assert made.version == VECTOR.version == 7


@given(TIMES)
def test_an_id_carries_version_variant_and_its_time_to_the_millisecond(when: dt.datetime) -> None:
    text = uuid7(when)
    made = uuid.UUID(text)
    assert text == str(made)
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    since = when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    assert made.int >> 80 == (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


@given(TIMES, TIMES)
def test_ids_sort_by_time(one: dt.datetime, other: dt.datetime) -> None:
    first, second = sorted((one, other))
    if second - first >= dt.timedelta(milliseconds=1):
        assert uuid7(first) < uuid7(second)


def test_no_millisecond_is_lost_to_floating_point() -> None:
    start = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
    ids = [uuid7(start + dt.timedelta(milliseconds=count)) for count in range(2000)]
    times = [uuid.UUID(made).int >> 80 for made in ids]
    assert all(later - earlier == 1 for earlier, later in pairwise(times))


def test_a_time_zone_changes_nothing() -> None:
    here = VECTOR_TIME.astimezone(dt.timezone(dt.timedelta(hours=9)))
    assert uuid7(here)[:14] == uuid7(VECTOR_TIME)[:14]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        uuid7(dt.datetime(2024, 1, 1))


def test_ids_of_one_moment_differ() -> None:
    assert len({uuid7(VECTOR_TIME) for _ in range(1000)}) == 1000


# --- digests -------------------------------------------------------------------------------------------------------


def test_a_digest_is_sixteen_digits_of_the_hash_of_canonical_json() -> None:
    content = {"b": [1, 2.5, None, True], "a": {"ü": "text"}}
    text = '{"a":{"\\u00fc":"text"},"b":[1,2.5,null,true]}'
    assert digest(content) == hashlib.sha256(text.encode()).hexdigest()[:16]
    assert digest(dt.date(2024, 1, 31)) == digest("2024-01-31")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def turned_round(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: turned_round(content[key]) for key in reversed(content)}
    return [turned_round(item) for item in content] if isinstance(content, list) else content


@given(JSON)
def test_the_order_of_keys_does_not_matter(content: Any) -> None:
    assert digest(turned_round(content)) == digest(content)
    assert digest([content]) != digest(content)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ({"a": 1}, MappingProxyType({"a": 1})),
        ({"x": {"b": 2, "a": 1}}, {"x": MappingProxyType({"a": 1, "b": 2})}),
        ([1, 2], (1, 2)),
        ([*"abcdefgh"], set("hgfedcba")),
        (["a", "b"], frozenset("ba")),
        (14, np.int64(14)),
        (0.1, np.float64(0.1)),
        (True, np.True_),
        ([1.0, 2.0], np.array([1.0, 2.0])),
        ("1.5", decimal.Decimal("1.5")),
        (str(VECTOR), VECTOR),
    ],
)
def test_equal_content_has_an_equal_digest_in_any_type(one: Any, same: Any) -> None:
    assert digest(same) == digest(one)
    assert digest({"content": same}) == digest({"content": one})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": None}, {}),
        ([1, 2], [2, 1]),
        ("1", 1),
        (["ab", "c"], ["a", "bc"]),
        (np.arange(5000), np.where(np.arange(5000) == 2500, 0, np.arange(5000))),  # as text both read 0 1 2 ... 4999
        (dt.date(2024, 1, 31), dt.date(2024, 2, 1)),
    ],
)
def test_other_content_has_another_digest(one: Any, other: Any) -> None:
    assert digest(one) != digest(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), np.array([1.0, np.nan])])
def test_a_number_without_a_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        digest({"value": value})


# --- definitions ---------------------------------------------------------------------------------------------------

DEFINITION = BacktestDefinition(
    commodity="Coffee",
    frequency="trading day",
    horizon=14,
    step_size=14,
    n_windows=40,
    train_size=1000,
    grid_origin=dt.date(2020, 1, 2),
    covariates={"vix": "observed", "usd": "observed"},
)


def test_equal_definitions_have_equal_ids() -> None:
    same = BacktestDefinition(
        commodity="Coffee",
        frequency="trading day",
        horizon=14,
        step_size=14,
        n_windows=40,
        train_size=1000,
        grid_origin=dt.date(2020, 1, 2),
        covariates=MappingProxyType({"usd": "observed", "vix": "observed"}),
        metric_version=METRIC_VERSION,
    )
    assert same == DEFINITION
    assert same.backtest_id == DEFINITION.backtest_id
    assert len(same.backtest_id) == 16


def test_an_id_is_the_same_tomorrow() -> None:
    """Rows are found by it: change it only together with METRIC_VERSION."""
    assert METRIC_VERSION == 1
    assert DEFINITION.backtest_id == "82681c34e8cf10a6"


@pytest.mark.parametrize(
    "changes",
    [
        {"commodity": "Tea"},
        {"frequency": "day"},
        {"horizon": 7},
        {"step_size": 7},
        {"n_windows": 41},
        {"train_size": 999},
        {"train_size": None},
        {"grid_origin": dt.date(2020, 1, 3)},
        {"grid_origin": None},
        {"covariates": {}},
        {"covariates": {"vix": "observed"}},
        {"covariates": {"vix": "observed", "usd": "known"}},
        {"metric_version": METRIC_VERSION + 1},
    ],
)
def test_every_field_changes_the_id(changes: dict[str, Any]) -> None:
    changed = replace(DEFINITION, **changes)
    assert changed != DEFINITION
    assert changed.backtest_id != DEFINITION.backtest_id


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"commodity": ""}, "commodity is '': give the name of what is forecast, such as 'Coffee'."),
        ({"commodity": " \t"}, "commodity is ' \\t': give the name"),
        ({"commodity": None}, "commodity is None: give the name"),
        ({"commodity": "x" * 201}, "commodity 'xxxxx"),
        ({"commodity": "ü" * 34}, "is too long: use at most 200 characters, fewer beyond ASCII."),
        (
            {"frequency": "daily"},
            "unknown frequency 'daily': use one of trading day, day, week, month, quarter, year, i",
        ),
        *(
            ({name: value}, f"{name} is {value!r}: it must be a whole number of at least 1.")
            for name in ("horizon", "step_size", "n_windows", "train_size")
            for value in (0, -1, 1.0, "14", True, np.True_, np.float64(3), [14], dt.date(2020, 1, 2))
        ),
        ({"horizon": 2**31}, "horizon is 2147483648: it must be a whole number of at least 1, 2147483647 at most."),
        ({"commodity": "\ud800"}, "it has characters that are no Unicode text"),
        ({"frequency": ["day"]}, "unknown frequency ['day']"),
        ({"covariates": ["vix"]}, "covariates is ['vix']: give a dictionary of name to how it is known"),
        ({"covariates": {"vix": "lagged"}}, "covariate 'vix' is 'lagged': it is one of observed, known"),
        ({"covariates": {"vix": None}}, "covariate 'vix' is None"),
        ({"covariates": {"": "known"}}, "the name of a covariate is '': give a text"),
        ({"covariates": {5: "known"}}, "the name of a covariate is 5: give a text"),
        *(
            ({name: None}, f"{name} is None: it must be a whole number of at least 1.")
            for name in ("horizon", "step_size", "n_windows")
        ),
        ({"grid_origin": "2020-01-02"}, "grid_origin is '2020-01-02': give a datetime.date, or None."),
        ({"grid_origin": dt.datetime(2020, 1, 2, tzinfo=dt.UTC)}, "grid_origin is datetime.datetime(2020"),
        ({"grid_origin": pd.Timestamp("2020-01-02")}, "grid_origin is Timestamp('2020-01-02 00:00:00')"),
    ],
)
def test_an_impossible_definition_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        replace(DEFINITION, **changes)
    assert said in str(raised.value)


def test_an_integer_of_numpy_is_an_integer() -> None:
    of_numpy = replace(DEFINITION, horizon=np.int32(DEFINITION.horizon), train_size=np.uint8(200))
    assert of_numpy == replace(DEFINITION, train_size=200)
    assert type(of_numpy.horizon) is type(of_numpy.train_size) is int


def test_a_definition_does_not_change() -> None:
    covariates = {"vix": "observed"}
    definition = replace(DEFINITION, covariates=covariates)
    before = definition.backtest_id
    covariates["usd"] = "observed"
    assert definition.covariates == {"vix": "observed"}
    assert definition.backtest_id == before
    with pytest.raises(FrozenInstanceError):
        definition.horizon = 7
    with pytest.raises(TypeError):
        BacktestDefinition("Coffee", "day", 14, 14, 40, 1000)


@pytest.mark.parametrize("name", ["Coffee", "x" * 200, "ü" * 33, "Rubber TSR-20 (SGX)", "a/b=c"])
def test_a_commodity_that_fits_a_folder_is_returned(name: str) -> None:
    assert check_commodity(name) == name


def test_the_least_a_definition_needs() -> None:
    definition = BacktestDefinition(
        commodity="Coffee", frequency="irregular", horizon=1, step_size=1, n_windows=1, train_size=None
    )
    assert definition.grid_origin is None
    assert definition.covariates == {}
    assert definition.metric_version == METRIC_VERSION


def test_every_frequency_has_a_season_and_the_baseline_a_name() -> None:
    assert all(length >= 1 for length in SEASON_LENGTH.values())
    assert SEASON_LENGTH["trading day"] == 5
    assert BASELINE == "naive"


@pytest.mark.parametrize("name", ["experiments", "_x", "A", "a1_", "x" * 128])
def test_an_identifier_is_returned(name: str) -> None:
    assert check_identifier("schema", name) == name


@pytest.mark.parametrize(
    "name", ["", "1a", "a-b", "a b", "a.b", "a;drop table x", "ä", "a\n", "`a`", "x" * 129, "a'", "٣", "a٣"]
)
def test_a_name_that_cannot_stand_in_sql_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        check_identifier("schema", name)
    assert f"schema {name!r} is not an identifier: use letters, digits and underscores" in str(raised.value)
    assert "128 at most" in str(raised.value)
