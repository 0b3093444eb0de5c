"""The sessions of agents in this worktree: two in one share its files and its index, and neither knows of the other.

A session is the client's own id of it. The file is a projection: each line is a fact, and what is old is dropped.
"""

from __future__ import annotations

import os
import time

from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.git.repo import Repo

_FILE = "sessions"
_COMMITTING = "committing"  # hooks/shim.sh starts Python while it stands
ACTIVE_SECONDS = 3600
_COMMIT_SECONDS = 60
_MOST_WRITES = 500


class Session(NamedTuple):
    """A session of a client, when it was seen first and last, and what it wrote when: `<seconds> <path, shown>`.

    Times are epoch seconds.
    """

    id: str
    client: str
    since: int
    seen: int
    wrote: tuple[str, ...] = ()


def sessions(repo: Repo) -> list[Session]:
    """The sessions that were active in this worktree within the hour.

    Raises OSError where the file is there and cannot be read.
    """
    now = time.time()
    return [one for one in _read(repo) if now - one.seen <= ACTIVE_SECONDS]


def note_session(repo: Repo, session: str, client: str, wrote: Iterable[bytes] = ()) -> None:
    """Note that a session is active here, and what it wrote; a session without an id is not known.

    Raises OSError as `sessions` does.
    """
    if not session:
        return
    now = int(time.time())
    known = {one.id: one for one in sessions(repo)}
    old = known.get(session) or Session(session, client, now, now)
    paths = [show_path(path) for path in wrote]
    earlier = [row for row in old.wrote if row.partition(" ")[2] not in paths]
    known[session] = old._replace(
        seen=now, wrote=tuple([*earlier, *(f"{now} {path}" for path in paths)][-_MOST_WRITES:])
    )
    _write(repo, known.values())


def forget_session(repo: Repo, session: str) -> None:
    """Drop a session that has ended."""
    known = sessions(repo)
    left = [one for one in known if one.id != session]
    if len(left) < len(known):
        _write(repo, left)


def note_committing(repo: Repo, session: str) -> None:
    """Note which session is about to commit, where another one wrote in this worktree too."""
    if session and any(one.wrote for one in sessions(repo) if one.id != session):
        write_private(repo, _COMMITTING, f"{int(time.time())} {session}\n")


def take_written_by_others(repo: Repo, paths: Sequence[bytes]) -> list[tuple[Session, list[bytes]]]:
    """The other sessions that wrote some of these paths, for the session that said that it commits; told once.

    Raises OSError where that cannot be told.
    """
    note = private_file(repo, _COMMITTING)
    at, _, session = read_line(note).partition(" ")
    os.unlink(note)
    if not at.isdigit() or time.time() - int(at) > _COMMIT_SECONDS:
        return []
    shown = {show_path(path): path for path in paths}
    others = []
    for one in sessions(repo):
        rows = [row.partition(" ") for row in one.wrote] if one.id != session else []
        found = [
            shown[path] for when, _, path in rows if path in shown and not _committed_since(repo, shown[path], when)
        ]
        others += [(one, found)] if found else []
    return others


def _committed_since(repo: Repo, path: bytes, when: str) -> bool:
    """Whether a commit of this branch has taken a path since a time, so that what was written then is in it."""
    last = repo.git("--literal-pathspecs", "log", "-1", "--format=%ct", "HEAD", "--", path, ok=()).out.strip()
    return last.isdigit() and int(last) >= int(when)


def _read(repo: Repo) -> list[Session]:
    try:
        with open(private_file(repo, _FILE), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except FileNotFoundError:
        return []
    found: list[Session] = []
    for line in lines:
        words = line.split("\t")
        if len(words) >= 4 and words[2].isdigit() and words[3].isdigit():
            found.append(Session(words[0], words[1], int(words[2]), int(words[3]), tuple(words[4:])))
    return found


def _write(repo: Repo, known: Iterable[Session]) -> None:
    lines = ["\t".join([one.id, one.client, str(one.since), str(one.seen), *one.wrote]) for one in known]
    write_private(repo, _FILE, "".join(f"{line}\n" for line in lines))
