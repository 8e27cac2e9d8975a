"""`experiments models`: what can be backtested."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.science.models import registry

if TYPE_CHECKING:
    import pytest

    from command import Run


def test_the_specified_twenty_five_are_listed_by_type(run: Run) -> None:
    done = run("models")
    assert (done.code, done.err) == (0, "")
    assert "sarimax_auto_weather_v1" in done.out
    assert "8 SARIMAX, 11 XGBoost, 2 Prophet, 1 NeuralProphet" in done.out  # and a baseline of the tests


def test_as_json_with_everything_of_each(run: Run) -> None:
    rows = {row["name"]: row for row in run("models", "--json").json}
    assert rows["sarimax_auto_weather_v1"] == {
        "name": "sarimax_auto_weather_v1",
        "type": "SARIMAX",
        "version": "v1",
        "function": "fit_sarimax_auto",
        "params": {},
        "covariates": ["temp_*", "humidity_*", "precipitation_*"],
        "feature_set": "weather",
        "complexity": "medium",
        "production_candidate": True,
        "lacks": None,
        "pruned_for": [],
    }


def test_one_that_cannot_run_here_is_said_to_be(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None if "neural" in name else name)
    told = "neuralprophet_v1 cannot run here for want of the package neuralprophet"
    assert f"{told} (pip install 'experiment-ledger[neural]')." in run("models").out


def test_those_of_a_file_are_among_them_and_a_bad_file_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.py"
    file.write_text(
        "import experiments\n\n@experiments.register('listed_mine')\ndef fit(window):\n    return window.y[-1:]\n"
    )
    assert "listed_mine" in {row["name"] for row in run("models", "--model-file", "mine.py", "--json").json}
    file.write_text("1 / 0\n")
    done = run("models", "--model-file", "mine.py")
    assert done.code == 1
    assert "division by zero" in done.err
    assert run("models", "--model-file", "other.py").code == 1
