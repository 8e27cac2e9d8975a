"""Runs found, read whole and compared, on one ledger of two runs that differ in everything."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.ledger import connect
from experiments.services.tracking import runs
from experiments.services.tracking.comparing import NOT_KEPT, Compared, compare_runs
from experiments.services.tracking.drawing import plot_points
from tracked import BEGAN, ODD, fill, logged, run_of, two_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from experiments.storage.engine import Engine

pytestmark = pytest.mark.engine

UNKNOWN = "01234567-89ab-7cde-8f01-23456789abcd"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with connect(tmp_path_factory.mktemp("runs")) as ledger:
        yield ledger.engine


@pytest.fixture(scope="module")
def ids(engine: Engine) -> tuple[str, str]:
    return two_runs(engine)


class TestResolve:
    def test_a_whole_id_or_the_beginning_of_one_only(self, engine: Engine, ids: tuple[str, str]) -> None:
        a, b = ids
        assert runs.resolve(engine, a) == a
        assert runs.resolve(engine, b[:-1]) == b
        assert runs.resolve(engine, a[:20]) == a

    def test_several_that_begin_so_are_named(self, engine: Engine, ids: tuple[str, str]) -> None:
        with pytest.raises(
            InvalidInputError, match=r"^several runs begin with '01': .*\('b'\).* Give more of the id\.$"
        ):
            runs.resolve(engine, "01")

    def test_a_whole_id_counts_though_others_begin_with_it(self, engine: Engine, ids: tuple[str, str]) -> None:
        outside = [run_of("x", experiment_id="outside" + "!" * n, tags=["of others"]) for n in range(9)]
        fill(engine, experiments=outside)
        assert runs.resolve(engine, "outside") == "outside"
        assert runs.read_run(engine, "outside!").metrics.empty
        with pytest.raises(
            InvalidInputError, match=r"several runs begin with 'outsid': .* \('x'\) and others\. Give more"
        ):
            runs.resolve(engine, "outsid")

    @pytest.mark.parametrize("given", [UNKNOWN, "%", "_", "' or 1=1 --", ODD, "9" * 300])
    def test_none_begins_so(self, engine: Engine, given: str) -> None:
        with pytest.raises(NotFoundError, match="there is no run"):
            runs.resolve(engine, given)

    @pytest.mark.parametrize("given", ["", "  ", None, 7, "\ud800"])
    def test_no_text(self, engine: Engine, given: Any) -> None:
        with pytest.raises(InvalidInputError, match="the run is"):
            runs.resolve(engine, given)


class TestReadRun:
    def test_all_that_is_recorded_comes_back(self, engine: Engine, ids: tuple[str, str]) -> None:
        run = runs.read_run(engine, ids[0])
        assert run.experiment_id == ids[0]
        row = run.row
        assert (row["name"], row["notes"], row["tags"]) == ("a" + ODD, ODD, ["bitcoin", ODD, "k=v"])
        assert (row["random_seed"], row["git_dirty"], row["parent_id"]) == (42, False, None)
        assert (row["command"], row["run_month"]) == (["python", "train.py", "--x"], "2026-11")
        assert row["ended_at"] - row["started_at"] == dt.timedelta(seconds=90)
        assert run.environment is not None
        assert dict(run.environment["packages"]) == {"numpy": "2.4.6", "torch": "2.9.0"}
        parameters = {(one["model_id"] != "", one["name"]): one["value"] for one in run.parameters.to_dict("records")}
        assert parameters[False, "lr"] == "0.0003"
        assert (True, "depth") in parameters
        assert (False, ODD) in parameters
        assert list(run.checkpoints["checkpoint_path"]) == ["ep0.pth", "ep10.pth"]
        assert list(run.checkpoints["episode_num"]) == [pd.NA, 10]
        assert list(run.children["name"]) == ["part"]
        assert run.artifacts["name"].to_list() == [ODD]
        datasets = run.datasets.to_dict("records")
        assert [(one["name"], one["role"], one["dataset_id"]) for one in datasets] == [
            ("prices", "train", "id of prices"),
            (None, "all", "nowhere"),
        ]

    def test_metrics_have_first_last_and_figures_without_nan(self, engine: Engine, ids: tuple[str, str]) -> None:
        found = runs.read_run(engine, ids[0]).metrics.set_index("name")
        odd = found.loc[ODD]
        assert (odd["n"], odd["n_nan"], odd["first"], odd["last"]) == (3, 1, 3.0, math.inf)
        assert (odd["min"], odd["max"], odd["mean"]) == (3.0, math.inf, math.inf)
        assert found["last_step"].dropna().to_dict() == {"loss": 2, "weights": 1}
        gone = found.loc["gone"]
        assert (gone["n"], gone["n_nan"]) == (1, 1)
        assert np.isnan(gone[["first", "last", "min", "max", "mean"]].astype(float)).all()

    def test_a_run_that_has_logged_nothing(self, engine: Engine, ids: tuple[str, str]) -> None:
        child = runs.find_runs(engine, name="PART").iloc[0]
        run = runs.read_run(engine, child["experiment_id"])
        assert run.row["ended_at"] is None
        assert run.row["parent_id"] == ids[0]
        assert run.environment is None
        for frame in (run.parameters, run.metrics, run.artifacts, run.datasets, run.checkpoints, run.children):
            assert frame.empty


class TestPoints:
    def test_in_the_order_logged_with_whole_steps(self, engine: Engine, ids: tuple[str, str]) -> None:
        found = runs.points(engine, ids[0])
        assert list(found["name"]) == [ODD] * 3 + ["loss"] * 2 + ["gone", "weights"]
        np.testing.assert_array_equal(found["value"], [3.0, math.nan, math.inf, 2.0, 1.0, math.nan, 0.5])
        assert list(found["step"]) == [0, 2**60 + 1, pd.NA, 1, 2, pd.NA, 1]
        assert found["epoch"].isna().all()
        assert found["edges"].notna().sum() == 1
        assert list(found["edges"].iloc[-1]) == [0.0, 0.5, 1.0]
        assert dict(found["summary"].iloc[-1]) == {"n": 4.0}
        assert found["logged_at"].iloc[1] == BEGAN.replace(tzinfo=None) + dt.timedelta(seconds=1)

    def test_of_one_metric_only(self, engine: Engine, ids: tuple[str, str]) -> None:
        assert list(runs.points(engine, ids[0], ODD)["value"].head(1)) == [3.0]
        assert list(runs.points(engine, ids[0], "loss")["value"]) == [2.0, 1.0]
        assert runs.points(engine, ids[0], "loss' or '1'='1").empty

    @pytest.mark.parametrize("experiment_id", [UNKNOWN, "outside", "ffffffff-ffff-4fff-bfff-ffffffffffff", "' or 1=1"])
    def test_of_a_run_that_is_not_there_there_are_none(self, engine: Engine, experiment_id: str) -> None:
        assert runs.points(engine, experiment_id).empty
        assert runs.metric_names(engine, experiment_id) == []

    def test_points_of_one_time_keep_the_order_of_their_journal(self, engine: Engine) -> None:
        run = run_of("at once")
        points = logged(run["experiment_id"], "x", [*map(float, range(50))], logged_at=BEGAN)
        fill(engine, metrics=points[::-1])
        assert list(runs.points(engine, run["experiment_id"])["value"]) == [*range(50)]


class TestFindRuns:
    @pytest.mark.parametrize(
        ("filters", "names"),
        [
            ({"tag": "bitcoin"}, ["a" + ODD]),
            ({"tag": ODD}, ["a" + ODD]),
            ({"tag": "bit"}, []),
            ({"status": "failed"}, ["b"]),
            ({"experiment_type": "classification"}, ["other"]),
            ({"name": ODD.upper()}, ["a" + ODD]),
            ({"name": "%"}, ["a" + ODD]),
            ({"name": "PAR", "experiment_type": "rl"}, ["part"]),
            ({"since": "2026-12-01"}, ["b"]),
            ({"since": BEGAN + dt.timedelta(seconds=5), "name": "a"}, ["part"]),
            ({"since": dt.date(2026, 12, 12)}, []),
            ({"name": "r", "limit": 1}, ["a" + ODD]),
        ],
    )
    def test_what_passes_every_filter_latest_first(
        self, engine: Engine, ids: tuple[str, str], filters: dict[str, Any], names: list[str]
    ) -> None:
        found = runs.find_runs(engine, **{"limit": 100} | filters)
        mine = [name for name in found["name"] if name != "x"]
        if filters.get("limit") == 1:
            assert len(found) == 1
        else:
            assert mine == names

    def test_durations_and_seeds(self, engine: Engine, ids: tuple[str, str]) -> None:
        found = runs.find_runs(engine, limit=100).set_index("experiment_id")
        assert found.loc[ids[0], "duration_seconds"] == 90.0
        assert found.loc[ids[0], "random_seed"] == 42
        assert found["started_at"].is_monotonic_decreasing
        part = found[found["name"] == "part"].iloc[0]
        assert math.isnan(part["duration_seconds"])
        assert part["random_seed"] is pd.NA

    @pytest.mark.parametrize(
        ("filters", "words"),
        [
            ({"status": "done"}, "unknown status 'done'"),
            ({"tag": ""}, "tag is ''"),
            ({"limit": 0}, "limit is 0"),
            ({"since": "soon"}, "since is 'soon': give a date"),
            ({"since": 7}, "since is 7"),
        ],
    )
    def test_what_is_no_filter(self, engine: Engine, filters: dict[str, Any], words: str) -> None:
        with pytest.raises((InvalidInputError, NotFoundError), match=words):
            runs.find_runs(engine, **filters)


@pytest.fixture(scope="module")
def sections(engine: Engine, ids: tuple[str, str]) -> dict[str, dict[str, Compared]]:
    found = compare_runs(engine, *ids)
    assert (found.a, found.b) == ids
    return {section.name: {row.name: row for row in section.rows} for section in found.sections}


class TestCompareRuns:
    def test_settings_of_the_run(self, sections: dict[str, dict[str, Compared]]) -> None:
        run = sections["run"]
        assert (run["status"].a, run["status"].b, run["status"].same) == ("completed", "failed", False)
        assert run["random_seed"].same
        assert run["command"].b is None

    def test_parameters_are_compared_by_value_and_type(self, sections: dict[str, dict[str, Compared]]) -> None:
        told = {name: row.same for name, row in sections["parameters"].items()}
        assert told == {
            "lr": False,
            "n": False,
            ODD: True,
            "same": True,
            "only": False,
            "ep10.pth depth": False,
        }
        assert (sections["parameters"]["only"].a, sections["parameters"]["only"].b) == ("null", None)

    def test_code_data_and_environment(self, sections: dict[str, dict[str, Compared]]) -> None:
        code = sections["code"]
        assert code["git_commit"].same
        assert not code["git_dirty"].same
        changes = code["changes since the commit"]
        assert (changes.a, changes.b, changes.same) == (None, f"sha256 {'ab' * 32}", False)
        assert {name: row.same for name, row in sections["data"].items()} == {
            "all: not registered": False,
            "train: prices": False,
        }
        environment = sections["environment"]
        assert environment["python_version"].same
        assert (environment["package torch"].a, environment["package torch"].b) == ("2.9.0", None)
        assert not environment["package numpy"].same
        assert not environment["variable OMP_NUM_THREADS"].same

    def test_metrics_side_by_side(self, sections: dict[str, dict[str, Compared]]) -> None:
        metrics = sections["metrics"]
        assert metrics["loss"].a == {"n": 2, "last": 1.0, "min": 1.0, "max": 2.0}
        assert metrics["loss"].b == {"n": 1, "last": 5.0, "min": 5.0, "max": 5.0}
        assert metrics["gone"].same  # NaN on both sides
        assert metrics[ODD].b is None

    def test_a_run_is_the_same_as_itself(self, engine: Engine, ids: tuple[str, str]) -> None:
        assert all(not section.differing for section in compare_runs(engine, ids[0], ids[0]).sections)

    def test_changes_that_were_not_kept_cannot_be_told(self, engine: Engine) -> None:
        dirty = [run_of(f"dirty {n}", git_commit="c", git_dirty=True) for n in "ab"]
        fill(engine, experiments=dirty)
        found = compare_runs(engine, *(one["experiment_id"] for one in dirty))
        code = next(section for section in found.sections if section.name == "code")
        assert [(row.a, row.same) for row in code.differing] == [(NOT_KEPT, None)]


class TestPlot:
    def test_nothing_to_draw(self, engine: Engine, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match="has no metrics to draw"):
            plot_points(runs.points(engine, UNKNOWN), tmp_path / "run.svg", "quiet")

    def test_a_file_that_cannot_be_written(self, engine: Engine, ids: tuple[str, str], tmp_path: Path) -> None:
        (tmp_path / "run.svg").mkdir()
        with pytest.raises(EngineError, match=r"run\.svg cannot be written"):
            plot_points(runs.points(engine, ids[0], "loss"), tmp_path / "run.svg", "a")
