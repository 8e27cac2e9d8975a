"""A user's own models: registered in Python, in a file named on the command line, or by an installed package."""

from __future__ import annotations

import functools
import importlib.metadata
import linecache
import reprlib
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from experiments.definitions import check_text
from experiments.errors import InvalidInputError, first_line
from experiments.identity import digest
from experiments.science.models.adapters import as_function, check_parameters
from experiments.science.models.fingerprint import MODEL_FILE
from experiments.science.window import FeatureFunction, ModelVariant

ENTRY_POINTS = "experiments.models"
"""The group of entry points under which an installed package offers models."""

TABLES = ("BASELINE_MODELS", "MODELS")
"""Names under which a file may hold a dictionary of models."""

_KEYS = ("type", "function", "params", "covariates", "features", "version", "experiment_tags")


@dataclass(frozen=True, kw_only=True)
class _Registered:
    variant: ModelVariant
    file: str
    line: int

    @property
    def place(self) -> str:
        return f"{self.file}, line {self.line}" if self.line else self.file

    def again(self, other: _Registered) -> bool:
        """Whether both are one place run twice: a line of a file, or cells of a notebook, which have no file."""
        if not Path(self.file).is_file():
            return not Path(other.file).is_file()
        return (self.file, self.line) == (other.file, other.line)


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """An entry point that gives no model: its name, the distribution it comes from and the reason."""

    name: str
    distribution: str
    reason: str


_registered: dict[str, _Registered] = {}


def register(  # noqa: PLR0913  an entry has this many columns
    name: str,
    model: object = None,
    *,
    type: str | None = None,
    params: Mapping[str, Any] | None = None,
    covariates: str | Iterable[str] = (),
    features: FeatureFunction | None = None,
    version: str = "v1",
    experiment_tags: Mapping[str, Any] | None = None,
) -> Any:
    """Make a model a variant like the shipped ones, for this process.

    Called with a model it returns the variant; without one it decorates a function or a class. The same line of a
    file run again, or a notebook's cell, replaces what it registered before.

    Parameters
    ----------
    name : str
        What the variant is called.
    model : object, optional
        What `as_function` accepts: a function of a `TrainingWindow`, a scikit-learn regressor, an object with fit and
        predict such as statsforecast's, or a class.
    type : str, optional
        The family it belongs to; by default the name of the object's class, "Function" for a function.
    params : mapping of str to object, optional
        Handed to the function or the class.
    covariates : iterable of str, or str
        Names or patterns, see `ModelVariant`.
    features : callable, optional
        Columns computed from the series, see `FeatureFunction`.
    version : str
        Which edition of it.
    experiment_tags : mapping, optional
        `feature_set`, `complexity`, `production_candidate`; the feature set is read from the covariates if not given.

    Raises
    ------
    InvalidInputError
        If the model, a parameter or a setting cannot be used, or another variant has the name.
    """
    settings = {
        "type": type,
        "params": params,
        "covariates": covariates,
        "features": features,
        "version": version,
        "experiment_tags": experiment_tags,
    }
    frame = sys._getframe(1)
    file, line = frame.f_code.co_filename, frame.f_lineno

    def add(model: object) -> ModelVariant:
        made = _variant(name, model, settings)
        _add(_Registered(variant=made, file=file, line=line))
        return made

    def decorate(model: object) -> object:
        add(model)
        return model

    return decorate if model is None else add(model)


def all_variants() -> Mapping[str, ModelVariant]:
    """Every variant by name: the shipped ones, those of installed packages, those registered in this process."""
    return _merged()[0]


def unusable_entry_points() -> tuple[Unusable, ...]:
    """The entry points that give no model, each with the reason."""
    return _merged()[1]


