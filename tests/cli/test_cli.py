"""The command line: what it prints for people and machines, its exit codes, and what it leaves alone."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import pytest

from command import Done, refused
from experiments.cli import main as command_line
from experiments.services import demo as demonstration
from experiments.services.ledger import connect
from experiments.storage import sql_files
from made import counts, put, run_row, specified_experiment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Filled

pytestmark = pytest.mark.engine


def process(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", "from experiments.cli.main import main; main()", *map(str, arguments)],
        cwd=cwd,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "HOME": str(cwd)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A ledger with reported figures only."""
    folder = tmp_path_factory.mktemp("told")
    with connect(folder) as ledger:
        ledger.write_experiments([specified_experiment()])
    return folder


class TestInit:
    def test_once_it_makes_the_tables_and_twice_it_changes_nothing(self, run: Any, tmp_path: Path) -> None:
        first = run("init", "--path", tmp_path / "new")
        assert (first.code, first.err) == (0, "")
        assert first.out == f"Created {', '.join(sql_files.names('tables'))} in {tmp_path / 'new'}.\n"
        with connect(tmp_path / "new") as ledger:
            put(ledger, "model_runs", run_row())
        second = run("init", "--path", tmp_path / "new")
        assert second == (0, f"The ledger in {tmp_path / 'new'} is complete; nothing was changed.\n", "")
        with connect(tmp_path / "new") as ledger:
            assert counts(ledger)["model_runs"] == 1

    def test_json(self, run: Any, tmp_path: Path) -> None:
        assert run("init", "--path", tmp_path, "--json").json == {
            "path": str(tmp_path),
            "created": list(sql_files.names("tables")),
        }
        assert run("init", "--path", tmp_path, "--json").json["created"] == []

    def test_a_path_that_is_a_file_is_refused(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert refused(run("init", "--path", tmp_path / "file"), "cannot be made")


class TestAnswers:
    def test_best_names_the_choice_and_why(self, run: Any, filled: Filled, filled_path: Path) -> None:
        done = run("best", "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        assert "WTI: use naive" in done.out
        found = run("best", "--path", filled_path, "--commodity", "WTI", "--json").json
        assert [(one["commodity"], one["choice"], one["best_models"]) for one in found] == [("WTI", "naive", [])]
        assert found[0]["reason"] in done.out

    def test_leaderboard_shows_every_model_with_its_verdict(self, run: Any, filled: Filled, filled_path: Path) -> None:
        done = run("leaderboard", "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("WTI: 4 models, 12 windows of 14 trading days, the last to 2018-12-28\n")
        for row in filled.result.leaderboard.to_dict("records"):
            evidence, accuracy = (line for line in done.out.splitlines() if row["model_name"] in line.split()[1:2])
            assert row["verdict"] in evidence
            assert f"{row['mae_14day']:.3f}" in accuracy

    def test_leaderboard_json_is_the_view(self, run: Any, filled: Filled, filled_path: Path) -> None:
        found = run("leaderboard", "--path", filled_path, "--json").json
        board = filled.ledger.leaderboard("WTI")
        assert [list(row) for row in found] == [[*board.columns, "in_words"]] * 4
        for shown, stored in zip(found, board.to_dict("records"), strict=True):
            for name, value in stored.items():
                if value is None or value != value:  # noqa: PLR0124  NaN
                    assert shown[name] is None
                elif hasattr(value, "isoformat"):
                    assert shown[name] == value.isoformat()
                else:
                    assert shown[name] == value, name

    def test_history_counts_the_evaluations(self, run: Any, filled: Filled, filled_path: Path) -> None:
        done = run("history", "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        assert "Baseline" in done.out
        assert "WTI: use naive" in done.out
        found = run("history", "--path", filled_path, "--commodity", "WTI", "--json").json
        assert {row["model_type"]: row["total_experiments"] for row in found["rows"]} == {"Baseline": 4}
        assert [one["choice"] for one in found["choices"]] == ["naive"]

    def test_figures_reported_alone_have_a_history(self, run: Any, told: Path) -> None:
        done = run("history", "--path", told)
        assert (done.code, done.err) == (0, "")
        assert "SARIMAX" in done.out
        assert run("history", "--path", told, "--json").json["rows"][0]["total_experiments"] == 1
        assert run("prune", "--path", told).code == 0

    def test_figures_reported_alone_do_not_keep_the_others_from_an_answer(self, run: Any, tmp_path: Path) -> None:
        from made import backtest_row

        with connect(tmp_path) as ledger:
            ledger.write_experiments([specified_experiment()])
            put(ledger, "backtests", backtest_row(commodity="Sugar"))
            naive = {"model_name": "naive", "evidence_note": "same forecasts as naive"}
            put(ledger, "model_runs", run_row(commodity="Sugar", unique_id="Sugar", **naive))
        for command in ("best", "leaderboard"):
            done = run(command, "--path", tmp_path)
            assert done.code == 0, done.err
            assert "Sugar" in done.out

    @pytest.mark.parametrize("command", ["best", "leaderboard", "history", "prune"])
    def test_an_unknown_commodity_is_refused_with_the_nearest(
        self, run: Any, filled: Filled, filled_path: Path, command: str
    ) -> None:
        assert refused(
            run(command, "--path", filled_path, "--commodity", "wti"),
            "unknown commodity 'wti'. Did you mean 'WTI'? Known: WTI.",
        )

    @pytest.mark.parametrize("command", ["best", "leaderboard", "history", "prune"])
    def test_an_empty_ledger_says_what_to_do(self, run: Any, tmp_path: Path, command: str) -> None:
        connect(tmp_path).close()
        assert refused(run(command, "--path", tmp_path), "the ledger is empty: run 'experiments demo'")

    @pytest.mark.parametrize("command", [["best"], ["leaderboard"], ["history"], ["prune"], ["sql", "select 1 as one"]])
    def test_asking_where_there_is_no_ledger_makes_none(self, run: Any, tmp_path: Path, command: list[str]) -> None:
        done = run(*command, "--path", tmp_path / "none")
        assert refused(done, f"there is no ledger at {tmp_path / 'none'}")
        assert "experiments init" in done.err
        assert list(tmp_path.iterdir()) == []

    def test_the_path_may_come_from_the_environment(
        self, run: Any, filled: Filled, filled_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EXPERIMENTS_PATH", str(filled_path))
        assert "WTI: use naive" in run("best").out


class TestSql:
    def test_rows_as_a_table(self, run: Any, filled: Filled, filled_path: Path) -> None:
        query = "select model_name, mae_14day from commodity.experiments.model_runs order by model_name"
        done = run("sql", query, "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        assert done.out.rstrip().endswith("4 rows")
        assert all(name in done.out for name in ("model_name", "arima", "seasonal_naive"))
        assert run("sql", "select 1 as one", "--path", filled_path).out.rstrip().endswith("1 row")

    def test_rows_as_json(self, run: Any, filled: Filled, filled_path: Path) -> None:
        query = (
            "select step, count(*) as n, max(ds) as last, null as nothing from forecasts group by step order by step"
        )
        found = run("sql", query, "--path", filled_path, "--json").json
        assert [row["step"] for row in found] == list(range(1, 15))
        assert {row["n"] for row in found} == {48}
        assert found[-1]["last"] == "2018-12-27" or found[-1]["last"].startswith("20")
        assert {row["nothing"] for row in found} == {None}

    def test_maps_times_and_nothing_as_json(self, run: Any, tmp_path: Path) -> None:
        with connect(tmp_path) as ledger:
            put(ledger, "model_runs", run_row(hyperparameters={"order": "Käse"}, feature_config={"vix": True}))
        query = "select hyperparameters, feature_config, run_timestamp, mae_1day, is_production, tags from model_runs "
        query += "left join experiments using (experiment_id)"
        assert run("sql", query, "--path", tmp_path, "--json").json == [
            {
                "hyperparameters": {"order": "Käse"},
                "feature_config": {"vix": True},
                "run_timestamp": "2025-01-11T09:30:00",
                "mae_1day": None,
                "is_production": None,
                "tags": None,
            }
        ]

    def test_every_column_of_a_wide_table_is_readable(self, run: Any, filled: Filled, filled_path: Path) -> None:
        done = run("sql", "select * from model_runs", "--path", filled_path)
        assert all(column.name in done.out for column in sql_files.columns("model_runs"))
        assert "- row 4" in done.out

    @pytest.mark.parametrize("query", ["show tables", "describe table model_runs", "SHOW VIEWS;"])
    def test_what_describes_is_answered(self, run: Any, filled: Filled, filled_path: Path, query: str) -> None:
        done = run("sql", query, "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        assert done.out.strip()

    @pytest.mark.parametrize(
        "query",
        [
            "drop table model_runs",
            "insert into environments (environment_id) values ('x')",
            "update model_runs set notes = 'x'",
            "delete from model_runs",
            "merge into model_runs as t using model_runs as s on t.notes = s.notes when matched then delete",
            "create table hole (a int) using delta",
            "create or replace view leaderboard as select 1 as a",
            "with a as (select * from model_runs) insert into model_runs select * from a",
            "select 1 as one; drop table model_runs",
            "show tables; drop table model_runs",
            "explain analyze delete from model_runs",
            "",
        ],
    )
    def test_anything_else_is_refused(self, run: Any, tmp_path: Path, query: str) -> None:
        with connect(tmp_path) as ledger:
            put(ledger, "model_runs", run_row())
            before = counts(ledger)
        done = run("sql", query, "--path", tmp_path)
        assert refused(done, "quer")
        with connect(tmp_path) as ledger:
            assert ledger.created == ()
            assert counts(ledger) == before

    def test_a_mistake_in_a_query_is_one_line(self, run: Any, filled: Filled, filled_path: Path) -> None:
        assert refused(run("sql", "select mae_14 from model_runs", "--path", filled_path), "mae_14")


class TestDemo:
    @pytest.fixture
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        backtest = functools.partial(demonstration.backtest, models=["naive", "random_walk"])
        monkeypatch.setattr(demonstration, "backtest", backtest)

    @pytest.mark.usefixtures("small")
    def test_it_prints_the_leaderboard_the_choice_and_what_to_do_next(self, run: Any, tmp_path: Path) -> None:
        first = run("demo", "--path", tmp_path / "demo")
        assert first.code == 0
        assert first.out.startswith("WTI: 2 models, 40 windows of 14 trading days, the last to ")
        assert "No model beats naive on WTI: use naive." in first.out
        assert "80 fits, " in first.out
        assert f"  experiments best --commodity WTI --path {tmp_path / 'demo'}\n" in first.out
        assert "Traceback" not in first.err
        again = run("demo", "--path", tmp_path / "demo", "--json")
        assert ([one["choice"] for one in again.json["choices"]], again.json["n_fits"]) == (["naive"], 0)
        assert again.err == ""


class TestDoctor:
    def test_a_ledger_in_order(self, run: Any, filled: Filled, filled_path: Path) -> None:
        done = run("doctor", "--path", filled_path)
        assert (done.code, done.err) == (0, "")
        findings = {one["what"]: one for one in run("doctor", "--path", filled_path, "--json").json}
        assert set(next(iter(findings.values()))) == {"what", "state", "detail"}
        assert {"python", "machine", "packages", "engine", "ledger", "java", "git"} <= set(findings)
        assert findings["ledger"]["detail"] == f"{filled_path} holds WTI"
        assert findings["engine"]["detail"].startswith("sail, started and answered in ")
        assert "wrong" not in {one["state"] for one in findings.values()}
        assert all(name in done.out for name in findings)

    def test_where_there_is_none_it_makes_none(self, run: Any, tmp_path: Path) -> None:
        done = run("doctor", "--path", tmp_path / "none", "--json")
        assert done.code == 0
        ledger = next(one for one in done.json if one["what"] == "ledger")
        assert (ledger["state"], "experiments init" in ledger["detail"]) == ("note", True)
        assert list(tmp_path.iterdir()) == []

    def test_a_path_that_cannot_be_is_wrong(self, run: Any, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = run("doctor", "--path", tmp_path / "file" / "ledger")
        assert done.code == 1
        assert "WRONG  ledger" in done.out
        assert done.err == ""

    def test_a_broken_table_is_wrong(self, run: Any, tmp_path: Path) -> None:
        connect(tmp_path).close()
        for log in (tmp_path / "experiments" / "model_runs" / "_delta_log").glob("*.json"):
            log.write_text("{broken")
        done = run("doctor", "--path", tmp_path)
        assert done.code == 1
        assert "WRONG" in done.out

    def test_without_java_it_says_that_none_is_needed(
        self, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        findings = {one["what"]: one for one in run("doctor", "--path", tmp_path / "none", "--json").json}
        assert (findings["java"]["state"], findings["java"]["detail"]) == (
            "note",
            "none that runs; the engine spark needs 17 or newer, sail none",
        )

    def test_a_java_that_does_not_run_is_told(self, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        java = tmp_path / "java"
        java.write_text("#!/bin/sh\nexit 3\n")
        java.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
        findings = {one["what"]: one for one in run("doctor", "--path", tmp_path / "none", "--json").json}
        assert findings["java"]["state"] == "note"
        assert findings["java"]["detail"].startswith("none that runs")


class TestUsage:
    @pytest.mark.parametrize(
        "arguments",
        [["nonsense"], ["best", "--colour"], ["sql"], ["best", "extra"], ["best", "--path"], ["sql", "a", "b"]],
    )
    def test_what_is_not_understood_is_two(self, run: Any, arguments: list[str]) -> None:
        done = run(*arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: ")

    @pytest.mark.parametrize("name", [None, *command_line.cli.commands])
    def test_help_has_an_example(self, run: Any, name: str | None) -> None:
        done = run(*([name] if name else []), "--help")
        assert (done.code, done.err) == (0, "")
        assert "experiments" in done.out
        assert "Example:" in done.out or name is None
        assert run(*([name] if name else []), "-h").out == done.out

    def test_version(self, run: Any) -> None:
        try:
            installed = version("experiment-ledger")
        except PackageNotFoundError:
            pytest.skip("the package is not installed, only on the path")
        assert run("--version") == (0, f"{installed}\n", "")


class TestProcess:
    def test_answers_are_quiet_on_standard_error(self, filled: Filled, filled_path: Path, tmp_path: Path) -> None:
        done = process("best", "--json", cwd=tmp_path, EXPERIMENTS_PATH=str(filled_path))
        assert (done.code, done.err) == (0, "")
        assert done.json[0]["choice"] == "naive"

    def test_errors_are_one_line(self, filled: Filled, filled_path: Path, tmp_path: Path) -> None:
        done = process("sql", "select nothing from nowhere", "--path", filled_path, cwd=tmp_path)
        assert refused(done, "nowhere")

    def test_interrupted_while_it_works_is_130_and_the_ledger_is_in_order(self, tmp_path: Path) -> None:
        # the command ends its process at once, so never in this one
        running = subprocess.Popen(
            [sys.executable, "-c", "from experiments.cli.main import main; main()", "demo", "--path", "ledger"],
            cwd=tmp_path,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        last = tmp_path / "ledger" / "experiments" / sql_files.names("tables")[-1] / "_delta_log"
        deadline = time.monotonic() + 60
        while not last.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
        assert (running.returncode, out) == (130, "")
        assert err.rstrip().endswith("done and kept; run it again to go on")
        assert "Traceback" not in err
        with connect(tmp_path / "ledger") as ledger:
            assert counts(ledger)["experiments"] == counts(ledger)["model_runs"]

    def test_a_reader_that_leaves_is_no_error(self, filled: Filled, filled_path: Path, tmp_path: Path) -> None:
        query = "select repeat('x', 500) as x from forecasts"  # more than a pipe holds
        running = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from experiments.cli.main import main; main()",
                "sql",
                query,
                "--path",
                str(filled_path),
            ],
            cwd=tmp_path,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
        running.stderr.close()
        assert "Traceback" not in err
        assert "BrokenPipe" not in err
        assert running.wait(timeout=60) == 141  # as a shell reports a reader that left

    @pytest.mark.parametrize("arguments", [["--help"], ["backtest", "--help"]])
    def test_help_ends_quietly_where_nobody_reads(self, tmp_path: Path, arguments: list[str]) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        try:
            done = subprocess.run(
                [sys.executable, "-c", "from experiments.cli.main import main; main()", *arguments],
                cwd=tmp_path,
                env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
                stdout=writing,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        finally:
            os.close(writing)
        assert (done.returncode, done.stderr) == (141, "")

    @pytest.mark.parametrize(
        ("code", "absent"),
        [
            ("import experiments", "pandas pyspark numpy pyarrow pysail click"),
            ("import experiments.services.writer, experiments.services.ledger", "pandas pyspark pysail"),
            (
                "import sys; from experiments.cli.main import main; sys.argv = ['experiments', '--help']; "
                "exec('try:\\n main()\\nexcept SystemExit:\\n pass')",
                "pandas pyspark numpy pyarrow pysail rich",
            ),
        ],
    )
    def test_nothing_slow_is_imported_before_it_is_needed(self, tmp_path: Path, code: str, absent: str) -> None:
        loaded = f"{{name.partition('.')[0] for name in sys.modules}} & set('{absent}'.split())"
        listed = f"{code}\nimport sys\nprint('loaded:', *sorted({loaded}))"
        done = subprocess.run(
            [sys.executable, "-c", listed],
            cwd=tmp_path,
            env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.rstrip().endswith("loaded:"), done.stdout[-200:]
