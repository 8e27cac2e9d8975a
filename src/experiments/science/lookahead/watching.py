"""Which files code reads, programs it starts and addresses it connects to, by Python's own audit events."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

_CODE = (".py", ".pyc", ".so", ".dylib", ".pyd", ".nbi", ".nbc", ".egg-info")
"""Files that are code or its cache, wherever they lie."""

_DATA = (".csv", ".csv.gz", ".tsv", ".parquet", ".feather", ".arrow", ".xlsx", ".xls", ".dta", ".npy", ".pkl")
"""Files that are data even where packages are installed; not .npz and .json, of which libraries have their tables."""

_ABOUT_THE_MACHINE = {"lscpu", "uname", "sysctl", "ldconfig", "gcc", "cc", "ld", "nvidia-smi"}
"""Programs that libraries start to count processors and find one another."""

_PROGRAMS = ("subprocess.Popen", "os.posix_spawn", "os.system")

_SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/usr/share/zoneinfo")

_TICK = 0.02
"""Seconds by which the time of a file may lie before the clock's."""

_watchers: list[list[tuple[str, Any]]] = []


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect, in words, what is read from outside while the block runs; the list is filled when it ends.

    What belongs to Python, its packages and the system is left out, as are hidden folders of the home folder, which
    libraries keep their caches in, unless its name is that of a data file; so are temporary files that did not exist
    before, and programs that lie in packages. What a library opens without Python (pyarrow's own readers) is not seen.
    """
    _install()
    events: list[tuple[str, Any]] = []
    found: list[str] = []
    started = time.time()
    _watchers.append(events)
    try:
        yield found
    finally:
        _watchers.remove(events)
        found += dict.fromkeys(said for kind, what in events if (said := _in_words(kind, what, started)))


@cache
def _install() -> None:
    """Once for the process: an audit hook cannot be taken away, and does nothing while nobody watches."""
    setattr(_hook, "__cantrace__", True)  # noqa: B010  else no coverage tool sees it run; mypy knows no such attribute
    sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _watchers:
        return
    what: Any = None
    if event == "sqlite3.connect" or (event == "open" and not arguments[2] & os.O_WRONLY):
        what = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):  # text is the path of a local socket
        what = arguments[1]
    elif event in _PROGRAMS:
        what = (os.fsdecode(arguments[0]),)
    if isinstance(what, str | bytes | os.PathLike):
        what = os.path.abspath(os.fsdecode(what))
    for events in _watchers if isinstance(what, str | tuple) else ():
        events.append((event, what))


def _in_words(kind: str, what: Any, started: float) -> str | None:
    """What was opened, None where every program does."""
    if kind == "socket.connect":
        return f"connects to {what[0]} port {what[1]}"
    if kind in _PROGRAMS:
        program = shutil.which(what[0]) or what[0]
        own = Path(program).name in _ABOUT_THE_MACHINE or any(_inside(program, folder) for folder in _packages())
        return None if own else f"starts {program}"
    if what.endswith(_CODE) or not Path(what).is_file():
        return None
    if not what.lower().endswith(_DATA) and any(_inside(what, folder) for folder in _own_folders()):
        return None
    if _inside(what, os.path.realpath(tempfile.gettempdir())) and os.stat(what).st_ctime >= started - _TICK:
        return None
    return f"reads {what}"


def _inside(path: str, folder: str) -> bool:
    return os.path.realpath(path).startswith(folder.rstrip(os.sep) + os.sep)


@cache
def _packages() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    on_path = {path for path in sys.path if {"site-packages", "dist-packages"} & set(Path(path).parts)}
    return tuple(sorted({os.path.realpath(path) for path in (paths["purelib"], paths["platlib"], *on_path)}))


@cache
def _own_folders() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    environment = {sys.prefix} if sys.prefix != sys.base_prefix else set()
    hidden = {str(path) for path in Path.home().glob(".*")}
    python = (paths["stdlib"], paths["platstdlib"], *_packages(), *environment)
    return tuple(sorted({os.path.realpath(path) for path in (*python, *_SYSTEM, *hidden)}))
