"""Deployment: which version of a model is its champion and which its challenger, by decisions that are recorded."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from experiments.definitions import REGISTRY, known
from experiments.errors import ConflictError, EngineError, InvalidInputError, NotFoundError, first_line, unknown
from experiments.services.decisions.chain import (
    PROMOTE,
    PRUNE,
    ROLLBACK,
    Decision,
    State,
    append,
    check_reason,
    read_decisions,
    row_of,
    state_of,
    taken_again,
)
from experiments.services.decisions.policy import read_policy
from experiments.services.decisions.rules import REGISTERED, Grounds
from experiments.services.registry.merit import is_better, mode_of
from experiments.services.registry.record import ModelVersion, versions_in
from experiments.services.registry.versions import CHALLENGER, CHAMPION, check_alias, check_name, check_version
from experiments.storage.table import records, select, version_of

if TYPE_CHECKING:
    from experiments.services.registry.registry import ModelRegistry
    from experiments.storage.engine import Engine

log = logging.getLogger("experiments")

_NONE = ""
"""The version of a decision that leaves an alias without one."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What a hook is told.

    Attributes
    ----------
    model : ModelVersion
        What is deployed.
    alias : str
    replaces : str or None
        The version that had the alias.
    """

    model: ModelVersion
    alias: str
    replaces: str | None

    @property
    def variables(self) -> dict[str, str]:
        """The same for a command, as environment variables."""
        return {
            "MODEL_ID": str(self.model.model_id),
            "MODEL_NAME": self.model.model_name,
            "MODEL_VERSION": self.model.version,
            "MODEL_TYPE": self.model.model_type,
            "MODEL_PATH": self.model.file_path,
            "MODEL_SHA256": self.model.sha256,
            "MODEL_ALIAS": self.alias,
            "MODEL_REPLACES": self.replaces or "",
        }


Hook = Callable[[Deployment], object] | Sequence[str]
"""A function, or a command by its words: it gets `Deployment.variables` in its environment."""


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What runs around a deployment: one that raises, or exits with another code than 0, has failed.

    Attributes
    ----------
    before : sequence of Hook
        Where one fails, nothing is deployed.
    after : sequence of Hook
        Where one fails, what was deployed before is deployed again.
    """

    before: Sequence[Hook] = ()
    after: Sequence[Hook] = ()

    def __post_init__(self) -> None:
        """Refuse what is no hook, before anything is deployed."""
        for hook in [*self.before, *self.after]:
            if not callable(hook) and not _is_command(hook):
                msg = f"a hook is {hook!r:.60}: give a function, or a command by its words, such as ['make', 'reload']."
                raise InvalidInputError(msg)


def _is_command(given: Any) -> bool:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        return False
    return all(isinstance(word, str) and word and "\0" not in word for word in given)


def chain_of(model_name: str) -> str:
    """What the decisions on a model are filed under.

    Examples
    --------
    >>> chain_of("spread")
    'registry:spread'
    """
    return f"{REGISTRY}{model_name}"


def promote(  # noqa: PLR0913  what the method takes
    registry: ModelRegistry,
    model_name: str,
    version: str,
    alias: str = CHAMPION,
    *,
    reason: str | None = None,
    force: bool = False,
    hooks: Hooks | None = None,
) -> Decision:
    """Deploy a version under an alias, as a decision with the evidence there is.

    The file is read and found to be what was saved. Where `model_runs` has evaluations of this model and version, one
    of them has to beat naive; where there is none, the decision says so.

    Parameters
    ----------
    registry : ModelRegistry
    model_name, version : str
    alias : str
        "champion" or "challenger".
    reason : str, optional
        Why, in your words.
    force : bool
        Deploy it although no evaluation beats naive; needs a reason.
    hooks : Hooks, optional
        Run before and after.

    Raises
    ------
    NotFoundError
        If there is no such version, or its file is gone.
    InvalidInputError
        If it is deployed so already, or its evaluations do not say that it is better than naive and it is not forced.
    ConflictError
        If another decision on the model was taken meanwhile. Nothing was deployed.
    EngineError
        If its file is not what was saved, or a hook failed: then what was deployed before is deployed still.
    """
    why = check_reason(reason, needed=force)
    engine, alias = registry.ledger.engine, check_alias(alias)
    state = _state(engine, check_name("model_name", model_name))
    found = _version(registry, model_name, check_version(version))
    held = _held(state, alias)
    if alias == CHALLENGER and _held(state, CHAMPION) == version:
        msg = f"{found.label} is the champion: there is nothing to challenge."
        raise InvalidInputError(msg)
    if held == version:
        msg = f"{found.label} is the {alias} already ({state.champions[alias].told})."
        raise InvalidInputError(msg)
    grounds = _grounds(registry, found, alias, held)
    verdict = grounds.verdict
    if not verdict.met and not force:
        msg = f"{found.label} is not promoted, {verdict.words}. To promote it nevertheless, use --force with a reason."
        raise InvalidInputError(msg)
    told = _told_to_hooks(registry, found, alias, held)
    row = row_of(engine, PROMOTE, (model_name, version), grounds, reason=why) | {
        "unique_id": alias,
        "experiment_id": str(found.model_id),
        "forced": not verdict.met,
    }
    return _deploy(registry, state, row, told, hooks or Hooks())


