"""Files of a snapshot written back: only where nothing unsaved is overwritten."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress

from agentsync.errors import RefusedError, UsageError
from agentsync.forecast.snapshots import Snapshot, SnapshotStore
from agentsync.git.hashing import object_id
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import git_elsewhere
from agentsync.git.run import scrubbed_environment
from agentsync.git.trees import entries
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, quoted, show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.forecast.snapshots import SavedFile
    from agentsync.git.repo import Repo

SAME, DIFFERS, MISSING, THERE, UNREADABLE = "same", "differs", "missing", "there again", "cannot be read"
_LINK, _EXECUTABLE, _PLAIN = "120000", "100755", "100644"


class Now(NamedTuple):
    """What stands at a path of a worktree: its mode and blob as git would take it; `kind` where that is no file.

    Kinds: `file`, `none`, `folder`, `blocked` (a file or a link stands where a folder must be), `unreadable`.
    """

    kind: str
    mode: str = ""
    blob: str = ""
    size: int = 0


class Restored(NamedTuple):
    """What a restore did: files written, those that are so already, and those left as they are, with the reason.

    `there_again`: files that were deleted then and are there now; nothing is deleted.
    """

    written: tuple[bytes, ...]
    same: tuple[bytes, ...]
    left: tuple[tuple[bytes, str], ...]
    there_again: tuple[bytes, ...]


def find_snapshot(store: SnapshotStore, name: str) -> Snapshot:
    """The snapshot whose id begins with `name`.

    Raises UsageError where there is none, or several.
    """
    found = [one for one in store.snapshots() if name and one.id.startswith(name.lower())]
    if len(found) == 1:
        return found[0]
    what = f"{quoted(name, 80)} names {'several snapshots' if found else 'no snapshot'}"
    raise UsageError(what, "by the beginning of its id; they are kept for 7 days", "agentsync rescue")


def files_now(repo: Repo, top: str, paths: Iterable[bytes]) -> dict[bytes, Now]:
    """What stands at some paths of a worktree now."""
    id_length = len(head_of(repo).commit) or 40
    found = {path: _looked_at(top, path, id_length) for path in dict.fromkeys(paths)}
    plain = [path for path, now in found.items() if now.kind == "file" and now.mode != _LINK]
    easy = [path for path in plain if b"\n" not in path and not path.startswith(b'"')]
    words = ("hash-object", "--stdin-paths")
    done = git_elsewhere(repo.environ, top, *words, stdin=b"".join(path + b"\n" for path in easy), ok=())
    ids = done.out.decode().split()
    blobs = dict(zip(easy, ids, strict=True)) if done.code == 0 and len(ids) == len(easy) else {}
    for path in plain:
        blob = blobs.get(path) or _hashed(repo, top, path)
        found[path] = found[path]._replace(blob=blob, kind="file" if blob else "unreadable")
    return found


def _hashed(repo: Repo, top: str, path: bytes) -> str:
    return git_elsewhere(repo.environ, top, "hash-object", "--", path, ok=()).out.decode().strip()


def _looked_at(top: str, path: bytes, id_length: int) -> Now:
    full = os.path.join(os.fsencode(top), path)
    if not _has_real_folders(top, path):
        return Now("blocked")
    try:
        facts = os.lstat(full)
        if stat.S_ISLNK(facts.st_mode):
            link = os.readlink(full)
            return Now("file", _LINK, object_id(b"blob", link, id_length), len(link))
    except OSError as error:
        return Now("none" if isinstance(error, FileNotFoundError) else "unreadable")
    if stat.S_ISREG(facts.st_mode):
        return Now("file", _EXECUTABLE if facts.st_mode & 0o100 else _PLAIN, "", facts.st_size)
    return Now("folder" if stat.S_ISDIR(facts.st_mode) else "unreadable")


def _has_real_folders(top: str, path: bytes) -> bool:
    """Whether each folder above a path is one, or is not there: through a link something else would be written."""
    folder = os.fsencode(top)
    for part in path.split(b"/")[:-1]:
        folder = os.path.join(folder, part)
        if os.path.islink(folder) or (os.path.lexists(folder) and not os.path.isdir(folder)):
            return False
    return True


def state_of(file: SavedFile, now: Now) -> str:
    """How a file of a snapshot compares with what stands there now."""
    if now.kind == "unreadable":
        return UNREADABLE
    if not file.blob:
        return SAME if now.kind == "none" else THERE
    if now.kind == "none":
        return MISSING
    return SAME if (now.mode, now.blob) == (file.mode, file.blob) else DIFFERS


def states(repo: Repo, snapshots: Sequence[Snapshot]) -> dict[str, dict[bytes, str]]:
    """How each file of some snapshots compares with now, in the snapshot's worktree, or here where that is gone."""
    tops = {one.id: one.top for one in worktrees(repo) if one.present}
    wanted: dict[str, list[bytes]] = {}
    for one in snapshots:
        wanted.setdefault(tops.get(one.worktree, repo.top), []).extend(file.path for file in one.files)
    now = {top: files_now(repo, top, paths) for top, paths in wanted.items()}
    return {
        one.id: {file.path: state_of(file, now[tops.get(one.worktree, repo.top)][file.path]) for file in one.files}
        for one in snapshots
    }


