"""Where a file lies that an agent is about to write: in which worktree, or among what is guarded."""

from __future__ import annotations

import os

from agentsync.git.refs import head_of
from agentsync.git.repo import MAIN_WORKTREE, Repo, around, git_elsewhere
from agentsync.git.run import LOCAL_VARIABLES
from agentsync.judging.verdict import Finding
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import quoted, shell_path

if TYPE_CHECKING:
    from collections.abc import Mapping


_LONGEST = 4096  # PATH_MAX of Linux


class Place(NamedTuple):
    """A file: the worktree that it lies in and its path there; `full` is absolute, its folder without symlinks."""

    repo: Repo
    path: bytes
    full: str


def agents_environment(environ: Mapping[str, str], dialect: str) -> dict[str, str]:
    """The hook's environment without what ties git to one repository; that an agent acts is certain here."""
    free = {key: value for key, value in environ.items() if key not in LOCAL_VARIABLES}
    return {"AI_AGENT": dialect, **free}


def place_of(environ: Mapping[str, str], folder: str, word: str) -> Place | None:
    """The place that `word` names, seen from `folder`; None outside of every repository with agentsync."""
    if not word or "\0" in word or len(word) > _LONGEST or not (folder or os.path.isabs(word)):
        return None
    parent, leaf = os.path.split(os.path.normpath(os.path.join(folder, os.path.expanduser(word))))
    full = os.path.join(os.path.realpath(parent), leaf)
    repo = around(environ, os.path.dirname(full))
    whole = os.path.lexists(os.path.join(full, ".git"))  # a worktree's top: what would be written in it is not known
    if repo is None or not leaf or whole or not os.path.isdir(repo.shared_dir):
        return None
    return Place(repo, os.fsencode(full[len(repo.top) :].lstrip(os.sep)), full)


def guarded_folders(repo: Repo) -> tuple[str, ...]:
    """What no agent writes: the shared state and git's hooks."""
    return (repo.shared_dir, os.path.join(repo.common_dir, "hooks"))


def guarded_finding(repo: Repo, word: str, folder: str) -> Finding | None:
    """A refusal for a file among what is guarded."""
    if "\0" in word or len(word) > _LONGEST:
        return None
    full = os.path.realpath(os.path.join(folder, os.path.expanduser(word)))
    if not any(full == place or full.startswith(place + os.sep) for place in guarded_folders(repo)):
        return None
    from agentsync.agents.shell.dangers import guarded

    return Finding("elsewhere", tuple(guarded(word)))


def elsewhere_finding(own: Repo, place: Place) -> Finding | None:
    """A refusal for a write from a linked worktree into another one of the same repository.

    Agents in a worktree write by absolute path into the main checkout; from there nobody strays into a linked one.
    """
    other = place.repo
    if other.common_dir != own.common_dir or other.top == own.top or own.worktree_id == MAIN_WORKTREE:
        return None
    if place.path.startswith(b".omx/"):
        return None  # where the leader of an OMX team keeps what its workers write
    if git_elsewhere(own.environ, other.top, "check-ignore", "-q", "--", place.path, ok=()).code == 0:
        return None  # what is shared on purpose, such as node_modules
    name = "the main worktree" if other.worktree_id == MAIN_WORKTREE else f"worktree {other.worktree_id}"
    branch = head_of(other).branch.removeprefix("refs/heads/")
    lines = (
        f"{quoted(place.full, 200)} lies in {name}" + (f" (branch {branch})" if branch else ""),
        f"this agent works in {own.top}; the same file here is:",
        shell_path(os.path.join(os.fsencode(own.top), place.path)),
    )
    return Finding("elsewhere", lines, place.path)
