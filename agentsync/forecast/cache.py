"""What the last forecast saw: projections that may vanish at any time. Gates and lists only read them."""

from __future__ import annotations

import os
import time

from agentsync.errors import AgentsyncError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.paths import path_to_text
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from agentsync.git.repo import Repo

BASE = "base"  # how base is called among the sides
_MOST_NOTED = 1000  # paths of one change
_HALF = ".half"
FRESH = 600.0  # seconds; an older forecast does not know who touches what


class Hunk(NamedTuple):
    """A conflicting place: its first line in the first side's file, and the definition that it lies in, if any."""

    line: int
    definition: str


class ClashPath(NamedTuple):
    """One path that two sides cannot merge: the kind, and where.

    Kinds: `content`, `added` (on both sides), `deleted` (on one), `in the way` (a file against a folder, or a rename),
    `moved` (a folder, two ways).
    """

    path: str
    kind: str
    hunks: tuple[Hunk, ...]


class Clash(NamedTuple):
    """A conflict to come between two sides, worktree ids or `base`: since when (epoch seconds), found for what.

    `heads` are the two HEADs, `trees` the trees of the two worktrees' files; empty for base's.
    """

    one: str
    other: str
    heads: tuple[str, str]
    since: int
    paths: tuple[ClashPath, ...]
    trees: tuple[str, str] = ("", "")

    @property
    def keys(self) -> list[str]:
        """One for each path, the same for as long as the same two sides conflict in it."""
        return [f"{self.one} {self.other} {path.path}" for path in self.paths]


class Unmerged(NamedTuple):
    """Two sides that could not be merged, and why: neither a conflict nor none."""

    one: str
    other: str
    heads: tuple[str, str]
    why: str

    @property
    def key(self) -> str:
        """The same for as long as the same two cannot be merged."""
        return f"{self.one} {self.other} not merged"


class Unread(NamedTuple):
    """A side that could not be looked at, or not wholly, and why; `expected` where nothing is wrong."""

    id: str
    why: str
    expected: bool = False


class Forecast(NamedTuple):
    """What a forecast found: conflicts, what it could not tell, and how many worktrees it looked at."""

    clashes: tuple[Clash, ...] = ()
    unmerged: tuple[Unmerged, ...] = ()
    unread: tuple[Unread, ...] = ()
    looked_at: int = 0

    @property
    def is_clear(self) -> bool:
        """Whether all could be told and nothing was found."""
        return not self.clashes and not self.unmerged and all(one.expected for one in self.unread)


def reason_of(error: AgentsyncError | OSError) -> str:
    """Why something could not be done, in git's or the system's words."""
    text = error.why or error.what if isinstance(error, AgentsyncError) else str(error)
    return one_line(text.removeprefix("fatal: ").removeprefix("error: "), 200)


def folder_of(repo: Repo) -> str:
    """Where forecasts keep what they know."""
    return os.path.join(repo.shared_dir, "forecast")


def sweep(repo: Repo) -> None:
    """Clear what a killed forecast left half written; only for whoever has the turn."""
    for name in os.listdir(folder_of(repo)):
        if name.endswith((".lock", _HALF)):
            os.unlink(os.path.join(folder_of(repo), name))


def write_projection(path: str, data: bytes) -> None:
    """Write a file of the forecast's whole."""
    half = path + _HALF
    with open(half, "wb") as file:
        file.write(data)
    os.replace(half, path)


def write_last(repo: Repo, found: Forecast) -> None:
    """Keep a forecast's result."""
    import json

    facts = {
        "clashes": [
            {**one._asdict(), "paths": [{**p._asdict(), "hunks": [list(h) for h in p.hunks]} for p in one.paths]}
            for one in found.clashes
        ],
        "unmerged": [one._asdict() for one in found.unmerged],
        "unread": [one._asdict() for one in found.unread],
        "looked_at": found.looked_at,
    }
    write_projection(os.path.join(folder_of(repo), "last.json"), json.dumps(facts).encode())


def read_last(repo: Repo) -> Forecast:
    """The last forecast's result; empty when there is none."""
    import json

    try:
        with open(os.path.join(folder_of(repo), "last.json"), "rb") as file:
            facts = json.load(file)
        return Forecast(
            tuple(_clash(row) for row in facts["clashes"]),
            tuple(Unmerged(row["one"], row["other"], tuple(row["heads"]), row["why"]) for row in facts["unmerged"]),
            tuple(Unread(row["id"], row["why"], row["expected"]) for row in facts["unread"]),
            facts["looked_at"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Forecast()


def _clash(row: dict[str, Any]) -> Clash:
    paths = tuple(ClashPath(p["path"], p["kind"], tuple(Hunk(*hunk) for hunk in p["hunks"])) for p in row["paths"])
    return Clash(row["one"], row["other"], tuple(row["heads"]), row["since"], paths, tuple(row["trees"]))


def _touched_file(repo: Repo) -> str:
    """Lines `<worktree> <path>`, which hooks/shim.sh reads and adds to as well."""
    return os.path.join(folder_of(repo), "touched")


def _keep_time(file_name: str) -> None:
    """Let a file beside it say, by a time to come, until when a look is fresh: the shims cannot reckon."""
    until = time.time() + FRESH
    with open(file_name + ".until", "ab") as file:
        os.utime(file.fileno(), (until, until))


def write_touched(repo: Repo, touched: Mapping[str, Iterable[bytes]]) -> None:
    """Keep which paths each worktree changes, for the gate's look after each commit."""
    rows = [_row(worktree, path) for worktree, paths in touched.items() for path in sorted(paths)]
    write_projection(_touched_file(repo), b"".join(rows))
    _keep_time(_touched_file(repo))


def _row(worktree: str, path: bytes) -> bytes:
    return f"{worktree} {path_to_text(path)}\n".encode("utf-8", "replace")


def note_looked(repo: Repo) -> None:
    """Note that somebody looks now, so that a forecast which is too long for its time is not begun at every commit."""
    os.makedirs(folder_of(repo), exist_ok=True)
    with open(_touched_file(repo), "ab") as file:
        os.utime(file.fileno())
    _keep_time(_touched_file(repo))


def worth_a_forecast(repo: Repo, paths: Sequence[bytes]) -> bool:
    """Whether a change of `paths` here may change what is to come: another worktree touches one, or nobody has looked.

    That this worktree touches them is noted, so that the next one to touch them looks.
    """
    if not os.path.isdir(os.path.join(repo.common_dir, "worktrees")):
        return False
    file_name = _touched_file(repo)
    try:
        if os.stat(file_name + ".until").st_mtime < time.time():
            return True
        with open(file_name, "rb") as file:
            known = set(file.read().splitlines(keepends=True))
    except OSError:
        return True
    own = repo.worktree_id.encode() + b" "
    _note_touched(
        file_name, [row for path in dict.fromkeys(paths) if (row := _row(repo.worktree_id, path)) not in known]
    )
    others = {row.partition(b" ")[2] for row in known if not row.startswith(own)}
    return any(_row("", path)[1:] in others for path in paths)


def _note_touched(file_name: str, rows: Sequence[bytes]) -> None:
    """Add what was touched since the last look."""
    if not rows:
        return
    try:
        with open(file_name, "ab") as file:
            file.write(b"".join(rows[:_MOST_NOTED]))
    except OSError:
        return
