"""What was here before agentsync, and what the server gave since: records of ours.

Reflogs and remote-tracking refs can be written by anybody here, and what this clone pushed itself comes back by a
fetch; none of that vouches for a commit. The reference-transaction shim notes what a fetch moves and when that fetch
ran; a commit came with it whose object was written within that time.
"""

from __future__ import annotations

import os
import time

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo

BEFORE_US = "before-us"
FILE = "arrived"  # beside the state; lines `<commit> <ref>`, oldest first
ARRIVING = "arriving"  # what hooks/reference-transaction appends: commit, ref, and when the fetch ran
_MOST_LINES = 5000
_MOST_TIPS = 2000


def arrivals_path(repo: Repo) -> str:
    """Where the record is."""
    return os.path.join(repo.shared_dir, FILE)


def before_us_path(repo: Repo) -> str:
    """Where it stands where each branch was when agentsync came, lines `<commit> <ref>`."""
    return os.path.join(repo.shared_dir, BEFORE_US)


def begin(repo: Repo) -> None:
    """Begin both records with what is here before any gate has judged anything; only once."""
    if not os.path.exists(before_us_path(repo)):
        _write(before_us_path(repo), _tips(repo, "refs/heads"))
    if not os.path.exists(arrivals_path(repo)):
        _write(arrivals_path(repo), _tips(repo, "refs/remotes"))


def tip_before_us(repo: Repo, ref: str) -> str:
    """Where a branch was when agentsync came, empty where it was not: no date in a commit tells that."""
    return next((commit for commit, name in _read(before_us_path(repo)) if name == ref), "")


def _tips(repo: Repo, folder: str) -> list[list[str]]:
    rows = repo.lines("for-each-ref", "--format=%(objectname) %(refname)", folder)
    return [row.split(" ", 1) for row in rows]


def _read(path: str) -> list[list[str]]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return [row for line in file if len(row := line.rstrip("\n").split(" ", 1)) == 2]
    except FileNotFoundError:
        return []


def _write(path: str, rows: Sequence[Sequence[str]]) -> None:
    scratch = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(scratch, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write("".join(f"{commit} {ref}\n" for commit, ref in rows))
        os.replace(scratch, path)
    except OSError:
        return


def is_kept(repo: Repo) -> bool:
    """Whether the record was begun: not in a clone where agentsync only checks, as in CI."""
    return os.path.exists(arrivals_path(repo))


def _arrived(repo: Repo) -> list[list[str]]:
    """The record, with what was noted since the last look."""
    noted = os.path.join(repo.shared_dir, ARRIVING)
    if os.path.exists(noted):
        taken = f"{noted}.{os.getpid()}"
        try:
            os.replace(noted, taken)  # whoever takes it settles it
            fresh = [row[:2] for row in _split(taken) if _came(repo, row)]
            with open(arrivals_path(repo), "a", encoding="utf-8", errors="surrogateescape") as file:
                file.write("".join(f"{commit} {ref}\n" for commit, ref in fresh))
            os.unlink(taken)
        except OSError:
            pass  # another was faster, or nothing can be written here
    return _read(arrivals_path(repo))


def _split(path: str) -> list[list[str]]:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return [words for line in file if len(words := line.split()) > 3]


def _came(repo: Repo, row: list[str]) -> bool:
    """Whether the fetch that moved a ref brought its commit: written while it ran, and not here before.

    Where that cannot be told it counts as not brought, so that gates judge the commit.
    """
    try:
        since, until = _times(row[2], row[3], row[4:])
        written = _copies_written(repo, row[0])
    except (ValueError, IndexError, OSError):
        return False
    return bool(written) and since <= min(written) <= until


def _copies_written(repo: Repo, commit: str) -> list[float]:
    """When each copy of a commit here was written, loose or in a pack; a fetch may bring another copy of an old one."""
    objects = os.path.join(repo.common_dir, "objects")
    loose = _written(os.path.join(objects, commit[:2], commit[2:]))
    with os.scandir(os.path.join(objects, "pack")) as entries:
        indexes = [entry.path for entry in entries if entry.name.endswith(".idx")]
    return [*([loose] if loose else []), *(_written(index) for index in indexes if _has(index, commit))]


def _has(index: str, commit: str) -> bool:
    """Whether a pack has an object, by its index of version 2 (gitformat-pack(5))."""
    wanted = bytes.fromhex(commit)
    with open(index, "rb") as file:
        if file.read(8) != b"\xfftOc\0\0\0\x02":
            return False
        table = file.read(4 * 256)
        counts = [0, *(int.from_bytes(table[at : at + 4], "big") for at in range(0, len(table), 4))]
        first, end = counts[wanted[0]], counts[wanted[0] + 1]
        file.seek(first * len(wanted), os.SEEK_CUR)
        names = file.read((end - first) * len(wanted))
    return any(names[at : at + len(wanted)] == wanted for at in range(0, len(names), len(wanted)))


_SLACK = 0.02  # seconds; the kernel counts a process's start in hundredths


def _times(kind: str, until: str, words: list[str]) -> tuple[float, float]:
    """When the fetch began and when it moved the ref, in epoch seconds."""
    if kind == "kernel":  # proc(5): the words after the command's name, of which the 20th is the start in ticks
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        began = int(words[19]) / os.sysconf("SC_CLK_TCK")
        return booted + began - _SLACK, booted + float(until) + _SLACK
    seconds = 0
    days, _, clock = words[0].rpartition("-")  # ps(1): [[dd-]hh:]mm:ss
    for part in clock.split(":"):
        seconds = seconds * 60 + int(part)
    return int(until) - seconds - int(days or 0) * 86400 - 1.0, int(until) + 1.0


def _written(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0


def upstream_as_given(repo: Repo, ref: str, commit: str) -> str:
    """Where a remote-tracking ref is as the server gave it: `commit`, or where it last was so; empty where never."""
    rows = _arrived(repo)
    if len(rows) > _MOST_LINES:
        _write(arrivals_path(repo), rows[-_MOST_TIPS:])
    if any(row[0] == commit for row in rows):
        return commit
    return next((row[0] for row in reversed(rows) if row[1] == ref), "")


def given(repo: Repo, remote: str, commits: Sequence[str]) -> set[str]:
    """Which of some commits a remote gave: those that an arrived commit contains. One process."""
    rows = [row[0] for row in _arrived(repo) if row[1].startswith(f"refs/remotes/{remote}/")]
    tips = list(dict.fromkeys(rows))[-_MOST_TIPS:]
    if not remote or not commits or not tips:
        return set()
    asked = "".join(f"{commit}\n" for commit in commits) + "".join(f"^{tip}\n" for tip in tips)
    beyond = repo.git("rev-list", "--ignore-missing", "--stdin", stdin=asked.encode()).out.decode().split()
    return set(commits) - set(beyond)
