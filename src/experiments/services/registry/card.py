"""Model cards: what is recorded of a version as one page, in Markdown and HTML."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.definitions import counted
from experiments.errors import EngineError, InvalidInputError
from experiments.services.registry.lineage import Lineage, lineage
from experiments.services.registry.merit import smaller_is_better
from experiments.services.registry.telling import (
    MADE,
    code_of,
    dataset_of,
    deployment_of,
    drawn,
    environment_of,
    figure,
    numbered,
    origin_of,
    relative,
    run_of,
    size,
    status_of,
    time,
)
from experiments.services.reports.formats import plain
from experiments.services.reports.markdown import escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from experiments.services.registry.record import ModelVersion
    from experiments.services.registry.registry import ModelRegistry

FORMATS = (".md", ".html")
"""What a card can be written as."""

_NOT_STATED = "Not stated."
_BLOCK = re.compile(r"^(|\d+(?=[.]))([-=.])(?=\s|-|=|$)")
_BLANK = re.compile(r"\n\s*\n")
_STYLE = """
main h2 { margin-top: 2.6rem; padding-top: 1.4rem; border-top: 1px solid var(--line); }
main h1 + p { color: var(--soft); font-size: 1.15rem; }
main table { margin: 0 0 1.2rem; width: auto; min-width: 50%; font-size: .9rem; }
main th, main td { padding-right: 1.6rem; min-width: 7.2rem; }
main ul { margin: 0 0 1rem; padding-left: 1.2rem; }
main pre { white-space: pre-wrap; padding: .9rem 1.1rem; background: var(--wash); font-size: .82rem; line-height: 1.4; }
body { padding-top: 2.5rem; }
"""


@dataclass(frozen=True, kw_only=True, repr=False)
class ModelCard:
    """A page on a version of a model.

    Attributes
    ----------
    title : str
    markdown : str
        All of it. The page in HTML is made from it; what it holds of HTML is shown as text, and pictures are left out.
    """

    title: str
    markdown: str

    def __repr__(self) -> str:
        return f"<ModelCard {self.title!r}>"

    @property
    def html(self) -> str:
        """The same as one HTML file: no script, no font, no address that is loaded."""
        from markdown_it import MarkdownIt

        read = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
        css = (files("experiments.services.reports") / "templates" / "report.css").read_text(encoding="utf-8")
        head = (
            '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<link rel="icon" href="data:,">\n<title>{escape(plain(self.title))}</title>\n'
            f"<style>{css}{_STYLE}</style>"
        )
        body = f"<main>\n{read.render(plain(self.markdown))}</main>"
        return f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'

    def _repr_html_(self) -> str:
        """The page, as notebooks show it: in a frame, so that neither changes the looks of the other."""
        return f'<iframe srcdoc="{escape(self.html)}" width="100%" height="720" style="border: 0"></iframe>'

    def write(self, path: str | Path) -> Path:
        """Write it to a .md or .html file, which is replaced.

        Raises
        ------
        InvalidInputError
            If the path ends with neither, or its folder is not there.
        EngineError
            If the file cannot be written.
        """
        target = check_target(path)
        try:
            target.write_text(self.html if target.suffix.lower() == ".html" else self.markdown, encoding="utf-8")
        except OSError as error:
            msg = f"{target} cannot be written: {error.strerror}."
            raise EngineError(msg) from error
        return target


def check_target(path: str | Path) -> Path:
    """The file a card goes to, before anything is read.

    Raises
    ------
    InvalidInputError
        If its ending is no format of cards, or its folder is not there.
    """
    target = Path(path)
    if target.suffix.lower() not in FORMATS:
        msg = f"{str(path)!r} is no model card: end it with {' or '.join(FORMATS)}."
        raise InvalidInputError(msg)
    if target.is_dir() or not target.parent.is_dir():
        what = f"{target} is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        msg = f"{what}: name a file to write the card to."
        raise InvalidInputError(msg)
    return target


def card_of(registry: ModelRegistry, found: ModelVersion) -> ModelCard:
    """The card of a version: what is recorded of it, and where nothing is, that.

    Parameters
    ----------
    registry : ModelRegistry
    found : ModelVersion
        From `registry.get`.
    """
    return card_from(lineage(registry, found))


def card_from(told: Lineage) -> ModelCard:
    """The card of a version whose lineage is known."""
    model = told.model
    sections = {
        "What it is": _paragraphs(model.description, "No description is recorded.") + _summary(told),
        "Intended use": _paragraphs(model.intended_use, _NOT_STATED),
        "Limitations": _paragraphs(model.limitations, _NOT_STATED),
        "Data": _data(told),
        "Metrics": _metrics(model),
        "Evidence": _evidence(told),
        "How it was made": _making(told),
        "File": _file(model),
        "Deployment": _deployment(told),
    }
    lines = [f"# {escaped(model.label)}", "", f"*{escaped(f'{model.model_type}, {status_of(model)}')}*", ""]
    for heading, blocks in sections.items():
        lines += [f"## {heading}", ""]
        for block in blocks:
            lines += [block, ""]
    return ModelCard(title=model.label, markdown="\n".join(lines).rstrip() + "\n")


def _summary(told: Lineage) -> list[str]:
    model = told.model
    parents = [one for one in told.ancestors if one.model_id in model.parents]
    made = (
        f"{MADE[model.parentage or '']} {', '.join(map(numbered, parents))}"
        if parents
        else "made from no other version"
    )
    facts = {
        "Model": model.model_name,
        "Version": model.version,
        "Number in the registry": str(model.model_id),
        "Type": model.model_type,
        "Status": status_of(model),
        "Saved": f"{time(model.created_at)} by {model.created_by}",
        "Origin": made,
    }
    return [_list(f"{name}: {value}" for name, value in facts.items())]


def _data(told: Lineage) -> list[str]:
    """What the run read, and what the model takes."""
    if told.datasets:
        read = ["Read by the run that made it:", _list(dataset_of(row) for row in told.datasets)]
    elif told.run is None:
        read = ["No run is recorded that made it, so it is not known what it was fitted on."]
    else:
        read = ["The run that made it has no dataset on record, so it is not known what it was fitted on."]
    schema = told.model.input_schema
    if not schema:
        return [*read, "No schema of its input is recorded."]
    rows = [(name, kind or "not recorded") for name, kind in schema.items()]
    return [
        *read,
        f"It predicts from {counted(len(rows), 'feature')}, in this order:",
        _table(("feature", "type"), rows),
    ]


def _metrics(model: ModelVersion) -> list[str]:
    if not model.metrics:
        return ["No metric is recorded."]
    rows = [
        (name, figure(value), "smaller" if smaller_is_better(name) else "larger")
        for name, value in model.metrics.items()
    ]
    note = "Given by whoever saved it; the registry did not compute them. Which is better is told from the name."
    return [_table(("metric", "value", "better is"), rows, numbers=(1,)), note]


def _evidence(told: Lineage) -> list[str]:
    """The evaluations in words: what was tested against naive, and what came out."""
    name, version = told.model.model_name, told.model.version
    if not told.evaluations:
        return [
            f"**No evaluation is recorded:** `model_runs` has none of {escaped(name)} in version {version}, so it is "
            "not known whether it beats a naive forecast."
        ]
    rows = [
        (
            one.subject,
            one.error,
            one.verdict,
            "-" if one.data_as_of is None else one.data_as_of.isoformat(),
            {"reported": "reported by a caller"}.get(one.metrics_source, one.metrics_source),
        )
        for one in told.evaluations
    ]
    note = (
        "The latest evaluation of each series and horizon. MAE: mean absolute error in the unit of the series. Naive: "
        "the last observed value, repeated. p-values are two-sided, and not corrected for the number of models tried."
    )
    return [_table(("series", "error", "against naive", "data up to", "figures"), rows), note]


def _making(told: Lineage) -> list[str]:
    model = told.model
    facts = {"Run": run_of(told)}
    if told.run is not None and code_of(told.run) != code_of(vars(model)):
        facts["Code of the run"] = code_of(told.run)
    facts["Code that saved it"] = code_of(vars(model))
    facts["Environment that saved it"] = environment_of(told.environment)
    blocks = [_list(f"{name}: {value}" for name, value in facts.items())]
    if origin := origin_of(told):
        blocks += ["It was made from other versions:", _fenced(drawn([(0, numbered(model)), *origin]))]
    if children := [one for one in told.descendants if model.model_id in one.parents]:
        blocks += ["Made from it:", _list(map(relative, children))]
    if not model.hyperparameters:
        return [*blocks, "No hyperparameters are recorded."]
    rows = [(name, json.dumps(value, ensure_ascii=False)) for name, value in model.hyperparameters.items()]
    return [*blocks, _table(("hyperparameter", "value"), rows)]


def _file(model: ModelVersion) -> list[str]:
    runs = (
        "Loading it can run code that is in it: only a file that has the SHA-256 above is loaded."
        if model.file_format == "joblib"
        else "Loading it runs nothing that is in it; only a file that has the SHA-256 above is loaded."
    )
    facts = (f"Format: {model.file_format}", f"Size: {size(model.size_bytes)}", f"SHA-256: {model.sha256}")
    return [_list(facts), runs]


def _deployment(told: Lineage) -> list[str]:
    if not told.deployments:
        return ["It was never deployed."]
    return [_list(map(deployment_of, told.deployments))]


def _paragraphs(words: str | None, otherwise: str) -> list[str]:
    """The words of a caller as they are, with their paragraphs and lines."""
    if words is None:
        return [otherwise]
    blocks = [[line for line in block.splitlines() if line.strip()] for block in _BLANK.split(words)]
    return ["\\\n".join(map(_line, lines)) for lines in blocks if lines] or [otherwise]


def _line(words: str) -> str:
    r"""Words as they are, also where they begin as a list or a rule would.

    Examples
    --------
    >>> _line("- a_b"), _line("1. c"), _line("1.5 d")
    ('\\- a\\_b', '1\\. c', '1.5 d')
    """
    return _BLOCK.sub(r"\1\\\2", escaped(words))


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {_line(item)}" for item in items)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    rules = ["---:" if place in numbers else "---" for place in range(len(heads))]
    lines = [" | ".join(heads), " | ".join(rules), *(" | ".join(map(escaped, row)) for row in rows)]
    return "\n".join(f"| {line} |" for line in lines)


def _fenced(words: str) -> str:
    """A block whose fence is longer than any inside."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{words}\n{fence}"
