"""Check the Databricks bundle without a workspace: strict types, and what the Databricks command line does not look at.

    check_bundle.py [WHEEL]

Without a wheel, the bundle's own build command makes one from a copy of the sources.
"""

from __future__ import annotations

import fnmatch
import importlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import click
import yaml
from bundle_files import REFERENCE, Bundle, Package, Resource, build, load, plain, read, read_wheel, texts, walk
from check_dashboards import check_alerts, check_dashboards, check_warehouses

from experiments.errors import ExperimentsError
from experiments.services.jobs import read_config

ROOT = Path(__file__).resolve().parent.parent

KINDS = {
    "alerts": ("alert", "Alert"),
    "dashboards": ("dashboard", "Dashboard"),
    "experiments": ("experiment", "MlflowExperiment"),
    "jobs": ("job", "Job"),
    "schemas": ("schema", "Schema"),
    "volumes": ("volume", "Volume"),
}
"""Kinds of resources in use: the word in a file's name, and the class in `databricks.bundles`."""

KEYS = {
    "bundle": {"name", "uuid", "databricks_cli_version"},
    "artifact": {"type", "path", "build", "dynamic_version", "files", "executable"},
    "target": {"mode", "default", "variables", "workspace", "permissions", "run_as", "presets"},
    "top": {"bundle", "include", "artifacts", "sync", "variables", "targets", "workspace", "permissions", "run_as"},
    "variable": {"description", "default", "type", "lookup"},
}
"""Keys of databricks.yml, for which there are no classes."""

LEVELS = {
    "alerts": {"CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"},
    "dashboards": {"CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE"},
    "experiments": {"CAN_READ", "CAN_EDIT", "CAN_MANAGE"},
    "jobs": {"CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE"},
    "schemas": {"USE_SCHEMA", "SELECT", "MODIFY", "CREATE_TABLE"},
    "volumes": {"READ_VOLUME", "WRITE_VOLUME"},
}
"""What may be granted on each kind; the classes take the levels of all kinds together."""

EXTRAS = {"backtest": "models", "backfill": "models", "pruning-report": "reports", "presentation-report": "reports"}
"""The extra a job's command needs."""

ZONES = available_timezones()

OUTPUT = re.compile(r"(?:--wheel-dir|--outdir|--out-dir|-w|-o)[ =](\S+)")
PATHS = {"notebook_path", "file_path", "source_code_path", "python_file"}

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
CRON = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of week", 1, 7, DAYS),
    ("year", 1970, 2099, ()),
)
"""Fields of a Quartz expression: name, range, and names for the values from the range's first on."""


def check(root: Path, target: str, package: Package) -> list[str]:
    """What is wrong with the bundle in a folder, as one target deploys it."""
    try:
        bundle = read(root, target, package)
    except (OSError, yaml.YAMLError, ValueError) as error:
        return [f"{target}: {' '.join(str(error).split())}"]
    return [f"{target}: {problem}" for one in CHECKS for problem in one(bundle)]


def check_keys(bundle: Bundle) -> Iterator[str]:
    """databricks.yml has keys the command line knows."""
    top = bundle.top
    parts = [("top", "databricks.yml", top), ("bundle", "bundle", top["bundle"])]
    for kind, group in (("artifact", "artifacts"), ("variable", "variables"), ("target", "targets")):
        parts += [(kind, f"{group}.{name}", content or {}) for name, content in (top.get(group) or {}).items()]
    for kind, where, content in parts:
        for key in set(content) - KEYS[kind]:
            yield f"{where}: unknown key {key!r}; there are {', '.join(sorted(KEYS[kind]))}"


def check_names(bundle: Bundle) -> Iterator[str]:
    """One resource a file, named after it; keys unique across kinds."""
    keys = [one.key for one in bundle.resources]
    files = [one.file for one in bundle.resources]
    for one in bundle.resources:
        if keys.count(one.key) > 1:
            yield f"{one.file.name}: the resource key {one.key!r} is used twice"
        if files.count(one.file) > 1:
            yield f"{one.file.name}: holds several resources, one a file is asked"
        if one.kind not in KINDS:
            yield f"{one.file.name}: the kind {one.kind!r} is not checked yet; there are {', '.join(KINDS)}"
        elif one.file.name != f"{one.key}.{KINDS[one.kind][0]}.yml":
            yield f"{one.file.name}: should be named {one.key}.{KINDS[one.kind][0]}.yml"


