"""Locks and chains as records of the state. Pure."""

from __future__ import annotations

from agentsync.holders.identity import Holder
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import list_of, number_of, text_of
from agentsync.state.paths import CHAIN, CHAINS, LOCK, LOCKS, path_from_text, path_to_text, room_of, to_state
from agentsync.state.records import RESOURCES as RESOURCES

if TYPE_CHECKING:
    from agentsync.record import Record

_APART = " apart"
ABSENT = "-"  # stands for "no such file" where a version's blob id would be


class Target(NamedTuple):
    """What is locked: a path from the repository's top, or a named resource such as `@port-3000`."""

    name: bytes
    is_resource: bool = False

    @property
    def place(self) -> bytes:
        """The record of its lock in the state."""
        if self.is_resource:
            return RESOURCES + b"/" + self.name[1:] + b".toml"
        return to_state(LOCKS, self.name, LOCK)

    @property
    def text(self) -> str:
        """The target in a record."""
        return path_to_text_of(self)


def path_to_text_of(target: Target) -> str:
    """A target as text; a path that begins with `@` gets `./` before it."""

    text = path_to_text(target.name)
    return "./" + text if text.startswith("@") and not target.is_resource else text


def target_from_text(text: str) -> Target:
    """The reverse of `Target.text`."""
    if text.startswith("@"):
        return Target(path_from_text(text), is_resource=True)
    return Target(path_from_text(text.removeprefix("./")))


class Lock(NamedTuple):
    """A lock: who holds which target, since and until when (epoch seconds), renewed by how much.

    `kind` is `command`, `marker` (a hand-made marker file) or `exclusive` (taken by a gate, for one commit:
    over as soon as `ref` is no longer where it was, at `before`, `-` for nowhere).
    """

    target: Target
    holder: Holder
    since: int
    until: int
    lease: int
    kind: str = "command"
    reason: str = ""
    task: str = ""
    taken_from: str = ""
    ref: str = ""
    before: str = ""


def lock_record(lock: Lock) -> Record:
    """A lock as its record."""
    record: Record = {
        "target": lock.target.text,
        "agent": lock.holder.agent,
        "worktree": lock.holder.worktree,
        "since": lock.since,
        "until": lock.until,
        "lease": lock.lease,
        "kind": lock.kind,
    }
    optional = {key: getattr(lock, key) for key in ("reason", "task", "taken_from", "ref", "before")}
    return {**record, **{key: value for key, value in optional.items() if value}}


def parse_lock(record: Record) -> Lock:
    """The reverse of `lock_record`."""
    return Lock(
        target_from_text(text_of(record, "target")),
        Holder(text_of(record, "agent"), text_of(record, "worktree")),
        number_of(record, "since"),
        number_of(record, "until"),
        number_of(record, "lease"),
        text_of(record, "kind"),
        *(text_of(record, key) for key in ("reason", "task", "taken_from", "ref", "before")),
    )


class Version(NamedTuple):
    """One version of a path: its blob (empty: no such file) and the commit that brought it.

    `apart`: whoever committed it did not have the version before it, so neither holds what the other did.
    """

    blob: str
    commit: str
    apart: bool = False


class Chain(NamedTuple):
    """The versions of a path committed under its lock, oldest first, and the hand-on.

    `holder` committed the last one; `handed` is when its lock was given back (0: not yet), `landed` the
    commit of base that has the last version (empty: not yet).
    """

    path: bytes
    versions: tuple[Version, ...]
    holder: str = ""
    handed: int = 0
    landed: str = ""

    @property
    def last(self) -> Version:
        """The newest version: what the next holder must have."""
        return self.versions[-1]

    @property
    def place(self) -> bytes:
        """The chain's record in the state."""
        return chain_place(self.path)


def chain_place(path: bytes) -> bytes:
    """Where the state keeps the chain of a path."""
    return to_state(CHAINS, path, CHAIN)


def chain_room(path: bytes) -> bytes:
    """The folder of the state with the chains at and below a path."""
    return room_of(CHAINS, path)


def lock_room(path: bytes) -> bytes:
    """The folder of the state with the locks at and below a path."""
    return room_of(LOCKS, path)


def chain_record(chain: Chain) -> Record:
    """A chain as its record."""
    rows = [f"{one.blob or ABSENT} {one.commit}{_APART if one.apart else ''}" for one in chain.versions]
    record: Record = {"versions": rows, "holder": chain.holder}
    if chain.handed:
        record["handed"] = chain.handed
    if chain.landed:
        record["landed"] = chain.landed
    return record


def parse_chain(path: bytes, record: Record) -> Chain:
    """The reverse of `chain_record`."""
    versions = []
    for row in list_of(record, "versions"):
        blob, _, commit = row.removesuffix(_APART).partition(" ")
        versions.append(Version("" if blob == ABSENT else blob, commit, row.endswith(_APART)))
    return Chain(
        path, tuple(versions), text_of(record, "holder"), number_of(record, "handed"), text_of(record, "landed")
    )
