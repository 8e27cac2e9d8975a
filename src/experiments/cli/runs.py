"""The commands `runs`, `show` and `diff`: what ran, one run in full, two side by side."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import render
from experiments.cli.asking import open_ledger
from experiments.cli.options import json_option, ledger_options, plot_option
from experiments.definitions import counted

if TYPE_CHECKING:
    import pandas as pd

    from experiments.services.tracking.comparing import Comparison, Section
    from experiments.services.tracking.runs import Run

_MOST = 50
"""Rows of a table of one run; all are in its JSON."""

_MINUTE, _HOUR = 60, 3600
_SHOWN_SHA, _SHOWN_ID, _WHOLE_ID = 12, 18, 36


def line(value: Any) -> str:
    """A text of the caller's in one line, without what a terminal would obey; NULL is a dash."""
    if value is None or not isinstance(value, str):
        return render.text(None if _is_missing(value) else value)
    return "".join(sign if sign.isprintable() or sign == "\u200d" else repr(sign)[1:-1] for sign in value)


def short(value: Any) -> str:
    """As much of an id of ours as tells it from others: its time, and three digits more."""
    text = line(value)
    return text[:_SHOWN_ID] if len(text) == _WHOLE_ID else text


def readable(value: Any) -> str:
    """A JSON text in one line, its letters as such."""
    return line(json.dumps(json.loads(value), ensure_ascii=False))


def figure(value: Any) -> str:
    """A logged number with six digits, NaN and infinities by name; NULL is a dash."""
    if value is None or _is_missing(value, nan=False):
        return "-"
    return "NaN" if value != value else f"{value:,.6g}"  # noqa: PLR0124


def whole(value: Any) -> str:
    """A whole number; NULL is a dash."""
    return "-" if _is_missing(value) else f"{int(value):,}"


def took(value: Any) -> str:
    """A time it took; NULL is a dash."""
    if _is_missing(value):
        return "-"
    seconds = float(value)
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return f"{int(seconds // _HOUR):,} h {int(seconds % _HOUR // _MINUTE)} min"


def size(value: Any) -> str:
    """A size in bytes, kB, MB or GB; NULL is a dash."""
    if _is_missing(value):
        return "-"
    for unit, of in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= of:
            return f"{value / of:.1f} {unit}"
    return f"{int(value)} B"


def _is_missing(value: Any, *, nan: bool = True) -> bool:
    """Whether it is NULL, as Python, pandas or (unless told) numpy has it."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return nan and isinstance(value, float) and value != value  # noqa: PLR0124


RUNS: render.Columns = {
    "experiment_id": ("run", short),
    "name": ("name", line),
    "experiment_type": ("type", line),
    "status": ("status", line),
    "started_at": ("started", render.text),
    "duration_seconds": ("took", took),
    "labels": ("tags", line),
}
"""Columns of printed runs."""

PARAMETERS: render.Columns = {"of": ("parameter", line), "value": ("value", readable)}
"""Columns of printed hyperparameters."""

METRICS: render.Columns = {
    "name": ("metric", line),
    "n": ("points", whole),
    "first": ("first", figure),
    "last": ("last", figure),
    "min": ("min", figure),
    "max": ("max", figure),
    "mean": ("mean", figure),
    "n_nan": ("NaN", whole),
    "last_step": ("last step", whole),
}
"""Columns of printed metrics."""

DATASETS: render.Columns = {
    "name": ("dataset", line),
    "role": ("role", line),
    "dataset_id": ("id", line),
    "n_rows": ("rows", whole),
    "source": ("source", line),
}
"""Columns of printed datasets."""

ARTIFACTS: render.Columns = {
    "name": ("artifact", line),
    "artifact_type": ("type", line),
    "n_files": ("files", whole),
    "size_bytes": ("size", size),
    "sha256": ("SHA-256", lambda value: line(value)[:_SHOWN_SHA]),
}
"""Columns of printed artifacts."""

CHECKPOINTS: render.Columns = {
    "checkpoint_path": ("model", line),
    "episode_num": ("episode", whole),
    "val_metric": ("val metric", lambda value: "-" if _is_missing(value) else figure(value)),
    "is_best": ("best", render.flag),
    "size_bytes": ("size", size),
    "registered_at": ("registered", render.text),
}
"""Columns of printed checkpoints."""

CHILDREN: render.Columns = {
    "experiment_id": ("part", short),
    "name": ("name", line),
    "status": ("status", line),
    "started_at": ("started", render.text),
}
"""Columns of the printed parts of a run."""


@click.command()
@click.option("--type", "experiment_type", help="Only runs of this type, such as rl or backtest.")
@click.option("--status", help="Only runs that are this: running, completed, incomplete, failed or crashed.")
@click.option("--tag", help="Only runs with this tag.")
@click.option("--name", help="Only runs whose name contains this.")
@click.option("--since", help="Only runs started on this day or later, or at this time (UTC) or later.")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@ledger_options
@json_option
def runs(path: str, engine: str | None, as_json: bool, **filters: Any) -> None:
    """List runs, the latest first.

    \b
    Example:
      experiments runs --type rl --status completed
      experiments runs --tag bitcoin --since 2026-11-01 --json
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.tracking.runs import find_runs

    with open_ledger(path, engine) as ledger:
        found = find_runs(ledger.engine, **filters)
    if as_json:
        render.as_json(_rows(found))
        return
    if found.empty:
        click.echo("There is no such run." if _is_filtered(filters) else "There are no runs yet.")
        return
    render.table(found.assign(labels=[_listed(tags) or "-" for tags in found["tags"]]), RUNS)
    more = f", the latest: --limit {2 * len(found)} shows more" if len(found) == filters["limit"] else ""
    click.echo(
        f"{counted(len(found), 'run')}{more}. 'experiments show RUN' shows one; the beginning of its id will do."
    )


