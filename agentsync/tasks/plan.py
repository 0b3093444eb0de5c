"""The plan as a worktree sees it: its own TASKS.md, what base has beside it, and what the claims add to both."""

from __future__ import annotations

import os

from agentsync.errors import OTHER_WORK, AgentsyncError, RefusedError, UsageError
from agentsync.files import read_or_empty, write_whole
from agentsync.git.landed import landed
from agentsync.git.refs import HEADS, worktrees
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.say import without_other_work
from agentsync.state.records import KEPT
from agentsync.state.store import Change, Snapshot
from agentsync.tasks.claims import (
    Claim,
    all_claims,
    claim_record,
    live_claims,
    own_claim,
    place_of,
    settle_claims,
    take_claim,
)
from agentsync.tasks.grammar import FILE, Task, decode, duplicates, encode, find, mark_done, parse
from agentsync.tasks.rules import Waiting, available
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo
    from agentsync.holders.identity import Holder
    from agentsync.state.store import Store


def plan_path(repo: Repo) -> str:
    """Where this worktree's TASKS.md is."""
    return os.path.join(repo.top, FILE)


def own_text(repo: Repo) -> str:
    """This worktree's TASKS.md as text, empty where there is none.

    Raises RefusedError where it is no text.
    """
    data = read_or_empty(plan_path(repo))
    if b"\0" in data:
        raise RefusedError(
            f"{FILE} is no UTF-8 text", "it has null bytes, as UTF-16 has: save it as UTF-8", f"file {FILE}"
        )
    return decode(data)


def write_plan(repo: Repo, text: str) -> None:
    """Replace this worktree's TASKS.md.

    Raises RefusedError where it lies outside of the worktree: who follows a link there cannot know what is written.
    """
    require_own(repo)
    write_whole(plan_path(repo), encode(text))


def require_own(repo: Repo) -> None:
    """Refuse to write a TASKS.md that is a link to somewhere else."""
    path = plan_path(repo)
    if not os.path.realpath(path).startswith(os.path.realpath(repo.top) + os.sep):
        what = f"{FILE} is a symlink that leads out of this worktree"
        raise RefusedError(what, one_line(os.path.realpath(path), 200), f"ls -l {shell_word(path)}")


def ids_in_use(repo: Repo, rules: InForce, snapshot: Snapshot) -> set[str]:
    """The ids of tasks here, in base, in every other worktree's file, and of claims."""
    others = [read_or_empty(os.path.join(one.top, FILE)) for one in worktrees(repo) if one.present]
    tasks = [*read_plan(repo, rules), *(task for data in others for task in parse(decode(data)))]
    return {task.id for task in tasks} | {claim.id for claim in all_claims(snapshot)}


def read_plan(repo: Repo, rules: InForce) -> list[Task]:
    """The tasks in this worktree's TASKS.md, and those that base has beside them."""
    tasks = parse(own_text(repo))
    known = {one.id.lower() for one in tasks}
    for plan in base_plans(repo, rules):
        tasks += [one for one in plan if one.id.lower() not in known]
        known |= {one.id.lower() for one in plan}
    return tasks


def base_plans(repo: Repo, rules: InForce) -> list[list[Task]]:
    """The tasks in base's TASKS.md: the local branch's, and its upstream's."""
    blobs = (f"{commit}:{FILE}" for commit in rules.base.commits)
    return [parse(decode(repo.git("cat-file", "blob", blob, ok=()).out)) for blob in blobs]


def landed_ids(repo: Repo, rules: InForce) -> dict[str, bool]:
    """Which tasks base shows as done."""
    return {one.id.lower(): True for plan in base_plans(repo, rules) for one in plan if one.done}


def plan_now(repo: Repo, rules: InForce) -> list[Task]:
    """The tasks here, with those that base shows as done marked so."""
    landed = landed_ids(repo, rules)
    return [one._replace(mark="x") if landed.get(one.id.lower()) else one for one in read_plan(repo, rules)]


