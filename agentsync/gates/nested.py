"""A worktree inside another one is not for commits: as an entry it would be a submodule that nobody can get."""

from __future__ import annotations

import os

from agentsync.git.refs import worktrees
from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.text import shell_path, show_path

if TYPE_CHECKING:
    from agentsync.judging.scene import Scene


def judge_nested(scene: Scene, entries: Transition) -> Verdict:
    """Refuse what would commit a worktree of this repository."""
    tops = {os.path.realpath(os.fsencode(one.top)) for one in worktrees(scene.repo)}
    top = os.fsencode(scene.repo.top)
    found = [
        Finding("protected", _lines(change.path), change.path)
        for change in entries.changes
        if os.path.realpath(os.path.join(top, change.path)) in tops
    ]
    return Verdict(tuple(found))


def _lines(path: bytes) -> tuple[str, ...]:
    return (
        f"{show_path(path)} is a worktree of this repository, which is not for commits",
        "take it out of the index; its folder stays as it is:",
        f"git rm -q --cached -f -- {shell_path(path)}",
    )
