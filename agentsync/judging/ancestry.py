"""Which commit contains which, asked of git as seldom as can be: a gate's processes do not grow with the history."""

from __future__ import annotations

from agentsync.git.objects import is_ancestor, read_graph
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.git.repo import Repo

MOST_COMMITS = 20_000  # of one graph; older judged work has landed, or its lock is long gone


class Ancestry:
    """The answers of git, kept for one judgement; commits that are judged now are walked here."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._known: dict[tuple[str, str], bool] = {}
        self._parents: dict[str, tuple[str, ...]] = {}

    def learn(self, commit: str, parents: Sequence[str]) -> None:
        """Take over the parents of a commit that is judged."""
        if commit:
            self._parents[commit] = tuple(parents)

    def contains(self, descendant: str, commit: str) -> bool:
        """Whether `descendant` has `commit` in its history; empty ones have and are nothing."""
        if not descendant or not commit:
            return False
        met, entries = self._walk(descendant, {commit})
        return bool(met) or any(self._asked(entry, commit) for entry in entries)

    def contained(self, descendant: str, commits: Iterable[str]) -> set[str]:
        """Which of some commits `descendant` has in its history: one process an entry point."""
        wanted = {commit for commit in commits if commit}
        if not descendant or not wanted:
            return set()
        met, entries = self._walk(descendant, wanted)
        for entry in entries:
            met |= self._all_in(entry, wanted - met)
        return met

    def entries(self, commit: str) -> tuple[str, ...]:
        """The commits, not judged now, on which a commit and those judged before it build."""
        return tuple(self._walk(commit, set())[1])

    def _walk(self, start: str, wanted: set[str]) -> tuple[set[str], list[str]]:
        """The wanted commits among those judged now from `start` on, and where their history begins."""
        met: set[str] = set()
        entries: list[str] = []
        seen: set[str] = set()
        left = [start]
        while left:
            commit = left.pop()
            if commit in seen:
                continue
            seen.add(commit)
            if commit in wanted:
                met.add(commit)
            if commit in self._parents:
                left += self._parents[commit]
            else:
                entries.append(commit)
        return met, entries

    def _asked(self, descendant: str, commit: str) -> bool:
        key = (commit, descendant)
        if key not in self._known:
            self._known[key] = commit == descendant or is_ancestor(self._repo, commit, descendant)
        return self._known[key]

    def _all_in(self, descendant: str, commits: set[str]) -> set[str]:
        """Those of some commits that one commit contains; what is not here is contained nowhere."""
        unknown = [commit for commit in commits if (commit, descendant) not in self._known]
        if len(unknown) > 2:
            here = _present(self._repo, unknown)
            words = ("rev-list", "--stdin", "--not", descendant)
            beyond = set(self._repo.git(*words, stdin=("\n".join(here) + "\n").encode()).out.decode().split())
            for commit in unknown:
                self._known[commit, descendant] = commit in here and commit not in beyond
        return {commit for commit in commits if self._asked(descendant, commit)}


def _present(repo: Repo, commits: Sequence[str]) -> set[str]:
    asked = ("".join(f"{commit}^{{commit}}\n" for commit in commits)).encode()
    rows = repo.git("cat-file", "--batch-check", stdin=asked).out.decode("ascii", "replace").splitlines()
    return {row.split(" ")[0] for row in rows if row.split(" ")[1:2] == ["commit"]}


class Graph:
    """The commits that some tips have and base has not, with what each of them contains."""

    def __init__(self, parents: Mapping[str, tuple[str, ...]]) -> None:
        """`parents` lists each commit after its parents."""
        self.parents = parents
        self._at = {commit: index for index, commit in enumerate(parents)}
        self._masks: dict[str, int] = {}
        for commit, index in self._at.items():
            mask = 1 << index
            for parent in parents[commit]:
                mask |= self._masks.get(parent, 0)
            self._masks[commit] = mask

    def reach(self, commits: Iterable[str]) -> int:
        """What some commits contain, for `has`."""
        mask = 0
        for commit in commits:
            mask |= self._masks.get(commit, 0)
        return mask

    def has(self, reach: int, commit: str) -> bool:
        """Whether a commit is among what was reached."""
        return commit in self._at and bool(reach >> self._at[commit] & 1)


def unrelated(parents: Mapping[str, Sequence[str]]) -> set[str]:
    """The commits, listed after their parents, that go back to new roots alone.

    A merge brings such a history of its own by `git subtree add` or `--allow-unrelated-histories`. A path in it names
    another file than the same path here.
    """
    found: set[str] = set()
    for commit, before in parents.items():
        if all(parent in found for parent in before):
            found.add(commit)
    return found


def graph_of(repo: Repo, tips: Sequence[str], base: Sequence[str]) -> Graph:
    """The graph of the commits that `tips` have and `base` has not, the newest 20,000 at most: one process."""
    lines = "".join(f"{tip}\n" for tip in tips) + "".join(f"^{commit}\n" for commit in base)
    flags = ("--topo-order", "--parents", f"--max-count={MOST_COMMITS}", "--ignore-missing", "--stdin")
    newest_first = read_graph(repo.git("rev-list", *flags, stdin=lines.encode()).out)
    return Graph(dict(reversed(newest_first.items())))