def check_variables(bundle: Bundle) -> Iterator[str]:
    """Every variable has a value here and is used; none is set that is not declared."""
    declared = bundle.top.get("variables") or {}
    used = {found.split(".")[1] for _, text in texts(bundle) for found in REFERENCE.findall(text) if "var." in found}
    for name in declared:
        if bundle.values.get(name) in (None, ""):
            yield f"variable {name!r} has no value"
        if name not in used:
            yield f"variable {name!r} is used nowhere"
    for name in set(bundle.target.get("variables") or {}) - set(declared):
        yield f"sets {name!r}, which is no declared variable"


def check_references(bundle: Bundle) -> Iterator[str]:
    """Every ${...} points at something, and none is left half-written."""
    for where, text in texts(bundle):
        for reference in REFERENCE.findall(text):
            if bundle.meaning(reference) is None:
                yield f"{where}: ${{{reference}}} points at nothing"
        if "${" in REFERENCE.sub("", text):
            yield f"{where}: {text!r} has a reference without its closing brace"


def check_types(bundle: Bundle) -> Iterator[str]:
    """Every resource is what its class takes: no unknown field, no value outside its enumeration."""
    for one in bundle.resources:
        if one.kind not in KINDS:
            continue
        kind = getattr(importlib.import_module(f"databricks.bundles.{one.kind}"), KINDS[one.kind][1])
        try:
            kind.from_dict(bundle.resolved(one.content))
        except (TypeError, ValueError, AttributeError) as error:
            known = (
                ""
                if "Unexpected field" not in str(error)
                else f"; {KINDS[one.kind][1]} has " + ", ".join(field.name for field in fields(kind))
            )
            yield f"{one.file.name}: {one.key}: {error}{known}"


def check_schedules(bundle: Bundle) -> Iterator[str]:
    """Schedules are Quartz expressions; they rest in development and run in production."""
    for one in bundle.resources:
        schedule = one.content.get("schedule")
        if schedule is None:
            continue
        key = "quartz_cron_schedule" if one.kind == "alerts" else "quartz_cron_expression"
        problem = quartz_problem(str(schedule.get(key, "")))
        if problem:
            yield f"{one.file.name}: {key}: {problem}"
        if schedule.get("timezone_id") not in ZONES:
            yield f"{one.file.name}: timezone_id is {schedule.get('timezone_id')!r}, which is no time zone"
        pause = schedule.get("pause_status")
        if not re.fullmatch(r"\$\{var\.\w+\}", str(pause)):
            yield f"{one.file.name}: pause_status is {pause!r}: make it a variable, or development runs it too"
        wanted = "PAUSED" if bundle.target.get("mode") == "development" else "UNPAUSED"
        if bundle.resolved(pause) != wanted:
            yield f"{one.file.name}: pause_status is {bundle.resolved(pause)!r}, in this mode it should be {wanted}"


def quartz_problem(expression: str) -> str | None:
    """What keeps a text from being a Quartz cron expression: six or seven fields, "?" for one of the two days."""
    parts = expression.split()
    if len(parts) not in (len(CRON) - 1, len(CRON)):
        return f"{expression!r} has {len(parts)} fields, Quartz takes 6 or 7"
    if (parts[3] == "?") == (parts[5] == "?"):
        return f"{expression!r} should have '?' as either its day of month or its day of week"
    for part, (name, first, last, names) in zip(parts, CRON, strict=False):
        if name.startswith("day") and re.fullmatch(r"\?|L|L-\d+|LW|\d+W|([1-7]|[A-Z]{3})(L|#[1-5])", part):
            continue
        for item in part.split(","):
            if not _in_range(item.upper(), first, last, names):
                return f"{expression!r} has {item!r} as {name}"
    return None


def _in_range(item: str, first: int, last: int, names: tuple[str, ...]) -> bool:
    """Whether one item of a field is "*", a value or a range, with or without a step."""
    found = re.fullmatch(r"(\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", item)
    if found is None:
        return False
    ends = [first + names.index(end) if end in names else end for end in found.group(2, 3) if end is not None]
    return all(str(end).isdecimal() and first <= int(end) <= last for end in ends)


