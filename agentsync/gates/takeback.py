"""Nothing landed is taken back unseen: a commit whose tree is older than its parent's, and base going backwards.

A stale index (a branch checked out twice, `git reset --soft`) looks like any commit. What tells is that HEAD has
moved and the index has not followed: each worktree notes the commit that its index was last level with.
"""

from __future__ import annotations

import os

from agentsync.gates.ranges import loses_commits
from agentsync.git.objects import changes_between, merge_base, tree_changes
from agentsync.git.refs import HEADS, head_of, resolve_ref
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.takeback import RULE, Past, TakenBack, dropped_by_merge, on_purpose, others, taken_back
from agentsync.judging.verdict import Finding, Transition
from agentsync.lean import TYPE_CHECKING
from agentsync.text import quoted, shell_path, shell_word, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.gates.ranges import Move
    from agentsync.git.repo import Repo
    from agentsync.judging.scene import Scene

LEVEL = "synced"  # the worktree's file with the commit that its index was last level with
PATHS = "taken-back"  # where the paths stand that are too many for a command line
_MOST_PAST = 1000  # commits looked back at
_MOST_PAST_OF_STALE = 10_000  # where the index is known to be older than HEAD
_MOST_MERGES = 20
_MOST_NAMED = 5


def note_level(scene: Scene, commit: str) -> None:
    """Note that this worktree's index holds what is built on `commit`."""
    write_private(scene.repo, LEVEL, commit + "\n")


def is_level(scene: Scene, head: str) -> bool:
    """Whether the index was last level with HEAD; a worktree that has noted nothing yet counts as level."""
    return read_line(private_file(scene.repo, LEVEL)) in ("", head)


def follow_move(scene: Scene, move: Move, *, committed: bool) -> None:
    """After a move of the branch that is checked out here: a commit leaves a level index level, other moves may not.

    A commit of some paths leaves the rest of the index as old as it was, and `git reset` the files of the work tree.
    """
    followed = committed or not move.old or not _files_are_older(scene, move)
    if (committed and is_level(scene, move.old)) or (index_equals(scene.repo, move.new) and followed):
        note_level(scene, move.new)


def index_equals(repo: Repo, commit: str) -> bool:
    """Whether nothing is staged against a commit."""
    return repo.git("diff-index", "--cached", "--quiet", commit, ok=()).code == 0


def _files_are_older(scene: Scene, move: Move) -> bool:
    """Whether files that a move changes have not followed it."""
    out = scene.repo.git("diff-files", "--name-only", "-z", "--ignore-submodules=all", ok=()).out
    changed = set(out.split(b"\0")) - {b""}
    return bool(changed) and any(change.path in changed for change in tree_changes(scene.repo, move.old, move.new))


def find_taken_back(scene: Scene, move: Move, steps: Sequence[Transition], *, appended: bool) -> list[Finding]:
    """What the unjudged commits of a move take back, and base itself where it loses commits.

    A commit made on top of the branch, by a worktree whose index was level with it, takes back on purpose.
    """
    found = []
    if loses_commits(scene, move):
        found += by_going_back(scene, move)
    merges = [step for step in steps if len(step.parents) > 1][-_MOST_MERGES:]
    suspects = [step for step in steps if len(step.parents) == 1]
    if appended and is_level(scene, move.old):
        suspects = []
    found += _by_steps(scene, move, suspects, _MOST_PAST_OF_STALE if appended else _MOST_PAST)
    for step in merges:
        found += _by_merge(scene, move, step)
    return [one._replace(told=True) for one in found] if scene.holder.is_human else found


