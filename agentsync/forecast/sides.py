"""What each worktree would bring: its commits and its uncommitted changes, as one commit of a scratch object store.

Nothing of the user's is written: the index is a copy of ours, and objects go to a folder of ours.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from agentsync.errors import GitError
from agentsync.forecast.cache import BASE, folder_of, write_projection
from agentsync.git.objects import tree_changes
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import Repo
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.git.trees import merge_base
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.config.load import Base
    from agentsync.git.refs import Worktree

_MOST_LOOSE = 64  # files in one of 256 folders
_SETTINGS = ("-c", "core.untrackedCache=true", "-c", "core.fsmonitor=false", "-c", "core.safecrlf=false",
             "-c", "advice.addEmbeddedRepo=false", "-c", "status.renames=false")  # fmt: skip
_CLOCK = "@1 +0000"  # the same tree on the same commit is the same side, whenever it is looked at


class Side(NamedTuple):
    """A worktree, or base: its HEAD, the commit that stands for all of it, and the paths that it changes."""

    id: str
    head: str
    commit: str
    changed: frozenset[bytes]
    left: frozenset[bytes] = frozenset()  # folders that files went away from, as a renamed folder's do

    @property
    def dirty(self) -> bool:
        """Whether uncommitted changes are in it."""
        return self.head != self.commit


def scratch(repo: Repo) -> Repo:
    """The repository with new objects going to a folder of ours, which is emptied now and then."""
    objects = os.path.join(folder_of(repo), "objects")
    try:
        if len(os.listdir(os.path.join(objects, "17"))) > _MOST_LOOSE:
            _forget(folder_of(repo))
    except OSError:
        pass
    os.makedirs(objects, exist_ok=True)
    own = {
        "GIT_OBJECT_DIRECTORY": objects,
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": os.path.join(repo.common_dir, "objects"),
    }
    return repo._replace(environ={**scrubbed_environment(repo.environ), **own})


def _forget(folder: str) -> None:
    """Drop the objects, and all that names one of them."""
    for name in os.listdir(folder):
        if name.endswith((".side", ".of")):
            os.unlink(os.path.join(folder, name))
    shutil.rmtree(os.path.join(folder, "objects"), ignore_errors=True)


def side_of(repo: Repo, base: Base, worktree: Worktree) -> Side | None:
    """A worktree as a side; None for one without a commit, or that git cannot read now.

    `repo` must be the scratch one.
    """
    head = head_of(repo, worktree.git_dir).commit
    if not head:
        return None
    try:
        tree = _work_tree(repo, worktree)
        key = f"{head} {tree} {base.newest}"
        known = _remembered(repo, worktree.id, key)
        if known:
            return known
        clean = tree == repo.git("rev-parse", f"{head}^{{tree}}").out.decode().strip()
        commit = head if clean else _standing_for(repo, tree, head)
        side = Side(worktree.id, head, commit, *_changed(repo, base, commit))
        _remember(repo, key, side)
        return side
    except (GitError, OSError):
        return None


def base_side(repo: Repo, base: Base, sides: list[Side]) -> Side | None:
    """Base as a side: what it changed since the oldest fork of the others."""
    if not base.commits:
        return None
    tip = base.newest
    key = " ".join([tip, *sorted({side.head for side in sides})])
    known = _remembered(repo, BASE, key)
    if known:
        return known
    forks = {merge_base(repo, tip, side.head) for side in sides} - {"", tip}
    side = Side(BASE, tip, tip, *_since(repo, forks, tip))
    _remember(repo, key, side)
    return side


def _remember(repo: Repo, key: str, side: Side) -> None:
    """Keep a side for as long as `key`, which names all that it is made from, is the same."""
    rows = [key.encode(), side.head.encode(), side.commit.encode(), *sorted(side.changed), b"", *sorted(side.left)]
    write_projection(os.path.join(folder_of(repo), f"{side.id}.side"), b"\0".join(rows))


def _remembered(repo: Repo, side_id: str, key: str) -> Side | None:
    try:
        with open(os.path.join(folder_of(repo), f"{side_id}.side"), "rb") as file:
            known, head, commit, *paths = file.read().split(b"\0")
        end = paths.index(b"")
    except (OSError, ValueError):
        return None
    if known != key.encode():
        return None
    return Side(side_id, head.decode(), commit.decode(), frozenset(paths[:end]), frozenset(paths[end + 1 :]))


def _changed(repo: Repo, base: Base, commit: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The paths that a commit has otherwise than where it left base, and the folders that files went away from."""
    forks = [fork] if base.newest and (fork := merge_base(repo, base.newest, commit)) else []
    return _since(repo, forks, commit)


