"""Merge commits are signed where the user signs, and what is merged is verified where the user verifies.

`git merge` does both by the configuration; the plumbing that makes our commits does neither by itself.
"""

from __future__ import annotations

from agentsync.errors import GitError, RefusedError
from agentsync.git.trees import commit_tree
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo

_SETTINGS = "git config --show-origin --get-regexp '^(commit.gpgsign|gpg|user.signingkey)'"


def commit_merge(repo: Repo, tree: str, parents: Sequence[str], message: str) -> str:
    """Store a commit as `git merge` would: signed where `commit.gpgSign` is set.

    Raises GitError where it cannot be signed; nothing has moved then.
    """
    signed = _is_set(repo, "commit.gpgSign")
    try:
        return commit_tree(repo, tree, parents, message, signed=signed)
    except GitError as error:
        if not signed:
            raise
        what = "the merge commit could not be signed, and commit.gpgSign is set"
        raise GitError(what, f"{error.why}; nothing moved; what git signs with:", _SETTINGS) from None


def require_verified(repo: Repo, name: str, commit: str) -> None:
    """Refuse to merge what has no good signature, where `merge.verifySignatures` is set; as in git, the tip counts."""
    if not _is_set(repo, "merge.verifySignatures"):
        return
    done = repo.git("verify-commit", commit, ok=())
    if done.code != 0:
        said = done.err.decode("utf-8", "replace").strip().splitlines() or ["it has none"]
        what = f"{one_line(name, 80)} has no good signature at {commit[:12]}, and merge.verifySignatures is set"
        raise RefusedError(what, one_line(said[-1]), f"git verify-commit -v {commit[:12]}")


def _is_set(repo: Repo, name: str) -> bool:
    """A setting that is true; one that is no boolean counts as set, so that nothing is left unsigned by a typo."""
    asked = repo.git("config", "--type=bool", "--get", name, ok=())
    return asked.code > 1 or asked.out.strip() == b"true"
