"""Which code a variant runs: a digest that changes when the code or its libraries do."""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.metadata
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.identity import digest

if TYPE_CHECKING:
    from experiments.science.window import ModelVariant

_SHIPPED = "experiments.science.models."
MODEL_FILE = "experiments_model_file_"
"""How the modules of files a user names begin: each of their functions counts by itself, not by the text of all."""

_NAMED_OTHERWISE = {"xgboost": "xgboost-cpu", "sklearn": "scikit-learn"}
"""Spares the search for the distributions of common libraries that are not named as they are imported."""

_NO_MODELS = {_SHIPPED + "registry", _SHIPPED + "registration", _SHIPPED + "fingerprint"}


def code_fingerprint(variant: ModelVariant) -> str:
    """Digest of the code a variant runs and of the versions of the libraries it imports.

    The unit is the module: any change to the text of the module that defines the function counts, as does any
    change to the shipped or local modules it imports. Libraries count by their version. A function without a
    source file (a REPL, a notebook), or of a model file, counts by its bytecode and by what it refers to. The
    variant's parameters are not part of it.

    Parameters
    ----------
    variant : ModelVariant
        Its function, of any kind that can be called, is described; nothing is run.

    Returns
    -------
    str
        16 hexadecimal digits, the same in every process.

    Examples
    --------
    >>> from experiments.science.models.registry import BASELINE_MODELS
    >>> code_fingerprint(BASELINE_MODELS["sarimax_v1"]) == code_fingerprint(BASELINE_MODELS["sarimax_vix_v1"])
    True
    """
    return digest(_describe(variant.function, {}))


def _describe(function: Callable[..., Any], seen: dict[int, object]) -> Any:
    """What `function` is made of, in words and numbers that no process invents for itself."""
    if isinstance(function, functools.partial):
        return [_describe(function.func, seen), _plain(function.args, seen), _plain(function.keywords, seen)]
    if isinstance(function, MethodType):
        return [_describe(function.__func__, seen), _plain(function.__self__, seen)]
    if not isinstance(function, FunctionType):
        return _plain(function, seen)
    if id(function) in seen:
        return "seen"
    seen[id(function)] = function  # held: another object may get the id of one that is gone
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    state = _plain([cells, function.__defaults__, function.__kwdefaults__], seen)
    body = _from_source(function) or _from_bytecode(function, seen)
    return [function.__qualname__, state, body]


def _from_source(function: FunctionType) -> Any:
    """Texts and library versions of the function's module and the modules it reaches, or None without a file."""
    module = sys.modules.get(function.__module__)
    if (
        module is None
        or function.__module__.startswith(MODEL_FILE)
        or getattr(module, "__file__", None) != function.__code__.co_filename
    ):
        return None
    texts: dict[str, str] = {}
    libraries: dict[str, str] = {}
    _reach(function.__module__, texts, libraries)
    # not the modules' names: a file named by its path is the same code in another folder
    return [sorted(texts.values()), libraries] if texts else None


def _reach(name: str, texts: dict[str, str], libraries: dict[str, str]) -> None:
    """Collect a module and, through its imports, the shipped and local modules and the libraries it uses."""
    text = _text(name)
    if name in texts or text is None:
        return
    texts[name] = text
    package = name if _is_package(name) else name.rpartition(".")[0]
    for imported in _imports(text, package):
        top = imported.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        if top == "experiments":
            if imported.startswith(_SHIPPED) and imported not in _NO_MODELS:
                _reach(imported, texts, libraries)
        elif (version := _version(top)) is not None:
            libraries[top] = version
        else:
            _reach(imported, texts, libraries)


@functools.lru_cache(maxsize=256)
def _imports(text: str, package: str) -> tuple[str, ...]:
    """Names of the modules imported anywhere in a module, and of what may be their submodules."""
    names: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _text(name: str) -> str | None:
    """Source text of a module, or None if it has none or there is no such module."""
    try:
        module = sys.modules.get(name)
        if module is not None:
            return inspect.getsource(module)
        spec = importlib.util.find_spec(name)
        source = getattr(spec.loader, "get_source", None) if spec else None
        return source(name) if source else None
    except (ImportError, OSError, TypeError, ValueError):
        return None


def _is_package(name: str) -> bool:
    return hasattr(sys.modules.get(name), "__path__")


