"""The deciding gate, reference-transaction: what may reach an agent's branch or base, by whatever command."""

from __future__ import annotations

import os

from agentsync.config.schema import FILE, PROJECT
from agentsync.gates.index_gate import LANDING_NOTE, write_verdict
from agentsync.gates.judge import judge_move, judge_steps, split
from agentsync.gates.quiet import leave_quiet
from agentsync.gates.ranges import Move, base_refs, commits_now, loses_commits, unjudged_steps, whole_move
from agentsync.gates.receipt import drop_receipt, read_receipt
from agentsync.gates.recovery import recovery_of
from agentsync.gates.say import OVERRIDE, allowed_by_a_person, say_refusal, say_warnings
from agentsync.gates.takeback import find_taken_back, follow_move, is_level
from agentsync.gates.undecided import decided, note_undecided, undecided_tip, undecided_tips, why_undecided
from agentsync.gates.unseen import tell_unseen
from agentsync.git.arrivals import given
from agentsync.git.objects import commits, parse_raw
from agentsync.git.refs import HEADS, attached_branches, final_ref, head_of, is_zero, resolve_ref, worktrees
from agentsync.git.repo import Repo, private_dir_of, read_line
from agentsync.holders.identity import Holder
from agentsync.holders.registry import write_private
from agentsync.judging.scene import Scene, judged_tip, keep_left_tip, note_judged
from agentsync.judging.takeback import RULE
from agentsync.judging.verdict import Finding, Transition, Verdict, joined
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.attributes import attribute_paths
from agentsync.state.journal import record_event
from agentsync.state.paths import CHAINS, from_state
from agentsync.state.store import Change, Snapshot
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence


def parse_moves(repo: Repo, lines: Sequence[str]) -> list[Move]:
    """The moves worth judging among a transaction's `<old> <new> <ref>` lines (githooks(5)).

    An old value of zeros may only mean that the caller gave none; a new one of zeros is a deletion, or `git gc`
    pruning a loose ref, and never judged.
    """
    moves = []
    for line in lines:
        old, _, rest = line.rstrip("\n").partition(" ")
        new, _, ref = rest.partition(" ")
        if not ref.startswith(HEADS) or is_zero(new) or new.startswith("ref:"):
            continue
        known = resolve_ref(repo, ref) if is_zero(old) else old
        if known != new:
            moves.append(Move(ref, known, new))
    return moves


def owner_of(scene: Scene, ref: str) -> Holder | None:
    """Who answers for a branch; None for a branch that is neither base nor any registered agent's.

    The scene's holder must be who runs the process.
    """
    repo = scene.repo
    actor = None if scene.holder.is_human else scene.holder
    if ref in base_refs(scene):
        return scene.holder
    if ref in attached_branches(repo, repo.git_dir, repo.private_dir):
        return actor
    for worktree in worktrees(repo):
        private = private_dir_of(worktree.git_dir)
        key = read_line(os.path.join(private, "holder")).split(" ")[0]
        if key and ref in attached_branches(repo, worktree.git_dir, private):
            agent, _, worktree_id = key.rpartition("@")
            holder = Holder(agent, worktree_id)
            return None if holder.is_human else holder
    # a branch that was judged before is one that agents work on, though nobody has it checked out just now
    return actor if judged_tip(repo, ref) else None


def gate_refs(scene: Scene, lines: Sequence[str]) -> int:
    """Judge a prepared transaction; 0 lets it go on, 1 vetoes it."""
    moves = [_since_judged(scene, move) for move in parse_moves(scene.repo, lines)]
    tell_unseen(scene)
    actor, own = scene.holder, attached_branches(scene.repo, scene.repo.git_dir, scene.repo.private_dir)
    for move, owner in [(move, owner_of(scene, move.ref)) for move in moves]:
        if owner is not None:
            # whoever writes to another's branch from a worktree of its own does not borrow the other's locks
            scene.holder = owner if owner.worktree == actor.worktree else actor
            if not _admit(scene, move):
                return 1
        elif actor.is_human and move.ref in own:
            _follow_a_person(scene, move)
        if move.ref in own or final_ref(scene.repo, move.ref) in own:
            follow_move(scene, move, committed=commits_now(scene.repo))
    if commits_now(scene.repo):  # its receipt is used up; this git process may go on to the next commit
        drop_receipt(scene.repo)
    leave_quiet(scene, _where_base_goes(scene, moves))
    return 0


