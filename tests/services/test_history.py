"""`MetricsLogger`: each answer against a plain loop over the points given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.errors import InvalidInputError, NotFoundError
from experiments.services.ledger import connect
from experiments.services.tracking.aggregation import PERCENTILES, histogram, summarise
from experiments.services.tracking.history import MetricsLogger
from tracked import ODD, fill, logged, run_id, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RANDOM = np.random.default_rng(9)
EPISODES = [*RANDOM.integers(0, 20, 300).tolist(), None, None]
VALUES = [*RANDOM.normal(size=300).tolist(), math.nan, 7.0]
VALUES[7] = math.nan
A, B, QUIET = run_id("history a"), run_id("history b"), run_id("history quiet")

LONG = math.inf
NAN = math.nan


def by_loop(values: Sequence[float], percentiles: Sequence[float] = PERCENTILES) -> dict[str, float]:
    """The figures of one group of values."""
    kept = [value for value in values if not math.isnan(value)]
    found = {"n": len(kept), "n_nan": len(values) - len(kept)}
    with np.errstate(all="ignore"):
        found["mean"] = float(np.mean(kept)) if kept else NAN
        found["std"] = float(np.std(kept, ddof=1)) if len(kept) > 1 else NAN
    found |= {"min": min(kept, default=NAN), "max": max(kept, default=NAN)}
    return found | {f"p{one:g}": float(np.percentile(kept, one)) if kept else NAN for one in percentiles}


class TestSummarise:
    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(
            st.tuples(st.integers(0, 4), st.one_of(st.just(NAN), st.floats(-1e6, 1e6, width=32), st.just(3.0))),
            max_size=40,
        )
    )
    def test_as_a_loop_over_the_groups(self, points: list[tuple[int, float]]) -> None:
        groups, values = [group for group, _ in points], [value for _, value in points]
        asked = (0, 12.5, 50, 99, 100)
        found = summarise(np.array(values, dtype=float), np.array(groups, dtype=np.int64), 5, asked)
        for group in range(5):
            own = by_loop([value for one, value in points if one == group], asked)
            for name, expected in own.items():
                np.testing.assert_allclose(found[name][group], expected, rtol=1e-9, atol=1e-6, err_msg=name)

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ([LONG, 1.0], {"mean": LONG, "std": NAN, "min": 1.0, "max": LONG, "p0": 1.0, "p50": LONG}),
            ([-LONG, 1.0], {"mean": -LONG, "std": NAN, "p50": -LONG, "p100": 1.0}),
            ([-LONG, LONG], {"mean": NAN, "std": NAN, "p50": NAN, "p100": LONG}),
            ([LONG, LONG, NAN], {"n": 2, "n_nan": 1, "mean": LONG, "p50": LONG, "min": LONG}),
            ([0.1] * 1000, {"mean": 0.1, "std": 0.0, "p50": 0.1}),
        ],
    )
    def test_infinities_are_kept_and_equal_values_have_no_spread(
        self, values: list[float], expected: dict[str, float]
    ) -> None:
        found = summarise(np.array(values), np.zeros(len(values), dtype=np.int64), 1, (0, 50, 100))
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name][0], value, err_msg=name)


class TestHistogram:
    def test_infinities_and_what_lies_outside_are_told_apart_from_nan(self) -> None:
        values = np.array([0.0, 1.0, 2.0, 4.0, NAN, LONG, -LONG])
        found = histogram(values, 2)
        assert found.edges.tolist() == [0.0, 2.0, 4.0]
        assert found.counts.tolist() == [2, 2]
        assert (found.n_outside, found.n_nan) == (2, 1)
        found = histogram(values, (1, 2, 3))
        assert found.counts.tolist() == [1, 1]
        assert found.n_outside == 4

    def test_of_nothing_and_of_one_value(self) -> None:
        assert histogram(np.array([]), 3).counts.tolist() == [0, 0, 0]
        assert histogram(np.array([5.0, 5.0]), 1).counts.tolist() == [2]
        assert histogram(np.array([NAN]), 1).n_nan == 1

    def test_values_no_bins_can_be_laid_between(self) -> None:
        with pytest.raises(InvalidInputError, match=r"10 bins cannot be laid from -1.7e\+308 to 1.7e\+308"):
            histogram(np.array([-1.7e308, 1.7e308]), 10)

    @pytest.mark.parametrize(
        "bins", [0, -1, 1.5, True, "10", "ab", None, [1], [2, 1], [1, 1], [0, NAN], ["a", "b"], 10**6]
    )
    def test_what_are_no_bins(self, bins: Any) -> None:
        with pytest.raises(InvalidInputError, match="bins is"):
            histogram(np.array([1.0]), bins)


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MetricsLogger]:
    with connect(tmp_path_factory.mktemp("history")) as ledger:
        summary = {"n": 3.0, "mean": 2.0, "std": 1.0, "min": 1.0, "max": 3.0, "p5": 1.1, "p50": 2.0, "p95": 2.9}
        shape = {"edges": [1.0, 2.0, 3.0], "counts": [1.0, 2.0], "summary": summary}
        fill(
            ledger.engine,
            experiments=[run_of(f"history {name}") for name in ("a", "b", "quiet")],
            metrics=[
                *logged(A, ODD, VALUES, episode=EPISODES, step=[*range(302)]),
                *logged(A, "loss", [5.0, NAN, 4.0, 2.0], first=400, step=[3, 2**60 + 1, 1, 1]),
                *logged(
                    A, "mixed", [1.0, 2.0], first=500, step=[0, 1], **{name: [None, one] for name, one in shape.items()}
                ),
                *logged(A, "infinite", [1.0, LONG, -LONG], first=600),
                *logged(B, "loss", [1.0, LONG], first=1000, step=[1, 2]),
                *logged(B, "by epoch", [1.0], first=1010, epoch=4),
                *(point for n in range(30) for point in logged(B, f"many {n}", [0.0], first=2000 + n)),
            ],
        )
        yield MetricsLogger(ledger)


@pytest.mark.engine
class TestMetricsLogger:
    def test_history_of_one_metric_and_of_all(self, metrics: MetricsLogger) -> None:
        found = metrics.history(A, ODD)
        np.testing.assert_array_equal(found["value"], VALUES)
        assert [None if one is pd.NA else one for one in found["episode"]] == EPISODES
        assert len(metrics.history(A)) == len(VALUES) + 9
        assert metrics.history(QUIET).empty

    def test_aggregate_over_all_and_by_episode(self, metrics: MetricsLogger) -> None:
        whole = metrics.aggregate(A, ODD).iloc[0].to_dict()
        np.testing.assert_allclose([*whole.values()], [*by_loop(VALUES).values()], rtol=1e-9)
        asked = (1, 50, 99.9)
        found = metrics.aggregate(A, ODD, by="episode", percentiles=asked)
        assert list(found.columns) == ["episode", "n", "n_nan", "mean", "std", "min", "max", "p1", "p50", "p99.9"]
        keys = sorted({one for one in EPISODES if one is not None})
        assert list(found["episode"]) == [*keys, pd.NA]
        for key, (_, row) in zip([*keys, None], found.iterrows(), strict=True):
            own = by_loop([value for value, one in zip(VALUES, EPISODES, strict=True) if one == key], asked)
            np.testing.assert_allclose(row[[*own]].astype(float), [*own.values()], rtol=1e-9, err_msg=str(key))

    def test_steps_that_no_float_can_tell_apart_are_groups_of_their_own(self, metrics: MetricsLogger) -> None:
        found = metrics.aggregate(A, "loss", by="step", percentiles=())
        assert list(found["step"]) == [1, 3, 2**60 + 1]
        np.testing.assert_array_equal(found["mean"], [3.0, 5.0, NAN])
        np.testing.assert_array_equal(found["n_nan"], [0, 0, 1])

    def test_compare_lays_runs_side_by_side(self, metrics: MetricsLogger) -> None:
        found = metrics.compare([B, A, QUIET], "loss")
        assert list(found.columns) == [B, A, QUIET]
        assert found.index.name == "step"
        assert list(found.index) == [1, 2, 3, 2**60 + 1]
        np.testing.assert_array_equal(found[B], [1.0, LONG, NAN, NAN])
        np.testing.assert_array_equal(found[A], [3.0, NAN, 5.0, NAN])
        assert found[QUIET].isna().all()
        assert metrics.compare([B[:36]], "by epoch", by="epoch").to_dict() == {B: {4: 1.0}}

    def test_distributions_as_values(self, metrics: MetricsLogger) -> None:
        found = metrics.distribution(A, "mixed")
        assert len(found) == 1
        row = found.iloc[0]
        assert (row["step"], list(row["edges"]), list(row["counts"])) == (1, [1.0, 2.0, 3.0], [1.0, 2.0])
        assert (row["n"], row["mean"], row["p95"]) == (3.0, 2.0, 2.9)

    def test_histogram_of_points(self, metrics: MetricsLogger) -> None:
        kept = [value for value in VALUES if not math.isnan(value)]
        found = metrics.histogram(A, ODD, bins=7)
        counts, edges = np.histogram(kept, bins=7)
        np.testing.assert_array_equal(found.counts, counts)
        np.testing.assert_allclose(found.edges, edges)
        assert (found.n_outside, found.n_nan) == (0, 2)
        assert metrics.histogram(A, "infinite").n_outside == 2

    def test_by_default_the_ledger_opened_last(self, metrics: MetricsLogger) -> None:
        assert len(MetricsLogger().history(A, "loss")) == 4

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda one: one.history("nobody"), "there is no run 'nobody'"),
            (lambda one: one.history(A, "losses"), "Did you mean 'loss'"),
            (lambda one: one.aggregate(B, "lose"), r"which has 32 'lose'. Did you mean 'loss'\?.*\.\.\."),
            (lambda one: one.histogram(QUIET, "loss"), r"has no metrics yet.*flush\(\)"),
            (lambda one: one.compare([QUIET], "loss"), "has no metrics yet"),
            (lambda one: one.distribution(A, "none"), "unknown metric"),
        ],
    )
    def test_what_is_not_there(self, metrics: MetricsLogger, call: Any, words: str) -> None:
        with pytest.raises(NotFoundError, match=words):
            call(metrics)

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda one: one.history(A, 7), "name is 7"),
            (lambda one: one.aggregate(A, "loss", by="day"), "by is 'day': give one of 'step', 'episode', 'epoch' or"),
            (lambda one: one.aggregate(A, "loss", by="epoch"), "is counted by step, not by epoch"),
            (lambda one: one.aggregate(A, "infinite", by="step"), "is counted by nothing, not by step"),
            (lambda one: one.aggregate(A, "loss", percentiles=(50, 101)), "percentiles has 101"),
            (lambda one: one.aggregate(A, "loss", percentiles=(NAN,)), "percentiles has nan"),
            (lambda one: one.aggregate(A, "loss", percentiles="50"), "percentiles has '50'"),
            (lambda one: one.aggregate(A, "loss", percentiles=(50, 50.0)), "ask for each one once"),
            (lambda one: one.compare([], "loss"), r"experiment_ids is \[\]"),
            (lambda one: one.compare(A, "loss"), "experiment_ids is '"),
            (lambda one: one.compare([A, B, A], "loss"), "is given 2 times"),
            (lambda one: one.compare([A, B], "loss", by="episode"), "is counted by step, not by episode"),
            (lambda one: one.compare([A], "loss", by=None), "by is None"),
            (lambda one: one.distribution(A, "loss"), "has single values, no distributions"),
            (lambda one: one.histogram(A, "loss", bins=0), "bins is 0"),
        ],
    )
    def test_what_cannot_be_asked(self, metrics: MetricsLogger, call: Any, words: str) -> None:
        with pytest.raises(InvalidInputError, match=words):
            call(metrics)
