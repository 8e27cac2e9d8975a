"""Reports as a scheduler has them written: a page and slides, named after the day, in one folder."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import InvalidInputError
from experiments.services.reports.building import build
from experiments.services.reports.writing import check_packages, prepare, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from experiments.services.ledger import Ledger
    from experiments.services.reports.model import Report, Section

_FORMATS = ("html", "pptx")


def prepare_folder(folder: str | Path) -> tuple[Path, Callable[[Section], None]]:
    """See that reports can be written to a folder, before any work.

    Parameters
    ----------
    folder : str or Path
        Made if it is missing.

    Returns
    -------
    Path
        The folder.
    callable
        What `write_reports` tells each section.

    Raises
    ------
    EngineError
        If a package is missing.
    InvalidInputError
        If the folder cannot be made.
    """
    for form in _FORMATS:
        check_packages(form)
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the folder {target} of the reports cannot be made: {error.strerror}. Name another with --output-dir."
        raise InvalidInputError(msg) from error
    return target, prepare("html")


def write_reports(
    ledger: Ledger, purpose: str, folder: Path, show: Callable[[Section], None]
) -> tuple[Report, list[Path]]:
    """Build a report once and write it as a page and as slides; those of the same day are replaced.

    Parameters
    ----------
    ledger : Ledger
        An empty one has a report that says so.
    purpose : str
        "pruning" or "presentation".
    folder, show
        From `prepare_folder`.
    """
    made = build(ledger, purpose, show=show)
    day = f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"
    return made, [write(made, folder / f"{purpose}-report-{day}.{form}", form) for form in _FORMATS]
