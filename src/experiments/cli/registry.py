"""The commands `registry list`, `show`, `promote`, `rollback`, `deploy-best`, `delete`, `clean` and `sweep`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.asking import open_ledger
from experiments.cli.options import json_option, ledger_options
from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from experiments.services.decisions.chain import Decision
    from experiments.services.registry.deployment import Hooks
    from experiments.services.registry.registry import ModelRegistry

LISTED: render.Columns = {
    "model_id": ("id", render.number(0)),
    "model_name": ("model", render.text),
    "version": ("version", render.text),
    "model_type": ("type", render.text),
    "alias": ("alias", render.text),
    "deployment_status": ("status", render.text),
    "metrics": ("metrics", render.text),
    "created_at": ("saved (UTC)", render.text),
    "created_by": ("by", render.text),
}
"""Columns of printed versions."""


@click.group()
def registry() -> None:
    """Versions of models: where they came from, which is the champion, what to delete.

    A MODEL is its id, NAME (its champion, else its highest version), NAME/1.0.2 or NAME@champion.

    \b
    Example:
      experiments registry list
      experiments registry promote spread 1.0.3 --reason "better on the last quarter"
    """  # noqa: D301  \b keeps click from filling the paragraph


@contextmanager
def open_registry(path: str, engine: str | None) -> Iterator[ModelRegistry]:
    """The registry of a ledger that is there."""
    from experiments.services.registry.registry import ModelRegistry

    with open_ledger(path, engine) as ledger:
        yield ModelRegistry(ledger=ledger)


@registry.command("list")
@click.option("--name", help="Only the versions of this model.")
@click.option("--type", "model_type", help="Only those of this type, such as XGBClassifier.")
@click.option("--min-f1", type=float, help="Only those whose metric f1 is at least this.")
@ledger_options
@json_option
def list_(
    name: str | None, model_type: str | None, min_f1: float | None, path: str, engine: str | None, as_json: bool
) -> None:
    """List the versions of the registry, oldest first.

    \b
    Example:
      experiments registry list --name spread --json
    """  # noqa: D301
    with open_registry(path, engine) as models:
        found = models.list_models(model_type=model_type, min_f1=min_f1, model_name=name)
    if as_json:
        render.as_json(found)
    elif not found:
        click.echo("The registry has no such versions: save one with ModelRegistry().save_model.")
    else:
        render.table(_frame(found), LISTED)


@registry.command()
@click.argument("model", metavar="MODEL")
@ledger_options
@json_option
def show(model: str, path: str, engine: str | None, as_json: bool) -> None:
    """Show all that is recorded of a version.

    \b
    Example:
      experiments registry show spread@champion
    """  # noqa: D301
    with open_registry(path, engine) as models:
        found = models.get(model)
    if as_json:
        render.as_json(found.info)
        return
    told = {name: value for name, value in found.info.items() if value not in (None, (), {})}
    width = max(map(len, told))
    for name, value in told.items():
        click.echo(f"{name:<{width}}  {_in_words(value)}")


def _hook_options(command: Any) -> Any:
    after = click.option(
        "--after", multiple=True, metavar="COMMAND", help="Run it afterwards; a failure undoes it. Again for more."
    )
    before = click.option(
        "--before", multiple=True, metavar="COMMAND", help="Run it first; a failure stops it. Again for more."
    )
    return before(after(command))


@registry.command()
@click.argument("name")
@click.argument("version")
@click.option("--alias", default="champion", show_default=True, help="champion, or challenger.")
@click.option("--reason", help="Why, in a few words.")
@click.option("--force", is_flag=True, help="Although no evaluation of it beats naive; needs a reason.")
@_hook_options
@ledger_options
@json_option
def promote(  # noqa: PLR0913, PLR0917  a parameter an option
    name: str,
    version: str,
    alias: str,
    reason: str | None,
    force: bool,
    before: Sequence[str],
    after: Sequence[str],
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Deploy a VERSION of the model NAME as its champion, or as its challenger.

    Commands get MODEL_NAME, MODEL_VERSION, MODEL_ID, MODEL_TYPE, MODEL_PATH, MODEL_SHA256, MODEL_ALIAS and
    MODEL_REPLACES in their environment.

    \b
    Example:
      experiments registry promote spread 1.0.3 --before "python smoke_test.py" --after "make reload"
    """  # noqa: D301
    hooks = _hooks(before, after)
    with open_registry(path, engine) as models:
        decided = models.promote(name, version, alias, reason=reason, force=force, hooks=hooks)
    _tell(decided, as_json=as_json)


