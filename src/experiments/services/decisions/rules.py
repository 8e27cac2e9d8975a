"""The rules: what recorded evidence says. They read only evidence and policy, so that they can be replayed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from experiments.definitions import BASELINE, counted, pvalue_in_words, series_name

BETTER, INFERIOR, SPECIFIED, REGISTERED = "better", "inferior", "specified", "registered"
"""Better than naive; worse than naive beyond the margin; a candidate of the specified query; a version to deploy."""

_CODE_LENGTH = 12


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What evidence says by a rule.

    Attributes
    ----------
    met : bool
        Whether it is what the rule asks for.
    words : str
    figures : mapping
        The numbers behind the words.
    """

    met: bool
    words: str
    figures: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """Evidence, the rule it is held against and the policy in force: what a decision rests on, all plain JSON."""

    rule: str
    policy: Mapping[str, Any]
    evidence: Mapping[str, Any]

    @cached_property
    def verdict(self) -> Verdict:
        """What the evidence says, computed from it."""
        return _RULES[self.rule](self.evidence, self.policy)

    @property
    def digest(self) -> str:
        """SHA-256 of all of it: equal grounds have equal digests."""
        whole = {"rule": self.rule, "policy": self.policy, "evidence": self.evidence}
        return hashlib.sha256(as_json(whole).encode()).hexdigest()


def code_of(grounds: Sequence[Grounds]) -> str:
    """A short code of evidence that was shown, to say which when deciding."""
    return hashlib.sha256("".join(sorted(one.digest for one in grounds)).encode()).hexdigest()[:_CODE_LENGTH]


