"""`lock` and `unlock`: their words."""

from __future__ import annotations

import click

from agentsync.cli.lock_actions import LockOptions, UnlockOptions, run_lock, run_unlock

AGENT_OPTION = click.option("--agent", default="", metavar="NAME", help="Act as this agent (else AGENTSYNC_AGENT).")


@click.command(
    short_help="Lock files, directories or named resources.",
    epilog="""\b
Examples:
  agentsync lock package.json
  agentsync lock src/auth/ @staging-db --for 4h --reason "moving the session store"
  agentsync lock schema.sql --wait 10m
  agentsync lock                        list the locks""",
)
@click.argument("paths", nargs=-1, metavar="[PATH|@NAME]...")
@click.option("--wait", is_flag=False, flag_value="1h", default="", metavar="[TIME]", help="Wait in line, up to TIME.")
@click.option("--for", "lease", default="", metavar="TIME", help="Outlive the last sign of life by TIME (2h).")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever is refused.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def lock(paths: tuple[str, ...], **options: str | bool) -> int:
    """Take locks, all or none; without a path, list who holds what.

    A lock covers the path and everything below it, in every worktree. Whoever gets it is told who else touches
    the path and which version to bring in first.
    """
    return run_lock(paths, LockOptions(**options))  # type: ignore[arg-type]  # click gives each its type


@click.command(short_help="Give locks back.")
@click.argument("paths", nargs=-1, metavar="[PATH|@NAME]...")
@click.option("--all", "everything", is_flag=True, help="Every lock that this holder has.")
@click.option("--force", is_flag=True, help="Release another holder's lock; a person's call, written down.")
@click.option("--reason", default="", metavar="TEXT", help="Why it is forced.")
@AGENT_OPTION
def unlock(paths: tuple[str, ...], **options: str | bool) -> int:
    """Release locks; what was committed under them stays as the hand-on to the next holder."""
    return run_unlock(paths, UnlockOptions(**options))  # type: ignore[arg-type]  # click gives each its type
