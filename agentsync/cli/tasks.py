"""`task`: the plan in TASKS.md and who has what of it."""

from __future__ import annotations

from pathlib import Path

import click

from agentsync.cli.here import Here, open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import RefusedError, UsageError
from agentsync.git.refs import HEADS
from agentsync.lean import TYPE_CHECKING
from agentsync.setup.files import read_or_empty, write_whole
from agentsync.state.store import Change, Snapshot
from agentsync.tasks.claims import (
    Claim,
    claim_of,
    claim_record,
    is_live,
    live_claims,
    own_claim,
    place_of,
    release_claim,
    settle_claims,
    take_claim,
    taken_line,
)
from agentsync.tasks.grammar import FILE, Task, added, decode, duplicates, encode, find, mark_done, next_id, parse
from agentsync.tasks.rules import available, scopes_overlap
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group(short_help="The plan in TASKS.md and who has what of it.")
def task() -> None:
    """Work on the plan in TASKS.md. Claims live in the shared state: at most one holder has a task."""


def _plan_path(here: Here) -> Path:
    return Path(here.repo.top) / FILE


def _plan(here: Here) -> list[Task]:
    """The tasks in this worktree's TASKS.md, else in base's.

    Raises UsageError when an id stands twice.
    """
    data = read_or_empty(_plan_path(here))
    if not data and here.rules.base.commits:
        data = here.repo.git("cat-file", "blob", f"{here.rules.base.commits[-1]}:{FILE}", ok=()).out
    tasks = parse(decode(data))
    twice = duplicates(tasks)
    if twice:
        raise UsageError(f"{FILE} has {one_line(', '.join(twice[:3]))} more than once", "an id names one task",
                         f"give each its own id in {FILE}")  # fmt: skip
    return tasks


def _landed(here: Here) -> dict[str, bool]:
    """Which tasks base shows as done."""
    found: dict[str, bool] = {}
    for commit in here.rules.base.commits:
        data = here.repo.git("cat-file", "blob", f"{commit}:{FILE}", ok=()).out
        found |= {one.id.lower(): True for one in parse(decode(data)) if one.done}
    return found


def _done(here: Here, tasks: Sequence[Task]) -> set[str]:
    """The tasks that count as done for this worktree: landed, or ticked in its own history."""
    data = here.repo.git("cat-file", "blob", f"HEAD:{FILE}", ok=()).out
    in_history = {one.id.lower() for one in parse(decode(data)) if one.done}
    return set(_landed(here)) | in_history | {one.id.lower() for one in tasks if one.mark == "-"}


def _claims(here: Here, snapshot: Snapshot) -> dict[str, Claim]:
    return {claim.id.lower(): claim for claim in live_claims(here.repo, here.rules.base, snapshot)}


def _require_task(tasks: Sequence[Task], name: str) -> Task:
    found = find(list(tasks), name)
    if found is None:
        raise RefusedError(
            f"no task {quoted(name, 60)} in {FILE}",
            "a tracker's task may be claimed unlisted, with the files it is about",
            f"agentsync task claim {shell_word(name)} --files 'src/**'",
        )
    return found


@task.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def list_(as_json: bool, agent: str) -> int:  # noqa: FBT001
    """Every task with its state and who has it."""
    here = open_here(agent, register=False)
    tasks, claims = _plan(here), _claims(here, here.store.snapshot())
    landed = _landed(here)
    tasks = [one._replace(mark="x") if landed.get(one.id.lower()) else one for one in tasks]
    free, waiting = available(tasks, _done(here, tasks), _brief(claims))
    state = {one.id: "free" for one in free} | {one.task.id: one.why for one in waiting}
    unlisted = [claim for key, claim in claims.items() if key not in {one.id.lower() for one in tasks}]
    if as_json:
        rows = [{**one._asdict(), "state": "done" if one.done else state.get(one.id, "cancelled")} for one in tasks]
        answer_json({"tasks": rows, "unlisted": [claim_record(claim) for claim in unlisted]})
        return 0
    lines = [(one.id, "done" if one.done else state.get(one.id, "cancelled"), one_line(one.title, 80)) for one in tasks]
    lines += [(claim.id, taken_line(claim), one_line(claim.title, 80)) for claim in unlisted]
    if not lines:
        narrate(f"no tasks: {FILE} has none (agentsync task add TITLE)")
    for line in table(lines):
        answer(line)
    return 0


