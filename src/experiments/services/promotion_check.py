"""The promotion check: what is in production held against the latest evidence, and what follows; nothing is decided."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.definitions import BASELINE, series_name
from experiments.errors import ExperimentsError, NotFoundError, first_line
from experiments.science.evidence.family import BETTER
from experiments.services.decisions.chain import runs_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from experiments.services.decisions.chain import Decision, State
    from experiments.services.decisions.gather import Evaluated
    from experiments.services.evidence import Candidates
    from experiments.services.ledger import Ledger

KEEP, PROMOTE, GONE, NONE, UNTESTED = "keep", "promote", "gone", "none", "untested"
"""What follows: nothing is to be done; another is to be promoted; the evaluation in production is gone and no other is
better than naive; no model is; there are only figures that callers reported."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What can be said of the model in production of one series.

    Attributes
    ----------
    commodity, unique_id : str
    in_production : str or None
        The model, if there is one.
    evaluation_there : bool or None
        Whether the evaluation it was promoted by is still in the ledger.
    production_verdict : str or None
        What the latest evidence says of it, in words.
    candidate : str or None
        The best other model of the latest backtest.
    candidate_verdict : str or None
        What the rule of promotion says of it, in words.
    follows : str or None
        "keep", "promote", "gone", "none" or "untested"; None where it could not be checked.
    words : str
        What follows, in words; or why it could not be checked.
    command : str or None
        What would do it.
    error : str or None
        Why it could not be checked.
    """

    commodity: str
    unique_id: str
    in_production: str | None = None
    evaluation_there: bool | None = None
    production_verdict: str | None = None
    candidate: str | None = None
    candidate_verdict: str | None = None
    follows: str | None = None
    words: str = ""
    command: str | None = None
    error: str | None = None


def check_promotions(ledger: Ledger, commodity: str | None = None) -> list[Check]:
    """Hold the model in production of each series, and the best other of the latest backtest, against the evidence.

    Parameters
    ----------
    ledger : Ledger
    commodity : str, optional
        Only this one; by default all.

    Returns
    -------
    list of Check
        One for each series; a commodity that cannot be checked has one that says why, and the others are checked.

    Raises
    ------
    NotFoundError
        If the commodity is not in the ledger.
    """
    if commodity is not None:
        ledger.backtests(commodity)
    checked: list[Check] = []
    for name in ledger.commodities() if commodity is None else [commodity]:
        try:
            checked += _of_commodity(ledger, name)
        except Exception as error:  # noqa: BLE001  whatever is wrong with one commodity, the others are still due
            told = "" if isinstance(error, ExperimentsError) else f"{type(error).__name__}: "
            told += first_line(error)
            checked.append(Check(commodity=name, unique_id=name, words=told, error=told))
    return checked


def _of_commodity(ledger: Ledger, commodity: str) -> list[Check]:
    state = ledger.decisions.state(commodity)
    try:
        found = {of.unique_id: of for of in ledger.candidates(commodity)}
    except NotFoundError:
        found = {}  # none of it was computed here, or none of it is whole
    there = runs_there(ledger.engine, state.champions.values())
    series = sorted({*found, *state.champions}) or [commodity]
    if not found:
        return [_untested(commodity, one, state.champions.get(one), there) for one in series]
    board = ledger.leaderboard(commodity)
    checks = []
    for one in series:
        if one not in found:  # a series the latest backtest leaves out
            checks.append(_untested(commodity, one, state.champions.get(one), there))
            continue
        own = board[board["unique_id"] == one].sort_values("place", na_position="last")
        ranked = [(str(row["model_name"]), str(row["model_version"])) for row in own.to_dict("records")]
        better = {variant for variant, verdict in zip(ranked, own["verdict"], strict=True) if verdict == BETTER}
        checks.append(_of_series(ledger, found[one], state, there, ranked, better))
    return checks


def _untested(commodity: str, unique_id: str, champion: Decision | None, there: set[str]) -> Check:
    called = series_name(commodity, unique_id)
    words = f"there is no finished backtest of {called} to check by: run 'experiments backtest' on its prices"
    return Check(
        commodity=commodity,
        unique_id=unique_id,
        in_production=None if champion is None else champion.model_name,
        evaluation_there=None if champion is None else champion.experiment_id in there,
        follows=UNTESTED,
        words=words,
    )


def _of_series(
    ledger: Ledger,
    of: Candidates,
    state: State,
    there: set[str],
    ranked: Sequence[tuple[str, str]],
    better: set[tuple[str, str]],
) -> Check:
    """Check one series; `ranked` are its variants, the smallest loss first, and `better` those better than naive."""
    champion = state.champions.get(of.unique_id)
    variant = ("", "") if champion is None else (champion.model_name, champion.model_version)
    labels = {
        (str(run["model_name"]), str(run["model_version"])): of.labels[str(run["experiment_id"])]
        for run in of.runs.to_dict("records")
    }

    def judged(of_variant: tuple[str, str] | None) -> Evaluated | None:
        if of_variant not in labels:
            return None
        return ledger.decisions.evidence_for(labels[of_variant], of.commodity, unique_id=of.unique_id)

    others = [one for one in ranked if one in labels and one not in (*state.pruned, variant) and one[0] != BASELINE]
    best = next((one for one in others if one in better), next(iter(others), None))
    present, candidate = judged(variant), judged(best)
    naive = judged(next((one for one in ranked if one[0] == BASELINE), None))
    standing = _Standing(
        called=series_name(of.commodity, of.unique_id),
        in_production=None if champion is None else labels.get(variant, champion.model_name),
        there=champion is not None and champion.experiment_id in there,
        present=present,
        candidate=None if best is None else labels[best],
        judged=candidate,
        naive=BASELINE if naive is not None and naive.grounds.verdict.met else None,
    )
    follows, words, promoted = _follows(standing)
    return Check(
        commodity=of.commodity,
        unique_id=of.unique_id,
        in_production=standing.in_production,
        evaluation_there=None if champion is None else standing.there,
        production_verdict=_production_verdict(standing),
        candidate=standing.candidate,
        candidate_verdict=None if candidate is None else candidate.grounds.verdict.words,
        follows=follows,
        words=words,
        command=None if promoted is None else _command(promoted, of),
    )


@dataclass(frozen=True, kw_only=True)
class _Standing:
    """What is known of one series: the model in production and the best other, each with what the rule says of it."""

    called: str
    in_production: str | None
    there: bool
    present: Evaluated | None
    candidate: str | None
    judged: Evaluated | None
    naive: str | None


def _production_verdict(of: _Standing) -> str | None:
    if of.in_production is None:
        return None
    return "not in the latest backtest" if of.present is None else of.present.grounds.verdict.words


def _follows(of: _Standing) -> tuple[str, str, str | None]:
    """What follows, in words, and which model would be promoted."""
    met = of.judged is not None and of.judged.grounds.verdict.met
    holds = of.present is not None and of.present.grounds.verdict.met
    said = "" if of.judged is None else of.judged.grounds.verdict.words
    if of.in_production is not None and not of.there:
        gone = "the production model's evaluation is gone: promote another"
        again = of.in_production if holds else of.candidate if met else None  # its own latest evaluation will do
        if again is not None:
            return GONE, f"{gone}, such as {again}", again
        return GONE, f"{gone}; no model of {of.called} beats naive beyond luck", of.naive
    if holds and not (met and _is_better(of)):
        other = f"; {of.candidate} is not shown to be better than it" if of.candidate is not None else ""
        return KEEP, f"keep{other}", None
    if met:
        return PROMOTE, f"promote {of.candidate}: {said}", of.candidate
    words = f"no model beats naive beyond luck on {of.called}"
    if of.in_production is None or of.in_production == BASELINE:
        return NONE, words + ": use naive", None
    return NONE, f"{words}, {of.in_production} neither: promote naive, or keep it knowing that", of.naive


def _is_better(of: _Standing) -> bool:
    """Whether the candidate's loss is below that of the model in production beyond luck."""
    import pandas as pd

    from experiments.science.evidence.pairs import compare_pairs

    if of.judged is None or of.in_production is None:
        return False
    found = of.judged.grounds.evidence
    losses = pd.DataFrame(found["losses"], dtype=float)
    if not {of.candidate, of.in_production} <= {*losses.columns}:
        return False
    pair = compare_pairs(losses[[of.candidate, of.in_production]], overlap=found["overlap"], level=found["level"])[0]
    level = of.judged.grounds.policy["significance_level"]
    return pair.pvalue is not None and pair.pvalue < level and (pair.difference or 0.0) < 0


def _command(label: str, of: Candidates) -> str:
    words = ["experiments", "promote", label, "--commodity", of.commodity]
    return shlex.join(words if of.unique_id == of.commodity else [*words, "--series", of.unique_id])