@functools.cache
def _version(top: str) -> str | None:
    """Version of the installed distribution that brings the top-level module, or None for a local one.

    Kept, as reading one takes 5 ms: a library has one version as long as a process lives.
    """
    if not _is_installed(top):
        return None
    for name in (top, _NAMED_OTHERWISE.get(top, top)):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    names = _distributions().get(top, ())
    return " ".join(importlib.metadata.version(name) for name in names)


def _is_installed(top: str) -> bool:
    """Whether the top-level module lies where packages are installed; its name alone may be a local one's too."""
    module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if module is None:
        spec = importlib.util.find_spec(top)
        file = spec.origin if spec else None
    return file is not None and not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Distributions by top-level module; reading them all takes a quarter of a second."""
    return importlib.metadata.packages_distributions()


def _from_bytecode(function: FunctionType, seen: dict[int, object]) -> Any:
    """Bytecode, constants and names, and whatever of its globals the function refers to."""
    code = function.__code__
    known = function.__globals__
    used = {name: _plain(known[name], seen) for name in sorted(_names(code)) if name in known}
    return [_plain(code, seen), used]


def _names(code: CodeType) -> set[str]:
    nested = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*(_names(inner) for inner in nested))


def _plain(value: Any, seen: dict[int, object]) -> Any:
    """`value` as JSON can hold it, without addresses or the order of a set."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return [type(value).__name__, repr(value)]
    if isinstance(value, CodeType):
        constants = [_plain(constant, seen) for constant in value.co_consts]
        return [value.co_code.hex(), constants, list(value.co_names), list(value.co_varnames)]
    if isinstance(value, ModuleType):
        return [value.__name__, _library(value)]
    if isinstance(value, FunctionType | MethodType | functools.partial):
        return _carried(value, seen)
    if isinstance(value, np.ndarray | list | tuple | set | frozenset | Mapping):
        return _collection(value, seen)
    return _opaque(value, seen)


def _carried(function: Callable[..., Any], seen: dict[int, object]) -> Any:
    """A function that another one carries: of a library by its name and the library's version."""
    if isinstance(function, FunctionType) and (library := _library(function)) is not None:
        return [function.__module__, function.__qualname__, library]
    return _describe(function, seen)


def _collection(value: Any, seen: dict[int, object]) -> Any:
    if isinstance(value, np.ndarray):
        return [str(value.dtype), _collection(value.tolist(), seen) if value.ndim else repr(value.item())]
    if isinstance(value, Mapping):
        return sorted(([repr(_plain(key, seen)), _plain(item, seen)] for key, item in value.items()), key=repr)
    if isinstance(value, set | frozenset):
        return sorted(repr(_plain(item, seen)) for item in value)
    return [_plain(item, seen) for item in value]


def _opaque(value: Any, seen: dict[int, object]) -> Any:
    """A class by its members or the version of its library, any other object by its class and its state."""
    if id(value) in seen:
        return "seen"
    seen[id(value)] = value
    kind = value if isinstance(value, type) else type(value)
    state = None if value is kind else _plain(_state(value), seen)
    library = _library(kind)
    if library is None:
        return [kind.__qualname__, _members(kind, seen), state]
    return [f"{kind.__module__}.{kind.__qualname__}", library, state]


def _library(part: FunctionType | ModuleType | type) -> str | None:
    """Version of the library a part belongs to, "" for the standard library; None for a local or shipped one."""
    module = part.__name__ if isinstance(part, ModuleType) else part.__module__
    top = (module or "").partition(".")[0]
    if top in sys.stdlib_module_names and top != "__main__":
        return ""
    return None if top in ("experiments", "__main__", "") else _version(top)


def _members(kind: type, seen: dict[int, object]) -> list[Any]:
    """What a class of no library is made of: its methods, its constants, its local bases."""
    bases = [base for base in kind.__bases__ if base is not object]
    members = {
        name: getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        for name, member in vars(kind).items()
        if isinstance(member, FunctionType) or not name.startswith("__")
    }
    return [_plain(bases, seen), _plain(members, seen)]


def _state(value: Any) -> Any:
    """What pickle would keep of an object: how it is made and what it holds."""
    try:
        reduced = value.__reduce_ex__(2)
    except Exception:  # noqa: BLE001  foreign code; what cannot be pickled is described by its attributes
        return dict(getattr(value, "__dict__", {}))
    if isinstance(reduced, str):
        return reduced
    maker, *parts = reduced
    return [maker.__qualname__, *(list(part) if isinstance(part, Iterator) else part for part in parts)]