def by_going_back(scene: Scene, move: Move, *, whosever: bool = False) -> list[Finding]:
    """What base loses by a move to a commit that does not contain its old one: others' work, or `whosever` it is."""
    taken = taken_back(tree_changes(scene.repo, move.old, move.new), _past(scene, [move.old, f"^{move.new}"]))
    if not whosever:
        taken = others(taken, _authors(scene, taken, move.old), _self(scene))
    if not taken:
        return []
    commit = taken[0].commits[0]
    name = scene.rules.base.name
    way_on = (f"others build on {name}; to take it back on purpose, say so with a commit:", f"git revert {commit[:12]}")
    if not resolve_ref(scene.repo, move.ref):
        branch = shell_word(move.ref.removeprefix(HEADS))
        way_on = (f"{name} was deleted; to have it again as it was:", f"git branch {branch} {move.old[:12]}")
    lines = (f"{name} loses {_described(scene, commit)}, and with it {_shown(taken)}", *way_on)
    return [Finding(RULE, lines, taken[0].path)]


def _by_steps(scene: Scene, move: Move, steps: Sequence[Transition], depth: int) -> list[Finding]:
    if not steps:
        return []
    own = {step.commit for step in steps}
    entries = list(dict.fromkeys(step.parents[0] for step in steps if step.parents[0] not in own))
    history = _past(scene, entries, depth)
    kept: set[tuple[bytes, str]] = set()  # versions that the branch itself made before: going back to them is its own
    found = []
    for step in steps:
        taken = [one for one in taken_back(step.changes, history) if (one.path, _blob(step, one.path)) not in kept]
        kept |= {(change.path, change.new) for change in step.changes}
        if not taken or _judged_before(scene, step, [one.path for one in taken]):
            continue
        message = _message(scene, step.commit)
        taken = [one for one in taken if not on_purpose(message, one, history)]
        taken = others(taken, _authors(scene, taken), _self(scene))
        if taken:
            found.append(_finding(scene, move, step, taken))
    return found


def _blob(step: Transition, path: bytes) -> str:
    return next(change.new for change in step.changes if change.path == path)


def _judged_before(scene: Scene, step: Transition, paths: Sequence[bytes]) -> bool:
    """Whether what a step does at some paths was done by a judged commit, which an amend or a pick brings again."""
    from agentsync.judging.judged import Judged, same_edit  # only where something goes back

    scene.steps = [step]
    judged = Judged(scene, "", list(paths))
    return all(
        any(same_edit(one.what, judged.wanted(step, change)) for one in judged.done(step, change.path))
        for change in step.changes
        if change.path in paths
    )


def _by_merge(scene: Scene, move: Move, step: Transition) -> list[Finding]:
    """A merge that has neither side's change where only one side made one, as `-s ours` makes it."""
    found: list[Finding] = []
    for other in step.parents[1:]:
        fork = merge_base(scene.repo, step.parents[0], other)
        if not fork:
            continue
        pairs = [(step.parents[0], fork), (other, fork), (step.commit, fork)]
        ours, theirs, result = (
            {one.change.path: one.change.new for one in changes_between(scene.repo, [pair])[pair]} for pair in pairs
        )
        paths = [path for path in dropped_by_merge(ours, theirs, result) if not _git_drops_it(scene, step, other, path)]
        history = _past(scene, [step.parents[0], other, f"^{fork}"]) if paths else []
        rows = [TakenBack(path, _touching(history, path)) for path in paths]
        taken = others(rows, _authors(scene, rows), _self(scene))
        if taken and not any(on_purpose(_message(scene, step.commit), one, history) for one in taken):
            found.append(_finding(scene, move, step, taken))
    return found


def _git_drops_it(scene: Scene, step: Transition, other: str, path: bytes) -> bool:
    """Whether git's own merge has at a path what the commit has, as where the other side moved the folder."""
    tree, _ = scene.merged(step.parents[0], other)
    return bool(tree) and scene.blob(tree, path) == scene.blob(step.commit, path)


def _touching(history: Sequence[Past], path: bytes) -> tuple[str, ...]:
    return tuple(past.id for past in history if any(change.path == path for change in past.changes))


def _past(scene: Scene, revisions: Sequence[str], depth: int = _MOST_PAST) -> list[Past]:
    """The newest commits of a range, newest first, with what they changed."""
    words = ("rev-list", f"--max-count={depth}", "--parents", *revisions, "--")
    rows = [line.split(" ") for line in scene.repo.lines(*words)]
    pairs = [(row[0], row[1] if len(row) > 1 else "") for row in rows]
    changes = changes_between(scene.repo, pairs)
    return [Past(pair[0], [one.change for one in changes[pair]]) for pair in pairs]


