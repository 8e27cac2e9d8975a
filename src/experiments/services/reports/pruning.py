"""The pruning report: which models could go, which are gone, and what was decided."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from experiments.definitions import counted
from experiments.services.decisions.candidates import nearest
from experiments.services.decisions.rules import code_of
from experiments.services.reports import columns, formats
from experiments.services.reports.columns import given
from experiments.services.reports.model import Block, Report, Section, Table, Text

if TYPE_CHECKING:
    from experiments.services.reports.asking import Asker, Subject
    from experiments.services.reports.model import Answer, Query

NAMED = 5
"""Models a headline names."""


def pruning(asker: Asker, subjects: list[Subject]) -> Report:
    """Candidates by both rules, what is out already, and the decisions taken, commodity by commodity."""
    commodities = [*dict.fromkeys(subject.commodity for subject in subjects)]
    sections = []
    for commodity in commodities:
        own = [subject for subject in subjects if subject.commodity == commodity]
        sections += [pruning_section(asker, commodity), _tested(asker, commodity, own), decided(asker, commodity)]
    return Report(
        title="Pruning",
        headline=(_headline(asker, commodities),),
        subtitle=asker.subtitle,
        sections=tuple(sections),
    )


def _headline(asker: Asker, commodities: list[str]) -> str:
    words = []
    for commodity in commodities:
        listed = _names(asker.known("report_pruning_candidates", commodity=commodity))
        gone = _names(asker.known("report_pruned", commodity=commodity))
        words.append(f"{commodity}: by the specified query {listed}; pruned already {gone}")
    return formats.one_line("; ".join(words)) + "."


def _names(answer: Answer) -> str:
    """The first few models of some rows."""
    found = [*dict.fromkeys(map(str, answer.frame["model_name"]))]
    return ", ".join([*found[:NAMED], *(["and others"] if len(found) > NAMED else [])]) or "none"


def pruning_section(asker: Asker, commodity: str) -> Section:
    """The list of the specified query, and what is out already."""
    candidates = asker.known("report_pruning_candidates", commodity=commodity)
    gone = asker.known("report_pruned", commodity=commodity)
    blocks: list[Block] = []
    if candidates.frame.empty:
        words = "No model failed to beat naive in three evaluations or more."
        blocks.append(Text(parts=(words,), basis=(candidates.query,)))
    else:
        blocks.append(
            Table(
                query=candidates.query,
                frame=candidates.frame,
                columns=given(columns.CANDIDATES, candidates.frame),
                title="Never shown to beat naive, in three evaluations or more",
                caption="The specified query, worst first. Not having beaten naive is not yet being worse.",
            )
        )
    blocks.append(_gone(asker, commodity))
    return Section(title=f"{formats.text(commodity)}: pruning list", blocks=tuple(blocks), notes=_note(len(gone.frame)))


def _note(gone: int) -> str:
    return "What is pruned keeps all its history in the ledger." if gone else ""


def _gone(asker: Asker, commodity: str) -> Block:
    gone = asker.known("report_pruned", commodity=commodity)
    if gone.frame.empty:
        return Text(parts=("No model is pruned.",), basis=(gone.query,))
    return Table(
        query=gone.query,
        frame=gone.frame,
        columns=given(columns.PRUNED, gone.frame),
        title="Pruned: out of the active registry, all history kept",
    )


def _tested(asker: Asker, commodity: str, subjects: list[Subject]) -> Section:
    """The models that a test shows to be worse, the nearest of the others, and what the leaderboard says."""
    boards = [subject.board for subject in subjects if subject.board is not None]
    told = [
        Text(parts=(words,), basis=_losses(asker, commodity, boards))
        for words in _sentences(asker, commodity, tested=bool(boards))
    ]
    choices = [
        Text(parts=(formats.plain(subject.choice.reason),), basis=tuple(board.query for board in boards))
        for subject in subjects
    ]
    return Section(title=f"{formats.text(commodity)}: tested inferiority", blocks=(*told, *choices))


def _losses(asker: Asker, commodity: str, boards: list[Answer]) -> tuple[Query, ...]:
    """What the limits are computed from."""
    backtests = {str(board.frame["backtest_id"].iloc[0]): None for board in boards}
    how = {"commodity": commodity, "as_of": asker.moment.isoformat()}
    return tuple(asker.ask("loss_history", backtest_id=one, **how).query for one in backtests)


def _sentences(asker: Asker, commodity: str, *, tested: bool) -> list[str]:
    judged = asker.ledger.decisions.judged(commodity, as_of=asker.asked_for) if tested else []
    worse = [one for one in judged if one.grounds.verdict.met]
    words = [f"{formats.plain(one.model_name)}: {formats.plain(one.grounds.verdict.words)}." for one in worse]
    if not worse:
        words.append(f"Of {counted(len(judged), 'model')} none is shown to be worse than naive beyond the margin.")
    if (other := nearest(judged)) is not None:
        said = formats.plain(other.grounds.verdict.words)
        words.append(f"Of the others {formats.plain(other.model_name)} is the nearest to it, {said}.")
    going = [one.grounds for one in worse if one.kept is None]
    if going and asker.asked_for is None:
        command = f"experiments prune --commodity {shlex.quote(commodity)} --apply --evidence {code_of(going)}"
        command += "" if asker.ledger.path is None else f" --path {shlex.quote(str(asker.ledger.path))}"
        words.append(f"To take out {counted(len(going), 'model')}: {command}")
    return words


def decided(asker: Asker, commodity: str, model: str = "") -> Section:
    """The decisions taken about a commodity, or about one model of it."""
    taken = asker.known("report_decisions", commodity=commodity, model_name=model)
    title = f"{formats.text(commodity)}: decisions"
    if taken.frame.empty:
        return Section(title=title, blocks=(Text(parts=("None was taken.",), basis=(taken.query,)),))
    table = Table(query=taken.query, frame=taken.frame, columns=given(columns.DECISIONS, taken.frame))
    return Section(title=title, blocks=(table,))
