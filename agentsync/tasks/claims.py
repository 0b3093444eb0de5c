"""Claims of tasks in the shared state: at most one holder has a task."""

from __future__ import annotations

import os
import time

from agentsync.errors import OTHER_WORK, RefusedError
from agentsync.git.objects import cat_file
from agentsync.git.refs import HEADS, head_of, resolve_ref
from agentsync.git.repo import Repo, admin_dir_of
from agentsync.holders.identity import Holder
from agentsync.holders.machine import this_machine
from agentsync.holders.registry import is_gone, last_seen, registration_of
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import list_of, number_of, text_of
from agentsync.state.paths import TASKS
from agentsync.state.records import claim_place
from agentsync.state.store import Change, Snapshot, Store
from agentsync.text import one_line, quoted, shell_word, show_duration, show_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agentsync.config.load import Base, InForce
    from agentsync.record import Record

ROOM = TASKS
FILE = b"TASKS.md"
PROVISIONAL = 600  # seconds that a claim made by a commit holds without it: the commit may fail yet


class Claim(NamedTuple):
    """Who has a task: since when, until when (epoch seconds) its lease runs, on which branch, and whether done.

    `by_commit`: a commit that marks it in TASKS.md made the claim, which holds while a branch has that mark.
    `tokens` and `cost` (US dollars, as text) are what the work took, 0 and empty when nobody said.
    `surface`: where it is done if not in files, such as `desktop`; `progress`: what its holder said last.
    """

    id: str
    title: str
    holder: Holder
    since: int
    until: int
    lease: int
    files: tuple[str, ...] = ()
    ref: str = ""
    done: bool = False
    by_commit: bool = False
    tokens: int = 0
    cost: str = ""
    surface: str = ""
    progress: str = ""


def place_of(task_id: str) -> bytes:
    """Where the state keeps a task's claim; ids differ by more than case."""
    return claim_place(task_id)


def claim_record(claim: Claim) -> Record:
    """A claim as its record."""
    return {
        "id": claim.id,
        "title": one_line(claim.title),
        "agent": claim.holder.agent,
        "worktree": claim.holder.worktree,
        "since": claim.since,
        "until": claim.until,
        "lease": claim.lease,
        "files": list(claim.files),
        "ref": claim.ref,
        "done": int(claim.done),
        "by_commit": int(claim.by_commit),
        "tokens": claim.tokens,
        "cost": claim.cost,
        "surface": claim.surface,
        "progress": one_line(claim.progress),
    }


def parse_claim(record: Record) -> Claim:
    """The reverse of `claim_record`."""
    return Claim(
        text_of(record, "id"),
        text_of(record, "title"),
        Holder(text_of(record, "agent"), text_of(record, "worktree")),
        number_of(record, "since"),
        number_of(record, "until"),
        number_of(record, "lease"),
        tuple(list_of(record, "files")),
        text_of(record, "ref"),
        bool(number_of(record, "done")),
        bool(number_of(record, "by_commit")),
        number_of(record, "tokens"),
        text_of(record, "cost"),
        text_of(record, "surface"),
        text_of(record, "progress"),
    )


def all_claims(snapshot: Snapshot) -> list[Claim]:
    """Every claim in the state, live or not."""
    return [parse_claim(record) for _, record in snapshot.walk(ROOM)]


def claim_of(snapshot: Snapshot, task_id: str) -> Claim | None:
    """The claim of one task."""
    record = snapshot.get(place_of(task_id))
    return parse_claim(record) if record else None


def _has_unlanded_work(repo: Repo, base: Base, claim: Claim) -> bool:
    from agentsync.git.landed import landed  # seldom needed: only when a lease is over

    tip = resolve_ref(repo, claim.ref) if claim.ref and claim.ref != base.ref else ""
    return bool(tip and base.commits) and not landed(repo, base.commits, tip).is_landed


def _is_marked_anywhere(repo: Repo, claim: Claim) -> bool:
    """Whether any branch has the mark in TASKS.md that this claim was made by."""
    from agentsync.tasks.grammar import decode, parse  # `re`, only for a claim that a commit made minutes ago

    tips = repo.lines("for-each-ref", "--format=%(objectname)", "refs/heads")
    with cat_file(repo) as cat:
        plans = {cat.id_of(tip.encode() + b":" + FILE) for tip in [resolve_ref(repo, claim.ref), *tips] if tip}
        tasks = [task for blob in plans if blob for task in parse(decode(cat.read(blob.encode()) or b""))]
    named = [task for task in tasks if task.id.lower() == claim.id.lower()]
    return any(task.done if claim.done else task.agent == claim.holder.agent for task in named)


def is_live(repo: Repo, base: Base, snapshot: Snapshot, claim: Claim) -> bool:
    """Whether a claim holds: its lease runs, or its branch has commits that have not landed."""
    if claim.by_commit:
        return time.time() < claim.until or _is_marked_anywhere(repo, claim)
    seen = last_seen(repo.common_dir, claim.holder.worktree)
    ends = max(float(claim.until), seen + claim.lease if seen else 0.0)
    if time.time() < ends and not is_gone(repo.common_dir, registration_of(snapshot, claim.holder)):
        return True
    return _has_unlanded_work(repo, base, claim)


