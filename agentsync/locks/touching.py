"""Which other worktrees have edits of a path that base does not have, committed or not."""

from __future__ import annotations

import os

from agentsync.git.hashing import object_id
from agentsync.git.objects import blob_at, cat_file
from agentsync.git.refs import Worktree, head_of, worktrees
from agentsync.git.repo import Repo, git_elsewhere
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentsync.config.load import Base


class Touch(NamedTuple):
    """One worktree that touches a path; `commit` is its newest unlanded one there, empty when none."""

    worktree: Worktree
    path: bytes
    uncommitted: bool
    commit: str


def touching(repo: Repo, base: Base, path: bytes, *, everywhere: bool = False) -> list[Touch]:
    """The worktrees whose edits of `path` are neither in base nor in this worktree; this one only if `everywhere`."""
    found = []
    with cat_file(repo) as cat:
        in_base = {blob_at(cat, repo, commit, path) for commit in base.commits} if path else set()
        for worktree in worktrees(repo):
            if not worktree.present or (worktree.git_dir == repo.git_dir and not everywhere):
                continue
            head = head_of(repo, worktree.git_dir).commit
            at_head = blob_at(cat, repo, head, path) if head and path else ""
            mine = "" if worktree.git_dir == repo.git_dir else head_of(repo).commit
            commit = (
                _unlanded(repo, [*base.commits, mine], head, path)
                if head and (not path or at_head not in in_base)
                else ""
            )
            uncommitted = _edited(repo, worktree, path, at_head)
            if commit or uncommitted:
                found.append(Touch(worktree, path, uncommitted, commit))
    return found


def _unlanded(repo: Repo, known: list[str], head: str, path: bytes) -> str:
    """The newest commit that `head` has of a path and none of the `known` commits has."""
    limit = ["--not", *filter(None, known)]
    out = repo.git("--literal-pathspecs", "rev-list", "--max-count=1", head, *limit, "--", path or b".").out
    return out.decode().strip()


def _edited(repo: Repo, worktree: Worktree, path: bytes, at_head: str) -> bool:
    """Whether the work tree differs from HEAD at `path`; a plain file is hashed here, which spares a process."""
    if path and _hash_of_file(os.path.join(os.fsencode(worktree.top), path), len(at_head)) == at_head:
        return False
    arguments = ("--literal-pathspecs", "status", "--porcelain", "--untracked-files=all", "--", path or b".")
    return bool(git_elsewhere(repo.environ, worktree.top, *arguments, ok=()).out)


def _hash_of_file(path: bytes, id_length: int) -> str | None:
    """A file's blob id as git computes it; empty for an absent file, None where only git can tell."""
    try:
        if os.path.islink(path) or os.path.isdir(path):
            return None
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return ""
    except OSError:
        return None
    return object_id(b"blob", data, id_length)
