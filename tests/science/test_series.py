"""Series: what is refused and what is said of the rest, covariates as they were known, frequencies, versions."""

from __future__ import annotations

import datetime as dt
import decimal
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal

from experiments.definitions import SEASON_LENGTH
from experiments.errors import InvalidInputError
from experiments.science.example_data import load_vix, load_wti
from experiments.science.series import STALE_AFTER_DAYS, Series, infer_frequency, prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAYS = pd.date_range("2024-01-01", periods=6, freq="D")


def prices(**columns: Any) -> pd.DataFrame:
    """Six days of prices."""
    return pd.DataFrame({"ds": DAYS, "y": [10.0, 11.0, 12.0, 11.0, 10.0, 13.0]} | columns)


def only(data: pd.DataFrame, **covariates: pd.DataFrame) -> Series:
    (series,) = prepare(data, commodity="Coffee", covariates=covariates)
    return series


# --- real data -----------------------------------------------------------------------------------------------------


def test_oil_and_volatility_come_in_as_they_are() -> None:
    oil, volatility = load_wti(), load_vix()
    assert oil.shape == (8611, 2)
    assert oil["y"].isna().sum() == 290
    assert volatility.shape == (1305, 2)
    series = only(oil, vix=volatility)
    kept = oil.dropna()
    assert_array_equal(series.ds, kept["ds"].to_numpy().astype("datetime64[D]"))
    assert_array_equal(series.y, kept["y"].to_numpy())
    assert series.frequency == "trading day"
    assert (series.commodity, series.unique_id) == ("Coffee", "Coffee")
    assert series.notes == (
        "290 of 8611 rows without a date or value left out of the data of Coffee",
        "46 of 1305 rows without a date or value left out of covariate 'vix'",
        "the data of Coffee has 22 gaps of more than 4 days, the longest from 1986-12-24 to 1986-12-29: not filled, a "
        "step is the next observation",
        "the data of Coffee has 134 values equal to the one before, the last on 2018-11-05: kept as observed, a stale "
        "close counts as no move",
    )
    assert series.covariate_spans == {"vix": (dt.date(2014, 1, 3), dt.date(2019, 1, 3))}
    known = np.isfinite(series.covariates["vix"])
    assert not known[series.ds < np.datetime64("2014-01-03")].any()
    assert known[series.ds >= np.datetime64("2014-01-03")].all()
    assert series.covariates["vix"][-1] == volatility["vix"].iloc[-1]


# --- covariates as they were known ---------------------------------------------------------------------------------


def as_of_loop(ds: NDArray[np.datetime64], known_on: NDArray[np.datetime64], values: list[float]) -> list[float]:
    """For each date the last value at or before it that is not missing, unless it is too old."""
    found = []
    for day in ds:
        past = [
            (date, value) for date, value in zip(known_on, values, strict=True) if date <= day and not math.isnan(value)
        ]
        if not past:
            found.append(math.nan)
            continue
        gaps = [(later[0] - earlier[0]).astype(int) for earlier, later in itertools.pairwise(past)]
        stands = max(STALE_AFTER_DAYS, 2 * statistics.median(gaps)) if gaps else 366
        date, value = past[-1]
        found.append(value if (day - date).astype(int) <= stands else math.nan)
    return found


