"""What keeps a branch from moving where it is checked out: files that git has no copy of, and a held index."""

from __future__ import annotations

import os
import time

from agentsync.errors import RefusedError
from agentsync.git.objects import FILES, GITLINK, tree_changes
from agentsync.git.repo import git_elsewhere
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line, shell_word, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentsync.git.objects import Change
    from agentsync.git.repo import Repo
    from agentsync.git.run import Result

_PATIENCE = 5.0  # seconds; git holds the lock of an index for as long as it writes it


class InTheWayError(RefusedError):
    """Where the branch is checked out something keeps it from moving: whoever works there must see to it."""


def patiently(run: Callable[[], Result], top: str) -> Result:
    """Run a git command that takes a worktree's index; while another git holds it, wait, for some seconds at most.

    Raises InTheWayError where it stays held.
    """
    until = time.monotonic() + _PATIENCE
    while True:
        done = run()
        lock = _held(done)
        if not lock:
            return done
        if time.monotonic() >= until:
            what = f"another git holds the index of {top}"
            why = f"such as a commit whose editor is open; if none runs there, a killed one left {lock}"
            raise InTheWayError(what, f"{why}; nothing moved", f"ls -l {shell_word(lock)}")
        time.sleep(0.1)


def last_line(done: Result) -> str:
    """The end of what git said."""
    return one_line(done.err.decode("utf-8", "replace").strip().rpartition("\n")[2])


def _held(done: Result) -> str:
    """The lock file that made git give up, empty where none did."""
    said = done.err.decode("utf-8", "replace") if done.code else ""
    before, found, _ = said.partition("index.lock': File exists")
    return before.rpartition("'")[2] + "index.lock" if found else ""


def untracked_in_the_way(repo: Repo, top: str, old: str, new: str) -> list[bytes]:
    """What a worktree has that git tracks nowhere, ignored or not, and that going from `old` to `new` would destroy.

    That is what stands where something is added, what stands where a folder must be, and all below a folder that
    becomes a file or a link. What already has the content that comes is not in the way.
    """
    changes = tree_changes(repo, old, new)
    found: dict[bytes, Change] = {}
    for change in changes:
        if change.new:
            found |= dict.fromkeys(_destroyed(os.fsencode(top), change), change)
    if found:
        tracked = _Tracked(repo, top)
        found = {path: change for path, change in found.items() if path not in tracked}
    same = _unchanged(repo, top, found)
    return [path for path in found if path not in same]


def ways_out(top: str, paths: Sequence[bytes]) -> str:
    """The command that takes a file out of the way, to a free name beside the worktree, where no commit takes it."""
    source = os.path.join(os.fsencode(top), paths[0])
    wanted = os.fsencode(top) + b"." + os.path.basename(paths[0])
    target, number = wanted, 1
    while os.path.lexists(target):
        target, number = wanted + f".{number}".encode(), number + 1
    return f"mv -n {shell_word(os.fsdecode(source))} {shell_word(os.fsdecode(target))}"


def shown(paths: Sequence[bytes]) -> str:
    """Some paths as one text."""
    return ", ".join(show_path(path) for path in paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def _destroyed(top: bytes, change: Change) -> Iterator[bytes]:
    """What stands where git writes one changed path."""
    parts = change.path.split(b"/")
    above = [b"/".join(parts[:length]) for length in range(1, len(parts))]
    blocking = next((path for path in above if _is_no_folder(os.path.join(top, path))), None)
    place = os.path.join(top, change.path)
    if blocking is not None:
        yield blocking
    elif os.path.isdir(place) and not os.path.islink(place):
        if change.new_mode != GITLINK:
            yield from _below(top, change.path)
    elif not change.old and os.path.lexists(place):
        yield change.path


def _below(top: bytes, folder: bytes) -> Iterator[bytes]:
    """Every file below a folder; a repository in it counts as one."""
    for place, folders, files in os.walk(os.path.join(top, folder)):
        inside = os.path.relpath(place, top)
        if b".git" in (*folders, *files) and inside != folder:
            folders.clear()
            yield inside
            continue
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        yield from (os.path.join(inside, name) for name in (*files, *links))


def _is_no_folder(place: bytes) -> bool:
    return os.path.lexists(place) and (os.path.islink(place) or not os.path.isdir(place))


class _Tracked:
    """The paths of a worktree's index; where the file system does not tell case apart, nor does this."""

    def __init__(self, repo: Repo, top: str) -> None:
        asked = git_elsewhere(repo.environ, top, "config", "--type=bool", "--get", "core.ignorecase", ok=())
        self._fold = bytes.lower if asked.out.strip() == b"true" else bytes
        listed = git_elsewhere(repo.environ, top, "ls-files", "-z").out.split(b"\0")
        self._paths = {self._fold(path) for path in listed}

    def __contains__(self, path: bytes) -> bool:
        return self._fold(path) in self._paths


def _unchanged(repo: Repo, top: str, found: dict[bytes, Change]) -> set[bytes]:
    """Those of some untracked files that have the content that git would write there."""
    asked = [path for path, change in found.items() if _may_be_same(os.fsencode(top), path, change)]
    if not asked:
        return set()
    names = b"".join(path + b"\n" for path in asked)
    ids = git_elsewhere(repo.environ, top, "hash-object", "--stdin-paths", stdin=names).out.decode().split()
    return {path for path, blob in zip(asked, ids, strict=True) if blob == found[path].new}


def _may_be_same(top: bytes, path: bytes, change: Change) -> bool:
    place = os.path.join(top, path)
    plain = os.path.isfile(place) and not os.path.islink(place) and os.access(place, os.R_OK)
    return path == change.path and change.new_mode in FILES and plain and b"\n" not in path and path[:1] != b'"'
