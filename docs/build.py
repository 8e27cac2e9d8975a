"""Writes the documents that follow from the code: tables.md, commands.md and, with --ledger, leaderboard.svg."""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Iterator
from pathlib import Path

import click

from experiments.cli import render
from experiments.cli.boards import accuracy_table, evidence_table
from experiments.cli.main import cli
from experiments.storage import sql_files

DOCS = Path(__file__).parent
_COMMENT = re.compile(r"^  (\w+) .*? comment '([^']*)'", re.MULTILINE)


def tables() -> str:
    """Every table with its columns and every view with its grain, from sql/."""
    parts = ["# Tables and views\n\nMade from `sql/` by `python docs/build.py`.\n"]
    for name in sql_files.names("tables"):
        text = sql_files.statement("tables", name)
        comments = dict(_COMMENT.findall(text))
        keys = re.search(r"^partitioned by \((.*)\)", text, re.MULTILINE)
        parts.append(f"## {name}\n\n{_grain(text)}" + (f" Partitioned by {keys[1]}." if keys else "") + "\n")
        parts.append("| column | type | meaning |\n|---|---|---|")
        parts += [
            f"| `{column.name}` | {column.type}{', required' if column.required else ''} | {comments[column.name]} |"
            for column in sql_files.columns(name)
        ]
        parts.append("")
    parts.append("## Views\n\n| view | one row |\n|---|---|")
    parts += [
        f"| `{name}` | {_grain(sql_files.statement('views', name))} |" for name in sorted(sql_files.names("views"))
    ]
    return "\n".join(parts) + "\n"


def commands() -> str:
    """The help of every command, those of a group after their group."""
    context = click.Context(cli, info_name="experiments", terminal_width=100, **cli.context_settings)
    return "\n".join(
        ["# Commands\n\nMade from `experiments --help` by `python docs/build.py`.\n", *_helps(cli, context)]
    )


def _helps(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    for name in command.list_commands(context) if isinstance(command, click.Group) else ():
        own = command.get_command(context, name)
        if own is not None:
            yield from _helps(own, click.Context(own, info_name=name, parent=context, terminal_width=100))


def picture(ledger_path: str) -> str:
    """The leaderboard of a ledger's first commodity, as it looks in a terminal."""
    from rich.console import Console

    from experiments.services.answers import choose
    from experiments.services.ledger import connect

    with connect(ledger_path, create=False) as ledger:
        choice = choose(ledger, ledger.commodities()[0])
    console = Console(record=True, width=132, file=io.StringIO(), highlight=False)
    console.print(render.drawn(*evidence_table(choice.leaderboard)))
    console.print(render.drawn(*accuracy_table(choice.leaderboard)))
    console.print(choice.reason)
    drawing = console.export_svg(title="experiments leaderboard", unique_id="leaderboard")
    # fonts from elsewhere would be fetched by whoever looks at the picture
    return re.sub(r"\s*(@font-face \{.*?\}|<!-- .*? -->)", "", drawing, flags=re.DOTALL)


def _grain(text: str) -> str:
    return text.splitlines()[0].removeprefix("-- ")


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", help="also draw leaderboard.svg from this ledger")
    asked = parser.parse_args()
    (DOCS / "tables.md").write_text(tables(), encoding="utf-8")
    (DOCS / "commands.md").write_text(commands(), encoding="utf-8")
    if asked.ledger:
        (DOCS / "leaderboard.svg").write_text(picture(asked.ledger), encoding="utf-8")


if __name__ == "__main__":
    main()