@st.composite
def series_with_covariate(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prices, and a covariate that begins and ends when it likes, with gaps, missing values and times of day."""
    n, m = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    ds = np.datetime64("2024-01-01", "D") + np.cumsum(draw(hnp.arrays(np.int64, n, elements=st.integers(1, 5))))
    first = np.datetime64("2024-01-01", "D") + draw(st.integers(-20, 40))
    known_on = first + np.cumsum(draw(hnp.arrays(np.int64, m, elements=st.integers(1, 12))))
    values = draw(st.lists(st.sampled_from([1.0, 2.0, 3.0, math.nan]), min_size=m, max_size=m))
    values[draw(st.integers(0, m - 1))] = 1.0
    data = pd.DataFrame({"ds": ds, "y": np.arange(n, dtype=float)})
    return data, pd.DataFrame({"ds": known_on.astype("datetime64[ns]"), "value": values})


@settings(max_examples=60, deadline=None)
@given(frames=series_with_covariate(), seed=st.integers(0, 99))
def test_a_covariate_is_its_last_value_known_at_each_date(frames: tuple[pd.DataFrame, pd.DataFrame], seed: int) -> None:
    data, covariate = frames
    series = only(data, usd=covariate.sample(frac=1, random_state=seed))
    known_on = covariate["ds"].to_numpy().astype("datetime64[D]")
    assert_array_equal(series.covariates["usd"], as_of_loop(series.ds, known_on, covariate["value"].to_list()))


@settings(max_examples=40, deadline=None)
@given(frames=series_with_covariate(), place=st.integers(0, 24), how=st.sampled_from(["removed", "changed"]))
def test_nothing_dated_after_a_row_reaches_it(frames: tuple[pd.DataFrame, pd.DataFrame], place: int, how: str) -> None:
    data, covariate = frames
    place = min(place, len(data) - 1)
    today = data["ds"][place]
    before = only(data, usd=covariate)
    later = covariate["ds"] > today
    if how == "removed":
        changed = covariate[~later]
        if changed["value"].isna().all():
            return  # nothing is left of the covariate, which is refused
    else:
        changed = covariate.assign(value=covariate["value"].mask(later, covariate["value"] * -3 + 1))
    after = only(data, usd=changed)
    assert_array_equal(after.covariates["usd"][: place + 1], before.covariates["usd"][: place + 1])


def test_a_daily_value_is_used_on_its_day_and_a_week_long() -> None:
    data = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=13), "y": 1.0})
    covariate = pd.DataFrame({"ds": ["2024-01-03", "2024-01-04"], "rain": [7.0, 8.0]})
    expected = [math.nan] * 2 + [7.0] + [8.0] * 8 + [math.nan] * 2
    assert_array_equal(only(data, rain=covariate).covariates["rain"], expected)


def test_a_hole_in_a_covariate_is_said() -> None:
    data = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=40), "y": 1.0})
    rain = pd.DataFrame({"ds": [*data["ds"][:10], *data["ds"][30:]], "rain": 7.0})
    (note,) = (one for one in only(data, rain=rain).notes if "fresh" in one)
    assert note.startswith(
        "covariate 'rain' has no fresh value on 13 dates of the data of Coffee, the first 2024-01-18"
    )


def test_a_monthly_covariate_serves_daily_prices_and_goes_stale_after_two_months() -> None:
    data = pd.DataFrame({"ds": pd.date_range("2024-01-01", "2024-07-31"), "y": 1.0})
    months = pd.date_range("2024-01-01", periods=4, freq="MS")
    series = only(data, brent=pd.DataFrame({"ds": months, "brent": [1.0, 2.0, 3.0, 4.0]}))
    brent = series.covariates["brent"]
    last = np.flatnonzero(np.isfinite(brent))[-1]
    assert_array_equal(brent[: last + 1], data["ds"].dt.month.clip(upper=4)[: last + 1])
    assert series.ds[last] == np.datetime64("2024-04-01") + 2 * 31


def test_the_first_value_stands_until_a_second_tells_its_rhythm() -> None:
    data = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=400), "y": 1.0})
    rain = only(data, rain=pd.DataFrame({"ds": ["2024-01-01"], "rain": [7.0]})).covariates["rain"]
    assert np.isfinite(rain).sum() == 367
    assert np.isfinite(rain[:367]).all()


def test_a_missing_value_of_a_covariate_is_its_last_known_one() -> None:
    covariate = pd.DataFrame({"ds": DAYS, "rain": [1.0, math.nan, 3.0, math.nan, math.nan, 6.0]})
    series = only(prices(), rain=covariate)
    assert_array_equal(series.covariates["rain"], [1, 1, 3, 3, 3, 6])
    assert series.notes == ("3 of 6 rows without a date or value left out of covariate 'rain'",)


def test_every_series_gets_the_covariates_at_its_own_dates() -> None:
    """Rows of one series are never aligned with those of another."""
    data = pd.concat([prices(unique_id="b").iloc[[0, 1, 2, 3, 5]], prices(unique_id="a").iloc[1:]])
    covariate = pd.DataFrame({"ds": DAYS, "rain": np.arange(6.0)})
    a, b = prepare(data, commodity="Coffee", covariates={"rain": covariate})
    assert (a.unique_id, b.unique_id) == ("a", "b")
    assert_array_equal(a.covariates["rain"], [1, 2, 3, 4, 5])
    assert_array_equal(b.covariates["rain"], [0, 1, 2, 3, 5])
    assert_array_equal(b.y, [10, 11, 12, 11, 13])


def test_the_value_of_a_covariate_may_have_any_name() -> None:
    for name in ("rain", "y", 0):
        covariate = pd.DataFrame({"ds": DAYS, name: np.arange(6.0)})
        assert_array_equal(only(prices(), rain=covariate).covariates["rain"], np.arange(6))


# --- rows that are left out or moved, and said -----------------------------------------------------------------------


def test_rows_without_a_date_or_a_value_are_left_out_and_said() -> None:
    data = prices(y=[10, None, 12, 11, math.nan, 13]).assign(ds=lambda f: f["ds"].where(f.index != 2))
    series = only(data)
    assert_array_equal(series.y, [10, 11, 13])
    assert_array_equal(series.ds, DAYS[[0, 3, 5]].to_numpy().astype("datetime64[D]"))
    assert series.notes == ("3 of 6 rows without a date or value left out of the data of Coffee",)


def test_rows_in_order_need_no_note() -> None:
    assert only(prices()).notes == ()


@given(seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_rows_out_of_order_are_sorted_and_said(seed: int) -> None:
    shuffled = prices().sample(frac=1, random_state=seed)
    series = only(shuffled)
    assert_array_equal(series.ds, DAYS.to_numpy().astype("datetime64[D]"))
    assert_array_equal(series.y, prices()["y"])
    in_order = shuffled["ds"].is_monotonic_increasing
    assert series.notes == (() if in_order else ("rows of the data of Coffee sorted by date",))


@pytest.mark.parametrize("order", [["unique_id", "ds"], ["ds", "unique_id"]], ids=["one by one", "day by day"])
def test_several_series_each_in_order_need_no_note(order: list[str]) -> None:
    data = pd.concat([prices(unique_id="b"), prices(unique_id="a")]).sort_values(order)
    first, second = prepare(data, commodity="Coffee")
    assert first.notes == second.notes == ()
    assert_array_equal(first.y, prices()["y"])


def test_several_series_of_which_one_is_out_of_order_have_a_note() -> None:
    data = pd.concat([prices(unique_id="b"), prices(unique_id="a").iloc[::-1]])
    for series in prepare(data, commodity="Coffee"):
        assert series.notes == ("rows of the data of Coffee sorted by date",)
        assert_array_equal(series.y, prices()["y"])


def test_a_covariate_out_of_order_is_sorted_and_said() -> None:
    covariate = pd.DataFrame({"ds": DAYS, "rain": np.arange(6.0)})
    series = only(prices(), rain=covariate.iloc[::-1])
    assert_array_equal(series.covariates["rain"], np.arange(6))
    assert series.notes == ("rows of covariate 'rain' sorted by date",)


def test_names_of_series_become_text() -> None:
    data = pd.concat([prices(unique_id=2), prices(unique_id="b"), prices(unique_id=1)])
    assert [series.unique_id for series in prepare(data, commodity="Coffee")] == ["1", "2", "b"]


def test_the_frames_given_are_left_as_they_are() -> None:
    data = prices(unique_id=1, other="kept").sample(frac=1, random_state=1)
    covariate = pd.DataFrame({"ds": DAYS.astype(str), "rain": [1, 2, None, 4, 5, 6]}).iloc[::-1]
    data.attrs["source"] = covariate.attrs["source"] = "here"
    copies = data.copy(deep=True), covariate.copy(deep=True)
    (series,) = prepare(data, commodity="Coffee", covariates={"rain": covariate})
    series.y[:] = 0
    series.covariates["rain"][:] = 0
    for frame, copy in zip((data, covariate), copies, strict=True):
        pd.testing.assert_frame_equal(frame, copy)
        assert frame.attrs == {"source": "here"}


# --- dates and numbers in every form -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        lambda day: str(day.date()),
        lambda day: f"{day:%Y%m%d}",
        lambda day: day.isoformat(),
        lambda day: day.date(),
        lambda day: day.to_pydatetime(),
        lambda day: day.tz_localize("UTC"),
        lambda day: day.tz_localize("America/New_York"),
        lambda day: day.tz_localize("Asia/Tokyo"),
        lambda day: day + pd.Timedelta(hours=17, minutes=30),
        lambda day: (day + pd.Timedelta(hours=23)).tz_localize("America/New_York"),
        lambda day: np.datetime64(day, "s"),
    ],
    ids=[
        "text",
        "compact",
        "iso",
        "date",
        "datetime",
        "UTC",
        "New York",
        "Tokyo",
        "time of day",
        "late in New York",
        "numpy",
    ],
)
def test_dates_in_any_form_are_the_days_they_name(form: Callable[[pd.Timestamp], Any]) -> None:
    for column in (pd.Series([form(day) for day in DAYS]), pd.Series([form(day) for day in DAYS], dtype=object)):
        series = only(prices(ds=column), rain=pd.DataFrame({"ds": column, "rain": np.arange(6.0)}))
        assert series.ds.dtype == np.dtype("datetime64[D]")
        assert_array_equal(series.ds, DAYS.to_numpy().astype("datetime64[D]"))
        assert_array_equal(series.covariates["rain"], np.arange(6))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_of_any_resolution_meet_a_covariate_of_another(unit: str) -> None:
    data = prices(ds=DAYS.astype(f"datetime64[{unit}]"))
    covariate = pd.DataFrame({"ds": DAYS.astype("datetime64[us]"), "rain": np.arange(6.0)})
    assert_array_equal(only(data, rain=covariate).covariates["rain"], np.arange(6))


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2, 3, 4, 5, 6]),
        pd.Series([1, 2, 3, 4, 5, 6], dtype="float32"),
        pd.Series([1, 2, 3, 4, 5, 6], dtype="Int64"),
        pd.Series([decimal.Decimal(value) for value in range(1, 7)]),
        pd.Series(["1", "2", "3", "4", "5.0", "6e0"]),
        pd.Series([1, 2, 3, 4, 5, 6], dtype="double[pyarrow]"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_numbers_in_any_form_are_floats(column: pd.Series) -> None:
    series = only(prices(y=column))
    assert series.y.dtype == np.float64
    assert_array_equal(series.y, [1, 2, 3, 4, 5, 6])


def test_a_missing_value_may_be_written_in_any_way() -> None:
    for missing, dtype in (
        (None, object),
        ("", object),
        (pd.NA, "Int64"),
        (math.nan, float),
        (None, "double[pyarrow]"),
    ):
        series = only(prices(y=pd.Series([1, 2, 3, missing, 5, 6], dtype=dtype)))
        assert_array_equal(series.y, [1, 2, 3, 5, 6])


# --- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (prices().drop(columns="ds"), r"the data of Coffee lacks the column 'ds'; it has \['y'\]"),
        (prices().drop(columns="y"), r"the data of Coffee lacks the column 'y'; it has \['ds'\]"),
        (prices().rename(columns={"y": "price"}), r"lacks the column 'y'; it has \['ds', 'price'\]"),
        (prices(y=[1, 2, "n/a", 4, 5, 6]), "the data of Coffee cannot be read: .*n/a.*'y' numbers"),
        (
            prices(ds=["01/02/2024"] * 6),
            r"01/02/2024 is not ISO8601 format, at position 0\. 'ds' takes dates such as 2024",
        ),
        (prices(ds=["2024-01-01"] * 5 + ["soon"]), "the data of Coffee cannot be read: .*soon.*dates such as"),
        (prices(ds=["2024-01-01"] * 5 + ["2024-02-30"]), "the data of Coffee cannot be read"),
        (prices(ds=range(6)), r"cannot be read: 'ds' holds numbers \(int64\)\. 'ds' takes dates such as 2024-01-31"),
        (prices(ds=np.arange(20240101.0, 20240107)), r"'ds' holds numbers \(float64\)"),
        (prices(ds=pd.period_range("2024-01", periods=6, freq="M")), "the data of Coffee cannot be read"),
        (prices(ds=["9999-12-31"] * 6), "the data of Coffee cannot be read: Out of bounds"),
        (prices(y=[1, 2, math.inf, 4, 5, 6]), "the data of Coffee has an infinite value on 2024-01-03"),
        (prices(y=[1, 2, 3, -math.inf, 5, 6]), "the data of Coffee has an infinite value on 2024-01-04"),
        (prices(y=[1, 2, 1e200, 4, 5, 6]), r"the data of Coffee has 1e\+200 on 2024-01-03: use a unit below 1e\+100"),
        (prices(ds=DAYS[[0, 1, 2, 2, 4, 2]]), "the data of Coffee has 2 dates twice, the first 2024-01-03"),
        (prices(ds=DAYS + pd.to_timedelta([0, 0, 0, 0, 0, -1], "h")), "has 1 dates twice, the first 2024-01-05"),
        (prices(unique_id="a", ds=DAYS[[0, 0, 1, 2, 3, 4]]), "has 1 dates twice, the first 2024-01-01"),
        (prices(unique_id=["a", 1, "1", "a", "b", 2], ds=DAYS[[0, 1, 1, 2, 3, 4]]), "has 1 dates twice"),
        (prices(unique_id=["a", None, "a", math.nan, "a", "a"]), "the data of Coffee has 2 rows without 'unique_id'"),
        (prices().iloc[:0], "the data of Coffee has no row with a date and a value"),
        (prices(y=math.nan), "the data of Coffee has no row with a date and a value"),
        (prices(ds=pd.NaT), "the data of Coffee has no row with a date and a value"),
        (pd.DataFrame(), r"the data of Coffee lacks the column 'ds'; it has \[\]"),
        (prices().set_index("ds"), r"lacks the column 'ds'; it has \['y'\]\. Its dates are the index: make them a col"),
        (prices().set_index("ds").rename_axis(None), "Its dates are the index"),
        (prices().set_index(["ds", "y"]), "Its dates are the index"),
        (prices().set_axis(["ds", "ds"], axis=1), "the data of Coffee has 2 columns named 'ds': keep one"),
        (pd.concat([prices(), prices()[["y"]]], axis=1), "the data of Coffee has 2 columns named 'y': keep one"),
        (prices().assign(unique_id=1)[["ds", "y", "unique_id", "unique_id"]], "2 columns named 'unique_id'"),
        (pd.concat({"a": prices()}, axis=1), "the columns of the data of Coffee have 2 levels: give one name a column"),
        (prices(ds=["1500-01-01"] * 6), "Out of bounds .*1500-01-01.*dates lie between 1678 and 2261"),
        (prices(ds=[dt.date(2300, 1, 1)] * 6), "Out of bounds .*dates lie between 1678 and 2261"),
        (prices(ds=np.array(["1500-01-01"] * 6, dtype="datetime64[s]")), "dates lie between 1678 and 2261"),
        (prices(ds=[*DAYS[:5], DAYS[5].tz_localize("UTC")]), "the data of Coffee cannot be read"),
        (prices(ds=[True] * 6), r"'ds' holds numbers \(bool\)"),
        (prices(ds=[[1]] * 6), "the data of Coffee cannot be read"),
        (prices(y=[True, False] * 3), "the data of Coffee cannot be read: 'y' holds bool values. .*'y' numbers"),
        (prices(y=[1j] * 6), "'y' holds complex128 values"),
        (prices(y=DAYS), r"'y' holds datetime64\[ns\] values"),
        (prices(y=DAYS - DAYS[0]), r"'y' holds timedelta64\[ns\] values"),
        (prices(y=pd.Series([1, 2, True, 4, 5, 6], dtype=object)), r"'y' holds True \(bool\)"),
        (prices(y=pd.Series([1, 2, 3j, 4, 5, 6], dtype=object)), r"'y' holds 3j \(complex\)"),
        (prices(y=[{}] * 6), r"'y' holds {} \(dict\)"),
        (prices(y=pd.Series([10**400] * 6, dtype=object)), "too large"),
        (prices(y=["1,5"] * 6), "the data of Coffee cannot be read: .*1,5"),
        (prices(unique_id=["a", " ", "a", "a", "a", "a"]), "the data of Coffee has 1 rows without 'unique_id'"),
        (prices(unique_id="\ud800"), "unique_id is .*: it has characters that are no Unicode text"),
        (
            pd.concat([prices(unique_id="a"), prices(unique_id="b", ds=DAYS[[0, 1, 1, 2, 3, 4]])]),
            "has 1 dates twice, the first 2024-01-02 in series 'b'",
        ),
        (
            pd.concat([prices(unique_id="a"), prices(unique_id="b", y=[1, 2, math.inf, 4, 5, 6])]),
            "has an infinite value on 2024-01-03 in series 'b'",
        ),
    ],
)
def test_data_that_cannot_be_used_are_refused(data: pd.DataFrame, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        prepare(data, commodity="Coffee")


RAIN = pd.DataFrame({"ds": DAYS, "rain": np.arange(6.0)})


@pytest.mark.parametrize(
    ("covariate", "said"),
    [
        (RAIN.drop(columns="rain"), r"covariate 'rain' needs the column 'ds' and one value column; it has \['ds'\]"),
        (RAIN.assign(snow=1.0), r"one value column; it has \['ds', 'rain', 'snow'\]"),
        (RAIN.assign(unique_id="a"), "covariate 'rain' needs the column 'ds' and one value column"),
        (RAIN.drop(columns="ds"), r"covariate 'rain' lacks the column 'ds'; it has \['rain'\]"),
        (RAIN.assign(rain="wet"), "covariate 'rain' cannot be read: .*wet.*'rain' numbers"),
        (RAIN.assign(ds="tomorrow"), "covariate 'rain' cannot be read"),
        (RAIN.assign(ds=1.0), r"covariate 'rain' cannot be read: 'ds' holds numbers"),
        (RAIN.assign(rain=math.inf), "covariate 'rain' has an infinite value on 2024-01-01"),
        (RAIN.assign(ds=DAYS[0]), "covariate 'rain' has 5 dates twice, the first 2024-01-01"),
        (RAIN.iloc[:0], "covariate 'rain' has no row with a date and a value"),
        (RAIN.assign(rain=math.nan), "covariate 'rain' has no row with a date and a value"),
        (RAIN.set_index("ds"), "covariate 'rain' lacks the column 'ds'.* Its dates are the index"),
        (RAIN[["ds", "ds", "rain"]], "covariate 'rain' has 2 columns named 'ds'"),
        (RAIN[["ds", "rain", "rain"]], r"one value column; it has \['ds', 'rain', 'rain'\]"),
        (pd.concat({"a": RAIN}, axis=1), "the columns of covariate 'rain' have 2 levels"),
        (RAIN.assign(rain=True), "covariate 'rain' cannot be read: 'rain' holds bool values"),
        (None, "covariate 'rain' is a NoneType: give a pandas DataFrame"),
    ],
)
def test_a_covariate_that_cannot_be_used_is_refused_by_name(covariate: pd.DataFrame, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        prepare(prices(), commodity="Coffee", covariates={"rain": covariate})


def test_times_of_several_offsets_are_refused() -> None:
    ds = ["2024-03-01T00:00:00-05:00"] * 3 + ["2024-07-01T00:00:00-04:00"] * 3
    with pytest.raises(
        InvalidInputError, match="the data of Coffee cannot be read: 'ds' holds times of several time z"
    ):
        prepare(prices(ds=ds), commodity="Coffee")


def test_the_same_date_in_two_series_is_not_twice() -> None:
    data = pd.concat([prices(unique_id="a"), prices(unique_id="b")])
    assert [len(series.y) for series in prepare(data, commodity="Coffee")] == [6, 6]


# --- frequency -----------------------------------------------------------------------------------------------------


def weekdays(n: int, first: str = "2024-01-01") -> NDArray[np.datetime64]:
    return np.busday_offset(np.datetime64(first, "D"), np.arange(n), roll="forward")


def calendar(rule: str, n: int, first: str = "2001-03-07") -> NDArray[np.datetime64]:
    return pd.date_range(first, periods=n, freq=rule).to_numpy().astype("datetime64[D]")


@pytest.mark.parametrize(
    ("rule", "frequency"),
    [
        ("D", "day"),
        ("B", "trading day"),
        ("7D", "week"),
        ("W-SUN", "week"),
        ("W-FRI", "week"),
        ("MS", "month"),
        ("ME", "month"),
        ("BME", "month"),
        ("QS", "quarter"),
        ("QE", "quarter"),
        ("BQE", "quarter"),
        ("YS", "year"),
        ("YE", "year"),
        ("2D", "irregular"),
        ("14D", "irregular"),
        ("45D", "irregular"),
        ("2QS", "irregular"),
        ("2YS", "irregular"),
    ],
)
@pytest.mark.parametrize("n", [8, 9, 60])
def test_a_frequency_is_read_from_the_dates(rule: str, frequency: str, n: int) -> None:
    assert infer_frequency(calendar(rule, n)) == frequency
    assert frequency in SEASON_LENGTH


@given(start=st.integers(-10_000, 20_000), n=st.integers(4, 80), holidays=st.sets(st.integers(1, 79), max_size=2))
@settings(max_examples=60, deadline=None)
def test_trading_days_are_days_without_weekends(start: int, n: int, holidays: set[int]) -> None:
    ds = weekdays(n, str(np.datetime64(start, "D")))
    assert infer_frequency(ds) == "trading day"
    if n >= 20:
        assert infer_frequency(np.delete(ds, [day for day in holidays if day < n])) == "trading day"


@given(start=st.integers(-10_000, 20_000), n=st.integers(6, 80))
@settings(max_examples=60, deadline=None)
def test_calendar_days_have_weekends(start: int, n: int) -> None:
    assert infer_frequency(np.datetime64(start, "D") + np.arange(n)) == "day"


@pytest.mark.parametrize("n", [0, 1, 2])
def test_two_dates_are_no_pattern(n: int) -> None:
    assert infer_frequency(weekdays(n)) == "irregular"


def test_one_missing_month_changes_nothing() -> None:
    assert infer_frequency(np.delete(calendar("MS", 24), 7)) == "month"


def test_dates_without_a_pattern_are_irregular() -> None:
    gaps = np.random.default_rng(3).integers(2, 60, 50)
    assert infer_frequency(np.datetime64("2020-01-01", "D") + np.cumsum(gaps)) == "irregular"


def test_series_of_different_frequency_are_refused_by_name() -> None:
    days = [prices(unique_id=name, ds=calendar("D", 6, "2024-01-01")) for name in "ac"]
    months = prices(unique_id="b", ds=calendar("MS", 6))
    with pytest.raises(InvalidInputError, match=r"series of Coffee differ in frequency \(day: 'a', 'c'; month: 'b'\)"):
        prepare(pd.concat([*days, months]), commodity="Coffee")


# --- dataset version -----------------------------------------------------------------------------------------------


def versioned() -> Series:
    usd = pd.DataFrame({"ds": DAYS[2:], "usd": [1.0, 2.0, 3.0, 4.0]})
    return only(prices(), rain=RAIN, usd=usd)


def test_equal_data_have_an_equal_version() -> None:
    series = versioned()
    version = series.dataset_version(("rain", "usd"))
    assert len(version) == 16
    assert int(version, 16) >= 0
    assert versioned().dataset_version(("rain", "usd")) == version
    assert series.dataset_version(("usd", "rain")) == version
    # whatever form or order they came in, and under whatever name
    assert only(prices(ds=DAYS.astype(str)).iloc[::-1]).dataset_version(()) == series.dataset_version(())
    assert replace(series, commodity="Tea", notes=("moved",)).dataset_version(("rain", "usd")) == version


@given(place=st.integers(0, 5), change=st.sampled_from([1e-12, -1.0, 1e6]))
@settings(max_examples=40, deadline=None)
def test_the_version_changes_with_every_value_and_date(place: int, change: float) -> None:
    series = versioned()
    version = series.dataset_version(("rain",))
    y = series.y.copy()
    y[place] += change
    assert replace(series, y=y).dataset_version(("rain",)) != version
    ds = series.ds.copy()
    ds[place:] += 1
    assert replace(series, ds=ds).dataset_version(("rain",)) != version
    rain = series.covariates["rain"].copy()
    rain[place] += change
    changed = replace(series, covariates={**series.covariates, "rain": rain})
    assert changed.dataset_version(("rain",)) != version
    assert changed.dataset_version(("usd",)) == series.dataset_version(("usd",))
    assert changed.dataset_version(()) == series.dataset_version(())
    rain[place] = math.nan
    assert changed.dataset_version(("rain",)) != version


def test_the_version_changes_with_which_covariates_are_used() -> None:
    series = versioned()
    versions = {series.dataset_version(used) for used in ((), ("rain",), ("usd",), ("rain", "usd"))}
    assert len(versions) == 4
    swapped = replace(
        series, covariates={"rain": series.covariates["usd"], "usd": series.covariates["rain"]}
    ).dataset_version(("rain", "usd"))
    assert swapped not in versions


def test_the_version_changes_with_the_name_of_a_covariate() -> None:
    assert only(prices(), rain=RAIN).dataset_version(("rain",)) != only(prices(), sun=RAIN).dataset_version(("sun",))


def test_the_version_changes_with_an_appended_row() -> None:
    more = pd.concat([prices(), pd.DataFrame({"ds": [dt.datetime(2024, 1, 7)], "y": [13.0]})])
    assert only(more).dataset_version(()) != only(prices()).dataset_version(())


@pytest.mark.parametrize("data", [None, "prices.csv", [1, 2], pd.Series([1.0])])
def test_what_is_no_frame_is_refused(data: object) -> None:
    with pytest.raises(InvalidInputError, match=f"is a {type(data).__name__}: give a pandas DataFrame"):
        prepare(data, commodity="Tea")  # type: ignore[arg-type]


def test_covariates_that_are_no_dictionary_of_frames_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="covariates is list: give a dictionary"):
        prepare(prices(), commodity="Tea", covariates=["vix"])  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="known_covariates is int: give a dictionary"):
        prepare(prices(), commodity="Tea", known_covariates=5)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="covariate 'vix' is a int: give a pandas DataFrame"):
        prepare(prices(), commodity="Tea", covariates={"vix": 5})  # type: ignore[dict-item]
    for name in ("", " ", None, 5, ("a", "b"), "\ud800"):
        with pytest.raises(InvalidInputError, match="a name in covariates is "):
            prepare(prices(), commodity="Tea", covariates={name: RAIN})  # type: ignore[dict-item]


def test_a_covariate_is_observed_or_known_not_both() -> None:
    both = prepare(prices(), commodity="Tea", covariates={"rain": RAIN}, known_covariates={"sun": RAIN, "moon": RAIN})
    assert both[0].known == ("moon", "sun")
    assert set(both[0].covariates) == {"rain", "sun", "moon"}
    with pytest.raises(InvalidInputError, match="covariate 'rain' is given both as observed and as known in advance"):
        prepare(prices(), commodity="Tea", covariates={"rain": RAIN}, known_covariates={"rain": RAIN})


# --- whatever is given -----------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=4),
    st.binary(max_size=2),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.timezones()),
    st.timedeltas(),
    st.decimals(),
    st.fractions(),
    st.dates(dt.date(2020, 1, 1), dt.date(2020, 2, 1)).map(str),
    st.lists(st.integers(), max_size=2),
    st.just(pd.NaT),
    st.just(pd.NA),
)


@st.composite
def any_frames(draw: st.DrawFn) -> pd.DataFrame:
    n = draw(st.integers(0, 4))
    names = draw(st.lists(st.sampled_from(["ds", "y", "unique_id", "rain", 0, None]), max_size=4))
    columns = []
    for _ in names:
        cells = draw(st.sampled_from([CELLS, st.floats(0, 9), st.dates(dt.date(2020, 1, 1), dt.date(2020, 1, 9))]))
        columns.append(pd.Series(draw(st.lists(cells, min_size=n, max_size=n)), dtype=object))
    frame = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=range(n))
    frame.columns = pd.Index(names, dtype=object)
    return frame if draw(st.booleans()) else frame.infer_objects()


@settings(max_examples=150, deadline=None)
@given(data=any_frames(), covariate=any_frames())
def test_any_frame_is_taken_or_refused_in_words(data: pd.DataFrame, covariate: pd.DataFrame) -> None:
    for given_data, covariates in ((data, None), (prices(), {"rain": covariate})):
        try:
            found = prepare(given_data, commodity="Tea", covariates=covariates)
        except InvalidInputError:
            continue
        for series in found:
            assert np.isfinite(series.y).all()
            assert (np.diff(series.ds).astype(int) > 0).all()


def test_as_of_a_date_nothing_observed_later_is_there_and_what_is_known_in_advance_stays() -> None:
    data, seen = prices(), dt.date(2024, 1, 4)
    rain = pd.DataFrame({"ds": data["ds"], "rain": np.arange(len(data), dtype=float)})
    (series,) = prepare(
        data, commodity="Coffee", covariates={"rain": rain}, known_covariates={"holiday": rain}, as_of=seen
    )
    assert series.ds[-1] <= np.datetime64(seen)
    (at_once,) = prepare(
        data[data["ds"] <= pd.Timestamp(seen)],
        commodity="Coffee",
        covariates={"rain": rain[rain["ds"] <= pd.Timestamp(seen)]},
        known_covariates={"holiday": rain},
    )
    assert series.dataset_version(("rain", "holiday")) == at_once.dataset_version(("rain", "holiday"))
    with pytest.raises(InvalidInputError, match="has nothing as of 1999-01-01: give a later date"):
        prepare(data, commodity="Coffee", as_of=dt.date(1999, 1, 1))


def test_a_known_covariate_without_rows_for_long_is_said_to_stand() -> None:
    days = pd.DataFrame({"ds": pd.date_range("2024-01-01", periods=120, freq="D"), "y": np.arange(120.0) + 1})
    tariff = pd.DataFrame({"ds": days["ds"].drop(index=range(10, 90)), "tariff": 1.0})
    (series,) = prepare(days, commodity="Coffee", known_covariates={"tariff": tariff})
    assert any("has no row between 2024-01-10 and 2024-03-31" in note for note in series.notes), series.notes