def _message(scene: Scene, commit: str) -> str:
    content = scene.cat.read(commit.encode()) or b""
    return content.partition(b"\n\n")[2].decode("utf-8", "replace")


def _authors(scene: Scene, taken: Sequence[TakenBack], base: str = "") -> dict[str, str]:
    """Whose each dropped commit is: the agent's that its trailer names; of others, an agent's own until base has it.

    `base` is where base was, if it is not there any more.
    """
    commits = dict.fromkeys(commit for one in taken for commit in one.commits)
    landed: set[str] = set()
    if not scene.holder.is_human:
        for tip in (*scene.rules.base.commits, base):
            landed |= scene.ancestry.contained(tip, commits)
    return {one: _author(scene, one, landed=scene.holder.is_human or one in landed) for one in commits}


def _author(scene: Scene, commit: str, *, landed: bool) -> str:
    for line in reversed(_message(scene, commit).split("\n")):
        if line.startswith("Agent: "):
            return line.removeprefix("Agent: ").strip()
    if not landed:
        return _self(scene)
    header = (scene.cat.read(commit.encode()) or b"").partition(b"\n\n")[0].decode("utf-8", "replace")
    committer = next((line for line in header.split("\n") if line.startswith("committer ")), "")
    return committer.removeprefix("committer ").rpartition(">")[0]


def _self(scene: Scene) -> str:
    if not scene.holder.is_human:
        return scene.holder.agent
    ident = scene.repo.git("var", "GIT_COMMITTER_IDENT", ok=()).out.decode("utf-8", "replace")
    return ident.rpartition(">")[0]


def _described(scene: Scene, commit: str) -> str:
    return f"{commit[:12]} {quoted(_message(scene, commit).split(chr(10))[0], 60)}"


def _shown(taken: Sequence[TakenBack]) -> str:
    more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
    return f"{show_path(taken[0].path)}{more}"


def _finding(scene: Scene, move: Move, step: Transition, taken: Sequence[TakenBack]) -> Finding:
    since = _described(scene, taken[0].commits[0])
    paths = [one.path for one in taken]
    first = f"{_shown(taken)} would go back to a version from before {since}"
    if head_of(scene.repo).commit == move.old and head_of(scene.repo).branch == move.ref:
        way_on = (
            "the index is older than HEAD there, and nobody edited it; to keep the newer version:",
            _keep_newer(scene, paths),
        )
    else:  # the commit was made elsewhere, or is one of many: no file here is to be put right
        shown = _words(paths[:_MOST_NAMED])
        way_on = (
            f"commit {step.commit[:12]} is made from older files there, so make it again without that; what it undoes:",
            f"git diff {step.parents[0][:12]} {step.commit[:12]} -- {shown}",
        )
    return Finding(RULE, (first, *way_on), taken[0].path)


def _keep_newer(scene: Scene, paths: Sequence[bytes]) -> str:
    """The command that has the newer versions; edits that are not staged are put on top of them."""
    restore = "git restore --staged --worktree"
    if len(paths) <= _MOST_NAMED:
        restore += " -- " + _words(paths)
    else:
        listed = private_file(scene.repo, PATHS)
        write_private(scene.repo, PATHS, "\0".join(os.fsdecode(path) for path in paths) + "\0")
        restore += f" --pathspec-file-nul --pathspec-from-file={shell_path(os.fsencode(listed))}"
    out = scene.repo.git("diff-files", "--name-only", "-z", "--ignore-submodules=all").out
    edited = sorted(set(out.split(b"\0")) & set(paths))
    if not edited:
        return restore
    patch = shell_path(os.fsencode(private_file(scene.repo, "unstaged.patch")))
    return f"git diff --binary -- {_words(edited)} >{patch} && {restore} && git apply --3way {patch}"


def _words(paths: Sequence[bytes]) -> str:
    return " ".join(shell_path(path) for path in paths)
