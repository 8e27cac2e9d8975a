"""`leaderboard --horizon --as-of --plot`, `compare` and `job refresh`."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.services.ledger import connect
from made import backtest_row, put, put_losses, run_row

if TYPE_CHECKING:
    from pathlib import Path

    from command import Run

pytestmark = pytest.mark.engine

N = 40
RANDOM = np.random.default_rng(9)
NAIVE = (2.0 + RANDOM.uniform(0, 2, N)).tolist()
GOOD = [a - 0.7 + 0.1 * e for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]
UNCLEAR = [abs(a - 0.02 + 0.5 * e) for a, e in zip(NAIVE, RANDOM.normal(size=N), strict=True)]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("commands")
    with connect(path) as ledger:
        put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD, "unclear": UNCLEAR}, naive=NAIVE)
    return path


class TestLeaderboard:
    def test_evidence_accuracy_and_choice(self, run: Run, filled: Path) -> None:
        done = run("leaderboard", "--path", filled)
        assert (done.code, done.err) == (0, "")
        assert "vs naive [95 %]" in done.out
        assert "vs leader [95 %]" in done.out
        assert "better than naive" in done.out
        assert "windows would tell" in " ".join(done.out.split())
        assert "Use good for Coffee: its error over 14 trading days is" in done.out

    def test_at_one_step(self, run: Run, filled: Path) -> None:
        done = run("leaderboard", "--path", filled, "--horizon", 7)
        assert done.out.startswith(
            "Coffee: 3 models, 40 windows of 14 trading days, the last to 2025-01-10, errors at step 7"
        )
        assert "its error at trading day 7 is" in done.out
        assert {row["metric"] for row in run("leaderboard", "--path", filled, "--horizon", 7, "--json").json} == {
            "mae_7day"
        }

    def test_as_of(self, run: Run, filled: Path) -> None:
        assert len(run("leaderboard", "--path", filled, "--as-of", "2025-01-11", "--json").json) == 3
        done = run("leaderboard", "--path", filled, "--as-of", "2024-01-01")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("error: no evaluation of Coffee was finished by 2024-01-01")

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--horizon", 3), "at 1, 7 and 14 steps ahead"),
            (("--as-of", "soon"), "as_of is 'soon': give a date"),
            (("--plot", "board.txt"), "is no picture"),
        ],
    )
    def test_refused_in_one_line(self, run: Run, filled: Path, options: tuple[object, ...], said: str) -> None:
        done = run("leaderboard", "--path", filled, *options)
        assert (done.code, done.out) == (1, "")
        assert said in done.err
        assert done.err.count("\n") == 1

    def test_drawn(self, run: Run, filled: Path, tmp_path: Path) -> None:
        done = run("leaderboard", "--path", filled, "--plot", tmp_path / "board.png")
        assert done.out.endswith(f"Drawn in {tmp_path / 'board.png'}.\n")
        assert (tmp_path / "board.png").read_bytes().startswith(b"\x89PNG")

    def test_a_ledger_that_may_only_be_read_answers(self, run: Run, filled: Path) -> None:
        run("job", "refresh", "--path", filled)
        before = sorted(file for file in filled.rglob("*") if file.is_file())
        run("leaderboard", "--path", filled)
        assert sorted(file for file in filled.rglob("*") if file.is_file()) == before

    def test_what_only_some_can_answer(self, run: Run, tmp_path: Path) -> None:
        with connect(tmp_path) as ledger:
            for commodity in ("Coffee", "Tea"):
                put_losses(ledger, commodity, {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
            put(ledger, "backtests", backtest_row(backtest_id="short", commodity="Sugar", horizon=5))
            short = {"backtest_id": "short", "commodity": "Sugar", "unique_id": "Sugar", "forecast_horizon_days": 5}
            put(ledger, "model_runs", run_row(model_name="naive", **short))
        done = run("leaderboard", "--path", tmp_path, "--horizon", 14)
        assert done.code == 0
        assert done.out.count("Use good for") == 2
        assert done.err == "note: horizon is 14: the windows of this backtest of Sugar have 5 steps.\n"
        alone = run("leaderboard", "--path", tmp_path, "--horizon", 14, "--commodity", "Sugar")
        assert (alone.code, alone.out) == (1, "")

    def test_another_backtest_is_said_and_can_be_asked_for(self, run: Run, tmp_path: Path) -> None:
        with connect(tmp_path) as ledger:
            put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
            other = {"backtest_id": "other", "data_as_of": dt.date(2025, 1, 3)}
            put(ledger, "backtests", backtest_row(backtest_id="other", train_size=None))
            put(ledger, "model_runs", run_row(model_name="naive", **other))
        done = run("leaderboard", "--path", tmp_path)
        assert (
            "Another backtest: 1 evaluation of 14 trading days ahead, step 14, trained on all before, "
            "data to 2025-01-03: --backtest other\n"
        ) in done.out
        asked = run("leaderboard", "--path", tmp_path, "--backtest", "other", "--json").json
        assert {row["backtest_id"] for row in asked} == {"other"}
        assert run("leaderboard", "--path", tmp_path, "--backtest", "othr").code == 1


class TestCompare:
    def test_two_models(self, run: Run, filled: Path, tmp_path: Path) -> None:
        done = run("compare", "good", "naive", "--path", filled, "--plot", tmp_path / "compared.png")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Coffee: 40 windows of 40 shared by all 2\n")
        assert "good is better, in both halves" in done.out
        assert "the row's minus the column's" not in done.out
        assert (tmp_path / "compared.png").exists()

    def test_a_matrix_of_more(self, run: Run, filled: Path) -> None:
        done = run("compare", "good", "naive", "unclear", "--path", filled)
        assert "Mean error over all steps, the row's minus the column's" in done.out
        found = run("compare", "good", "naive", "unclear", "--path", filled, "--json").json
        assert [one["metric"] for one in found["comparisons"]] == ["mae_path", "mae_1day", "mae_7day", "mae_14day"]
        assert len(found["comparisons"][0]["pairs"]) == 3
        assert found["comparisons"][0]["pairs"][0]["in_words"] == "good is better, in both halves"

    def test_an_unknown_model(self, run: Run, filled: Path) -> None:
        done = run("compare", "goood", "naive", "--path", filled)
        assert (done.code, done.out) == (1, "")
        assert "Did you mean 'good'?" in done.err

    def test_of_several_commodities_one_is_named(self, run: Run, tmp_path: Path) -> None:
        assert run("compare", "a", "b", "--path", tmp_path).code == 1
        with connect(tmp_path) as ledger:
            pass
        assert "the ledger is empty" in run("compare", "a", "b", "--path", tmp_path).err
        with connect(tmp_path) as ledger:
            for commodity in ("Coffee", "Tea"):
                put_losses(ledger, commodity, {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
        done = run("compare", "naive", "good", "--path", tmp_path)
        assert done.err == "error: the ledger has several commodities: name one of Coffee, Tea.\n"
        assert run("compare", "naive", "good", "--path", tmp_path, "--commodity", "Tea").code == 0


class TestRefresh:
    def test_what_is_new_once(self, run: Run, tmp_path: Path) -> None:
        with connect(tmp_path) as ledger:
            put_losses(ledger, "Coffee", {"naive": NAIVE, "good": GOOD}, naive=NAIVE)
        assert run("job", "refresh", "--path", tmp_path).out == "4 comparisons made.\n"
        assert run("job", "refresh", "--path", tmp_path).out == "Nothing is new.\n"
        assert run("job", "refresh", "--path", tmp_path, "--commodity", "Coffee", "--json").json == {"families": 0}
        assert "unknown commodity" in run("job", "refresh", "--path", tmp_path, "--commodity", "Tea").err
