"""Reports as files: what each format needs, and where it goes."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import EngineError, InvalidInputError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.services.reports.model import Report, Section

FORMATS = ("html", "pptx", "md")
"""What a report can be written as; also the ending of the file."""

_NEEDS = {"html": ("jinja2", "vl_convert"), "pptx": ("pptx",), "md": ()}
"""The packages each format is made with."""


def default_target(purpose: str, model: str | None, form: str) -> Path:
    """The file a report goes to where none is named.

    Examples
    --------
    >>> default_target("model", "arima (1,1,1)", "html").name
    'model-arima-1-1-1.html'
    """
    about = re.sub(r"[^\w.-]+", "-", model or "").strip("-.")[:60]
    return Path(f"{purpose}-{about}.{form}" if about else f"{purpose}.{form}")


def check_target(path: str | Path | None, form: str | None, purpose: str, model: str | None) -> tuple[Path, str]:
    """The file and the format a report is written as, before anything is computed.

    Parameters
    ----------
    path : str or Path, optional
        By default the purpose, in the working directory.
    form : str, optional
        One of `FORMATS`; by default what the path ends with, else "html".
    purpose, model
        What the report is for.

    Raises
    ------
    NotFoundError
        If there is no such format.
    InvalidInputError
        If the path ends with no format, or its folder is not there.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS)
    if path is None:
        chosen = form or FORMATS[0]
        return default_target(purpose, model, chosen), chosen
    target = Path(path)
    ending = target.suffix.lower().removeprefix(".")
    if form is None and ending not in FORMATS:
        msg = f"{str(path)!r} is no report: end it with .{', .'.join(FORMATS)}, or give --format."
        raise InvalidInputError(msg)
    if form is not None and ending in FORMATS and ending != form:
        msg = f"{str(path)!r} ends with .{ending}, and --format asks for {form}: give one of them."
        raise InvalidInputError(msg)
    if target.is_dir() or not target.parent.is_dir():
        what = f"{target} is a folder" if target.is_dir() else f"there is no folder {target.parent}"
        msg = f"{what}: name a file to write the report to."
        raise InvalidInputError(msg)
    return target, form or ending


def check_packages(form: str) -> None:
    """Refuse a format whose packages are not installed.

    Raises
    ------
    EngineError
        If one is missing.
    """
    missing = [name for name in _NEEDS[form] if not _installed(name)]
    if missing:
        msg = f"{form} reports need {' and '.join(missing)}: pip install 'experiment-ledger[reports]'."
        raise EngineError(msg)


def prepare(form: str) -> Callable[[Section], None]:
    """See that a format can be written, and start what takes long to start, beside whatever comes next.

    Returns
    -------
    callable
        To be told each section when it is made: its charts are drawn beside whatever comes next.

    Raises
    ------
    EngineError
        If a package is missing.
    """
    check_packages(form)
    if form == "html":
        from experiments.services.reports import html
        from experiments.services.reports.drawing import drawer

        drawer()
        return html.draw
    return lambda _: None


def write(report: Report, path: str | Path, form: str | None = None) -> Path:
    """Write a report to a file, which is replaced.

    Parameters
    ----------
    report : Report
    path : str or Path
    form : str, optional
        One of `FORMATS`; by default what the path ends with.

    Raises
    ------
    NotFoundError
        If there is no such format.
    InvalidInputError
        If the path ends with no format, or its folder is not there.
    EngineError
        If a package is missing, or the file cannot be written.
    """
    target, chosen = check_target(path, form, "", None)
    check_packages(chosen)
    content = _content(report, chosen)
    try:
        target.write_bytes(content)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror}."
        raise EngineError(msg) from error
    return target


def _content(report: Report, form: str) -> bytes:
    # each format is made by a module of its own, whose packages the others do not need
    if form == "html":
        from experiments.services.reports.html import as_html

        return as_html(report).encode()
    if form == "pptx":
        from experiments.services.reports.pptx import as_pptx

        return as_pptx(report)
    from experiments.services.reports.markdown import as_markdown

    return as_markdown(report).encode()


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # somebody put nothing in its place
        return False
