"""The notebooks run from the first to the last, and are kept without what came out."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PICTURES = {"01_first_backtest": 3, "02_comparing_models": 2, "03_promoting_and_rolling_back": 0, "04_presentation": 1}
"""Plots each notebook shows."""

pytestmark = [
    # of the packages that run a notebook
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_there_are_those_that_are_told() -> None:
    assert [path.stem for path in NOTEBOOKS] == [*PICTURES]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_came_out_is_not_kept(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.mark.engine
def test_they_run_one_after_another(tmp_path: Path) -> None:
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        where = {"metadata": {"path": str(tmp_path)}}
        nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        pictures = [output for output in outputs if "image/png" in output.get("data", {})]
        assert len(pictures) == PICTURES[path.stem], path.stem
        told = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
        assert told == [], path.stem
    assert {"presentation.html", "presentation.pptx", "presentation.md"} <= {path.name for path in tmp_path.iterdir()}
