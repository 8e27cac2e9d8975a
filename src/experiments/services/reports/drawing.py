"""Specifications of charts as SVG: vl-convert, which needs neither a browser nor a network.

It draws in a process of its own, which starts while the ledger opens: it takes a second to start, and holds the
interpreter's lock while it draws.
"""

from __future__ import annotations

import atexit
import json
import re
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from experiments.errors import EngineError

_SCRIPT = Path(__file__).with_name("drawing_process.py")
_TAG = re.compile(r"<[^<>]+>")
_IDENTIFIED = re.compile(r'(\bid="|url\(#|href="#)([\w-]+)')

_PATIENCE_SECONDS = 5


class Drawer:
    """A process that draws, one chart after another."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  this package's own script
            [sys.executable, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self._thread = ThreadPoolExecutor(max_workers=1)

    def draw(self, spec: dict[str, Any], name: str) -> Future[str]:
        """A specification as SVG, to stand inside a page; beside whatever comes next.

        Parameters
        ----------
        spec : dict
            Vega-Lite.
        name : str
            What the ids of this drawing begin with: those of one page are its own.
        """
        return self._thread.submit(self._drawn, spec, name)

    def close(self) -> None:
        """Stop the process."""
        self._thread.shutdown(cancel_futures=True)
        try:
            self._process.communicate(timeout=_PATIENCE_SECONDS)
        except (subprocess.TimeoutExpired, OSError, ValueError):
            self._process.kill()
            self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether it can draw."""
        return self._process.poll() is None

    def _drawn(self, spec: dict[str, Any], name: str) -> str:
        given, taken = self._process.stdin, self._process.stdout
        answer = ""
        if given is not None and taken is not None:
            try:
                given.write(json.dumps(spec, allow_nan=False) + "\n")
                given.flush()
                answer = taken.readline()
            except OSError:
                answer = ""
        if not answer:
            msg = "the charts cannot be drawn: vl-convert ended. Write the report as .md, which has none."
            raise EngineError(msg)
        found = json.loads(answer)
        if "error" in found:
            msg = f"a chart cannot be drawn: {found['error']}"
            raise EngineError(msg)
        return _TAG.sub(lambda tag: _IDENTIFIED.sub(rf"\1{name}-\2", tag.group()), str(found["svg"]))


_drawers: list[Drawer] = []


def drawer() -> Drawer:
    """The process that draws for this one, started where there is none."""
    if not _drawers or not _drawers[-1].is_running:
        if not _drawers:
            atexit.register(close)
        _drawers.append(Drawer())
    return _drawers[-1]


def close() -> None:
    """Stop whatever draws."""
    while _drawers:
        _drawers.pop().close()
