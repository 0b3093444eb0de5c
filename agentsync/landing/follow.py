"""A worktree's index and files go where its branch has gone."""

from __future__ import annotations

import os

from agentsync.errors import GitError
from agentsync.files import write_whole
from agentsync.git.merge_file import laid_out
from agentsync.git.objects import FILES, GITLINK, Change, tree_changes
from agentsync.git.repo import Repo, git_elsewhere
from agentsync.git.run import scrubbed_environment
from agentsync.git.trees import write_blob
from agentsync.landing.in_the_way import last_line, patiently
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import shell_path, shell_word

if TYPE_CHECKING:
    from agentsync.git.refs import Worktree


def follow(repo: Repo, worktree: Worktree, old: str, new: str) -> None:
    """Let a worktree's index and files go from one commit to another, as a checkout does; again is harmless.

    Raises GitError where local changes stand in the way, InTheWayError where another git keeps its index.
    """
    top = worktree.top
    patiently(lambda: git_elsewhere(repo.environ, top, "update-index", "-q", "--refresh", ok=()), top)
    done = patiently(lambda: git_elsewhere(repo.environ, top, "read-tree", "-m", "-u", old, new, ok=()), top)
    if done.code != 0:
        raise GitError("git read-tree failed", last_line(done))


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


def follow_merging(repo: Repo, worktree: Worktree, old: str, new: str) -> tuple[bytes, ...]:
    """The same where files were edited meanwhile: their edits are merged into what landed, as `checkout -m` does.

    Returns the paths that stay as they stand, since the two are no texts that could be merged. Raises GitError where
    the index has changes that only a person can put right.
    """
    words = ("read-tree", "-i", "-m", old, new)
    done = patiently(lambda: git_elsewhere(repo.environ, worktree.top, *words, ok=()), worktree.top)
    if done.code != 0:
        raise GitError(last_line(done), "unstage that file there first", f"git -C {shell_word(worktree.top)} status")
    inside = Repo(worktree.top, worktree.git_dir, repo.common_dir, scrubbed_environment(repo.environ))
    return tuple(one.path for one in tree_changes(inside, old, new) if not _merge_edits(inside, one))


def _merge_edits(inside: Repo, change: Change) -> bool:
    """Bring one landed path into the work tree; whether it has what landed now, alone or with the edits there."""
    if GITLINK in (change.old_mode, change.new_mode):
        return change.old_mode == change.new_mode == GITLINK  # `follow_submodules` sees to it
    before = _Version(change.old_mode, change.old) if change.old else None
    after = _Version(change.new_mode, change.new) if change.new else None
    place = os.path.join(os.fsencode(inside.top), change.path)
    edited = _standing(inside, change.path)
    if edited in (before, after):
        if after is not None:
            inside.git("checkout-index", "-f", "-z", "--stdin", stdin=change.path)
        elif edited is not None:
            os.unlink(place)
        return True
    if edited is None or before is None or after is None or edited.mode not in FILES or after.mode not in FILES:
        return False
    merged = _merged(inside, *(inside.git("cat-file", "blob", one.blob).out for one in (before, edited, after)))
    if merged is None:
        return False
    filtered = inside.git("cat-file", "--filters", b"--path=" + change.path, write_blob(inside, merged)).out
    landed_mode = after.mode if after.mode != before.mode else ""
    write_whole(os.fsdecode(place), filtered, _bits(os.stat(place).st_mode & 0o7777, landed_mode))
    return True


def _bits(bits: int, mode: str) -> int:
    """A file's permissions, made executable or not where a mode of git's says so."""
    if mode == "100755":
        return bits | (bits & 0o444) >> 2
    return bits & ~0o111 if mode else bits


class _Version(NamedTuple):
    """What stands at a path, as git would store it; no mode for what it would not."""

    mode: str
    blob: str = ""


def _standing(inside: Repo, path: bytes) -> _Version | None:
    """What stands at a path of the work tree, None for nothing."""
    top = os.fsencode(inside.top)
    parts = path.split(b"/")
    for length in range(1, len(parts)):
        above = os.path.join(top, *parts[:length])
        if os.path.lexists(above) and (os.path.islink(above) or not os.path.isdir(above)):
            return _Version("")
    place = os.path.join(top, path)
    if os.path.islink(place):
        return _Version("120000", write_blob(inside, os.readlink(place)))
    if not os.path.lexists(place):
        return None
    if not os.path.isfile(place):
        return _Version("")
    blob = inside.git("hash-object", "-w", "--", path).out.decode().strip()
    return _Version("100755" if os.stat(place).st_mode & 0o100 else "100644", blob)


def _merged(inside: Repo, before: bytes, edited: bytes, after: bytes) -> bytes | None:
    """Edits and what landed as one text, with conflict markers where they meet; None where they are no texts."""
    with laid_out(before, edited, after) as names:
        done = inside.git("merge-file", "-p", "-L", "edited", "-L", "before", "-L", "landed", *names, ok=())
    return done.out if 0 <= done.code < 128 else None