def done_ids(repo: Repo, rules: InForce, tasks: Sequence[Task], claims: Sequence[Claim]) -> set[str]:
    """The tasks that count as done for this worktree: landed, ticked in its own history, or finished without files."""
    data = repo.git("cat-file", "blob", f"HEAD:{FILE}", ok=()).out
    in_history = {one.id.lower() for one in parse(decode(data)) if one.done}
    elsewhere = {claim.id.lower() for claim in claims if claim.done and claim.surface}
    cancelled = {one.id.lower() for one in tasks if one.mark == "-"}
    return set(landed_ids(repo, rules)) | in_history | elsewhere | cancelled


def claims_by_id(repo: Repo, rules: InForce, snapshot: Snapshot) -> dict[str, Claim]:
    """The claims that hold, by their task's id in lower case."""
    return {claim.id.lower(): claim for claim in live_claims(repo, rules.base, snapshot)}


def holders_and_files(claims: dict[str, Claim]) -> dict[str, tuple[str, Sequence[str]]]:
    """Who has each claimed task, and its files."""
    return {key: (claim.holder.key, claim.files) for key, claim in claims.items()}


def require_one(tasks: Sequence[Task], name: str) -> None:
    """Raise UsageError where several tasks answer to a name."""
    if name.lower() in duplicates(list(tasks)):
        what = f"{FILE} has {quoted(name, 60)} more than once"
        raise UsageError(what, "an id names one task", f"grep -n -i -e {shell_word(name)} {FILE}")


def require_task(tasks: Sequence[Task], name: str) -> Task:
    """The one task that a name means.

    Raises UsageError where several answer to it, RefusedError where none does.
    """
    require_one(tasks, name)
    found = find(list(tasks), name)
    if found is None:
        raise RefusedError(
            f"no task {quoted(name, 60)} in {FILE}",
            "a tracker's task may be claimed unlisted, with the files it is about",
            f"agentsync task claim {shell_word(name)} --files 'src/**'",
        )
    return found


def next_task(repo: Repo, store: Store, rules: InForce, holder: Holder, surface: str = "", *, wanted: bool) -> Task:
    """The first task of a surface that is free, claimed in the same step if `wanted`.

    Raises RefusedError where none is.
    """
    tasks = plan_now(repo, rules)
    twice = duplicates(tasks)
    tasks = [one for one in tasks if one.id.lower() not in twice]
    settle_claims(store, holder, landed_ids(repo, rules))
    _require_room(repo, rules)

    def choose(snapshot: Snapshot) -> tuple[str, str, tuple[str, ...]]:
        free, waiting = _free(repo, rules, snapshot, tasks)
        free = [one for one in free if one.surface == surface]
        if not free:
            others = [one for one in waiting if one.task.surface == surface]
            why = "; ".join(f"{one.task.id}: {one.why}" for one in others[:3]) or f"{FILE} has no open task"
            raise RefusedError("no task is free", one_line(why), "agentsync task list")
        return free[0].id, free[0].title, free[0].files

    if wanted:
        return require_task(tasks, take_claim(repo, store, rules, holder, choose, surface).id)
    return require_task(tasks, choose(store.snapshot())[0])


def _free(repo: Repo, rules: InForce, snapshot: Snapshot, tasks: Sequence[Task]) -> tuple[list[Task], list[Waiting]]:
    claims = claims_by_id(repo, rules, snapshot)
    done = done_ids(repo, rules, tasks, list(claims.values()))
    return available(tasks, done, holders_and_files(claims))


