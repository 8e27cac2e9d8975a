"""The code of a run, checked out beside the repository for as long as it is needed."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.errors import EngineError, InvalidInputError, NotFoundError
from experiments.services.reproduction.code import GitError, git

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT_SECONDS = 600.0
"""Time a checkout may take."""


def repository_with(commit: str, folder: Path | None, remote: str | None) -> Path:
    """The top of the repository around a folder, which has a commit.

    Parameters
    ----------
    commit : str
    folder : Path, optional
        By default the current one.
    remote : str, optional
        Where the repository is fetched from, for the message.

    Raises
    ------
    NotFoundError
        If the folder is in no repository, or the commit not in that.
    """
    where = Path.cwd() if folder is None else Path(folder)
    source = f" (it was fetched from {remote})" if remote else ""
    try:
        top = Path(os.fsdecode(git("rev-parse", "--show-toplevel", folder=where)).rstrip("\n"))
    except GitError as error:
        msg = (
            f"{where} is in no git repository that can be used ({error}): go to the repository of the run{source}, or "
            "name its folder."
        )
        raise NotFoundError(msg) from error
    try:
        git("cat-file", "-e", f"{commit}^{{commit}}", folder=top)
    except GitError as error:
        msg = f"the repository {top} has no commit {commit}: fetch it{source}, or name another folder."
        raise NotFoundError(msg) from error
    return top


@contextmanager
def checked_out(top: Path, commit: str, *, diff: bytes | None, keep: bool) -> Iterator[Path]:
    """A worktree of a commit with a diff applied, in a temporary folder that is removed at the end.

    Parameters
    ----------
    top : Path
        The repository.
    commit : str
    diff : bytes, optional
        As `git diff --binary` makes it.
    keep : bool
        Whether to leave it there.

    Raises
    ------
    EngineError
        If git cannot check it out.
    InvalidInputError
        If the diff does not fit the commit.
    """
    place = Path(tempfile.mkdtemp(prefix="reproduce-")).resolve()
    tree = place / top.name
    try:
        _check_out(top, commit, tree)
        if diff:
            _apply(diff, tree, place)
        yield tree
    finally:
        if not keep:
            _remove(top, tree, place)


def _check_out(top: Path, commit: str, tree: Path) -> None:
    quiet = ("-c", f"core.hooksPath={os.devnull}", "-c", "advice.detachedHead=false")
    try:
        git(*quiet, "worktree", "add", "--detach", str(tree), commit, folder=top, seconds=CHECKOUT_SECONDS)
        if (tree / ".gitmodules").exists():
            git("submodule", "update", "--init", "--recursive", folder=tree, seconds=CHECKOUT_SECONDS)
    except GitError as error:
        msg = f"commit {commit} of {top} cannot be checked out: {error}."
        raise EngineError(msg) from error


def _apply(diff: bytes, tree: Path, place: Path) -> None:
    file = place / "code.diff"
    file.write_bytes(diff)
    try:
        git("apply", "--binary", "--whitespace=nowarn", str(file), folder=tree)
    except GitError as error:
        msg = f"the diff kept with the run does not fit its commit: {error}."
        raise InvalidInputError(msg) from error


def _remove(top: Path, tree: Path, place: Path) -> None:
    """Take the worktree away, and what git remembers of it."""
    try:
        git("worktree", "remove", "--force", str(tree), folder=top, seconds=CHECKOUT_SECONDS)
    except GitError:  # it was never made, or a file in it is in use: git forgets it all the same
        shutil.rmtree(tree, ignore_errors=True)
    shutil.rmtree(place, ignore_errors=True)
    try:
        git("worktree", "prune", folder=top)
    except GitError:  # nothing of ours is left there that git would not drop by itself
        return
