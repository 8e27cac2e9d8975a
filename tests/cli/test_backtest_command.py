"""`experiments backtest`: from a user's file to an answer, and the options commands share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import pandas as pd
import pytest

from experiments.cli import main as command_line
from experiments.cli.options import ENGINES
from experiments.errors import ExperimentsError
from experiments.services.ledger import connect
from made import counts, rows_of

if TYPE_CHECKING:
    from command import Run

SMALL = ("--models", "naive,random_walk", "--windows", "3", "--horizon", "2")


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sixty trading days of a random walk in a folder of its own, where the test works."""
    monkeypatch.chdir(tmp_path)
    days = pd.bdate_range("2024-01-01", periods=60)
    walk = 100 + np.random.default_rng(1).normal(size=60).cumsum()
    pd.DataFrame({"ds": days, "y": walk}).to_csv(tmp_path / "prices.csv", index=False)
    return tmp_path / "prices.csv"


@pytest.mark.engine
class TestBacktest:
    def test_it_prints_leaderboard_choice_and_how_to_ask_again(self, run: Run, prices: Path) -> None:
        done = run("backtest", "prices.csv", "--commodity", "Green coffee", *SMALL)
        assert (done.code, done.err) == (0, "")
        assert "Green coffee: 2 models, 3 windows of 2 trading days, the last to 2024-03-21\n" in done.out
        assert "MAE 1: at that trading day" in done.out
        assert "MAE all" in done.out
        assert "MAE 14" not in done.out
        assert "use naive" in done.out
        assert "6 fits, " in done.out
        assert "recorded in ledger. Ask it again:\n  experiments best --commodity 'Green coffee'\n" in done.out
        again = run("best", "--commodity", "Green coffee")
        assert again.out.strip() in done.out

    def test_as_one_document_of_json_and_fitting_nothing_again(self, run: Run, prices: Path) -> None:
        first = json.loads(run("backtest", prices, "--commodity", "Coffee", *SMALL, "--json").out)
        assert {row["model_name"] for row in first["leaderboard"]} == {"naive", "random_walk"}
        assert [(one["commodity"], one["choice"]) for one in first["choices"]] == [("Coffee", "naive")]
        assert (first["n_fits"], first["n_reused"]) == (6, 0)
        again = run("backtest", prices, "--commodity", "Coffee", *SMALL, "--json")
        assert (again.code, again.err) == (0, "")
        assert json.loads(again.out)["n_fits"] == 0

    def test_notes_are_printed(self, run: Run, prices: Path) -> None:
        lines = prices.read_text().splitlines()
        prices.write_text("\n".join([lines[0], *reversed(lines[1:]), "2024-03-25,"]))
        done = run("backtest", prices, "--commodity", "Coffee", *SMALL)
        assert done.code == 0, done.err
        assert "Note: rows of the data of Coffee sorted by date" in done.out
        assert "1 of 61 rows without a date or value" in done.out

    def test_what_was_read_is_recorded(self, run: Run, prices: Path) -> None:
        assert run("backtest", prices, "--commodity", "Coffee", *SMALL).code == 0
        with connect("ledger") as ledger:
            assert {row["data_version"] for row in rows_of(ledger, "model_runs")} == {"prices.csv"}

    def test_several_series_have_a_table_and_a_choice_each(self, run: Run, prices: Path) -> None:
        frame = pd.read_csv(prices)
        both = pd.concat([frame.assign(unique_id="a"), frame.assign(unique_id="b", y=frame["y"] * 2)])
        both.to_csv(prices, index=False)
        done = run("backtest", prices, "--commodity", "Coffee", *SMALL)
        assert done.code == 0, done.err
        for name in ("a", "b"):
            assert f"Coffee {name}: 2 models, 3 windows" in done.out
            assert f"on Coffee {name}: use naive" in done.out
        assert done.out.count("Diebold-Mariano, two-sided") == 1

    def test_covariates_and_columns_of_other_names(self, run: Run, prices: Path) -> None:
        frame = pd.read_csv(prices)
        frame.rename(columns={"ds": "day", "y": "close"}).to_csv(prices, index=False)
        for name in ("vix", "rain", "tariff"):
            frame.set_axis(["ds", name], axis=1).to_csv(prices.with_name(f"{name}.csv"), index=False)
        columns = ["--date-column", "day", "--value-column", "close"]
        observed = ["--covariates", "vix.csv, rain.csv", "--known-covariates", "tariff.csv"]
        done = run("backtest", prices, "--commodity", "Coffee", *SMALL, *columns, *observed, "--train-size", "all")
        assert done.code == 0, done.err
        with connect("ledger") as ledger:
            assert [dict(row["covariates"]) for row in rows_of(ledger, "backtests")] == [
                {"rain": "observed", "tariff": "known", "vix": "observed"}
            ]
            assert pd.isna(rows_of(ledger, "backtests")[0]["train_size"])

    def test_step_and_train_size_are_those_given(self, run: Run, prices: Path) -> None:
        arguments = ["--models", "naive", "--models", "random_walk", "--windows", 2, "--horizon", 2]
        done = run("backtest", prices, "--commodity", "Coffee", *arguments, "--step", 1, "--train-size", 40)
        assert done.code == 0, done.err
        with connect("ledger") as ledger:
            found = rows_of(ledger, "backtests")
            assert [(row["step_size"], row["train_size"]) for row in found] == [(1, 40)]
            assert counts(ledger)["model_runs"] == 2

    def test_a_backtest_on_earlier_data_does_not_pass_for_the_choice(self, run: Run, prices: Path) -> None:
        assert run("backtest", prices, "--commodity", "Coffee", *SMALL).code == 0
        earlier = pd.read_csv(prices).head(50)
        earlier.to_csv(prices, index=False)
        done = run("backtest", prices, "--commodity", "Coffee", *SMALL[:-1], 1)
        assert done.code == 0, done.err
        assert "the last to 2024-03-08" in done.out
        assert "(They answer from another backtest of Coffee, the one on data to 2024-03-21.)" in done.out
        assert "on 1 window" not in run("best", "--commodity", "Coffee").out

    def test_an_unknown_model_is_refused(self, run: Run, prices: Path) -> None:
        done = run("backtest", prices, "--commodity", "Coffee", "--models", "naiv")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: unknown model 'naiv'. Did you mean 'naive'? Known: ")

    def test_a_table_of_the_engine_is_a_source(self, run: Run, prices: Path) -> None:
        run("init")
        done = run("backtest", "model_runs", "--commodity", "Coffee")
        assert (done.code, done.out) == (1, "")
        assert "error: model_runs has no rows" in done.err
        done = run("backtest", "price", "--commodity", "Coffee")
        assert "Did you mean 'prices.csv'?" in done.err


