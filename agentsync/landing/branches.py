"""The branches that `worktree add` made: only those go with their worktree."""

from __future__ import annotations

import os

from agentsync.files import read_or_empty, write_whole
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.git.repo import Repo


def note_made(repo: Repo, branch: str) -> None:
    """Note a branch as made by us."""
    _write(repo, made_branches(repo) | {branch})


def note_gone(repo: Repo, branch: str) -> None:
    """Forget a branch."""
    _write(repo, made_branches(repo) - {branch})


def made_branches(repo: Repo) -> set[str]:
    """The branches that we made."""
    return set(read_or_empty(_file(repo)).decode("utf-8", "surrogateescape").splitlines())


def _write(repo: Repo, branches: set[str]) -> None:
    text = "".join(branch + "\n" for branch in sorted(branches))
    write_whole(_file(repo), text.encode("utf-8", "surrogateescape"))


def _file(repo: Repo) -> str:
    return os.path.join(repo.shared_dir, "made-branches")