def rollback(
    registry: ModelRegistry,
    model_name: str,
    alias: str = CHAMPION,
    *,
    reason: str | None = None,
    hooks: Hooks | None = None,
) -> Decision:
    """Deploy the version again that had an alias before its latest promotion.

    Raises
    ------
    NotFoundError
        If nothing is deployed so.
    InvalidInputError
        If nothing was before, or it was deleted.
    ConflictError, EngineError
        As `promote`.
    """
    why = check_reason(reason)
    alias = check_alias(alias)
    state = _state(registry.ledger.engine, check_name("model_name", model_name))
    in_force = state.promotions.get(alias, ())
    if not in_force:
        msg = f"{model_name} has no {alias}."
        raise NotFoundError(msg)
    if len(in_force) < 2:  # noqa: PLR2004  the one deployed and the one before
        msg = f"{model_name} has nothing to roll back to: {in_force[-1].model_version} was its first {alias}."
        raise InvalidInputError(msg)
    undone, before = in_force[-1], in_force[-2]
    found = registry.find(model_name=model_name, version=before.model_version)
    if found is None:
        msg = f"{model_name} would go back to {before.model_version}, which was deleted: promote one that is there."
        raise InvalidInputError(msg)
    told = _told_to_hooks(registry, found, alias, _held(state, alias))
    return _deploy(registry, state, taken_again(ROLLBACK, before, undoes=undone, reason=why), told, hooks or Hooks())


def deploy_best(
    registry: ModelRegistry, model_name: str, metric: str, *, mode: str | None = None, hooks: Hooks | None = None
) -> Decision | None:
    """Promote the best version of a model, if it is better than its champion; see `ModelRegistry.deploy_best`."""
    mode = mode_of(metric, mode)
    best = registry.best(metric, model_name=check_name("model_name", model_name), mode=mode)
    if best is None:
        msg = f"no version of {model_name} has the metric {metric!r} as a number."
        raise NotFoundError(msg)
    champion = registry.find(model_name=model_name, alias=CHAMPION)
    if champion is not None and not is_better(best.metrics[metric], champion.metrics.get(metric, float("nan")), mode):
        return None
    than = "there was no champion" if champion is None else f"the champion has {_shown(champion.metrics.get(metric))}"
    reason = f"best by {metric}, {best.metrics[metric]:.6g}: {than}"
    return promote(registry, model_name, best.version, reason=reason, hooks=hooks)


def retire(registry: ModelRegistry, found: ModelVersion, *, force: bool, reason: str | None) -> Decision:
    """Decide that a version is deleted: from then on it is no version any more.

    Raises
    ------
    InvalidInputError
        If it is deployed or others were made from it, and it is not forced.
    ConflictError
        If another decision on the model was taken meanwhile.
    """
    why = check_reason(reason)
    engine = registry.ledger.engine
    state = _state(engine, found.model_name)
    roles = [alias for alias in state.champions if _held(state, alias) == found.version]
    made = versions_in(select(engine, "models_made_from", model_id=found.model_id))
    if roles and not force:
        msg = f"{found.label} is the {roles[0]} of {found.model_name}: promote another first, or use --force."
        raise InvalidInputError(msg)
    if made and not force:
        msg = f"{made[0].label} was made from {found.label}: delete that first, or use --force."
        raise InvalidInputError(msg)
    grounds = _grounds(registry, found, roles[0] if roles else None, None)
    row = row_of(engine, PRUNE, (found.model_name, found.version), grounds, reason=why)
    forced = {"forced": bool(roles or made), "reason": why or ("forced" if roles or made else None)}
    rows = [row | forced | {"experiment_id": str(found.model_id)}]
    return append(engine, chain_of(found.model_name), state.newest, rows)[0]


def _told_to_hooks(registry: ModelRegistry, found: ModelVersion, alias: str, held: str | None) -> Deployment:
    """What hooks are told: the file is where it is now, as a registry may have been moved."""
    there = replace(found, file_path=registry.files.place_of(found.file_path))
    return Deployment(model=there, alias=alias, replaces=held)


def _deploy(registry: ModelRegistry, state: State, row: dict[str, Any], told: Deployment, hooks: Hooks) -> Decision:
    """Record a deployment between its hooks; where one fails it is not made, or undone."""
    engine, chain = registry.ledger.engine, chain_of(told.model.model_name)
    registry.check_file(told.model)
    for hook in hooks.before:
        _run(hook, told, f"{told.model.label} was not deployed")
    if hooks.before:
        registry.check_file(told.model)  # they may have done anything
    decided = append(engine, chain, state.newest, [row])[0]
    try:
        for hook in hooks.after:
            _run(hook, told, f"{told.model.label} was deployed and undone")
    except BaseException as error:
        _undo(engine, chain, state, decided, told, why=str(error) or type(error).__name__)
        raise
    if told.alias == CHAMPION and _held(state, CHALLENGER) == told.model.version:
        with suppress(ConflictError):  # what somebody decided meanwhile stands
            why = f"{decided.model_version} became the champion"
            append(engine, chain, decided, [_nothing(state.champions[CHALLENGER], undoes=decided, reason=why)])
    return decided


