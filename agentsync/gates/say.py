"""What gates print, to stderr, and what they journal."""

from __future__ import annotations

import sys

from agentsync.holders.identity import why_no_person
from agentsync.lean import TYPE_CHECKING
from agentsync.state.journal import record_event
from agentsync.text import one_line, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Finding

ALLOW = "AGENTSYNC_ALLOW"
OVERRIDE = "Agentsync-Allow"  # the trailer with the reason


def tell(line: str) -> None:
    """Print one line for whoever runs git; a closed stderr is no reason to fail."""
    try:
        sys.stderr.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")
    except (OSError, ValueError):
        return


def override_reason(scene: Scene) -> str:
    """A person's reason for an override of this commit; an agent has none."""
    reason = one_line(scene.repo.environ.get(ALLOW, ""))
    return "" if why_no_person(scene.repo.environ, scene.holder) else reason


def allowed_by_a_person(scene: Scene, refused: Sequence[Finding], *, told: bool = False) -> bool:
    """Whether a person overrides these refusals; written down when so, unless an earlier gate has `told` of it."""
    reason = override_reason(scene)
    if not reason:
        if scene.repo.environ.get(ALLOW):
            who = why_no_person(scene.repo.environ, scene.holder)
            tell(f"agentsync: {ALLOW} is a person's override; {who}, so it does not count")
        return False
    if told:
        return True
    paths = [show_path(finding.path) for finding in refused]
    record_event(scene.repo.shared_dir, "override", holder=scene.holder.key, reason=reason, paths=paths)
    tell(f"agentsync: allowed by override: {refused[0].lines[0]}")
    return True


def say_refusal(scene: Scene, hook: str, refused: Sequence[Finding], recovery: Sequence[str] = ()) -> None:
    """Print each refusal with its way on, and journal it."""
    from agentsync.tasks.plan import fitting

    for finding in refused:
        first, *rest = fitting(scene.repo, scene.rules, scene.snapshot, finding.lines)
        tell(f"agentsync: refused: {first}")
        for line in rest:
            tell(f"  {line}")
        record_event(
            scene.repo.shared_dir,
            "refused",
            hook=hook,
            rule=finding.rule,
            holder=scene.holder.key,
            path=show_path(finding.path),
            message=first,
        )
    for line in recovery:
        tell(f"  {line}")
    if not why_no_person(scene.repo.environ, scene.holder):
        tell("  a person may override, with a reason that is written down:")
        tell(f"  {ALLOW}='why' git commit ...")


def say_warnings(scene: Scene, hook: str, warned: Sequence[Finding]) -> None:
    """Print what would have been refused under a stricter setting, and journal it."""
    for finding in warned:
        tell(f"agentsync: warning: {finding.lines[0]}")
        for line in finding.lines[1:]:
            tell(f"  {line}")
        record_event(
            scene.repo.shared_dir,
            "would-refuse",
            hook=hook,
            rule=finding.rule,
            holder=scene.holder.key,
            path=show_path(finding.path),
            message=finding.lines[0],
        )
