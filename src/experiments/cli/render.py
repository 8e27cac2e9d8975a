"""Tables for people, JSON for machines."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

WIDE = 12
"""Columns above which a row is printed as a block of lines."""

PIPED_WIDTH = 132
"""Columns of a table that goes to a file or a pipe."""


def number(digits: int) -> Callable[[Any], str]:
    """A format for numbers with this many decimals; NULL is a dash."""
    return lambda value: "-" if _is_null(value) else f"{float(value):,.{digits}f}"


def percent(value: Any) -> str:
    """A share as a signed percentage with one decimal; NULL is a dash."""
    return "-" if _is_null(value) else f"{100 * float(value):+.1f} %"


def share(value: Any) -> str:
    """A share as a percentage with one decimal; NULL is a dash."""
    return "-" if _is_null(value) else f"{100 * float(value):.1f} %"


def rounded_share(value: Any) -> str:
    """A share as a whole percentage; NULL is a dash."""
    return "-" if _is_null(value) else f"{100 * float(value):.0f} %"


def interval(value: float | None, lower: float | None, upper: float | None) -> str:
    """A share with its confidence interval, in percent; NULL is a dash."""
    if value is None or math.isnan(value):
        return "-"
    if lower is None or upper is None or math.isnan(lower):
        return f"{100 * value:+.1f} %"
    return f"{100 * value:+.1f} % [{100 * lower:+.1f}, {100 * upper:+.1f}]"


def dollars(value: Any) -> str:
    """An amount with two significant digits at least; NULL is a dash."""
    if _is_null(value):
        return "-"
    return f"{float(value):.2f}" if float(value) >= 1 else f"{float(value):.2g}"


def flag(value: Any) -> str:
    """Yes or no; NULL is a dash."""
    return "-" if _is_null(value) else "yes" if value else "no"


def pvalue(value: Any) -> str:
    """A p-value with three decimals; NULL is a dash."""
    if _is_null(value):
        return "-"
    return f"{float(value):.3f}" if float(value) >= 0.001 else "<.001"  # noqa: PLR2004


def text(value: Any) -> str:
    """Anything else; NULL is a dash, times are cut to the minute."""
    if _is_null(value):
        return "-"
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, dt.datetime) else str(value)


Columns = Mapping[str, tuple[str, Callable[[Any], str]]]
"""Which columns of a frame are shown: name to heading and format."""

EVIDENCE: Columns = {
    "place": ("", number(0)),
    "model_name": ("model", text),
    "loss": ("MAE", number(3)),
    "to_naive": ("vs naive [95 %]", text),
    "to_leader": ("vs leader [95 %]", text),
    "dm_pvalue": ("p", pvalue),
    "dm_pvalue_holm": ("Holm", pvalue),
    "in_confidence_set": ("set", flag),
    "naive_win_share": ("won", rounded_share),
    "told": ("verdict", text),
}
"""Columns of a printed leaderboard: what can be said of each model."""

ACCURACY: Columns = {
    "place": ("", number(0)),
    "model_name": ("model", text),
    "mae_1day": ("MAE 1", number(3)),
    "mae_7day": ("MAE 7", number(3)),
    "mae_14day": ("MAE 14", number(3)),
    "mae_path": ("MAE all", number(3)),
    "directional_accuracy": ("direction", share),
    "n_windows": ("windows", number(0)),
    "n_failed_windows": ("failed", number(0)),
    "execution_time_seconds": ("seconds", number(1)),
    "cost_estimate_usd": ("dollars", dollars),
}
"""Columns of the second table: each model on its own windows, and what it cost."""

HISTORY: Columns = {
    "commodity": ("commodity", text),
    "frequency": ("frequency", text),
    "forecast_horizon_days": ("horizon", number(0)),
    "model_type": ("model type", text),
    "total_experiments": ("experiments", number(0)),
    "unique_models": ("models", number(0)),
    "avg_mae": ("mean MAE 14", number(3)),
    "best_mae": ("lowest MAE 14", number(3)),
    "total_hours": ("hours", number(4)),
}
"""Columns of a printed history."""

CANDIDATES: Columns = {
    "commodity": ("commodity", text),
    "unique_id": ("series", text),
    "frequency": ("frequency", text),
    "forecast_horizon_days": ("horizon", number(0)),
    "model_name": ("model", text),
    "num_runs": ("runs", number(0)),
    "avg_mae": ("mean MAE 14", number(3)),
    "avg_time": ("mean seconds", number(1)),
    "last_run": ("last run", text),
}
"""Columns of printed candidates for pruning."""

BEST: Columns = {
    "place": ("", number(0)),
    "model_name": ("model", text),
    "model_version": ("version", text),
    "mae_14day": ("MAE 14", number(3)),
    "directional_accuracy": ("direction", share),
    "dm_pvalue": ("p", pvalue),
    "metrics_source": ("figures", text),
}
"""Columns of printed best models."""


def table(frame: pd.DataFrame, columns: Columns | None = None) -> None:
    """Print a frame as a table: all its columns, or the ones named with their headings and formats."""
    from rich.console import Console

    if columns is None and len(frame.columns) > WIDE:
        _print_records(frame)
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=PIPED_WIDTH)
    console.print(drawn(frame, columns or {str(name): (str(name), _plain) for name in frame.columns}))


def drawn(frame: pd.DataFrame, columns: Columns) -> Table:
    """A frame as a table to print: the columns named, with their headings and formats."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, (heading, _) in columns.items():
        table.add_column(heading, justify="right" if _is_numeric(frame[name]) else "left", overflow="fold")
    for row in frame.to_dict("records"):
        table.add_row(*(Text(shown(row[name])) for name, (_, shown) in columns.items()))
    return table


def _print_records(frame: pd.DataFrame) -> None:
    """Each row as a block of lines, a column a line: a table this wide cannot be read."""
    width = max(len(str(name)) for name in frame.columns)
    for position, row in enumerate(frame.to_dict("records"), 1):
        click.echo(f"- row {position}")
        for name, value in row.items():
            click.echo(f"{name!s:>{width}}  {_plain(value)}")


def as_json(content: Any) -> None:
    """Print JSON: frames as lists of objects, NULL and NaN as null, dates and times in ISO form."""
    click.echo(json.dumps(_plain_json(content), indent=2, ensure_ascii=False, allow_nan=False))


def _plain_json(value: Any) -> Any:
    if hasattr(value, "columns"):
        value = value.to_dict("records")
    elif hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain_json(item) for item in value]
    if _is_null(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return str(value)  # JSON has no number for it
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return value if isinstance(value, (str, int, float)) else str(value)


def _plain(value: Any) -> str:
    return f"{value:,.6g}" if isinstance(value, float) and not _is_null(value) else text(value)


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NaTType"


def _is_numeric(column: pd.Series[Any]) -> bool:
    return column.dtype.kind in "fiu"
