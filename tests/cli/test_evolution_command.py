"""`experiments evolution`: what it prints of a model over its evaluations."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import pytest

from experiments.services.ledger import connect
from made import CONFIG, specified_experiment, windows

if TYPE_CHECKING:
    from pathlib import Path

    from command import Run

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger in which a model was made worse and evaluated on newer windows, in one of two series."""
    folder = tmp_path_factory.mktemp("evolved")
    known = list(windows(20))
    with connect(folder) as ledger:
        for order, worse, chosen in (
            ((1, 1, 1), 0.0, known[:16]),
            ((2, 1, 1), 0.5, known[:16]),
            ((2, 1, 1), 0.5, known),
        ):
            for window in chosen:
                y, y_hat = np.array(window["y"]), np.array(window["y_hat"])
                changed = window | {"y_hat": (y_hat + worse * (y_hat - y)).tolist()}
                config = CONFIG | {"n_windows": len(chosen), "hyperparameters": {"order": order}}
                ledger.log_experiment("mine", changed, config)
        for window in known[:3]:
            ledger.log_experiment("mine", window, CONFIG | {"n_windows": 3, "unique_id": "Robusta"})
        ledger.write_experiments([specified_experiment() | {"commodity": "Cocoa", "model_name": "told"}])
    return folder


def test_a_table_a_line_for_each_change_and_what_else_changed(run: Run, path: Path) -> None:
    done = run("evolution", "mine", "--commodity", "Coffee", "--path", path)
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "mine on Coffee: 3 evaluations, windows of 14 trading days"
    assert next(line for line in lines if line.startswith("2: ")).startswith(
        "2: worse beyond luck on 16 shared windows ("
    )
    assert "   changed: order [1, 1, 1] to [2, 1, 1]" in lines
    assert next(line for line in lines if line.startswith("3: ")).startswith(
        "3: same forecasts on 16 shared windows; over"
    )
    assert next(line for line in lines if line.startswith("   changed: n_windows 16 to 20, data as of "))
    assert "mine on Coffee Robusta: 1 evaluation, windows of 14 trading days" in lines
    assert lines[-1] == "mine: 4 evaluations, 2 changes: 1 worse beyond luck, 1 same forecasts."


def test_json_has_everything(run: Run, path: Path) -> None:
    found = run("evolution", "mine", "--path", path, "--json").json
    assert (found["model_name"], found["commodity"]) == ("mine", None)
    first, worse, _, alone = found["evaluations"]
    assert first["change"] is None
    assert alone["change"] is None
    change = worse["change"]
    assert change["since"] == first["experiment_id"]
    assert change["verdict"] == "worse beyond luck"
    assert change["changed"] == [{"kind": "parameters", "what": "order", "before": "[1, 1, 1]", "after": "[2, 1, 1]"}]
    with connect(path) as ledger:
        asked = ledger.evolution("mine")
    assert change["lower"] == asked.evaluations[1].change.lower
    assert [list(one) for one in found["evaluations"]] == [list(asdict(one)) for one in asked.evaluations]


def test_one_evaluation_and_none_computed_are_answers(run: Run, path: Path) -> None:
    done = run("evolution", "told", "--path", path)
    assert (done.code, done.err) == (0, "")
    assert done.out == (
        "told has no finished evaluation computed here, only 1 reported by callers: there is nothing to compare.\n"
    )
    assert run("evolution", "told", "--path", path, "--json").json["evaluations"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nine",), "error: unknown model 'nine'. Did you mean 'mine'? Known: mine, told."),
        (("mine", "--commodity", "Cofee"), "error: unknown commodity 'Cofee'. Did you mean 'Coffee'?"),
        (("mine", "--commodity", "Cocoa"), "error: unknown model of Cocoa 'mine'. Known: told."),
    ],
)
def test_unknown_names_are_refused(run: Run, path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run("evolution", *arguments, "--path", path)
    assert (done.code, done.out) == (1, "")
    assert words in done.err


def test_a_ledger_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    done = run("evolution", "mine", "--path", tmp_path / "none")
    assert done.code == 1
    assert not (tmp_path / "none").exists()
