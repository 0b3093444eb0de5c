"""Numbers in the shared state: reserved by at most one holder."""

from __future__ import annotations

import os
import time

from agentsync.holders.identity import Holder
from agentsync.holders.registry import is_gone, last_seen, registration_of
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.layouts import Numbered, next_text, number_in, paths_for
from agentsync.migrations.series import Series, base_paths, elsewhere, on_branches, paths_in
from agentsync.record import number_of, text_of
from agentsync.state import records
from agentsync.state.store import Change, Snapshot, Store

if TYPE_CHECKING:
    from collections.abc import Collection

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo
    from agentsync.record import Record

LEASE = 24 * 3600  # seconds: a migration is written the day its number is asked for
PROVISIONAL = 600  # seconds that a number taken by a commit holds without it: the commit may fail yet


class Reservation(NamedTuple):
    """Who has a number of a series, for a migration of which name; `by_commit`: for as long as a branch has it."""

    number: str
    name: str
    holder: Holder
    since: int
    until: int
    by_commit: bool = False


def series_room(series: Series) -> bytes:
    """Where the state keeps a series' numbers."""
    return records.series_room(series.folder.encode("utf-8", "surrogateescape"))


def reservation_place(series: Series, key: tuple[int, ...]) -> bytes:
    """Where the state keeps one number; equal numbers have one place, however they are written."""
    return series_room(series) + b"/" + ".".join(str(part) for part in key).encode() + b".toml"


def reservation_record(reservation: Reservation) -> Record:
    """A reservation as its record."""
    return {
        "number": reservation.number,
        "name": reservation.name,
        "agent": reservation.holder.agent,
        "worktree": reservation.holder.worktree,
        "since": reservation.since,
        "until": reservation.until,
        "by_commit": int(reservation.by_commit),
    }


def _parse(record: Record) -> Reservation:
    return Reservation(
        text_of(record, "number"),
        text_of(record, "name"),
        Holder(text_of(record, "agent"), text_of(record, "worktree")),
        number_of(record, "since"),
        number_of(record, "until"),
        bool(number_of(record, "by_commit")),
    )


def reservations(repo: Repo, rules: InForce, snapshot: Snapshot, series: Series) -> list[Reservation]:
    """The reservations of a series that hold.

    Their lease runs, or their holder was seen since; those made by a commit hold while a branch has it.
    """
    found = [_parse(record) for _, record in snapshot.walk(series_room(series))]
    now = time.time()
    old = any(one.by_commit and one.until <= now for one in found)
    committed = on_branches(repo, rules, series) if old else {}

    def holds(one: Reservation) -> bool:
        if one.by_commit:
            return one.until > now or one.name in committed
        seen = last_seen(repo.common_dir, one.holder.worktree)
        return max(float(one.until), seen + LEASE) > now and not is_gone(
            repo.common_dir, registration_of(snapshot, one.holder)
        )

    return [one for one in found if holds(one)]


def numbered(series: Series, reservation: Reservation) -> Numbered | None:
    """A reservation's number as the series orders it."""
    return number_in(series.layout, reservation.name)


def taken_anywhere(repo: Repo, rules: InForce, snapshot: Snapshot, series: Series) -> list[Numbered]:
    """Every number of a series that is seen anywhere: base, worktrees, unlanded branches, reservations."""
    own = series.migrations([*base_paths(repo, rules, series.folder), *paths_in(repo, "", series.folder)])
    others = [number for number, _ in elsewhere(repo, series, committed_only=False).values()]
    reserved = [number for one in reservations(repo, rules, snapshot, series) if (number := numbered(series, one))]
    return [*own.values(), *others, *on_branches(repo, rules, series).values(), *reserved]


def held_by_others(
    repo: Repo, rules: InForce, snapshot: Snapshot, series: Series, branch: Collection[str], *, landing: bool
) -> set[int]:
    """The numbers that others reserved, or have on a branch that is checked out; `branch` has the own paths.

    At a landing what is only committed elsewhere gives way: it comes later, and is renumbered then.
    """
    own = series.migrations([*branch, *base_paths(repo, rules, series.folder)])
    others = {} if landing else elsewhere(repo, series, committed_only=True)
    found = {name: number for name, (number, _) in others.items()}
    for one in reservations(repo, rules, snapshot, series):
        number = numbered(series, one)
        found |= {one.name: number} if number and not (landing and one.by_commit) else {}
    return {number.key[0] for name, number in found.items() if name not in own and len(number.key) == 1}


def reserved_by(snapshot: Snapshot, worktree: str) -> list[bytes]:
    """The reservations by command of a worktree's holders, as places of the state."""
    return [
        place
        for place, record in snapshot.walk(records.NUMBERS)
        if text_of(record, "worktree") == worktree and not number_of(record, "by_commit")
    ]


def has_pairs(series: Series, names: list[str]) -> bool:
    """Whether the series has down files beside its up files."""
    return bool(series.layout.down) and any(
        (series.layout.down in name) or (series.layout.folders and name.endswith("/" + series.layout.down))
        for name in names
    )


def _landed_places(snapshot: Snapshot, series: Series, landed: Collection[str]) -> list[bytes]:
    """The reservations that are over: base has their migration."""
    return [place for place, record in snapshot.walk(series_room(series)) if text_of(record, "name") in landed]


def reserve_next(repo: Repo, store: Store, rules: InForce, holder: Holder, series: Series, name: str) -> list[str]:
    """Reserve the next free number and return the paths to create; asked again before they are made, the same."""
    in_base = base_paths(repo, rules, series.folder)
    landed = series.migrations(in_base)
    own = sorted(in_base | set(paths_in(repo, "", series.folder)))
    pair = has_pairs(series, own) or (bool(series.layout.down) and not own)
    result: list[list[str]] = []

    def decide(snapshot: Snapshot) -> Change | None:
        for one in reservations(repo, rules, snapshot, series):
            paths = paths_for(series.layout, series.folder, one.number, name, pair=pair)
            made = os.path.lexists(os.path.join(repo.top, paths[0]))
            if one.holder == holder and series.name_of(paths[0]) == one.name and not made:
                result[:] = [paths]
                return None
        taken = taken_anywhere(repo, rules, snapshot, series)
        if series.layout.graph == "alembic":
            import secrets

            number = secrets.token_hex(6)
        else:
            number = next_text(series.layout, taken)
        paths = paths_for(series.layout, series.folder, number, name, pair=pair)
        result[:] = [paths]
        key = number_in(series.layout, series.name_of(paths[0]))
        if key is None or not key.key:
            return None
        now = int(time.time())
        record = reservation_record(Reservation(number, series.name_of(paths[0]), holder, now, now + LEASE))
        changed: dict[bytes, Record | None] = dict.fromkeys(_landed_places(snapshot, series, landed))
        changed[reservation_place(series, key.key)] = record
        return Change(f"reserve {number} of {series.folder}", holder.key, changed)

    store.swap(decide)
    return result[0]