def _nothing(earlier: Decision, *, undoes: Decision, reason: str) -> dict[str, Any]:
    """The row of a decision that leaves the alias of an earlier one without a version."""
    nothing = Decision(**vars(earlier) | {"model_version": _NONE, "experiment_id": _NONE})
    return taken_again(ROLLBACK, nothing, undoes=undoes, reason=reason)


def _undo(engine: Engine, chain: str, state: State, decided: Decision, told: Deployment, *, why: str) -> None:
    """Give the alias back to what had it, or to nothing."""
    before, reason = state.champions.get(told.alias), why[:500]
    if before is None:
        row = _nothing(decided, undoes=decided, reason=reason)
    else:
        row = taken_again(ROLLBACK, before, undoes=decided, reason=reason)
    try:
        append(engine, chain, decided, [row])
    except ConflictError as error:
        msg = f"{why} It could not be undone: {error}"
        raise EngineError(msg) from error


def _run(hook: Hook, told: Deployment, outcome: str) -> None:
    """Run a hook.

    Raises
    ------
    EngineError
        If it failed.
    """
    if callable(hook):
        try:
            hook(told)
        except (Exception, SystemExit) as error:
            name = getattr(hook, "__name__", type(hook).__name__)
            msg = f"{outcome}: the hook {name} failed: {type(error).__name__}: {first_line(error)}"
            raise EngineError(msg) from error
        return
    words = list(hook)
    with tempfile.TemporaryFile() as said:  # not a pipe: what it leaves running in the background would hold that open
        try:
            done = subprocess.run(  # noqa: S603  the user's own command, by its words
                words, env=os.environ | told.variables, stdout=said, stderr=subprocess.STDOUT, check=False
            )
        except OSError as error:
            msg = f"{outcome}: the hook {words[0]!r} cannot be run: {error.strerror}."
            raise EngineError(msg) from error
        if done.returncode:
            said.seek(0)
            lines = said.read().decode(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            msg = f"{outcome}: the hook {' '.join(words)} exited with {done.returncode}: {lines[0][:300]}"
            raise EngineError(msg)


def _state(engine: Engine, model_name: str) -> State:
    return state_of(read_decisions(engine, chain_of(model_name)))


def _held(state: State, alias: str) -> str | None:
    """The version that has an alias."""
    one = state.champions.get(alias)
    if one is None or one.model_version == _NONE or (one.model_name, one.model_version) in state.pruned:
        return None
    return one.model_version


def _version(registry: ModelRegistry, model_name: str, version: str) -> ModelVersion:
    found = registry.find(model_name=model_name, version=version)
    if found is None:
        there = [str(one["version"]) for one in registry.list_models(model_name=model_name)]
        if not there:
            raise unknown("model", model_name, {one["model_name"] for one in registry.list_models()})
        raise unknown(f"version of {model_name}", version, there[-20:])
    return found


def _grounds(registry: ModelRegistry, found: ModelVersion, alias: str | None, held: str | None) -> Grounds:
    """What a decision on a version rests on: its metrics, and what its evaluations say."""
    engine = registry.ledger.engine
    evidence = {
        "model_id": found.model_id,
        "model": found.model_name,
        "version": found.version,
        "sha256": found.sha256,
        "alias": alias,
        "metrics": _finite(found.metrics),
        "replaces": held,
        "evaluations": _evaluations(engine, found),
    }
    return Grounds(rule=REGISTERED, policy=read_policy().record, evidence=evidence)


def _evaluations(engine: Engine, found: ModelVersion) -> list[dict[str, Any]]:
    """The latest evaluation of a version in each respect."""
    if engine.location is not None and (version_of(engine, "model_runs") or 0) < 1:
        return []  # made and never written to: looking at the log alone tells
    rows = select(engine, "evaluations_of_version", model_name=found.model_name, model_version=found.version)
    return [_told(row) for row in records(rows)]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """An evaluation, as evidence has it."""
    plain = {name: known(value) for name, value in row.items()}
    beats = plain["beats_baseline"]
    return {
        "experiment_id": plain["experiment_id"],
        "commodity": plain["commodity"],
        "unique_id": plain["unique_id"],
        "horizon": None if plain["forecast_horizon_days"] is None else int(plain["forecast_horizon_days"]),
        "n_windows": None if plain["n_windows"] is None else int(plain["n_windows"]),
        "dm_test_vs_naive": plain["dm_test_vs_naive"],
        "dm_pvalue": plain["dm_pvalue"],
        "beats_baseline": None if beats is None else bool(beats),
    }


def _finite(metrics: dict[str, float]) -> dict[str, float | str]:
    """Metrics as JSON has them: what is no number as its name."""
    return {name: value if abs(value) < float("inf") else str(value) for name, value in metrics.items()}


def _shown(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
