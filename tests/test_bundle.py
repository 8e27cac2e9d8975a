"""The bundle holds for both targets, and the check names each fault a broken copy has."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from scripts import load_script

ROOT = Path(__file__).parents[1]
JOB = "resources/weekly_backtest.job.yml"
SCHEMA = "resources/experiments.schema.yml"
VOLUME = "resources/reports.volume.yml"
EXPERIMENT = "resources/tracking.experiment.yml"
ALERT = "resources/unproven_champions.alert.yml"
BOARD = "resources/experiment_ledger.dashboard.yml"
PAGES = "dashboards/experiment_ledger.lvdash.json"


pytest.importorskip("databricks.bundles")
bundle_files = load_script("bundle_files")
load_script("check_dashboards")
checker = load_script("check_bundle")

Break = Callable[[str, str, str], None]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A bundle to break."""
    for name in ("databricks.yml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("dashboards", "jobs", "resources"):
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
    (JOB, "timezone_id: UTC", "timezone_id: Mars/Base", "'Mars/Base', which is no time zone"),
    (JOB, "- databricks\n", "- sail\n", "asks the engine 'sail'"),
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
    (SCHEMA, "  schemas:", "  apps:", "the kind 'apps' is not checked yet"),
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
    (JOB, "              - backtest\n", "", "no command '--config'; there are backfill, backtest"),
    (JOB, "              - --catalog\n", "              - --katalog\n", "No such option"),
    (JOB, "              - databricks\n", "              - databrick\n", "'databrick'"),
    (JOB, "/jobs/weekly_backtest.toml", "/jobs/daily.toml", "there is no jobs/daily.toml"),
    (JOB, "../dist/*.whl", "../build/*.whl", "is not where experiment_ledger-"),
    (JOB, "../dist/*.whl", "experiment-ledger", "does not install the wheel"),
    (JOB, "statsforecast>=2.0", "statsforecast>=1.0", "the wheel's extra of that name asks for"),
    (JOB, "${resources.schemas.experiments.name}", "${resources.schemas.ledger.name}", "points at nothing"),
    (JOB, "environment_key: reports", "environment_key: ledger", "pruning-report needs the extra 'reports'"),
    (JOB, "- promotion-check", "- refresh", "'experiments job refresh' is started by 2 tasks"),
    (JOB, "- promotion-check", "- refresh", "'experiments job promotion-check' is started by 0 tasks"),
    (JOB, "max_concurrent_runs: 1", "max_concurrent_runs: 2", "max_concurrent_runs is not 1"),
    (JOB, "      timeout_seconds: 36000\n", "", "weekly_backtest.job.yml: has no timeout_seconds"),
    (JOB, "max_retries: 1", "max_retries: 0", "task 'backtest' has no max_retries"),
    (JOB, "run_if: ALL_DONE", "run_if: ALWAYS", "ALWAYS"),
    (JOB, "level: CAN_MANAGE_RUN", "level: CAN_RUN", "CAN_RUN is not given on jobs"),
    (JOB, "group_name: ${var.readers}", "group_name: users", "CAN_VIEW is given to 'users'"),
    (SCHEMA, "[USE_SCHEMA, SELECT]", "[USE_SCHEMA, READ]", "READ"),
    (SCHEMA, "[USE_SCHEMA, SELECT]", "[USE_SCHEMA, READ_VOLUME]", "READ_VOLUME is not given on schemas"),
    (VOLUME, "schema_name:", "schema:", "Unexpected field 'schema'"),
    (VOLUME, "volume_type: MANAGED", "volume_type: OWN", "OWN"),
    (VOLUME, "      grants:", "      tags:", "reports.volume.yml: says nothing of who may use it"),
    (EXPERIMENT, "      name:", "      title:", "Unexpected field 'title'"),
    (EXPERIMENT, "level: CAN_EDIT", "level: CAN_RUN", "CAN_RUN is not given on experiments"),
    (ALERT, "comparison_operator: GREATER_THAN", "comparison_operator: MORE_THAN", "MORE_THAN"),
    (
        ALERT,
        "quartz_cron_schedule: 0 5 7 * * ?",
        "quartz_cron_schedule: 0 5 7 * *",
        "quartz_cron_schedule: '0 5 7 * *'",
    ),
    (ALERT, "${var.pause_status}", "UNPAUSED", "make it a variable"),
    (ALERT, "double_value: 0", "string_value: none", "no threshold with a double_value"),
    (ALERT, "empty_result_state: ERROR", "empty_result_state: NOTHING", "NOTHING"),
    (ALERT, "        empty_result_state: ERROR # the query always has a row\n", "", "what an empty result means"),
    (ALERT, "          subscriptions:\n            - user_email: ${var.notify_email}\n", "", "tells nobody"),
    (ALERT, "name: n\n", "name: m\n", "does not begin with 'select count(*) as m'"),
    (ALERT, "}.champions", "}.champion", "asks 'champion', which is no view"),
    (ALERT, "}.champions", "}.decisions", "asks 'decisions', which is no view"),
    (ALERT, "from ${var.catalog}.${resources.schemas.experiments.name}.", "from ", "asks 'champions': put"),
    (ALERT, "${var.warehouse_id}", "${var.catalog}", "warehouse_id is '${var.catalog}'"),
    ("databricks.yml", 'warehouse_id: "0000000000000000"', "warehouse_id: starter", "16 hexadecimal digits"),
    (BOARD, "ledger.lvdash.json", "ledgers.lvdash.json", "there is no ../dashboards/experiment_ledgers.lvdash.json"),
    (
        BOARD,
        "dataset_schema: ${resources.schemas.experiments.name}",
        "dataset_schema: ${var.schema}",
        "dataset_schema are",
    ),
    (BOARD, "embed_credentials", "embed_credential", "Unexpected field 'embed_credential'"),
    (PAGES, "{", "", "is no dashboard"),
    (PAGES, '"pages"', '"page"', "is no dashboard: KeyError: 'pages'"),
    (PAGES, "from finished_runs", "from model_runs", "asks 'model_runs', which is no view"),
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
    notebook = "        - task_key: show\n          notebook_task:\n            notebook_path: ../notebooks/report.py\n"
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
            "Requires-Dist: xgboost-cpu>=3.0; extra == 'models'\nProvides-Extra: reports\n"
            "Requires-Dist: jinja2>=3.1; extra == 'reports'\nRequires-Dist: python-pptx>=1.0; extra == 'reports'\n"
            "Requires-Dist: vl-convert-python>=1.8; extra == 'reports'\n\nReadme\n",
        )
        archive.writestr(f"{about}/entry_points.txt", f"[console_scripts]\nexperiments = {script}\n")
    return path


