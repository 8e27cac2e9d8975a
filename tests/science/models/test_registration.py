"""A user's models become variants like the shipped ones, from Python, a file or a package, or are refused in words."""

from __future__ import annotations

import importlib.metadata
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.linear_model import Ridge

from experiments.errors import InvalidInputError
from experiments.science.models import BASELINE_MODELS, code_fingerprint, registration
from experiments.science.models.registration import (
    ENTRY_POINTS,
    Unusable,
    all_variants,
    load_model_file,
    loaded_files,
    register,
    unusable_entry_points,
)
from experiments.science.window import ModelVariant, TrainingWindow
from windows import HORIZON, walk, window_of


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before, modules = dict(registration._registered), set(sys.modules)
    registration._registered.clear()
    registration._installed.cache_clear()
    yield
    registration._registered.clear()
    registration._registered.update(before)
    registration._installed.cache_clear()
    for name in set(sys.modules) - modules:
        if name.startswith("experiments_model_file_"):
            cloudpickle.unregister_pickle_by_value(sys.modules.pop(name))


def last_value(window: TrainingWindow, *, plus: float = 0.0) -> Any:
    return [window.y[-1] + plus] * window.horizon


class Mean:
    def fit(self, y: Any) -> None:
        self.level = y.mean()

    def predict(self, h: int) -> Any:
        return np.full(h, self.level)


def forecast(name: str, window: TrainingWindow) -> Any:
    one = all_variants()[name]
    return one.function(window, **one.params)()


