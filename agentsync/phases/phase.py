"""The phase of the work: parallel, integration (one agent changes what is shared) or testing."""

from __future__ import annotations

import time

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import number_of, text_of
from agentsync.state.records import PHASE as PLACE
from agentsync.state.records import PHASES as PHASES
from agentsync.state.store import Change

if TYPE_CHECKING:
    from agentsync.record import Record
    from agentsync.state.store import Snapshot, Store


class Phase(NamedTuple):
    """The phase's name, the agent whose integration it is, since when (epoch seconds) and who switched."""

    name: str = "parallel"
    agent: str = ""
    since: int = 0
    by: str = ""


def current_phase(snapshot: Snapshot) -> Phase:
    """The phase now; parallel before anybody switched."""
    record = snapshot.get(PLACE)
    if record is None:
        return Phase()
    return Phase(text_of(record, "name"), text_of(record, "agent"), number_of(record, "since"), text_of(record, "by"))


def switch_phase(store: Store, name: str, agent: str, by: str) -> Phase:
    """Switch to a phase; the same one again changes only its agent."""
    phase = Phase(name, agent if name == "integration" else "", int(time.time()), by)
    record: Record = {"name": phase.name, "agent": phase.agent, "since": phase.since, "by": phase.by}
    subject = f"phase {name}" + (f" by {phase.agent}" if phase.agent else "")
    store.swap(lambda _: Change(subject, by, {PLACE: record}))
    return phase


def may_change(phase: Phase, agent: str) -> bool:
    """Whether an agent may change sequential paths now."""
    return phase.name == "integration" and phase.agent == agent
