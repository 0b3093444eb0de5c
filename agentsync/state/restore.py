"""A damaged state goes back to the newest one that can be read. Cold: `doctor --fix` asks for it."""

from __future__ import annotations

import contextlib
import os
import re

from agentsync.errors import DamagedError, GitError, StateError
from agentsync.lean import TYPE_CHECKING
from agentsync.state.store import REF, Change, Snapshot
from agentsync.state.turn import Turn

if TYPE_CHECKING:
    from agentsync.record import Record
    from agentsync.state.store import Store

_HEADER = re.compile(rb"(?:^parent (?P<parent>\w+)$)|(?:^committer .* (?P<time>\d+) \S+$)", re.MULTILINE)


def read_whole(store: Store) -> dict[bytes, Record]:
    """Every record of the state now, by its place.

    Raises DamagedError, or StateError for a state of a newer version.
    """
    if os.path.isdir(store.path) and not os.path.exists(os.path.join(store.path, "HEAD")):
        raise DamagedError("its HEAD is gone")
    return dict(store.snapshot().walk(b""))


def unfit(store: Store) -> dict[bytes, str]:
    """The records of the state now that cannot be believed, by their places, and why."""
    snapshot = store.snapshot()
    for _ in snapshot.walk(b""):
        pass
    return snapshot.left_out


def drop_unfit(store: Store, author: str) -> dict[bytes, str]:
    """Take out of the state what cannot be believed; what that was."""
    dropped: dict[bytes, str] = {}

    def decide(snapshot: Snapshot) -> Change | None:
        for _ in snapshot.walk(b""):
            pass
        dropped.clear()
        dropped.update(snapshot.left_out)
        what = f"drop {len(dropped)} records that cannot be believed"
        return Change(what, author, dict.fromkeys(dropped)) if dropped else None

    store.swap(decide)
    return dropped


def restore(store: Store) -> str:
    """Go back to the newest state that can be read whole, among all that the objects still hold; its id.

    Empty where there is none. What later states said is lost.
    """
    try:
        with Turn(store.turn_path):
            _give_a_head(store)
            return next((one for one in _newest_first(store) if _is_whole(store, one) and _go_back(store, one)), "")
    except (OSError, GitError):
        return ""


def _give_a_head(store: Store) -> None:
    """Without a HEAD git sees no repository there, whatever else is."""
    head = os.path.join(store.path, "HEAD")
    if not os.path.exists(head):
        with open(head, "w", encoding="ascii") as file:
            file.write("ref: refs/heads/none\n")


def _newest_first(store: Store) -> list[str]:
    flags = ("cat-file", "--batch-all-objects", "--unordered", "--batch-check=%(objecttype) %(objectname)")
    rows = [row.split(" ") for row in store.git(*flags, ok=()).out.decode("ascii", "replace").splitlines()]
    made: dict[str, tuple[int, str]] = {}
    for kind, object_id in rows:
        if kind == "commit":
            with contextlib.suppress(StateError):
                made[object_id] = _time_and_parent(store.read_object(object_id))
    return sorted(made, key=lambda one: (made[one][0], _age(made, one)), reverse=True)


def _time_and_parent(commit: bytes) -> tuple[int, str]:
    found = list(_HEADER.finditer(commit.partition(b"\n\n")[0]))
    times = [int(one["time"]) for one in found if one["time"]]
    parents = [one["parent"].decode() for one in found if one["parent"]]
    return max(times, default=0), "".join(parents[:1])


def _age(made: dict[str, tuple[int, str]], commit: str) -> int:
    """How many states of the same second came before: only those need an order."""
    count, (second, parent) = 0, made[commit]
    while parent in made and made[parent][0] == second:
        count, parent = count + 1, made[parent][1]
    return count


def _is_whole(store: Store, commit: str) -> bool:
    try:
        return bool(list(Snapshot(store, commit).walk(b"")))
    except StateError:
        return False


def _go_back(store: Store, commit: str) -> bool:
    """The ref may hold anything by now: it goes, and is made anew where nothing stands; the turn keeps writers out."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(store.path, REF))
    return store.git("update-ref", REF, commit, "", ok=()).code == 0
