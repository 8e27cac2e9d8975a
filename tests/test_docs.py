"""What a user can name is in the README or in a page it links to; generated pages are current; examples run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest

import experiments
from experiments.cli.main import cli
from experiments.storage import sql_files

ROOT = Path(__file__).parents[1]


@cache
def readme() -> str:
    return (ROOT / "README.md").read_text()


@cache
def documentation() -> str:
    """The README and the pages of docs/ it links to."""
    linked = [ROOT / link for link in re.findall(r"\]\((docs/[\w-]+\.md)\)", readme())]
    return "\n".join([readme(), *(page.read_text() for page in linked)])


def mentions(name: str) -> bool:
    """Whether the documentation has this name as a word of its own."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", documentation()) is not None


@cache
def builder() -> ModuleType:
    """The script that makes the generated pages."""
    spec = importlib.util.spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(language: str) -> list[str]:
    """The README's examples in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", readme(), re.MULTILINE | re.DOTALL)


def commands(group: click.Group = cli, before: str = "") -> list[tuple[str, click.Command]]:
    """Every command under the words one types, those of a group after it."""
    found: list[tuple[str, click.Command]] = []
    for name, command in sorted(group.commands.items()):
        found.append((before + name, command))
        if isinstance(command, click.Group):
            found += commands(command, f"{before}{name} ")
    return found


def options() -> list[str]:
    return sorted(
        {option for _, command in commands() for one in command.params for option in one.opts if option[0] == "-"}
    )


def settings() -> list[str]:
    """The environment variables of this package, as they stand in its source."""
    source = "\n".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    return sorted(set(re.findall(r"\bEXPERIMENTS_[A-Z_]+\b", source)))


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_is_documented(name: str) -> None:
    assert mentions(f"experiments {name}")


@pytest.mark.parametrize("option", options())
def test_every_option_is_documented(option: str) -> None:
    assert mentions(option)


@pytest.mark.parametrize("name", experiments.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert mentions(name)


@pytest.mark.parametrize("name", [*sql_files.names("tables"), *sql_files.names("views")])
def test_every_table_and_view_is_documented(name: str) -> None:
    assert mentions(name)


@pytest.mark.parametrize("column", [column.name for column in sql_files.columns("model_runs")])
def test_every_column_of_model_runs_is_documented(column: str) -> None:
    assert mentions(column)


@pytest.mark.parametrize("name", settings())
def test_every_setting_is_documented(name: str) -> None:
    assert mentions(name)


def test_every_setting_named_is_there() -> None:
    assert set(re.findall(r"\bEXPERIMENTS_[A-Z_]+\b", documentation())) <= set(settings())


def test_every_command_of_the_readme_is_understood() -> None:
    lines = [shlex.split(line, comments=True) for block in blocks("bash") for line in re.split(r"\n(?=\S)", block)]
    calls = [words[1:] for words in lines if words and words[0] == "experiments"]
    assert len(calls) > 5
    known = dict(commands())
    for words in calls:
        name = " ".join(words[:2]) if " ".join(words[:2]) in known else words[0]
        with click.Context(cli, info_name="experiments", **cli.context_settings) as parent:
            # raises where an option or argument is unknown
            known[name].make_context(name, words[len(name.split()) :], parent=parent)


@pytest.mark.parametrize("page", ["tables", "commands"])
def test_generated_pages_are_current(page: str) -> None:
    assert (ROOT / "docs" / f"{page}.md").read_text() == getattr(builder(), page)(), "run python docs/build.py"


@pytest.mark.engine
@pytest.mark.parametrize("example", range(len(blocks("python"))))
def test_the_examples_of_the_readme_run(
    example: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # fewer windows than on the page: the calls are what is tried
    code = blocks("python")[example].replace("n_windows=40", "n_windows=3")
    exec(compile(code, "README.md", "exec"), {"__name__": "example"})  # noqa: S102  the project's own README
    assert any(tmp_path.glob("**/experiments")) == ("register(" not in code)
    shown = capsys.readouterr().out
    assert ("verdict" in shown) == ("verdict" in code)


@pytest.mark.parametrize("name", [name for name, _ in commands()])
def test_every_command_and_option_is_explained_with_an_example(name: str) -> None:
    command = dict(commands())[name]
    help_text = command.help or ""
    assert "Example:" in help_text
    assert f"experiments {name}" in help_text
    for one in command.params:
        if isinstance(one, click.Option):
            assert one.help, f"{name} {one.opts}"


def test_public_names_are_sorted_documented_and_importable() -> None:
    assert list(experiments.__all__) == sorted(experiments.__all__)
    assert dir(experiments) == experiments.__all__
    for name in experiments.__all__:
        assert getattr(experiments, name).__doc__ or name == "BASELINE_MODELS"  # a mapping, which has none of its own
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        experiments.nonsense  # noqa: B018
