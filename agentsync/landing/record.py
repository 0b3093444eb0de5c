"""The landing under way, in the state: what a killed one leaves is finished or dropped from here."""

from __future__ import annotations

import os
import time

from agentsync.errors import StateError
from agentsync.git.refs import resolve_ref, worktrees
from agentsync.git.repo import git_elsewhere
from agentsync.holders.registry import boot_id, host_name
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import list_of, number_of, text_of
from agentsync.state.paths import LANDING
from agentsync.state.store import Change
from agentsync.text import one_line

if TYPE_CHECKING:
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo
    from agentsync.record import Record
    from agentsync.state.store import Snapshot, Store

_STALE_LOCK = 3.0  # seconds; a lock of git's own on an index is held for milliseconds


class Landing(NamedTuple):
    """A branch (`ref`) about to go from `old` to `new`, and the ids of the worktrees that must follow."""

    ref: str
    old: str
    new: str
    worktrees: tuple[str, ...]
    pid: int
    host: str
    boot: str
    since: int

    @property
    def under_way(self) -> bool:
        """Whether its lander lives; on another machine only the time can tell."""
        if (self.host, self.boot) != (host_name(), boot_id()):
            return time.time() - self.since < 600
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def landing_now(snapshot: Snapshot) -> Landing | None:
    """The landing that the state knows of."""
    record = snapshot.get(LANDING)
    if record is None:
        return None
    return Landing(
        text_of(record, "ref"),
        text_of(record, "old"),
        text_of(record, "new"),
        tuple(list_of(record, "worktrees")),
        number_of(record, "pid"),
        text_of(record, "host"),
        text_of(record, "boot"),
        number_of(record, "since"),
    )


def begin(store: Store, author: str, ref: str, old: str, new: str, ids: list[str]) -> None:
    """Write down what is about to happen."""
    record: Record = {
        "ref": ref, "old": old, "new": new, "worktrees": ids,
        "pid": os.getpid(), "host": host_name(), "boot": boot_id(), "since": int(time.time()),
    }  # fmt: skip
    store.swap(lambda _: Change(f"landing on {ref.removeprefix('refs/heads/')}", author, {LANDING: record}))


def end(store: Store, author: str) -> None:
    """It is over: as before, or as after."""
    store.swap(lambda snapshot: Change("landing over", author, {LANDING: None}) if snapshot.get(LANDING) else None)


def follow(repo: Repo, worktree: Worktree, old: str, new: str) -> None:
    """Let a worktree's index and files go from one commit to another, as a checkout does; again is harmless.

    Raises GitError where local changes stand in the way.
    """
    git_elsewhere(repo.environ, worktree.top, "update-index", "-q", "--refresh", ok=())
    git_elsewhere(repo.environ, worktree.top, "read-tree", "-m", "-u", old, new)


def mend(repo: Repo, store: Store, author: str) -> str:
    """Finish or drop what a killed landing left; what was done, in words, empty when there was nothing to do.

    Raises StateError where only a person can.
    """
    landing = landing_now(store.snapshot())
    if landing is None or landing.under_way:
        return ""
    now = resolve_ref(repo, landing.ref)
    if now == landing.old:
        end(store, author)
        return ""
    behind = [one for one in worktrees(repo) if one.id in landing.worktrees and one.present]
    for worktree in behind:
        _drop_stale_lock(worktree, landing)
        try:
            follow(repo, worktree, landing.old, now)
        except Exception as error:
            what = "a killed landing left a work tree behind, and local changes stand in the way of mending it"
            why = f"{worktree.top}: {one_line(str(error))}"
            raise StateError(what, why, f"git -C {worktree.top} stash && agentsync status") from error
    end(store, author)
    return f"finished a landing on {landing.ref.removeprefix('refs/heads/')} that was killed" if behind else ""


def _drop_stale_lock(worktree: Worktree, landing: Landing) -> None:
    """The killed lander's own git may have left the index locked."""
    lock = os.path.join(worktree.git_dir, "index.lock")
    try:
        made = os.stat(lock).st_mtime
    except OSError:
        return
    if landing.since - 1 <= made < time.time() - _STALE_LOCK:
        os.unlink(lock)
