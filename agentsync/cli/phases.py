"""`phase`: what kind of work goes on now."""

from __future__ import annotations

import click

from agentsync.cli.here import open_here
from agentsync.cli.output import answer, answer_json
from agentsync.errors import RefusedError, UsageError
from agentsync.holders.identity import acts_for_an_agent, validate_agent
from agentsync.phases.phase import PHASES, Phase, current_phase, switch_phase
from agentsync.text import show_time


@click.command(
    short_help="The phase of the work: parallel, integration or testing.",
    epilog="""\b
Examples:
  agentsync phase                                the phase now
  agentsync phase integration --agent agent-3    only agent-3 changes the sequential paths
  agentsync phase parallel""",
)
@click.argument("name", default="", metavar="[parallel|integration|testing]")
@click.option("--agent", default="", metavar="NAME", help="Whose integration it is.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def phase(name: str, agent: str, as_json: bool) -> int:
    """Show or switch the phase. [phases] sequential paths change only in integration, by its agent.

    People switch; enforcement is off unless [enforce] phases says otherwise.
    """
    here = open_here(register=False)
    if not name:
        _show(current_phase(here.store.snapshot()), as_json=as_json)
        return 0
    if name not in PHASES:
        raise UsageError(f"{name!r} is no phase", "one of: " + ", ".join(PHASES), "agentsync phase")
    if acts_for_an_agent(here.repo.environ):
        raise RefusedError("only a person switches phases", "an agent runs this", "agentsync phase")
    if name == "integration" and not agent:
        way_on = "agentsync phase integration --agent NAME"
        raise UsageError("whose integration?", "one agent changes what is shared", way_on)
    by = here.holder.key
    _show(switch_phase(here.store, name, validate_agent(agent, "--agent") if agent else "", by), as_json=as_json)
    return 0


def _show(now: Phase, *, as_json: bool) -> None:
    if as_json:
        answer_json(now._asdict())
        return
    whose = f" by {now.agent}" if now.agent else ""
    since = f", since {show_time(now.since)}, switched by {now.by}" if now.since else ""
    answer(f"phase {now.name}{whose}{since}")
