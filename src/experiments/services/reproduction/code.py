"""The code that runs: commit, branch, what differs from the commit, and where the repository is fetched from."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TIME_LIMIT = 10.0
"""Seconds a question to git may take."""

LARGEST_DIFF = 10 * 2**20
"""Bytes of a diff above which it is not kept."""

SETTINGS = frozenset(
    {
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    }
)
"""Variables of git that git is left: all others would name another repository or change what it prints."""

_HOST = re.compile(r"[^:]*(:[0-9]*)?|\[.*")
"""A host, maybe with a port."""

_DIFF = (
    *("diff", "HEAD", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--submodule=short", "--ignore-submodules=dirty"),
)


@dataclass(frozen=True, kw_only=True)
class CodeState:
    """The code of the repository around a folder, at one moment.

    Attributes
    ----------
    commit, branch : str or None
        None where there is none: outside a repository, before the first commit; the branch also on a detached head.
    dirty : bool or None
        Whether tracked files differ from the commit; None without one.
    remote : str or None
        Where the repository is fetched from, without user, password and query.
    folder : str or None
        The folder asked about, relative to the top of the repository: "." at the top.
    diff : bytes or None
        What differs from the commit, as `git apply` takes it; None where nothing does or it was not kept.
    untracked : tuple of str
        Files and folders git does not know and is not told to ignore, relative to the top.
    notes : tuple of str
        What could not be told, and what is recorded in its place.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None
    remote: str | None = None
    folder: str | None = None
    diff: bytes | None = None
    untracked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Status:
    """What `git status` tells."""

    commit: str | None
    branch: str | None
    dirty: bool | None
    untracked: tuple[str, ...]
    submodules: tuple[str, ...]


class GitError(Exception):
    """Git is not there, took too long, or refused; the text is its first line."""


def head(folder: Path | None = None) -> tuple[str | None, str | None, bool | None]:
    """Commit, branch and whether tracked files have changed; None where there is no commit to name."""
    try:
        found = _status(folder, untracked="no")
    except GitError:
        return None, None, None
    return found.commit, found.branch, found.dirty


def state(folder: Path | None = None) -> CodeState:
    """The state of the code around a folder: three questions to git, a fourth where tracked files have changed.

    Parameters
    ----------
    folder : Path, optional
        By default the current one.
    """
    try:
        found = _status(folder, untracked="normal")
        where = _text(git("rev-parse", "--show-prefix", folder=folder)).rstrip("\n").rstrip("/") or "."
    except GitError as error:
        return CodeState(notes=(f"no commit is recorded: {error}",))
    notes = [
        f"the submodule {name} has changes of its own, which are not in the diff: its commit is recorded"
        for name in found.submodules
    ]
    diff = None
    if found.commit is None:
        notes.append("no commit is recorded: the repository has none yet")
    elif found.branch is None:
        notes.append("no branch is recorded: the head is detached")
    if found.dirty:
        try:
            diff = git(*_DIFF, folder=folder, at_most=LARGEST_DIFF) or None
        except GitError as error:
            notes.append(f"tracked files have changed, and how is not recorded: {error}")
    return CodeState(
        commit=found.commit,
        branch=found.branch,
        dirty=found.dirty,
        remote=_remote(found.branch, folder),
        folder=where,
        diff=diff,
        untracked=found.untracked,
        notes=tuple(notes),
    )


def without_credentials(url: str) -> str:
    """The address of a repository without user, password, query and fragment.

    Examples
    --------
    >>> without_credentials("https://me:token@example.org/team/code.git?key=1")
    'https://example.org/team/code.git'
    >>> without_credentials("git@example.org:team/code.git")
    'git@example.org:team/code.git'
    """
    helper, twice, _ = url.partition("::")
    if twice and helper.isalnum():  # what follows is for a helper of git's, and may be a whole command
        return helper + twice
    scheme, slashes, rest = url.partition("://")
    if not slashes:
        host, colon, path = url.partition(":")
        return f"{_without_user(host)}{colon}{path}" if colon and "/" not in host else url
    rest = re.split("[?#]", rest, maxsplit=1)[0]
    host, slash, path = rest.partition("/")
    if "@" not in host and not _HOST.fullmatch(host) and "@" in path:  # a password with a slash in it
        host, slash, path = path.rpartition("@")[2].partition("/")
    return f"{scheme}://{_without_user(host)}{slash}{path}"


