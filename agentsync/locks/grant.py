"""Taking and giving back locks: one swap of the state each, all targets or none."""

from __future__ import annotations

import time

from agentsync.config.patterns import matches
from agentsync.errors import RefusedError
from agentsync.git.objects import blob_of
from agentsync.git.refs import HEADS, head_of
from agentsync.git.repo import Repo
from agentsync.holders.identity import Holder
from agentsync.holders.machine import process_of, process_record
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.landing import Missing, missing_version, settle
from agentsync.locks.markers import marker_lock, take_away_hand_made
from agentsync.locks.model import Chain, Lock, Target, chain_record, lock_record
from agentsync.locks.query import Held, chain_of, chains_in, locks_on
from agentsync.locks.rules import overlaps
from agentsync.locks.say import in_line_lines, missing_lines, refusal_lines, touch_line
from agentsync.locks.touching import Touch, touching
from agentsync.record import list_of, number_of, text_of
from agentsync.state.journal import record_event
from agentsync.state.records import WAITERS
from agentsync.state.store import Change, Snapshot, Store
from agentsync.text import shell_path, shell_word, show_path

if TYPE_CHECKING:
    from agentsync.config.load import InForce
    from agentsync.record import Record


class Request(NamedTuple):
    """Who wants which locks, for how long (seconds) and why; `waiting_since` is its place in the line, or 0."""

    holder: Holder
    targets: tuple[Target, ...]
    lease: int
    reason: str = ""
    kind: str = "command"
    task: str = ""
    waiting_since: int = 0


class Grant(NamedTuple):
    """The locks got, and what their holder should know: who else touches the paths, versions it lacks."""

    locks: tuple[Lock, ...]
    touches: tuple[Touch, ...] = ()
    missing: tuple[Missing, ...] = ()


class LockedError(RefusedError):
    """Another holder has one of the targets; `until` (epoch seconds) is when the last of them ends."""

    def __init__(self, lines: list[str], until: float) -> None:
        super().__init__(lines[0], *lines[1:3])
        self._lines = lines
        self.until = until

    def bare_lines(self) -> tuple[str, ...]:
        """Who has it, until when, and the ways on."""
        return tuple(self._lines)


def _others(repo: Repo, snapshot: Snapshot, request: Request) -> tuple[list[Held], list[Held]]:
    """Overlapping locks of other holders: those that hold, and those that ended."""
    seen = {
        held.lock.target: held
        for target in request.targets
        for held in locks_on(repo, snapshot, target)
        if held.lock.holder != request.holder
    }
    return [held for held in seen.values() if held.live], [held for held in seen.values() if not held.live]


def _by_hand(repo: Repo, rules: InForce, request: Request) -> list[Held]:
    """Locks of others that hand-made marker files stand for."""
    if rules.config.text("locks.markers") == "off":
        return []
    lease = rules.config.number("locks.lease")
    found = [marker_lock(repo, target.name, lease) for target in request.targets if not target.is_resource]
    return [held for held in found if held and held.live and held.lock.holder != request.holder]


def _ahead_in_line(snapshot: Snapshot, request: Request, now: float) -> str:
    """The holder that waits longest for something that overlaps the request, and came before it."""
    mine = request.waiting_since or time.time_ns()
    ahead = [
        (number_of(record, "since"), text_of(record, "holder"))
        for _, record in snapshot.walk(WAITERS)
        if _waits(record, now)
        and text_of(record, "holder") != request.holder.key
        and number_of(record, "since") < mine
        and any(_same_or_inside(text, target) for text in list_of(record, "targets") for target in request.targets)
    ]
    return min(ahead)[1] if ahead else ""


def _waits(record: Record, now: float) -> bool:
    waiter = process_of(record)
    return number_of(record, "until") > now and (waiter.is_alive or not waiter.can_be_seen)


def _same_or_inside(text: str, target: Target) -> bool:
    from agentsync.locks.model import target_from_text

    other = target_from_text(text)
    return other == target or (not other.is_resource and not target.is_resource and overlaps(other.name, target.name))


