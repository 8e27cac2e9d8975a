"""Each statistic against a reference from outside (see oracles/), against a plain loop, and against what must hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError
from experiments.science.evidence.diebold_mariano import (
    ALTERNATIVES,
    METHODS,
    VARIANCES,
    DMResult,
    degrees_of_freedom,
    diebold_mariano,
    windows_required,
)
from references import AGREEMENT, losses_by_case, number, table

# `scores` differentiates numerically: another processor's exp or FFT, off in the last bit, moves its optimum in the
# seventh digit. In one process, where both see the same bits, the agreement is tested to 1e-10.
ANOTHER_MACHINE = {"rel": 1e-5, "abs": 1e-5}

LOSSES = losses_by_case()


# --- references from outside ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", table("dm_test"), ids=lambda row: "-".join(list(row.values())[:4]))
def test_hln_is_what_r_forecast_says(row: dict[str, str]) -> None:
    result = diebold_mariano(
        *LOSSES[row["case"]],
        overlap=int(row["overlap"]),
        method="hln",
        variance=row["variance"],
        alternative=row["alternative"],
    )
    assert result.statistic == pytest.approx(float(row["statistic"]), **AGREEMENT)
    assert result.pvalue == pytest.approx(float(row["pvalue"]), **AGREEMENT)
    replaced = row["negative_variance"] == "TRUE"
    assert result.bandwidth == (0 if replaced else int(row["overlap"]) - 1)
    assert (result.note is not None) == replaced


def test_the_references_hold_negative_variances_at_more_than_one_overlap() -> None:
    replaced = {row["overlap"] for row in table("dm_test") if row["negative_variance"] == "TRUE"}
    assert replaced == {"2", "14"}


@pytest.mark.parametrize("row", table("fixed_smoothing"), ids=lambda row: f"{row['case']}-{row['overlap']}")
def test_fixed_smoothing_is_the_regression_on_cosines_in_r(row: dict[str, str]) -> None:
    for alternative, column in zip(ALTERNATIVES, ("two_sided", "less", "greater"), strict=True):
        result = diebold_mariano(
            *LOSSES[row["case"]], overlap=int(row["overlap"]), method="fixed-smoothing", alternative=alternative
        )
        assert result.statistic == pytest.approx(float(row["statistic"]), **AGREEMENT)
        assert result.pvalue == pytest.approx(float(row[column]), **AGREEMENT)
        assert result.df == result.bandwidth == int(row["cosines"])


@pytest.mark.parametrize("row", table("weighted_periodogram"), ids=lambda row: row["case"])
def test_the_weighted_periodogram_is_that_of_r(row: dict[str, str]) -> None:
    for alternative, column in zip(ALTERNATIVES, ("two_sided", "less", "greater"), strict=True):
        result = diebold_mariano(*LOSSES[row["case"]], method="weighted-periodogram", alternative=alternative)
        assert result.statistic == pytest.approx(float(row["statistic"]), **AGREEMENT)
        assert result.pvalue == pytest.approx(float(row[column]), **AGREEMENT)
        assert result.bandwidth == int(row["ordinates"])
        assert result.df == 2 * int(row["ordinates"])


@pytest.mark.parametrize("row", table("scores_dm"), ids=lambda row: "-".join(list(row.values())[:3]))
def test_hering_genton_and_hln_are_what_scores_says(row: dict[str, str]) -> None:
    method, agreement = ("hering-genton", ANOTHER_MACHINE) if row["method"] == "HG" else ("hln", AGREEMENT)
    result = diebold_mariano(*LOSSES[row["case"]], overlap=int(row["overlap"]), method=method, alternative="less")
    if math.isnan(number(row["statistic"])):
        assert result.note is not None  # a negative variance: no value there, R's replacement here
        return
    assert result.statistic == pytest.approx(float(row["statistic"]), **agreement)
    assert result.pvalue == pytest.approx(float(row["less"]), **agreement)


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("overlap", [1, 2, 7])
def test_hering_genton_is_scores_to_the_tenth_digit_in_one_process(case: str, overlap: int) -> None:
    xr = pytest.importorskip("xarray", reason="scores is not installed")
    reference = pytest.importorskip("scores.stats.statistical_tests", reason="scores is not installed")
    a, b = LOSSES[case]
    series = xr.DataArray([a - b], dims=["i", "t"], coords={"i": [0], "h": ("i", [overlap])})
    expected = reference.diebold_mariano(series, "i", "h", method="HG")
    result = diebold_mariano(a, b, overlap=overlap, method="hering-genton", alternative="less")
    assert result.statistic == pytest.approx(float(expected["dm_test_stat"][0]), **AGREEMENT)
    assert result.pvalue == pytest.approx(float(expected["confidence_gt_0"][0]), **AGREEMENT)
    assert result.df is None
    assert result.bandwidth == max((a.size - 1) // 2, overlap)


# --- plain loops ---------------------------------------------------------------------------------------------------


def autocovariance(d: list[float], lag: int) -> float:
    mean = sum(d) / len(d)
    return sum((d[t] - mean) * (d[t - lag] - mean) for t in range(lag, len(d))) / len(d)


def loop_hln(d: list[float], h: int, variance: str) -> float:
    n = len(d)
    spread = autocovariance(d, 0)
    for k in range(1, h):
        spread += 2 * autocovariance(d, k) * (1 if variance == "acf" else 1 - k / h)
    if spread <= 0:
        return loop_hln(d, 1, variance)
    return sum(d) / n / math.sqrt(spread / n) * math.sqrt((n + 1 - 2 * h + h / n * (h - 1)) / n)


def loop_fixed_smoothing(d: list[float], overlap: int) -> float:
    n = len(d)
    count = 1
    while (count + 1) ** 3 <= 0.4**3 * n**2 * (1 + 1e-12) and (count + 1) * overlap <= n:
        count += 1
    omega = 0.0
    for j in range(1, count + 1):
        projection = sum(d[t - 1] * math.cos(math.pi * j * (t - 0.5) / n) for t in range(1, n + 1))
        omega += (math.sqrt(2 / n) * projection) ** 2 / count
    return math.sqrt(n) * (sum(d) / n) / math.sqrt(omega)


def loop_weighted_periodogram(d: list[float]) -> float:
    n = len(d)
    count = 1
    while (count + 1) ** 3 <= n:
        count += 1
    omega = 0.0
    for j in range(1, count + 1):
        cosine = sum(x * math.cos(2 * math.pi * j * t / n) for t, x in enumerate(d))
        sine = sum(x * math.sin(2 * math.pi * j * t / n) for t, x in enumerate(d))
        omega += (cosine**2 + sine**2) / n / count
    return math.sqrt(n) * (sum(d) / n) / math.sqrt(omega)


def loop_hering_genton(d: list[float], overlap: int) -> float:
    """With its own fit: for each reach the best variance is a ratio of sums, so only the reach is searched."""
    n = len(d)
    c = [autocovariance(d, k) for k in range(max((n - 1) // 2, overlap))]

    def level(reach: float) -> float:
        shape = [math.exp(-3 * k / reach) for k in range(len(c))]
        return sum(s * x for s, x in zip(shape, c, strict=True)) / sum(s * s for s in shape)

    def misfit(reach: float) -> float:
        return sum((level(reach) * math.exp(-3 * k / reach) - x) ** 2 for k, x in enumerate(c))

    low, high = 0.05, 100.0
    for _ in range(60):
        third = (high - low) / 3
        low, high = (low, high - third) if misfit(low + third) < misfit(high - third) else (low + third, high)
    spread = level(low) * (1 + 2 * sum(math.exp(-3 * k / low) for k in range(1, n)))
    return sum(d) / n / math.sqrt(spread / n)


@pytest.mark.parametrize("case", LOSSES)
@pytest.mark.parametrize("overlap", [1, 2, 7])
def test_each_statistic_is_its_plain_loop(case: str, overlap: int) -> None:
    a, b = LOSSES[case]
    d = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    for variance in VARIANCES:
        result = diebold_mariano(a, b, overlap=overlap, method="hln", variance=variance)
        assert result.statistic == pytest.approx(loop_hln(d, overlap, variance), rel=1e-10)
    result = diebold_mariano(a, b, overlap=overlap, method="fixed-smoothing")
    assert result.statistic == pytest.approx(loop_fixed_smoothing(d, overlap), rel=1e-10)
    result = diebold_mariano(a, b, overlap=overlap, method="weighted-periodogram")
    assert result.statistic == pytest.approx(loop_weighted_periodogram(d), rel=1e-10)


@pytest.mark.parametrize("case", ["iid_40", "ma2_25", "ma7_60", "ma14_40", "nile_7"])
def test_hering_genton_is_its_plain_loop(case: str) -> None:
    a, b = LOSSES[case]
    result = diebold_mariano(a, b, overlap=2, method="hering-genton")
    assert result.statistic == pytest.approx(loop_hering_genton(list(a - b), 2), rel=1e-4)


# --- what must hold ------------------------------------------------------------------------------------------------

LOSS = st.floats(0, 100).map(lambda x: round(x, 3))


@st.composite
def pairs_of_losses(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    n = draw(st.integers(10, 40))
    a, b = (np.array(draw(st.lists(LOSS, min_size=n, max_size=n))) for _ in range(2))
    return a, b, draw(st.sampled_from([1, 2, 3, 7]))


CLOSED_FORMS = [{"method": method} for method in ("auto", "fixed-smoothing", "weighted-periodogram")]
CLOSED_FORMS += [{"method": "hln", "variance": variance} for variance in VARIANCES]


def numbers(result: DMResult) -> tuple[float, float]:
    assume(result.statistic is not None)
    return result.statistic, result.pvalue


@pytest.mark.parametrize("options", [*CLOSED_FORMS, {"method": "hering-genton"}])
@settings(max_examples=15, deadline=None)
@given(pair=pairs_of_losses())
def test_swapping_the_models_flips_the_sign(options: dict[str, Any], pair: tuple[np.ndarray, np.ndarray, int]) -> None:
    a, b, overlap = pair
    statistic, pvalue = numbers(diebold_mariano(a, b, overlap=overlap, **options))
    swapped = diebold_mariano(b, a, overlap=overlap, **options)
    assert (swapped.statistic, swapped.pvalue) == (-statistic, pvalue)
    assert swapped.mean_difference == -diebold_mariano(a, b, overlap=overlap, **options).mean_difference


@pytest.mark.parametrize("options", CLOSED_FORMS)
@settings(max_examples=15, deadline=None)
@given(pair=pairs_of_losses(), exponent=st.integers(-200, 200), unit=st.floats(0.1, 10))
def test_the_unit_of_the_losses_does_not_matter(
    options: dict[str, Any], pair: tuple[np.ndarray, np.ndarray, int], exponent: int, unit: float
) -> None:
    a, b, overlap = pair
    # A power of two changes no digit, whatever its size.
    result = diebold_mariano(a, b, overlap=overlap, **options)
    doubled = diebold_mariano(np.ldexp(a, exponent), np.ldexp(b, exponent), overlap=overlap, **options)
    assert (doubled.statistic, doubled.pvalue) == (result.statistic, result.pvalue)
    statistic, pvalue = numbers(result)
    assume(abs(statistic) < 1e3)  # beyond, the variance is nearly zero and rounding shows
    scaled = diebold_mariano(a * unit, b * unit, overlap=overlap, **options)
    assert scaled.statistic == pytest.approx(statistic, rel=1e-6, abs=1e-9)
    assert scaled.pvalue == pytest.approx(pvalue, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("options", [*CLOSED_FORMS, {"method": "hering-genton"}])
@settings(max_examples=15, deadline=None)
@given(pair=pairs_of_losses())
def test_pvalues_of_the_two_sides_sum_to_one(options: dict[str, Any], pair: tuple[np.ndarray, np.ndarray, int]) -> None:
    a, b, overlap = pair
    statistic, two_sided = numbers(diebold_mariano(a, b, overlap=overlap, **options))
    less = diebold_mariano(a, b, overlap=overlap, alternative="less", **options).pvalue
    greater = diebold_mariano(a, b, overlap=overlap, alternative="greater", **options).pvalue
    assert less + greater == pytest.approx(1)
    assert two_sided == pytest.approx(2 * min(less, greater))
    assert (less < 0.5) == (statistic < 0) or less == pytest.approx(0.5)


@settings(max_examples=60, deadline=None)
@given(
    losses=st.lists(st.floats(0.01, 100), min_size=28, max_size=60),
    share=st.floats(-0.99, 0.99),
    overlap=st.sampled_from([1, 2, 7, 14]),
    offset=st.sampled_from([0.0, 0.5]),
)
def test_a_copy_within_tolerance_is_a_result_without_a_number(
    losses: list[float], share: float, overlap: int, offset: float
) -> None:
    a = np.array(losses)
    rng = np.random.default_rng(0)
    b = a + offset + share * 0.5e-6 * np.mean(a) * rng.choice([-1, 1], a.size)
    result = diebold_mariano(a, b, overlap=overlap)
    assert (result.statistic, result.pvalue) == (None, None)
    assert "the same in every window, within 1e-06 of the mean loss" in result.note


@pytest.mark.parametrize(
    "copy", [np.copy, lambda x: x.astype(np.float32), lambda x: np.exp(np.log(x)), lambda x: x * 3 / 3]
)
@pytest.mark.parametrize("overlap", [1, 7])
def test_float32_and_log_copies_of_the_losses_are_equal(copy: Any, overlap: int) -> None:
    losses = np.abs(np.random.default_rng(1).standard_normal(60))
    result = diebold_mariano(copy(losses), losses, overlap=overlap)
    assert result.statistic is None
    assert result.note.startswith("the two models lose the same in every window")


def test_a_difference_just_above_the_tolerance_is_tested() -> None:
    rng = np.random.default_rng(2)
    b = 1 + rng.random(40)
    assert diebold_mariano(b + 1e-4 * rng.standard_normal(40), b).statistic is not None


def test_fixed_smoothing_keeps_its_size_where_the_usual_tests_lose_it() -> None:
    """No skill, absolute errors reaching over 7 windows, 60 windows: 5 % asked for."""
    rng = np.random.default_rng(20260101)
    repetitions, n, overlap = 1500, 60, 7
    errors = np.abs(
        np.lib.stride_tricks.sliding_window_view(
            rng.standard_normal((2, repetitions, n + overlap - 1)), overlap, -1
        ).sum(-1)
    )
    rejected = {"fixed-smoothing": 0, "hln": 0}
    for a, b in zip(*errors, strict=True):
        for method in rejected:
            rejected[method] += diebold_mariano(a, b, overlap=overlap, method=method).pvalue < 0.05
    share = {method: count / repetitions for method, count in rejected.items()}
    # Monte Carlo error (two standard errors): 1.1 points.
    assert 0.035 <= share["fixed-smoothing"] <= 0.07
    assert share["hln"] > share["fixed-smoothing"] + 0.02


# --- auto, refusals and errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("overlap", "method"), [(1, "hln"), (2, "fixed-smoothing"), (7, "fixed-smoothing")])
def test_auto_is_hln_without_overlap_and_fixed_smoothing_with(overlap: int, method: str) -> None:
    losses = LOSSES["nile_7"]
    assert diebold_mariano(*losses, overlap=overlap) == diebold_mariano(*losses, overlap=overlap, method=method)


def test_a_result_tells_what_it_was_computed_from() -> None:
    a, b = LOSSES["iid_40"]
    result = diebold_mariano(a, b)
    assert (result.n, result.method, result.bandwidth, result.df, result.note) == (40, "hln", 0, 39, None)
    assert result.mean_difference == pytest.approx(np.mean(a) - np.mean(b))
    assert result.statistic < 0
    assert diebold_mariano(a, b, alternative="less").pvalue < 0.05 < diebold_mariano(a, b, alternative="greater").pvalue
    assert type(result.statistic) is type(result.pvalue) is type(result.mean_difference) is float


@pytest.mark.parametrize(
    ("n", "overlap", "needed"), [(7, 1, 8), (0, 1, 8), (1, 1, 8), (7, 4, 8), (13, 7, 14), (27, 14, 28)]
)
def test_too_few_windows_say_nothing_and_how_many_would(n: int, overlap: int, needed: int) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.random((2, needed))
    result = diebold_mariano(a[:n], b[:n], overlap=overlap)
    assert (result.statistic, result.pvalue, result.bandwidth, result.df) == (None, None, None, None)
    assert result.note == f"too few windows to say: {n} given, at least {needed} needed at overlap {overlap}"
    assert math.isnan(result.mean_difference) == (n == 0)
    assert result.method == ("hln" if overlap == 1 else "fixed-smoothing")
    assert diebold_mariano(a, b, overlap=overlap).statistic is not None


@pytest.mark.parametrize("method", ["hln", "hering-genton", "fixed-smoothing", "weighted-periodogram"])
def test_an_overlap_of_all_windows_is_refused_and_one_less_is_not(method: str) -> None:
    a, b = np.random.default_rng(4).random((2, 6))
    result = diebold_mariano(a, b, overlap=6, method=method)
    assert result.statistic is None
    assert result.note == "too few windows to say: 6 given, at least 7 needed at overlap 6"
    assert diebold_mariano(a, b, overlap=5, method=method).statistic is not None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("overlap", [1, 3])
@pytest.mark.parametrize(
    ("offset", "said"), [(0.0, "the two models lose the same"), (0.1, "the difference is the same")]
)
def test_constant_differences_are_refused(method: str, overlap: int, offset: float, said: str) -> None:
    a = np.random.default_rng(5).random(30)
    result = diebold_mariano(a + offset, a, overlap=overlap, method=method)
    assert (result.statistic, result.pvalue, result.df) == (None, None, None)
    assert result.note.startswith(said)
    assert result.mean_difference == pytest.approx(offset)


def test_losses_of_nothing_but_zeros_are_equal() -> None:
    assert diebold_mariano(np.zeros(9), np.zeros(9)).note.startswith("the two models lose the same")


def test_differences_without_low_frequencies_are_refused_by_fixed_smoothing() -> None:
    n = 64
    d = np.cos(np.pi * 20 * (np.arange(n) + 0.5) / n)
    result = diebold_mariano(3 + d, np.full(n, 2.0), overlap=2)
    assert result.statistic is None
    assert result.note.startswith("the differences do not move at the 6 lowest frequencies")
    assert (result.standard_error, result.interval()) == (None, None)
    e = np.cos(2 * np.pi * 20 * np.arange(n) / n)
    result = diebold_mariano(3 + e, np.full(n, 2.0), method="weighted-periodogram")
    assert result.statistic is None
    assert result.note.startswith("the differences do not move at the 4 lowest Fourier frequencies")


def test_a_variance_of_zero_up_to_rounding_counts_as_negative() -> None:
    """Of 1, -1, 0, repeated, c0 + 2 c1 is zero; in floating point its sign would be an accident."""
    d = 0.05 + 0.1 * np.array([1.0, -1.0, 0.0] * 10)
    assert autocovariance(list(d), 0) + 2 * autocovariance(list(d), 1) == pytest.approx(0, abs=1e-15)
    result = diebold_mariano(0.7 + d, np.full(30, 0.7), overlap=2, method="hln")
    assert result.bandwidth == 0
    assert result.note.startswith("the variance at overlap 2 came out negative")


@pytest.mark.parametrize(
    ("n", "overlap", "cosines"), [(125, 1, 10), (1000, 7, 40), (999, 7, 39), (60, 14, 4), (3, 2, 1)]
)
def test_the_number_of_cosines_is_that_of_exact_arithmetic(n: int, overlap: int, cosines: int) -> None:
    a, b = np.random.default_rng(6).random((2, n))
    assert diebold_mariano(a, b, overlap=overlap, method="fixed-smoothing").df == cosines


def test_two_windows_have_no_ordinate_of_two_degrees() -> None:
    result = diebold_mariano([1.0, 2.0], [3.0, 1.0], method="weighted-periodogram")
    assert result.statistic is None
    assert result.note == "too few windows to say: 2 given, at least 3 needed at overlap 1"
    assert diebold_mariano([1.0, 2.0, 4.0], [3.0, 1.0, 1.0], method="weighted-periodogram").df == 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("overlap", [1, 2, 7])
@pytest.mark.parametrize("case", LOSSES)
def test_the_statistic_is_the_difference_over_its_standard_error(
    case: str, overlap: int, variance: str, method: str
) -> None:
    a, b = LOSSES[case]
    result = diebold_mariano(a, b, overlap=overlap, method=method, variance=variance)
    if result.statistic is None:
        assert (result.standard_error, result.interval()) == (None, None)
        return
    assert result.statistic == pytest.approx(result.mean_difference / result.standard_error, rel=1e-12)
    low, high = result.interval()
    assert (low + high) / 2 == pytest.approx(result.mean_difference)
    assert (low <= 0 <= high) == (result.pvalue >= 0.05)
    # At the level of 1 - p the interval ends at zero.
    ends = result.interval(1 - result.pvalue)
    assert min(abs(end) for end in ends) == pytest.approx(0, abs=1e-6 * result.standard_error)


@pytest.mark.parametrize("method", ["auto", "fixed-smoothing", "weighted-periodogram", "hering-genton"])
def test_a_mean_of_zero_has_a_standard_error_all_the_same(method: str) -> None:
    d = np.array([1.0, 3.0, -2.0, -2.0, 5.0, -5.0, 1.0, -1.0, 2.0, -2.0])
    result = diebold_mariano(10 + d, np.full(d.size, 10.0), method=method)
    assert (result.statistic, result.mean_difference) == (0, 0)
    moved = diebold_mariano(11 + d, np.full(d.size, 10.0), method=method)
    assert result.standard_error == pytest.approx(moved.standard_error)
    assert result.standard_error == pytest.approx(moved.mean_difference / moved.statistic)
    low, high = result.interval(0.9)
    assert low == -high < 0


@pytest.mark.parametrize("overlap", [1, 7])
def test_the_standard_error_has_the_unit_of_the_losses(overlap: int) -> None:
    a, b = LOSSES["ma7_60"]
    plain = diebold_mariano(a, b, overlap=overlap)
    for unit in (2.0**-200, 1e-3, 1e6, 2.0**300):
        scaled = diebold_mariano(a * unit, b * unit, overlap=overlap)
        assert scaled.standard_error == pytest.approx(plain.standard_error * unit)
        assert scaled.interval() == pytest.approx([bound * unit for bound in plain.interval()])


def test_an_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    repetitions, held = 1000, 0
    for _ in range(repetitions):
        low, high = diebold_mariano(1 + rng.standard_normal(20), rng.standard_normal(20)).interval(0.8)
        held += low <= 1 <= high
    # Monte Carlo error (three standard errors): 3.8 points.
    assert held / repetitions == pytest.approx(0.8, abs=0.038)


def test_student_reaches_further_than_the_normal() -> None:
    a, b = LOSSES["iid_40"]
    normal = diebold_mariano(a, b, method="hering-genton")
    low, high = normal.interval()
    assert (high - low) / 2 / normal.standard_error == pytest.approx(1.959963984540054)
    student = diebold_mariano(a, b)
    low, high = student.interval()
    assert (high - low) / 2 / student.standard_error == pytest.approx(2.0226909200367604)  # R: qt(0.975, 39)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 1.5, math.nan, "0.95", None, 1])
def test_a_level_that_is_none_raises(level: Any) -> None:
    with pytest.raises(InvalidInputError, match="accepted is a number between 0 and 1"):
        diebold_mariano(*LOSSES["iid_40"]).interval(level)


@pytest.mark.parametrize(("n", "overlap"), [(8, 1), (40, 1), (60, 14), (125, 7), (1000, 7)])
def test_degrees_of_freedom_are_those_of_the_test(n: int, overlap: int) -> None:
    a, b = np.random.default_rng(8).random((2, n))
    assert degrees_of_freedom(n, overlap) == diebold_mariano(a, b, overlap=overlap).df


@pytest.mark.parametrize(("overlap", "needed"), [(1, 8), (4, 8), (5, 10), (14, 28)])
def test_the_windows_required_are_those_of_the_test(overlap: int, needed: int) -> None:
    assert windows_required(overlap) == needed
    a, b = np.random.default_rng(9).random((2, needed))
    assert diebold_mariano(a, b, overlap=overlap).statistic is not None
    assert diebold_mariano(a[1:], b[1:], overlap=overlap).statistic is None


def test_counts_that_are_none_raise() -> None:
    with pytest.raises(InvalidInputError, match="n counts windows: given 1, accepted is an integer of at least 2"):
        degrees_of_freedom(1, 1)
    with pytest.raises(InvalidInputError, match="overlap counts windows: given 0"):
        degrees_of_freedom(10, 0)
    with pytest.raises(InvalidInputError, match="overlap counts windows: given 0"):
        windows_required(0)


@pytest.mark.parametrize("unit", [1e-170, 1e-3, 1e5, 1e100, 1e150, 1e200])
def test_hering_genton_refuses_a_unit_in_which_its_fit_fails(unit: float) -> None:
    a, b = LOSSES["ma7_60"]
    result = diebold_mariano(a * unit, b * unit, overlap=7, method="hering-genton")
    assert (result.statistic, result.pvalue) == (None, None)
    assert "divide both losses by a number" in result.note
    assert diebold_mariano(a * unit, b * unit, overlap=7).statistic is not None


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, math.nan, 2.0], "loss_a holds 1 losses that are not finite, the first nan at position 1"),
        ([math.inf, 1.0, -math.inf], "loss_a holds 2 losses that are not finite, the first inf at position 0"),
        ([1.0, None, 2.0], "loss_a holds 1 losses that are not finite"),
        ([1.0, 2.0], "loss_a has 2 values and loss_b 3"),
        ([[1.0, 2.0, 3.0]], r"loss_a has shape \(1, 3\)"),
        (1.0, r"loss_a has shape \(\)"),
        (["a", "b", "c"], "loss_a holds something that is not a number"),
        ([1, object(), 3], "loss_a holds something that is not a number"),
    ],
)
def test_losses_that_cannot_be_used_raise(values: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        diebold_mariano(values, [1.0, 2.0, 3.0])


def test_the_second_model_is_named_where_its_losses_are_at_fault() -> None:
    with pytest.raises(InvalidInputError, match="loss_b holds 1 losses"):
        diebold_mariano([1.0, 2.0, 3.0], [1.0, math.nan, 3.0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"overlap": 0}, "given 0, accepted is an integer of at least 1"),
        ({"overlap": -3}, "given -3"),
        ({"overlap": 1.0}, "given 1.0"),
        ({"overlap": True}, "given True"),
        ({"method": "dm"}, "method 'dm' is not known: accepted are auto, hln, hering-genton, fixed-smoothing, weig"),
        ({"variance": "white"}, "variance 'white' is not known: accepted are acf, bartlett"),
        ({"alternative": "two.sided"}, "alternative 'two.sided' is not known: accepted are two-sided, less, greater"),
    ],
)
def test_options_that_cannot_be_used_raise(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        diebold_mariano([1.0, 2.0, 3.0], [3.0, 1.0, 2.0], **options)


def test_an_overlap_counted_by_numpy_is_accepted() -> None:
    assert diebold_mariano(*LOSSES["iid_40"], overlap=np.int64(2)).method == "fixed-smoothing"
