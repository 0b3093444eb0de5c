"""Rules and clients' hooks that git ignores: they travel by no commit, so each worktree of the clone gets its own."""

from __future__ import annotations

import os

from agentsync.files import read_or_empty, write_whole
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentsync.git.repo import Repo


def kept_folder(repo: Repo) -> str:
    """Where the files stand that a new worktree gets, as it gets them."""
    return os.path.join(repo.shared_dir, "per-clone")


def kept_names(repo: Repo) -> list[str]:
    """Their paths in a worktree."""
    top = kept_folder(repo)
    found = [os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names]
    return sorted(os.path.relpath(path, top) for path in found)


def ignored(repo: Repo, names: Iterable[str]) -> list[str]:
    """Which of some paths git ignores in a worktree; what is tracked is none of them."""
    asked = [os.fsencode(name) for name in names]
    if not asked:
        return []
    done = repo.git("check-ignore", "-z", "--stdin", stdin=b"\0".join(asked) + b"\0", ok=())
    if done.code == 128 and len(asked) > 1:  # one of them lies behind a symlink, where nothing is git's
        return [os.fsdecode(name) for name in asked if ignored(repo, [os.fsdecode(name)])]
    return [os.fsdecode(name) for name in asked if name in done.out.split(b"\0")]


def hand_out(repo: Repo) -> list[str]:
    """Give a worktree the files that it lacks and that git ignores there; return their paths."""
    missing = [name for name in kept_names(repo) if not os.path.lexists(os.path.join(repo.top, name))]
    given = ignored(repo, missing)
    for name in given:
        write_whole(os.path.join(repo.top, name), read_or_empty(os.path.join(kept_folder(repo), name)))
    return given


def keep(repo: Repo, texts: dict[str, str]) -> None:
    """Keep just these files for worktrees to come."""
    for name in set(kept_names(repo)) - texts.keys():
        os.unlink(os.path.join(kept_folder(repo), name))
    for name, text in texts.items():
        write_whole(os.path.join(kept_folder(repo), name), text.encode("utf-8", "surrogateescape"))