def test_the_bundle_is_held_against_the_built_wheel(tmp_path: Path) -> None:
    built = bundle_files.read_wheel(wheel(tmp_path))
    announced = bundle_files.read_pyproject(ROOT)
    assert checker.check(ROOT, "dev", built) == []
    assert (built.name, built.scripts) == (announced.name, announced.scripts)
    assert [built.extras[name] == announced.extras[name] for name in ("models", "reports")] == [True, True]
    other = bundle_files.read_wheel(wheel(tmp_path, name="experiments"))
    found = checker.check(ROOT, "dev", other)
    assert [problem for problem in found if "not 'experiments'" in problem]
    assert checker.check(ROOT, "dev", replace(built, scripts={"ledger": "experiments.cli.main:main"}))


def test_the_script_says_what_is_wrong_and_fails(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["check_bundle.py", str(wheel(copy))])
    monkeypatch.setattr(checker, "ROOT", copy)
    monkeypatch.setenv("PATH", str(copy))
    checker.main()
    said = capsys.readouterr().out
    assert "dev, prod hold (offline, on no workspace)" in said
    assert "databricks bundle validate: skipped, no such command here" in said
    edit(copy / JOB, "0 0 6 ? * SAT", "weekly")
    with pytest.raises(SystemExit, match=r"(?s)bundle check failed:.*dev: .*'weekly'.*prod: .*'weekly'"):
        checker.main()


@pytest.mark.parametrize("status", [0, 1])
def test_where_there_is_a_databricks_command_it_is_asked_too(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    command = copy / "databricks"
    command.write_text(f'#!/bin/sh\necho told "$@"\nexit {status}\n')
    command.chmod(0o755)
    monkeypatch.setattr(sys, "argv", ["check_bundle.py", str(wheel(copy))])
    monkeypatch.setattr(checker, "ROOT", copy)
    monkeypatch.setenv("PATH", f"{copy}:/bin:/usr/bin")
    if status:
        with pytest.raises(SystemExit, match="prod: databricks bundle validate: told bundle validate --strict -t prod"):
            checker.main()
    else:
        checker.main()
        assert "databricks bundle validate: nothing to say" in capsys.readouterr().out