def check_tasks(bundle: Bundle) -> Iterator[str]:
    """Tasks and environments that are named are there, and the environment has its version."""
    for one in _jobs(bundle):
        tasks, environments = one.content.get("tasks", []), _environments(one)
        keys = [task.get("task_key") for task in tasks]
        for task in tasks:
            where = f"{one.file.name}: task {task.get('task_key')!r}"
            for other in task.get("depends_on", []):
                if other.get("task_key") not in set(keys) - {task.get("task_key")}:
                    yield f"{where} depends on {other.get('task_key')!r}; the other tasks are {keys}"
            if "python_wheel_task" in task and task.get("environment_key") not in environments:
                yield f"{where} has the environment_key {task.get('environment_key')!r}; there are {[*environments]}"
        for name, spec in environments.items():
            if not str(spec.get("environment_version", "")).isdecimal():
                yield f'{one.file.name}: environment {name!r} lacks an environment_version such as "4"'


def check_wheel_tasks(bundle: Bundle) -> Iterator[str]:
    """A wheel task starts a script the wheel has, with arguments our own command takes and a file it can read."""
    for one in _jobs(bundle):
        for task in one.content.get("tasks", []):
            wheel_task = task.get("python_wheel_task")
            if wheel_task is None:
                continue
            where = f"{one.file.name}: task {task.get('task_key')!r}"
            if wheel_task.get("package_name") != bundle.package.name:
                yield f"{where}: package_name is {wheel_task.get('package_name')!r}, not {bundle.package.name!r}"
            script = bundle.package.scripts.get(wheel_task.get("entry_point"))
            if script is None:
                yield f"{where}: no script {wheel_task.get('entry_point')!r}; the wheel has {[*bundle.package.scripts]}"
                continue
            try:
                words = [str(word) for word in bundle.resolved(wheel_task.get("parameters", []))]
                parsed = _parse(script, words)
                if "config" in parsed:
                    read_config(parsed["config"])
                if parsed.get("engine") != "databricks":
                    yield f"{where}: asks the engine {parsed.get('engine')!r}, there is only databricks"
                extra = EXTRAS.get(words[1])
                if extra and task.get("environment_key") != extra:
                    yield f"{where}: {words[1]} needs the extra {extra!r}, in an environment of that name"
            except (click.ClickException, ExperimentsError) as error:
                yield f"{where}: {error.format_message() if isinstance(error, click.ClickException) else error}"


def _parse(script: str, words: list[str]) -> dict[str, Any]:
    """What the command behind a console script makes of its arguments; nothing is run."""
    command: click.Command = importlib.import_module(script.partition(":")[0]).cli
    settings = command.context_settings  # those of the whole: a command keeps what it was first asked with
    name = "experiments"
    while isinstance(command, click.Group):
        known = command.commands
        name, *words = words or [""]
        if name not in known:
            msg = f"no command {name!r}; there are {', '.join(sorted(known))}"
            raise click.UsageError(msg)
        command = known[name]
    return command.make_context(name, words, **settings).params


def check_commands(bundle: Bundle) -> Iterator[str]:
    """Each command `experiments job NAME` is started by one task."""
    tasks = [task.get("python_wheel_task", {}) for job in _jobs(bundle) for task in job.content.get("tasks", [])]
    started = [wheel_task.get("parameters", [])[1:2] for wheel_task in tasks]
    module = importlib.import_module("experiments.cli.jobs")
    for name in sorted(module.job.commands):
        if (count := started.count([name])) != 1:
            yield f"the command 'experiments job {name}' is started by {count} tasks, one is asked"


def check_care(bundle: Bundle) -> Iterator[str]:
    """Jobs run once at a time, end and tell somebody; their tasks are tried again."""
    for one in _jobs(bundle):
        if one.content.get("max_concurrent_runs") != 1:
            yield f"{one.file.name}: max_concurrent_runs is not 1"
        for name in ("queue", "timeout_seconds", "health", "email_notifications"):
            if not one.content.get(name):
                yield f"{one.file.name}: has no {name}"
        for task in one.content.get("tasks", []):
            for name in ("timeout_seconds", "max_retries"):
                if "python_wheel_task" in task and not task.get(name):
                    yield f"{one.file.name}: task {task.get('task_key')!r} has no {name}"


def check_access(bundle: Bundle) -> Iterator[str]:
    """Who may use a resource is said: groups by their variables, with what its kind knows."""
    for one in bundle.resources:
        given = [
            (entry.get("principal"), level)
            for entry in one.content.get("grants", [])
            for level in entry.get("privileges", [])
        ]
        given += [(entry.get("group_name"), entry.get("level")) for entry in one.content.get("permissions", [])]
        if not given:
            yield f"{one.file.name}: says nothing of who may use it"
        for who, level in given:
            if not re.fullmatch(r"\$\{var\.\w+\}", str(who)):
                yield f"{one.file.name}: {level} is given to {who!r}: name a group by its variable"
            if level not in LEVELS.get(one.kind, {level}):
                yield f"{one.file.name}: {level} is not given on {one.kind}, only {', '.join(sorted(LEVELS[one.kind]))}"