def _where_base_goes(scene: Scene, moves: Sequence[Move]) -> str:
    """Where base will be, by a move that leaves its settings as they are; empty for any other and for none."""
    move = next((move for move in moves if move.ref == scene.rules.base.ref), None)
    if move is None or not move.old:
        return ""
    files = (FILE.encode(), PROJECT.encode())
    same = all(scene.blob(move.old, file) == scene.blob(move.new, file) for file in files)
    return move.new if same else ""


def _since_judged(scene: Scene, move: Move) -> Move:
    """Base made anew goes on from where a gate last judged it: to delete it first changes nothing."""
    if move.old or move.ref not in base_refs(scene):
        return move
    judged = judged_tip(scene.repo, move.ref)
    return move._replace(old=judged if scene.cat.id_of(judged.encode()) else "")


def _follow_a_person(scene: Scene, move: Move) -> None:
    """A person's work is a person's, whoever goes on with it; what it takes back is told."""
    if not is_level(scene, move.old):
        say_warnings(scene, "reference-transaction", _taken_back(scene, move, unjudged_steps(scene, move)))
    if move.old and not scene.contains(move.new, move.old):
        keep_left_tip(scene.repo, move.ref, move.old)
    decided(scene.repo, move.ref)
    note_judged(scene.repo, move.ref, move.new)


def judge_late(scene: Scene) -> None:
    """Have the versions that the branch here took under its own locks in their chains, though no gate saw them.

    What else those commits brought is judged by the next gate.
    """
    head = head_of(scene.repo)
    if not head.branch or not head.commit or judged_tip(scene.repo, head.branch) == head.commit:
        return
    steps = unjudged_steps(scene, Move(head.branch, "", head.commit))

    def decide(snapshot: Snapshot) -> Change | None:
        scene.snapshot = snapshot
        records = judge_steps(scene, steps, head.branch).records
        grown = {place: record for place, record in records.items() if place.startswith(CHAINS)}
        return Change("versions that no gate saw", scene.holder.key, grown) if grown else None

    if steps:
        scene.store.swap(decide)


def _admit(scene: Scene, move: Move) -> bool:
    fresh = unjudged_steps(scene, move, undecided_tips(scene.repo, move.ref))
    whole = whole_move(scene, move, fresh)
    steps = [*fresh, *_taken_away(scene, move, whole)]
    covered = _covered(scene.repo, fresh)
    merged = any(len(step.parents) > 1 for step in fresh)
    follows = covered and fresh[0].parents == (move.old,) and is_level(scene, move.old)
    lost = [] if follows and not merged else _taken_back(scene, move, fresh)

    def judge() -> Verdict:
        verdict = joined([judge_steps(scene, steps, move.ref), judge_move(scene, whole, move.ref, move.new)])
        return verdict._replace(findings=(*lost, *verdict.findings))

    verdict = judge()
    refused, warned = split(scene, verdict.findings)
    if refused and steps:
        vouched = given(scene.repo, scene.rules.base.remote, [step.commit for step in steps])
        if vouched:
            steps = [step for step in steps if step.commit not in vouched]
            verdict = judge()
            refused, warned = split(scene, verdict.findings)
    if verdict.records and not refused:
        verdict = write_verdict(scene, judge, verdict, f"commit to {move.ref.removeprefix(HEADS)}")
        refused, warned = split(scene, verdict.findings)
        if not refused:
            _after_chains_grew(scene, [place for place in verdict.records if place.startswith(CHAINS)])
    if refused and _only_upstream_has(scene, move):
        say_warnings(scene, "reference-transaction", refused)
    elif refused and not allowed_by_a_person(scene, refused, told=covered):
        named = [_with_commit(scene, finding, fresh, move) for finding in refused]
        say_refusal(scene, "reference-transaction", named, _recovery(scene.repo, move))
        return False
    if not covered:
        say_warnings(scene, "reference-transaction", warned)
        if steps:
            record_event(scene.repo.shared_dir, "no-receipt", holder=scene.holder.key, ref=move.ref, commit=move.new)
    if move.old and not any(move.old in step.parents for step in fresh) and not scene.contains(move.new, move.old):
        keep_left_tip(scene.repo, move.ref, move.old)
    _note_result(scene, move)
    landing = len(steps) > 1 or any(len(step.parents) > 1 for step in steps)
    if landing and move.ref in base_refs(scene) and CHAINS in scene.snapshot.tree(b""):
        write_private(scene.repo, LANDING_NOTE, "")
    return True


