"""Whether a change of a path repeats one that was judged before, as a rebase, amend, squash or pick brings it again."""

from __future__ import annotations

import os

from agentsync.git.objects import Change, commits
from agentsync.git.refs import fetched, resolve_ref
from agentsync.git.repo import read_line
from agentsync.judging.scene import judged_tip, judged_tips
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Transition


def replays(scene: Scene, step: Transition, change: Change, ref: str) -> bool:
    """Whether a judged change of the path is made again.

    What the first parent has already is not brought again but done anew.
    """
    tips = [*judged_tips(scene.repo), *_vouching_for_itself(scene, ref)]
    tips = [tip for tip in dict.fromkeys(tips) if not (step.commit and scene.contains(tip, step.commit))]
    judged = list(_judged_changes(scene, step, tips).get(change.path, ()))
    for picked in _judged_picks(scene, tips):
        for commit in commits(scene.repo, picked, "--max-count=1", paths=[change.path]):
            judged += [one for one in commit.changes if one.path == change.path]
    if _leads_to(judged, change):
        return True
    wanted = _patch(scene, change)
    candidates = [*judged, *_sums(scene, tips, change.path)]
    return any(_patch(scene, one) == wanted or _carried_over(scene, one, change) for one in candidates)


def _vouching_for_itself(scene: Scene, ref: str) -> list[str]:
    """A branch that no gate saw, from before the gates or from the server; what was added with hooks off is neither."""
    tip = "" if judged_tip(scene.repo, ref) else resolve_ref(scene.repo, ref)
    if not tip:
        return []
    try:
        began = os.stat(os.path.join(scene.store.path, "description")).st_mtime
    except OSError:
        return []
    made = scene.repo.git("log", "-1", "--format=%ct", tip, ok=()).out.strip()
    return [tip] if (made.isdigit() and int(made) < began) or fetched(scene.repo, scene.rules.base.remote, tip) else []


def _judged_changes(scene: Scene, step: Transition, tips: Sequence[str]) -> dict[bytes, list[Change]]:
    """The changes of the judged commits that neither base nor the first parent has, by path; read once a step."""
    revisions = (*tips, "--not", *scene.rules.base.commits, *step.parents[:1])
    known = scene.judged_changes.get(revisions)
    if known is None:
        known = scene.judged_changes[revisions] = {}
        for commit in commits(scene.repo, *revisions) if tips else ():
            for one in commit.changes if commit.id != step.commit else ():
                known.setdefault(one.path, []).append(one)
    return known


def _judged_picks(scene: Scene, tips: Sequence[str]) -> list[str]:
    """The commit being picked or rebased, where a gate judged it; a pick does not vouch for itself."""
    picked = [read_line(f"{scene.repo.git_dir}/{name}") for name in ("CHERRY_PICK_HEAD", "REBASE_HEAD")]
    trusted = [*tips, *scene.rules.base.commits]
    return [commit for commit in picked if commit and any(scene.contains(tip, commit) for tip in trusted)]


def _leads_to(judged: Sequence[Change], change: Change) -> bool:
    """Whether judged changes, one after the other, make just this one: two commits squashed into one."""
    reached, grown = {change.old}, True
    while grown:
        fresh = {one.new for one in judged if one.old in reached} - reached
        reached, grown = reached | fresh, bool(fresh)
    return change.new in reached and change.new != change.old


_MOST_SUMS = 20


def _sums(scene: Scene, tips: Sequence[str], path: bytes) -> list[Change]:
    """What whole judged branches do to a path, as a squash of them does."""
    found = []
    for tip in tips[:_MOST_SUMS]:
        for base in scene.rules.base.commits:
            fork = scene.fork(base, tip)
            old, new = scene.blob(fork, path), scene.blob(tip, path)
            if fork and old != new:
                found.append(Change(path, "", "", old, new))
    return found


def _patch(scene: Scene, change: Change) -> tuple[bytes, ...]:
    """What a change does to a file, whatever surrounds it: its lines without positions, as `git patch-id` sees it."""
    if not change.old or not change.new:
        return (change.old.encode(), change.new.encode())
    diff = scene.repo.git("diff", "--no-color", "--no-ext-diff", "--no-textconv", change.old, change.new, ok=()).out
    return tuple(line for line in diff.splitlines() if line[:1] in b"+- " and line[:3] not in (b"+++", b"---"))


def _carried_over(scene: Scene, judged: Change, change: Change) -> bool:
    """Whether the change is what git makes of a judged one on another version: a rebase beside landed lines."""
    if not all((judged.old, judged.new, change.old, change.new)) or judged.old == change.old:
        return False
    from agentsync.git.merge_file import merge_lines  # only where a rebase has moved lines next to others

    merged = merge_lines(scene.repo.environ, *(scene.content(blob) for blob in (judged.old, change.old, judged.new)))
    text = b"".join(part for part in merged.parts if isinstance(part, bytes))
    return not merged.hunks and text == scene.content(change.new)