def file_of(folder: Path, text: str, name: str = "models.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def code_of(text: str, filename: str) -> None:
    """Run a cell of a notebook: code whose file does not exist."""
    exec(compile(text, filename, "exec"), {"register": register, "Ridge": Ridge})  # noqa: S102


TEN_LINES = """\
from sklearn.linear_model import Ridge
from statsforecast.models import AutoETS
from experiments.science.models.registration import register
class Mean:
    def fit(self, y): self.level = y.mean()
    def predict(self, h): return [self.level] * h
register("ridge", Ridge(alpha=2.0), covariates="*")
register("ets", AutoETS(season_length=5))
register("mean", Mean())
register("last", lambda window, plus: window.y[-1] + plus * window.y[-window.horizon:], params={"plus": 1.0})
"""


def test_ten_lines_register_models_of_every_kind(tmp_path: Path) -> None:
    path = file_of(tmp_path, TEN_LINES)
    assert "ridge" not in all_variants()
    assert load_model_file(path) == ["ridge", "ets", "mean", "last"]
    assert str(path) in loaded_files()
    variants, window = all_variants(), window_of(walk(120))
    assert list(variants) == [*BASELINE_MODELS, "ridge", "ets", "mean", "last"]
    assert [variants[name].type for name in ("ridge", "ets", "mean", "last")] == [
        "Ridge",
        "AutoETS",
        "Mean",
        "Function",
    ]
    assert (variants["ridge"].covariates, variants["ridge"].experiment_tags) == (("*",), {"feature_set": "all"})
    assert variants["last"].experiment_tags == {"feature_set": "price"}
    for name in ("ridge", "ets", "mean", "last"):
        ahead = forecast(name, window)
        assert np.shape(getattr(ahead, "y_hat", ahead)) == (HORIZON,)
    assert_array_equal(forecast("last", window), window.y[-1] + window.y[-HORIZON:])


def test_registered_in_python_by_call_and_by_decorator() -> None:
    made = register(
        "mine",
        last_value,
        type="Last",
        params={"plus": 2.0},
        covariates=["vix", "temp_*"],
        features=lambda frame: frame,
        version="v3",
        experiment_tags={"complexity": "low"},
    )
    assert made is all_variants()["mine"]
    assert (made.type, made.version, made.covariates, made.params) == ("Last", "v3", ("vix", "temp_*"), {"plus": 2.0})
    assert made.experiment_tags == {"feature_set": "vix, temp_*, features of its own", "complexity": "low"}
    window = window_of(walk(30))
    assert_array_equal(forecast("mine", window), np.full(HORIZON, window.y[-1] + 2))

    @register("decorated")
    def decorated(window: TrainingWindow) -> Any:
        return last_value(window)

    @register("class", params={"alpha": 2.0})
    class Mine(Ridge):  # type: ignore[misc]
        pass

    assert decorated(window) == list(forecast("decorated", window))
    assert (all_variants()["class"].type, Mine.__name__) == ("Mine", "Mine")
    with pytest.raises(TypeError):
        all_variants()["other"] = made  # type: ignore[index]


def test_a_name_is_registered_once() -> None:
    with pytest.raises(InvalidInputError, match=r"model 'naive' of .*test_registration.py, line \d+ has the name"):
        register("naive", last_value)
    for _ in range(2):  # a line that is run again
        register("mine", last_value)
    with pytest.raises(InvalidInputError, match=r"two models are called 'mine', of .*, line \d+ and of .*, line \d+"):
        register("mine", last_value)
    with pytest.raises(InvalidInputError, match=r"'mine', of .*test_registration.py, line \d+ and of <cell 1>, line 1"):
        code_of("register('mine', Ridge())", "<cell 1>")


def test_a_cell_of_a_notebook_replaces_what_a_cell_registered() -> None:
    code_of("register('mine', Ridge(alpha=1.0))", "<cell 1>")
    before = code_fingerprint(all_variants()["mine"])
    code_of("\nregister('mine', Ridge(alpha=2.0))", "<cell 2>")
    assert code_fingerprint(all_variants()["mine"]) != before
    with pytest.raises(InvalidInputError, match=r"'mine', of <cell 2>, line 2 and of .*test_registration.py"):
        register("mine", last_value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"params": {"minus": 1}}, r"model 'mine': .*'minus'; given: minus=1, accepted: plus\."),
        ({"params": [1]}, r"params of model 'mine' are \[1\]: give a dictionary of name to value"),
        ({"params": {1: 2}}, "params of model 'mine' are"),
        ({"experiment_tags": "fast"}, "experiment_tags of model 'mine' are 'fast'"),
        ({"covariates": [1]}, "one of the covariates of model 'mine' is 1: give names or patterns"),
        ({"covariates": 5}, "one of the covariates of model 'mine' is 5"),
        ({"features": 5}, "features of model 'mine' are 5: give a function of a DataFrame"),
        ({"version": " "}, "the version of model 'mine' is ' '"),
        ({"type": 5}, "the type of model 'mine' is 5"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        register("mine", last_value, **settings)
    assert "mine" not in all_variants()


def test_a_model_or_name_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="a model is 5, a int: give a function of a TrainingWindow"):
        register("mine", 5)
    with pytest.raises(InvalidInputError, match="the name of a model is 5"):
        register(5, last_value)  # type: ignore[arg-type]


# --- files -----------------------------------------------------------------------------------------------------------

TABLE = """\
import numpy as np
from experiments import BASELINE_MODELS  # ours: not this file's
from experiments.science.window import ModelVariant
def fit(window, span=5):
    return lambda: np.full(window.horizon, window.y[-span:].mean())
def features(frame):
    return frame[["y"]].diff().add_prefix("change_")
MODELS = {
    "mean_v1": {
        "type": "Mean", "function": fit, "params": {"span": 3}, "covariates": ["vix"], "version": "v2",
        "features": features, "experiment_tags": {"feature_set": "vix", "complexity": "low"},
    },
    "plain": {"function": fit},
    "whole": ModelVariant(name="other", type="Mean", function=fit),
}
"""


