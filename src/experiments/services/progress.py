"""A progress bar on standard error."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress_bar(what: str, *, total: int, enabled: bool) -> Iterator[Callable[..., None]]:
    """Show a bar with the time that remains while the block runs.

    Yields a function that names what is done and advances the bar, by one unless it is told by how much.

    Parameters
    ----------
    what : str
        What is being done, at the left of the bar.
    total : int
        Steps until it is full.
    enabled : bool
        Whether to show it at all.
    """
    if not enabled or total == 0:
        yield lambda doing, steps=1: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    # in a notebook rich draws with ipywidgets, and warns at every step where they are not there
    can_draw = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[doing]}"),
        console=console,
        transient=True,
        disable=not can_draw,
    )
    with bar:
        task = bar.add_task(what, total=total, doing="")
        yield lambda doing, steps=1: bar.update(task, advance=steps, doing=doing)
