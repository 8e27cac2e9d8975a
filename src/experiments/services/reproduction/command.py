"""The command of a run, as it is run again elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from experiments.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


LAST_LINES = 20
"""Lines of output that are kept for the report."""

_PYTHON = re.compile(r"(python|pypy)[0-9.]*(\.exe)?", re.IGNORECASE)


def is_script(command: Sequence[str]) -> bool:
    """Whether a command line can be given again: it names a script, a module or code, and is no notebook's."""
    rest = _after_python(command)
    notebook = any("ipykernel" in part or "colab_kernel_launcher" in part for part in rest)
    return not notebook and any(part in ("-c", "-m") or not part.startswith("-") for part in rest)


def in_worktree(command: Sequence[str], *, top: Path, tree: Path, folder: str) -> list[str]:
    """A recorded command line for another checkout: this Python, and the files of the repository from there.

    Parameters
    ----------
    command : sequence of str
        As it was recorded.
    top : Path
        The repository as it is here.
    tree : Path
        The checkout.
    folder : str
        Where the command was run, relative to the top.

    Raises
    ------
    NotFoundError
        If the script is not in the checkout.
    """
    rest = [_mapped(part, top=top, tree=tree) for part in _after_python(command)]
    script = next((part for part in rest if not part.startswith("-")), None)
    runs_a_file = script is not None and not {"-c", "-m"} & set(rest[: rest.index(script)])
    if runs_a_file and script is not None and not (tree / folder / script).exists():
        msg = (
            f"the script {script} is not in the commit of the run, nor in its diff: it was outside of the repository "
            "or untracked by git, so what it was then is not known."
        )
        raise NotFoundError(msg)
    return [sys.executable, *rest]


def import_path(top: Path, tree: Path) -> str | None:
    """PYTHONPATH for a checkout: the folders of the repository that this Python imports from, as they are there.

    A package of the repository that is installed to be edited would be imported from the repository itself.
    """
    given = [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    entries = [str(_mapped(str(entry), top=top, tree=tree)) for entry in given]
    edited = [Path(entry) for entry in sys.path[1:] if Path(entry).is_absolute() and Path(entry).is_relative_to(top)]
    entries += [str(there) for entry in edited if (there := tree / entry.relative_to(top)).is_dir()]
    return os.pathsep.join(dict.fromkeys(entries)) or None


def run(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    timeout: float | None,
    heard: Callable[[str], None],
) -> tuple[int | None, tuple[str, ...]]:
    """Run a command to its end, with all processes it starts; nothing of it outlives the call.

    Parameters
    ----------
    command : sequence of str
    folder : Path
        Where it runs.
    environment : mapping
        All variables it sees.
    timeout : float, optional
        Seconds after which it is ended.
    heard : callable
        Told each line it prints.

    Returns
    -------
    code : int or None
        Its exit code; None where it was ended at the timeout.
    last : tuple of str
        The last lines it printed.
    """
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(  # noqa: S603  what the user asks for: to run it again
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )

    def listen() -> None:
        for line in process.stdout or ():
            last.append(line.rstrip("\n"))
            heard(line.rstrip("\n"))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        code: int | None = process.wait(timeout)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # all have ended by themselves
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        listener.join(5)
        if process.stdout is not None and not listener.is_alive():
            process.stdout.close()
    return code, tuple(last)


def _after_python(command: Sequence[str]) -> list[str]:
    """A command line without the Python that ran it."""
    first = PurePath(command[0].replace("\\", "/")).name if command else ""
    return list(command[1:] if _PYTHON.fullmatch(first) else command)


def _mapped(part: str, *, top: Path, tree: Path) -> str:
    """An argument; a file of the repository, named absolutely, as the checkout has it."""
    path = Path(part)
    if not path.is_absolute():
        return part
    if path.is_relative_to(top):
        return str(tree / path.relative_to(top))
    if path.exists():
        return part
    # recorded on another machine, or before the repository was moved: its end is still the same
    ends = (tree.joinpath(*path.parts[start:]) for start in range(1, len(path.parts)))
    return next((str(end) for end in ends if end.exists()), part)
