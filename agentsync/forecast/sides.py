"""What each worktree would bring: its commits and its uncommitted changes, as one commit of a scratch object store.

Nothing of the user's is written: the index is a copy of ours, and objects go to a folder of ours.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress

from agentsync.errors import GitError
from agentsync.forecast.cache import BASE, Unread, folder_of, reason_of, write_projection
from agentsync.git.landed import FAST_FORWARD, MERGE, landed
from agentsync.git.objects import empty_tree, merge_base, tree_changes
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import Repo, read_line
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.git.trees import merge_trees
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.config.load import Base
    from agentsync.git.refs import Worktree

_MOST_LOOSE = 64  # files in one of 256 folders
_SETTINGS = ("-c", "core.untrackedCache=true", "-c", "core.fsmonitor=false", "-c", "core.safecrlf=false",
             "-c", "advice.addEmbeddedRepo=false", "-c", "status.renames=false")  # fmt: skip
_STATUS = ("status", "--porcelain", "-z", "--untracked-files=normal")
_OTHERS = ("ls-files", "--others", "--exclude-standard", "-z", "--", ":/")
_LARGEST = 50 << 20  # bytes of an untracked file
_CLOCK = "@1 +0000"  # the same tree on the same commit is the same side, whenever it is looked at


class Side(NamedTuple):
    """A worktree, or base: its HEAD, the commit that stands for all of it, and the paths that it changes.

    `tree`: the tree of a worktree's files, uncommitted changes too; empty for base.
    """

    id: str
    head: str
    commit: str
    changed: frozenset[bytes]
    left: frozenset[bytes] = frozenset()  # folders that files went away from, as a renamed folder's do
    tree: str = ""


class Look(NamedTuple):
    """What came of looking at a worktree or at base: a side, where there is one, and what could not be read."""

    side: Side | None
    notes: tuple[Unread, ...] = ()


class Files(NamedTuple):
    """The tree of a worktree's files, and what of them could not be read, in words."""

    tree: str
    unread: str = ""


def with_scratch_objects(repo: Repo, *, emptied: bool = True) -> Repo:
    """The repository with new objects going to a folder of ours, which whoever has the turn empties now and then."""
    objects = os.path.join(folder_of(repo), "objects")
    if emptied:
        with suppress(OSError):
            if len(os.listdir(os.path.join(objects, "17"))) > _MOST_LOOSE:
                _forget(folder_of(repo))
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


def look_at(repo: Repo, base: Base, worktree: Worktree) -> Look:
    """A worktree as a side; `repo` must have scratch objects.

    One without a commit is none, nor is one whose folder is not there; one that cannot be read is named.
    """
    if not worktree.present:
        return Look(None, (Unread(worktree.id, f"its folder {worktree.top} is not there", expected=True),))
    head = head_of(repo, worktree.git_dir)
    if not head.commit:
        unborn = head.branch and not os.path.exists(os.path.join(repo.common_dir, head.branch))
        why = "it has no commit yet" if unborn else "its HEAD names no commit that can be read"
        return Look(None, (Unread(worktree.id, why, expected=bool(unborn)),))
    try:
        files = files_of(repo, worktree)
        side = _side(repo, base, worktree, head.commit, files.tree)
    except (GitError, OSError) as error:
        return Look(None, (Unread(worktree.id, reason_of(error)),))
    return Look(side, (Unread(worktree.id, files.unread, expected=True),) if files.unread else ())


def unreadable(repo: Repo) -> list[Unread]:
    """The worktrees that git has an administrative folder for which does not tell where they are."""
    folder = os.path.join(repo.common_dir, "worktrees")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    lost = [name for name in names if not read_line(os.path.join(folder, name, "gitdir"))]
    return [Unread(name, f"{os.path.join(folder, name)} does not tell where it is") for name in lost]