def _since(repo: Repo, forks: Iterable[str], commit: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    changes = [change for fork in forks for change in tree_changes(repo, fork, commit)]
    left = {change.path.rpartition(b"/")[0] for change in changes if not change.new} - {b""}
    return frozenset(change.path for change in changes), frozenset(left)


def _work_tree(repo: Repo, worktree: Worktree) -> str:
    """The tree of a worktree's files, by an index of ours that begins as a copy of its own.

    Kept between forecasts, the copy knows what it has hashed already; it is made anew when the worktree's moved.
    Where nothing moved, one `git status` by it tells so, and the tree is the one noted beside it.
    """
    index = os.path.join(folder_of(repo), f"{worktree.id}.index")
    environ = {**repo.environ, "GIT_INDEX_FILE": index, "GIT_OPTIONAL_LOCKS": "1"}  # what git learns is kept in it
    place = ["-C", worktree.top, f"--git-dir={worktree.git_dir}", f"--work-tree={worktree.top}"]
    stamp = _stamp(os.path.join(worktree.git_dir, "index"))
    nested = _nested(repo, worktree)
    outside = [f":(exclude,literal,top){inner}" for inner in nested]
    known, _, tree = _read(f"{index}.of").partition("\n")
    if known != stamp:
        shutil.copy2(os.path.join(worktree.git_dir, "index"), index)  # git goes by its time: edits of the same second
    elif tree and not _moved(run_git([*place, *_SETTINGS, "status", "--porcelain", "-z"], environ).out, nested):
        return tree
    _unlink(f"{index}.of")  # killed from here on, the index would know more than the tree that is noted beside it
    run_git([*place, *_SETTINGS, "add", "--all", "--ignore-errors", "--", ":/", *outside], environ, ok=(0, 1))
    tree = run_git([*place, "write-tree"], environ).out.decode().strip()
    write_projection(f"{index}.of", f"{stamp}\n{tree}".encode())
    return tree


def _moved(status: bytes, nested: Sequence[str]) -> bool:
    """Whether files differ from the index, by `git status --porcelain -z`.

    What is staged does not count, nor does a folder that holds nothing but other worktrees.
    """
    inner = [os.fsencode(path) + b"/" for path in nested]
    rows = [row for row in status.split(b"\0") if row[2:3] == b" "]
    return any(row[1:2] != b" " and not any(path.startswith(row[3:]) for path in inner) for row in rows)


def _nested(repo: Repo, worktree: Worktree) -> list[str]:
    """Other worktrees inside this one, such as `.claude/worktrees/x`: they are no part of it."""
    start = worktree.top + os.sep
    return [one.top.removeprefix(start) for one in worktrees(repo) if one.top.startswith(start)]


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _stamp(path: str) -> str:
    facts = os.stat(path)
    return f"{facts.st_mtime_ns} {facts.st_size}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _standing_for(repo: Repo, tree: str, head: str) -> str:
    names: Mapping[str, str] = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "agentsync"), ("EMAIL", "agentsync@invalid"), ("DATE", _CLOCK))
    }
    place = [f"--git-dir={repo.common_dir}"]
    environ = {**repo.environ, **names}
    return run_git([*place, "commit-tree", tree, "-p", head, "-m", "as it stands"], environ).out.decode().strip()
