"""`init`, `doctor`, `trust`, `uninstall` and `completion`."""

from __future__ import annotations

import os
import sys

import click
from click.shell_completion import get_completion_class

from agentsync.cli.output import answer, answer_json, narrate
from agentsync.config.load import in_force_or_last
from agentsync.config.trust import approve, configured_commands, is_trusted
from agentsync.errors import RefusedError, UsageError
from agentsync.git.repo import discover
from agentsync.holders.identity import acts_for_an_agent
from agentsync.holders.per_clone import ignored
from agentsync.lean import TYPE_CHECKING
from agentsync.setup.clients.table import CLIENTS
from agentsync.setup.doctor import examine, mend
from agentsync.setup.init import Found, Step, apply, look, steps, summary
from agentsync.setup.uninstall import committed_files
from agentsync.setup.uninstall import uninstall as take_out
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    short_help="Set up this repository.",
    epilog="""\b
Examples:
  agentsync init --dry-run      show every file it would touch
  agentsync init --yes          ask nothing
  agentsync init --base develop
  agentsync init --agents claude,codex""",
)
@click.option(
    "--agents", default=None, metavar="NAMES", help=f"Set these up ({', '.join(CLIENTS)}; none; else detected)."
)
@click.option("--base", default="", metavar="BRANCH", help="The branch that work lands on (else detected).")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@click.option("--dry-run", is_flag=True, help="Only show what would be touched.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def init(agents: str | None, base: str, yes: bool, dry_run: bool, as_json: bool) -> int:
    """Install the hooks for every worktree of this clone, and write the settings and rules for agents.

    In a clone whose base has agentsync.toml already it installs the hooks only. Doing it again is safe.
    """
    repo = discover(dict(os.environ))
    found = look(repo, base, _named_clients(agents))
    plan = steps(repo, found)
    if as_json:
        answer_json({**summary(found), "touches": [step._asdict() for step in plan], "dry_run": dry_run})
    else:
        _print_plan(found, plan, dry_run=dry_run)
    if dry_run:
        return 0
    if not yes and sys.stdin.isatty() and not click.confirm("Go on?", default=True, err=True):
        return 1
    committed = apply(repo, found)
    if committed and not as_json:
        _print_commits(committed, ignored(repo, committed))
    elif not as_json:
        narrate("done: hooks installed (agentsync doctor proves them)")
    return 0


def _print_commits(written: Sequence[str], per_clone: Sequence[str]) -> None:
    """The commit to make, and what git ignores: that is for this clone alone, unless a person adds it by force."""
    shared = [shell_word(name) for name in written if name not in per_clone]
    own = [shell_word(name) for name in per_clone]
    if shared:
        narrate("done; commit what belongs to the repository:")
        narrate(f"  git add {' '.join(shared)} && git commit -m 'Add agentsync'")
    if own:
        narrate(f"{'done; ' if not shared else ''}git ignores {', '.join(per_clone)}:")
        narrate("  as it is, each worktree of this clone gets its own; or share it, as the rest is:")
        narrate(f"    git add -f {' '.join(own)} && git commit -m 'Add agentsync for agents'")
    narrate("then: agentsync doctor, agentsync task add TITLE, git worktree add ../agent-1")


def _print_plan(found: Found, plan: Sequence[Step], *, dry_run: bool) -> None:
    answer(f"base: {found.base.name}" + (f" (upstream {found.base.upstream[13:]})" if found.base.upstream else ""))
    for one in found.series:
        answer(f"migrations: {one}")
    for name in found.beside:
        answer(f"beside: {name}, which keeps working")
    for step in plan:
        answer(f"{'would touch' if dry_run else 'touches'} {step.path}: {step.why}")
    for client in found.clients:
        if client.left:
            narrate(f"left alone: {client.path}: {client.left}")
        elif client.client.note and client.changes:
            narrate(f"{client.client.name}: {client.client.note}")


def _named_clients(option: str | None) -> list[str] | None:
    """The clients that `--agents` names; None where it is not given."""
    if option is None:
        return None
    names = [name.strip() for name in option.split(",") if name.strip() not in ("", "none")]
    unknown = [name for name in names if name not in CLIENTS]
    if unknown:
        known = ", ".join(CLIENTS)
        raise UsageError(
            f"{quoted(unknown[0], 60)} is no client known here", f"known: {known}", "agentsync init --help"
        )
    return names


_SIGNS = {"ok": "ok  ", "warn": "warn", "bad": "BAD "}


@click.command(short_help="Prove that the hooks fire in each worktree.")
@click.option("--fix", is_flag=True, help="Install again what is missing.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def doctor(fix: bool, as_json: bool) -> int:
    """Fire a harmless probe through each hook in each worktree, and look at all that the hooks need.

    Exit 1 when something is bad.
    """
    repo = discover(dict(os.environ))
    if fix:
        for path in mend(repo):
            narrate(f"mended {path}")
    checks = examine(repo)
    if as_json:
        answer_json({"checks": [check._asdict() for check in checks]})
    else:
        for check in checks:
            answer(f"{_SIGNS[check.level]} {check.what}")
            if check.level != "ok" and check.fix:
                answer(f"     {check.fix}")
    return 1 if any(check.level == "bad" for check in checks) else 0


@click.command(
    short_help="Approve the commands that the settings name.",
    epilog="""\b
Examples:
  agentsync trust --dry-run    show what would be approved
  agentsync trust --yes        approve all that is shown""",
)
@click.option("--yes", is_flag=True, help="Approve without asking.")
@click.option("--dry-run", is_flag=True, help="Only show the commands.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def trust(yes: bool, dry_run: bool, as_json: bool) -> int:
    """Show each command of agentsync.toml, and approve its exact text for this user in this clone.

    Until then commands that need one stop with exit 2. Observers never run any.
    """
    repo = discover(dict(os.environ))
    rules, problem = in_force_or_last(repo)
    if problem:
        narrate(f"agentsync: warning: {one_line(problem.what)}; the settings before it stay in force")
    rows = configured_commands(rules.config)
    fresh = [row for row in rows if not is_trusted(repo, row.command)]
    if as_json:
        answer_json({"commands": [{**row._asdict(), "trusted": row not in fresh} for row in rows]})
        return 0
    for row in rows:
        answer(f"{'new    ' if row in fresh else 'trusted'}  {row.key}: {one_line(row.command, 1000)}")
    if not fresh or dry_run:
        return 0
    if acts_for_an_agent(repo.environ):
        raise RefusedError("only a person approves commands", "an agent runs this", "agentsync trust --dry-run")
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", "read the commands, then approve them", "agentsync trust --yes")
    if not yes and not click.confirm(f"Approve {len(fresh)} new command(s)?", err=True):
        return 1
    approve(repo, [row.command for row in fresh])
    return 0


@click.command(short_help="Take the hooks away and restore what was there.")
@click.option("--yes", is_flag=True, help="Ask nothing.")
def uninstall(yes: bool) -> int:
    """Restore hooks, git configuration and ignored files of this clone to what they were before `init`.

    Locks, claims and their history go too, and our entries in agents' settings. Other files that belong to the
    repository are listed, not touched.
    """
    repo = discover(dict(os.environ))
    if acts_for_an_agent(repo.environ):
        raise RefusedError("only a person uninstalls", "an agent runs this", "agentsync status")
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody can be asked here", "every lock and claim would go", "agentsync uninstall --yes")
    if not yes and not click.confirm("Remove agentsync from this clone?", err=True):
        return 1
    for line in take_out(repo):
        answer(f"restored or removed {line}")
    for name in committed_files(repo):
        answer(f"left for a commit of yours: {name}")
    narrate("what git status shows now is for a commit too; worktrees of other branches have it until they merge that")
    return 0


@click.command(short_help="Print a completion script.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a completion script.

    \b
    Example:
      agentsync completion bash > ~/.local/share/bash-completion/completions/agentsync
    """
    from agentsync.cli.app import app

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {quoted(shell)}", "", "agentsync completion bash")
    answer(kind(app, {}, "agentsync", "_AGENTSYNC_COMPLETE").source())
    return 0
