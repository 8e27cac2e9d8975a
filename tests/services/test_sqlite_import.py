"""`import_sqlite`: the legacy experiments.db as document 2 speaks of it, and other schemas by a mapping."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from experiments.errors import InvalidInputError, NotFoundError
from experiments.services.exchange import arriving
from experiments.services.exchange.mapping import read_layout
from experiments.services.exchange.sqlite import import_sqlite
from experiments.services.exchange.texts import as_text, typed
from experiments.services.ledger import Ledger, connect

pytestmark = pytest.mark.engine

LEGACY = """
create table experiments (id integer primary key, name text not null, description text, start_time timestamp not null,
  end_time timestamp, status text default 'running', state_dim integer, action_dim integer, learning_rate real,
  gamma real, train_start_date text, train_end_date text, test_start_date text, test_end_date text,
  best_test_sharpe real, best_test_return real, final_episode integer, early_stopped boolean, notes text);
create table episodes (id integer primary key, experiment_id integer not null, episode_num integer not null,
  train_return real, train_reward real, episode_length integer, test_return real, test_sharpe real,
  is_best_model boolean default 0, avg_policy_loss real, avg_value_loss real, timestamp timestamp);
create table regime_analysis (id integer primary key, experiment_id integer not null, analysis_date timestamp,
  final_value real, total_return real, total_steps integer, bull_steps integer, bear_steps integer,
  neutral_steps integer, bull_buy_prob real, bear_buy_prob real, neutral_buy_prob real, buy_prob_difference real);
create table hyperparameters (id integer primary key, experiment_id integer not null, param_name text,
  param_value text);
insert into experiments (id, name, description, start_time, end_time, status, state_dim, learning_rate,
  train_start_date, best_test_sharpe, notes)
  values (1, 'PPO "BTC" 🚀', 'first', '2024-03-01 10:00:00', '2024-03-01 12:00:00', 'completed', 43, 0.0003,
          '2020-01-01', 1.25, 'good');
insert into experiments (id, name, start_time) values (2, 'still running', '2024-04-01T10:00:00+02:00');
insert into episodes (experiment_id, episode_num, train_return, test_return, timestamp)
  values (1, 1, 0.5, null, '2024-03-01 10:01:00'), (1, 2, 9e999, 0.75, '2024-03-01 10:02:00'),
         (2, 1, -0.5, null, null), (99, 1, 1.0, null, null);
insert into regime_analysis (experiment_id, analysis_date, bull_steps, bull_buy_prob)
  values (1, '2024-03-02', 120, 0.625);
insert into hyperparameters (experiment_id, param_name, param_value)
  values (1, 'gamma', '0.99'), (1, 'layers', '[64, 64]'), (1, 'optimizer', 'adam'), (1, 'clip', 'True'),
         (1, 'gamma', '0.95');
"""


def made(file: Path, script: str = LEGACY) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)
    return file


def change(file: Path, script: str) -> None:
    made(file, script)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One ledger for all tests of this module: each imports runs of its own."""
    with connect(tmp_path_factory.mktemp("sqlite") / "ledger") as opened:
        yield opened


def counts(ledger: Ledger) -> list[int]:
    tables = ("experiments", "metrics", "hyperparameters")
    return [len(ledger.sql(f"select * from {table}")) for table in tables]  # noqa: S608