def as_json(content: Any) -> str:
    """Canonical JSON: keys sorted, numbers as they are."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _better(evidence: Mapping[str, Any], policy: Mapping[str, Any]) -> Verdict:
    """Whether a model is better than naive, and not worse than the one in production.

    Diebold-Mariano on the windows all models of the backtest share, Holm's correction for all that are tested. Naive
    itself is the choice where no other is better.
    """
    words, level, model = policy["words"], policy["significance_level"], evidence["model"]
    if model not in evidence["losses"]:
        return Verdict(met=False, words=f"{words['nothing_tested']}: {evidence['note']}", figures={})

    import pandas as pd

    from experiments.science.evidence.pairs import compare_pairs, compare_with

    losses = pd.DataFrame(evidence["losses"], dtype=float)
    how = {"overlap": evidence["overlap"], "level": evidence["level"]}
    pairs = {pair.model: pair for pair in compare_with(losses, BASELINE, **how)}
    better = [
        name for name, pair in pairs.items() if (pair.pvalue_holm or 1.0) < level and (pair.difference or 0.0) < 0
    ]
    champion = evidence["champion"]
    if champion in losses and champion != model:
        against = compare_pairs(losses[[model, champion]], **how)[0]
        if (against.pvalue or 1.0) < level and (against.difference or 0.0) > 0:
            share = (against.difference or 0.0) / float(losses[champion].mean())
            told = f"{words['worse_than_champion']}: its error is {share:.1%} above that of {champion}"
            told += f" on {counted(against.n, 'window')} ({pvalue_in_words(against.pvalue or 0.0)})"
            return Verdict(met=False, words=told, figures={"n": against.n, "skill": -share, "pvalue": against.pvalue})
    if model == BASELINE:
        tests = [pair for pair in pairs.values() if pair.pvalue is not None]
        if not tests:  # that nothing was shown to be better says nothing then
            why = next((pair.note for pair in pairs.values() if pair.note), "there is no other model")
            return Verdict(met=False, words=f"{words['nothing_tested']}: {why}", figures={"n": len(losses)})
        told = words["baseline_beaten"] + f": {better[0]}" if better else words["baseline_kept"]
        told += "" if better else f" of {counted(len(tests), 'model')} tested on {counted(len(losses), 'window')}"
        return Verdict(met=not better, words=told, figures={"n": len(losses), "n_tested": len(tests)})
    pair = pairs[model]
    if pair.pvalue is None or pair.pvalue_holm is None or pair.difference is None:
        return Verdict(met=False, words=f"{words['not_better']}: {pair.note}", figures={"n": pair.n})
    skill = -pair.difference / float(losses[BASELINE].mean())
    tested = sum(one.pvalue is not None for one in pairs.values())
    shown = "better" if model in better else "worse" if skill < 0 and pair.pvalue_holm < level else "not_better"
    told = words[shown]
    told += f": its error is {abs(skill):.1%} {'below' if skill > 0 else 'above'} naive's on"
    told += f" {counted(pair.n, 'window')} ({pvalue_in_words(pair.pvalue_holm)} after Holm's correction for"
    told += f" {counted(tested, 'model')})"
    figures = {"n": pair.n, "skill": skill, "pvalue": pair.pvalue, "pvalue_holm": pair.pvalue_holm, "n_tested": tested}
    return Verdict(met=model in better, words=told, figures=figures)


def _inferior(evidence: Mapping[str, Any], policy: Mapping[str, Any]) -> Verdict:
    """Whether a model's loss is above naive's beyond the margin, in every series, at whatever look this is.

    The lower limit of a confidence sequence for the loss less (1 + margin) times naive's, at a level that leaves the
    error rate for all models tested together.
    """
    import numpy as np

    from experiments.science.evidence.diebold_mariano import windows_required
    from experiments.science.evidence.sequences import confidence_sequence

    words, margin = policy["words"], policy["margin"]
    overlap, miss = evidence["overlap"], policy["error_rate"] / evidence["n_tested"]
    excess, least, notes, n = [], [], [], 0
    for series in evidence["series"].values():
        losses, naive = np.array(series["losses"]), np.array(series["naive_losses"])
        found = confidence_sequence(
            losses - (1 + margin) * naive, overlap=overlap, start=windows_required(overlap), level=1 - 2 * miss
        )
        n += losses.size
        if found.note or not naive.mean() > 0:
            notes.append(found.note or "naive makes no error")
            continue
        excess.append(float(losses.mean() / naive.mean() - 1))
        least.append(float(found.lower[-1] / naive.mean()) + margin)
    if notes:
        return Verdict(met=False, words=f"{words['not_inferior']}: {notes[0]}", figures={"n": n})
    met = min(least) > margin
    told = words["inferior" if met else "not_inferior"]
    told += f": its error is {abs(min(excess)):.1%} {'above' if min(excess) >= 0 else 'below'} naive's on"
    told += f" {counted(n, 'window')}"
    if met or min(excess) > margin:
        told += f", and at least {min(least):.1%} by" if min(least) > 0 else ", not told from luck by"
        told += f" limits that hold at every look ({1 - policy['error_rate']:.0%} for"
        told += f" {counted(evidence['n_tested'], 'model')}; margin {margin:.0%})"
    return Verdict(met=met, words=told, figures={"n": n, "excess": min(excess), "at_least": min(least)})


def _specified(evidence: Mapping[str, Any], policy: Mapping[str, Any]) -> Verdict:
    """Whether the specified query lists a model: enough evaluations that did not beat naive."""
    most = max(evidence["groups"], key=lambda group: group["num_runs"])
    told = f"{policy['words']['specified']} in {counted(most['num_runs'], 'evaluation')}"
    figures = {"n_runs": most["num_runs"], "avg_mae": most["avg_mae"]}
    return Verdict(met=most["num_runs"] >= policy["least_runs"], words=told, figures=figures)


def _registered(evidence: Mapping[str, Any], policy: Mapping[str, Any]) -> Verdict:
    """Whether nothing recorded speaks against deploying a version: if it was evaluated, one evaluation beats naive.

    Diebold-Mariano against naive, as each evaluation has it, after Holm's correction for all of them.
    """
    words, found = policy["words"], evidence["evaluations"]
    tested = sorted((one for one in found if one["dm_pvalue"] is not None), key=lambda one: one["dm_pvalue"])
    if not found:
        return Verdict(met=True, words=words["not_evaluated"], figures={"n": 0})
    if not tested:
        return Verdict(
            met=False, words=f"{words['nothing_tested']} in {counted(len(found), 'evaluation')}", figures={"n": 0}
        )
    adjusted, running = [], 0.0
    for place, one in enumerate(tested):
        running = max(running, min(1.0, one["dm_pvalue"] * (len(tested) - place)))
        adjusted.append((running, one))
    better = [
        (p, one) for p, one in adjusted if p < policy["significance_level"] and (one["dm_test_vs_naive"] or 0.0) < 0
    ]
    corrected = f"after Holm's correction for {counted(len(tested), 'evaluation')}"
    if better:
        pvalue, one = better[0]
        where = series_name(one["commodity"], one["unique_id"])
        told = f"{words['better']} on {where} ({pvalue_in_words(pvalue)} {corrected})"
        return Verdict(met=True, words=told, figures={"n": len(tested), "pvalue_holm": pvalue})
    told = f"{words['not_better']} in any evaluation ({pvalue_in_words(adjusted[0][0])} {corrected})"
    return Verdict(met=False, words=told, figures={"n": len(tested), "pvalue_holm": adjusted[0][0]})


_RULES: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Verdict]] = {
    BETTER: _better,
    INFERIOR: _inferior,
    SPECIFIED: _specified,
    REGISTERED: _registered,
}
