"""Snapshots of uncommitted work, for `rescue`: what reset, clean, a dropped stash or a crash took can be had back.

They live in a repository of ours, so that no `git gc` of the user's reaches them, and no ref of ours is in the user's.
Each is a commit there: the files that differed from HEAD, whole; its message is the record. Ignored files are in none.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress

from agentsync.errors import GitError
from agentsync.files import write_whole
from agentsync.forecast.cache import Unread, folder_of, reason_of, write_projection
from agentsync.forecast.start import note_snapshot
from agentsync.git.objects import tree_changes
from agentsync.git.refs import head_of
from agentsync.git.repo import private_dir_of, read_line
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.forecast.sides import Side
    from agentsync.git.objects import Change
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo
    from agentsync.git.run import Result

REFS = "refs/snapshots/"
KEPT_SECONDS = 7 * 86400
_RENEWED = KEPT_SECONDS - 86400  # changes that stay are kept again before their snapshot is too old
MOST_OF_ONE = 50  # snapshots of a worktree
MOST_BYTES = 1 << 30  # of all
_MOST_NEW_BYTES = 200 << 20  # of one snapshot
_LARGEST = 50 << 20  # bytes of a file
_MOST_FILES = 5000
_MOST_PACKS = 20
_GITLINK = "160000"


class SavedFile(NamedTuple):
    """A file that differed from HEAD: its mode and blob, both empty where it was deleted."""

    path: bytes
    mode: str
    blob: str


class Snapshot(NamedTuple):
    """The uncommitted changes of a worktree at a time; `left_out` counts files that were too large or too many.

    `time` is in epoch seconds; `nanosecond` within it puts those of one second in order.
    """

    id: str
    worktree: str
    top: str
    branch: str
    head: str
    time: int
    files: tuple[SavedFile, ...]
    left_out: int = 0
    nanosecond: int = 0


class SnapshotStore:
    """The repository of ours that keeps them. Only whoever has the forecast's turn writes to it."""

    def __init__(self, repo: Repo) -> None:
        self.path = os.path.join(repo.shared_dir, "rescue.git")
        self._environ = scrubbed_environment(repo.environ)

    @property
    def objects(self) -> str:
        """Where its objects are."""
        return os.path.join(self.path, "objects")

    @property
    def is_there(self) -> bool:
        """Whether anything was ever kept."""
        return os.path.isdir(self.objects)

    def git(self, *words: str, stdin: bytes = b"", extra: Mapping[str, str] | None = None) -> Result:
        """Run git for it, with some variables beside its own."""
        return run_git([f"--git-dir={self.path}", *words], {**self._environ, **(extra or {})}, stdin=stdin)

    def require(self, id_length: int) -> None:
        """Make it where there is none."""
        if self.is_there:
            return
        making = f"{self.path}.new"
        shutil.rmtree(making, ignore_errors=True)
        kind = "sha256" if id_length == 64 else "sha1"
        run_git(["init", "--quiet", "--bare", "--template=", f"--object-format={kind}", making], self._environ)
        for key, value in (("gc.auto", "0"), ("maintenance.auto", "false"), ("core.hooksPath", os.devnull)):
            run_git([f"--git-dir={making}", "config", key, value], self._environ)
        os.rename(making, self.path)

    def clear_locks(self) -> None:
        """Delete the lock files of git processes that were killed: only who has the turn writes, and none is left."""
        folders = [self.path, *(folder for folder, _, _ in os.walk(os.path.join(self.path, "refs")))]
        for folder in folders:
            with suppress(FileNotFoundError):
                for name in os.listdir(folder):
                    if name.endswith(".lock"):
                        os.unlink(os.path.join(folder, name))

    def snapshots(self) -> list[Snapshot]:
        """All that are not too old, newest first.

        Raises GitError where they cannot be read.
        """
        if not self.is_there:
            return []
        rows = self.git("for-each-ref", "--format=%(objectname) %(contents:subject)", REFS).out
        found = [one for row in rows.decode("utf-8", "replace").splitlines() if (one := _parsed(row))]
        fresh = [one for one in found if one.time > time.time() - KEPT_SECONDS]
        return sorted(fresh, key=lambda one: (-one.time, -one.nanosecond, one.id))

    def write(self, snapshot: Snapshot, ours: Repo) -> str:
        """Keep a snapshot, whose blobs `ours` has; its id."""
        present = [file for file in snapshot.files if file.blob]
        blobs = list(dict.fromkeys(file.blob for file in present))
        asked = "".join(f"{blob}\n" for blob in blobs).encode()
        known = self.git("cat-file", "--batch-check", stdin=asked).out.decode()
        missing = [row.split(" ")[0] for row in known.splitlines() if row.endswith(" missing")]
        if missing:
            base = os.path.join(self.objects, "pack", "pack")
            ours.git("pack-objects", "-q", base, stdin="\n".join(missing).encode() + b"\n")
        index = {"GIT_INDEX_FILE": os.path.join(self.path, "snapshot.index")}
        with suppress(FileNotFoundError):
            os.unlink(index["GIT_INDEX_FILE"])
        rows = b"".join(f"{file.mode} {file.blob}\t".encode() + file.path + b"\0" for file in present)
        self.git("update-index", "-z", "--index-info", stdin=rows, extra=index)
        tree = self.git("write-tree", extra=index).out.decode().strip()
        facts = {"NAME": "agentsync", "EMAIL": "agentsync@invalid", "DATE": f"@{snapshot.time} +0000"}
        names = {f"GIT_{who}_{what}": text for who in ("AUTHOR", "COMMITTER") for what, text in facts.items()}
        commit = self.git("commit-tree", tree, "-F", "-", stdin=_record(snapshot), extra=names).out.decode().strip()
        self.git("update-ref", REFS + commit, commit, "")
        return commit

    def expire(self, *, at_once: bool = True) -> None:
        """Drop what is too old or too much, and pack what is left; once a day where it need not be at once."""
        mark = os.path.join(self.path, "expired")
        if not self.is_there or (not at_once and _age(mark) < 86400):
            return
        write_whole(mark, b"")
        kept: dict[str, int] = {}
        fresh = self.snapshots()
        for one in fresh:
            kept[one.worktree] = kept.get(one.worktree, 0) + 1
            if kept[one.worktree] > MOST_OF_ONE:
                self._drop(one.id)
        known = {one.id for one in fresh}
        refs = self.git("for-each-ref", "--format=%(objectname)", REFS).out.decode().split()
        for commit in refs:
            if commit not in known:
                self._drop(commit)
        packs = [name for name in os.listdir(os.path.join(self.objects, "pack")) if name.endswith(".pack")]
        if len(packs) > _MOST_PACKS or self._size() > MOST_BYTES:
            self._pack()
        while self._size() > MOST_BYTES and (left := self.snapshots()):
            for one in left[-max(1, len(left) // 4) :]:
                self._drop(one.id)
            self._pack()

    def _drop(self, commit: str) -> None:
        self.git("update-ref", "-d", REFS + commit, commit)

    def _pack(self) -> None:
        self.git("repack", "-a", "-d", "-q")
        self.git("prune", "--expire=now")

    def _size(self) -> int:
        found = 0
        for folder, _, names in os.walk(self.objects):
            for name in names:
                with suppress(OSError):
                    found += os.stat(os.path.join(folder, name)).st_size
        return found


def _age(path: str) -> float:
    """Seconds since a file was written; endless where it is not there."""
    try:
        return time.time() - os.stat(path).st_mtime
    except OSError:
        return float("inf")


def _record(snapshot: Snapshot) -> bytes:
    rows = [[file.path.decode("utf-8", "surrogateescape"), file.mode, file.blob] for file in snapshot.files]
    facts = {**snapshot._asdict(), "files": rows}
    del facts["id"]
    return json.dumps(facts).encode()


def _parsed(row: str) -> Snapshot | None:
    """A snapshot from its id and record; None for what cannot be one."""
    commit, _, text = row.partition(" ")
    try:
        facts = json.loads(text)
        files = tuple(
            SavedFile(path.encode("utf-8", "surrogateescape"), mode, blob) for path, mode, blob in facts.pop("files")
        )
        found = Snapshot(id=commit, files=files, **facts)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    names = (found.worktree, found.top, found.branch, found.head)
    numbers = (found.time, found.left_out, found.nanosecond)
    whole = all(isinstance(name, str) for name in names) and all(isinstance(number, int) for number in numbers)
    return found if whole and all(is_inside(file.path) for file in files) else None


def is_inside(path: bytes) -> bool:
    """Whether a path stays in the worktree and out of `.git`."""
    parts = path.split(b"/")
    return bool(path) and b"\0" not in path and not any(part.lower() in (b"", b".", b"..", b".git") for part in parts)


def keep_all(ours: Repo, here: Iterable[Worktree], sides: Iterable[Side]) -> list[Unread]:
    """Keep a snapshot of each worktree whose uncommitted changes are new; which of them could not be kept, and why."""
    tops = {one.id: one for one in here}
    notes, fresh = [], []
    for side in sides:
        try:
            fresh.append(keep(ours, tops[side.id], side.head, side.tree))
        except (GitError, OSError) as error:
            notes.append(Unread(side.id, f"its uncommitted changes were not kept: {reason_of(error)}", expected=True))
    with suppress(GitError, OSError):
        SnapshotStore(ours).expire(at_once=any(fresh))
    return notes


def keep(ours: Repo, worktree: Worktree, head: str, tree: str) -> str:
    """Keep what a tree of a worktree's files has otherwise than its HEAD; the snapshot's id, empty for nothing new.

    `ours` must have scratch objects. Raises GitError or OSError where it cannot be kept.
    """
    store = SnapshotStore(ours)
    note_snapshot(private_dir_of(worktree.git_dir))
    mark = os.path.join(folder_of(ours), f"{worktree.id}.kept")
    if store.is_there and read_line(mark) == f"{head} {tree}" and _age(mark) < _RENEWED:
        return ""
    found = tree_changes(ours, head, tree)
    changes = [one for one in found if _GITLINK not in (one.old_mode, one.new_mode)]
    nested = [one for one in found if one.new_mode == _GITLINK and not one.old]  # a repository of its own
    if not changes and not nested:
        return ""
    files = _bounded(ours, changes)
    branch = head_of(ours, worktree.git_dir).branch
    store.require(len(head))
    second, nanosecond = divmod(time.time_ns(), 10**9)
    left_out = len(changes) - len(files) + len(nested)
    made = Snapshot("", worktree.id, worktree.top, branch, head, second, files, left_out, nanosecond)
    commit = store.write(made, ours)
    write_projection(mark, f"{head} {tree}\n".encode())
    return commit


def _bounded(ours: Repo, changes: Sequence[Change]) -> tuple[SavedFile, ...]:
    """The changed files without those that are too large, or too many; edits of what HEAD has come first."""
    changes = sorted(changes, key=lambda change: not change.old)
    blobs = list(dict.fromkeys(change.new for change in changes if change.new))
    words = ("cat-file", "--batch-check=%(objectname) %(objectsize)")
    rows = ours.git(*words, stdin="\n".join(blobs).encode() + b"\n").out.decode().splitlines() if blobs else []
    sizes = {name: int(size) for name, _, size in (row.partition(" ") for row in rows) if size.isdigit()}
    found, total = [], 0
    for change in changes[:_MOST_FILES]:
        if not change.new:
            found.append(SavedFile(change.path, "", ""))
            continue
        size = sizes.get(change.new, _LARGEST + 1)
        if size <= _LARGEST and total + size <= _MOST_NEW_BYTES:
            total += size
            found.append(SavedFile(change.path, change.new_mode, change.new))
    return tuple(found)
