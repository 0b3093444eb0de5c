"""What the state says of a path: its locks that still hold, its chain."""

from __future__ import annotations

import time

from agentsync.git.refs import resolve_ref
from agentsync.git.repo import Repo
from agentsync.holders.registry import is_gone, last_seen, registration_of
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.model import (
    ABSENT,
    RESOURCES,
    Chain,
    Lock,
    Target,
    chain_place,
    chain_room,
    lock_room,
    parse_chain,
    parse_lock,
)
from agentsync.locks.rules import expires
from agentsync.state.paths import LOCK, LOCKS, from_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentsync.state.store import Snapshot


class Held(NamedTuple):
    """A lock and when it ends (epoch seconds), as of now."""

    lock: Lock
    ends: float
    live: bool


def weigh(repo: Repo, snapshot: Snapshot, lock: Lock) -> Held:
    """Whether a lock still holds: its lease, its holder's worktree, and for a gate's lock whether its ref moved."""
    ends = expires(lock, last_seen(repo.common_dir, lock.holder.worktree))
    live = time.time() < ends and not is_gone(repo.common_dir, registration_of(snapshot, lock.holder))
    if live and lock.before:
        live = (resolve_ref(repo, lock.ref) or ABSENT) == lock.before
    return Held(lock, ends, live)


def _at_and_above(snapshot: Snapshot, path: bytes) -> Iterator[Lock]:
    parts = path.split(b"/")
    for length in range(len(parts) + 1):
        folder = lock_room(b"/".join(parts[:length]))
        if not snapshot.tree(folder):
            return
        record = snapshot.get(folder + b"/" + LOCK)
        if record:
            yield parse_lock(record)


def overlapping(snapshot: Snapshot, target: Target) -> list[Lock]:
    """Every lock that overlaps a target, whether it still holds or not: on it, on a folder above it, or inside it."""
    if target.is_resource:
        record = snapshot.get(target.place)
        return [parse_lock(record)] if record else []
    if LOCKS not in snapshot.tree(b""):
        return []
    own = lock_room(target.name)
    inside = [parse_lock(record) for place, record in snapshot.walk(own) if place != own + b"/" + LOCK]
    return [*_at_and_above(snapshot, target.name), *inside]


def locks_on(repo: Repo, snapshot: Snapshot, target: Target) -> list[Held]:
    """Every lock that overlaps a target, as of now."""
    return [weigh(repo, snapshot, lock) for lock in overlapping(snapshot, target)]


def all_locks(repo: Repo, snapshot: Snapshot) -> list[Held]:
    """Every lock in the state, paths first."""
    records = [*snapshot.walk(LOCKS), *snapshot.walk(RESOURCES)]
    return [weigh(repo, snapshot, parse_lock(record)) for _, record in records]


def chain_of(snapshot: Snapshot, path: bytes) -> Chain | None:
    """The chain of a path."""
    record = snapshot.get(chain_place(path))
    return parse_chain(path, record) if record else None


def chains_in(snapshot: Snapshot, path: bytes) -> list[Chain]:
    """The chains of a path and of everything below it."""
    return [parse_chain(from_state(place), record) for place, record in snapshot.walk(chain_room(path))]