def content_of(repo: Repo, store: SnapshotStore, file: SavedFile) -> bytes:
    """A file's content as a checkout would write it here: line ends and other filters applied."""
    ours = repo._replace(
        environ={**scrubbed_environment(repo.environ), "GIT_ALTERNATE_OBJECT_DIRECTORIES": store.objects}
    )
    filters = () if file.mode == _LINK else ("--filters", b"--path=" + file.path)
    return ours.git("cat-file", *(filters or ("blob",)), file.blob).out


def restore(repo: Repo, store: SnapshotStore, snapshot: Snapshot, wanted: Sequence[bytes]) -> Restored:
    """Write a snapshot's files (all, or those at and below `wanted`) into this worktree.

    A file goes only where there is none, or where what stands there is HEAD's: nothing unsaved is overwritten, and
    nothing is deleted. Raises UsageError for a path that the snapshot does not have.
    """
    files = chosen(snapshot, wanted)
    now = files_now(repo, repo.top, (file.path for file in files))
    heads = _at_head(repo, [file.path for file in files])
    written, same, left, there_again = [], [], [], []
    for file in files:
        state = state_of(file, now[file.path])
        why = _reason_not_to(file, now[file.path], heads)
        if state == SAME:
            same.append(file.path)
        elif state == THERE:
            there_again.append(file.path)
        elif why:
            left.append((file.path, why))
        elif _write(repo, file, content_of(repo, store, file), anew=state == MISSING):
            written.append(file.path)
        else:
            left.append((file.path, "something appeared there meanwhile"))
    return Restored(tuple(written), tuple(same), tuple(left), tuple(there_again))


def chosen(snapshot: Snapshot, wanted: Sequence[bytes]) -> list[SavedFile]:
    """The files of a snapshot at and below some paths; all without any.

    Raises UsageError for a path that it does not have.
    """
    for path in wanted:
        if not any(_is_at(file.path, path) for file in snapshot.files):
            what = f"snapshot {snapshot.id[:10]} has no {show_path(path)}"
            raise UsageError(
                what, "it has only what differed from HEAD then", f"agentsync rescue show {snapshot.id[:10]}"
            )
    return [file for file in snapshot.files if not wanted or any(_is_at(file.path, path) for path in wanted)]


def _is_at(path: bytes, wanted: bytes) -> bool:
    return not wanted or path == wanted or path.startswith(wanted + b"/")


def _at_head(repo: Repo, paths: Sequence[bytes]) -> Mapping[bytes, str]:
    """The blobs that HEAD has at some paths."""
    if repo.git("rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1)).code != 0:
        return {}
    limit = paths if sum(map(len, paths)) < 100_000 else ()
    return {path: entry.id for path, entry in entries(repo, "HEAD", *limit).items()}


def _reason_not_to(file: SavedFile, now: Now, heads: Mapping[bytes, str]) -> str:
    """Why a file is not written here, empty where it may be."""
    if now.kind == "none" or (now.kind == "file" and (heads.get(file.path) == now.blob or not now.size)):
        return ""
    kinds = {
        "file": "it has unsaved changes",
        "folder": "a folder stands there",
        "blocked": "a file or a link stands where its folder would be",
    }
    return kinds.get(now.kind, "what stands there cannot be read")


def _write(repo: Repo, file: SavedFile, content: bytes, *, anew: bool) -> bool:
    """Write a file whole; False where a new one would replace what has appeared meanwhile."""
    target = os.path.join(os.fsencode(repo.top), file.path)
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        making = tempfile.mkdtemp(prefix=b".agentsync-", dir=os.path.dirname(target))
    except OSError as error:
        raise RefusedError(f"{show_path(file.path)} cannot be written", one_line(str(error), 200)) from error
    half = os.path.join(making, b"file")
    try:
        if file.mode == _LINK:
            os.symlink(content, half)
        else:
            with open(half, "wb") as out:
                out.write(content)
            if file.mode == _EXECUTABLE:
                os.chmod(half, os.stat(half).st_mode | (os.stat(half).st_mode & 0o444) >> 2)
        if anew and os.path.lexists(target):
            return False
        os.replace(half, target)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(half)
        os.rmdir(making)
    return True