class TestRefused:
    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["prices.csv"],
            ["prices.csv", "more.csv", "--commodity", "Coffee"],
            ["prices.csv", "--commodity", "Coffee", "--horizon", "0"],
            ["prices.csv", "--commodity", "Coffee", "--windows", "-1"],
            ["prices.csv", "--commodity", "Coffee", "--step", "0"],
            ["prices.csv", "--commodity", "Coffee", "--horizon", "1.5"],
            ["prices.csv", "--commodity", "Coffee", "--train-size", "0"],
            ["prices.csv", "--commodity", "Coffee", "--train-size", "-5"],
            ["prices.csv", "--commodity", "Coffee", "--train-size", "some"],
            ["prices.csv", "--commodity", "Coffee", "--train-size", ""],
            ["prices.csv", "--commodity", "Coffee", "--engine", "duckdb"],
        ],
    )
    def test_what_is_not_understood_is_two_and_nothing_is_made(
        self, run: Run, prices: Path, arguments: list[str]
    ) -> None:
        done = run("backtest", *arguments)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("error: ")
        assert [path.name for path in prices.parent.iterdir()] == ["prices.csv"]

    def test_a_file_that_cannot_be_read_leaves_no_ledger_behind(self, run: Run, prices: Path) -> None:
        for arguments in (
            ["price.csv"],
            ["prices.csv", "--covariates", "vix.csv"],
            ["prices.csv", "--value-column", "x"],
        ):
            done = run("backtest", *arguments, "--commodity", "Coffee")
            assert (done.code, done.out, done.err.count("\n")) == (1, "", 1)
            assert done.err.startswith("error: ")
        assert [path.name for path in prices.parent.iterdir()] == ["prices.csv"]


class TestEngine:
    def test_every_command_with_a_path_takes_an_engine(self) -> None:
        commands = {"job backtest": command_line.cli.commands["job"].commands["backtest"], **command_line.cli.commands}
        for name, command in commands.items():
            options = {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
            assert ("--path" in options) == ("--engine" in options), name

    def test_the_engines_are_those_connect_knows(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentsError) as caught:
            connect(tmp_path, engine="nonsense")
        assert str(caught.value).endswith(f"Known: {', '.join(sorted(ENGINES))}.")

    def test_it_may_come_from_the_environment(self, run: Run, prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("EXPERIMENTS_ENGINE", "duckdb")
        done = run("backtest", prices, "--commodity", "Coffee")
        assert (done.code, "--engine" in done.err) == (2, True)
