"""What a record of the state must be to be believed, room by room. Pure, and on the gates' path.

Others write the state too. A record that is not what its place says, names a place outside of the worktree, or has a
value of the wrong kind is left out by whoever reads; a lease that is longer than any may be is cut.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING
from agentsync.record import LONGEST
from agentsync.state.paths import CHAIN, CHAINS, LANDING, LOCK, LOCKS, TASKS, from_state, path_from_text, to_state
from agentsync.state.paths import path_to_text as _text_of_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agentsync.record import Record, Value

    Kind = Callable[[Value], bool]

AGENTS = b"agents"
RESOURCES = b"resources"
WAITERS = b"waiters"
NUMBERS = b"numbers"
PHASE = b"phase.toml"
HUMAN = "human:"
MAX_NAME = 64
PHASES = ("parallel", "integration", "testing")
KEPT = 365 * 86400  # seconds that a finished task of another surface stays finished, with no branch to land
_AHEAD = 86400  # seconds that another's clock may go before ours
_WAITERS_LONGEST = 3600  # a waiter says again and again that it waits
_LAST = 1 << 34  # a time after this one cannot be shown


def is_plain(char: str) -> bool:
    """Whether a character may stand in the name of an agent or a resource."""
    return char.isalnum() or char in "._-"


def is_agent(name: str) -> bool:
    """Letters, digits, `.`, `_` and `-`, at most 64, first a letter or digit; a person's begins with `human:`."""
    bare = name.removeprefix(HUMAN)
    return bool(bare) and len(name) <= MAX_NAME and bare[0].isalnum() and all(map(is_plain, bare))


def is_worktree(name: str) -> bool:
    """git's own id of a worktree: the name of one folder."""
    return 0 < len(name) <= 255 and name not in (".", "..") and "/" not in name and _is_line(name)


def is_holder(key: str) -> bool:
    """An agent and its worktree, as `agent@worktree`."""
    agent, at, worktree = key.partition("@")
    return bool(at) and is_agent(agent) and is_worktree(worktree)


def is_resource(name: str) -> bool:
    """What may stand after the `@` of a named resource."""
    return bool(name) and len(name) <= 100 and name[0].isalnum() and all(map(is_plain, name))


def is_inside(path: bytes) -> bool:
    """Whether a path from the top stays inside of the worktree and out of `.git`; the top itself is no path."""
    parts = path.split(b"/")
    return b"\0" not in path and not any(
        part in (b"", b".", b"..") or part.rstrip(b" .").lower() == b".git" for part in parts
    )


def claim_place(task_id: str) -> bytes:
    """Where the state keeps a task's claim; ids differ by more than case."""
    return b"%s/%s.toml" % (TASKS, _one_name(task_id.lower().encode("utf-8", "replace")))


def series_room(folder: bytes) -> bytes:
    """Where the state keeps the numbers of the series in a folder."""
    return NUMBERS + b"/" + _one_name(folder)


def _one_name(path: bytes) -> bytes:
    return _text_of_path(path).replace("/", "%2F").encode()


def _is_line(text: str) -> bool:
    return len(text) <= 4096 and not any(char < " " or char == "\x7f" for char in text)


def _line(value: Value) -> bool:
    return isinstance(value, str) and _is_line(value)


def _text(value: Value) -> bool:
    return isinstance(value, str) and "\0" not in value


def _lines(value: Value) -> bool:
    return isinstance(value, list) and all(_is_line(item) for item in value)


def _count(value: Value) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 62


def _time(value: Value) -> bool:
    return isinstance(value, int) and 0 <= value < _LAST


def _process(value: Value) -> bool:
    return isinstance(value, int) and 0 < value < 1 << 31


def _agent(value: Value) -> bool:
    return isinstance(value, str) and is_agent(value)


def _worktree(value: Value) -> bool:
    return isinstance(value, str) and is_worktree(value)


def _worktrees(value: Value) -> bool:
    return isinstance(value, list) and all(is_worktree(item) for item in value)


def _holder(value: Value) -> bool:
    return isinstance(value, str) and is_holder(value)


def _branch(value: Value) -> bool:
    """A full branch ref, or empty; its file is looked for by this name."""
    if not isinstance(value, str) or not value:
        return value == ""
    parts = value.split("/")
    return parts[:2] == ["refs", "heads"] and len(parts) > 2 and _is_line(value) and not any(
        not part or part.startswith(".") or part.endswith(".lock") for part in parts
    )  # fmt: skip


def _object(value: Value) -> bool:
    return isinstance(value, str) and len(value) in (40, 64) and not set(value) - set("0123456789abcdef")


def _object_or_none(value: Value) -> bool:
    return value in ("", "-") or _object(value)


def _versions(value: Value) -> bool:
    rows = value if isinstance(value, list) else []
    words = [row.removesuffix(" apart").split(" ") for row in rows]
    return bool(words) and all(len(two) == 2 and _object_or_none(two[0]) and _object_or_none(two[1]) for two in words)


def _target(text: str) -> bytes | None:
    """The place of a lock on a target, as a record names it; None for one that cannot be locked."""
    if text.startswith("@"):
        return b"%s/%s.toml" % (RESOURCES, text[1:].encode()) if is_resource(text[1:]) else None
    try:
        path = path_from_text(text.removeprefix("./"))
    except ValueError:
        return None
    canonical = _text_of_path(path)
    whole = "./" + canonical if canonical.startswith("@") else canonical
    return to_state(LOCKS, path, LOCK) if text == whole and (not path or is_inside(path)) else None


def _targets(value: Value) -> bool:
    return isinstance(value, list) and all(_target(item) for item in value)