def test_a_file_may_hold_the_dictionary_of_the_specification(tmp_path: Path) -> None:
    path = file_of(tmp_path, TABLE)
    assert load_model_file(str(path)) == ["mean_v1", "plain", "whole"]
    one = all_variants()["mean_v1"]
    assert (one.type, one.params, one.covariates, one.version) == ("Mean", {"span": 3}, ("vix",), "v2")
    assert one.experiment_tags == {"feature_set": "vix", "complexity": "low"}
    assert one.features is not None
    assert list(one.features(pd.DataFrame({"y": [1.0, 2.0]}))) == ["change_y"]
    assert all_variants()["whole"].name == "whole"
    window = window_of(walk(30))
    assert_array_equal(forecast("mean_v1", window), np.full(HORIZON, window.y[-3:].mean()))
    assert load_model_file(file_of(tmp_path, "BASELINE_MODELS = {'one': {'function': len}}", "b.py")) == ["one"]


def test_a_file_loaded_again_replaces_what_it_defined(tmp_path: Path) -> None:
    path = file_of(tmp_path, TABLE)
    load_model_file(path)
    before = code_fingerprint(all_variants()["plain"])
    load_model_file(path)
    assert code_fingerprint(all_variants()["plain"]) == before
    file_of(tmp_path, TABLE.replace(".mean()", ".max()").replace('"whole"', '"entire"'))
    assert load_model_file(path) == ["mean_v1", "plain", "entire"]
    assert code_fingerprint(all_variants()["plain"]) != before
    assert "whole" not in all_variants()
    other = tmp_path / "elsewhere"
    other.mkdir()
    with pytest.raises(InvalidInputError, match=r"two models are called 'mean_v1', of .*models.py and of .*elsewhere"):
        load_model_file(file_of(other, TABLE))


def test_the_functions_of_a_file_travel_by_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_model_file(file_of(tmp_path, TABLE))
    window = window_of(walk(30))
    expected = forecast("plain", window)
    content = cloudpickle.dumps(all_variants()["plain"])
    for name in [name for name in sys.modules if name.startswith("experiments_model_file_")]:
        monkeypatch.delitem(sys.modules, name)  # as in another process
    assert_array_equal(pickle.loads(content).function(window)(), expected)  # noqa: S301


def test_the_same_file_in_another_folder_is_the_same_code(tmp_path: Path) -> None:
    text = f"{TABLE}\nclass Flat:\n    def fit(self, y): ...\n    def predict(self, h): return [0] * h\n"
    prints = []
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        names = load_model_file(file_of(tmp_path / folder, f"{text}MODELS['flat'] = {{'function': Flat()}}\n"))
        prints.append({name: code_fingerprint(all_variants()[name]) for name in names})
        registration._registered.clear()
    assert prints[0] == prints[1]
    assert len(prints[0]) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\n\ndef f():\n    return 1 / 0\n\nf()\n", r"models.py, line 4: ZeroDivisionError: division by zero"),
        (
            "x = 1\nimport ledger_not_there\n",
            r"models.py, line 2: ModuleNotFoundError: No module named 'ledger",
        ),
        ("x = 1\ny = (\n", r"models.py, line 2: SyntaxError: '\(' was never closed"),
        ("import sys\nsys.exit(3)\n", r"models.py, line 2: SystemExit: 3"),
        ("import json\njson.loads('{')\n", r"models.py, line 2: JSONDecodeError: Expecting property name"),
        ("x = '\0'\n", r"models.py: \w+: source code string cannot contain null bytes"),
        (
            TEN_LINES.replace("alpha=2.0)", "alpha=2.0), params={'a': 1}"),
            "models.py, line 7: model 'ridge' has the",
        ),
        (
            TEN_LINES.replace('"mean"', '"ridge"'),
            r"line 9: two models are called 'ridge', of .*, line 7 and of .*9",
        ),
        (
            "x = 1\n",
            r"models.py defines no model: call register\(name, model\) in it, or give a dictionary BAS",
        ),
        ("MODELS = [1]\n", r"MODELS of .*models.py is a list: give a dictionary of name to"),
        ("MODELS = {'a': 1}\n", r"model 'a' in MODELS of .* is no dictionary: accepted are type, function, params"),
        ("MODELS = {'a': {'type': 'A'}}\n", r"model 'a' in MODELS of .* has no 'function'"),
        ("MODELS = {'a': {'function': len, 'parms': {}}}\n", r"model 'a' in MODELS of .* has 'parms': accepted are"),
        ("MODELS = {'a': {'function': 'fit_a'}}\n", "a model is 'fit_a', a str: give a function of a TrainingWindow"),
        ("MODELS = {5: {'function': len}}\n", "the name of a model is 5"),
        ("MODELS = {'naive': {'function': len}}\n", r"model 'naive' of .*models.py has the name of a shipped one"),
        ("MODELS = BASELINE_MODELS = {'a': {'function': len}}\n", "defines 'a' in both of BASELINE_MODELS and MODELS"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_and_leaves_nothing(tmp_path: Path, text: str, message: str) -> None:
    path = file_of(tmp_path, "from experiments.science.models.registration import register\nregister('kept', len)\n")
    load_model_file(path)
    before = dict(all_variants())
    file_of(tmp_path, text)
    with pytest.raises(InvalidInputError, match=message):
        load_model_file(path)
    assert all_variants() == before


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nothing.py"):
        with pytest.raises(InvalidInputError, match=r"there is no file .*: give a Python file that defines models"):
            load_model_file(path)


# --- entry points ----------------------------------------------------------------------------------------------------


class Point:
    """What an installed package declares."""

    def __init__(self, name: str, value: object, source: str | None = "their-models") -> None:
        self.name = name
        self.value = value
        self.dist = None if source is None else type("Dist", (), {"name": source})

    def load(self) -> object:
        if isinstance(self.value, BaseException):
            raise self.value
        return self.value


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Any:
    def offer(*points: Point) -> None:
        registration._installed.cache_clear()
        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda *, group: points if group == ENTRY_POINTS else ()
        )

    return offer


