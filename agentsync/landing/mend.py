"""What a killed landing leaves is finished or dropped, from its record."""

from __future__ import annotations

import os
import time

from agentsync.errors import GitError
from agentsync.git.refs import resolve_ref, worktrees
from agentsync.judging.landing import Landing, end, landing_now
from agentsync.landing.follow import follow, follow_merging, follow_submodules
from agentsync.landing.in_the_way import shown, untracked_in_the_way
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo
    from agentsync.state.store import Store

_STALE_LOCK = 3.0  # seconds; git holds a lock of its own for milliseconds


def mend(repo: Repo, store: Store, author: str) -> str:
    """Finish or drop what a killed landing left; what was done, in words, empty when there was nothing to do.

    Raises GitError where the index has staged changes that only a person can put right.
    """
    landing = landing_now(store.snapshot())
    if landing is None or landing.under_way:
        return ""
    behind = [one for one in worktrees(repo) if one.id in landing.worktrees and one.present]
    _drop_stale_locks(repo, landing, behind)
    now = resolve_ref(repo, landing.ref)
    if now == landing.old:
        end(store, author)
        return ""
    left: list[bytes] = []
    for worktree in behind:
        untracked = untracked_in_the_way(repo, worktree.top, landing.old, now)
        if untracked or not _follows(repo, worktree, landing.old, now):
            left += follow_merging(repo, worktree, landing.old, now)
    for worktree in behind:
        follow_submodules(repo, worktree.top, landing.old, now)
    end(store, author)
    if not behind:
        return ""
    what = f"finished a landing on {landing.ref.removeprefix('refs/heads/')} that was killed"
    return what + (f"; left as they stand, without what landed: {shown(left)}" if left else "")


def _follows(repo: Repo, worktree: Worktree, old: str, new: str) -> bool:
    try:
        follow(repo, worktree, old, new)
    except GitError:
        return False
    return True


def _drop_stale_locks(repo: Repo, landing: Landing, places: Sequence[Worktree]) -> None:
    """Take away the locks that the killed lander's own git left; one that is somebody's vanishes while we wait."""
    names = [os.path.join(repo.common_dir, f"{landing.ref}.lock")]
    names += [os.path.join(place.git_dir, name) for place in places for name in ("HEAD.lock", "index.lock")]
    for lock in names:
        while (age := _age(lock)) is not None and time.time() - age >= landing.since - 1:
            if age > _STALE_LOCK:
                os.unlink(lock)
                break
            time.sleep(0.1)


def _age(path: str) -> float | None:
    """Seconds since a file was written, None where there is none."""
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return None
