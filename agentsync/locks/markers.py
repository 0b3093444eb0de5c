"""Marker files: `<path>.agent-lock` beside a locked path, for eyes and tools that know nothing of agentsync.

Ours carry a header and are a projection: deleting one never unlocks. One without it is hand-made
(`echo agent-1 > package.json.agent-lock`): it stands for a lock as long as it is there and its holder is alive.
"""

from __future__ import annotations

import os
import time

from agentsync.git.repo import Repo, admin_dir_of, git_elsewhere, private_dir_of, read_line
from agentsync.holders.identity import MAX_NAME, Holder, escape_name
from agentsync.holders.registry import last_seen
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.beside import HEADER, SUFFIX, is_hand_made, marked, marker_file, recent_tops
from agentsync.locks.model import Lock, Target
from agentsync.locks.query import Held, all_locks
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.state.store import Snapshot

EXCLUDE_LINE = "*.agent-lock"


def is_marker(path: bytes) -> bool:
    """Whether a path is a marker's."""
    return path.endswith(SUFFIX)


def _wanted(rules: InForce, lock: Lock) -> bool:
    path = lock.target.name
    in_series = any(path.startswith(series.path.encode() + b"/") for series in rules.config.series)
    return (
        rules.config.text("locks.markers") == "explicit"
        and lock.kind == "command"
        and not lock.target.is_resource
        and bool(path)
        and not in_series
        and b"migrations/" not in path
        and len(os.path.basename(path)) + len(SUFFIX) <= 255
    )


def show(repo: Repo, rules: InForce, locks: Sequence[Lock]) -> None:
    """Put markers beside locked paths, where the path exists and git ignores the marker."""
    wanted = [lock for lock in locks if _wanted(rules, lock)] if _excluded(repo) else []
    for _, top in recent_tops(repo) if wanted else ():
        for lock in wanted:
            _put(repo, top, lock)


def show_all(repo: Repo, rules: InForce, snapshot: Snapshot) -> None:
    """Put every marker into this worktree, which is new."""
    for held in all_locks(repo, snapshot) if _excluded(repo) else ():
        if held.live and _wanted(rules, held.lock):
            _put(repo, repo.top, held.lock)


def _put(repo: Repo, top: str, lock: Lock) -> None:
    path = os.path.join(os.fsencode(top), lock.target.name)
    marker = marker_file(top, lock.target.name)
    if not os.path.lexists(path) or not _is_reached(top, lock.target.name) or is_hand_made(marker):
        return
    if not _ignored(repo, top, lock.target.name):
        return
    until = time.strftime("%Y-%m-%d %H:%M", time.localtime(lock.until))
    text = f"{HEADER}\nholder: {lock.holder.key}\nuntil: {until}\nreason: {one_line(lock.reason)}\n"
    aside = marker + b".%d" % os.getpid()
    try:
        with open(aside, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(aside, marker)
    except OSError:
        return


def _is_reached(top: str, path: bytes) -> bool:
    """Whether a path's folder lies in the worktree itself: a link above it may lead anywhere."""
    folder, whole = os.path.dirname(path), os.path.realpath(os.fsencode(top))
    return os.path.realpath(os.path.join(whole, folder)) == os.path.join(whole, folder).rstrip(b"/")


def _excluded(repo: Repo) -> bool:
    """Whether the common `info/exclude` has our line; without `init` it has not."""
    try:
        with open(os.path.join(repo.common_dir, "info", "exclude"), "rb") as file:
            return EXCLUDE_LINE.encode() in file.read().splitlines()
    except OSError:
        return False


def _ignored(repo: Repo, top: str, path: bytes) -> bool:
    """Whether git ignores the marker of a path: the common exclude says so, unless a .gitignore takes it back."""
    folder = os.fsencode(top)
    for part in (b"", *path.split(b"/")[:-1]):
        folder = os.path.join(folder, part)
        try:
            with open(os.path.join(folder, b".gitignore"), "rb") as file:
                negated = any(line.startswith(b"!") for line in file.read().splitlines())
        except OSError:
            negated = False
        if negated:
            asked = git_elsewhere(repo.environ, top, "check-ignore", "--quiet", "--", path + SUFFIX, ok=())
            return asked.code == 0
    return True


def take_away(repo: Repo, locks: Sequence[Lock]) -> None:
    """Remove our markers of locks that ended."""
    for _, top in recent_tops(repo):
        for lock in locks:
            marker = marker_file(top, lock.target.name)
            ours = not lock.target.is_resource and _is_reached(top, lock.target.name)
            if ours and read_line(os.fsdecode(marker)) == HEADER:
                _remove(marker)


def _remove(marker: bytes) -> None:
    try:
        os.unlink(marker)
    except OSError:
        return


def take_away_hand_made(repo: Repo, path: bytes) -> None:
    """Remove the hand-made markers of a path, wherever they lie."""
    for _, top in recent_tops(repo):
        if is_hand_made(marker_file(top, path)) and _is_reached(top, path):
            _remove(marker_file(top, path))


def marker_lock(repo: Repo, path: bytes, lease: int) -> Held | None:
    """The lock that a hand-made marker beside a path stands for: the earliest whose holder is not silent.

    None when there is no marker. Its holder is the agent that it names, in that agent's only live worktree, else in
    the one it lies in.
    """
    tops = recent_tops(repo)
    found = [_marker_lock(repo, tops, path, home, lease) for home in marked(tops, [path]).get(path, [])]
    held = [one for one in found if one]
    return next((one for one in held if one.live), held[0] if held else None)


def _marker_lock(repo: Repo, tops: Sequence[tuple[str, str]], path: bytes, home: str, lease: int) -> Held | None:
    marker = marker_file(dict(tops)[home], path)
    name = escape_name(one_line(read_line(os.fsdecode(marker)), MAX_NAME))
    agents = {worktree: _agent_of(repo, worktree) for worktree, _ in tops}
    own = [worktree for worktree, agent in agents.items() if agent == name]
    holder = Holder(name, own[0]) if len(own) == 1 else Holder(agents[home] or name, home)
    try:
        since = os.stat(marker).st_mtime
    except OSError:
        return None
    ends = max(since, last_seen(repo.common_dir, holder.worktree)) + lease
    lock = Lock(Target(path), holder, int(since), int(ends), lease, "marker", "hand-made marker file")
    return Held(lock, ends, time.time() < ends)


def _agent_of(repo: Repo, worktree: str) -> str:
    key = read_line(os.path.join(private_dir_of(admin_dir_of(repo.common_dir, worktree)), "holder")).split(" ")[0]
    return key.rpartition("@")[0]
