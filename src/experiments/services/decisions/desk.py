"""The desk where decisions are taken: promote, roll back, prune, restore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from experiments.definitions import BASELINE, check_commodity, series_name
from experiments.errors import ConflictError, InvalidInputError, NotFoundError, unknown
from experiments.services.decisions import active, gather
from experiments.services.decisions.candidates import Candidate
from experiments.services.decisions.chain import (
    PROMOTE,
    PRUNE,
    RESTORE,
    ROLLBACK,
    Decision,
    State,
    append,
    check_reason,
    project,
    read_decisions,
    row_of,
    runs_there,
    state_of,
    taken_again,
)
from experiments.services.decisions.policy import read_policy
from experiments.services.decisions.rules import INFERIOR, REGISTERED, SPECIFIED, Grounds, code_of
from experiments.services.evidence import as_of_time

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from experiments.services.decisions.gather import Evaluated, Variant
    from experiments.services.ledger import Ledger

PRUNING_RULES = (INFERIOR, SPECIFIED)


class Decisions:
    """Decisions on the models of a ledger; made by `Ledger.decisions`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._engine = ledger.engine

    def state(self, commodity: str, *, as_of: dt.date | str | None = None) -> State:
        """What the decisions on a commodity, taken by a time, come to."""
        return state_of(read_decisions(self._engine, check_commodity(commodity), as_of=as_of_time(as_of)))

    def evidence_for(self, model: str, commodity: str, *, unique_id: str | None = None) -> Evaluated:
        """What a promotion would rest on now.

        Parameters
        ----------
        model : str
            As the leaderboard names it.
        commodity : str
        unique_id : str, optional
            The series, where the commodity has several.

        Raises
        ------
        NotFoundError
            If the commodity, its series, or the model in its latest backtest is not in the ledger.
        InvalidInputError
            If the commodity has several series and none is named.
        """
        return self._evaluated(model, commodity, unique_id, self.state(commodity))

    def promote(
        self,
        model: str,
        commodity: str,
        *,
        unique_id: str | None = None,
        reason: str | None = None,
        force: bool = False,
        shown: str | None = None,
    ) -> Decision:
        """Put the latest evaluation of a model in production.

        Parameters
        ----------
        model, commodity, unique_id
            As in `evidence_for`.
        reason : str, optional
            Why, in your words.
        force : bool
            Promote although the evidence does not say it is better; needs a reason, and is recorded as such.
        shown : str, optional
            The code of the evidence it was decided on: another by now is refused.

        Raises
        ------
        InvalidInputError
            If the evidence does not say so and it is not forced, a reason is missing, or the model is pruned or in
            production already.
        ConflictError
            If the evidence is not what was shown, or another decision was taken meanwhile. Nothing was recorded.
        NotFoundError
            As in `evidence_for`.
        """
        why = check_reason(reason, needed=force)
        state = self.state(commodity)
        found = self._evaluated(model, commodity, unique_id, state)
        verdict = found.grounds.verdict
        called = f"{model} for {series_name(commodity, found.unique_id)}"
        _check_shown(shown, [found.grounds], verdict.words)
        if (pruning := state.pruned.get((found.model_name, found.model_version))) is not None:
            msg = f"{called} is pruned ({pruning.told}): restore it first."
            raise InvalidInputError(msg)
        champion = state.champions.get(found.unique_id)
        if champion is not None and champion.experiment_id == found.experiment_id:
            msg = f"{called} is in production already, by this evaluation ({champion.told})."
            raise InvalidInputError(msg)
        if not verdict.met and not force:
            msg = f"{called} is not promoted, {verdict.words}. To promote it nevertheless, use --force with a reason."
            raise InvalidInputError(msg)
        row = row_of(self._engine, PROMOTE, (found.model_name, found.model_version), found.grounds, reason=why) | {
            "unique_id": found.unique_id,
            "experiment_id": found.experiment_id,
            "forced": not verdict.met,
        }
        return self._decide(commodity, state, [row])[0]

    def rollback(self, commodity: str, *, unique_id: str | None = None, reason: str | None = None) -> Decision:
        """Put the model in production again that was there before the latest promotion.

        Raises
        ------
        InvalidInputError
            If there is none before, it is pruned, or its evaluation is no longer in the ledger.
        ConflictError
            If another decision was taken meanwhile. Nothing was recorded.
        NotFoundError
            If the series has nothing in production.
        """
        why = check_reason(reason)
        state = self.state(commodity)
        series = _only_series(commodity, state.promotions, unique_id)
        in_force = state.promotions[series]
        called = series_name(commodity, series)
        if len(in_force) < 2:  # noqa: PLR2004  the one in production and the one before
            msg = (
                f"{called} has nothing to roll back to: {in_force[-1].model_name} was promoted first. Promote another."
            )
            raise InvalidInputError(msg)
        undone, before = in_force[-1], in_force[-2]
        if (pruning := state.pruned.get((before.model_name, before.model_version))) is not None:
            msg = f"{called} would go back to {before.model_name}, which is pruned ({pruning.told}): restore it first."
            raise InvalidInputError(msg)
        if not runs_there(self._engine, [before]):
            msg = f"{called} would go back to {before.model_name}, whose evaluation is no longer in the ledger: "
            raise InvalidInputError(msg + "promote one that is.")
        row = taken_again(ROLLBACK, before, undoes=undone, reason=why)
        return self._decide(commodity, state, [row])[0]

    def judged(self, commodity: str, *, rule: str = INFERIOR, as_of: dt.date | str | None = None) -> list[Candidate]:
        """The models of the active registry held against a rule for pruning.

        Parameters
        ----------
        commodity : str
        rule : str
            "inferior": tested to be worse than naive beyond the margin, at whatever look; of all models of the latest
            backtest. "specified": the query; of the models it lists.
        as_of : date or str, optional
            By what was known then; the query is of now.

        Raises
        ------
        NotFoundError
            If the commodity is not in the ledger, or was not then, or there is no such rule.
        """
        state = self.state(commodity, as_of=as_of)
        return [
            Candidate(
                commodity=commodity,
                model_name=variant[0],
                model_version=variant[1],
                grounds=found,
                kept=_kept(variant, state),
            )
            for variant, found in self._pruning_grounds(commodity, rule, as_of).items()
            if variant not in state.pruned
        ]

    def candidates(
        self, commodity: str, *, rule: str = INFERIOR, models: Sequence[str] | None = None
    ) -> list[Candidate]:
        """The models a rule would prune.

        Parameters
        ----------
        commodity, rule
            As in `judged`.
        models : sequence of str, optional
            Only these.

        Raises
        ------
        NotFoundError
            As in `judged`; or if a model named is not among them.
        InvalidInputError
            If the evidence does not say so of a model named.
        """
        judged = self.judged(commodity, rule=rule)
        listed = [one for one in judged if one.grounds.verdict.met]
        said = {one.model_name: one.grounds.verdict for one in judged}
        for name in models or ():
            if name == BASELINE:
                msg = f"{BASELINE} is not pruned: it is the baseline."
                raise InvalidInputError(msg)
            if name not in said:
                raise unknown(f"candidate for pruning of {commodity}", name, said)
            if not said[name].met:
                msg = f"{name} is no candidate for pruning of {commodity}, {said[name].words}."
                raise InvalidInputError(msg)
        return [one for one in listed if models is None or one.model_name in models]

    def prune(
        self,
        commodity: str,
        *,
        rule: str = INFERIOR,
        models: Sequence[str] | None = None,
        reason: str | None = None,
        shown: str | None = None,
    ) -> list[Decision]:
        """Take the candidates out of the active registry; their history stays.

        Parameters
        ----------
        commodity, rule, models
            As in `candidates`. The baseline is kept, and so is what is in production.
        reason, shown
            As in `promote`.

        Raises
        ------
        InvalidInputError
            As in `candidates`; or if a model named is kept.
        ConflictError
            If the evidence is not what was shown, or another decision was taken meanwhile. Nothing was recorded.
        """
        why = check_reason(reason)
        active.check_registry()
        state = self.state(commodity)
        listed = self.candidates(commodity, rule=rule, models=models)
        going = [one for one in listed if one.kept is None]
        told = "; ".join(f"{one.model_name} {one.grounds.verdict.words}" for one in going) or "no candidate"
        _check_shown(shown, [one.grounds for one in going], told)
        if models is not None and len(going) < len(listed):
            kept = next(one for one in listed if one.kept is not None)
            msg = f"{kept.model_name} is not pruned for {commodity}: it is {kept.kept}."
            raise InvalidInputError(msg)
        rows = [
            row_of(self._engine, PRUNE, (one.model_name, one.model_version), one.grounds, reason=why) for one in going
        ]
        decided = self._decide(commodity, state, rows) if rows else []
        self.update_registry()
        return decided

    def restore(self, model: str, commodity: str, *, reason: str | None = None) -> list[Decision]:
        """Bring a pruned model back into the active registry, in all its pruned versions.

        Raises
        ------
        NotFoundError
            If it is not pruned.
        ConflictError
            If another decision was taken meanwhile. Nothing was recorded.
        """
        why = check_reason(reason)
        active.check_registry()
        state = self.state(commodity)
        prunings = [one for (name, _), one in state.pruned.items() if name == model]
        if not prunings:
            raise unknown(f"pruned model of {commodity}", model, {name for name, _ in state.pruned})
        rows = [taken_again(RESTORE, one, undoes=one, reason=why) for one in prunings]
        decided = self._decide(commodity, state, rows)
        self.update_registry()
        return decided

    def update_registry(self) -> bool:
        """Write the active registry as the decisions have it; returns whether it changed.

        What it lists of commodities on which this ledger has no decision stays.
        """
        decided = {one.commodity for one in self._on_commodities()}
        others = [one for one in active.read_pruned() if one.commodity not in decided]
        return active.write_pruned([*others, *self.pruned()])

    def pruned(self) -> list[active.Pruned]:
        """The variants that are out of use, of all commodities."""
        by_commodity: dict[str, list[Decision]] = {}
        for one in self._on_commodities():
            by_commodity.setdefault(one.commodity, []).append(one)
        return active.entries(one for chain in by_commodity.values() for one in state_of(chain).pruned.values())

    def _on_commodities(self) -> list[Decision]:
        return [one for one in read_decisions(self._engine) if one.rule != REGISTERED]

    def _evaluated(self, model: str, commodity: str, unique_id: str | None, state: State) -> Evaluated:
        found = {one.unique_id: one for one in self._ledger.candidates(commodity)}
        of = found[_only_series(commodity, found, unique_id)]
        if model not in of.labels.values():
            what = f"model of the latest backtest of {series_name(commodity, of.unique_id)}"
            raise unknown(what, model, of.labels.values())
        return gather.promotion(self._engine, of, model, state.champions.get(of.unique_id), read_policy())

    def _pruning_grounds(self, commodity: str, rule: str, as_of: dt.date | str | None) -> dict[Variant, Grounds]:
        if rule not in PRUNING_RULES:
            raise unknown("rule", rule, PRUNING_RULES)
        if rule == SPECIFIED:
            if not (found := gather.specified(self._engine, commodity, read_policy())):
                self._ledger.pruning_candidates(commodity)  # which says so where the commodity is not known
            return found
        try:
            candidates = self._ledger.candidates(commodity, as_of=as_of)
        except NotFoundError:
            if as_of is not None or commodity not in self._ledger.commodities():
                raise
            return {}  # all its figures were reported: there is nothing to test
        return gather.inferior(self._engine, candidates, read_policy(), as_of_time(as_of))

    def _decide(self, commodity: str, state: State, rows: Sequence[dict[str, Any]]) -> list[Decision]:
        decided = append(self._engine, commodity, state.newest, rows)
        if any(one.kind in {PROMOTE, ROLLBACK} for one in decided):
            project(self._engine)
        return decided


def _kept(variant: Variant, state: State) -> str | None:
    if variant[0] == BASELINE:
        return "the baseline"
    in_production = {(one.model_name, one.model_version) for one in state.champions.values()}
    return "in production" if variant in in_production else None


def _only_series(commodity: str, found: dict[str, Any], unique_id: str | None) -> str:
    """The series named, else the only one there is."""
    if unique_id is not None and unique_id not in found:
        raise unknown(f"series of {commodity}", unique_id, found)
    if unique_id is None and not found:
        msg = f"{commodity} has no model in production."
        raise NotFoundError(msg)
    if unique_id is None and len(found) > 1:
        msg = f"{commodity} has several series: name one of {', '.join(sorted(found))}."
        raise InvalidInputError(msg)
    return unique_id or next(iter(found))


def _check_shown(shown: str | None, grounds: Sequence[Grounds], told: str) -> None:
    now = code_of(grounds)
    if shown is not None and shown != now:
        msg = f"the evidence is not the one shown as {shown}: it is {now} by now, and says {told}. Nothing was decided."
        raise ConflictError(msg)
