"""A module imports only from the layers above it, inside functions too; SQL stays in sql/ and the storage layer."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "experiments"
MODULES = sorted(path for path in SOURCE.rglob("*.py"))

WORDS = {"errors", "identity", "definitions"}
MAY_IMPORT = {
    "words": {"words"},
    "science": {"words", "science"},
    "storage": {"words", "storage"},
    "services": {"words", "science", "storage", "services"},
    "cli": {"words", "services", "cli"},
    "package": {"words", "science", "services"},  # the public names of experiments/__init__.py
}
ENGINES = {"pyspark", "pysail", "deltalake", "delta"}
MODEL_LIBRARIES = {"numpy", "pandas", "scipy", "statsmodels", "statsforecast", "arch", "xgboost", "sklearn", "joblib"}


def layer(path: Path) -> str:
    """The layer a module belongs to."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    if len(parts) > 1:
        return parts[0]
    return "words" if parts[0] in WORDS else "package"


def layer_of_name(name: str) -> str:
    """The layer of an imported name such as `experiments.storage.table`."""
    parts = name.split(".")
    if len(parts) == 1:
        return "package"
    return "words" if parts[1] in WORDS else parts[1]


def imported(tree: ast.AST) -> Iterator[str]:
    """Every name imported anywhere in a module, under `if TYPE_CHECKING` and inside functions as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (constant.value for constant in node.args if isinstance(constant, ast.Constant))


def imports(path: Path) -> list[str]:
    return list(imported(ast.parse(path.read_text())))


def test_every_module_is_in_a_known_layer() -> None:
    assert {layer(path) for path in MODULES} == set(MAY_IMPORT)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_from_the_layers_above(path: Path) -> None:
    own = layer(path)
    for name in imports(path):
        if name.split(".")[0] == "experiments":
            assert layer_of_name(name) in MAY_IMPORT[own], f"{own} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_layer_keeps_to_its_libraries(path: Path) -> None:
    tops = {name.split(".")[0] for name in imports(path)} - {"experiments"}
    own = layer(path)
    if own in ("words", "package"):
        assert tops <= sys.stdlib_module_names
    if own != "storage":
        assert not tops & ENGINES
    if own == "storage":
        assert not tops & (MODEL_LIBRARIES - {"numpy", "pandas"})
    if own == "cli":
        assert tops <= {*sys.stdlib_module_names, "click", "rich", "pandas"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_slow_library_is_imported_by_the_function_that_uses_it(path: Path) -> None:
    """Only the science layer may load numpy and pandas when it is imported; nobody an engine or a model's library."""
    slow = {*ENGINES, *MODEL_LIBRARIES, "matplotlib", "pyarrow", "rich", "tenacity", "jinja2", "pptx", "vl_convert"}
    if layer(path) == "science":
        slow -= {"numpy", "pandas"}
    if layer(path) == "services":
        slow -= {"numpy"}
    tree = ast.parse(path.read_text())
    at_import = [
        name
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(ast.Module(body=[node], type_ignores=[]))
    ]
    assert not {name.split(".")[0] for name in at_import} & slow


KEYWORDS = re.compile(
    r"\b(select\s.*\bfrom|insert\s+into|merge\s+into|update\s+\w+\s+set|delete\s+from"
    r"|create\s+(or\s+replace\s+)?(table|view)|drop\s+(table|view)|group\s+by|order\s+by|left\s+join|inner\s+join)\b",
    re.IGNORECASE | re.DOTALL,
)


def strings(tree: ast.AST) -> Iterator[str]:
    """Text in the code, docstrings left out."""
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


@pytest.mark.parametrize(
    "path", [path for path in MODULES if layer(path) != "storage"], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_no_sql_outside_the_storage_layer(path: Path) -> None:
    tree = ast.parse(path.read_text())
    # an example to type, such as 'select * from leaderboard', is help for a person
    found = [text for text in strings(tree) if KEYWORDS.search(text)]
    allowed = [text for text in found if layer(path) == "cli" and 'sql "select * from' in text]
    assert found == allowed
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in ("spark", "toArrow")
    ]
    # a query of the user's passes through one door
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".sql")]
    assert [ast.unparse(call) for call in calls] in ([], ["ledger.sql(query, parameters)"])
