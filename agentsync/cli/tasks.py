"""`task`: the plan in TASKS.md and who has what of it."""

from __future__ import annotations

import os

import click

from agentsync.cli.here import Here, open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.cli.task_actions import print_task, run_claim, run_done, run_next, run_release
from agentsync.errors import UsageError
from agentsync.state.turn import Turn
from agentsync.tasks.claims import (
    Claim,
    claim_of,
    claim_record,
    is_live,
    taken_line,
    what_frees,
)
from agentsync.tasks.grammar import FILE, added, duplicates, find, next_id, parse
from agentsync.tasks.plan import (
    claims_by_id,
    done_ids,
    holders_and_files,
    ids_in_use,
    own_text,
    plan_now,
    read_plan,
    require_task,
    write_plan,
)
from agentsync.tasks.rules import available, scopes_overlap
from agentsync.text import one_line, quoted


@click.group(short_help="The plan in TASKS.md and who has what of it.")
def task() -> None:
    """Work on the plan in TASKS.md. Claims live in the shared state: at most one holder has a task."""


@task.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def list_(as_json: bool, agent: str) -> int:
    """Every task with its state and who has it."""
    here = open_here(agent, register=False)
    tasks, claims = plan_now(here.repo, here.rules), claims_by_id(here.repo, here.rules, here.store.snapshot())
    free, waiting = available(
        tasks, done_ids(here.repo, here.rules, tasks, list(claims.values())), holders_and_files(claims)
    )
    state = {one.id: "free" for one in free} | {one.task.id: one.why for one in waiting}
    state |= {one.id: taken_line(claims[one.id.lower()]) for one in tasks if _is_done(claims.get(one.id.lower()))}
    elsewhere = [one for one in tasks if one.surface and one.id in state]
    state |= {one.id: f"{state[one.id]} ({one_line(one.surface, 20)})" for one in elsewhere}
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


def _is_done(claim: Claim | None) -> bool:
    return claim is not None and claim.done


