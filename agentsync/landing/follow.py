"""A worktree's index and files go where its branch has gone."""

from __future__ import annotations

import os

from agentsync.git.merge_file import laid_out
from agentsync.git.objects import Change, tree_changes
from agentsync.git.repo import Repo, git_elsewhere
from agentsync.git.run import scrubbed_environment
from agentsync.lean import TYPE_CHECKING
from agentsync.text import shell_path, shell_word

GITLINK = "160000"  # the mode of a submodule's entry in a tree

if TYPE_CHECKING:
    from agentsync.git.refs import Worktree


def follow(repo: Repo, worktree: Worktree, old: str, new: str) -> None:
    """Let a worktree's index and files go from one commit to another, as a checkout does; again is harmless.

    Raises GitError where local changes stand in the way.
    """
    git_elsewhere(repo.environ, worktree.top, "update-index", "-q", "--refresh", ok=())
    git_elsewhere(repo.environ, worktree.top, "read-tree", "-m", "-u", old, new)


def follow_submodules(repo: Repo, top: str, old: str, new: str) -> tuple[str, ...]:
    """Check out what submodules were moved to; the commands to type for those that only a person can move.

    git leaves a submodule where it was, as changed, and the next `commit -a` would take back what landed. Nothing is
    fetched, and a submodule that stood elsewhere than at the old commit stays there.
    """
    left = []
    for change in tree_changes(repo, old, new):
        place = os.path.join(top, os.fsdecode(change.path))
        if change.new_mode != GITLINK or change.old_mode != GITLINK or not os.path.exists(os.path.join(place, ".git")):
            continue
        at = git_elsewhere(repo.environ, place, "rev-parse", "HEAD", ok=()).out.decode().strip()
        words = ("submodule", "--quiet", "update", "--checkout", "--", os.fsdecode(change.path))
        if at == change.old:
            git_elsewhere(repo.environ, top, *words[:3], "--no-fetch", *words[3:], ok=())
            at = git_elsewhere(repo.environ, place, "rev-parse", "HEAD", ok=()).out.decode().strip()
        if at != change.new:
            left.append(f"git -C {shell_word(top)} submodule update -- {shell_path(change.path)}")
    return tuple(left)


def follow_merging(repo: Repo, worktree: Worktree, old: str, new: str) -> None:
    """The same where files were edited meanwhile: their edits are merged into what landed, as `checkout -m` does."""
    git_elsewhere(repo.environ, worktree.top, "read-tree", "-i", "-m", old, new)
    inside = Repo(worktree.top, worktree.git_dir, repo.common_dir, scrubbed_environment(repo.environ))
    for change in tree_changes(inside, old, new):
        path = os.path.join(os.fsencode(worktree.top), change.path)
        before = inside.git("cat-file", "blob", change.old).out if change.old else b""
        try:
            with open(path, "rb") as file:
                edited = file.read()
        except OSError:
            edited = b""
        after = inside.git("cat-file", "blob", change.new).out if change.new else b""
        if edited in (before, after):
            _lay_out(inside, path, change)
        elif change.new:
            with open(path + b".agentsync", "wb") as file:
                file.write(_merged(inside, before, edited, after))
            os.replace(path + b".agentsync", path)


def _lay_out(inside: Repo, path: bytes, change: Change) -> None:
    if change.new:
        inside.git("checkout-index", "-f", "-z", "--stdin", stdin=change.path)
    elif os.path.lexists(path):
        os.unlink(path)


def _merged(inside: Repo, before: bytes, edited: bytes, after: bytes) -> bytes:
    """Edits and what landed as one text, with conflict markers where they meet."""
    with laid_out(before, edited, after) as names:
        return inside.git("merge-file", "-p", "-L", "edited", "-L", "before", "-L", "landed", *names, ok=()).out