def load_model_file(path: str | Path) -> list[str]:
    """Run a Python file and return the names of the variants it defines.

    They are those it registers and those of a dictionary `BASELINE_MODELS` or `MODELS` in it, by name: "function" is
    what `register` accepts as a model, "type", "params", "covariates", "features", "version" and "experiment_tags"
    its settings. Loaded again, the file replaces what it defined. Nothing is kept of a file that cannot be used.

    Parameters
    ----------
    path : str or Path
        The file. Other processes cannot import it: its functions travel by value, so it should import installed
        packages only.

    Raises
    ------
    InvalidInputError
        If there is no such file, it raises, or it defines no model or one that cannot be used.
    """
    file = Path(path).resolve()
    if not file.is_file():
        msg = f"there is no file {str(path)!r}: give a Python file that defines models."
        raise InvalidInputError(msg)
    before = dict(_registered)
    for name in [name for name, one in before.items() if one.file == str(file)]:
        del _registered[name]
    try:
        module = _run(file)
        for table in TABLES:
            _add_table(file, table, vars(module).get(table))
        defined = [name for name, one in _registered.items() if before.get(name) is not one]
        if not defined:
            msg = (
                f"{file} defines no model: call register(name, model) in it, or give a dictionary "
                f"{' or '.join(TABLES)} of name to {{'type': …, 'function': …, 'params': …}}."
            )
            raise InvalidInputError(msg)
    except BaseException:
        _registered.clear()
        _registered.update(before)
        raise
    return defined


def loaded_files() -> list[str]:
    """The model files this process has run."""
    return [str(module.__file__) for name, module in sys.modules.items() if name.startswith(MODEL_FILE)]


