"""The landing under way, in the state. Gates look at it too."""

from __future__ import annotations

import time

from agentsync.holders.machine import Process, process_of, process_record
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import list_of, number_of, text_of
from agentsync.state.paths import LANDING
from agentsync.state.store import Change

if TYPE_CHECKING:
    from agentsync.record import Record
    from agentsync.state.store import Snapshot, Store


class Landing(NamedTuple):
    """A branch (`ref`) about to go from `old` to `new`, and the ids of the worktrees that must follow."""

    ref: str
    old: str
    new: str
    worktrees: tuple[str, ...]
    lander: Process
    since: int

    @property
    def under_way(self) -> bool:
        """Whether its lander lives; where that cannot be seen, the time tells."""
        return self.lander.is_alive if self.lander.can_be_seen else time.time() - self.since < 600


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
        process_of(record),
        number_of(record, "since"),
    )


def begin(store: Store, author: str, ref: str, old: str, new: str, ids: list[str]) -> None:
    """Write down what is about to happen."""
    facts: Record = {"ref": ref, "old": old, "new": new, "worktrees": ids, "since": int(time.time())}
    record = facts | process_record()
    store.swap(lambda _: Change(f"landing on {ref.removeprefix('refs/heads/')}", author, {LANDING: record}))


def end(store: Store, author: str) -> None:
    """It is over: as before, or as after."""
    store.swap(lambda snapshot: Change("landing over", author, {LANDING: None}) if snapshot.get(LANDING) else None)
