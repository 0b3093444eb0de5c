"""Merges in memory run in a scratch folder: git lays out a driver's files where it stands, and `git add -A` takes them.

Threads of one process and several processes may ask at once: a folder is laid out under a name of its own and then
renamed, and a name that was given out once stays for as long as somebody may use it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress

from agentsync.git.hashing import object_id
from agentsync.git.objects import FILES
from agentsync.git.repo import make_private_dir
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.git.repo import Repo

_PREFIX = "scratch-"
_OLD_PREFIXES = (_PREFIX, "aside-")  # what earlier versions made is swept too
_UNUSED = 86400.0  # seconds after which nobody works in a folder any more
_known: dict[str, tuple[str, str]] = {}  # a worktree's top: what its attributes were read from, and the folder


def in_scratch_folder(repo: Repo) -> Repo:
    """The repository seen from a folder of ours that holds nothing but the worktree's attributes.

    Merges read them from the work tree only (merge-ort of git 2.39 to 2.55), so they stand there as they stand here.
    Raises OSError where the folder cannot be made.
    """
    stamp = _index_stamp(repo)
    before, folder = _known.get(repo.top, ("", ""))
    if before != stamp or not os.path.isdir(folder):
        folder = _laid_out(repo)
        _known[repo.top] = (stamp, folder)
    return repo._replace(top=folder)


def with_attributes_of(repo: Repo, commit: str) -> Repo:
    """The same with the attributes that a commit has: what lies in a worktree decides nothing of what a gate merges.

    Raises OSError where the folder cannot be made, GitError where the commit cannot be read.
    """
    return repo._replace(top=_folder_with(repo, _attributes_in(repo, commit) if commit else {}))


def _attributes_in(repo: Repo, commit: str) -> dict[bytes, bytes]:
    """The text of each `.gitattributes` of a commit. Raises GitError where one cannot be read."""
    found: dict[bytes, bytes] = {}
    for row in repo.git("ls-tree", "-r", "-z", "--full-tree", commit).out.split(b"\0"):
        facts, _, path = row.partition(b"\t")
        mode, _, blob = facts.decode("ascii").partition(" blob ")
        if path.rpartition(b"/")[2] == b".gitattributes" and mode in FILES:
            found[path] = repo.git("cat-file", "blob", blob).out
    return found


def _index_stamp(repo: Repo) -> str:
    """What tells whether the tracked attributes may have changed; a process may live for days."""
    try:
        facts = os.stat(os.path.join(repo.git_dir, "index"))
    except OSError:
        return "no index"
    return f"{facts.st_mtime_ns} {facts.st_size}"


def _laid_out(repo: Repo) -> str:
    """A folder with a copy of each tracked `.gitattributes` of the worktree."""
    names = repo.git("ls-files", "-z", "--", ":(glob)**/.gitattributes").out.split(b"\0")
    texts = {name: text for name in names if name and (text := _read(os.path.join(os.fsencode(repo.top), name)))}
    return _folder_with(repo, texts)


def _folder_with(repo: Repo, texts: Mapping[bytes, bytes]) -> str:
    """A folder with such files; its name tells what is in it."""
    digest = object_id(b"blob", b"".join(name + b"\0" + text + b"\0" for name, text in sorted(texts.items())))
    folder = os.path.join(repo.private_dir, _PREFIX + digest[:16])
    with suppress(FileNotFoundError):
        os.utime(folder)  # in use: not to be swept
        return folder
    make_private_dir(repo.private_dir)
    _sweep(repo.private_dir)
    making = tempfile.mkdtemp(prefix=f"{_PREFIX}new-", dir=repo.private_dir)
    for name, text in texts.items():
        target = os.path.join(os.fsencode(making), name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "wb") as file:
            file.write(text)
    try:
        os.rename(making, folder)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)
        if not os.path.isdir(folder):
            raise  # else another process was first, and the same is in it
    return folder


def _sweep(private_dir: str) -> None:
    """Delete the folders that nobody has used for a day, also those that a killed process left half made."""
    for name in os.listdir(private_dir):
        path = os.path.join(private_dir, name)
        with suppress(OSError):
            if name.startswith(_OLD_PREFIXES) and os.stat(path).st_mtime < time.time() - _UNUSED:
                gone = tempfile.mkdtemp(prefix=f"{_PREFIX}old-", dir=private_dir)
                os.rename(path, gone)  # first: half a folder would be taken for a whole one
                shutil.rmtree(gone)


def _read(path: bytes) -> bytes:
    """A regular file's content; git follows no symlinked `.gitattributes`."""
    if os.path.islink(path):
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
