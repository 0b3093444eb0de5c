"""The phase rule at the gates: sequential paths change only in integration, by its agent."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.errors import OTHER_WORK
from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.phases.phase import Phase, current_phase, may_change
from agentsync.text import show_path, show_time

if TYPE_CHECKING:
    from agentsync.git.objects import Change
    from agentsync.judging.scene import Scene


def judge_phase(scene: Scene, step: Transition, ref: str) -> Verdict:
    """Judge one step of an agent; what base or judged work has already is not changed by it."""
    del ref
    phase = current_phase(scene.snapshot)
    if may_change(phase, scene.holder.agent):
        return Verdict()
    patterns = scene.rules.config.patterns("phases.sequential")
    found = [
        phase_finding(phase, change.path)
        for change in step.changes
        if matches(patterns, change.path) and not _stands_already(scene, step, change)
    ]
    return Verdict(tuple(found))


def _stands_already(scene: Scene, step: Transition, change: Change) -> bool:
    sources = (*step.parents[1:], *scene.rules.base.commits, *scene.judged_tips)
    return any(scene.blob(source, change.path) == change.new for source in sources)


def phase_finding(phase: Phase, path: bytes) -> Finding:
    """What to say of a sequential path outside of its phase."""
    since = f" since {show_time(phase.since)}" if phase.since else ""
    whose = f", by {phase.agent}" if phase.agent else ""
    lines = (
        f"{show_path(path)} changes only in phase integration; the phase is {phase.name}{since}{whose}",
        "leave it out; a person switches phases (agentsync phase integration --agent NAME); or take other work:",
        OTHER_WORK,
    )
    return Finding("phases", lines, path)
