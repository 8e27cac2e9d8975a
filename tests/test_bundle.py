"""The bundle holds for both targets, and the check names each fault a broken copy has."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
JOB = "resources/weekly_backtest.job.yml"
SCHEMA = "resources/experiments.schema.yml"


def _load(name: str) -> ModuleType:
    """A script of .ci, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


pytest.importorskip("databricks.bundles")
bundle_files = _load("bundle_files")
checker = _load("check_bundle")

Break = Callable[[str, str, str], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A bundle to break."""
    for name in ("databricks.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("jobs", "resources"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def problems(root: Path, target: str = "dev") -> list[str]:
    found: list[str] = checker.check(root, target, bundle_files.read_pyproject(root))
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_the_bundle_holds(target: str) -> None:
    assert problems(ROOT, target) == []


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_so_does_a_copy_of_it(copy: Path, target: str) -> None:
    assert problems(copy, target) == []


FAULTS = [
    # where, what stands there, what is put there, what the check says
    ("databricks.yml", "- resources/*.yml", "- resource/*.yml", "include resource/*.yml matches no file"),
    ("databricks.yml", "mode: development", "made: development", "targets.dev: unknown key 'made'"),
    ("databricks.yml", "type: whl", "kind: whl", "artifacts.wheel: unknown key 'kind'"),
    ("databricks.yml", "include:", "includes:", "databricks.yml: unknown key 'includes'"),
    ("databricks.yml", "      catalog: dev\n", "", "variable 'catalog' has no value"),
    ("databricks.yml", "      catalog: dev\n", "      catalogue: dev\n", "sets 'catalogue'"),
    ("databricks.yml", "  notify_email:\n", "  unused:\n    default: x\n  notify_email:\n", "'unused' is used nowhere"),
    ("databricks.yml", "pause_status: PAUSED", "pause_status: UNPAUSED", "in this mode it should be PAUSED"),
    ("databricks.yml", "pause_status: PAUSED", "pause_status: RESTING", "'RESTING'"),
    ("databricks.yml", "- benchmarks/**", "- jobs/**", "jobs/weekly_backtest.toml is not uploaded"),
    ("databricks.yml", "--wheel-dir dist", "--wheel-dir build", "is not where experiment_ledger-"),
    ("databricks.yml", "  dev:\n", "  development:\n", "no target dev"),
    ("databricks.yml", "  dev:\n", "  dev:\n    default: true\n", "'default' is given twice"),
    ("databricks.yml", "name: experiment_ledger", "name: ${bundle.nme}", "${bundle.nme} points at nothing"),
    (SCHEMA, "comment:", "comments:", "Unexpected field 'comments'"),
    (SCHEMA, "${var.catalog}", "${var.katalog}", "${var.katalog} points at nothing"),
    (SCHEMA, "${var.catalog}", "${var.catalog", "without its closing brace"),
    (SCHEMA, "    experiments:", "    weekly_backtest:", "the resource key 'weekly_backtest' is used twice"),
    (SCHEMA, "    experiments:", "    ledger:", "should be named ledger.schema.yml"),
    (SCHEMA, "  schemas:", "  volumes:", "the kind 'volumes' is not checked yet"),
    (SCHEMA, "resources:", "- resources:", "mapping"),
    (JOB, "0 0 6 ? * SAT", "0 0 6 * * SAT", "should have '?'"),
    (JOB, "0 0 6 ? * SAT", "0 6 * * 6", "has 5 fields"),
    (JOB, "0 0 6 ? * SAT", "0 0 25 ? * SAT", "has '25' as hour"),
    (JOB, "0 0 6 ? * SAT", "0 0 6 ? * SATURDAY", "has 'SATURDAY' as day of week"),
    (JOB, "${var.pause_status}", "UNPAUSED", "make it a variable"),
    (JOB, "RUN_DURATION_SECONDS", "RUN_DURATION_MINUTES", "RUN_DURATION_MINUTES"),
    (JOB, "max_concurrent_runs: 1", "max_concurent_runs: 1", "Unexpected field 'max_concurent_runs'"),
    (JOB, "environment_key: models", "environment_key: default", "has the environment_key 'default'"),
    (JOB, "environment_version", "client", "lacks an environment_version"),
    (JOB, "- task_key: backtest", "- task_key: backtest\n          depends_on: [{task_key: x}]", "depends on 'x'"),
    (JOB, "package_name: experiment-ledger", "package_name: experiments", "package_name is 'experiments'"),
    (JOB, "entry_point: experiments", "entry_point: experiment", "no script 'experiment'"),
    (JOB, "              - job\n", "", "No such option '--config'"),
    (JOB, "              - backtest\n", "", "no command '--config'; there are backtest"),
    (JOB, "              - --catalog\n", "              - --katalog\n", "No such option"),
    (JOB, "              - databricks\n", "              - databrick\n", "'databrick'"),
    (JOB, "/jobs/weekly_backtest.toml", "/jobs/daily.toml", "there is no jobs/daily.toml"),
    (JOB, "../dist/*.whl", "../build/*.whl", "is not where experiment_ledger-"),
    (JOB, "../dist/*.whl", "experiment-ledger", "does not install the wheel"),
    (JOB, "statsforecast>=2.0", "statsforecast>=1.0", "what no extra of the wheel asks for"),
    (JOB, "${resources.schemas.experiments.name}", "${resources.schemas.ledger.name}", "points at nothing"),
    ("jobs/weekly_backtest.toml", "horizon = 14", "horizon = '14'", "a whole number of at least 1"),
    ("jobs/weekly_backtest.toml", "horizon = 14", "horison = 14", "unknown key 'horison'"),
]


@pytest.mark.parametrize(("file", "old", "new", "said"), FAULTS, ids=[f"{new[:30]}" for _, _, new, _ in FAULTS])
def test_a_fault_is_named(copy: Path, file: str, old: str, new: str, said: str) -> None:
    edit(copy / file, old, new)
    found = problems(copy)
    assert [problem for problem in found if said in problem], found
    assert all(problem.startswith("dev: ") for problem in found)


def test_a_schedule_that_rests_in_production_is_named(copy: Path) -> None:
    edit(copy / "databricks.yml", "pause_status: UNPAUSED", "pause_status: PAUSED")
    assert problems(copy, "dev") == []
    assert "in this mode it should be UNPAUSED" in problems(copy, "prod")[0]


def test_two_resources_in_a_file_are_named(copy: Path) -> None:
    other = (copy / SCHEMA).read_text().removeprefix("resources:\n")
    (copy / JOB).write_text((copy / JOB).read_text() + other.replace("    experiments:", "    other:"))
    assert any("holds several resources" in problem for problem in problems(copy))


def test_a_file_a_resource_names_must_be_there(copy: Path) -> None:
    notebook = (
        "        - task_key: report\n          notebook_task:\n            notebook_path: ../notebooks/report.py\n"
    )
    edit(copy / JOB, "      environments:\n", notebook + "      environments:\n")
    assert any("there is no ../notebooks/report.py" in problem for problem in problems(copy))
    (copy / "notebooks").mkdir()
    (copy / "notebooks" / "report.py").write_text("# Databricks notebook source\n")
    assert problems(copy) == []


@pytest.mark.parametrize(
    "expression",
    ["0 0 6 ? * SAT", "0 0/15 8-17 ? * MON-FRI", "0 0 6 L * ?", "0 0 6 15W JAN,JUL ? 2030", "0 30 5 ? * 6#3"],
)
def test_quartz_expressions_are_known(expression: str) -> None:
    assert checker.quartz_problem(expression) is None


@pytest.mark.parametrize(
    "expression", ["", "0 0 6 ? * ?", "60 0 6 ? * SAT", "0 0 6 32 * ?", "0 0 6 ? 13 SAT", "0 0 */0 ? * SAT", "@weekly"]
)
def test_and_others_refused(expression: str) -> None:
    assert checker.quartz_problem(expression) is not None


def wheel(folder: Path, *, name: str = "experiment-ledger", script: str = "experiments.cli.main:main") -> Path:
    """A wheel's metadata, as a build backend writes them."""
    path = folder / f"{name.replace('-', '_')}-0.1.0-py3-none-any.whl"
    about = f"{name.replace('-', '_')}-0.1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{about}/METADATA",
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 0.1.0\nRequires-Dist: pandas<3,>=2.2\n"
            "Provides-Extra: local\nRequires-Dist: pysail<0.8,>=0.7.2; extra == 'local'\nProvides-Extra: models\n"
            "Requires-Dist: prophet>=1.1.5; extra == 'models'\n"
            "Requires-Dist: scikit-learn>=1.5; extra == 'models'\n"
            "Requires-Dist: statsforecast>=2.0; extra == 'models'\n"
            "Requires-Dist: xgboost-cpu>=3.0; extra == 'models'\n\nReadme\n",
        )
        archive.writestr(f"{about}/entry_points.txt", f"[console_scripts]\nexperiments = {script}\n")
    return path


def test_the_bundle_is_held_against_the_built_wheel(tmp_path: Path) -> None:
    built = bundle_files.read_wheel(wheel(tmp_path))
    announced = bundle_files.read_pyproject(ROOT)
    assert checker.check(ROOT, "dev", built) == []
    assert (built.name, built.scripts) == (announced.name, announced.scripts)
    assert built.extras["models"] == announced.extras["models"]
    other = bundle_files.read_wheel(wheel(tmp_path, name="experiments"))
    found = checker.check(ROOT, "dev", other)
    assert [problem for problem in found if "not 'experiments'" in problem]
    assert checker.check(ROOT, "dev", replace(built, scripts={"ledger": "experiments.cli.main:main"}))


def test_the_script_says_what_is_wrong_and_fails(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check_bundle.py", str(wheel(copy))])
    monkeypatch.setattr(checker, "ROOT", copy)
    checker.main()
    assert "dev, prod hold (offline, on no workspace)" in capsys.readouterr().out
    edit(copy / JOB, "0 0 6 ? * SAT", "weekly")
    with pytest.raises(SystemExit, match=r"(?s)bundle check failed:.*dev: .*'weekly'.*prod: .*'weekly'"):
        checker.main()
