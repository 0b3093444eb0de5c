"""The judged work that base does not have, read once for all that is judged now: no history raises the processes."""

from __future__ import annotations

from agentsync.git.arrivals import given, tip_before_us
from agentsync.git.objects import Patched, changes_between, commits, index_changes, parents_of
from agentsync.git.refs import resolve_ref
from agentsync.git.repo import read_line
from agentsync.judging.ancestry import Graph, graph_of, unrelated
from agentsync.judging.scene import judged_tip
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.objects import Change
    from agentsync.judging.scene import Scene
    from agentsync.judging.verdict import Transition

_MOST_PATHS = 1000  # named to git; of more, all is read
_MOST_SUMS = 20  # branches whose whole work on a path is looked at


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
        self.unrelated = unrelated(self.graph.parents) if scene.rules.base.commits else set()
        related = {one: parents for one, parents in self.graph.parents.items() if one not in self.unrelated}
        pairs = [(commit, parents[0] if parents else "") for commit, parents in related.items()]
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
            others = unrelated({one.id: one.parents for one in lacking})
            pairs = [(one.id, one.parents[0] if one.parents else "") for one in lacking if one.id not in others]
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


def _vouching_for_itself(scene: Scene, ref: str) -> list[str]:
    """A branch that no gate saw, from before the gates or from the server; what was added with hooks off is neither."""
    tip = "" if judged_tip(scene.repo, ref) else resolve_ref(scene.repo, ref)
    if not tip:
        return []
    return [tip] if tip_before_us(scene.repo, ref) == tip or given(scene.repo, scene.rules.base.remote, [tip]) else []


def same_edit(judged: Patched, wanted: Patched) -> bool:
    """Whether two changes are the same: by their patches where they are text, else by their blobs; modes count."""
    if not same_mode_change(judged.change, wanted.change):
        return False
    if judged.patch is not None and wanted.patch is not None:
        return judged.patch == wanted.patch
    one, other = judged.change, wanted.change
    return (one.old, one.new, one.old_mode) == (other.old, other.new, other.old_mode)


def same_mode_change(judged: Change, wanted: Change) -> bool:
    """Whether two changes give the same mode, or the wanted one gives none."""
    before, after = (judged.old_mode, judged.new_mode), (wanted.old_mode, wanted.new_mode)
    return before == after or (after[0] == after[1] and bool(wanted.old))
