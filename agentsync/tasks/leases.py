"""A holder that gives a sign of life keeps what it has: leases past half are written again."""

from __future__ import annotations

import time

from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import Target, lock_record
from agentsync.locks.query import all_locks, locks_on
from agentsync.locks.rules import needs_renewal
from agentsync.state.paths import LOCKS
from agentsync.state.store import Change, Snapshot
from agentsync.tasks.claims import all_claims, claim_record, place_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.locks.model import Lock
    from agentsync.record import Record


def renew_locks(scene: Scene, paths: Sequence[bytes]) -> None:
    """Renew this holder's locks on some paths where it is time to."""
    if LOCKS not in scene.snapshot.tree(b""):
        return

    def due(snapshot: Snapshot) -> dict[bytes, Record | None]:
        return _due(scene, [one.lock for path in paths for one in locks_on(scene.repo, snapshot, Target(path))])

    if due(scene.snapshot):
        scene.store.swap(lambda snapshot: _change(scene, due(snapshot)))


def renew_all(scene: Scene) -> None:
    """Renew all that this holder has, locks and claims, where it is time to."""

    def due(snapshot: Snapshot) -> dict[bytes, Record | None]:
        now = int(time.time())
        claims = [one for one in all_claims(snapshot) if one.holder == scene.holder and not one.done]
        late = [one for one in claims if one.until - now < one.lease / 2]
        records = _due(scene, [one.lock for one in all_locks(scene.repo, snapshot)])
        return records | {place_of(one.id): claim_record(one._replace(until=now + one.lease)) for one in late}

    if due(scene.snapshot):
        scene.store.swap(lambda snapshot: _change(scene, due(snapshot)))


def _due(scene: Scene, locks: Sequence[Lock]) -> dict[bytes, Record | None]:
    now = time.time()
    late = [lock for lock in locks if lock.holder == scene.holder and needs_renewal(lock, now)]
    return {lock.target.place: lock_record(lock._replace(until=int(now) + lock.lease)) for lock in late}


def _change(scene: Scene, records: dict[bytes, Record | None]) -> Change | None:
    return Change("renew leases", scene.holder.key, records) if records else None
