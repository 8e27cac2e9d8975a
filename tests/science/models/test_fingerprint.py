"""Fingerprints: they change with the code and its libraries, and with nothing else."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import functools
import importlib
import importlib.metadata
import statistics
import sys
import threading
from collections import OrderedDict, deque
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.science.models import BASELINE_MODELS, code_fingerprint, fingerprint
from experiments.science.models.statistical import fit_arima
from experiments.science.window import ModelVariant, TrainingWindow
from fresh_process import run_python


def fingerprint_of(function: Any) -> str:
    return code_fingerprint(ModelVariant(name="mine", type="Mine", function=function))


def write_module(folder: Path, name: str, text: str) -> ModuleType:
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module(name)


def defined(text: str, **known: Any) -> Any:
    """The function `fit` of a text typed into a REPL: it has no source file."""
    space: dict[str, Any] = {"__name__": "__repl__", **known}
    exec(text, space)  # noqa: S102
    return space["fit"]


def test_fingerprints_differ_by_function_and_not_by_parameters() -> None:
    prints = {name: code_fingerprint(shipped) for name, shipped in BASELINE_MODELS.items()}
    assert len(set(prints.values())) == len({shipped.function for shipped in BASELINE_MODELS.values()})
    assert prints["sarimax_v1"] == prints["sarimax_vix_v1"]
    assert prints["xgboost_v1"] == prints["xgboost_recursive_v1"]
    changed = dataclasses.replace(BASELINE_MODELS["arima"], params={"order": (2, 1, 0)}, name="other", version="v2")
    assert code_fingerprint(changed) == prints["arima"]


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    code = """
import json
from experiments.science.models import BASELINE_MODELS, code_fingerprint
from experiments.science.window import ModelVariant
limits = {"low", "middle", "high"}
def helper(w):
    return len(w.y) in {1, 2, 3} or {"a", "b", "c", "d"} & limits
mine = ModelVariant(name="mine", type="Mine", function=lambda w: (lambda: helper(w)))
print(json.dumps([code_fingerprint(v) for v in [*BASELINE_MODELS.values(), mine]]))
"""
    first, second = run_python(code, hash_seed="1"), run_python(code, hash_seed="2")
    assert first == second
    assert first[:-1] == [code_fingerprint(shipped) for shipped in BASELINE_MODELS.values()]


def test_changed_text_or_library_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    helper = "def half(value):\n    return value / {}\n"
    text = "import numpy as np\nfrom ledger_helper import half\n\ndef fit(window):\n    return lambda: half(window.y)\n"
    write_module(tmp_path, "ledger_helper", helper.format(2))
    before = fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit)
    assert fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit) == before

    write_module(tmp_path, "ledger_helper", helper.format(3))
    after_helper = fingerprint_of(write_module(tmp_path, "ledger_mine", text).fit)
    after_text = fingerprint_of(write_module(tmp_path, "ledger_mine", text.replace("window.y", "window.y[1:]")).fit)
    module = write_module(tmp_path, "ledger_mine", text)
    with monkeypatch.context() as context:
        context.setattr("importlib.metadata.version", lambda _: "99.0")
        fingerprint._version.cache_clear()
        after_library = fingerprint_of(module.fit)
    fingerprint._version.cache_clear()
    assert len({before, after_helper, after_text, after_library}) == 4


def test_shipped_modules_that_a_user_s_module_imports_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ledger_pack").mkdir()
    (tmp_path / "ledger_pack" / "__init__.py").write_text("from .inner import X\n")
    (tmp_path / "ledger_pack" / "inner.py").write_text("X = 1\n")
    text = """
from experiments.errors import unknown
from experiments.science.models.boosting import fit_xgboost
from ledger_pack import inner
try:
    import ledger_not_installed
except ImportError:
    pass

def fit(window):
    return fit_xgboost(window, max_depth=inner.X)
"""
    module = write_module(tmp_path, "ledger_wrap", text)
    before = fingerprint_of(module.fit)
    real = fingerprint._text

    def changed(part: str) -> str:
        def text_of(name: str) -> str | None:
            text = real(name)
            return text + "\n# changed" if name == part and text else text

        with monkeypatch.context() as context:
            context.setattr(fingerprint, "_text", text_of)
            return fingerprint_of(module.fit)

    assert changed("ledger_wrap") != before
    assert changed("experiments.science.models.boosting") != before
    assert changed("ledger_pack.inner") != before
    assert changed("experiments.science.models.statistical") == before
    assert changed("experiments.errors") == before


def test_libraries_are_found_whatever_their_distribution_is_called() -> None:
    assert fingerprint._version("numpy") == np.__version__
    assert fingerprint._version("dateutil") == importlib.metadata.version("python-dateutil")
    assert fingerprint._version("xgboost") == importlib.import_module("xgboost").__version__
    assert fingerprint._version("tests") is None


def test_a_function_without_source_counts_by_its_bytecode() -> None:
    text = "def fit(window):\n    return lambda: np.mean(window.y) + 1\n"
    before = fingerprint_of(defined(text, np=np))
    assert fingerprint_of(defined("\n\n" + text, np=np)) == before
    others = [text.replace("1", "2"), text.replace("mean", "median"), text.replace("+", "-")]
    assert len({before, *(fingerprint_of(defined(other, np=np)) for other in others)}) == 4

    calls = "def fit(window):\n    return helper(window, limits)\n"
    helpers = [lambda window, _: window.y, lambda window, _: window.y[0]]
    limits: list[Any] = [{"low", "high"}, frozenset({"low"}), {"low": 1}, np.arange(3), np.arange(4), np.array(1.0)]
    prints = {fingerprint_of(defined(calls, helper=helpers[0], limits=limit)) for limit in limits}
    assert len(prints) == len(limits)


def test_running_a_function_does_not_change_its_fingerprint() -> None:
    fit = defined("def fit(window):\n    return sum(i * i for i in range(window))\n")
    before = fingerprint_of(fit)
    for _ in range(200):
        fit(50)
    assert fingerprint_of(fit) == before


def test_a_file_is_the_same_code_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "class Mean:\n    def __call__(self, window):\n        return window.y.mean()\n"
    monkeypatch.syspath_prepend(str(tmp_path))
    prints = {fingerprint_of(write_module(tmp_path, name, text).Mean()) for name in ("ledger_here", "ledger_there")}
    assert len(prints) == 1


class Base:
    """Of no library."""

    def spread(self) -> float:
        return 1.0


def test_the_members_and_bases_of_a_class_without_source_count() -> None:
    text = """
