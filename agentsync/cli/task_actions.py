"""What the `task` verbs that agents use most do, apart from how their words are read."""

from __future__ import annotations

from agentsync.cli.here import open_here
from agentsync.cli.output import answer, answer_json, narrate
from agentsync.errors import UsageError
from agentsync.tasks.claims import release_claim
from agentsync.tasks.grammar import FILE, Task, find
from agentsync.tasks.plan import Spent, claim_by_name, claims_by_id, finish_task, next_task, read_plan, unmet
from agentsync.text import one_line, quoted, shell_word


def print_task(one: Task) -> None:
    """A task with its files and dependencies."""
    answer(f"{one.id}  {one_line(one.title)}")
    if one.files:
        answer("  files: " + ", ".join(one_line(item, 80) for item in one.files))
    if one.depends:
        answer("  depends: " + ", ".join(one.depends))
    if one.surface:
        answer(f"  surface: {one_line(one.surface, 40)}")


def run_next(*, wanted: bool, surface: str, as_json: bool, agent: str) -> int:
    """The next free task, claimed if `wanted`."""
    here = open_here(agent)
    chosen = next_task(here.repo, here.store, here.rules, here.holder, surface, wanted=wanted)
    if as_json:
        answer_json({"task": chosen._asdict(), "claimed": wanted})
        return 0
    print_task(chosen)
    if wanted:
        narrate(f"claimed: nobody else gets {chosen.id}")
    claims = claims_by_id(here.repo, here.rules, here.store.snapshot()).values()
    unfinished = [one.id for one in claims if one.holder == here.holder and not one.done and one.id != chosen.id]
    if unfinished:
        narrate(f"claimed here and not done yet: {one_line(', '.join(unfinished), 200)}")
    if not wanted:
        narrate(f"agentsync task claim {shell_word(chosen.id)}")
    return 0


def run_claim(name: str, files: tuple[str, ...], agent: str) -> int:
    """Claim one task."""
    here = open_here(agent)
    got, listed = claim_by_name(here.repo, here.store, here.rules, here.holder, name, files)
    answer(f"claimed {got.id} {quoted(got.title, 80)}")
    waits = unmet(here.repo, here.rules, here.store.snapshot(), listed) if listed and listed.depends else []
    if waits:
        narrate(f"note: it waits for {one_line(', '.join(waits), 200)}, not done here yet: agentsync task list")
    return 0


def run_release(name: str, agent: str) -> int:
    """Give one claim back."""
    here = open_here(agent)
    found = find(read_plan(here.repo, here.rules), name)
    released = release_claim(here.store, here.holder, found.id if found else name)
    answer(f"released {released.id}")
    return 0


def run_done(name: str, tokens: str, cost: str, agent: str) -> int:
    """Finish a claimed task."""
    here = open_here(agent)
    spent = spent_of(tokens, cost)
    wanted, ticked = finish_task(here.repo, here.store, here.rules, here.holder, name, spent)
    if ticked:
        answer(f"done {wanted}: ticked in {FILE}, commit it with the work")
    else:
        answer(f"done {wanted}; {FILE} here does not list it as work on files, so nothing was ticked")
    return 0


def spent_of(tokens: str, cost: str) -> Spent:
    """What a task took, from the words of a command line.

    Raises UsageError for what is no number of tokens, or no amount of US dollars.
    """
    again = "agentsync task done --tokens 120000 --cost 0.85"
    if tokens and not tokens.isdecimal():
        raise UsageError(f"{quoted(tokens, 40)} is no number of tokens", "a whole number", again)
    whole, _, part = cost.removeprefix("$").partition(".")
    if cost and not (whole.isdecimal() and (not part or part.isdecimal()) and len(cost) <= 20):
        raise UsageError(f"{quoted(cost, 40)} is no amount of US dollars", "such as 0.85", again)
    return Spent(int(tokens or 0), cost.removeprefix("$"))
