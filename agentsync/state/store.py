"""The shared state: `refs/heads/state` of a bare repository in the common directory, swapped by compare-and-swap.

Nothing else touches that repository. A reader takes a `Snapshot` of one commit; a writer hands `swap` a
function that decides on a snapshot, and is asked again whenever somebody else was faster.
"""

from __future__ import annotations

import os
import time

from agentsync.errors import DamagedError, GitError, StateError
from agentsync.git.hashing import object_id
from agentsync.git.objects import CatFile
from agentsync.git.repo import read_line
from agentsync.git.run import Result, run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import dump, load, number_of
from agentsync.state.journal import record_event
from agentsync.state.loose import format_pack, format_tree, parse_tree, read_loose, write_loose
from agentsync.state.records import capped, fault_of
from agentsync.state.turn import Turn, unwritable
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from agentsync.record import Record

REF = "refs/heads/state"
VERSION = 1
BEGUN = "begun"  # beside the ref once it was written: without it a missing one means a state to come
LOST = "state-lost"  # journalled where a new state takes the place of one that somebody deleted
VERSION_FILE = b"version.toml"
_TRIES = 200
_LOOSE_AT_ONCE = 100
_LOOSE_LIMIT = 16  # files in one of 256 folders: about 4,000 loose objects; `git gc --auto` starts at 6,700


class Change(NamedTuple):
    """What a writer decided: a subject for the audit, its author, and records to write (None: to remove)."""

    subject: str
    author: str
    records: Mapping[bytes, Record | None]


class Snapshot:
    """The state as of one commit (`id`, empty before the first)."""

    def __init__(self, store: Store, commit_id: str) -> None:
        self.id = commit_id
        self.overlay: dict[bytes, Record | None] = {}  # records decided on but not yet written; `get` sees them
        self.left_out: dict[bytes, str] = {}  # records that were read and cannot be believed, and why
        self._store = store
        self._trees: dict[bytes, dict[bytes, tuple[bool, str]]] = {}
        self._records: dict[bytes, Record | None] = {}
        if not commit_id:
            self._trees[b""] = {}
            return
        header = store.read_object(commit_id).split(b"\n", 1)[0]
        self._trees[b""] = self._load(header.removeprefix(b"tree ").decode())
        self._require_version()

    def _require_version(self) -> None:
        version = self.get(VERSION_FILE)
        if version is not None and number_of(version, "version") > VERSION:
            raise StateError(
                "the shared state was written by a newer agentsync",
                f"it has version {number_of(version, 'version')}, this agentsync knows {VERSION}",
                "upgrade agentsync here: pipx upgrade agentsync-hooks",
            )

    def _load(self, tree_id: str) -> dict[bytes, tuple[bool, str]]:
        return {name: (is_tree, oid) for name, is_tree, oid in parse_tree(self._store.read_object(tree_id))}

    def tree(self, folder: bytes) -> dict[bytes, tuple[bool, str]]:
        """The entries of a folder of the state: name to (is a folder, object id); empty where there is none."""
        wanted = [folder]  # no recursion: a path may be deeper than Python's stack
        while wanted[-1] not in self._trees:
            wanted.append(wanted[-1].rpartition(b"/")[0])
        while len(wanted) > 1:
            above, place = wanted.pop(), wanted[-1]
            is_tree, oid = self._trees[above].get(place.rpartition(b"/")[2], (False, ""))
            self._trees[place] = self._load(oid) if is_tree else {}
        return self._trees[folder]

    def get(self, place: bytes) -> Record | None:
        """The record at a place of the state, None when there is none."""
        if place in self.overlay:
            return self.overlay[place]
        folder, _, name = place.rpartition(b"/")
        is_tree, oid = self.tree(folder).get(name, (True, ""))
        return None if is_tree else self._believed(place, oid)

    def _believed(self, place: bytes, oid: str) -> Record | None:
        """A record that is what its place says; None where it cannot be believed: it disarms none of the others."""
        if place not in self._records:
            self._records[place] = self._read(place, oid)
        return self._records[place]

    def _read(self, place: bytes, oid: str) -> Record | None:
        data = self._store.read_object(oid)
        try:
            record = load(data)
        except DamagedError:
            self.left_out[place] = "it cannot be read"
            return None
        now = time.time()
        fault = fault_of(place, record, now)
        if fault:
            self.left_out[place] = fault
            return None
        return capped(place, record, now)

    def walk(self, folder: bytes) -> Iterator[tuple[bytes, Record]]:
        """Every record at or below a folder of the state that can be believed, with its place."""
        left = [(folder, True, "")]
        while left:
            place, is_tree, oid = left.pop()
            if is_tree:
                inner = [(_below(place, name), *entry) for name, entry in self.tree(place).items()]
                left += reversed(inner)
            elif (record := self._believed(place, oid)) is not None:
                yield place, record


