"""An agent that edits keeps its locks: the lease in the state is written again once it is past half."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import Target, lock_record
from agentsync.locks.query import locks_on
from agentsync.locks.rules import needs_renewal
from agentsync.state.paths import LOCKS
from agentsync.state.store import Change, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene


def renew(scene: Scene, paths: Sequence[bytes], now: float) -> None:
    """Renew this holder's locks on some paths where it is time to; `now` in epoch seconds."""
    if LOCKS not in scene.snapshot.tree(b""):
        return

    def decide(snapshot: Snapshot) -> Change | None:
        held = [one.lock for path in paths for one in locks_on(scene.repo, snapshot, Target(path))]
        due = [lock for lock in held if lock.holder == scene.holder and needs_renewal(lock, now)]
        records = {lock.target.place: lock_record(lock._replace(until=int(now) + lock.lease)) for lock in due}
        return Change("renew locks", scene.holder.key, dict(records)) if records else None

    if decide(scene.snapshot):
        scene.store.swap(decide)
