"""The weekly backtest: its file is checked whole before anything runs, and one bad commodity does not stop the rest."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from experiments.cli import main as command_line
from experiments.errors import ConflictError, InvalidInputError, NotFoundError
from experiments.services import jobs
from experiments.services.backtest import backtest
from experiments.services.jobs import Section, read_config, run_backtests
from made import counts

if TYPE_CHECKING:
    from experiments.services.ledger import Ledger

SHIPPED = Path(__file__).parents[2] / "jobs" / "weekly_backtest.toml"
COFFEE = '[[backtest]]\ncommodity = "Coffee"\ndata = "coffee.csv"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "job.toml"
    path.write_text(text)
    return path


def test_the_shipped_file_runs_anywhere() -> None:
    (section,) = read_config(SHIPPED)
    assert section.data.startswith("example:")
    assert all(source.startswith("example:") for source in section.covariates)
    assert "naive" in (section.models or ())


def test_every_key_is_explained_in_the_shipped_file() -> None:
    comments = [line[1:].split() for line in SHIPPED.read_text().splitlines() if line.startswith("#   ")]
    explained = {word.strip(",") for words in comments for word in words[:2]}
    assert explained >= set(Section.__dataclass_fields__)


def test_what_is_left_out_is_as_in_a_backtest(tmp_path: Path) -> None:
    (section,) = read_config(written(tmp_path, COFFEE))
    defaults = {name: one.default for name, one in inspect.signature(backtest).parameters.items()}
    names = {"models": "models", "horizon": "horizon", "windows": "n_windows", "step": "step_size"}
    for ours, theirs in (names | {"train_size": "train_size"}).items():
        assert getattr(section, ours) == defaults[theirs]
    assert (section.covariates, section.known_covariates) == ((), ())


def test_all_keys_are_read(tmp_path: Path) -> None:
    more = 'covariates = ["vix.csv"]\nknown_covariates = ["days.csv"]\nmodels = ["naive"]\n'
    columns = 'train_size = "all"\ndate_column = "month"\nvalue_column = "close"\n'
    (section,) = read_config(written(tmp_path, COFFEE + more + "horizon = 7\nwindows = 3\nstep = 2\n" + columns))
    assert section == Section(
        commodity="Coffee",
        data="coffee.csv",
        covariates=("vix.csv",),
        known_covariates=("days.csv",),
        models=("naive",),
        horizon=7,
        windows=3,
        step=2,
        train_size=None,
        date_column="month",
        value_column="close",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has nothing: give one table [[backtest]]"),
        ("backtest = 1\n", "give one table [[backtest]]"),
        ("[backtest]\n", "give one table [[backtest]]"),
        ("backtest = []\n", "give one table [[backtest]]"),
        (COFFEE + "[schedule]\n", "has backtest, schedule: give one table [[backtest]]"),
        (COFFEE + "horizon 14\n", "cannot be read as TOML"),
        (COFFEE + COFFEE, "'Coffee' as the commodity of several"),
        (COFFEE + "horison = 14\n", "number 1 has the unknown key 'horison'; it takes commodity, data, covariates"),
        ('[[backtest]]\ndata = "coffee.csv"\n', "lacks 'commodity'; it needs commodity and data"),
        (COFFEE + '[[backtest]]\ncommodity = "Cocoa"\n', "number 2 lacks 'data'"),
        ('[[backtest]]\ncommodity = " "\ndata = "x.csv"\n', "commodity = ' ': give a text"),
        ('[[backtest]]\ncommodity = "Coffee"\ndata = ["x.csv"]\n', "data = ['x.csv']: give a text"),
        (COFFEE + 'models = "naive"\n', "models = 'naive': give a list of texts"),
        (COFFEE + "covariates = [1]\n", "covariates = [1]: give a list of texts"),
        (COFFEE + 'horizon = "14"\n', "horizon = '14': give a whole number of at least 1"),
        (COFFEE + "windows = true\n", "windows = True: give a whole number"),
        (COFFEE + "step = 0\n", "step = 0: give a whole number"),
        (COFFEE + 'workers = "all"\n', "workers = 'all': give a whole number of at least 0 or \"spark\""),
        (COFFEE + "workers = -1\n", 'workers = -1: give a whole number of at least 0 or "spark"'),
        (COFFEE + "train_size = 1.5\n", 'train_size = 1.5: give a whole number of at least 1 or "all"'),
        (COFFEE + 'windows = "all"\n', "windows = 'all': give a whole number"),
    ],
)
def test_a_bad_file_is_refused_and_says_what_is_accepted(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InvalidInputError) as caught:
        read_config(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)


def test_so_is_one_that_is_no_text_or_not_there(tmp_path: Path) -> None:
    (tmp_path / "job.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match="cannot be read as TOML"):
        read_config(tmp_path / "job.toml")
    for nowhere in (tmp_path / "other.toml", tmp_path):
        with pytest.raises(NotFoundError, match="there is no file"):
            read_config(nowhere)


def prices(folder: Path) -> Path:
    """A short series to backtest."""
    path = folder / "prices.csv"
    ds = pd.bdate_range("2024-01-01", periods=90)
    pd.DataFrame({"ds": ds, "y": [100 + (7 * day) % 11 for day in range(90)]}).to_csv(path, index=False)
    return path


def tiny(folder: Path, commodity: str, data: object) -> str:
    """A section of three windows."""
    return (
        f'[[backtest]]\ncommodity = "{commodity}"\ndata = "{data}"\n'
        'models = ["naive", "random_walk"]\nhorizon = 2\nwindows = 3\ntrain_size = 40\n'
    )


@pytest.mark.engine
def test_one_that_fails_is_told_and_the_rest_runs_and_again_nothing_is_fitted(ledger: Ledger, tmp_path: Path) -> None:
    source = prices(tmp_path)
    text = tiny(tmp_path, "Cocoa", tmp_path / "missing.csv") + tiny(tmp_path, "Coffee", source)
    sections = read_config(written(tmp_path, text))
    bad, good = run_backtests(sections, ledger, progress=False)
    assert bad.result is None
    assert "missing.csv" in str(bad.error)
    assert good.error is None
    assert good.result is not None
    assert good.result.n_fits == 6
    assert [choice.model for choice in good.choices] == ["naive"]
    assert {row["data_version"] for row in ledger.sql("select data_version from model_runs").to_dict("records")} == {
        "prices.csv"
    }
    before = counts(ledger)
    _, again = run_backtests(sections, ledger, progress=False)
    assert again.result is not None
    assert again.result.n_fits == 0
    assert again.result.experiment_ids == good.result.experiment_ids
    assert counts(ledger) == before


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("by\nnothing"), "ZeroDivisionError: by nothing"),
        (ConflictError("other figures"), "other figures"),
    ],
)
def test_an_error_of_any_kind_is_one_line(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(jobs, "_run", fail)
    sections = [Section(commodity=name, data="x.csv") for name in ("Coffee", "Cocoa")]
    outcomes = list(run_backtests(sections, None, progress=False))  # type: ignore[arg-type]
    assert [(one.commodity, one.error) for one in outcomes] == [("Coffee", told), ("Cocoa", told)]


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command, as its entry point runs it."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["experiments", "job", "backtest", *map(str, arguments)])
        code: Any = 0
        try:
            command_line.main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.mark.engine
def test_the_command_says_what_was_chosen_and_fails_if_one_did(run: Run, tmp_path: Path) -> None:
    config = written(tmp_path, tiny(tmp_path, "Coffee", prices(tmp_path)))
    code, out, err = run("--config", config, "--path", tmp_path / "ledger")
    assert (code, err) == (0, "")
    assert "Coffee" in out
    assert "use naive" in out
    assert "Coffee: 6 fits, 0 forecasts recorded before" in out
    config = written(tmp_path, tiny(tmp_path, "Cocoa", tmp_path / "no.csv") + config.read_text())
    code, out, err = run("--config", config, "--path", tmp_path / "ledger", "--json")
    assert code == 1
    assert err.startswith("error: Cocoa: ")
    assert err.count("\n") == 1
    bad, good = json.loads(out)
    assert bad["commodity"] == "Cocoa"
    assert "no.csv" in bad["error"]
    assert (good["error"], good["n_fits"], good["n_reused"]) == (None, 0, 6)
    assert good["choices"][0]["choice"] == "naive"


def test_a_bad_file_is_one_line_and_nothing_is_made(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--config", written(tmp_path, COFFEE + "horison = 1\n"), "--path", tmp_path / "ledger")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "unknown key 'horison'" in err
    assert not (tmp_path / "ledger").exists()
