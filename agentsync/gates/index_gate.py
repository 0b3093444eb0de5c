"""The gates that read the index: pre-commit, pre-merge-commit, and prepare-commit-msg where no receipt holds."""

from __future__ import annotations

import os

from agentsync.forecast.cache import worth_a_forecast
from agentsync.gates.judge import judge_move, judge_steps, split
from agentsync.gates.quiet import leave_quiet
from agentsync.gates.receipt import Receipt, content_of, drop_receipt, write_receipt
from agentsync.gates.recovery import is_replay, recovery_of
from agentsync.gates.say import allowed_by_a_person, say_refusal, say_warnings, tell
from agentsync.gates.takeback import is_level
from agentsync.gates.unseen import tell_unseen
from agentsync.git.objects import STAGED, empty_tree, parse_raw
from agentsync.git.refs import HEADS, head_of
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.scene import Scene
from agentsync.judging.verdict import Transition, Verdict, joined
from agentsync.lean import TYPE_CHECKING
from agentsync.state.paths import LANDING
from agentsync.state.store import Change, Snapshot
from agentsync.text import one_line, shell_path, show_path, show_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsync.git.repo import Repo


LANDING_NOTE = "note"  # the shims of post-commit and post-merge start Python only when it stands
DETACHED = "detached"
FORECAST = "forecast"


def merge_parents(repo: Repo) -> list[str]:
    """The commits being merged: MERGE_HEAD, or before git writes that, its `GITHEAD_<id>` variables."""
    try:
        with open(os.path.join(repo.git_dir, "MERGE_HEAD"), encoding="ascii", errors="replace") as file:
            return file.read().split()
    except OSError:
        return [name.removeprefix("GITHEAD_") for name in repo.environ if name.startswith("GITHEAD_")]


def gate_index(scene: Scene, hook: str, git_pid: str) -> int:
    """Judge the index that git handed us; 0 lets the commit go on, 1 refuses it."""
    repo = scene.repo
    drop_receipt(repo)
    tell_unseen(scene)
    head = head_of(repo)
    if LANDING in scene.snapshot.tree(b"") and _undoes_a_landing(scene, head.commit):
        return 1
    start = head.commit or empty_tree(repo)
    raw = repo.git("diff-index", *STAGED, start).out
    parents = (head.commit, *merge_parents(repo)) if head.commit else ()
    step = Transition(parents, parse_raw(raw.splitlines()), amending=hook != "pre-merge-commit")
    ref = head.branch or read_line(os.path.join(repo.git_dir, "rebase-merge", "head-name"))

    def judge() -> Verdict:
        return joined([judge_steps(scene, [step], ref), judge_move(scene, step, ref, "")])

    verdict = judge()
    refused, warned = split(scene, verdict.findings)
    if refused and not allowed_by_a_person(scene, refused):
        say_refusal(scene, hook, refused, recovery_of(repo, hook))
        return 1
    say_warnings(scene, hook, warned)
    _say_other_sessions(scene, step)
    if verdict.records and not refused:
        verdict = write_verdict(scene, judge, verdict, "prepare a commit")
        refused, _ = split(scene, verdict.findings)
        if refused:
            say_refusal(scene, hook, refused, recovery_of(repo, hook))
            return 1
    if not ref and verdict.concerned:  # a detached HEAD moves no branch: nobody else would see the commit
        write_private(repo, LANDING_NOTE, DETACHED)
    elif worth_a_forecast(repo, [change.path for change in step.changes]):
        write_private(repo, LANDING_NOTE, FORECAST)
    concerned = verdict.concerned or verdict.records or verdict.findings
    plain = not concerned and len(parents) < 2 and is_level(scene, head.commit)
    state = scene.store.current()
    others_work = is_replay(repo) or len(parents) > 1
    trailers = () if scene.holder.is_human or others_work else (f"Agent: {scene.holder.agent}", *verdict.trailers)
    write_receipt(repo, Receipt(git_pid, plain, state, ref, trailers, content_of(parents, raw)))
    leave_quiet(scene)
    return 0


def _say_other_sessions(scene: Scene, step: Transition) -> None:
    """Say which paths of this commit another agent's session wrote in this worktree."""
    if not os.path.exists(private_file(scene.repo, "committing")):  # the agents' hook leaves it: holders/sessions.py
        return
    from agentsync.holders.sessions import take_written_by_others

    try:
        others = take_written_by_others(scene.repo, [change.path for change in step.changes])
    except OSError as error:
        tell(f"agentsync: warning: could not tell whether another session wrote what this commit takes: {error}")
        return
    for session, paths in others:
        who = f"another session ({session.client}, last active {show_time(session.seen)})"
        shown = ", ".join(show_path(path) for path in paths[:5]) + (f" and {len(paths) - 5} more" if paths[5:] else "")
        tell(f"agentsync: warning: this commit takes {shown}, which {who} wrote in this worktree")
        if len(paths) == len(step.changes):
            tell("  to take the commit back, with the files as they are:")
            tell("  git reset -q HEAD~1")
            continue
        tell("  to leave that out of the commit:")
        words = " ".join(shell_path(path) for path in paths)
        tell(f"  git restore --staged --source=HEAD~1 -- {words} && git commit --amend --no-edit")


def _undoes_a_landing(scene: Scene, head: str) -> bool:
    """Whether this worktree's branch has moved by a landing that its index has not followed yet; then says so."""
    from agentsync.judging.landing import landing_now

    landing = landing_now(scene.snapshot)
    if landing is None or scene.repo.worktree_id not in landing.worktrees or head == landing.old:
        return False
    name = one_line(landing.ref.removeprefix(HEADS), 80)
    if landing.under_way:
        tell(f"agentsync: refused: a landing on {name} is under way here, and this commit would undo it")
        tell("  it takes a moment; commit again")
    else:
        tell(f"agentsync: refused: a landing on {name} was cut short here, and this commit would undo it")
        tell("  the next command finishes it; then commit again:")
        tell("  agentsync status")
    return True


def write_verdict(scene: Scene, judge: Callable[[], Verdict], first: Verdict, subject: str) -> Verdict:
    """Write what `first` needs, judged again where the state moved meanwhile, unless something is refused by then."""
    last = [first]

    def decide(snapshot: Snapshot) -> Change | None:
        if snapshot.id != scene.snapshot.id:
            scene.snapshot = snapshot
            last[:] = [judge()]
        verdict = last[0]
        if split(scene, verdict.findings)[0] or not verdict.records:
            return None
        return Change(subject, scene.holder.key, verdict.records)

    scene.store.swap(decide)
    return last[0]
