"""What reached base past the gates, as by renaming a branch onto it: judged late, and told in every worktree.

Nothing can refuse it (git runs no hook for a rename), and people move base with tools that run no hooks.
"""

from __future__ import annotations

import os
import time

from agentsync.gates.judge import judge_move, judge_steps
from agentsync.gates.ranges import Move, unjudged_steps, whole_move
from agentsync.gates.say import tell
from agentsync.gates.undecided import note_undecided, undecided_line, undecided_tip
from agentsync.git.refs import head_of
from agentsync.git.repo import read_line
from agentsync.holders.identity import HUMAN, Holder
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.scene import judged_tip, note_judged
from agentsync.judging.verdict import Finding, joined
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.journal import record_event
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Transition

NOTICE = "unseen"  # beside the state for all, and in each worktree what it was told last
NOTICE_SECONDS = 7 * 86400
MOST_NAMED = 5
SOMEBODY = Holder(f"{HUMAN}somebody", "")  # who did it is not known: no agent's lock excuses it, no agent is blamed


class Notice(NamedTuple):
    """What base took past the gates, up to a commit: the rule that objects, how gravely, and the lines that tell."""

    new: str
    rule: str
    level: str
    lines: tuple[str, ...]


def tell_unseen(scene: Scene) -> None:
    """Print, once in each worktree, what base took that no gate saw and that one would have objected to."""
    for number, line in enumerate(untold(scene)):
        tell(f"  {line}" if number else f"agentsync: warning: {line}")
    line = undecided_line(scene.repo, head_of(scene.repo).branch)
    if line:
        tell(f"agentsync: warning: {line}")


def untold(scene: Scene) -> tuple[str, ...]:
    """The lines of the standing notice where this worktree was not told of it yet; it counts as told from now on."""
    notice = standing_notice(scene)
    if notice is None or read_line(private_file(scene.repo, NOTICE)) == notice.new:
        return ()
    write_private(scene.repo, NOTICE, notice.new + "\n")
    return notice.lines


def standing_notice(scene: Scene) -> Notice | None:
    """The notice that holds now: base has those commits, and its upstream does not."""
    _look(scene)
    try:
        with open(_notice_path(scene), encoding="utf-8") as file:
            fresh = time.time() - os.fstat(file.fileno()).st_mtime < NOTICE_SECONDS
            ids, *lines = file.read().splitlines()
    except (OSError, ValueError):
        return None
    new, rule, level = (*ids.split(" "), "", "")[:3]
    base = scene.rules.base
    holds = fresh and scene.contains(base.commit, new) and not scene.contains(base.upstream_commit, new)
    return Notice(new, rule, level, tuple(lines)) if holds and lines else None


def noticed_in(scene: Scene, commit: str) -> list[Finding]:
    """What the standing notice objects to, where `commit` would carry it on: as at the push."""
    notice = standing_notice(scene)
    return (
        [Finding(notice.rule, notice.lines, level=notice.level)]
        if notice and scene.contains(commit, notice.new)
        else []
    )


def _notice_path(scene: Scene) -> str:
    return os.path.join(scene.repo.shared_dir, NOTICE)


def _look(scene: Scene) -> None:
    """Judge what stands on base beyond the last tip that a gate judged; to find nothing costs one small file."""
    base = scene.rules.base
    judged = judged_tip(scene.repo, base.ref)
    if base.commit in ("", judged) or (judged and scene.contains(judged, base.commit)):
        return
    if undecided_tip(scene.repo, base.ref) == base.commit:
        return
    if judged and not scene.contains(base.upstream_commit, base.commit):
        move = Move(base.ref, judged, base.commit)
        try:
            steps = unjudged_steps(scene, move)
            findings = _judged_late(scene, move, steps)
        except Exception as error:  # out of time: not tried again by each commit
            note_undecided(scene.repo, [(base.ref, base.commit)], str(error))
            raise
        if findings:
            _leave_notice(scene, move, findings)
    note_judged(scene.repo, base.ref, base.commit)


def _judged_late(scene: Scene, move: Move, steps: Sequence[Transition]) -> list[Finding]:
    acting, rules = scene.holder, scene.rules
    scene.holder = SOMEBODY
    scene.rules = rules._replace(base=rules.base._replace(commit=move.old))  # as base was before it took them
    try:
        whole = whole_move(scene, move, steps)
        verdict = joined([judge_steps(scene, steps, move.ref), judge_move(scene, whole, move.ref, move.new)])
    finally:
        scene.holder, scene.rules = acting, rules
    levels = rules.config
    return [one for one in dict.fromkeys(verdict.findings) if one.severity(levels) != "off" and not one.told]


def _leave_notice(scene: Scene, move: Move, findings: Sequence[Finding]) -> None:
    name = scene.rules.base.name
    shown = f"{move.old[:12]}..{move.new[:12]}"
    subject = scene.repo.git("log", "-1", "--format=%s", move.new).out.decode("utf-8", "replace")
    first = f"{name} was moved past the gates to {move.new[:12]} {quoted(subject, 60)}"
    gravest = min(findings, key=lambda one: one.severity(scene.rules.config) != "refuse")
    named = [finding.lines[0] for finding in findings]
    more = [f"and {len(named) - MOST_NAMED} more"] if len(named) > MOST_NAMED else []
    lines = (first, *named[:MOST_NAMED], *more, f"git log -p {shown}")
    path = _notice_path(scene)
    try:
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8", errors="replace") as file:
            file.write("\n".join((f"{move.new} {gravest.rule} {gravest.level}", *lines)) + "\n")
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        tell(f"agentsync: warning: {first}")
    record_event(scene.repo.shared_dir, "past-the-gates", ref=move.ref, commit=move.new, message=named[0])
