"""What a gate judges by: who acts, where, under which rules, on which snapshot of the state."""

from __future__ import annotations

import os

from agentsync.git.objects import CatFile, blob_at, cat_file, is_ancestor
from agentsync.git.refs import attached_branches, worktrees
from agentsync.git.repo import Repo, private_dir_of, read_line
from agentsync.holders.identity import Holder
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.config.load import InForce
    from agentsync.state.store import Snapshot, Store


class Scene:
    """The facts around one judgement; objects of the repository are asked for only when a rule needs them."""

    def __init__(self, repo: Repo, store: Store, rules: InForce, holder: Holder) -> None:
        self.repo = repo
        self.store = store
        self.rules = rules
        self.holder = holder
        self.snapshot: Snapshot = store.snapshot()
        self.marked: dict[bytes, str] = {}  # changed paths with a hand-made marker, and the worktree it lies in
        self.staged_markers: list[bytes] = []
        self._cat: CatFile | None = None
        self._ancestry: dict[tuple[str, str], bool] = {}

    @property
    def cat(self) -> CatFile:
        """The process that reads the user's objects."""
        if self._cat is None:
            self._cat = cat_file(self.repo)
        return self._cat

    def blob(self, commit: str, path: bytes) -> str:
        """What stands at a path in a commit; empty for nothing."""
        return blob_at(self.cat, self.repo, commit, path) if commit else ""

    def content(self, blob: str) -> bytes:
        """A blob's bytes; empty for no blob."""
        return (self.cat.read(blob.encode()) or b"") if blob else b""

    def judged_in(self, commit: str) -> list[str]:
        """The tips of agents' branches that were judged and that `commit` contains."""
        return [tip for tip in judged_tips(self.repo) if self.contains(commit, tip)] if commit else []

    def contains(self, descendant: str, commit: str) -> bool:
        """Whether `descendant` has `commit` in its history."""
        key = (commit, descendant)
        if key not in self._ancestry:
            self._ancestry[key] = bool(descendant) and is_ancestor(self.repo, commit, descendant)
        return self._ancestry[key]


def judged_file(private_dir: str, ref: str) -> str:
    """Where a worktree keeps the last tip of a branch that a gate judged."""
    return os.path.join(private_dir, "judged", ref)


def judged_tip(private_dir: str, ref: str) -> str:
    """That tip, empty when there is none."""
    return read_line(judged_file(private_dir, ref))


def note_judged(private_dir: str, ref: str, commit: str) -> None:
    """Note a judged tip; a projection, so failing to write it only means judging again."""
    path = judged_file(private_dir, ref)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(f"{path}.new", "w", encoding="ascii") as file:
            file.write(commit + "\n")
        os.replace(f"{path}.new", path)
    except OSError:
        return


def judged_tips(repo: Repo) -> list[str]:
    """Every tip that a gate judged for a branch some worktree works on."""
    tips = []
    for worktree in worktrees(repo):
        private = private_dir_of(worktree.git_dir)
        if os.path.isdir(os.path.join(private, "judged")):
            tips += [judged_tip(private, ref) for ref in attached_branches(repo, worktree.git_dir, private)]
    return list(dict.fromkeys(tip for tip in tips if tip))
