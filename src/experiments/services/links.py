"""Links an evaluation gets by configuration: to a dashboard, and to where its model is kept."""

from __future__ import annotations

import os
import string
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from experiments.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

TEMPLATES = {"dashboard_url": "EXPERIMENTS_DASHBOARD_URL", "model_path": "EXPERIMENTS_MODEL_PATH"}
"""Columns of `model_runs`, and the environment variables with their templates."""

PLACEHOLDERS = ("backtest_id", "commodity", "experiment_id", "model_name")
"""What a template may name, in braces; two braces stand for one."""


def configured_links(names: Mapping[str, Any]) -> dict[str, str]:
    """The columns the environment has a template for, with the placeholders replaced; percent-encoded in a URL.

    Parameters
    ----------
    names : mapping
        Values of the `PLACEHOLDERS`; a link that names one without a value is left out.

    Raises
    ------
    InvalidInputError
        If a template names anything else.
    """
    links = {}
    for column, setting in TEMPLATES.items():
        pieces = _parse(setting, os.environ.get(setting, ""))
        known = {name: str(names[name]) for _, name in pieces if name and names.get(name) is not None}
        if column == "dashboard_url":
            known = {name: quote(value, safe="") for name, value in known.items()}
        if pieces and all(name is None or name in known for _, name in pieces):
            links[column] = "".join(before + (known[name] if name else "") for before, name in pieces)
    return links


def _parse(setting: str, template: str) -> list[tuple[str, str | None]]:
    """Pieces of text, each with the placeholder that follows it."""
    accepted = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        pieces = list(string.Formatter().parse(template))
    except ValueError as error:
        msg = f"{setting} is {template!r}: {error}. It takes {accepted}."
        raise InvalidInputError(msg) from error
    for _, name, format_spec, conversion in pieces:
        if name is not None and (name not in PLACEHOLDERS or format_spec or conversion):
            msg = f"{setting} is {template!r}, with the unknown placeholder {name!r}. It takes {accepted}."
            raise InvalidInputError(msg)
    return [(before, name) for before, name, _, _ in pieces]