@task.command("next")
@click.option("--claim", "wanted", is_flag=True, help="Claim it in the same step.")
@click.option("--surface", default="", metavar="NAME", help="Of the tasks that are no work on files, such as desktop.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def next_(wanted: bool, surface: str, as_json: bool, agent: str) -> int:
    """The first task that is free, whose dependencies are met and whose files nobody works on."""
    return run_next(wanted=wanted, surface=surface, as_json=as_json, agent=agent)


@task.command()
@click.argument("name", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def show(name: str, as_json: bool, agent: str) -> int:
    """One task: its title, files, dependencies and holder."""
    here = open_here(agent, register=False)
    one = require_task(plan_now(here.repo, here.rules), name)
    claim = claim_of(here.store.snapshot(), one.id)
    live = claim if claim and is_live(here.repo, here.rules.base, here.store.snapshot(), claim) else None
    if as_json:
        answer_json({"task": one._asdict(), "claim": claim_record(live) if live else None})
        return 0
    print_task(one)
    answer(f"  state: {'done' if one.done else taken_line(live) if live else 'free'}")
    freed = what_frees(here.repo, here.rules.base, here.store.snapshot(), live) if live else ("", "")
    if freed[0]:
        answer(f"  {freed[0]}")
        narrate(f"  {freed[1]}")
    if live and live.progress:
        answer(f"  progress: {quoted(live.progress)}")
    if live and (live.tokens or live.cost):
        spent = [f"{live.tokens} tokens"] if live.tokens else []
        answer("  spent: " + ", ".join([*spent, *([f"{one_line(live.cost, 20)} USD"] if live.cost else [])]))
    return 0


@task.command()
@click.argument("title")
@click.option("--id", "name", default="", metavar="ID", help="Its id (else the next free one).")
@click.option("--files", "files", multiple=True, metavar="PATTERN", help="Which files it is about; may be repeated.")
@click.option("--depends", "depends", multiple=True, metavar="ID", help="What it waits for; may be repeated.")
@click.option("--surface", default="", metavar="NAME", help="Where it is done if not in files, such as desktop.")
@AGENT_OPTION
def add(title: str, name: str, files: tuple[str, ...], depends: tuple[str, ...], surface: str, agent: str) -> int:
    """Add a task to TASKS.md here; commit it to share it."""
    here = open_here(agent)
    if not one_line(title):
        raise UsageError("a task needs a title", "it is empty", "agentsync task add 'What is to be done'")
    with Turn(os.path.join(here.repo.shared_dir, "tasks.lock"), "adding a task"):
        chosen = _add(here, name, (title, files, depends, surface))
    answer(chosen)
    narrate(f"commit {FILE}: other worktrees see the task when it has landed")
    return 0


def _add(here: Here, name: str, words: tuple[str, tuple[str, ...], tuple[str, ...], str]) -> str:
    title, files, depends, surface = words
    text = own_text(here.repo)
    known = ids_in_use(here.repo, here.rules, here.store.snapshot())
    chosen = name or next_id(known)
    if chosen.lower() in {one.lower() for one in known}:
        what = f"there is a task {quoted(chosen, 60)} already, here or in another worktree"
        raise UsageError(what, "an id names one task", "agentsync task list")
    if not parse(f"- [ ] **{chosen}** x\n") or parse(f"- [ ] **{chosen}** x\n")[0].id != chosen:
        raise UsageError(
            f"{quoted(chosen, 60)} cannot be a task's id", "such as T-012 or LIN-482", "agentsync task add TITLE"
        )
    longer = added(text, chosen, one_line(title), files, depends, one_line(surface, 40))
    write_plan(here.repo, longer)
    return chosen


@task.command("import")
@click.option("--team", default="", metavar="NAME", help="The OMX team (else the only one).")
@AGENT_OPTION
def import_(team: str, agent: str) -> int:
    """Read an OMX team's tasks into TASKS.md here: new ones are added, completed ones ticked. OMX's files stay."""
    from agentsync.tasks.omx import merged, read_tasks, tasks_folder

    here = open_here(agent)
    tops = [
        here.repo.top,
        *([os.path.dirname(here.repo.common_dir)] if here.repo.git_dir != here.repo.common_dir else []),
    ]
    top = next((one for one in tops if os.path.isdir(os.path.join(one, ".omx"))), here.repo.top)
    before = own_text(here.repo)
    text, changed = merged(before, read_tasks(tasks_folder(top, team)))
    if text != before:
        write_plan(here.repo, text)
    for name in changed:
        answer(name)
    narrate(f"commit {FILE}: other worktrees see the tasks when it has landed" if changed else "nothing new")
    return 0


@task.command()
@click.argument("name", metavar="ID")
@click.option("--files", "files", multiple=True, metavar="PATTERN", help="For a task that is not in TASKS.md.")
@AGENT_OPTION
def claim(name: str, files: tuple[str, ...], agent: str) -> int:
    """Claim a task: nobody else gets it until it lands, is released, or its lease and branch end."""
    return run_claim(name, files, agent)


@task.command()
@click.argument("name", metavar="ID")
@AGENT_OPTION
def release(name: str, agent: str) -> int:
    """Give a claim back."""
    return run_release(name, agent)


@task.command()
@click.argument("name", metavar="[ID]", default="")
@click.option("--tokens", default="", metavar="N", help="What it took: tokens, in and out.")
@click.option("--cost", default="", metavar="USD", help="What it took: US dollars.")
@AGENT_OPTION
def done(name: str, tokens: str, cost: str, agent: str) -> int:
    """Finish a claimed task: ticks it in TASKS.md here, to be committed with the work.

    What it took is kept with the claim, and stands in the trailers of the commit that ticks it.
    """
    return run_done(name, tokens, cost, agent)


@task.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def check(as_json: bool, agent: str) -> int:
    """Open tasks whose files overlap, and those that name no files; exit 1 when there are any."""
    here = open_here(agent, register=False)
    tasks = [one for one in plan_now(here.repo, here.rules) if one.open]
    overlaps = [
        (one.id, other.id, shared)
        for index, one in enumerate(tasks)
        for other in tasks[index + 1 :]
        if (shared := scopes_overlap(one.files, other.files))
    ]
    bare = [one.id for one in tasks if not one.files and not one.surface]
    twice = duplicates(read_plan(here.repo, here.rules))
    unknown = [
        (one.id, name) for one in tasks for name in one.depends if not find(read_plan(here.repo, here.rules), name)
    ]
    if as_json:
        answer_json({"overlaps": overlaps, "without_files": bare, "unknown_dependencies": unknown,
                     "duplicates": twice})  # fmt: skip
    else:
        for line in table([(one, other, f"both may touch {shared}") for one, other, shared in overlaps]):
            answer(line)
        for one_id in bare:
            answer(f"{one_id}  names no files")
        for one_id, name in unknown:
            answer(f"{one_id}  depends on {quoted(name, 60)}, which is no task")
    for one_id in twice if not as_json else ():
        answer(f"{one_line(one_id, 60)}  stands more than once")
    return 1 if overlaps or bare or unknown or twice else 0
