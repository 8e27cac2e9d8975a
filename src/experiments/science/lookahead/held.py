"""What a model holds besides what it is given: data that reach beyond a cutoff, and whatever it keeps between fits."""

from __future__ import annotations

import re
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache, partial
from itertools import islice
from numbers import Real
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from experiments.science.series import Series

DEEPEST, MOST = 10, 20_000
"""Steps from a function, and objects in all, that are looked at."""

_ITEMS = 2_000  # of one container
_LARGEST_COPY = 2**26  # bytes of an array that is put back as it was
_RUN, _SHORTEST_RUN = 5, 3  # values in a row by which a copy of the series is told
_SAMPLE = 5  # texts of a column that are read first as dates
_SHORTEST_TEXT = 9  # characters that five values take
_RECORD = 200  # items or characters of what is read with the container it lies in; longer ones are read by themselves
_NUMBERS, _CHARACTERS = 200_000, 10_000_000  # of one container or text that are looked at
_GAP = 20  # numbers from one of the series' values to its next, the dates and other columns of a record
_NUMERAL = re.compile(r"\d*\.?\d+(?:[eE][-+]?\d+)?")

_CachedFunction = type(cache(len))
_TEXTS = (str, bytes, bytearray)
_CONTAINERS = (list, tuple, deque, Mapping)

Reached = list[tuple[str, Any]]
_Place = tuple[Any, Any, Any]
"""A container, the key in it and the number there; a container of None where the number cannot be replaced."""