def fitting(repo: Repo, rules: InForce, snapshot: Snapshot, lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of a refusal as they fit now: other work is offered only where `task next` would hand some out."""
    if OTHER_WORK not in lines:
        return tuple(lines)
    try:
        _require_room(repo, rules)
        tasks = plan_now(repo, rules)
        twice = duplicates(tasks)
        free, _ = _free(repo, rules, snapshot, [one for one in tasks if one.id.lower() not in twice])
    except AgentsyncError:  # `task next` would say why
        return without_other_work(lines)
    return tuple(lines) if any(not one.surface for one in free) else without_other_work(lines)


def claim_by_name(
    repo: Repo, store: Store, rules: InForce, holder: Holder, name: str, files: tuple[str, ...]
) -> tuple[Claim, Task | None]:
    """Claim one task; returned with it as the plan has it, None where it is unlisted.

    Raises RefusedError where another has it, or it is done, UsageError where several tasks answer to the name.
    """
    tasks = read_plan(repo, rules)
    found = require_task(tasks, name) if not files else find(tasks, name)
    if found and (found.done or landed_ids(repo, rules).get(found.id.lower())):
        raise RefusedError(f"task {found.id} is done already", "take other work:", OTHER_WORK)
    chosen = (found.id, found.title, files or found.files) if found else (name, name, files)
    surface = found.surface if found else ""
    return take_claim(repo, store, rules, holder, lambda _: chosen, surface), found


def unmet(repo: Repo, rules: InForce, snapshot: Snapshot, task: Task) -> list[str]:
    """What a task waits for still."""
    done = done_ids(repo, rules, plan_now(repo, rules), all_claims(snapshot))
    return [one for one in task.depends if one.lower() not in done]


def _require_room(repo: Repo, rules: InForce) -> None:
    limit = rules.config.number("tasks.limit")
    if not limit or not rules.base.commits:
        return
    rows = repo.lines(
        "for-each-ref", f"--no-merged={rules.base.newest}", "--format=%(objectname) %(refname)", "refs/heads"
    )
    tips = [row.partition(" ")[::2] for row in rows]
    waiting = [name for tip, name in tips if not landed(repo, rules.base.commits, tip).is_landed]
    if len(waiting) >= limit:
        names = ", ".join(one_line(name.removeprefix(HEADS), 40) for name in waiting[:3])
        raise RefusedError(
            f"{len(waiting)} branches wait to land, and the limit is {limit}",
            f"land one first: {names}",
            "agentsync status",
        )


class Spent(NamedTuple):
    """What a task took: tokens, and US dollars as text; 0 and empty where nobody says."""

    tokens: int = 0
    cost: str = ""


def finish_task(repo: Repo, store: Store, rules: InForce, holder: Holder, name: str, spent: Spent) -> tuple[str, bool]:
    """Mark a claimed task (the only one, without a name) as done; its id, and whether TASKS.md here was ticked.

    Raises UsageError where the name is not clear, RefusedError where it is not this holder's.
    """
    tasks = read_plan(repo, rules)
    snapshot = store.snapshot()
    if not name:
        mine = [one for one in live_claims(repo, rules.base, snapshot) if one.holder == holder and not one.done]
        if len(mine) != 1:
            ids = ", ".join(one.id for one in mine) or "none"
            raise UsageError("which task is done?", f"claimed here: {ids}", "agentsync task done ID")
        name = mine[0].id
    require_one(tasks, name)
    found = find(tasks, name)
    wanted = found.id if found else name
    if found and not found.surface and not find(parse(own_text(repo)), wanted):
        own_claim(snapshot, holder, wanted)
        why = f"base's {FILE} has it, so there is nothing to tick here yet; bring base in, then again"
        raise RefusedError(f"this branch has no task {one_line(wanted, 60)}", why, "agentsync sync")

    if found and not found.surface:
        require_own(repo)

    def decide(snapshot: Snapshot) -> Change | None:
        claim = own_claim(snapshot, holder, wanted)
        until = claim.since + KEPT if claim.surface else claim.until
        finished = claim._replace(
            done=True, until=until, tokens=spent.tokens or claim.tokens, cost=spent.cost or claim.cost
        )
        return Change(f"done {wanted}", holder.key, {place_of(wanted): claim_record(finished)})

    store.swap(decide)
    text = own_text(repo)
    in_file = find(parse(text), wanted)
    surface = next((one.surface for one in all_claims(store.snapshot()) if one.id == wanted), "")
    if in_file is None or surface:
        return wanted, False
    write_plan(repo, mark_done(text, in_file, holder.agent))
    return wanted, True