def test_an_installed_package_offers_models(offer: Any) -> None:
    whole = ModelVariant(name="whole", type="Mine", function=last_value)
    offer(Point("mean", Mean), Point("ridge", Ridge()), Point("any", whole), Point("all", {"two": {"function": len}}))
    assert list(all_variants()) == [*BASELINE_MODELS, "mean", "ridge", "whole", "two"]
    assert (all_variants()["mean"].type, all_variants()["whole"]) == ("Mean", whole)
    assert unusable_entry_points() == ()
    register("own", last_value)
    assert list(all_variants())[-1] == "own"


def test_one_that_cannot_be_used_costs_no_other(offer: Any) -> None:
    offer(
        Point("gone", ImportError("no module named 'theirs'")),
        Point("leaves", SystemExit(2), source=None),
        Point("module", ModuleType("theirs")),
        Point("naive", last_value),
        Point("mean", Mean),
        Point("mean", Mean(), source="other-models"),
        Point("mine", Ridge()),
        Point("odd", {"x": {"function": 5}}),
    )
    register("mine", last_value)
    assert list(all_variants()) == [*BASELINE_MODELS, "mean", "mine"]
    assert all_variants()["mine"].type == "Function"
    found = {(one.name, one.distribution): one.reason for one in unusable_entry_points()}
    assert found["gone", "their-models"] == "ImportError: no module named 'theirs'"
    assert found["leaves", "unknown"] == "SystemExit: 2"
    assert found["module", "their-models"].startswith("InvalidInputError: a model is <module 'theirs'>")
    assert found["naive", "their-models"] == "another model is called 'naive': one that is shipped"
    assert found["mean", "other-models"] == "another model is called 'mean': one that is installed"
    assert found["mine", "their-models"] == "another model is called 'mine': one that is registered"
    assert "model 'x' in the entry point odd: a model is 5, a int" in found["odd", "their-models"]
    assert len(found) == 7
    assert Unusable(name="a", distribution="b", reason="c") == Unusable(name="a", distribution="b", reason="c")


def test_a_variant_that_registered_itself_may_be_offered_too(offer: Any) -> None:
    offer(Point("mine", register("mine", last_value)))
    assert unusable_entry_points() == ()
    assert list(all_variants())[-1] == "mine"


def test_the_entry_points_of_this_environment_are_read() -> None:
    assert isinstance(unusable_entry_points(), tuple)