class _Numeral(float):
    """A number that stands in a text."""


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Data found in a model that reach beyond a cutoff: where, what in words, and their rows or places after it."""

    name: str
    what: str
    thing: Any
    rows: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))
    places: tuple[_Place, ...] = ()

    @property
    def is_fixed(self) -> bool:
        """Whether it cannot be changed in place: tuples, text."""
        return any(container is None for container, _, _ in self.places)

    @property
    def called(self) -> str:
        """Where it is and what it is."""
        return f"{self.name}, {self.what}"


def reach(roots: Mapping[str, Any]) -> Reached:
    """All that functions and objects hold, with how each is reached in words.

    Closures, defaults and arguments of partial functions, globals that a function of the user's names, the attributes
    of objects and of the user's classes, and what lies in containers; not what a library has for itself.
    """
    found: Reached = []
    seen: set[int] = set()
    queue = deque((name, root, 0) for name, root in roots.items())
    while queue and len(found) < MOST:
        name, value, depth = queue.popleft()
        if id(value) in seen or value is None or isinstance(value, int | float | complex | np.generic):
            continue
        if isinstance(value, str | bytes) and len(value) < _SHORTEST_TEXT:
            continue
        seen.add(id(value))
        found.append((name, value))
        if depth < DEEPEST:
            queue.extend((inner, part, depth + 1) for inner, part in _parts(name, value))
    return found


def remember(reached: Reached) -> Callable[[], None]:
    """Note the state of all that was reached; calling what is returned puts it back, and empties caches."""
    undo = [one for _, value in reached for one in _undoing(value)]

    def forget() -> None:
        for one in undo:
            one()

    return forget


def holdings(reached: Reached, series: Series, position: int) -> list[Holding]:
    """Frames, arrays, containers and texts among what was reached that hold what comes after a cutoff.

    They do where their dates go beyond it, where they are as long as the series, or where its next values stand
    in them one after the other. Containers and texts do where later values stand in them in order, either way round.
    """
    found = []
    runs = _runs(series, position)
    read: set[int] = set()
    for name, thing in reached:
        if id(thing) in read:
            continue
        if isinstance(thing, pd.DataFrame | pd.Series | np.ndarray) and _blocks(thing, slice(0, 0)):
            dates = _dates(thing)
            rows = _rows_after(thing, dates, series, position)
            if rows.size:
                found.append(Holding(name=name, what=_described(thing, dates), thing=thing, rows=rows))
        elif runs and (places := _places_after(list(islice(_places(thing, read), _NUMBERS)), runs)):
            unit = "characters" if isinstance(thing, _TEXTS) else "items"
            what = f"a {type(thing).__name__} of {len(thing):,} {unit}"
            found.append(Holding(name=name, what=what, thing=thing, places=places))
    return found


@contextmanager
def changed(found: list[Holding], draw: np.random.Generator) -> Iterator[None]:
    """Other numbers in place of those after the cutoff while the block runs; then the old ones again."""
    kept: list[_Place] = []
    try:
        for one in found:
            for container, key, number in one.places:
                kept.append((container, key, number))
                value = abs(float(number)) or 1.0
                container[key] = type(number)(-3 * float(number) + value * draw.normal(20, 1))
            for target, key in _blocks(one.thing, one.rows) if one.rows.size else ():
                old = np.array(target[key])
                kept.append((target, key, old))
                numbers = old.astype(float)
                numbers = -3 * numbers + level_of(numbers) * draw.normal(20, 1, size=old.shape)
                _write(target, key, numbers.astype(old.dtype))
        yield
    finally:
        for target, key, old in reversed(kept):
            _write(target, key, old)


def level_of(values: NDArray[np.float64]) -> float:
    """Mean absolute value of the finite ones; 1 where there is none, or all are 0."""
    finite = values[np.isfinite(values)]
    return float(np.mean(np.abs(finite))) if finite.any() else 1.0


def _write(target: Any, key: Any, values: Any) -> None:
    """Write into what may be marked as read only."""
    locked = isinstance(target, np.ndarray) and not target.flags.writeable
    if locked:
        target.flags.writeable = True
    target[key] = values
    if locked:
        target.flags.writeable = False


def _parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, partial):
        yield name, value.func
        yield from ((f"an argument of {name}", item) for item in value.args)
        yield from ((f"the argument {key} of {name}", item) for key, item in value.keywords.items())
    elif isinstance(value, MethodType | staticmethod | classmethod):
        yield from ((name, value.__func__), (f"the object of {name}", getattr(value, "__self__", None)))
    elif isinstance(value, property | _CachedFunction):
        yield name, value.fget if isinstance(value, property) else value.__wrapped__
    elif isinstance(value, FunctionType):
        yield from _parts_of_function(name, value)
    elif isinstance(value, Mapping):
        yield from ((f"{name}[{key!r}]", item) for key, item in list(value.items())[:_ITEMS])
    elif isinstance(value, list | tuple | set | frozenset | deque):
        yield from ((f"{name}[{i}]", item) for i, item in enumerate(list(value)[:_ITEMS]))
    elif isinstance(value, type):
        if not _is_library(value.__module__):
            yield from ((f"{name}.{key}", item) for key, item in vars(value).items())
    elif not isinstance(value, pd.DataFrame | pd.Series | np.ndarray | ModuleType | str | bytes):
        yield f"the class {type(value).__name__}", type(value)
        if _has_attributes(value):
            yield from ((f"{name}.{key}", item) for key, item in vars(value).items())


def _parts_of_function(name: str, function: FunctionType) -> Iterator[tuple[str, Any]]:
    for variable, content in _closure(function).items():
        yield f"the variable {variable} of {name}", content
    defaults = function.__defaults__ or ()
    yield from ((f"a default of {name}", value) for value in (*defaults, *(function.__kwdefaults__ or {}).values()))
    yield from ((f"{name}.{key}", value) for key, value in vars(function).items())
    if not _is_library(str(function.__module__)):
        yield from ((f"a constant of {name}", value) for value in function.__code__.co_consts)
    for where, namespace, names in _namespaces(function):
        yield from ((f"the global {where}{key}", namespace[key]) for key in names if key in namespace)


def _namespaces(function: FunctionType) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
    """The globals a function names, and of its user's modules among them the names it may use: none of a library's."""
    if _is_library(str(function.__module__)):
        return
    names = sorted(_names(function.__code__))
    yield "", function.__globals__, names
    for key in names:
        module = function.__globals__.get(key)
        if isinstance(module, ModuleType) and not _is_library(module.__name__):
            yield f"{key}.", vars(module), names


def _names(code: CodeType) -> set[str]:
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(inner) for inner in nested))


def _closure(function: FunctionType) -> dict[str, Any]:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    return {name: cell.cell_contents for name, cell in cells.items() if _filled(cell)}


def _filled(cell: Any) -> bool:
    """Whether the variable of a closure has a value yet."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _undoing(value: Any) -> Iterator[Callable[[], None]]:
    """What puts one thing back as it is now; nothing for what cannot change."""
    if isinstance(value, FunctionType):
        yield partial(_put_back, vars(value), dict(vars(value)), None)
        cells = [(cell, cell.cell_contents) for cell in value.__closure__ or () if _filled(cell)]
        yield from (partial(setattr, cell, "cell_contents", content) for cell, content in cells)
        for _, namespace, names in _namespaces(value):
            yield partial(_put_back, namespace, {key: namespace[key] for key in names if key in namespace}, names)
    elif isinstance(value, dict):
        yield partial(_put_back, value, dict(value), None)
    elif isinstance(value, list):
        yield partial(value.__setitem__, slice(None), list(value))
    elif isinstance(value, set):
        yield from (value.clear, partial(value.update, set(value)))
    elif isinstance(value, np.ndarray):
        if value.nbytes <= _LARGEST_COPY and value.flags.writeable:
            yield partial(value.__setitem__, ..., value.copy())
    elif isinstance(value, type):
        if not _is_library(value.__module__):
            yield partial(_put_back_class, value, dict(vars(value)))
    elif isinstance(value, _CachedFunction):
        yield value.cache_clear
    elif _has_attributes(value):
        yield partial(_put_back, vars(value), dict(vars(value)), None)


