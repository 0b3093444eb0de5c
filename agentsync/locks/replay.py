"""Whether a change of a path repeats one that was judged before, as a rebase, amend, squash or pick brings it again."""

from __future__ import annotations

from agentsync.judging.judged import Judged, same_edit, same_mode_change
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.git.objects import Change, Patched
    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Transition

_MOST_MERGES = 16  # text merges tried for one change: each is a process
_MOST_MERGES_IN_ALL = 64


def replays(scene: Scene, step: Transition, change: Change, ref: str) -> bool:
    """Whether a judged change of the path is made again.

    What the first parent has already is not brought again but done anew.
    """
    judged = _judged(scene, ref, change.path)
    vouching = judged.reach_for(step)
    candidates = [one.what for one in judged.done(step, change.path)]
    for commit, changes in judged.picks().items():
        trusted = judged.graph.has(vouching, commit) or any(
            scene.contains(tip, commit) for tip in scene.rules.base.commits
        )
        trusted = trusted and commit not in judged.unrelated
        candidates += [one for one in changes if trusted and one.change.path == change.path]
    candidates += judged.of_base(step, change.path)
    if not candidates:
        return False
    if _leads_to([one.change for one in candidates], change):
        return True
    wanted = judged.wanted(step, change)
    if any(same_edit(one, wanted) for one in candidates):
        return True
    candidates += judged.sums(step, change.path)
    return any(same_edit(one, wanted) for one in candidates) or _carried_over(scene, judged, candidates, wanted)


def _judged(scene: Scene, ref: str, path: bytes) -> Judged:
    """What was judged, read at the first question of a judgement for every path that others have locked."""
    known = scene.judged
    if known is None or path not in known[0] or scene.steps is not known[1]:
        paths = {change.path for step in scene.steps for change in step.changes if _is_locked(scene, change.path)}
        paths.add(path)
        known = scene.judged = (paths, scene.steps, Judged(scene, ref, sorted(paths)))
    return known[2]


def _is_locked(scene: Scene, path: bytes) -> bool:
    from agentsync.locks.gate import held_on

    return bool(held_on(scene, path))


def _leads_to(judged: Sequence[Change], change: Change) -> bool:
    """Whether judged changes, one after the other, make just this one: two commits squashed into one."""
    start, goal = (change.old, change.old_mode), (change.new, change.new_mode)
    reached, grown = {start}, True
    while grown:
        fresh = {(one.new, one.new_mode) for one in judged if (one.old, one.old_mode) in reached} - reached
        reached, grown = reached | fresh, bool(fresh)
    return goal in reached and goal != start


def _edited_lines(patch: tuple[bytes, ...]) -> dict[bytes, int]:
    counted: dict[bytes, int] = {}
    for line in patch:
        if line[:1] in (b"+", b"-"):
            counted[line] = counted.get(line, 0) + 1
    return counted


def _carried_over(scene: Scene, judged: Judged, candidates: Iterable[Patched], wanted: Patched) -> bool:
    """Whether the change is what git makes of a judged one on another version: a rebase beside landed lines.

    Only a judged change that edits at least these lines can be that, so few are tried.
    """
    change = wanted.change
    if wanted.patch is None or not all((change.old, change.new)):
        return False
    lines = _edited_lines(wanted.patch)
    tried: set[tuple[str, str]] = set()
    for one in candidates:
        before, after = one.change.old, one.change.new
        if one.patch is None or before == change.old or (before, after) in tried or not before or not after:
            continue
        edited = _edited_lines(one.patch)
        if any(edited.get(line, 0) < count for line, count in lines.items()):
            continue
        if len(tried) >= _MOST_MERGES or judged.merges >= _MOST_MERGES_IN_ALL:
            return False
        tried.add((before, after))
        judged.merges += 1
        if same_mode_change(one.change, change) and _merges_to(scene, (before, change.old, after), change.new):
            return True
    return False


def _merges_to(scene: Scene, versions: tuple[str, str, str], result: str) -> bool:
    """Whether git's line merge of three blobs (base, ours, theirs) is clean and gives `result`."""
    from agentsync.git.merge_file import merge_lines  # only where a rebase has moved lines next to others

    merged = merge_lines(scene.repo.environ, *(scene.content(blob) for blob in versions))
    text = b"".join(part for part in merged.parts if isinstance(part, bytes))
    return not merged.hunks and text == scene.content(result)