def test_the_legacy_file_comes_over_whole_and_goes_on_growing(whole: Ledger, tmp_path: Path) -> None:
    file = made(tmp_path / "experiments.db")
    before = file.read_bytes()
    tried = import_sqlite(whole, file, dry_run=True)
    assert counts(whole) == [0, 0, 0]
    arrived = import_sqlite(whole, file)
    assert (arrived.runs, arrived.ended) == (2, 0)
    assert arrived.new == tried.new == {"experiments": 2, "metrics": 10, "hyperparameters": 7}
    assert any("1 row of metrics belong to no run" in note for note in arrived.notes)
    assert any("1 hyperparameter had another value before" in note for note in arrived.notes)
    assert file.read_bytes() == before

    runs = whole.sql("select * from experiments order by started_at").to_dict("records")
    assert [run["name"] for run in runs] == ['PPO "BTC" 🚀', "still running"]
    assert [run["status"] for run in runs] == ["completed", "running"]
    assert (runs[0]["experiment_type"], runs[0]["notes"]) == ("rl", "first\ngood")
    assert runs[0]["imported_from"] == "sqlite:experiments.db:1"
    assert str(runs[1]["started_at"]).startswith("2024-04-01 08:00")
    points = whole.sql("select name, value, coalesce(episode, 0) as e from metrics order by run_month, name, position")
    assert points.to_numpy().tolist()[:4] == [
        ["best_test_sharpe", 1.25, 0],
        ["is_best_model", 0.0, 1],
        ["is_best_model", 0.0, 2],
        ["regime.bull_buy_prob", 0.625, 0],
    ]
    assert points[points["name"] == "train_return"]["value"].tolist() == [0.5, math.inf, -0.5]
    settings = whole.sql("select name, value, value_type from hyperparameters order by name").to_numpy().tolist()
    assert settings == [
        ["clip", "true", "bool"],
        ["gamma", "0.99", "float"],
        ["layers", "[64, 64]", "list"],
        ["learning_rate", "0.0003", "float"],
        ["optimizer", '"adam"', "str"],
        ["state_dim", "43", "int"],
        ["train_start_date", '"2020-01-01"', "str"],
    ]

    again = import_sqlite(whole, file)
    assert (dict(again.new), again.ended) == ({}, 0)

    # dual mode: the old script goes on, and the import repeated brings what is new
    change(
        file,
        """
        insert into episodes (experiment_id, episode_num, train_return) values (2, 2, 0.25);
        update experiments set status = 'failed', end_time = '2024-04-01 09:00:00', best_test_sharpe = 2 where id = 2;
        insert into experiments (id, name, start_time) values (99, 'late', '2024-05-01');
        """,
    )
    more = import_sqlite(whole, file)
    # the new episode has its return and is_best_model, the ended run its result, the late run the row it had already
    assert (dict(more.new), more.ended) == ({"metrics": 5, "experiments": 1}, 1)
    ended = whole.sql("select status, ended_at from experiments where name = 'still running'").iloc[0]
    assert (ended["status"], str(ended["ended_at"])[:16]) == ("failed", "2024-04-01 09:00")
    assert import_sqlite(whole, file).new == {}


def test_batches_of_a_large_file_are_all_there(whole: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arriving, "BATCH", 400)
    file = made(tmp_path / "long.db", LEGACY.split("insert into", maxsplit=1)[0])
    change(
        file,
        """
        insert into experiments (id, name, start_time) values (1, 'long', '2023-01-01');
        insert into episodes (experiment_id, episode_num, train_return)
          with recursive n(i) as (select 1 union all select i + 1 from n where i < 500) select 1, i, i * 0.5 from n;
        """,
    )
    assert import_sqlite(whole, file).new["metrics"] == 1000  # is_best_model has a default
    found = whole.sql("select count(distinct episode) as n, sum(value) as s from metrics where run_month = '2023-01'")
    assert found.iloc[0].tolist() == [500, 62625.0]


MAPPING = """
[experiments]
table = "runs"
id = "run"
name = "title"
started_at = "begun"
status = "state"
tags = "labels"
random_seed = "seed"

[[metrics]]
table = "log"
experiment = "run"
name = "what"
value = "figure"
step = "step"

[hyperparameters]
table = "settings"
experiment = "run"
name = "k"
value = "v"

[statuses]
done = "completed"
"""

OTHER = """
create table runs (run text, title text, begun integer, state text, labels text, seed integer);
create table log (run text, what text, figure, step integer);
create table settings (run text, k text, v);
insert into runs values ('a', 'other', 1700000000, 'done', 'rl, btc', 7);
insert into log values ('a', 'loss', 0.5, 0), ('a', 'loss', null, 1), ('a', 'loss', '0.25', 2);
insert into settings values ('a', 'lr', 0.001);
"""


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    file = tmp_path / "map.toml"
    file.write_text(MAPPING)
    return file