class fit(Base):
    width = 1
    half = property(lambda self: 2)
    def __call__(self, w): return w
"""
    before = fingerprint_of(defined(text, Base=Base)())
    assert fingerprint_of(defined(text, Base=Base)()) == before
    others = [text.replace("1", "3"), text.replace("2", "3"), text.replace("w): return w", "w): return 5")]
    prints = {fingerprint_of(defined(other, Base=Base)()) for other in others}
    assert len({before, *prints, fingerprint_of(defined(text, Base=Fitter)(1))}) == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.int64(3), np.int64(4)),
        (dt.date(2024, 1, 1), dt.date(2024, 1, 2)),
        (np.log, np.exp),
        (len, sum),
        (pd.isna, pd.notna),
        (statistics.fmean, statistics.median),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"a": [2.0]})),
        (np.random.RandomState(1), np.random.RandomState(2)),
        (OrderedDict(a=1), OrderedDict(a=2)),
        (deque([1]), deque([2])),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_value_of_whatever_a_function_carries_counts(one: Any, other: Any) -> None:
    assert fingerprint_of(Fitter(3, one)) == fingerprint_of(Fitter(3, copy.deepcopy(one)))
    assert fingerprint_of(Fitter(3, one)) != fingerprint_of(Fitter(3, other))


def test_what_cannot_be_pickled_counts_by_its_attributes() -> None:
    class Locked:
        def __init__(self, span: int) -> None:
            self.span = span
            self.lock = threading.Lock()

    assert fingerprint_of(Fitter(1, Locked(1))) == fingerprint_of(Fitter(1, Locked(1)))
    assert fingerprint_of(Fitter(1, Locked(1))) != fingerprint_of(Fitter(1, Locked(2)))


def make_fit(span: int) -> Any:
    def fit(window: TrainingWindow) -> Any:
        return lambda: window.y[-span:]

    return fit


class Fitter:
    """An object that can be called, with a method that could be registered as well."""

    def __init__(self, span: int, other: Any = None) -> None:
        self.span = span
        self.other = other

    def __call__(self, window: TrainingWindow) -> Any:
        return lambda: window.y[-self.span :]

    def fit(self, window: TrainingWindow) -> Any:
        return self(window)


def test_what_a_function_carries_counts() -> None:
    assert fingerprint_of(make_fit(3)) == fingerprint_of(make_fit(3))
    assert fingerprint_of(make_fit(3)) != fingerprint_of(make_fit(4))
    partial = functools.partial(fit_arima, order=(1, 1, 1))
    assert fingerprint_of(partial) == fingerprint_of(functools.partial(fit_arima, order=(1, 1, 1)))
    assert fingerprint_of(partial) != fingerprint_of(functools.partial(fit_arima, order=(2, 1, 1)))
    assert fingerprint_of(Fitter(3)) == fingerprint_of(Fitter(3))
    assert fingerprint_of(Fitter(3)) != fingerprint_of(Fitter(4))
    assert fingerprint_of(Fitter(3, Fitter(1))) != fingerprint_of(Fitter(3, Fitter(2)))
    assert fingerprint_of(Fitter(3).fit) != fingerprint_of(Fitter(4).fit)
    assert fingerprint_of(Fitter(3, Path)) != fingerprint_of(Fitter(3, dict))
    assert fingerprint_of(Fitter) != fingerprint_of(Fitter(3))
    assert fingerprint_of(Fitter(3, pd.DataFrame())) != fingerprint_of(Fitter(3, pd.Series()))


def test_a_function_that_carries_itself_has_a_fingerprint() -> None:
    loop = Fitter(3)
    loop.other = loop
    again = Fitter(3)
    again.other = again
    assert fingerprint_of(loop) == fingerprint_of(again)
    recursive = defined("def fit(window):\n    return fit(window - 1) if window else 0\n")
    assert fingerprint_of(recursive) == fingerprint_of(recursive)
