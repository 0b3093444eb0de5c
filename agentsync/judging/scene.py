"""What a gate judges by: who acts, where, under which rules, on which snapshot of the state."""

from __future__ import annotations

import os
import time

from agentsync.git.objects import CatFile, blob_at, cat_file, entries_in
from agentsync.git.refs import attached_branches, resolve_ref
from agentsync.git.repo import Repo, read_line
from agentsync.holders.identity import Holder
from agentsync.judging.ancestry import Ancestry
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.judging.judged import Judged
    from agentsync.judging.verdict import Transition
    from agentsync.state.store import Snapshot, Store

_FEW = 3  # paths of one folder whose blobs are asked one by one; for more, the folder is read


class Scene:
    """The facts around one judgement; objects of the repository are asked for only when a rule needs them."""

    def __init__(self, repo: Repo, store: Store, rules: InForce, holder: Holder) -> None:
        self.repo = repo
        self.store = store
        self.rules = rules
        self.holder = holder
        self.opened = time.time_ns()  # nothing that was read for this is younger
        self.snapshot: Snapshot = store.snapshot()
        self.marked: dict[bytes, list[str]] = {}  # changed paths with hand-made markers, and the worktrees they lie in
        self.staged_markers: list[bytes] = []
        self._cat: CatFile | None = None
        self.ancestry = Ancestry(repo)
        self.steps: Sequence[Transition] = ()  # what is judged now, step by step
        self.judged: tuple[set[bytes], Sequence[Transition], Judged] | None = None  # locks/replay.py reads it once
        self.unrelated: set[str] = set()  # commits judged now whose paths name other files
        self.weighed: dict[tuple[object, ...], tuple[float, bool]] = {}  # of a lock, its end and whether it holds
        self._entries: dict[tuple[str, bytes], dict[bytes, tuple[str, str]]] = {}
        self._asked: dict[tuple[str, bytes], int] = {}
        self._tips: dict[str, str] = {}
        self._merged: dict[tuple[str, str], tuple[str, list[bytes]]] = {}
        self._judged_tips: list[str] | None = None

    @property
    def cat(self) -> CatFile:
        """The process that reads the user's objects."""
        if self._cat is None:
            self._cat = cat_file(self.repo)
        return self._cat

    def blob(self, commit: str, path: bytes) -> str:
        """What stands at a path in a commit; empty for nothing."""
        if not commit:
            return ""
        folder = path.rpartition(b"/")[0]
        asked = self._asked[commit, folder] = self._asked.get((commit, folder), 0) + 1
        if asked <= _FEW and (commit, folder) not in self._entries:
            return blob_at(self.cat, self.repo, commit, path)
        return self._entry(commit, path)[1]

    def mode(self, commit: str, path: bytes) -> str:
        """The mode of what stands at a path in a commit, such as `100644`; empty for nothing."""
        return self._entry(commit, path)[0]

    def _entry(self, commit: str, path: bytes) -> tuple[str, str]:
        """The mode and the id of what stands at a path in a commit; its folder is read as a whole."""
        folder, _, name = path.rpartition(b"/")
        if (commit, folder) not in self._entries:
            tree = commit.encode() + b":" + folder
            if b"\n" in folder:
                tree = self.repo.git("rev-parse", "--verify", "-q", tree, ok=()).out.strip()
            content = self.cat.read(tree) or b""
            self._entries[commit, folder] = entries_in(content, len(self.cat.id_of(tree)) // 2)
        return self._entries[commit, folder].get(name, ("", ""))

    def tip(self, ref: str) -> str:
        """Where a ref is while this is judged; empty where there is none."""
        if ref not in self._tips:
            self._tips[ref] = resolve_ref(self.repo, ref)
        return self._tips[ref]

    def content(self, blob: str) -> bytes:
        """A blob's bytes; empty for no blob."""
        return (self.cat.read(blob.encode()) or b"") if blob else b""

    @property
    def judged_tips(self) -> list[str]:
        """The newest tips that a gate judged and those of the branches here, read once."""
        if self._judged_tips is None:
            repo = self.repo
            here = attached_branches(repo, repo.git_dir, repo.private_dir)
            own = [judged_tip(repo, name) for ref in here for name in (ref, f"left/{ref}")]
            self._judged_tips = list(dict.fromkeys(tip for tip in (*own, *judged_tips(repo)) if tip))
        return self._judged_tips

    def judged_in(self, commit: str) -> list[str]:
        """The tips of agents' branches that were judged and that `commit` contains."""
        found = self.ancestry.contained(commit, self.judged_tips)
        return [tip for tip in self.judged_tips if tip in found]

    def merged(self, ours: str, theirs: str) -> tuple[str, list[bytes]]:
        """The tree that git makes of two commits and the paths in conflict; an empty name where it cannot."""
        if (ours, theirs) not in self._merged:
            from agentsync.git.scratch import with_attributes_of  # seldom needed

            words = ("merge-tree", "--write-tree", "--name-only", "-z", "--no-messages", ours, theirs)
            done = with_attributes_of(self.repo, self.rules.base.newest).git(*words, ok=())
            tree, *conflicts = done.out.split(b"\0")
            self._merged[ours, theirs] = (tree.decode(), conflicts) if done.code in (0, 1) else ("", [])
        return self._merged[ours, theirs]

    def contains(self, descendant: str, commit: str) -> bool:
        """Whether `descendant` has `commit` in its history."""
        return self.ancestry.contains(descendant, commit)


MOST_JUDGED = 200  # the newest that count; older ones have landed, or their lock is long gone


def judged_file(repo: Repo, ref: str) -> str:
    """Where the last tip of a branch that a gate judged is kept (hooks/reference-transaction reads it too)."""
    return os.path.join(repo.shared_dir, "judged", f"{ref}.tip")


def judged_tip(repo: Repo, ref: str) -> str:
    """That tip, empty when there is none."""
    return read_line(judged_file(repo, ref))


def note_judged(repo: Repo, ref: str, commit: str) -> None:
    """Note a judged tip; a projection, so failing to write it only means judging again."""
    path = judged_file(repo, ref)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.{os.getpid()}", "w", encoding="ascii") as file:
            file.write(commit + "\n")
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        return


def keep_left_tip(repo: Repo, ref: str, commit: str) -> None:
    """Keep a judged tip that its branch now leaves, as a reset does: what was judged stays judged."""
    if judged_tip(repo, ref) == commit:
        note_judged(repo, f"left/{ref}", commit)


def judged_tips(repo: Repo) -> list[str]:
    """The newest tips that a gate judged, of whatever branch and worktree: renamed and removed ones count too."""
    found: list[tuple[float, str]] = []
    folders = [os.path.join(repo.shared_dir, "judged")]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name.endswith(".tip"):
                        found.append((entry.stat().st_mtime, entry.path))
        except OSError:
            continue
    newest = [path for _, path in sorted(found, reverse=True)]
    for path in newest[2 * MOST_JUDGED :]:
        os.unlink(path)
    return list(dict.fromkeys(tip for path in newest[:MOST_JUDGED] if (tip := read_line(path))))
