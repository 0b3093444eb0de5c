"""`forecast`: conflicts while they are cheap."""

from __future__ import annotations

import click

from agentsync.cli.here import open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json
from agentsync.forecast.run import forecast as look_ahead
from agentsync.forecast.words import clash_lines


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

    From the main worktree all are shown, from another those that concern it. Exit 1 when there are any.
    """
    here = open_here(agent, register=False)
    clashes = look_ahead(here.repo, here.rules)
    own = here.repo.worktree_id
    if here.repo.git_dir != here.repo.common_dir and not everybody:
        clashes = [clash for clash in clashes if own in (clash.one, clash.other)]
    if as_json:
        rows = [{**one._asdict(), "paths": [{**path._asdict(), "hunks": [hunk._asdict() for hunk in path.hunks]}
                                            for path in one.paths]} for one in clashes]  # fmt: skip
        answer_json({"conflicts": rows})
    else:
        for clash in clashes:
            for line in clash_lines(clash, own, here.rules.base.name):
                answer(line)
    return 1 if clashes else 0