def _without_user(host: str) -> str:
    """A host without who logs in to it; `git` is nobody's name, and an address of ssh does not work without it."""
    user, at, name = host.rpartition("@")
    return host if at and user == "git" else name


def git(*arguments: str, folder: Path | None = None, at_most: int | None = None, seconds: float = TIME_LIMIT) -> bytes:
    """What a git command prints, in a folder.

    Parameters
    ----------
    *arguments : str
    folder : Path, optional
        By default the current one.
    at_most : int, optional
        Bytes of output above which it is stopped.
    seconds : float
        Time after which it is stopped.

    Raises
    ------
    GitError
        If there is no git, it fails, takes longer or prints more.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  fixed arguments, no shell
            ["git", *arguments],  # noqa: S607  the git the user would type
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        msg = "there is no git" if isinstance(error, FileNotFoundError) else f"git cannot be run: {error.strerror}"
        raise GitError(msg) from error
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        out, told = _read(process, at_most)
    finally:
        in_time = late.is_alive()
        late.cancel()
    if at_most is not None and len(out) > at_most:
        msg = f"the diff is over {at_most / 2**20:.0f} MB"
        raise GitError(msg)
    if process.returncode:
        msg = _said(_text(told)) or f"exit code {process.returncode}" if in_time else f"git took over {seconds:g} s"
        raise GitError(msg)
    return out


def _read(process: subprocess.Popen[bytes], at_most: int | None) -> tuple[bytes, bytes]:
    """What a process prints on both its outputs, until it ends or has printed more than it may."""
    with process:
        if at_most is None or process.stdout is None:
            return process.communicate()
        out = process.stdout.read(at_most + 1)
        if len(out) > at_most:
            process.kill()
        rest, told = process.communicate()
        return out + rest, told


def _environment() -> dict[str, str]:
    """The variables git is run with: those of the caller that name another repository or another diff left out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in SETTINGS}
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _status(folder: Path | None, *, untracked: str) -> _Status:
    lines = _text(
        git("status", "--porcelain=v2", "--branch", "-z", f"--untracked-files={untracked}", folder=folder)
    ).split("\0")
    facts = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    changes = list(_changes(lines))
    commit = facts.get("branch.oid")
    born = commit not in (None, "(initial)")
    branch = facts.get("branch.head")
    return _Status(
        commit=commit if born else None,
        branch=None if branch == "(detached)" else branch,
        dirty=any(not line.startswith("? ") for line in changes) if born else None,
        untracked=tuple(line[2:] for line in changes if line.startswith("? ")),
        submodules=tuple(line.split(" ", 8)[8] for line in changes if _changed_inside(line)),
    )


def _changes(lines: Sequence[str]) -> list[str]:
    """The entries of a status, without the former name that follows a renamed one."""
    found, former = [], False
    for line in lines:
        if not former and line and not line.startswith("# "):
            found.append(line)
        former = line.startswith("2 ") and not former
    return found


def _changed_inside(line: str) -> bool:
    """Whether an entry, such as "1 .M S.M. ...", is a submodule with changes of its own."""
    parts = line.split(" ", 8)
    return parts[0] == "1" and parts[2].startswith("S") and parts[2][2:] != ".."


def _remote(branch: str | None, folder: Path | None) -> str | None:
    """Where the branch is fetched from, else origin, else the first there is; without credentials."""
    try:
        found = _text(git("config", "--null", "--get-regexp", r"^(remote\..*\.url|branch\..*\.remote)$", folder=folder))
    except GitError:  # there is none
        return None
    settings = dict(entry.partition("\n")[::2] for entry in reversed(found.split("\0")) if entry)
    urls = {name: url for name, url in settings.items() if name.startswith("remote.")}
    wanted = (settings.get(f"branch.{branch}.remote"), "origin")
    url = next((urls[f"remote.{name}.url"] for name in wanted if f"remote.{name}.url" in urls), None)
    url = url or next(reversed(urls.values()), None)
    return None if url is None else without_credentials(url)


def _said(told: str) -> str:
    """The first line git calls an error, else the first there is."""
    lines = [line for line in told.splitlines() if line.strip()]
    errors = [line.partition(": ")[2] for line in lines if line.startswith(("fatal: ", "error: "))]
    return next(iter(errors or lines), "").rstrip(".")


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
