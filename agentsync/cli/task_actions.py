"""What the `task` verbs that agents use most do, apart from how their words are read."""

from __future__ import annotations

import os

from agentsync.cli.here import Here, open_here
from agentsync.cli.output import answer, answer_json, narrate
from agentsync.errors import RefusedError, UsageError
from agentsync.git.refs import HEADS
from agentsync.lean import TYPE_CHECKING
from agentsync.setup.files import read_or_empty, write_whole
from agentsync.state.store import Change, Snapshot
from agentsync.tasks.claims import (
    Claim,
    claim_record,
    live_claims,
    own_claim,
    place_of,
    release_claim,
    settle_claims,
    take_claim,
)
from agentsync.tasks.grammar import FILE, Task, decode, duplicates, encode, find, mark_done, parse
from agentsync.tasks.rules import available
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan_path(here: Here) -> str:
    return os.path.join(here.repo.top, FILE)


def read_plan(here: Here) -> list[Task]:
    """The tasks in this worktree's TASKS.md, and those that base has beside them."""
    tasks = parse(decode(read_or_empty(plan_path(here))))
    known = {one.id.lower() for one in tasks}
    for plan in base_plans(here):
        tasks += [one for one in plan if one.id.lower() not in known]
        known |= {one.id.lower() for one in plan}
    return tasks


def require_one(tasks: Sequence[Task], name: str) -> None:
    """Raise UsageError where several tasks answer to a name."""
    if name.lower() in duplicates(list(tasks)):
        what = f"{FILE} has {quoted(name, 60)} more than once"
        raise UsageError(what, "an id names one task", f"grep -n -i -e {shell_word(name)} {FILE}")


def base_plans(here: Here) -> list[list[Task]]:
    """The tasks in base's TASKS.md: the local branch's, and its upstream's."""
    blobs = (f"{commit}:{FILE}" for commit in here.rules.base.commits)
    return [parse(decode(here.repo.git("cat-file", "blob", blob, ok=()).out)) for blob in blobs]


def landed_ids(here: Here) -> dict[str, bool]:
    """Which tasks base shows as done."""
    return {one.id.lower(): True for plan in base_plans(here) for one in plan if one.done}


def plan_now(here: Here) -> list[Task]:
    """The tasks here, with those that base shows as done marked so."""
    landed = landed_ids(here)
    return [one._replace(mark="x") if landed.get(one.id.lower()) else one for one in read_plan(here)]


def done_ids(here: Here, tasks: Sequence[Task]) -> set[str]:
    """The tasks that count as done for this worktree: landed, or ticked in its own history."""
    data = here.repo.git("cat-file", "blob", f"HEAD:{FILE}", ok=()).out
    in_history = {one.id.lower() for one in parse(decode(data)) if one.done}
    return set(landed_ids(here)) | in_history | {one.id.lower() for one in tasks if one.mark == "-"}


def claims_by_id(here: Here, snapshot: Snapshot) -> dict[str, Claim]:
    return {claim.id.lower(): claim for claim in live_claims(here.repo, here.rules.base, snapshot)}


def require_task(tasks: Sequence[Task], name: str) -> Task:
    require_one(tasks, name)
    found = find(list(tasks), name)
    if found is None:
        raise RefusedError(
            f"no task {quoted(name, 60)} in {FILE}",
            "a tracker's task may be claimed unlisted, with the files it is about",
            f"agentsync task claim {shell_word(name)} --files 'src/**'",
        )
    return found


def holders_and_files(claims: dict[str, Claim]) -> dict[str, tuple[str, Sequence[str]]]:
    return {key: (claim.holder.key, claim.files) for key, claim in claims.items()}