def _note_result(scene: Scene, move: Move) -> None:
    """Note how far the branch is judged; on top of what no gate could decide, it stays undecided as a whole."""
    undecided = undecided_tip(scene.repo, move.ref)
    if undecided and scene.contains(move.new, undecided):
        note_undecided(scene.repo, [(move.ref, move.new)], why_undecided(scene.repo, move.ref))
        return
    if undecided:
        decided(scene.repo, move.ref)
    note_judged(scene.repo, move.ref, move.new)


def _taken_back(scene: Scene, move: Move, fresh: Sequence[Transition]) -> list[Finding]:
    """What goes back to a version left behind, but for commits that the server gave: others have looked at those."""
    if scene.rules.config.level(RULE) == "off" or _only_upstream_has(scene, move):
        return []
    appended = len(fresh) == 1 and fresh[0].parents == (move.old,) and commits_now(scene.repo)
    found = find_taken_back(scene, move, fresh, appended=appended)
    if not found:
        return []
    vouched = given(scene.repo, scene.rules.base.remote, [step.commit for step in fresh])
    own = [step for step in fresh if step.commit not in vouched]
    return find_taken_back(scene, move, own, appended=appended) if vouched else found


def _taken_away(scene: Scene, move: Move, whole: Transition) -> list[Transition]:
    """Base losing commits, as a step to judge; taking a person's overridden commit back is no change of anybody's."""
    if not loses_commits(scene, move):
        return []
    undone = commits(scene.repo, move.old, "--not", move.new)
    rows = [(change.path, _is_override(scene, commit.id)) for commit in undone for change in commit.changes]
    kept = {path for path, overridden in rows if not overridden}
    return [whole._replace(changes=[change for change in whole.changes if change.path in kept])]


def _is_override(scene: Scene, commit: str) -> bool:
    message = (scene.cat.read(commit.encode()) or b"").partition(b"\n\n")[2]
    return any(line.startswith(OVERRIDE.encode() + b": ") for line in message.split(b"\n"))


def _recovery(repo: Repo, move: Move) -> list[str]:
    """What puts the work tree right: `git reset --hard` and the like have made it the refused commit's already."""
    known = recovery_of(repo, "reference-transaction")
    if len(known) > 2 or commits_now(repo) or head_of(repo).branch != move.ref:
        return known
    moved = repo.git("diff-index", "--cached", "--quiet", move.new, ok=()).code == 0
    if known and not moved:  # something else is staged too, which a reset would drop
        return [known[0], known[1].replace("git reset --merge", f"git read-tree -m -u {move.new[:12]} HEAD")]
    return known or (["nothing moved; to put the work tree right:", "git reset --merge"] if moved else [])


def _with_commit(scene: Scene, finding: Finding, steps: Sequence[Transition], move: Move) -> Finding:
    """A refusal for what an earlier commit brought names it: it was made with hooks off, and can be dropped."""
    blamed = [step.commit for step in steps if any(_concerns(finding, change.path) for change in step.changes)]
    if not blamed or not move.old or not scene.contains(move.old, blamed[0]):
        return finding
    short = blamed[0][:12]
    subject = scene.repo.git("log", "-1", "--format=%s", blamed[0]).out.decode("utf-8", "replace")
    told = f"commit {short} {quoted(subject, 60)} brought it, and no gate saw that one; to drop it:"
    return finding._replace(lines=(*finding.lines, told, f"git rebase --autostash --onto {short}^ {short}"))


def _concerns(finding: Finding, path: bytes) -> bool:
    return path == finding.path or path.startswith(finding.path + b"/")


def _covered(repo: Repo, steps: Sequence[Transition]) -> bool:
    """Whether the receipt in this worktree is for just this commit, so that its warnings were given already."""
    receipt = read_receipt(repo)
    if receipt is None or len(steps) != 1:
        return False
    parents, *raw = receipt.content.split("\n")
    judged = parse_raw(line.encode("utf-8", "surrogateescape") for line in raw)
    return parents.split() == list(steps[0].parents) and judged == list(steps[0].changes)


def _after_chains_grew(scene: Scene, places: Sequence[bytes]) -> None:
    """Let the post-rewrite shim know that ids matter from now on, and the merge driver which paths are its own."""
    if not places:
        return
    path = os.path.join(scene.repo.shared_dir, "chained")
    if not os.path.exists(path):
        with open(path, "w", encoding="ascii"):
            pass
    attribute_paths(scene.repo, [from_state(place) for place in places])


def _only_upstream_has(scene: Scene, move: Move) -> bool:
    """Whether base's upstream already has all that a move of base brings: reported then, never refused."""
    upstream = scene.rules.base.upstream_commit
    return move.ref in base_refs(scene) and bool(upstream) and scene.contains(upstream, move.new)