def live_claims(repo: Repo, base: Base, snapshot: Snapshot) -> list[Claim]:
    """The claims that hold."""
    return [claim for claim in all_claims(snapshot) if is_live(repo, base, snapshot, claim)]


def taken_line(claim: Claim) -> str:
    """Who has a task, since when, until when."""
    if claim.done and claim.surface:
        return f"done by {claim.holder.key}"
    what = "done, not landed yet, by" if claim.done else "claimed by"
    left = show_duration(claim.until - time.time())
    return f"{what} {claim.holder.key} since {show_time(claim.since)} ({left} left, and while its branch is unlanded)"


def refused_claim(claim: Claim, freed: tuple[str, str] = ("", "")) -> RefusedError:
    """The refusal of a task that another has; `freed`: why it still has it and what frees it, where nobody is there."""
    why, way_on = freed if freed[0] else ("take other work:", OTHER_WORK)
    return RefusedError(f"task {claim.id} {quoted(claim.title, 80)} is {taken_line(claim)}", why, way_on)


def what_frees(repo: Repo, base: Base, snapshot: Snapshot, claim: Claim) -> tuple[str, str]:
    """Why a claim holds though its worktree is gone, and the command that frees it; empty where nothing is gone.

    Of another machine's worktrees nothing can be seen from here.
    """
    known = registration_of(snapshot, claim.holder)
    admin = os.path.exists(admin_dir_of(repo.common_dir, claim.holder.worktree))
    if admin if known is None else known.machine != this_machine() or os.path.exists(known.path):
        return "", ""
    where = f"its worktree {one_line(known.path, 200)} is not there" if known else "its worktree was removed"
    if _has_unlanded_work(repo, base, claim):
        branch = claim.ref.removeprefix(HEADS)
        why = f"{where}; it is free once what {one_line(branch, 80)} has is in base, or that branch is deleted"
        return why, f"agentsync integrate {shell_word(branch)}"
    if admin:
        way_on = f"agentsync worktree remove {shell_word(claim.holder.worktree)}"
        return f"{where}; to give that up, and free the task:", way_on
    return "", ""


def take_claim(
    repo: Repo,
    store: Store,
    rules: InForce,
    holder: Holder,
    choose: Callable[[Snapshot], tuple[str, str, tuple[str, ...]]],
    surface: str = "",
) -> Claim:
    """Claim the task (id, title, files) that `choose` picks on a snapshot, in one swap.

    Raises RefusedError when another has it; what `choose` raises passes through.
    """
    got: list[Claim] = []

    def decide(snapshot: Snapshot) -> Change | None:
        task_id, title, files = choose(snapshot)
        known = claim_of(snapshot, task_id)
        if known and known.holder != holder and is_live(repo, rules.base, snapshot, known):
            raise refused_claim(known, what_frees(repo, rules.base, snapshot, known))
        claim = new_claim(repo, rules, holder, task_id, title, files)._replace(surface=surface)
        mine = known is not None and known.holder == holder
        got[:] = [claim._replace(since=known.since) if known and mine else claim]
        return Change(f"claim {task_id}", holder.key, {place_of(task_id): claim_record(got[0])})

    store.swap(decide)
    return got[0]


def new_claim(  # noqa: PLR0913 (a record's fields)
    repo: Repo, rules: InForce, holder: Holder, task_id: str, title: str, files: Iterable[str], *, done: bool = False
) -> Claim:
    """A claim that begins now, on the branch that is checked out here."""
    now, lease = int(time.time()), rules.config.number("tasks.lease")
    return Claim(task_id, title, holder, now, now + lease, lease, tuple(files), head_of(repo).branch, done)


def release_claim(store: Store, holder: Holder, task_id: str) -> Claim:
    """Give a claim back.

    Raises RefusedError when there is none or it is another's.
    """
    found: list[Claim] = []

    def decide(snapshot: Snapshot) -> Change | None:
        found[:] = [own_claim(snapshot, holder, task_id)]
        return Change(f"release {task_id}", holder.key, {place_of(task_id): None})

    store.swap(decide)
    return found[0]


def own_claim(snapshot: Snapshot, holder: Holder, task_id: str) -> Claim:
    """This holder's claim of a task.

    Raises RefusedError when there is none or it is another's.
    """
    claim = claim_of(snapshot, task_id)
    if claim is None:
        raise RefusedError(
            f"task {one_line(task_id, 60)} is not claimed", "", f"agentsync task claim {shell_word(task_id)}"
        )
    if claim.holder != holder:
        raise RefusedError(
            f"task {claim.id} is {taken_line(claim)}", "only its holder may do this", "agentsync task list"
        )
    return claim


def settle_claims(store: Store, holder: Holder, landed: Mapping[str, bool]) -> None:
    """Drop the claims of tasks that base shows as done."""

    def decide(snapshot: Snapshot) -> Change | None:
        over = {place_of(claim.id): None for claim in all_claims(snapshot) if landed.get(claim.id.lower())}
        return Change(f"settle {len(over)} landed tasks", holder.key, dict(over)) if over else None

    if any(landed.get(claim.id.lower()) for claim in all_claims(store.snapshot())):
        store.swap(decide)