def _brief(claims: dict[str, Claim]) -> dict[str, tuple[str, Sequence[str]]]:
    return {key: (claim.holder.key, claim.files) for key, claim in claims.items()}


@task.command("next")
@click.option("--claim", "wanted", is_flag=True, help="Claim it in the same step.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def next_(wanted: bool, as_json: bool, agent: str) -> int:  # noqa: FBT001
    """The first task that is free, whose dependencies are met and whose files nobody works on."""
    here = open_here(agent)
    tasks = _plan(here)
    done = _done(here, tasks)
    settle_claims(here.store, here.holder, _landed(here))
    _require_room(here)

    def choose(snapshot: Snapshot) -> tuple[str, str, tuple[str, ...]]:
        free, waiting = available(tasks, done, _brief(_claims(here, snapshot)))
        if not free:
            why = "; ".join(f"{one.task.id}: {one.why}" for one in waiting[:3]) or f"{FILE} has no open task"
            raise RefusedError("no task is free", one_line(why), "agentsync task list")
        return free[0].id, free[0].title, free[0].files

    if wanted:
        claim = take_claim(here.repo, here.store, here.rules, here.holder, choose)
        chosen = _require_task(tasks, claim.id)
    else:
        chosen = _require_task(tasks, choose(here.store.snapshot())[0])
    if as_json:
        answer_json({"task": chosen._asdict(), "claimed": wanted})
        return 0
    _print_task(chosen)
    if not wanted:
        narrate(f"agentsync task claim {shell_word(chosen.id)}")
    return 0


def _require_room(here: Here) -> None:
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


def _print_task(one: Task) -> None:
    answer(f"{one.id}  {one_line(one.title)}")
    if one.files:
        answer("  files: " + ", ".join(one_line(item, 80) for item in one.files))
    if one.depends:
        answer("  depends: " + ", ".join(one.depends))


@task.command()
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def show(name: str, as_json: bool, agent: str) -> int:  # noqa: FBT001
    """One task: its title, files, dependencies and holder."""
    here = open_here(agent, register=False)
    one = _require_task(_plan(here), name)
    claim = claim_of(here.store.snapshot(), one.id)
    live = claim if claim and is_live(here.repo, here.rules.base, here.store.snapshot(), claim) else None
    if as_json:
        answer_json({"task": one._asdict(), "claim": claim_record(live) if live else None})
        return 0
    _print_task(one)
    answer(f"  state: {'done' if one.done else taken_line(live) if live else 'free'}")
    return 0


@task.command()
@click.argument("title")
@click.option("--id", "name", default="", metavar="ID", help="Its id (else the next free one).")
@click.option("--files", "files", multiple=True, metavar="PATTERN", help="Which files it is about; may be repeated.")
@click.option("--depends", "depends", multiple=True, metavar="ID", help="What it waits for; may be repeated.")
@AGENT_OPTION
def add(title: str, name: str, files: tuple[str, ...], depends: tuple[str, ...], agent: str) -> int:
    """Add a task to TASKS.md here; commit it to share it."""
    here = open_here(agent)
    data = read_or_empty(_plan_path(here))
    text = decode(data)
    tasks = parse(text)
    chosen = name or next_id(tasks)
    if find(tasks, chosen):
        raise UsageError(f"{FILE} has {quoted(chosen, 60)} already", "an id names one task", "agentsync task list")
    if not parse(f"- [ ] **{chosen}** x\n") or parse(f"- [ ] **{chosen}** x\n")[0].id != chosen:
        raise UsageError(
            f"{quoted(chosen, 60)} cannot be a task's id", "such as T-012 or LIN-482", "agentsync task add TITLE"
        )
    write_whole(_plan_path(here), encode(added(text, chosen, one_line(title), files, depends)))
    answer(chosen)
    return 0


@task.command()
@click.argument("name", metavar="ID")
@click.option("--files", "files", multiple=True, metavar="PATTERN", help="For a task that is not in TASKS.md.")
@AGENT_OPTION
def claim(name: str, files: tuple[str, ...], agent: str) -> int:
    """Claim a task: nobody else gets it until it lands, is released, or its lease and branch end."""
    here = open_here(agent)
    found = find(_plan(here), name)
    if found is None and not files:
        found = _require_task(_plan(here), name)
    if found and (found.done or _landed(here).get(found.id.lower())):
        raise RefusedError(f"task {found.id} is done already", "", "agentsync task next --claim")
    chosen = (found.id, found.title, files or found.files) if found else (name, name, files)
    got = take_claim(here.repo, here.store, here.rules, here.holder, lambda _: chosen)
    answer(f"claimed {got.id} {quoted(got.title, 80)}")
    return 0


@task.command()
@click.argument("name", metavar="ID")
@AGENT_OPTION
def release(name: str, agent: str) -> int:
    """Give a claim back."""
    here = open_here(agent)
    found = find(_plan(here), name)
    released = release_claim(here.store, here.holder, found.id if found else name)
    answer(f"released {released.id}")
    return 0


@task.command()
@click.argument("name", metavar="[ID]", default="")
@AGENT_OPTION
def done(name: str, agent: str) -> int:
    """Finish a claimed task: ticks it in TASKS.md here, to be committed with the work."""
    here = open_here(agent)
    tasks = _plan(here)
    mine = [one for one in live_claims(here.repo, here.rules.base, here.store.snapshot()) if one.holder == here.holder]
    if not name:
        open_claims = [one for one in mine if not one.done]
        if len(open_claims) != 1:
            ids = ", ".join(one.id for one in open_claims) or "none"
            raise UsageError("which task is done?", f"claimed here: {ids}", "agentsync task done ID")
        name = open_claims[0].id
    found = find(tasks, name)
    wanted = found.id if found else name

    def decide(snapshot: Snapshot) -> Change | None:
        finished = own_claim(snapshot, here.holder, wanted)._replace(done=True)
        return Change(f"done {wanted}", here.holder.key, {place_of(wanted): claim_record(finished)})

    here.store.swap(decide)
    data = read_or_empty(_plan_path(here))
    in_file = find(parse(decode(data)), wanted)
    if in_file:
        write_whole(_plan_path(here), encode(mark_done(decode(data), in_file, here.holder.agent)))
        answer(f"done {wanted}: ticked in {FILE}, commit it with the work")
    else:
        answer(f"done {wanted}")
    return 0


@task.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def check(as_json: bool, agent: str) -> int:  # noqa: FBT001
    """Open tasks whose files overlap, and those that name no files; exit 1 when there are any."""
    here = open_here(agent, register=False)
    tasks = [one for one in _plan(here) if one.open]
    overlaps = [
        (one.id, other.id, shared)
        for index, one in enumerate(tasks)
        for other in tasks[index + 1 :]
        if (shared := scopes_overlap(one.files, other.files))
    ]
    bare = [one.id for one in tasks if not one.files]
    unknown = [(one.id, name) for one in tasks for name in one.depends if not find(_plan(here), name)]
    if as_json:
        answer_json({"overlaps": overlaps, "without_files": bare, "unknown_dependencies": unknown})
    else:
        for line in table([(one, other, f"both may touch {shared}") for one, other, shared in overlaps]):
            answer(line)
        for one_id in bare:
            answer(f"{one_id}  names no files")
        for one_id, name in unknown:
            answer(f"{one_id}  depends on {quoted(name, 60)}, which is no task")
    return 1 if overlaps or bare or unknown else 0