def _stray_change(repo: Repo, rules: InForce, snapshot: Snapshot, request: Request) -> RefusedError | None:
    """A commit elsewhere that changed an exclusive path outside of its lock, so that no chain leads to it."""
    patterns = rules.config.patterns("locks.exclusive")
    for target in request.targets:
        if target.is_resource or not matches(patterns, target.name):
            continue
        chain = chain_of(snapshot, target.name)
        known = {version.blob for version in chain.versions} if chain else set()
        for touch in touching(repo, rules.base, target.name):
            if touch.commit and blob_of(repo, touch.commit, target.name) not in known:
                branch = head_of(repo, touch.worktree.git_dir).branch.removeprefix(HEADS) or touch.commit
                return RefusedError(
                    f"{show_path(target.name)} was changed outside of its lock: {touch_line(touch)}",
                    "it is exclusive: bring that change in first",
                    f"git merge {shell_word(branch)}",
                )
    return None


def _versions_lacked(repo: Repo, base: InForce, snapshot: Snapshot, request: Request) -> list[Missing]:
    paths = [target.name for target in request.targets if not target.is_resource]
    chains = [chain for path in paths for chain in chains_in(snapshot, path)]
    if not chains:
        return []
    head = head_of(repo).commit
    found = [missing_version(repo, base.base, chain, head, time.time()) for chain in chains]
    return [missing for missing in found if missing]


def new_locks(repo: Repo, rules: InForce, snapshot: Snapshot, request: Request) -> tuple[list[Lock], list[Missing]]:
    """The locks that a request gets on this snapshot, and versions worth a warning.

    Raises LockedError where another holder has or awaits a target, RefusedError where a last version is lacking.
    """
    now = time.time()
    held, ended = _others(repo, snapshot, request)
    held += _by_hand(repo, rules, request)
    if held:
        raise LockedError(refusal_lines(held), max(one.ends for one in held))
    ahead = _ahead_in_line(snapshot, request, now)
    if ahead:
        raise LockedError(in_line_lines(request.targets, ahead), now + 60)
    stray = _stray_change(repo, rules, snapshot, request)
    if stray:
        raise stray
    missing = _versions_lacked(repo, rules, snapshot, request)
    hard = [one for one in missing if not one.soft]
    if hard and rules.config.text("locks.hand_on") == "refuse":
        what, why, command = missing_lines(hard)
        raise RefusedError(what, why, command)
    stories = {held.lock.target: f"{held.lock.holder.key} {int(held.ends)}" for held in ended}
    until = int(now) + request.lease
    locks = []
    for target in request.targets:
        known = snapshot.get(target.place)
        since = number_of(known, "since") if known and text_of(known, "agent") == request.holder.agent else int(now)
        story = next((stories[one] for one in stories if one == target or overlaps(one.name, target.name)), "")
        locks.append(
            Lock(target, request.holder, since, until, request.lease, request.kind, request.reason, request.task, story)
        )
    return locks, missing


def take(repo: Repo, store: Store, rules: InForce, request: Request) -> Grant:
    """Take every target's lock, or none.

    Raises LockedError, or RefusedError when the holder lacks a path's last version or may not lock it.
    """
    _require_lockable(rules, request)
    paths = [target.name for target in request.targets if not target.is_resource]
    settle(repo, rules.base, store, request.holder, paths)
    result: list[tuple[list[Lock], list[Missing]]] = []
    taken_over: list[Lock] = []

    def decide(snapshot: Snapshot) -> Change | None:
        locks, missing = new_locks(repo, rules, snapshot, request)
        result[:] = [(locks, missing)]
        taken_over[:] = [held.lock for held in _others(repo, snapshot, request)[1]]
        records: dict[bytes, Record | None] = {lock.target.place: None for lock in taken_over}
        records |= {lock.target.place: lock_record(lock) for lock in locks}
        records |= _without_dead_waiters(snapshot, request)
        names = ", ".join(show_path(target.name) for target in request.targets[:3])
        return Change(f"lock {names}", request.holder.key, records)

    store.swap(decide)
    for lock in taken_over:
        record_event(
            repo.shared_dir,
            "take-over",
            holder=request.holder.key,
            path=show_path(lock.target.name),
            was=lock.holder.key,
        )
    locks, missing = result[0]
    touches = [touch for path in paths for touch in touching(repo, rules.base, path)]
    return Grant(tuple(locks), tuple(touches), tuple(missing))