def test_another_schema_by_a_mapping(whole: Ledger, tmp_path: Path, mapping: Path) -> None:
    arrived = import_sqlite(whole, made(tmp_path / "other.db", OTHER), mapping)
    assert dict(arrived.new) == {"hyperparameters": 1, "metrics": 3, "experiments": 1}
    run = whole.sql("select * from experiments where name = 'other'").iloc[0]
    assert (run["status"], list(run["tags"]), run["random_seed"]) == ("completed", ["rl", "btc"], 7)
    points = whole.sql(
        "select value, step from metrics where experiment_id = :run order by position",
        {"run": str(run["experiment_id"])},
    )
    assert points["step"].tolist() == [0, 1, 2]
    assert points["value"].tolist()[::2] == [0.5, 0.25]
    assert math.isnan(points["value"][1])


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("update log set figure = 'abc' where step = 0", "row 1 of log has 'abc' in figure: a number is needed"),
        ("update log set figure = x'00' where step = 0", "in figure: a number is needed"),
        ("update log set step = 1.5 where step = 0", "in step: a whole number is needed"),
        ("update log set what = ' ' where step = 0", "in what: a text is needed"),
        ("update runs set state = 'odd'", "'odd' in state: one of running, completed"),
        ("update runs set begun = 'yesterday'", "'yesterday' in begun: a time such as"),
        ("update runs set begun = null", "None in begun: the time the run started"),
        ("update runs set seed = 3000000000", "in seed: a whole number of 32 bits"),
        ("insert into runs select * from runs", "an id that no other run has"),
        ("update settings set v = x'00'", "in v: a text or a number is needed"),
        ("update runs set title = cast(x'ff' as text)", "cannot be read as a SQLite database"),
        ("alter table log drop column step", "unknown column of log 'step'"),
        ("drop table settings", "unknown table 'settings'"),
        ("drop table settings; create view settings as select 1 as run, 2 as k, 3 as v", "is a view or has no rowid"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_written(
    whole: Ledger, tmp_path: Path, mapping: Path, script: str, told: str
) -> None:
    file = made(tmp_path / "bad.db", OTHER.replace("'other'", "'bad'"))
    change(file, script)
    with pytest.raises((InvalidInputError, NotFoundError)) as raised:
        import_sqlite(whole, file, mapping)
    assert told in str(raised.value)
    assert whole.sql("select 1 as n from experiments where name = 'bad'").empty


def test_files_that_are_no_database(whole: Ledger, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"give an open ledger, or dry_run=True"):
        import_sqlite(None, tmp_path / "none.db")
    with pytest.raises(NotFoundError, match="there is no file"):
        import_sqlite(whole, tmp_path / "none.db")
    text = tmp_path / "text.db"
    text.write_text("no database at all, but long enough to be read as the head of one, says SQLite" * 3)
    with pytest.raises(InvalidInputError, match="cannot be read as a SQLite database: file is not a database"):
        import_sqlite(whole, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("= 1", "cannot be read as TOML"),
        ("a = 1", "unknown section"),
        ("[[metrics]]\ntable = 'a'", "no section [experiments]"),
        ("[experiments]\ntable = 'a'", "[experiments] has no id"),
        (MAPPING.replace('"begun"', "'a; drop table x'"), "not an identifier"),
        (MAPPING.replace("random_seed", "random_sed"), "Did you mean 'random_seed'"),
        (MAPPING.replace('name = "what"\n', ""), "need either 'name' and 'value', or 'values'"),
        (MAPPING.replace('"completed"', '"complete"'), "Did you mean 'completed'"),
        (MAPPING.replace('tags = "labels"', 'notes = "labels"'), "give a list of columns"),
        (MAPPING.replace('tags = "labels"', 'experiment_type = ""'), "experiment_type of [experiments] is ''"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises((InvalidInputError, NotFoundError)) as raised:
        read_layout(file)
    assert told in str(raised.value)


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no mapping"):
        read_layout(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "text",
    ["True", "3", "-0.5", "1e-05", "[1, 'a']", "{'a': 1}", "None", "1.50", "(1, 2)", "[" * 9000, "nan", "9" * 5000],
)
def test_no_text_is_changed_by_its_type(text: str) -> None:
    read = typed(text)
    assert as_text(read.value, read.value_type) == text
