"""Marker files: `<path>.agent-lock` beside a locked path, for eyes and tools that know nothing of agentsync.

Ours carry a header and are a projection: deleting one never unlocks. One without it is hand-made
(`echo agent-1 > package.json.agent-lock`) and is adopted as a lock.
"""

from __future__ import annotations

import os
import time

from agentsync.git.refs import Worktree, worktrees
from agentsync.git.repo import Repo, git_elsewhere, private_dir_of, read_line
from agentsync.holders.identity import MAX_NAME, Holder
from agentsync.holders.registry import last_seen
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import Lock, Target
from agentsync.locks.query import all_locks
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.config.load import InForce
    from agentsync.state.store import Snapshot

SUFFIX = b".agent-lock"
HEADER = "# agentsync: locked. This file only tells; to lock or unlock use the agentsync command.\n"
EXCLUDE_LINE = "*.agent-lock"
_DAY = 86400
_MOST_WORKTREES = 200


def is_marker(path: bytes) -> bool:
    """Whether a path is a marker's."""
    return path.endswith(SUFFIX)


def _recent(repo: Repo) -> Iterator[Worktree]:
    """The worktrees used in the last day."""
    for worktree in worktrees(repo)[:_MOST_WORKTREES]:
        if worktree.git_dir == repo.git_dir or last_seen(repo.common_dir, worktree.id) > time.time() - _DAY:
            yield worktree


def _marker_file(worktree: Worktree, path: bytes) -> bytes:
    return os.path.join(os.fsencode(worktree.top), path + SUFFIX)


def _wanted(rules: InForce, lock: Lock) -> bool:
    path = lock.target.name
    in_series = any(path.startswith(series.path.encode() + b"/") for series in rules.config.series)
    return (
        rules.config.text("locks.markers") == "explicit"
        and lock.kind == "command"
        and not lock.target.is_resource
        and bool(path)
        and not in_series
        and b"/migrations/" not in b"/" + path
        and len(os.path.basename(path)) + len(SUFFIX) <= 255
    )


def show(repo: Repo, rules: InForce, locks: Sequence[Lock]) -> None:
    """Put markers beside locked paths, where the path exists and git ignores the marker."""
    wanted = [lock for lock in locks if _wanted(rules, lock)]
    for worktree in _recent(repo) if wanted else ():
        for lock in wanted:
            _put(repo, worktree, lock)


def show_all(repo: Repo, rules: InForce, snapshot: Snapshot) -> None:
    """Put every marker into this worktree, which is new."""
    here = next((one for one in worktrees(repo) if one.git_dir == repo.git_dir), None)
    for held in all_locks(repo, snapshot) if here else ():
        if here and held.live and held.lock.holder.worktree != here.id and _wanted(rules, held.lock):
            _put(repo, here, held.lock)


def _put(repo: Repo, worktree: Worktree, lock: Lock) -> None:
    path = os.path.join(os.fsencode(worktree.top), lock.target.name)
    marker = _marker_file(worktree, lock.target.name)
    if not os.path.lexists(path) or os.path.lexists(marker) or os.path.islink(os.path.dirname(path)):
        return
    name = lock.target.name + SUFFIX
    if git_elsewhere(repo.environ, worktree.top, "check-ignore", "--quiet", "--", name, ok=()).code != 0:
        return
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(lock.until))
    text = f"{HEADER}holder: {lock.holder.key}\nuntil: {until}\nreason: {one_line(lock.reason)}\n"
    aside = marker + b".%d" % os.getpid()
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(aside, marker)
    except OSError:
        return


def take_away(repo: Repo, locks: Sequence[Lock]) -> None:
    """Remove our markers of locks that ended, and a hand-made one whose lock was given back by command."""
    for worktree in _recent(repo):
        for lock in locks:
            marker = _marker_file(worktree, lock.target.name)
            if not lock.target.is_resource and (_is_ours(marker) or lock.kind == "marker"):
                _remove(marker)


def _remove(marker: bytes) -> None:
    try:
        os.unlink(marker)
    except OSError:
        return


def _is_ours(marker: bytes) -> bool:
    return read_line(os.fsdecode(marker)) + "\n" == HEADER


def hand_made(repo: Repo, snapshot: Snapshot, path: bytes) -> tuple[Holder, Worktree] | None:
    """The holder that a hand-made marker beside `path` names, and where it lies.

    It is that agent's only live worktree, else the worktree that the file lies in.
    """
    del snapshot
    for worktree in _recent(repo):
        marker = _marker_file(worktree, path)
        if not os.path.isfile(marker) or os.path.islink(marker) or _is_ours(marker):
            continue
        name = one_line(read_line(os.fsdecode(marker)), MAX_NAME).strip()
        homes = [home for agent, home in _agents(repo) if agent == name]
        if len(homes) == 1:
            return Holder(name, homes[0]), worktree
        owner = next((agent for agent, home in _agents(repo) if home == worktree.id), name)
        return Holder(owner or worktree.id, worktree.id), worktree
    return None


def _agents(repo: Repo) -> list[tuple[str, str]]:
    found = []
    for worktree in worktrees(repo):
        key = read_line(os.path.join(private_dir_of(worktree.git_dir), "holder")).split(" ")[0]
        agent, _, home = key.rpartition("@")
        if agent:
            found.append((agent, home))
    return found


def adopted(repo: Repo, snapshot: Snapshot, path: bytes, lease: int) -> Lock | None:
    """The lock that a hand-made marker beside a path stands for."""
    found = hand_made(repo, snapshot, path)
    if found is None:
        return None
    holder, worktree = found
    since = int(os.stat(_marker_file(worktree, path)).st_mtime)
    now = int(time.time())
    return Lock(Target(path), holder, since, now + lease, lease, "marker", "hand-made marker file")