@click.command()
@click.argument("run")
@click.option("--export", metavar="DIR", help="Write its metadata, parameters, metrics, artifacts and logs there.")
@plot_option("its metrics")
@ledger_options
@json_option
def show(run: str, export: str | None, plot: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Show all that is recorded of a run, named by its id or the beginning of it.

    \b
    Example:
      experiments show 0193a2f4
      experiments show 0193a2f4 --plot metrics.png --export runs/best
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.plots import check_target
    from experiments.services.tracking.drawing import plot_points
    from experiments.services.tracking.runs import points, read_run

    target = None if plot is None else check_target(plot)
    with open_ledger(path, engine) as ledger:
        found = read_run(ledger.engine, run)
        if target is not None:
            plot_points(points(ledger.engine, found.experiment_id), target, line(found.row["name"]))
        written = []
        if export is not None:
            from experiments.services.reproduction.run_folder import write

            written = write(ledger, found.experiment_id, Path(export))
    if as_json:
        render.as_json(_told(found))
        return
    _print_run(found)
    if target is not None:
        click.echo(f"Drawn in {target}.")
    if export is not None:
        click.echo(f"Wrote {counted(len(written), 'file')} to {export}.")


@click.command("diff")
@click.argument("a")
@click.argument("b")
@click.option("--all", "everything", is_flag=True, help="Also what is the same.")
@ledger_options
@json_option
def diff_runs(a: str, b: str, everything: bool, path: str, engine: str | None, as_json: bool) -> None:
    """Show what differs between two runs: parameters, code, data, environment and metrics.

    \b
    Example:
      experiments diff 0193a2f4 0193a2f9
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.tracking.comparing import compare_runs

    with open_ledger(path, engine) as ledger:
        found = compare_runs(ledger.engine, a, b)
    if as_json:
        render.as_json(asdict(found))
    else:
        _print_comparison(found, everything=everything)


def _print_run(run: Run) -> None:
    """A run as blocks: what it was, and a table for each kind of thing it has."""
    row = run.row
    click.echo(f"{line(row['name'])}: {line(row['experiment_type'])}, {row['status']}")
    for what, value in _headings(run).items():
        if value:
            click.echo(f"  {what:<8}  {value}")
    files = dict(zip(run.checkpoints["model_id"], run.checkpoints["checkpoint_path"], strict=True))
    of = [f"{files.get(one['model_id'], one['model_id'])} {one['name']}" for one in run.parameters.to_dict("records")]
    parameters = run.parameters.assign(of=[text.removeprefix(" ") for text in of])
    for frame, columns in (
        (parameters, PARAMETERS),
        (run.metrics, METRICS),
        (run.datasets, DATASETS),
        (run.artifacts, ARTIFACTS),
        (run.checkpoints, CHECKPOINTS),
        (run.children, CHILDREN),
    ):
        if len(frame):
            render.table(frame.head(_MOST), columns)
        if len(frame) > _MOST:
            click.echo(f"... and {len(frame) - _MOST:,} more: --json has them all.")
    if row["experiment_type"] == "backtest" and run.metrics.empty:
        click.echo("An evaluation: its figures are in model_runs, run_windows and forecasts under the same id.")


def _headings(run: Run) -> dict[str, str]:
    """What there is to say of a run in lines."""
    row, machine = run.row, run.environment or {}
    ended = "" if row["ended_at"] is None else f", took {took((row['ended_at'] - row['started_at']).total_seconds())}"
    code = line(row["git_commit"]) if row["git_commit"] else ""
    if code:
        code += f" on {line(row['git_branch'])}" if row["git_branch"] else ""
        code += ", changed since" if row["git_dirty"] else ""
        code += f", from {line(row['git_remote'])}" if row["git_remote"] else ""
    seeded = f" ({_listed(row['seeded'])})" if row["seeded"] else ""
    where = f" in {line(row['working_folder'])}" if row["working_folder"] else ""
    python = row["python_version"] or machine.get("python_version")
    made = (f"Python {python}" if python else None, machine.get("platform"), machine.get("hardware_config"))
    return {
        "run": row["experiment_id"],
        "started": f"{row['started_at']:%Y-%m-%d %H:%M:%S} UTC{ended}",
        "tags": _listed(row["tags"]) or "",
        "seed": "" if row["random_seed"] is None else f"{row['random_seed']}{line(seeded)}",
        "code": code,
        "command": f"{line(' '.join(row['command']))}{where}" if row["command"] else "",
        "machine": ", ".join(line(one) for one in made if one),
        "run by": line(row["run_by"]) if row["run_by"] else "",
        "part of": row["parent_id"] or "",
        "from": line(row["imported_from"]) if row["imported_from"] else "",
        "notes": line(row["notes"]) if row["notes"] else "",
    }


def _told(run: Run) -> dict[str, Any]:
    """A run for machines: parameters as values."""
    parameters = [one | {"value": json.loads(one["value"])} for one in _rows(run.parameters)]
    frames = ("metrics", "datasets", "artifacts", "checkpoints", "children")
    tables = {name: _rows(getattr(run, name)) for name in frames}
    return {"run": run.row, "environment": run.environment, "parameters": parameters, **tables}


def _print_comparison(found: Comparison, *, everything: bool) -> None:
    """Each section as a table of what differs."""
    click.echo(f"a  {found.a}\nb  {found.b}")
    for section in found.sections:
        rows = section.rows if everything else section.differing
        if not section.rows:
            continue
        click.echo(f"\n{_in_words(section)}")
        if rows:
            _print_section(section.name, rows[:_MOST])
        if len(rows) > _MOST:
            click.echo(f"... and {len(rows) - _MOST:,} more: --json has them all.")


def _print_section(name: str, rows: Any) -> None:
    import pandas as pd

    if name == "metrics":
        columns: dict[str, tuple[str, Callable[[Any], str]]] = {"name": ("", line)}
        columns |= {f"{of} {side}": (f"{of} {side}", figure) for of in ("last", "min", "max") for side in "ab"}
        render.table(pd.DataFrame([_flat(row) for row in rows], dtype=object), columns)
        return
    heads = {"name": ("", line), "a": ("a", line), "b": ("b", line), "same": ("same", render.flag)}
    shown = [{"name": row.name, "a": _cell(row.a), "b": _cell(row.b), "same": row.same} for row in rows]
    render.table(pd.DataFrame(shown, dtype=object), heads)


def _in_words(section: Section) -> str:
    """How much of a section differs."""
    n = len(section.rows)
    open_ones = sum(row.same is None for row in section.rows)
    differ = len(section.differing) - open_ones
    words = f"{section.name}: {differ} of {n} differ" if differ else f"{section.name}: the same ({n} compared)"
    if open_ones:
        words = f"{section.name}: {differ} of {n} differ, {open_ones} cannot be told"
    return words


def _flat(row: Any) -> dict[str, Any]:
    """The figures of both runs of a metric in one row."""
    sides = {"a": row.a or {}, "b": row.b or {}}
    return {"name": row.name} | {f"{of} {side}": sides[side].get(of) for of in ("last", "min", "max") for side in "ab"}


def _cell(value: Any) -> str | None:
    """What is recorded, in one text."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _listed(value, " ") if isinstance(value, list) else str(value)


def _listed(texts: Any, between: str = ", ") -> str | None:
    """Several texts in one; None for none."""
    return between.join(map(line, texts)) if texts is not None and len(texts) else None


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame, None for what is missing."""
    return [
        {str(name): None if _is_missing(value) else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def _is_filtered(filters: Mapping[str, Any]) -> bool:
    return any(value is not None for name, value in filters.items() if name != "limit")
