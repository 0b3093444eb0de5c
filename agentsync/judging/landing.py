"""The landing under way, in the state. Gates look at it too."""

from __future__ import annotations

import os
import time

from agentsync.holders.registry import boot_id, host_name
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