def _has_attributes(value: Any) -> bool:
    leaf = isinstance(value, pd.DataFrame | pd.Series | ModuleType) or _is_standard(type(value).__module__)
    return not leaf and isinstance(getattr(value, "__dict__", None), dict)


def _put_back(namespace: dict[Any, Any], before: dict[Any, Any], names: list[str] | None) -> None:
    """The names given, or all, as they were; those that were not there go."""
    for key in [key for key in (namespace if names is None else names) if key in namespace and key not in before]:
        del namespace[key]
    namespace.update(before)


def _put_back_class(kind: type, before: dict[str, Any]) -> None:
    for key in [key for key in vars(kind) if key not in before]:
        delattr(kind, key)
    for key in [key for key, value in before.items() if vars(kind).get(key) is not value]:
        setattr(kind, key, before[key])


@cache
def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


@cache
def _is_library(module: str) -> bool:
    """Whether a module belongs to Python or an installed package other than ours."""
    if _is_standard(module):
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    installed = file is not None and not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)
    return installed and module.partition(".")[0] != "experiments"


def _blocks(thing: Any, rows: Any) -> list[tuple[Any, Any]]:
    """What to index, and how, to read or write these rows of the numbers in a frame, column or array."""
    if isinstance(thing, pd.DataFrame):
        return [(thing.iloc, (rows, j)) for j, kind in enumerate(thing.dtypes) if _is_number(kind)]
    if not _is_number(thing.dtype) or thing.ndim not in (1, 2):
        return []
    return [(thing.iloc if isinstance(thing, pd.Series) else thing, rows)]


def _is_number(kind: Any) -> bool:
    return isinstance(kind, np.dtype) and kind.kind in "fiu"


def _dates(thing: Any) -> NDArray[np.datetime64] | None:
    """The date of each row, of the index or the first column of dates; None where it has none."""
    if isinstance(thing, np.ndarray):
        return None
    columns = [thing[name] for name in thing.columns] if isinstance(thing, pd.DataFrame) else []
    for values in (thing.index, *columns):
        if isinstance(values, pd.DataFrame | pd.MultiIndex):  # a name that two columns have
            continue
        times = values.to_timestamp() if isinstance(values, pd.PeriodIndex) else values
        if pd.api.types.is_datetime64_any_dtype(times.dtype) or _reads_as_dates(times):
            dates = pd.to_datetime(pd.Index(times), utc=True).tz_localize(None)
            return np.asarray(dates, dtype="datetime64[D]")
    return None


def _reads_as_dates(values: Any) -> bool:
    if values.dtype != object:
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return all(
            len(some) and pd.to_datetime(some, errors="coerce", utc=True).notna().all()
            for some in (pd.Index(values[:_SAMPLE]), pd.Index(values))
        )


