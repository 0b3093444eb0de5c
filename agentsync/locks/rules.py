"""The rules of locks. Pure: facts in, verdicts out."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.model import Chain, Lock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HAND_ON_DAYS = 7


def expires(lock: Lock, last_seen: float) -> float:
    """When a lock may be taken by others: its lease counts from its holder's last sign of life."""
    if lock.kind == "exclusive":
        return lock.until
    return max(float(lock.until), last_seen + lock.lease if last_seen else 0.0)


def needs_renewal(lock: Lock, now: float) -> bool:
    """Whether the lease in the state is past half, so that it is worth a write."""
    return lock.kind != "exclusive" and lock.until - now < lock.lease / 2


def overlaps(one: bytes, other: bytes) -> bool:
    """Whether two paths are the same or one lies inside the other; the empty path is the whole repository."""
    return one == other or not one or not other or one.startswith(other + b"/") or other.startswith(one + b"/")


def position(chain: Chain, blob: str, in_history: Callable[[str], bool]) -> int:
    """Where a blob stands in a chain, -1 when it does not.

    A blob that stands twice has the position of its newest entry whose commit is in the history, else of its
    newest entry.
    """
    places = [index for index, version in enumerate(chain.versions) if version.blob == blob]
    if len(places) > 1:
        known = [index for index in places if in_history(chain.versions[index].commit)]
        return known[-1] if known else places[-1]
    return places[0] if places else -1


def passes_by_content(new: str, parents: Sequence[str], chain: Chain | None, in_history: Callable[[str], bool]) -> bool:
    """Whether a path's new blob needs no lock for what it is.

    It equals a parent's (unless that puts back what the first parent's has left behind in the chain), or is in the
    chain later than the first parent's. `in_history` tells whether a commit is in the first parent's history.
    """
    if chain is None or not parents:
        return new in parents
    here = position(chain, parents[0], in_history)
    if here < 0:  # its own version is outside the chain, and may be built on any that its history has
        here = max((i for i, version in enumerate(chain.versions) if i and in_history(version.commit)), default=here)
    newest = max((index for index, version in enumerate(chain.versions) if version.blob == new), default=-1)
    if new in parents:
        return not 0 <= newest < here  # a merge that brings an older version back takes a newer one away
    return newest > here


def built_on(chain: Chain, place: int) -> range:
    """The positions that the version at `place` contains: down to one whose author lacked what was before it."""
    first = max((index for index in range(place + 1) if chain.versions[index].apart), default=0)
    return range(first, place + 1)


class Lineage(NamedTuple):
    """What the chain says of a merge of one path: the blob that wins, or the better merge base for a text merge."""

    winner: str | None
    base: str | None


def lineage(chain: Chain, ours: str, theirs: str, had_by_ours: Sequence[int], had_by_theirs: Sequence[int]) -> Lineage:
    """Merge one path by its chain.

    `had_by_*` are the positions in the chain that each side's history has. The merge base is the latest
    version that both sides had; where one side's own version is later in the chain and its history has the other
    side's, it wins.
    """
    common = [index for index in had_by_ours if index in set(had_by_theirs)]
    base = chain.versions[max(common)].blob if common else None
    if ours == theirs:
        return Lineage(ours, base)
    ours_at = _last_place(chain, ours, had_by_ours)
    theirs_at = _last_place(chain, theirs, had_by_theirs)
    if ours_at >= 0 and theirs_at >= 0 and ours_at != theirs_at:
        later, earlier, had = (
            (ours, theirs_at, had_by_ours) if ours_at > theirs_at else (theirs, ours_at, had_by_theirs)
        )
        return Lineage(later if earlier in had else None, base)
    if common and theirs == base:
        return Lineage(ours, base)
    if common and ours == base:
        return Lineage(theirs, base)
    return Lineage(None, base)


def _last_place(chain: Chain, blob: str, had: Sequence[int]) -> int:
    """Where a side's blob stands, preferring entries that the side's history has."""
    places = [index for index, version in enumerate(chain.versions) if version.blob == blob]
    known = [index for index in places if index in set(had)]
    return (known or places or [-1])[-1]