def check_dependencies(bundle: Bundle) -> Iterator[str]:
    """Environments install the wheel from where it is built, and exactly what an extra of it asks for."""
    artifacts = [one for one in (bundle.top.get("artifacts") or {}).values() if one.get("type") == "whl"]
    folders = []
    for artifact in artifacts:
        found = OUTPUT.search(artifact.get("build", ""))
        folders.append((bundle.root / artifact.get("path", ".") / (found[1] if found else "dist")).resolve())
    for one in _jobs(bundle):
        for name, spec in _environments(one).items():
            where = f"{one.file.name}: environment {name!r}"
            lines = [str(line) for line in spec.get("dependencies", [])]
            local = [line for line in lines if line.startswith((".", "/"))]
            if not local:
                yield f"{where}: does not install the wheel"
            for line in local:
                path = one.file.parent / line
                if path.parent.resolve() not in folders or not fnmatch.fnmatch(bundle.package.file_name, path.name):
                    yield f"{where}: {line} is not where {bundle.package.file_name} is built: {[*map(str, folders)]}"
            given = {plain(line) for line in lines if line not in local}
            asked = bundle.package.extras.get(name, set())
            if given != asked:
                yield f"{where}: has {sorted(given)}, the wheel's extra of that name asks for {sorted(asked)}"


def check_files(bundle: Bundle) -> Iterator[str]:
    """Files a resource names are there, and those it finds in the workspace are uploaded."""
    excluded = (bundle.top.get("sync") or {}).get("exclude", [])
    for one in bundle.resources:
        for where, value in walk(one.content):
            if where.rpartition(".")[2] in PATHS and not (one.file.parent / bundle.resolved(value)).exists():
                yield f"{one.file.name}: {where}: there is no {value}"
            if not isinstance(value, str) or not value.startswith("${workspace.file_path}/"):
                continue
            path = value.partition("/")[2]
            if not (bundle.root / path).is_file():
                yield f"{one.file.name}: {where}: there is no {path}"
            for pattern in excluded:
                if fnmatch.fnmatch(path, pattern):
                    yield f"{one.file.name}: {where}: {path} is not uploaded, sync excludes {pattern}"


def _jobs(bundle: Bundle) -> list[Resource]:
    return [one for one in bundle.resources if one.kind == "jobs"]


def _environments(job: Resource) -> dict[str, dict[str, Any]]:
    return {one.get("environment_key"): one.get("spec") or {} for one in job.content.get("environments", [])}


CHECKS: tuple[Callable[[Bundle], Iterator[str]], ...] = (
    check_keys,
    check_names,
    check_variables,
    check_references,
    check_types,
    check_schedules,
    check_tasks,
    check_wheel_tasks,
    check_commands,
    check_care,
    check_dependencies,
    check_files,
    check_access,
    check_warehouses,
    check_dashboards,
    check_alerts,
)


def validate(root: Path, target: str) -> list[str]:
    """What the Databricks command line says of a target; it asks a workspace."""
    command = ["databricks", "bundle", "validate", "--strict", "-t", target]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return [f"{target}: databricks bundle validate: {done.stdout}{done.stderr}".rstrip()] if done.returncode else []


def main() -> None:
    """Check every target and say what is wrong."""
    with tempfile.TemporaryDirectory() as name:
        wheel = Path(sys.argv[1]) if sys.argv[1:] else build(ROOT, Path(name))
        package = read_wheel(wheel)
    targets = list(load(ROOT / "databricks.yml")["targets"])
    problems = [problem for target in targets for problem in check(ROOT, target, package)]
    validated = shutil.which("databricks") is not None
    if validated:
        problems += [problem for target in targets for problem in validate(ROOT, target)]
    if problems:
        sys.exit("bundle check failed:\n  " + "\n  ".join(problems))
    sys.stdout.write(f"  bundle with {package.file_name}: {', '.join(targets)} hold (offline, on no workspace)\n")
    sys.stdout.write(
        f"  databricks bundle validate: {'nothing to say' if validated else 'skipped, no such command here'}\n"
    )


if __name__ == "__main__":
    main()