def _rows_after(thing: Any, dates: NDArray[np.datetime64] | None, series: Series, position: int) -> NDArray[np.int64]:
    if dates is not None:
        return np.flatnonzero(dates > series.ds[position])
    short = len(series.y) - len(thing)
    if short in (0, 1):  # one fewer: its differences
        return np.arange(position + 1 - short, len(thing))
    run = series.y[position + 1 : position + 1 + _RUN]
    if len(run) < _SHORTEST_RUN or len(thing) < len(run) or np.ptp(run) == 0:
        return np.array([], dtype=np.int64)
    values = np.concatenate(
        [np.asarray(t[k], dtype=float).reshape(len(thing), -1) for t, k in _blocks(thing, slice(None))], axis=1
    )
    same = np.isclose(sliding_window_view(values, len(run), axis=0), run, rtol=1e-6, atol=0).all(axis=2)
    at = np.flatnonzero(same.any(axis=1))
    return np.arange(at[0], len(thing)) if at.size else at


def _runs(series: Series, position: int) -> list[NDArray[np.float64]]:
    """Sizes of values in a row after a cutoff: the next, some from the middle and the last, each either way round."""
    first, length = position + 1, min(_RUN, len(series.y) - position - 1)
    last = len(series.y) - length
    runs = [np.abs(series.y[at : at + length]) for at in sorted({first, (first + last) // 2, last})]
    return [run[::step] for run in runs if np.unique(run).size >= _SHORTEST_RUN for step in (1, -1)]


def _places(thing: Any, read: set[int]) -> Iterator[_Place]:
    """The numbers of a container or text in order, those of short containers and texts in it among them."""
    if isinstance(thing, _TEXTS):
        text = thing[:_CHARACTERS] if isinstance(thing, str) else thing[:_CHARACTERS].decode("latin-1")
        yield from ((None, None, _Numeral(numeral)) for numeral in _NUMERAL.findall(text))
    elif isinstance(thing, pd.DataFrame | pd.Series | np.ndarray):  # of text, objects or more than two dimensions
        yield from _places(tuple(np.asarray(thing).ravel()[:_NUMBERS].tolist()), read)
    elif isinstance(thing, _CONTAINERS):
        changes = isinstance(thing, list | deque | dict)
        for key, item in list(thing.items() if isinstance(thing, Mapping) else enumerate(thing)):
            if isinstance(item, Real | Decimal):
                yield (thing if changes else None), key, item
            elif isinstance(item, (*_TEXTS, *_CONTAINERS)) and len(item) <= _RECORD and id(item) not in read:
                read.add(id(item))
                yield from _places(item, read)


def _places_after(places: list[_Place], runs: list[NDArray[np.float64]]) -> tuple[_Place, ...]:
    """Where the numbers after a cutoff stand, those of the same type as the series' values; none without a run."""
    numbers = np.abs(np.array([number for _, _, number in places], dtype=float))
    if numbers.size < _SHORTEST_RUN:
        return ()
    after = np.zeros(numbers.size, dtype=bool)
    kinds = [(type(number), container is None) for container, _, number in places]
    theirs = set()
    for i, run in enumerate(runs):
        starts, ends = _in_order(numbers, run)
        if starts.size:
            theirs.add(kinds[starts[0]])
            after[slice(0, ends[-1] + 1) if i % 2 else slice(starts[0], None)] = True  # every second: the newest first
    return tuple(place for place, kind, later in zip(places, kinds, after, strict=True) if later and kind in theirs)


def _in_order(numbers: NDArray[np.float64], run: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of the first and last value of a run wherever its values follow each other closely."""
    starts = ends = np.flatnonzero(np.isclose(numbers, run[0], rtol=1e-6, atol=0))
    for value in run[1:]:
        at = np.append(np.flatnonzero(np.isclose(numbers, value, rtol=1e-6, atol=0)), np.iinfo(np.int64).max)
        then = at[np.searchsorted(at, ends, side="right")]
        near = then - ends <= _GAP
        starts, ends = starts[near], then[near]
    return starts, ends


def _described(thing: Any, dates: NDArray[np.datetime64] | None) -> str:
    kind = {"DataFrame": "a DataFrame", "Series": "a Series"}.get(type(thing).__name__, "an array")
    return f"{kind} of {len(thing):,} rows" + ("" if dates is None else f" to {dates.max()}")
