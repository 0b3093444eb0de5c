"""pre-push: the pushed range again, for commits that no gate judged."""

from __future__ import annotations

from agentsync.gates.judge import judge_move, judge_steps, split
from agentsync.gates.ranges import Move, settle_undecided, unjudged_steps, whole_move
from agentsync.gates.say import allowed_by_a_person, say_refusal, say_warnings
from agentsync.gates.unseen import noticed_in
from agentsync.git.refs import HEADS, is_zero, resolve_ref
from agentsync.judging.verdict import joined
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene


def gate_push(scene: Scene, arguments: Sequence[str], lines: Sequence[str]) -> int:
    """Judge what a push sends; 0 lets it go, 1 refuses it. Never waits for the network."""
    del arguments
    for line in lines:
        words = line.split(" ")
        if len(words) != 4 or is_zero(words[1]) or not words[2].startswith(HEADS):
            continue
        move = Move(words[0] if words[0].startswith(HEADS) else words[2], "", words[1])
        if move.ref == scene.rules.base.ref:
            move = move._replace(old="" if is_zero(words[3]) else words[3])
            if move.old and not scene.contains(resolve_ref(scene.repo, move.ref) or move.new, move.old):
                move = move._replace(old="")
        steps = unjudged_steps(scene, move)
        whole = whole_move(scene, move, steps)
        verdict = joined([judge_steps(scene, steps, move.ref), judge_move(scene, whole, move.ref, move.new)])
        refused, warned = split(scene, [*noticed_in(scene, move.new), *verdict.findings])
        if refused and not allowed_by_a_person(scene, refused):
            say_refusal(scene, "pre-push", refused)
            return 1
        say_warnings(scene, "pre-push", warned)
        if not refused and move.new == resolve_ref(scene.repo, move.ref):
            settle_undecided(scene, move.ref, move.new)
    return 0
