"""Where marker files may stand: beside a path, in the worktrees used last. A few stats, so every commit can look."""

from __future__ import annotations

import os
import time

from agentsync.git.refs import main_top
from agentsync.git.repo import MAIN_WORKTREE, admin_dir_of, private_dir_of, read_line
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.git.repo import Repo

SUFFIX = b".agent-lock"
HEADER = "# agentsync: locked. This file only tells; to lock or unlock use the agentsync command."
MOST_WORKTREES = 50
MOST_PATHS = 200
_DAY = 86400


def recent_tops(repo: Repo) -> list[tuple[str, str]]:
    """The worktrees used in the last day, newest first, at most 50: their ids and top folders; this one first."""
    found = []
    try:
        names = os.listdir(os.path.join(repo.common_dir, "worktrees"))
    except OSError:
        names = []
    for name in (MAIN_WORKTREE, *names):
        try:
            seen = os.stat(os.path.join(private_dir_of(admin_dir_of(repo.common_dir, name)), "alive")).st_mtime
        except OSError:
            continue
        if name != repo.worktree_id and seen > time.time() - _DAY:
            found.append((seen, name))
    newest = [name for _, name in sorted(found, reverse=True)[:MOST_WORKTREES]]
    return [(repo.worktree_id, repo.top), *((name, top) for name in newest if (top := _top_of(repo, name)))]


def _top_of(repo: Repo, name: str) -> str:
    if name == MAIN_WORKTREE:
        return main_top(repo)
    git_dir = admin_dir_of(repo.common_dir, name)
    pointer = read_line(os.path.join(git_dir, "gitdir"))
    return os.path.dirname(os.path.join(git_dir, pointer)) if pointer else ""


def marker_file(top: str, path: bytes) -> bytes:
    """Where the marker of a path stands in a worktree."""
    return os.path.join(os.fsencode(top), path + SUFFIX)


def is_hand_made(marker: bytes) -> bool:
    """Whether a file is a marker that somebody wrote: it lacks our header."""
    return os.path.isfile(marker) and not os.path.islink(marker) and read_line(os.fsdecode(marker)) != HEADER


def marked(tops: Sequence[tuple[str, str]], paths: Iterable[bytes]) -> dict[bytes, list[str]]:
    """Which of some paths have hand-made markers, and in which worktrees, the earliest first: it is the lock."""
    found: dict[bytes, list[str]] = {}
    for count, path in enumerate(paths):
        if count >= MOST_PATHS:
            break
        made = [(written, worktree) for worktree, top in tops if (written := _hand_made_at(marker_file(top, path)))]
        if made:
            found[path] = [worktree for _, worktree in sorted(made)]
    return found


def _hand_made_at(marker: bytes) -> int:
    """When a hand-made marker was written, in nanoseconds since the epoch; 0 for none."""
    try:
        written = os.lstat(marker).st_mtime_ns
    except OSError:
        return 0
    return written if is_hand_made(marker) else 0