@registry.command()
@click.argument("name")
@click.option("--alias", default="champion", show_default=True, help="champion, or challenger.")
@click.option("--reason", help="Why, in a few words.")
@_hook_options
@ledger_options
@json_option
def rollback(  # noqa: PLR0913, PLR0917  a parameter an option
    name: str,
    alias: str,
    reason: str | None,
    before: Sequence[str],
    after: Sequence[str],
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Deploy the version of NAME again that was deployed before the latest promotion.

    \b
    Example:
      experiments registry rollback spread --reason "drift since Monday"
    """  # noqa: D301
    hooks = _hooks(before, after)
    with open_registry(path, engine) as models:
        decided = models.rollback(name, alias, reason=reason, hooks=hooks)
    _tell(decided, as_json=as_json)


@registry.command("deploy-best")
@click.argument("name")
@click.option("--metric", required=True, help="What is best by, such as f1 or mae.")
@click.option("--mode", type=click.Choice(["max", "min"]), help="Which is better. [default: by the metric's name]")
@_hook_options
@ledger_options
@json_option
def deploy_best(  # noqa: PLR0913, PLR0917  a parameter an option
    name: str,
    metric: str,
    mode: str | None,
    before: Sequence[str],
    after: Sequence[str],
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Make the best version of NAME its champion, if it is better than the one that is: for a scheduled job.

    \b
    Example:
      experiments registry deploy-best spread --metric mae --before "python smoke_test.py"
    """  # noqa: D301
    hooks = _hooks(before, after)
    with open_registry(path, engine) as models:
        decided = models.deploy_best(name, metric, mode=mode, hooks=hooks)
    if decided is not None:
        _tell(decided, as_json=as_json)
    elif as_json:
        render.as_json(None)
    else:
        click.echo(f"The champion of {name} is its best by {metric} already; nothing was changed.")


@registry.command()
@click.argument("model", metavar="MODEL")
@click.option("--force", is_flag=True, help="Although it is deployed, or others were made from it.")
@click.option("--reason", help="Why, in a few words.")
@ledger_options
@json_option
def delete(model: str, force: bool, reason: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """Delete a version: its row and its file. Its number is not given again.

    \b
    Example:
      experiments registry delete spread/1.0.2 --reason "trained on the wrong data"
    """  # noqa: D301
    with open_registry(path, engine) as models:
        found = models.get(model)
        deleted = models.delete_model(found.model_id, force=force, reason=reason)
    if as_json:
        render.as_json({"model_id": found.model_id, "deleted": deleted})
    else:
        click.echo(f"Deleted {found.label} (model {found.model_id}).")


@registry.command()
@click.option("--name", help="Only the versions of this model.")
@click.option("--keep-last", type=int, default=5, show_default=True, help="How many of each model stay.")
@click.option(
    "--keep-champions/--no-keep-champions", default=True, help="What is or was deployed stays. [default: it does]"
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@ledger_options
@json_option
def clean(  # noqa: PLR0913, PLR0917  a parameter an option
    name: str | None,
    keep_last: int,
    keep_champions: bool,
    dry_run: bool,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Delete all but the latest versions of each model; what others were made from stays.

    \b
    Example:
      experiments registry clean --keep-last 5 --keep-champions --dry-run
    """  # noqa: D301
    with open_registry(path, engine) as models:
        gone = models.clean(name, keep_last=keep_last, keep_champions=keep_champions, dry_run=dry_run)
    if as_json:
        render.as_json({"dry_run": dry_run, "deleted": [one.info for one in gone]})
    elif not gone:
        click.echo("Nothing is to be deleted.")
    else:
        render.table(_frame([one.info for one in gone]), LISTED)
        click.echo(f"{'Would delete' if dry_run else 'Deleted'} {len(gone):,} of them.")


@registry.command()
@click.option("--older-than", type=float, default=1.0, show_default=True, help="Hours since it was begun.")
@click.option("--dry-run", is_flag=True, help="Only list what would be removed.")
@ledger_options
@json_option
def sweep(older_than: float, dry_run: bool, path: str, engine: str | None, as_json: bool) -> None:
    """Remove what interrupted saves and deletions left, and say which versions have lost their file.

    Exit code 1 if a version has no file.

    \b
    Example:
      experiments registry sweep --dry-run
    """  # noqa: D301
    with open_registry(path, engine) as models:
        found = models.sweep(older_than_hours=older_than, dry_run=dry_run)
    if as_json:
        render.as_json(vars(found) | {"dry_run": dry_run})
    else:
        done = "Would remove" if dry_run else "Removed"
        for what, names in {"unfinished version": found.rows, "file of no version": found.files}.items():
            for one in names:
                click.echo(f"{done} the {what} {one}.")
        for one in found.missing:
            click.echo(f"{one} has no file any more: delete it, or put its file back.")
        if not any(vars(found).values()):
            click.echo("Nothing was left behind.")
    if found.missing:
        sys.exit(FAILED)


def _hooks(before: Sequence[str], after: Sequence[str]) -> Hooks:
    from experiments.services.registry.deployment import Hooks

    return Hooks(before=[_words(one) for one in before], after=[_words(one) for one in after])


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        words, why = [], str(error)
    else:
        why = "it is empty"
    if not words:
        msg = f"the command {command!r} cannot be run: {why}."
        raise InvalidInputError(msg)
    return words


def _tell(decided: Decision, *, as_json: bool) -> None:
    if as_json:
        told = ("decision_id", "kind", "model_name", "model_version", "decided_at", "decided_by", "reason", "verdict")
        render.as_json({name: getattr(decided, name) for name in told} | {"alias": decided.unique_id})
        return
    click.echo(f"{decided.model_name} {decided.model_version} is the {decided.unique_id}: {decided.verdict}.")


def _frame(found: Sequence[dict[str, Any]]) -> Any:
    import pandas as pd

    rows = [row | {"metrics": _in_words(row["metrics"]), "created_at": row["created_at"][:19]} for row in found]
    return pd.DataFrame(rows)


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(
            f"{name} {one:.4g}" if isinstance(one, float) else f"{name} {one}" for name, one in value.items()
        )
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return str(value)