def _side(repo: Repo, base: Base, worktree: Worktree, head: str, tree: str) -> Side:
    key = " ".join([head, tree, *base.commits])
    known = _remembered(repo, worktree.id, key)
    if known:
        return known
    clean = tree == repo.git("rev-parse", f"{head}^{{tree}}").out.decode().strip()
    found = landed(repo, base.commits, head)
    if found.is_landed and clean:
        side = Side(worktree.id, head, head, frozenset(), frozenset(), tree)
    else:
        commit = head if clean else _standing_for(repo, tree, [head])
        if found.how not in ("", FAST_FORWARD, MERGE):
            commit = _carried(repo, base.newest, head, tree) or commit
        side = Side(worktree.id, head, commit, *_changed(repo, base, commit), tree)
    _remember(repo, key, side)
    return side


def _carried(repo: Repo, base: str, head: str, tree: str) -> str:
    """Uncommitted changes of a branch whose commits landed by squash or rebase, as a commit on base.

    Its own commits would be merged as if base did not have them. Empty where the changes do not fit base.
    """
    trees = [repo.git("rev-parse", f"{one}^{{tree}}").out.decode().strip() for one in (head, base)]
    fork = _standing_for(repo, trees[0], [])
    sides = [_standing_for(repo, one, [fork]) for one in (trees[1], tree)]
    merged = merge_trees(repo, *sides)
    return _standing_for(repo, merged.tree, [base]) if merged.clean else ""


def base_look(repo: Repo, base: Base, sides: list[Side]) -> Look:
    """Base as a side: what it changed since the oldest fork of the others."""
    if not base.commits:
        return Look(None, (Unread(BASE, f"branch {base.name} has no commit here", expected=True),))
    tip = base.newest
    key = " ".join([tip, *sorted({side.head for side in sides})])
    try:
        known = _remembered(repo, BASE, key)
        if known:
            return Look(known)
        forks = {merge_base(repo, tip, side.head) or empty_tree(repo) for side in sides} - {tip}
        side = Side(BASE, tip, tip, *_since(repo, forks, tip))
        _remember(repo, key, side)
    except (GitError, OSError) as error:
        return Look(None, (Unread(BASE, reason_of(error)),))
    return Look(side)


def _remember(repo: Repo, key: str, side: Side) -> None:
    """Keep a side for as long as `key`, which names all that it is made from, is the same."""
    facts = [key.encode(), side.head.encode(), side.commit.encode(), side.tree.encode()]
    rows = [*facts, *sorted(side.changed), b"", *sorted(side.left)]
    write_projection(os.path.join(folder_of(repo), f"{side.id}.side"), b"\0".join(rows))


def _remembered(repo: Repo, side_id: str, key: str) -> Side | None:
    try:
        with open(os.path.join(folder_of(repo), f"{side_id}.side"), "rb") as file:
            known, head, commit, tree, *paths = file.read().split(b"\0")
        end = paths.index(b"")
    except (OSError, ValueError):
        return None
    if known != key.encode():
        return None
    changed, left = frozenset(paths[:end]), frozenset(paths[end + 1 :])
    return Side(side_id, head.decode(), commit.decode(), changed, left, tree.decode())