def _require_lockable(rules: InForce, request: Request) -> None:
    for target in request.targets:
        if not target.is_resource and matches(rules.config.patterns("regenerate.paths"), target.name):
            raise RefusedError(
                f"{show_path(target.name)} is never locked",
                "it is generated ([regenerate] paths): change its source and make it again",
                "agentsync lock PATH-OF-THE-SOURCE",
            )


def _without_dead_waiters(snapshot: Snapshot, request: Request) -> dict[bytes, Record | None]:
    now = time.time()
    return {
        place: None
        for place, record in snapshot.walk(WAITERS)
        if not _waits(record, now) or text_of(record, "holder") == request.holder.key
    }


def give_back(repo: Repo, store: Store, holder: Holder, targets: list[Target], force_reason: str = "") -> list[Lock]:
    """Release locks; with `force_reason`, anybody's.

    Raises RefusedError when a target is not locked, is another's, or has uncommitted edits here.
    """
    released: list[Lock] = []

    def decide(snapshot: Snapshot) -> Change | None:
        released[:] = [_own_lock(repo, snapshot, holder, target, force_reason) for target in targets]
        records: dict[bytes, Record | None] = {}
        for lock in released:
            records[lock.target.place] = None
            if not lock.target.is_resource:
                records |= {chain.place: _handed(chain) for chain in chains_in(snapshot, lock.target.name)}
        return Change(f"unlock {', '.join(show_path(t.name) for t in targets[:3])}", holder.key, records)

    for target in targets if not force_reason else ():
        _own_lock(repo, store.snapshot(), holder, target, "")
        if not target.is_resource:
            _require_committed(repo, target)
    store.swap(decide)
    for lock in released:
        if lock.kind == "marker":
            take_away_hand_made(repo, lock.target.name)
        if lock.holder != holder:
            record_event(
                repo.shared_dir,
                "forced-unlock",
                holder=holder.key,
                was=lock.holder.key,
                path=show_path(lock.target.name),
                reason=force_reason,
            )
    return released


def _handed(chain: Chain) -> Record:
    return chain_record(chain if chain.handed else chain._replace(handed=int(time.time())))


def _own_lock(repo: Repo, snapshot: Snapshot, holder: Holder, target: Target, force_reason: str) -> Lock:
    exact = [held for held in locks_on(repo, snapshot, target) if held.lock.target == target]
    by_hand = marker_lock(repo, target.name, 0) if not exact and not target.is_resource else None
    exact += [by_hand] if by_hand else []
    if not exact:
        raise RefusedError(f"{show_path(target.name)} is not locked", "nothing to release", "agentsync lock")
    lock = exact[0].lock
    if lock.holder != holder and not force_reason:
        raise RefusedError(
            f"{show_path(target.name)} is locked by {lock.holder.key}, not by {holder.key}",
            "only its holder releases a lock; a person may force it",
            f"agentsync unlock {_word(target)} --force --reason 'why'",
        )
    return lock


def _word(target: Target) -> str:
    return target.name.decode() if target.is_resource else shell_path(target.name)


def _require_committed(repo: Repo, target: Target) -> None:
    status = repo.git("--literal-pathspecs", "status", "--porcelain", "--", target.name or b".")
    if status.out:
        raise RefusedError(
            f"{show_path(target.name)} has uncommitted edits here",
            "given back now, the next holder would build on a version that lacks them",
            f"git add {shell_path(target.name)} && git commit",
        )


def stand_in_line(store: Store, request: Request, now: float, patience: int) -> None:
    """Note, or note again, that a request waits; a waiter that stops noting it leaves the line."""
    place = f"{request.waiting_since:020d}-{request.holder.key}.toml".encode("utf-8", "replace")
    record: Record = {
        "holder": request.holder.key,
        "targets": [target.text for target in request.targets],
        "since": request.waiting_since,
        "until": int(now) + patience,
        **process_record(),
    }
    names = ", ".join(show_path(target.name) for target in request.targets[:3])
    store.swap(lambda _: Change(f"wait for {names}", request.holder.key, {WAITERS + b"/" + place: record}))


def leave_line(store: Store, request: Request) -> None:
    """Take a waiting request out of the line."""

    def decide(snapshot: Snapshot) -> Change | None:
        mine = {
            place: None for place, record in snapshot.walk(WAITERS) if text_of(record, "holder") == request.holder.key
        }
        return Change("stop waiting", request.holder.key, dict(mine)) if mine else None

    store.swap(decide)