class Store:
    """The repository that holds the state."""

    def __init__(self, shared_dir: str, environ: Mapping[str, str]) -> None:
        self.path = os.path.join(shared_dir, "store.git")
        self.turn_path = os.path.join(shared_dir, "turn.lock")
        self._objects = os.path.join(self.path, "objects")
        self._environ = scrubbed_environment(environ)
        self._cat: CatFile | None = None

    def current(self) -> str:
        """The id of the current state, empty when there is none yet.

        Raises StateError where something stands there that is no state.
        """
        ref = os.path.join(self.path, REF)
        found = read_line(ref) or self._packed_ref()
        if not found and (os.path.lexists(ref) or (os.path.lexists(self.path) and not os.path.isdir(self._objects))):
            raise DamagedError(f"{ref} names no commit")
        if not found and os.path.exists(os.path.join(self.path, BEGUN)):
            raise DamagedError(f"{ref} is gone")
        return found

    def _packed_ref(self) -> str:
        try:
            with open(os.path.join(self.path, "packed-refs"), encoding="utf-8", errors="replace") as file:
                rows = [line.split() for line in file]
        except OSError:
            return ""
        return next((row[0] for row in rows if row[1:] == [REF]), "")

    def is_lost(self) -> bool:
        """Whether there was a state here that somebody deleted."""
        return os.path.exists(self.turn_path) and not os.path.isdir(self._objects)

    def snapshot(self) -> Snapshot:
        """The state now."""
        for _ in range(3):
            commit_id = self.current()
            try:
                return Snapshot(self, commit_id)
            except StateError:
                if self.current() == commit_id:
                    raise
        return Snapshot(self, self.current())

    def read_object(self, object_id: str) -> bytes:
        """The content of an object of the store.

        Raises StateError when it is missing or damaged.
        """
        content = read_loose(self._objects, object_id)
        if content is None:
            content = self._read_packed(object_id)
        if content is None:
            raise DamagedError(f"object {object_id} is missing")
        return content

    def _read_packed(self, object_id: str) -> bytes | None:
        if not os.path.isdir(self._objects):
            return None
        try:
            if self._cat is None:
                self._cat = CatFile(self.path, self._environ)
            return self._cat.read(object_id.encode())
        except (GitError, OSError):
            self._cat = None
            return None

    def close(self) -> None:
        """End the process that reads packed objects, if one was needed."""
        if self._cat is not None:
            self._cat.__exit__(None, None, None)
            self._cat = None

    def git(self, *arguments: str, keep_fd: int = -1, ok: tuple[int, ...] = (0,)) -> Result:
        """Run git on the store; for its own upkeep and for the audit's readers."""
        return run_git([f"--git-dir={self.path}", *arguments], self._environ, keep_fd=keep_fd, ok=ok)

    def swap(self, decide: Callable[[Snapshot], Change | None]) -> Snapshot:
        """Change the state by what `decide` returns for a snapshot of it, or leave it when that is None.

        `decide` is asked again whenever another writer was faster; what it raises passes through, with
        nothing written. Returns the snapshot that the change was decided on, or that needed none.
        Raises StateError when the state cannot be read or written.
        """
        try:
            self._require()
            for _ in range(_TRIES):
                with Turn(self.turn_path) as turn:
                    snapshot = self.snapshot()
                    change = decide(snapshot)
                    if change is None or self._publish(snapshot, change, turn.fd):
                        return snapshot
        except OSError as error:
            raise unwritable(error) from error
        raise StateError("the shared state could not be changed", "other writers were always faster", "try again")

    def _publish(self, snapshot: Snapshot, change: Change, turn_fd: int) -> bool:
        mine = self._commit(snapshot, change)
        stale = os.path.join(self.path, REF + ".lock")
        if os.path.exists(stale):  # whoever made it is dead: living writers, git children too, hold the turn
            os.unlink(stale)
        said = self.git("update-ref", REF, mine, snapshot.id, keep_fd=turn_fd, ok=())
        won = self._contains(mine)
        if not won and not os.path.isdir(self._objects):
            raise StateError("the shared state was deleted just now", self.path, "run the command again")
        if not won and said.code != 0 and self.current() == snapshot.id:
            why = said.err.decode("utf-8", "replace").strip().splitlines()
            if not os.path.exists(os.path.join(self.path, "HEAD")):
                raise DamagedError("its HEAD is gone")
            raise StateError("the shared state could not be changed", one_line(why[-1] if why else ""))
        if won:
            self._tidy(turn_fd)
        if won and not snapshot.id:
            with open(os.path.join(self.path, BEGUN), "w", encoding="ascii"):
                pass
        return won

    def _contains(self, commit_id: str) -> bool:
        now = self.current()
        if now == commit_id:
            return True
        return bool(now) and self.git("merge-base", "--is-ancestor", commit_id, now, ok=()).code == 0

    def _commit(self, snapshot: Snapshot, change: Change) -> str:
        records = dict(change.records)
        if not snapshot.id:
            records[VERSION_FILE] = {"version": VERSION}
        tree = self._write_trees(snapshot, records)
        who = one_line(change.author).translate({ord(c): "_" for c in "<>\n"})
        stamp = f"{who} <> {int(time.time())} +0000"
        parent = f"parent {snapshot.id}\n" if snapshot.id else ""
        message = f"{one_line(change.subject)}\n\nNonce: {os.urandom(8).hex()}\n"
        text = f"tree {tree}\n{parent}author {stamp}\ncommitter {stamp}\n\n{message}"
        return write_loose(self._objects, b"commit", text.encode("utf-8", "replace"))

    def _write_trees(self, snapshot: Snapshot, records: Mapping[bytes, Record | None]) -> str:
        """Write what changes, the deepest folders first; the id of the whole."""
        fresh: list[tuple[bytes, bytes]] = []
        written: dict[bytes, str] = {}
        folders = _by_folder(records)
        for folder in sorted(folders, key=lambda one: (one.count(b"/"), one != b""), reverse=True):
            entries = dict(snapshot.tree(folder))
            for name in folders[folder]:
                entries.pop(name, None)
                place = _below(folder, name)
                if place in folders:
                    entries |= {name: (True, written[place])} if written[place] else {}
                elif (record := records[place]) is not None:
                    entries[name] = (False, _kept(fresh, b"blob", dump(record)))
            rows = [(name, is_tree, oid) for name, (is_tree, oid) in entries.items()]
            written[folder] = _kept(fresh, b"tree", format_tree(rows)) if rows or not folder else ""
        self._write(fresh)
        return written[b""]

    def _write(self, objects: Sequence[tuple[bytes, bytes]]) -> None:
        """Store objects, each a kind and its content: many as one pack, for files cost more than bytes."""
        if len(objects) > _LOOSE_AT_ONCE:
            run_git([f"--git-dir={self.path}", "index-pack", "--stdin"], self._environ, stdin=format_pack(objects))
            return
        for kind, content in objects:
            write_loose(self._objects, kind, content)

    def _require(self) -> None:
        """Make the store where there is none: built aside, then renamed into place."""
        if os.path.isdir(self._objects):
            return
        if self.is_lost():
            record_event(os.path.dirname(self.path), LOST)
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        aside = f"{self.path}.{os.getpid()}"
        environ = {k: v for k, v in self._environ.items() if k != "GIT_DEFAULT_REF_FORMAT"}
        settings = ("-c", "init.defaultRefFormat=files", "-c", "init.defaultBranch=none")
        flags = ("init", "--quiet", "--bare", "--template=", "--object-format=sha1")
        run_git([*settings, *flags, aside], environ)
        for key, value in (("gc.auto", "0"), ("maintenance.auto", "false"), ("core.hooksPath", os.devnull)):
            run_git([f"--git-dir={aside}", "config", key, value], environ)
        try:
            os.rename(aside, self.path)
        except OSError:
            import shutil  # 8 ms, only for the loser of a race

            shutil.rmtree(aside, ignore_errors=True)
            if not os.path.isdir(self._objects):
                raise

    def _tidy(self, turn_fd: int) -> None:
        """Pack now and then, in turn, so that neither `git gc --auto` nor a reader ever has much to do."""
        try:
            crowded = len(os.listdir(os.path.join(self._objects, "17"))) > _LOOSE_LIMIT
        except OSError:
            return
        if crowded:
            self.git("repack", "--geometric=2", "-d", "-q", keep_fd=turn_fd, ok=())


def _kept(objects: list[tuple[bytes, bytes]], kind: bytes, content: bytes) -> str:
    """The id of an object that is written with others later."""
    objects.append((kind, content))
    return object_id(kind, content)


def _below(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def _by_folder(records: Mapping[bytes, Record | None]) -> dict[bytes, set[bytes]]:
    """The names that change in each folder, from the records up to the root."""
    found: dict[bytes, set[bytes]] = {b"": set()}
    for place in records:
        inner = place
        while inner:
            folder, _, name = inner.rpartition(b"/")
            if folder in records:
                raise StateError("the shared state cannot hold this", f"{place!r} lies inside a record")
            found.setdefault(folder, set()).add(name)
            inner = folder
    return found
