"""What a move of a branch brings: its commits that nobody judged, and the whole of it as one step."""

from __future__ import annotations

from agentsync.git.objects import commits, empty_tree, tree_changes
from agentsync.judging.scene import Scene
from agentsync.judging.verdict import Transition
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Move(NamedTuple):
    """A branch about to go from one commit (empty: it is new) to another."""

    ref: str
    old: str
    new: str


def unjudged_steps(scene: Scene, move: Move, also: Sequence[str] = ()) -> list[Transition]:
    """The commits that a move brings and nobody judged, parents first; what `also` has is passed over."""
    base = scene.rules.base
    known = [move.old, base.upstream_commit] if move.ref == base.ref else base.commits
    known = [*(commit for commit in known if commit), *scene.judged_tips, *also]
    steps = [
        Transition(commit.parents, commit.changes, commit.id)
        for commit in commits(scene.repo, move.new, "--not", *known)
    ]
    for step in steps:
        scene.ancestry.learn(step.commit, step.parents)
    return steps


def whole_move(scene: Scene, move: Move, steps: Sequence[Transition]) -> Transition:
    """All that a move changes, as one step; a new branch is held against where it left base."""
    if len(steps) == 1 and steps[0].parents == (move.old,):
        return steps[0]
    start = move.old
    if not start:
        for tip in scene.rules.base.commits:
            found = scene.repo.git("merge-base", tip, move.new, ok=(0, 1)).out.decode().strip()
            start = start or found
    changes = tree_changes(scene.repo, start or empty_tree(scene.repo), move.new)
    return Transition((start,) if start else (), changes, move.new)
