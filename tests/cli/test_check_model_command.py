"""`experiments check-model`: what it prints, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from experiments.science.models import registration, registry
from experiments.services import model_check

if TYPE_CHECKING:
    from command import Run

HONEST = """
from experiments.science.models.registration import register

@register("honest")
def fit(window):
    return [window.y[-1]] * window.horizon
"""

LEAKY = """
import pandas as pd
from experiments.science.models.registration import register

PRICES = pd.read_csv("prices.csv", parse_dates=["ds"]).set_index("ds")["y"]

@register("leaky")
def fit(window):
    return PRICES[str(window.ds[-1]):].iloc[1 : window.horizon + 1].to_numpy()
"""


WET = """
from experiments.science.models.registration import register

def fit(window):
    return [window.y[-1] + window.x[-1].sum()] * window.horizon

register("wet", fit, covariates=("rain", "*_usd", "temp_*"))
register("any", fit, covariates="*")
"""


@pytest.fixture(autouse=True)
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hundred trading days, rain with them, and a folder of its own where the test works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registration, "_registered", {})
    days = pd.bdate_range("2024-01-01", periods=200)
    walks = 100 + np.random.default_rng(1).normal(size=(2, 200)).cumsum(axis=1)
    pd.DataFrame({"ds": days, "y": walks[0]}).to_csv("prices.csv", index=False)
    pd.DataFrame({"ds": days, "rain": walks[1]}).to_csv("rain.csv", index=False)
    Path("honest.py").write_text(HONEST)
    Path("leaky.py").write_text(LEAKY)
    Path("wet.py").write_text(WET)
    return tmp_path / "prices.csv"


def test_one_that_passes_on_the_example(run: Run) -> None:
    done = run("check-model", "naive")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("passed") == 8
    assert "18 fits, at the cutoffs" in done.out
    assert "naive passed: these checks saw no look ahead (on example:wti, 14 trading days ahead, " in done.out
    assert not Path("ledger").exists()


def test_one_of_a_file_that_looks_ahead(run: Run) -> None:
    done = run("check-model", "leaky", "prices.csv", "--model-file", "leaky.py", "--horizon", "3", "--train-size", "50")
    assert (done.code, done.err) == (1, "")
    assert done.out.count("FAILED") == 2
    assert "the global PRICES, a Series of 200 rows to 2024-10-04" in " ".join(done.out.split())
    assert "leaky failed: own data, past (on prices.csv, 3 trading days ahead, " in done.out


def test_as_json(run: Run) -> None:
    found = run("check-model", "honest", "prices.csv", "--model-file", "honest.py", "--train-size", "all", "--json")
    assert found.code == 0
    assert found.json["passed"] is True
    assert (found.json["model"], found.json["source"], found.json["horizon"]) == ("honest", "prices.csv", 14)
    checks = [one["check"] for one in found.json["findings"]]
    assert checks == ["fits", "future", "own data", "past", "stale", "repeat", "files"]


def test_covariates_are_given_offered_or_made_up(run: Run) -> None:
    def checked(name: str, *arguments: str) -> tuple[list[str], list[str]]:
        done = run("check-model", name, *arguments, "--model-file", "wet.py", "--train-size", "50", "--json")
        assert done.code == 0, done.err + done.out
        return done.json["covariates"], done.json["notes"]

    rain = ("prices.csv", "--covariates", "rain.csv")
    made_up = "a_usd, temp_a are made up: random walks, as wet asks for them"
    assert checked("wet", *rain) == (["a_usd", "rain", "temp_a"], [made_up])
    assert checked("any", *rain) == (["rain"], [])
    assert checked("any", "prices.csv", "--known-covariates", "rain.csv") == (["rain"], [])
    assert checked("any", "prices.csv") == (["a"], ["a is made up: a random walk, as any asks for it"])
    assert checked("any") == (["vix"], [])
    assert checked("any", "example:wti", "--covariates", "example:vix") == (["vix"], [])


def test_of_several_series_the_first_is_checked(run: Run) -> None:
    frame = pd.read_csv("prices.csv")
    pd.concat([frame.assign(unique_id="a"), frame.assign(unique_id="b")]).to_csv("both.csv", index=False)
    done = run("check-model", "naive", "both.csv")
    assert done.code == 0
    assert "Note: of 2 series only series 'a' of both.csv is checked." in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nonsense",), "unknown model 'nonsense'"),
        (("naive", "none.csv"), "none.csv"),
        (("mine", "--model-file", "none.py"), "there is no file 'none.py'"),
        (("naive", "prices.csv", "--horizon", "199"), "a check needs 199 after the last cutoff"),
        (("naive", "--value-column", "close", "prices.csv"), "has no column 'close'"),
    ],
)
def test_what_cannot_be_checked_ends_in_one_line(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done = run("check-model", *arguments)
    assert (done.code, done.out) == (1, "")
    assert said in done.err
    assert done.err.count("\n") == 1


def test_a_package_that_is_not_installed_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = registry.BASELINE_MODELS["xgboost_v1"]
    monkeypatch.setattr(registry, "BASELINE_MODELS", {"lacking": replace(lacking, requires="nonsense")})
    done = run("check-model", "lacking")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: lacking needs the package nonsense (pip install")


def test_a_bar_appears_once_it_takes_long(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, bool]] = []
    bar = model_check.progress_bar

    def noted(what: str, *, total: int, enabled: bool) -> object:
        shown.append((what, total, enabled))
        return bar(what, total=total, enabled=enabled)

    monkeypatch.setattr(model_check, "progress_bar", noted)
    assert run("check-model", "naive").code == 0
    assert shown == []
    monkeypatch.setattr(model_check, "_PATIENCE", 0.0)
    assert run("check-model", "naive").code == 0
    assert shown == [("checking naive", 17, True)]
