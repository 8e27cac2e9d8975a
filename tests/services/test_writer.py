"""`DatabricksWriter`: the specification's "Recording an experiment", alone and in batches."""

from __future__ import annotations

import datetime as dt
import math
import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments import DatabricksWriter
from experiments.errors import ConflictError, ExperimentsError, InvalidInputError
from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import NOTHING, counts, rows_of, specified_experiment, versions, windows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from experiments.services.ledger import Ledger

pytestmark = pytest.mark.engine


@pytest.fixture
def writer(ledger: Ledger) -> DatabricksWriter:
    return DatabricksWriter(schema="experiments")


class TestOne:
    def test_the_specified_dictionary_becomes_a_row_of_the_right_types(
        self, ledger: Ledger, writer: DatabricksWriter
    ) -> None:
        experiment = specified_experiment()
        assert writer.write_experiment(experiment) == experiment["experiment_id"]
        rows = rows_of(ledger, "model_runs")
        assert len(rows) == 1
        run = rows[0]
        told = experiment["run_timestamp"].astimezone(dt.UTC)
        assert run["run_timestamp"].to_pydatetime() == told.replace(
            microsecond=told.microsecond // 1000 * 1000, tzinfo=None
        )
        assert run["training_start_date"] == dt.date(2022, 1, 1)
        assert run["training_end_date"] == dt.date(2024, 12, 31)
        assert dict(run["hyperparameters"]) == experiment["hyperparameters"]
        assert dict(run["feature_config"]) == experiment["feature_config"]
        converted = ("run_timestamp", "training_start_date", "training_end_date", "hyperparameters", "feature_config")
        for name, value in experiment.items():
            if name not in converted:
                assert run[name] == value, name
        assert (run["metrics_source"], run["status"], run["unique_id"]) == ("reported", "completed", "Coffee")
        assert run["is_production"] is False
        written = {"model_runs": 1, "experiments": 1, "environments": 1}
        assert counts(ledger) == NOTHING | written
        assert rows_of(ledger, "experiments")[0]["run_by"] == "Connor"

    def test_the_specified_query_finds_it(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        writer.write_experiment(specified_experiment())
        assert ledger.best("Coffee")[["model_name", "metrics_source"]].to_numpy().tolist() == [
            ["sarimax_auto_weather_v1", "reported"]
        ]

    def test_written_twice_it_is_one_row(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        experiment = specified_experiment()
        ids = {writer.write_experiment(experiment) for _ in range(3)}
        assert ids == {experiment["experiment_id"]}
        assert counts(ledger)["model_runs"] == counts(ledger)["experiments"] == 1

    def test_nor_is_it_two_in_another_session(self, tmp_path: Any) -> None:
        experiment = specified_experiment()
        for _ in range(2):
            with connect(tmp_path) as ledger:
                DatabricksWriter().write_experiment(experiment)
                assert counts(ledger)["model_runs"] == 1

    @pytest.mark.parametrize("value", [36.159505490948476, 1304.0000451301373, 0.0013664634705496859])
    def test_nor_whatever_its_figures(self, ledger: Ledger, writer: DatabricksWriter, value: float) -> None:
        experiment = specified_experiment() | {"mae_14day": value, "cost_estimate_usd": value}
        writer.write_experiment(experiment)
        writer.write_experiment(experiment)
        assert counts(ledger)["model_runs"] == 1

    def test_the_same_id_with_another_time_is_still_one_row(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        experiment = specified_experiment()
        writer.write_experiment(experiment)
        later = experiment | {"run_timestamp": experiment["run_timestamp"] + dt.timedelta(days=40)}
        assert writer.write_experiment(later) == experiment["experiment_id"]
        assert counts(ledger)["model_runs"] == counts(ledger)["experiments"] == 1
        assert counts(ledger)["experiments"] == 1

    def test_other_figures_under_its_id_are_a_conflict_and_change_nothing(
        self, ledger: Ledger, writer: DatabricksWriter
    ) -> None:
        experiment = specified_experiment()
        writer.write_experiment(experiment)
        before = versions(ledger)
        with pytest.raises(ConflictError, match=r"recorded with mae_14day 3\.1, not 2\.9.*new experiment_id"):
            writer.write_experiment(experiment | {"mae_14day": 2.9})
        assert versions(ledger) == before

    def test_fewer_figures_under_its_id_are_no_conflict(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        experiment = specified_experiment()
        writer.write_experiment(experiment)
        del experiment["mae_14day"]
        writer.write_experiment(experiment)
        assert counts(ledger)["model_runs"] == 1

    def test_without_an_id_it_gets_one_and_stays_one_row(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        experiment = specified_experiment()
        del experiment["experiment_id"]
        ids = {writer.write_experiment(experiment) for _ in range(2)}
        assert len(ids) == 1
        identity = uuid.UUID(ids.pop())
        assert identity.version == 7
        told = experiment["run_timestamp"].timestamp()
        assert identity.int >> 80 == int(told * 1000)

    def test_only_what_is_required_is_needed(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        needed = (
            "model_name",
            "model_type",
            "training_start_date",
            "training_end_date",
            "forecast_horizon_days",
            "commodity",
        )
        experiment = {name: value for name, value in specified_experiment().items() if name in needed}
        writer.write_experiment(experiment)
        run = rows_of(ledger, "model_runs")[0]
        assert run["model_version"] == "v1"
        assert abs((run["run_timestamp"] - dt.datetime.now(dt.UTC).replace(tzinfo=None)).total_seconds()) < 60

    def test_values_of_numpy_and_pandas_are_taken(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        import pandas as pd

        writer.write_experiment(
            specified_experiment()
            | {
                "experiment_id": uuid.uuid4(),
                "run_timestamp": pd.Timestamp("2025-01-11T09:30:00", tz="Europe/Berlin"),
                "training_start_date": np.datetime64("2022-01-01"),
                "training_end_date": pd.Timestamp("2024-12-31"),
                "forecast_horizon_days": np.int64(14),
                "mae_14day": np.float32(3.5),
                "beats_baseline": np.bool_(True),
                "hyperparameters": {"order": (1, 1, 1), "trend": None},
            }
        )
        run = rows_of(ledger, "model_runs")[0]
        assert run["run_timestamp"].to_pydatetime() == dt.datetime(2025, 1, 11, 8, 30)
        assert (run["mae_14day"], run["beats_baseline"], run["forecast_horizon_days"]) == (3.5, True, 14)
        assert dict(run["hyperparameters"]) == {"order": "[1, 1, 1]", "trend": "null"}

    def test_an_id_of_a_computed_evaluation_is_not_overwritten(self, ledger: Ledger, writer: DatabricksWriter) -> None:
        config = {"commodity": "Coffee", "model_type": "X", "training_start_date": "2020-01-01", "n_windows": 3}
        ids = [ledger.log_experiment("mine", one, config) for one in windows(3)]
        with pytest.raises(ConflictError):
            writer.write_experiment(specified_experiment() | {"experiment_id": ids[-1]})
        assert rows_of(ledger, "model_runs")[0]["metrics_source"] == "computed"


class TestMany:
    def test_two_hundred_are_one_commit_a_table(self, ledger: Ledger) -> None:
        before = versions(ledger)
        with DatabricksWriter() as writer:
            for n in range(200):
                assert writer.write_experiment(specified_experiment() | {"mae_14day": float(n)}) is None
            assert counts(ledger)["model_runs"] == 0
        assert counts(ledger)["model_runs"] == counts(ledger)["experiments"] == 200
        made = {table: after - before[table] for table, after in versions(ledger).items()}
        assert made == dict.fromkeys(before, 0) | {"model_runs": 1, "experiments": 1, "environments": 1}

    def test_with_and_without_ids_and_doubles_together(self, ledger: Ledger) -> None:
        given_id, without = specified_experiment(), specified_experiment()
        del without["experiment_id"]
        with DatabricksWriter() as writer:
            for experiment in (given_id, without, given_id, without):
                writer.write_experiment(experiment)
        assert counts(ledger)["model_runs"] == counts(ledger)["experiments"] == 2

    def test_a_bad_one_and_nothing_is_written(self, ledger: Ledger) -> None:
        before = versions(ledger)
        with pytest.raises(InvalidInputError, match="mae_14day is 'low'"), DatabricksWriter() as writer:  # noqa: PT012
            writer.write_experiment(specified_experiment())
            writer.write_experiment(specified_experiment() | {"mae_14day": "low"})
        assert versions(ledger) == before

    def test_two_that_contradict_each_other_and_nothing_is_written(self, ledger: Ledger) -> None:
        before, experiment = versions(ledger), specified_experiment()
        with pytest.raises(ConflictError), DatabricksWriter() as writer:  # noqa: PT012
            writer.write_experiment(experiment)
            writer.write_experiment(experiment | {"mae_14day": 2.9})
        assert versions(ledger) == before

    def test_an_error_of_the_caller_and_nothing_is_written(self, ledger: Ledger) -> None:
        before = versions(ledger)
        with pytest.raises(ZeroDivisionError), DatabricksWriter() as writer:  # noqa: PT012
            writer.write_experiment(specified_experiment())
            raise ZeroDivisionError
        assert versions(ledger) == before

    def test_an_empty_batch_is_no_commit(self, ledger: Ledger) -> None:
        before = versions(ledger)
        with DatabricksWriter():
            pass
        assert versions(ledger) == before

    def test_afterwards_it_writes_at_once_again(self, ledger: Ledger) -> None:
        with DatabricksWriter() as writer:
            writer.write_experiment(specified_experiment())
        assert writer.write_experiment(specified_experiment()) is not None
        assert counts(ledger)["model_runs"] == 2


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"mae_14days": 3.1}, "no field 'mae_14days'"),
    "a field the ledger sets": ({"metrics_source": "computed"}, "no field 'metrics_source'"),
    "promotion": ({"is_production": True}, "no field 'is_production'"),
    "NaN": ({"mae_14day": math.nan}, "mae_14day is nan"),
    "infinity": ({"rmse_14day": math.inf}, "rmse_14day is inf"),
    "text for a number": ({"mae_14day": "3.1"}, "mae_14day is '3.1'"),
    "a truth value for a number": ({"mae_14day": True}, "mae_14day is True"),
    "a number for a truth value": ({"beats_baseline": 1}, "beats_baseline is 1"),
    "a commodity too long for a folder": ({"commodity": "x" * 300}, "commodity 'xxx"),
    "a number for text": ({"model_name": 5}, "model_name is 5"),
    "empty text": ({"model_name": " "}, "model_name is ' '"),
    "a fraction for a count": ({"forecast_horizon_days": 14.5}, "forecast_horizon_days is 14.5"),
    "a date that is none": ({"training_start_date": "2022-13-01"}, "training_start_date is '2022-13-01'"),
    "a time that is none": ({"run_timestamp": "now"}, "run_timestamp is 'now'"),
    "a date for a time": ({"run_timestamp": dt.date(2025, 1, 1)}, "run_timestamp is"),
    "a time long ago": ({"run_timestamp": dt.datetime(1500, 1, 1, tzinfo=dt.UTC)}, "run_timestamp"),
    "a time too far ahead": ({"run_timestamp": dt.datetime(9999, 12, 31, 23, tzinfo=dt.UTC)}, "run_timestamp"),
    "a list for a map": ({"hyperparameters": ["a"]}, "hyperparameters is"),
    "text for a feature": ({"feature_config": {"weather": "yes"}}, "feature_config['weather'] is 'yes'"),
    "a count too large": ({"random_seed": 2**40}, "random_seed"),
    "a negative error": ({"mae_14day": -3.1}, "mae_14day"),
    "a share above one": ({"directional_accuracy": 69.5}, "directional_accuracy"),
    "an unknown status": ({"status": "done"}, "status"),
    "training dates turned round": ({"training_end_date": "2021-12-31"}, "training_"),
    "no steps": ({"forecast_horizon_days": 0}, "forecast_horizon_days"),
    "more failed windows than windows": ({"n_windows": 3, "n_failed_windows": 4}, "n_failed_windows"),
    "half a character": ({"notes": "\ud800"}, "notes"),
}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with connect(tmp_path_factory.mktemp("refusing")) as opened:
        yield opened


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_named_and_writes_nothing(refusing: Ledger, case: str) -> None:
    changes, named = BAD[case]
    before = versions(refusing)
    with pytest.raises(InvalidInputError) as caught:
        refusing.write_experiments([specified_experiment() | changes])
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)
    assert versions(refusing) == before


def test_every_missing_field_is_listed(refusing: Ledger) -> None:
    with pytest.raises(
        InvalidInputError, match="lacks model_name, model_type, training_start_date, training_end_date"
    ) as caught:
        refusing.write_experiments([{"mae_14day": 3.1}])
    assert "commodity" in str(caught.value)
    assert "forecast_horizon_days" in str(caught.value)


def test_a_schema_must_be_an_identifier() -> None:
    with pytest.raises(InvalidInputError, match="schema 'a; drop' is not an identifier"):
        DatabricksWriter(schema="a; drop")


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(dt.UTC)),
    st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=3), st.booleans(), st.floats()), max_size=2),
    st.lists(st.integers(), max_size=2),
    st.just(object()),
)
FIELDS = [column.name for column in sql_files.columns("model_runs")]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), keep_id=st.booleans())
def test_whatever_is_written_only_our_errors_come_out(refusing: Ledger, changes: dict[str, Any], keep_id: bool) -> None:
    experiment = specified_experiment()
    if not keep_id:
        del experiment["experiment_id"]
    before = versions(refusing)
    try:
        refusing.write_experiments([experiment | changes])
    except ExperimentsError:
        assert versions(refusing) == before


def test_what_was_fuzzed_can_be_read(refusing: Ledger) -> None:
    for name in (*sql_files.names("tables"), *sql_files.names("views")):
        rows_of(refusing, name)
    runs = {row["experiment_id"] for row in rows_of(refusing, "model_runs")}
    assert {row["experiment_id"] for row in rows_of(refusing, "experiments")} == runs