def _run(file: Path) -> ModuleType:
    """Run a file as a module of its own, whose text `code_fingerprint` finds and whose functions travel by value."""
    import cloudpickle

    module = ModuleType(f"{MODEL_FILE}{digest(str(file))}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        text = file.read_text(encoding="utf-8")
        linecache.cache[str(file)] = (len(text), None, text.splitlines(keepends=True), str(file))  # the text that ran
        exec(compile(text, str(file), "exec"), vars(module))  # noqa: S102  the user named the file to be run
    except (Exception, SystemExit) as error:
        del sys.modules[module.__name__]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        if isinstance(error, SyntaxError) and error.filename == str(file):
            lines.append(error.lineno)
        place = f"{file}, line {lines[-1]}" if lines and lines[-1] else str(file)
        kind = "" if isinstance(error, InvalidInputError) else f"{type(error).__name__}: "
        msg = f"{place}: {kind}{first_line(error)}"
        raise InvalidInputError(msg) from error
    cloudpickle.register_pickle_by_value(module)
    return module


def _add_table(file: Path, table: str, given: object) -> None:
    from experiments.science.models.registry import BASELINE_MODELS

    if given is None or given is BASELINE_MODELS:  # imported from here
        return
    for made in _from_table(f"{table} of {file}", given):
        one = _Registered(variant=made, file=str(file), line=0)
        old = _registered.get(made.name)
        if old is not None and old.again(one):
            msg = f"{file} defines {made.name!r} in both of {' and '.join(TABLES)}: it is one of them."
            raise InvalidInputError(msg)
        _add(one)


def _from_table(what: str, given: object) -> list[ModelVariant]:
    """The variants of a dictionary as in the specification."""
    if not isinstance(given, Mapping):
        msg = f"{what} is a {type(given).__name__}: give a dictionary of name to {{'type': …, 'function': …}}."
        raise InvalidInputError(msg)
    found = []
    for name, entry in given.items():
        if isinstance(entry, ModelVariant):
            found.append(replace(entry, name=check_text(f"a name in {what}", name)))
            continue
        if not isinstance(entry, Mapping) or "function" not in entry or not set(entry) <= set(_KEYS):
            wrong = [repr(key) for key in entry if key not in _KEYS] if isinstance(entry, Mapping) else None
            gives = "is no dictionary" if wrong is None else f"has {', '.join(wrong)}" if wrong else "has no 'function'"
            msg = f"model {name!r} in {what} {gives}: accepted are {', '.join(_KEYS)}; 'function' is needed."
            raise InvalidInputError(msg)
        settings = {key: value for key, value in entry.items() if key != "function"}
        try:
            found.append(_variant(name, entry["function"], settings))
        except InvalidInputError as error:
            msg = f"model {name!r} in {what}: {error}"
            raise InvalidInputError(msg) from error
    return found


def _add(one: _Registered) -> None:
    from experiments.science.models.registry import BASELINE_MODELS

    name, old = one.variant.name, _registered.get(one.variant.name)
    if name in BASELINE_MODELS:
        msg = f"model {name!r} of {one.place} has the name of a shipped one: give it another."
        raise InvalidInputError(msg)
    if old is not None and not old.again(one):
        msg = f"two models are called {name!r}, of {old.place} and of {one.place}: rename one."
        raise InvalidInputError(msg)
    _registered[name] = one


def _variant(name: str, model: object, settings: Mapping[str, Any]) -> ModelVariant:
    """The variant of a model with its settings, all of them checked."""
    what = f"model {check_text('the name of a model', name)!r}"
    given = {key: value for key, value in settings.items() if value is not None}
    params, tags = (_names_to_values(f"{key} of {what}", given.get(key, {})) for key in ("params", "experiment_tags"))
    covariates = _texts(f"covariates of {what}", given.get("covariates", ()))
    features = given.get("features")
    if features is not None and not callable(features):
        msg = f"features of {what} are {reprlib.repr(features)}: give a function of a DataFrame."
        raise InvalidInputError(msg)
    function = as_function(model)
    check_parameters(what, model, params)
    seen = [*covariates, *(["features of its own"] if features else [])]
    return ModelVariant(
        name=name,
        type=check_text(f"the type of {what}", given.get("type", _type_of(model))),
        function=function,
        params=params,
        covariates=covariates,
        features=features,
        version=check_text(f"the version of {what}", given.get("version", "v1")),
        experiment_tags={"feature_set": "all" if seen == ["*"] else ", ".join(seen) or "price", **tags},
    )


def _type_of(model: Any) -> str:
    if isinstance(model, type):
        return model.__name__
    return type(model).__name__ if hasattr(model, "fit") else "Function"


def _names_to_values(what: str, given: object) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        msg = f"{what} are {reprlib.repr(given)}: give a dictionary of name to value."
        raise InvalidInputError(msg)
    return dict(given)


def _texts(what: str, given: object) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    return tuple(check_text(f"one of the {what}", name, "names or patterns such as 'temp_*'") for name in listed)


@functools.cache
def _installed() -> tuple[tuple[tuple[str, str, ModelVariant], ...], tuple[Unusable, ...]]:
    """What the entry points give, (name, distribution, variant) each, and those that give nothing."""
    found, unusable = [], []
    for point in importlib.metadata.entry_points(group=ENTRY_POINTS):
        source = point.dist.name if point.dist else "unknown"
        try:
            found += [(point.name, source, made) for made in _offered(point.name, point.load())]
        except (Exception, SystemExit) as error:  # noqa: BLE001  foreign code: one that fails costs no other
            reason = f"{type(error).__name__}: {first_line(error)}"
            unusable.append(Unusable(name=point.name, distribution=source, reason=reason))
    return tuple(found), tuple(unusable)


def _offered(name: str, offered: object) -> list[ModelVariant]:
    if isinstance(offered, ModelVariant):
        return [offered]
    if isinstance(offered, Mapping):
        return _from_table(f"the entry point {name}", offered)
    return [_variant(name, offered, {})]


def _merged() -> tuple[Mapping[str, ModelVariant], tuple[Unusable, ...]]:
    from experiments.science.models.registry import BASELINE_MODELS

    installed, unusable = _installed()
    variants = dict(BASELINE_MODELS)
    for point, source, made in installed:
        other = "registered" if made.name in _registered else "shipped" if made.name in BASELINE_MODELS else "installed"
        if made.name not in variants and made.name not in _registered:
            variants[made.name] = made
        elif made != (variants.get(made.name) or _registered[made.name].variant):
            reason = f"another model is called {made.name!r}: one that is {other}"
            unusable += (Unusable(name=point, distribution=source, reason=reason),)
    variants |= {name: one.variant for name, one in _registered.items()}
    return MappingProxyType(variants), unusable
