"""Whether a change of a path repeats one that was judged before, as a rebase, amend, squash or pick brings it again.

What was judged is read once for all steps and paths: the number of processes does not grow with the history.
"""

from __future__ import annotations

from agentsync.git.arrivals import given, tip_before_us
from agentsync.git.objects import Patched, changes_between, commits, index_changes, parents_of
from agentsync.git.refs import resolve_ref
from agentsync.git.repo import read_line
from agentsync.judging.ancestry import Graph, graph_of
from agentsync.judging.scene import judged_tip
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.git.objects import Change
    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Transition

_MOST_PATHS = 1000  # named to git; of more, all is read
_MOST_SUMS = 20  # branches whose whole work on a path is looked at
_MOST_MERGES = 16  # text merges tried for one change: each is a process
_MOST_MERGES_IN_ALL = 64


class Done(NamedTuple):
    """What a judged commit did to a path."""

    commit: str
    what: Patched


class Judged:
    """The judged work that base does not have: its graph, and what it did to the paths that matter now."""

    def __init__(self, scene: Scene, ref: str, paths: Sequence[bytes]) -> None:
        self._scene = scene
        self._limit = paths if len(paths) <= _MOST_PATHS else ()
        self.tips = [*dict.fromkeys((*scene.judged_tips, *_vouching_for_itself(scene, ref)))]
        firsts = [step.parents[0] for step in scene.steps if step.parents]
        made = [step.commit for step in scene.steps if step.commit]
        self.graph: Graph = graph_of(scene.repo, [*self.tips, *firsts, *made], scene.rules.base.commits)
        pairs = [(commit, parents[0] if parents else "") for commit, parents in self.graph.parents.items()]
        self._done: dict[bytes, list[Done]] = {}
        self._patches = bool(self._limit)  # of very many paths, blobs alone are compared
        for (commit, _), changes in self._changes(pairs).items():
            for one in changes:
                self._done.setdefault(one.change.path, []).append(Done(commit, one))
        self._wanted: dict[tuple[str, tuple[str, ...]], dict[bytes, Patched]] = {}
        self._of_base: dict[tuple[str, ...], dict[bytes, list[Patched]]] = {}
        self._picks: dict[str, list[Patched]] | None = None
        self.merges = 0

    def _changes(self, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], list[Patched]]:
        return changes_between(self._scene.repo, pairs, self._limit, patches=self._patches)

    def reach_for(self, step: Transition) -> int:
        """The judged work that may vouch for a step: of tips that do not contain the step itself."""
        if not step.commit:
            return self.graph.reach(self.tips)
        return self.graph.reach(tip for tip in self.tips if not self.graph.has(self.graph.reach([tip]), step.commit))

    def done(self, step: Transition, path: bytes) -> list[Done]:
        """What judged work did to a path and the step's first parent does not have, parents first."""
        vouching, had = self.reach_for(step), self.graph.reach(step.parents[:1])
        return [
            one
            for one in self._done.get(path, ())
            if one.commit != step.commit
            and self.graph.has(vouching, one.commit)
            and not self.graph.has(had, one.commit)
        ]

    def wanted(self, step: Transition, change: Change) -> Patched:
        """The change that is judged, with its patch."""
        key = (step.commit, step.parents)
        if key not in self._wanted:
            if step.commit:
                pair = (step.commit, step.parents[0] if step.parents else "")
                found = self._changes([pair])[pair]
            else:
                found = index_changes(self._scene.repo, step.parents[0], self._limit) if step.parents else []
            self._wanted[key] = {one.change.path: one for one in found}
        return self._wanted[key].get(change.path, Patched(change, None))

    def sums(self, step: Transition, path: bytes) -> list[Patched]:
        """What whole judged branches do to a path, as a squash of them does."""
        done = self.done(step, path)
        wanted: list[tuple[str, str]] = []
        for tip in self.tips[: _MOST_SUMS * 10]:
            reach = self.graph.reach([tip])
            own = [one.commit for one in done if self.graph.has(reach, one.commit)]
            if len(own) > 1 and len(wanted) < _MOST_SUMS:
                before = self.graph.parents[own[0]]
                wanted.append((own[-1], before[0] if before else ""))
        found = changes_between(self._scene.repo, wanted, [path], patches=True)
        return [one for changes in found.values() for one in changes]

    def of_base(self, step: Transition, path: bytes) -> list[Patched]:
        """What base did to a path and the step's first parent does not have: anybody may bring that, by any command."""
        entries = self._scene.ancestry.entries(step.parents[0]) if step.parents else ()
        if entries not in self._of_base:
            newer = [tip for tip in self._scene.rules.base.commits if tip not in entries]
            lacking = commits(self._scene.repo, *newer, "--not", *entries, paths=self._limit) if newer else []
            pairs = [(one.id, one.parents[0] if one.parents else "") for one in lacking]
            known: dict[bytes, list[Patched]] = {}
            for changes in self._changes(pairs).values():
                for one in changes:
                    known.setdefault(one.change.path, []).append(one)
            self._of_base[entries] = known
        return self._of_base[entries].get(path, [])

    def picks(self) -> dict[str, list[Patched]]:
        """What the commit being picked or rebased did, where a gate judged it or base has it."""
        if self._picks is None:
            git_dir = self._scene.repo.git_dir
            named = [read_line(f"{git_dir}/{name}") for name in ("CHERRY_PICK_HEAD", "REBASE_HEAD")]
            self._picks = {commit: self._changes_of(commit) for commit in dict.fromkeys(named) if commit}
        return self._picks

    def _changes_of(self, commit: str) -> list[Patched]:
        parents = parents_of(self._scene.repo, [commit])[commit]
        pair = (commit, parents[0] if parents else "")
        return self._changes([pair])[pair]


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


def _vouching_for_itself(scene: Scene, ref: str) -> list[str]:
    """A branch that no gate saw, from before the gates or from the server; what was added with hooks off is neither."""
    tip = "" if judged_tip(scene.repo, ref) else resolve_ref(scene.repo, ref)
    if not tip:
        return []
    return [tip] if tip_before_us(scene.repo, ref) == tip or given(scene.repo, scene.rules.base.remote, [tip]) else []


def same_edit(judged: Patched, wanted: Patched) -> bool:
    """Whether two changes are the same: by their patches where they are text, else by their blobs; modes count."""
    if not _same_mode_change(judged.change, wanted.change):
        return False
    if judged.patch is not None and wanted.patch is not None:
        return judged.patch == wanted.patch
    one, other = judged.change, wanted.change
    return (one.old, one.new, one.old_mode) == (other.old, other.new, other.old_mode)


def _same_mode_change(judged: Change, wanted: Change) -> bool:
    before, after = (judged.old_mode, judged.new_mode), (wanted.old_mode, wanted.new_mode)
    return before == after or (after[0] == after[1] and bool(wanted.old))


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
        if _same_mode_change(one.change, change) and _merges_to(scene, (before, change.old, after), change.new):
            return True
    return False


def _merges_to(scene: Scene, versions: tuple[str, str, str], result: str) -> bool:
    """Whether git's line merge of three blobs (base, ours, theirs) is clean and gives `result`."""
    from agentsync.git.merge_file import merge_lines  # only where a rebase has moved lines next to others

    merged = merge_lines(scene.repo.environ, *(scene.content(blob) for blob in versions))
    text = b"".join(part for part in merged.parts if isinstance(part, bytes))
    return not merged.hunks and text == scene.content(result)