def _file_name(value: Value) -> bool:
    return isinstance(value, str) and _is_line(value) and 0 < len(value) <= 255 and "/" not in value and value != ".."


_HELD = {"agent": _agent, "worktree": _worktree, "since": _time, "until": _time}
_RUNS = {"pid": _process, "space": _text, "host": _text, "boot": _text}
_LOCK = {**_HELD, "target": _text, "lease": _time}
# Of each room: what a record must have, and what it may have.
_ROOMS: dict[bytes, tuple[Mapping[str, Kind], Mapping[str, Kind]]] = {
    AGENTS: (
        {"agent": _agent, "worktree": _worktree, "path": _text},
        {"host": _text, "boot": _text, "since": _time},
    ),
    LOCKS: (_LOCK, {"kind": _line, "reason": _text, "task": _line, "taken_from": _line, "ref": _branch,
                    "before": _object_or_none}),
    RESOURCES: (_LOCK, {"kind": _line, "reason": _text, "task": _line, "taken_from": _line}),
    CHAINS: ({"versions": _versions}, {"holder": _line, "handed": _time, "landed": _object_or_none}),
    WAITERS: ({"holder": _holder, "targets": _targets, "since": _count, "until": _time}, _RUNS),
    TASKS: ({**_HELD, "id": _line, "lease": _time},
            {"title": _text, "files": _lines, "ref": _branch, "done": _count, "by_commit": _count, "tokens": _count,
             "cost": _line, "surface": _line, "progress": _text}),
    NUMBERS: ({**_HELD, "number": _file_name, "name": _file_name}, {"by_commit": _count}),
    PHASE: ({"name": lambda value: value in PHASES}, {"agent": _line, "since": _time, "by": _line}),
    LANDING: ({"ref": _branch, "old": _object, "new": _object, "worktrees": _worktrees, "since": _time}, _RUNS),
}  # fmt: skip


def fault_of(place: bytes, record: Record, now: float) -> str:
    """What is wrong with a record, empty where it can be believed; what we know nothing of is nobody's business."""
    room = place.partition(b"/")[0]
    if room not in _ROOMS:
        return ""
    needed, optional = _ROOMS[room]
    lacking = next((key for key in needed if key not in record), "")
    if lacking:
        return f"it lacks {lacking}"
    kinds = {**optional, **needed}
    wrong = next((key for key, fits in kinds.items() if key in record and not fits(record[key])), "")
    if wrong:
        return f"its {wrong} cannot be"
    if not _PLACES[room](place, record):
        return "its place is not what it says"
    if room == WAITERS:
        return "it waits for too long" if _number(record, "until") > now + _WAITERS_LONGEST else ""
    return "it begins in the future" if _number(record, "since") > now + _AHEAD else ""


def capped(place: bytes, record: Record, now: float) -> Record:
    """The record with a lease that is not longer than any may be."""
    room = place.partition(b"/")[0]
    if room not in (LOCKS, RESOURCES, TASKS, NUMBERS):
        return record
    lease = min(_number(record, "lease"), LONGEST) if room != NUMBERS else LONGEST
    until = _number(record, "until")
    longest = KEPT if room == TASKS and record.get("done") and record.get("surface") else lease
    if until > now + longest + _AHEAD:
        until = min(_number(record, "since"), int(now)) + longest
    changed: Record = {"until": until} if room == NUMBERS else {"until": until, "lease": lease}
    return {**record, **changed}


def _number(record: Record, key: str) -> int:
    value = record.get(key, 0)
    return value if isinstance(value, int) else 0


def _of_agent(place: bytes, record: Record) -> bool:
    return place == f"agents/{record['agent']}@{record['worktree']}.toml".encode("utf-8", "replace")


def _of_lock(place: bytes, record: Record) -> bool:
    return place == _target(str(record["target"]))


def _of_chain(place: bytes, _record: Record) -> bool:
    path = from_state(place)
    return place == to_state(CHAINS, path, CHAIN) and is_inside(path)


def _of_waiter(place: bytes, record: Record) -> bool:
    return place == f"waiters/{record['since']:020d}-{record['holder']}.toml".encode("utf-8", "replace")


def _of_claim(place: bytes, record: Record) -> bool:
    return bool(record["id"]) and place == claim_place(str(record["id"]))


def _of_number(place: bytes, record: Record) -> bool:
    """Its series is a folder inside, and its key is the number, whichever way the layout reads that."""
    parts = place.split(b"/")
    if len(parts) != 3:
        return False
    try:
        folder = path_from_text(parts[1].decode())
    except ValueError:
        return False
    text = str(record["number"])
    groups = "".join(char if char.isdecimal() else " " for char in text).split()
    key = parts[2].decode("ascii", "replace").removesuffix(".toml")
    while len(groups) > 1 and not int(groups[-1]):
        groups.pop()
    keys = (".".join(str(int(group)) for group in groups), str(int("".join(c for c in text if c.isdecimal()) or 0)))
    inside = not folder or is_inside(folder)
    return inside and series_room(folder) == b"/".join(parts[:2]) and parts[2].endswith(b".toml") and key in keys


def _alone(_place: bytes, _record: Record) -> bool:
    return True


_PLACES: dict[bytes, Callable[[bytes, Record], bool]] = {
    AGENTS: _of_agent,
    LOCKS: _of_lock,
    RESOURCES: _of_lock,
    CHAINS: _of_chain,
    WAITERS: _of_waiter,
    TASKS: _of_claim,
    NUMBERS: _of_number,
    PHASE: lambda place, _: place == PHASE,
    LANDING: lambda place, _: place == LANDING,
}
