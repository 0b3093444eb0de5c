"""What a move of a branch brings: its commits that nobody judged, and the whole of it as one step."""

from __future__ import annotations

from agentsync.gates.receipt import read_receipt
from agentsync.gates.undecided import decided, undecided_tip
from agentsync.git.objects import Commit, changes_between, commits, empty_tree, parents_in, tree_changes
from agentsync.git.refs import final_ref
from agentsync.judging.scene import Scene, note_judged
from agentsync.judging.verdict import Finding, Transition, joined
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo


class Move(NamedTuple):
    """A branch about to go from one commit (empty: it is new) to another."""

    ref: str
    old: str
    new: str


def base_refs(scene: Scene) -> tuple[str, ...]:
    """Base by its name, and by the branch that this name stands for where it is symbolic."""
    ref = scene.rules.base.ref
    return tuple(dict.fromkeys((ref, final_ref(scene.repo, ref))))


def loses_commits(scene: Scene, move: Move) -> bool:
    """Whether base would lose commits."""
    return move.ref in base_refs(scene) and bool(move.old) and not scene.contains(move.new, move.old)


def unjudged_steps(scene: Scene, move: Move, also: Sequence[str] = ()) -> list[Transition]:
    """The commits that a move brings and nobody judged, parents first; what `also` has is passed over."""
    base = scene.rules.base
    known = [move.old, base.upstream_commit] if move.ref == base.ref else base.commits
    known = [*(commit for commit in known if commit), *scene.judged_tips, *also]
    # a commit under way is new: no judged branch and no base can have it yet
    brought = _one_more(scene, move) if commits_now(scene.repo) and move.old in known else None
    steps = [
        Transition(commit.parents, commit.changes, commit.id)
        for commit in brought or commits(scene.repo, move.new, "--not", *known)
    ]
    for step in steps:
        scene.ancestry.learn(step.commit, step.parents)
    return steps


def commits_now(repo: Repo) -> bool:
    """Whether the git process that moves a branch is the one whose index a gate has just judged."""
    receipt = read_receipt(repo)
    return receipt is not None and receipt.pid == repo.environ.get("AGENTSYNC_GIT_PID")


def _one_more(scene: Scene, move: Move) -> list[Commit] | None:
    """The one commit that a plain `git commit` puts on top of the branch; None for an amend or a merge."""
    parents = parents_in(scene.cat.read(move.new.encode()) or b"")
    if parents != (move.old,):
        return None
    changes = changes_between(scene.repo, [(move.new, move.old)])[move.new, move.old]
    return [Commit(move.new, parents, [one.change for one in changes])]


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


def refused_by_now(scene: Scene, ref: str, tip: str) -> list[Finding]:
    """What refuses the part of a branch that no gate could decide, judged now in the time that it takes."""
    from agentsync.gates.judge import judge_move, judge_steps, split  # only a landing asks

    move = Move(ref, "", tip)
    steps = unjudged_steps(scene, move)
    whole = whole_move(scene, move, steps)
    refused, _ = split(scene, joined([judge_steps(scene, steps, ref), judge_move(scene, whole, ref, tip)]).findings)
    if not refused:
        settle_undecided(scene, ref, tip)
    return refused


def settle_undecided(scene: Scene, ref: str, tip: str) -> None:
    """All of a branch was judged now and nothing refused: what no gate could decide counts as judged from here on."""
    if undecided_tip(scene.repo, ref):
        note_judged(scene.repo, ref, tip)
        decided(scene.repo, ref)
