"""`worktree`: add, list, remove, prune."""

from __future__ import annotations

import click

from agentsync.cli.here import open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import UsageError
from agentsync.overview import overview, screen_row
from agentsync.text import one_line, quoted
from agentsync.worktrees.add import add_worktree
from agentsync.worktrees.prune import prune as prune_worktrees
from agentsync.worktrees.remove import find_worktree, remove_worktree


@click.group(short_help="Worktrees for agents: add, list, remove, prune.")
def worktree() -> None:
    """Worktrees for agents: made with what they need, removed without losing work.

    \b
    Examples:
      cd "$(agentsync worktree add agent-1)"
      agentsync worktree list
      agentsync worktree remove agent-1
      agentsync worktree prune --dry-run     which have landed and would go
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

    Its branch is deleted where `worktree add` made it and base has all of it, and stays otherwise. Uncommitted changes
    that --force gives up are kept for a week (agentsync rescue).
    """
    here = open_here(agent, register=False)
    found = find_worktree(here.repo, name)
    gone = remove_worktree(here.repo, here.rules.base, here.store, found, force=force)
    answer(f"removed {gone.path}" + (f" and branch {gone.deleted_branch}" if gone.deleted_branch else ""))
    if gone.kept:
        narrate(f"  {gone.kept}")
    return 0


@worktree.command(
    epilog="""\b
Examples:
  agentsync worktree prune --dry-run
  agentsync worktree prune"""
)
@click.option("--dry-run", is_flag=True, help="Only show what would go, and what stays.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def prune(dry_run: bool, as_json: bool, agent: str) -> int:
    """Remove the worktrees whose branch has landed, by merge, squash or rebase, and that are clean.

    Never one with uncommitted or unlanded work, with a task that is not done, or the one you are in. What stays is
    named, with the reason.
    """
    here = open_here(agent, register=False)
    done = prune_worktrees(here.repo, here.rules.base, here.store, dry_run=dry_run)
    if as_json:
        rows = [{"worktree": one.worktree, "path": one.path, "removed": not one.kept and not dry_run,
                 "landed": not one.kept, "kept": one.kept or None, "branch_deleted": one.branch or None}
                for one in done]  # fmt: skip
        answer_json({"worktrees": rows})
        return 0
    verb = "would remove" if dry_run else "removed"
    for one in done:
        if one.kept:
            answer(f"kept {one_line(one.worktree, 60)}: {one.kept}")
            continue
        answer(f"{verb} {one.path}" + (f" and branch {one.branch}" if one.branch else ""))
        if one.notes:
            narrate(f"  {one.notes}")
    if not done:
        narrate("there are no linked worktrees")
    return 0
