"""The commands `promote`, `rollback`, `prune`, `restore` and `audit`."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from experiments.cli import FAILED, render
from experiments.cli.asking import asked, only_one, open_ledger
from experiments.cli.options import commodity_option, json_option, ledger_options
from experiments.definitions import counted, series_name
from experiments.errors import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from experiments.services.decisions.audit import Audited
    from experiments.services.decisions.candidates import Candidate
    from experiments.services.decisions.chain import Decision

INFERIOR: render.Columns = {
    "commodity": ("commodity", render.text),
    "model_name": ("model", render.text),
    "verdict": ("what the evidence says", render.text),
    "kept": ("kept, being", render.text),
}
"""Columns of printed models that are tested to be worse."""

AUDIT: render.Columns = {
    "decided_at": ("when (UTC)", render.text),
    "decided_by": ("who", render.text),
    "kind": ("decision", render.text),
    "series": ("of", render.text),
    "model_name": ("model", render.text),
    "said": ("what the evidence said", render.text),
    "reason": ("reason", render.text),
    "replay": ("replayed", render.text),
}
"""Columns of a printed audit."""

_EARLIER = {"rollback": ", promoted before as", "restore": ", pruned before as"}
"""What to say of the evidence of a decision that rests on an earlier one's."""

_one_commodity = click.option("--commodity", help="Commodity it is about. [default: the only one there is]")
_series = click.option("--series", "unique_id", help="Which series, where the commodity has several.")
_reason = click.option("--reason", help="Why, in your words; recorded.")
_shown = click.option(
    "--evidence", "shown", metavar="CODE", help="Only if the evidence is still the one shown as CODE."
)


