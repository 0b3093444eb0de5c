"""What reached base past the gates, as by renaming a branch onto it: judged late, and told in every worktree.

Nothing can refuse it (git runs no hook for a rename), and people move base with tools that run no hooks.
"""

from __future__ import annotations

import os
import time

from agentsync.gates.judge import judge_move, judge_steps
from agentsync.gates.ranges import Move, loses_commits, unjudged_steps, whole_move
from agentsync.gates.say import tell
from agentsync.gates.takeback import by_going_back
from agentsync.gates.undecided import note_undecided, undecided_line, undecided_tip
from agentsync.git.refs import head_of
from agentsync.git.repo import read_line
from agentsync.holders.identity import HUMAN, Holder
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.scene import judged_tip, keep_left_tip, note_judged
from agentsync.judging.takeback import RULE
from agentsync.judging.verdict import Finding, joined
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.journal import record_event
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene

NOTICE = "unseen"  # beside the state for all, and in each worktree what it was told last
NOTICE_SECONDS = 7 * 86400
MOST_NAMED = 5
SOMEBODY = Holder(f"{HUMAN}somebody", "")  # who did it is not known: no agent's lock excuses it, no agent is blamed


class Notice(NamedTuple):
    """What base took past the gates, up to a commit: the rule that objects, how gravely, and the lines that tell.

    `lost` is the tip that base had before, where it does not contain that any more.
    """

    new: str
    rule: str
    level: str
    lost: str
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
    """The notice that holds now: base has those commits, or lacks the lost ones, and its upstream has neither."""
    _look(scene)
    try:
        with open(_notice_path(scene), encoding="utf-8") as file:
            fresh = time.time() - os.fstat(file.fileno()).st_mtime < NOTICE_SECONDS
            ids, *lines = file.read().splitlines()
    except (OSError, ValueError):
        return None
    new, rule, level, lost = (*ids.split(" "), "", "", "")[:4]
    base = scene.rules.base
    stands = not scene.contains(base.commit, lost) if lost else scene.contains(base.commit, new)
    holds = fresh and stands and not scene.contains(base.upstream_commit, lost or new)
    return Notice(new, rule, level, lost, tuple(lines)) if holds and lines else None


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
    if base.commit in ("", judged):
        return
    if undecided_tip(scene.repo, base.ref) == base.commit:
        return
    move = Move(base.ref, judged, base.commit)
    try:
        findings = [*_lost(scene, move), *_brought(scene, move)] if judged else []
    except Exception as error:  # out of time: not tried again by each commit
        note_undecided(scene.repo, [(base.ref, base.commit)], str(error))
        raise
    if findings:
        _leave_notice(scene, move, findings)
    note_judged(scene.repo, base.ref, base.commit)


def _lost(scene: Scene, move: Move) -> list[Finding]:
    """What base does not have any more, where its upstream has not either."""
    upstream = scene.rules.base.upstream_commit
    if scene.rules.config.level(RULE) == "off" or not scene.cat.id_of(move.old.encode()):
        return []
    if not loses_commits(scene, move) or scene.contains(upstream, move.old):
        return []
    keep_left_tip(scene.repo, move.ref, move.old)
    return by_going_back(scene, move, whosever=True)


def _brought(scene: Scene, move: Move) -> list[Finding]:
    """What base has that no gate saw and one would object to; what its upstream has is there to stay."""
    if scene.contains(scene.rules.base.upstream_commit, move.new):
        return []
    steps = unjudged_steps(scene, move)
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
    lost = move.old if findings[0].rule == RULE else ""
    shown = f"{move.new[:12]}..{move.old[:12]}" if lost else shown
    lines = (first, *named[:MOST_NAMED], *more, f"git log -p {shown}")
    path = _notice_path(scene)
    try:
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8", errors="replace") as file:
            file.write("\n".join((f"{move.new} {gravest.rule} {gravest.level} {lost}".rstrip(), *lines)) + "\n")
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        tell(f"agentsync: warning: {first}")
    record_event(scene.repo.shared_dir, "past-the-gates", ref=move.ref, commit=move.new, message=named[0])
