"""`forecast`: conflicts while they are cheap."""

from __future__ import annotations

import sys

import click

from agentsync.cli.here import open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate
from agentsync.forecast.render import clash_lines, concerning, nothing_found, unmerged_line, unread_line
from agentsync.forecast.run import forecast as look_ahead
from agentsync.git.refs import worktrees
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.forecast.cache import Forecast


@click.command(
    short_help="Conflicts to come, between every two worktrees and with base.",
    epilog="""\b
Examples:
  agentsync forecast
  agentsync forecast --all     also those that do not concern this worktree""",
)
@click.option("--all", "everybody", is_flag=True, help="Also between others.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def forecast(everybody: bool, as_json: bool, agent: str) -> int:
    """Merge every two worktrees, and each with base, in memory: commits and uncommitted changes.

    From the main worktree all are shown, from another those that concern it. Exit 1 when there are any, or when two
    sides could not be merged.
    """
    here = open_here(agent, register=False)
    found = look_ahead(here.repo, here.rules)
    own, base = here.repo.worktree_id, here.rules.base.name
    if own != MAIN_WORKTREE and not everybody:
        found = concerning(found, own)
    if as_json:
        answer_json(_facts(found))
        return 0 if found.is_clear else 1
    tops = {one.id: one.top for one in worktrees(here.repo)}
    for clash in found.clashes:
        for line in clash_lines(clash, own, base, tops):
            answer(line)
    for unmerged in found.unmerged:
        answer(unmerged_line(unmerged, own, base))
    for unread in found.unread:
        (narrate if unread.expected else answer)(unread_line(unread, base))
    if found.is_clear and sys.stdout.isatty():
        answer(nothing_found(found))
    return 0 if found.is_clear else 1


def _facts(found: Forecast) -> dict[str, object]:
    rows = [{**one._asdict(), "paths": [{**path._asdict(), "hunks": [hunk._asdict() for hunk in path.hunks]}
                                        for path in one.paths]} for one in found.clashes]  # fmt: skip
    return {
        "conflicts": rows,
        "not_merged": [one._asdict() for one in found.unmerged],
        "not_read": [one._asdict() for one in found.unread],
        "worktrees": found.looked_at,
    }