def _changed(repo: Repo, base: Base, commit: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    """The paths that a commit has otherwise than where it left base, and the folders that files went away from.

    Where it has no history in common with base, or there is no base, all its paths count.
    """
    fork = merge_base(repo, base.newest, commit) if base.newest else ""
    return _since(repo, [fork or empty_tree(repo)], commit)


def _since(repo: Repo, forks: Iterable[str], commit: str) -> tuple[frozenset[bytes], frozenset[bytes]]:
    changes = [change for fork in forks for change in tree_changes(repo, fork, commit)]
    left = {change.path.rpartition(b"/")[0] for change in changes if not change.new} - {b""}
    return frozenset(change.path for change in changes), frozenset(left)


def files_of(repo: Repo, worktree: Worktree) -> Files:
    """The tree of a worktree's files, by an index of ours that begins as a copy of its own.

    Kept between forecasts, the copy knows what it has hashed already; it is made anew when the worktree's moved.
    Where nothing moved, one `git status` by it tells so, and the tree is the one noted beside it.
    Raises GitError or OSError where the worktree cannot be read. Only for whoever has the turn.
    """
    index = index_of(repo, worktree)
    environ = {**repo.environ, "GIT_INDEX_FILE": index, "GIT_OPTIONAL_LOCKS": "1"}  # what git learns is kept in it
    place = _place(worktree)
    own = os.path.join(worktree.git_dir, "index")
    stamp = _stamp(own)
    nested = _nested(repo, worktree)
    known, _, tree = _read(f"{index}.of").partition("\n")
    if known != stamp or not tree:
        _unlink(index)
        if stamp:
            shutil.copy2(own, index)  # git goes by its time: edits of the same second
    elif not _moved(run_git([*place, *_SETTINGS, *_STATUS], environ).out, nested):
        return Files(tree)
    _unlink(f"{index}.of")  # killed from here on, the index would know more than the tree that is noted beside it
    large = _large(run_git([*place, *_SETTINGS, *_OTHERS], environ).out, worktree.top)
    outside = [b":(exclude,literal,top)" + path for path in [*map(os.fsencode, nested), *large]]
    place += [*_SETTINGS, "add", "--all", "--ignore-errors", "--", ":/"]
    added = run_git([*place, *outside], environ, ok=(0, 1))
    tree = run_git([*_place(worktree), "write-tree"], environ).out.decode().strip()
    unread = [f"{show_path(path)} is larger than {_LARGEST >> 20} MB" for path in large[:1]]
    if added.code:
        said = added.err.decode("utf-8", "replace").strip().splitlines() or ["git add failed"]
        unread.append(one_line(said[0].removeprefix("error: "), 200))
    else:
        write_projection(f"{index}.of", f"{stamp}\n{tree}".encode())
    return Files(tree, "not all of its files are looked at: " + "; ".join(unread) if unread else "")


def index_of(repo: Repo, worktree: Worktree) -> str:
    """Our index for a worktree's files; beside it stands, with `.of` behind the name, the tree that it has."""
    return os.path.join(folder_of(repo), f"{worktree.id}.index")


def _place(worktree: Worktree) -> list[str | bytes]:
    return ["-C", worktree.top, f"--git-dir={worktree.git_dir}", f"--work-tree={worktree.top}"]


def _large(others: bytes, top: str) -> list[bytes]:
    """The untracked files, by `git ls-files -z`, that are too large to be hashed at every look."""
    found = []
    for path in others.split(b"\0"):
        with suppress(OSError):
            if path and os.lstat(os.path.join(os.fsencode(top), path)).st_size > _LARGEST:
                found.append(path)
    return found


def still_has(repo: Repo, worktree: Worktree, tree: str, paths: Sequence[bytes]) -> bool:
    """Whether a worktree has some paths as they are in a tree that a forecast made of it; False where git cannot tell.

    Nothing is written, and whoever has the turn is not waited for.
    """
    index = index_of(repo, worktree)
    now = _read(f"{index}.of").partition("\n")[2]
    environ = {**repo.environ, "GIT_INDEX_FILE": index, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        if not now or (now != tree and _differ(repo, tree, now, paths)):
            return False
        limit = [b":(literal,top)" + path for path in paths]
        status = run_git([*_place(worktree), *_SETTINGS, *_STATUS, "--", *limit], environ).out
    except GitError:
        return False
    return not _moved(status, ())


def _differ(repo: Repo, one: str, other: str, paths: Sequence[bytes]) -> bool:
    words = ("--literal-pathspecs", "diff-tree", "-r", "--quiet", one, other, "--")
    return repo.git(*words, *paths, ok=(0, 1)).code != 0


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
    """What tells one state of an index from another; empty where nothing was ever staged."""
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        return ""
    return f"{facts.st_mtime_ns} {facts.st_size}"


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:
        return ""


def _standing_for(repo: Repo, tree: str, parents: Sequence[str]) -> str:
    names: Mapping[str, str] = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "agentsync"), ("EMAIL", "agentsync@invalid"), ("DATE", _CLOCK))
    }
    flags = [word for parent in parents for word in ("-p", parent)]
    words = [f"--git-dir={repo.common_dir}", "commit-tree", tree, *flags, "-m", "as it stands"]
    return run_git(words, {**repo.environ, **names}).out.decode().strip()
