"""What a word on the command line names: a path's identity is relative to the top of its own worktree."""

from __future__ import annotations

import os

from agentsync.errors import UsageError
from agentsync.git.refs import worktrees
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import Target
from agentsync.text import quoted, shell_path, show_path

if TYPE_CHECKING:
    from agentsync.git.repo import Repo


def target_of(repo: Repo, word: str, folder: str) -> Target:
    """The target that `word` names, seen from `folder`.

    `@name` without a slash is a resource unless such a path exists; `./@name` forces a path.
    Raises UsageError for a path outside of this worktree, inside `.git` or a submodule, and for no name at all.
    """
    if word.startswith("@") and "/" not in word and not os.path.lexists(os.path.join(folder, word)):
        name = word[1:]
        if name and len(name) <= 100 and all(c.isalnum() or c in "._-" for c in name) and name[0].isalnum():
            return Target(os.fsencode(word), is_resource=True)
        raise UsageError(
            f"{quoted(word, 80)} cannot name a resource",
            "letters, digits, '.', '_' and '-'",
            "agentsync lock @staging-db",
        )
    return Target(repo_path(repo, word, folder))


def repo_path(repo: Repo, word: str, folder: str) -> bytes:
    """The path of `word` from the top of this worktree, from relative, absolute and symlinked input alike.

    A symlink in the last place is the path itself: git tracks the link.
    """
    if not word or "\0" in word:
        raise UsageError(f"{quoted(word)} is not a path", "it is empty or has a null byte", "agentsync lock src/app.py")
    joined = os.path.normpath(os.path.join(folder, word))
    parent, leaf = os.path.split(joined)
    full = os.path.realpath(joined) if not leaf else os.path.join(os.path.realpath(parent), leaf)
    top = os.path.realpath(repo.top)
    if os.path.realpath(full) == top:
        return b""
    if not full.startswith(top + os.sep):
        raise _outside(repo, word, full)
    path = os.fsencode(full[len(top) + 1 :])
    _require_own(repo, path)
    return path


def _outside(repo: Repo, word: str, full: str) -> UsageError:
    for worktree in worktrees(repo):
        other = os.path.realpath(worktree.top)
        if full.startswith(other + os.sep):
            own = os.path.join(repo.top, full[len(other) + 1 :])
            return UsageError(
                f"{quoted(word)} belongs to another worktree of this repository",
                f"this one is {repo.top}",
                f"agentsync lock {shell_path(os.fsencode(own))}",
            )
    return UsageError(
        f"{quoted(word)} is outside of this worktree", f"its top is {repo.top}", "name a path inside of it"
    )


def _require_own(repo: Repo, path: bytes) -> None:
    """Refuse what lies in `.git`, in a submodule or in a repository of its own."""
    parts = path.split(b"/")
    if b".git" in parts:
        raise UsageError(f"{show_path(path)} is git's own", "only paths of the work tree are locked", "")
    for length in range(1, len(parts)):
        folder = os.path.join(os.fsencode(repo.top), *parts[:length])
        if os.path.lexists(os.path.join(folder, b".git")):
            inner = b"/".join(parts[:length])
            raise UsageError(
                f"{show_path(path)} lies in another repository",
                f"{show_path(inner)} is a submodule or a repository of its own",
                f"cd {shell_path(inner)} && agentsync lock {shell_path(b'/'.join(parts[length:]))}",
            )