@click.command()
@click.argument("model")
@_one_commodity
@_series
@_reason
@click.option("--force", is_flag=True, help="Promote without such evidence; needs --reason, and is recorded as such.")
@_shown
@click.option("--dry-run", is_flag=True, help="Show the evidence and its code; decide nothing.")
@ledger_options
@json_option
def promote(  # noqa: PLR0913, PLR0917  a parameter an option
    model: str,
    commodity: str | None,
    unique_id: str | None,
    reason: str | None,
    force: bool,
    shown: str | None,
    dry_run: bool,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Put the latest evaluation of MODEL in production.

    Refused where the evidence does not say that it is better than naive (naive: that no model is), or says
    that it is worse than the model in production. The decision records who, when, why, and all of the evidence.

    \b
    Example:
      experiments promote xgboost_v1 --commodity Coffee
      experiments promote prophet_v1 --commodity Coffee --force --reason "trial with the desk in Santos"
    """  # noqa: D301  \b keeps click from filling the paragraph
    from experiments.services.decisions.rules import code_of

    with open_ledger(path, engine) as ledger:
        name = only_one(ledger, commodity)
        if dry_run:
            found = ledger.decisions.evidence_for(model, name, unique_id=unique_id)
            verdict, code = found.grounds.verdict, code_of([found.grounds])
            if as_json:
                grounds = {name: getattr(found.grounds, name) for name in ("rule", "policy", "evidence")}
                render.as_json(vars(found) | {"grounds": grounds, "verdict": vars(verdict), "code": code})
                return
            told = "It can be promoted" if verdict.met else "It is not promoted without --force"
            click.echo(f"{model} for {series_name(name, found.unique_id)}: {verdict.words}.")
            click.echo(f"{told}; the evidence is {code}.")
            return
        decision = ledger.decisions.promote(model, name, unique_id=unique_id, reason=reason, force=force, shown=shown)
    _print_decisions([decision], as_json=as_json)


@click.command()
@_one_commodity
@_series
@_reason
@ledger_options
@json_option
def rollback(
    commodity: str | None,
    unique_id: str | None,
    reason: str | None,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """Put the model in production again that was there before the latest promotion.

    \b
    Example:
      experiments rollback --commodity Coffee --reason "wrong on every day of the frost"
    """  # noqa: D301
    with open_ledger(path, engine) as ledger:
        decision = ledger.decisions.rollback(only_one(ledger, commodity), unique_id=unique_id, reason=reason)
    _print_decisions([decision], as_json=as_json)


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...")
@commodity_option
@click.option("--apply", is_flag=True, help="Take them out of the active registry, and record it.")
@click.option(
    "--by",
    "rule",
    type=click.Choice(("inferior", "specified")),
    default="inferior",
    show_default=True,
    help="Which list --apply takes: tested to be worse, or the specified query.",
)
@_reason
@_shown
@ledger_options
@json_option
def prune(  # noqa: PLR0913, PLR0917  a parameter an option
    models: tuple[str, ...],
    commodity: str | None,
    apply: bool,
    rule: str,
    reason: str | None,
    shown: str | None,
    path: str,
    engine: str | None,
    as_json: bool,
) -> None:
    """List models to take out of the active registry: those tested to be worse than naive, and the specified query's.

    Tested: on every window the model was ever evaluated on, its error is above naive's beyond the margin, by limits
    that hold however often one looks. The specified query lists those that did not beat naive in three evaluations,
    which is not yet being worse. With --apply their history stays, the decision and its evidence are recorded, and
    registry.toml says what is out of use: review and commit it.

    \b
    Example:
      experiments prune --commodity WTI
      experiments prune --commodity WTI --apply
      experiments prune prophet_v1 --commodity WTI --apply --reason "slow as well"
    """  # noqa: D301
    from experiments.services.decisions.active import registry_path
    from experiments.services.decisions.candidates import nearest

    with open_ledger(path, engine) as ledger:
        if apply:
            name = only_one(ledger, commodity)
            decided = ledger.decisions.prune(name, rule=rule, models=models or None, reason=reason, shown=shown)
            _print_decisions(decided, as_json=as_json)
            if not as_json:
                changed = f"{registry_path()} says so: review and commit it." if decided else "Nothing is to be pruned."
                click.echo(changed)
            return
        query = ledger.pruning_candidates(commodity)
        judged = {
            rule: [
                one
                for name in asked(ledger, commodity)
                for one in ledger.decisions.judged(name, rule=rule)
                if not models or one.model_name in models
            ]
            for rule in ("inferior", "specified")
        }
    if as_json:
        render.as_json({rule: [_record(one) for one in found] for rule, found in judged.items()} | {"query": query})
        return
    worse = [one for one in judged["inferior"] if one.grounds.verdict.met]
    click.echo(f"Tested to be worse than naive beyond the margin: {_of(len(worse), len(judged['inferior']))}")
    _print_table([_record(one) for one in worse], INFERIOR)
    if (one := nearest(judged["inferior"])) is not None:
        click.echo(f"Of the others {one.model_name} is the nearest to it, {one.grounds.verdict.words}.")
    _print_how("inferior", worse, path)
    listed = [one for one in judged["specified"] if one.grounds.verdict.met]
    click.echo(f"Listed by the specified query, which does not show that they are worse: {_of(len(listed), None)}")
    names = {(one.commodity, one.model_name) for one in listed}
    rows = [row for row in query.to_dict("records") if (row["commodity"], row["model_name"]) in names]
    _print_table(rows, render.CANDIDATES)
    _print_how("specified", listed, path)


@click.command()
@click.argument("model")
@_one_commodity
@_reason
@ledger_options
@json_option
def restore(
    model: str, commodity: str | None, reason: str | None, path: str, engine: str | None, as_json: bool
) -> None:
    """Bring a pruned MODEL back into the active registry.

    \b
    Example:
      experiments restore prophet_v1 --commodity WTI --reason "a new version of the library"
    """  # noqa: D301
    from experiments.services.decisions.active import registry_path

    with open_ledger(path, engine) as ledger:
        decided = ledger.decisions.restore(model, only_one(ledger, commodity), reason=reason)
    _print_decisions(decided, as_json=as_json)
    if not as_json:
        click.echo(f"{registry_path()} says so: review and commit it.")


@click.command()
@commodity_option
@click.option("--as-of", help="Decisions taken by the end of this day, or by this time (UTC).")
@ledger_options
@json_option
def audit(commodity: str | None, as_of: str | None, path: str, engine: str | None, as_json: bool) -> None:
    """List every decision with who, when, why and what it rested on, each replayed from its recorded evidence.

    Exit code 1 if one does not hold: its evidence was changed or gives another verdict, or its evaluation is gone.

    \b
    Example:
      experiments audit --as-of 2026-06-30 --json
    """  # noqa: D301
    with open_ledger(path, engine) as ledger:
        if commodity is not None and commodity not in (names := ledger.commodities()):
            raise unknown("commodity", commodity, names)
        found = [one for one in ledger.audit(as_of=as_of) if commodity in (None, one.decision.commodity)]
    if as_json:
        render.as_json([_plain(one.decision) | {"problems": one.problems} for one in found])
    else:
        _print_audit(found)
    if any(one.problems for one in found):
        sys.stdout.flush()
        sys.exit(FAILED)


def _print_decisions(decided: Sequence[Decision], *, as_json: bool) -> None:
    if as_json:
        render.as_json([_plain(one) for one in decided])
        return
    for one in decided:
        forced = " Forced, against the evidence." if one.forced else ""
        click.echo(f"{_series_of(one)}: {one.told}{_EARLIER.get(one.kind, '')}: {one.verdict}.{forced}")


def _of(count: int, total: int | None) -> str:
    return (str(count) if count else "none") + ("" if total is None else f" of {counted(total, 'model')}")


def _print_table(rows: Sequence[Mapping[Any, Any]], columns: render.Columns) -> None:
    import pandas as pd

    if rows:
        render.table(pd.DataFrame(rows), columns)


def _print_how(rule: str, found: Sequence[Candidate], path: str) -> None:
    """How to take out what was listed, with the code of the evidence shown."""
    from experiments.services.decisions.rules import code_of

    for name in dict.fromkeys(one.commodity for one in found):
        going = [one.grounds for one in found if one.commodity == name and one.kept is None]
        if going:
            command = (
                f"experiments prune --commodity {shlex.quote(name)} --by {rule} --path {shlex.quote(path)} --apply"
            )
            click.echo(f"To take out {counted(len(going), 'model')} of {name}: {command} --evidence {code_of(going)}\n")


def _print_audit(found: Sequence[Audited]) -> None:
    import pandas as pd

    if not found:
        click.echo("No decision has been taken.")
        return
    rows = [
        vars(one.decision)
        | {
            "series": _series_of(one.decision),
            "said": _said(one.decision),
            "replay": "; ".join(one.problems) or "holds",
        }
        for one in found
    ]
    render.table(pd.DataFrame(rows), AUDIT)
    wrong = sum(bool(one.problems) for one in found)
    click.echo(f"{counted(len(found), 'decision')}, {'all hold' if not wrong else f'{wrong} do not hold'}.")


def _said(one: Decision) -> str:
    earlier = _EARLIER.get(one.kind, "").removeprefix(", ")
    return f"{earlier + ': ' if earlier else ''}{one.verdict}{' (forced)' if one.forced else ''}"


def _series_of(one: Decision) -> str:
    return series_name(one.commodity, one.unique_id or one.commodity)


def _record(one: Candidate) -> dict[str, Any]:
    verdict = one.grounds.verdict
    return {
        "commodity": one.commodity,
        "model_name": one.model_name,
        "model_version": one.model_version,
        "rule": one.grounds.rule,
        "verdict": verdict.words,
        "figures": dict(verdict.figures),
        "kept": one.kept,
    }


def _plain(one: Decision) -> dict[str, Any]:
    """A decision as JSON has it, its evidence unpacked."""
    unpacked = {name: json.loads(getattr(one, name)) for name in ("policy", "evidence")}
    return vars(one) | unpacked | {"table_versions": json.loads(one.table_versions or "null")}