def run_next(*, wanted: bool, as_json: bool, agent: str) -> int:
    """The next free task, claimed if `wanted`."""
    here = open_here(agent)
    tasks = plan_now(here)
    twice = duplicates(tasks)
    tasks = [one for one in tasks if one.id.lower() not in twice]
    done = done_ids(here, tasks)
    settle_claims(here.store, here.holder, landed_ids(here))
    require_room(here)

    def choose(snapshot: Snapshot) -> tuple[str, str, tuple[str, ...]]:
        free, waiting = available(tasks, done, holders_and_files(claims_by_id(here, snapshot)))
        if not free:
            why = "; ".join(f"{one.task.id}: {one.why}" for one in waiting[:3]) or f"{FILE} has no open task"
            raise RefusedError("no task is free", one_line(why), "agentsync task list")
        return free[0].id, free[0].title, free[0].files

    if wanted:
        claim = take_claim(here.repo, here.store, here.rules, here.holder, choose)
        chosen = require_task(tasks, claim.id)
    else:
        chosen = require_task(tasks, choose(here.store.snapshot())[0])
    if as_json:
        answer_json({"task": chosen._asdict(), "claimed": wanted})
        return 0
    print_task(chosen)
    unfinished = [one.id for one in claims_by_id(here, here.store.snapshot()).values()
                  if one.holder == here.holder and not one.done and one.id != chosen.id]  # fmt: skip
    if unfinished:
        narrate(f"claimed here and not done yet: {one_line(', '.join(unfinished), 200)}")
    if not wanted:
        narrate(f"agentsync task claim {shell_word(chosen.id)}")
    return 0


def require_room(here: Here) -> None:
    limit = here.rules.config.number("tasks.limit")
    if not limit or not here.rules.base.commits:
        return
    waiting = here.repo.lines(
        "for-each-ref", f"--no-merged={here.rules.base.commits[0]}", "--format=%(refname)", "refs/heads"
    )
    if len(waiting) >= limit:
        names = ", ".join(one_line(name.removeprefix(HEADS), 40) for name in waiting[:3])
        raise RefusedError(
            f"{len(waiting)} branches wait to land, and the limit is {limit}",
            f"land one first: {names}",
            "agentsync status",
        )


def print_task(one: Task) -> None:
    answer(f"{one.id}  {one_line(one.title)}")
    if one.files:
        answer("  files: " + ", ".join(one_line(item, 80) for item in one.files))
    if one.depends:
        answer("  depends: " + ", ".join(one.depends))


def run_claim(name: str, files: tuple[str, ...], agent: str) -> int:
    """Claim one task."""
    here = open_here(agent)
    tasks = read_plan(here)
    found = require_task(tasks, name) if not files else find(tasks, name)
    if found and (found.done or landed_ids(here).get(found.id.lower())):
        raise RefusedError(f"task {found.id} is done already", "", "agentsync task next --claim")
    chosen = (found.id, found.title, files or found.files) if found else (name, name, files)
    got = take_claim(here.repo, here.store, here.rules, here.holder, lambda _: chosen)
    answer(f"claimed {got.id} {quoted(got.title, 80)}")
    return 0


def run_release(name: str, agent: str) -> int:
    """Give one claim back."""
    here = open_here(agent)
    found = find(read_plan(here), name)
    released = release_claim(here.store, here.holder, found.id if found else name)
    answer(f"released {released.id}")
    return 0


def run_done(name: str, agent: str) -> int:
    """Finish a claimed task."""
    here = open_here(agent)
    tasks = read_plan(here)
    mine = [one for one in live_claims(here.repo, here.rules.base, here.store.snapshot()) if one.holder == here.holder]
    if not name:
        open_claims = [one for one in mine if not one.done]
        if len(open_claims) != 1:
            ids = ", ".join(one.id for one in open_claims) or "none"
            raise UsageError("which task is done?", f"claimed here: {ids}", "agentsync task done ID")
        name = open_claims[0].id
    require_one(tasks, name)
    found = find(tasks, name)
    wanted = found.id if found else name

    def decide(snapshot: Snapshot) -> Change | None:
        finished = own_claim(snapshot, here.holder, wanted)._replace(done=True)
        return Change(f"done {wanted}", here.holder.key, {place_of(wanted): claim_record(finished)})

    here.store.swap(decide)
    data = read_or_empty(plan_path(here))
    in_file = find(parse(decode(data)), wanted)
    if in_file:
        write_whole(plan_path(here), encode(mark_done(decode(data), in_file, here.holder.agent)))
        answer(f"done {wanted}: ticked in {FILE}, commit it with the work")
    else:
        answer(f"done {wanted}; {FILE} here does not list it, so nothing was ticked")
    return 0
