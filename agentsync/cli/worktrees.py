"""`worktree`: add, list, remove."""

from __future__ import annotations

import click

from agentsync.cli.here import open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import UsageError
from agentsync.overview import overview, screen_row
from agentsync.text import quoted
from agentsync.worktrees.add import add_worktree
from agentsync.worktrees.remove import find_worktree, remove_worktree


@click.group(short_help="Worktrees for agents: add, list, remove.")
def worktree() -> None:
    """Worktrees for agents: made with what they need, removed without losing work.

    \b
    Examples:
      cd "$(agentsync worktree add agent-1)"
      agentsync worktree list
      agentsync worktree remove agent-1
    """


@worktree.command()
@click.argument("name")
@click.argument("branch", default="", metavar="[BRANCH]")
@click.option("--from", "start", default="", metavar="COMMIT", help="Where a new branch begins (else base).")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def add(name: str, branch: str, start: str, as_json: bool, agent: str) -> int:
    """Make a worktree (or find the one of that name) and print its path, the only line on stdout.

    Ignored files that .worktreeinclude names (else .env*) are copied from the main worktree; trusted [worktree] setup
    commands run; a port and a database name of its own stand in .env.agentsync. Exit 1 when a set-up command failed:
    the worktree is there, and the same command goes on.
    """
    here = open_here(agent, register=False)
    if start and here.repo.git("rev-parse", "--verify", "--quiet", f"{start}^{{commit}}", ok=()).code != 0:
        raise UsageError(f"{quoted(start, 80)} is no commit", "--from takes any revision", "git log --oneline -5")
    made = add_worktree(here.repo, here.rules, name, branch, start)
    if as_json:
        answer_json(made._asdict())
        return 1 if made.failed else 0
    for note in made.notes:
        narrate(f"  {note}")
    answer(made.path)
    return 1 if made.failed else 0


@worktree.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def list_(as_json: bool, agent: str) -> int:
    """Every worktree: agent, branch, distance from base, task, locks, and conflicts that the last forecast saw."""
    here = open_here(agent, register=False)
    facts = overview(here.repo, here.rules, here.store.snapshot())
    if as_json:
        answer_json({"worktrees": [fact._asdict() for fact in facts]})
        return 0
    for line in table([(*screen_row(fact), fact.path) for fact in facts]):
        answer(line)
    return 0


@worktree.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Give up uncommitted changes.")
@AGENT_OPTION
def remove(name: str, force: bool, agent: str) -> int:
    """Remove a worktree by id, branch or folder. Its locks are free at once; commits are never lost.

    Its branch is deleted where `worktree add` made it and base has all of it, and stays otherwise.
    """
    here = open_here(agent, register=False)
    found = find_worktree(here.repo, name)
    gone = remove_worktree(here.repo, here.rules.base, here.store, found, force=force)
    answer(f"removed {gone.path}" + (f" and branch {gone.deleted_branch}" if gone.deleted_branch else ""))
    if gone.kept:
        narrate(f"  {gone.kept}")
    return 0
