"""The merge drivers: `<driver> %O %A %B %L %P`. The result is built in memory and written into %A once, last.

A driver has three answers: the merged text; a conflict, which it must leave in the file even where git's line merge
would see none; or None, "not mine", and git merges by lines.
"""

from __future__ import annotations

import os
import signal
import sys

from agentsync.git.repo import Repo, from_hook
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import Conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Answer = bytes | Conflict | None

MERGED, CONFLICT, GIVE_UP = 0, 10, 1  # hooks/merge-driver: 1 means git's own merge
SECONDS = 10  # a driver that takes longer is ended by its alarm, and git merges by itself


class Versions(NamedTuple):
    """The three contents to merge, and the path that they stand at."""

    path: bytes
    base: bytes
    ours: bytes
    theirs: bytes


def by_tasks(repo: Repo, versions: Versions) -> Answer:
    """TASKS.md, by task id."""
    del repo
    from agentsync.tasks.grammar import decode, encode
    from agentsync.tasks.merge import merge_plans

    merged = merge_plans(*(decode(text) for text in versions[1:]))
    return encode(merged) if isinstance(merged, str) else merged


def by_lineage(repo: Repo, versions: Versions) -> Answer:
    """A locked path, by its chain; where that does not tell, by its format."""
    from agentsync.drivers.lineage import by_chain

    winner = by_chain(repo, *versions)
    return by_format(repo, versions) if winner is None else winner


def by_format(repo: Repo, versions: Versions) -> Answer:
    """A manifest, changelog, translation, dump or registry, by what its format says; what `lines` left, too."""
    from agentsync.git.merge_file import merge_lines
    from agentsync.merging.formats import merge_format

    return merge_format(*versions, lambda *sides: merge_lines(repo.environ, *sides))


def by_structure(repo: Repo, versions: Versions) -> Answer:
    """A source file, by its imports, else by mergiraf where it is on the machine; what it is not sure of is git's."""
    from agentsync.drivers.structure import merge_by_structure

    merged = by_format(repo, versions)
    return merged if isinstance(merged, bytes) else merge_by_structure(repo.environ, *versions)


def by_nobody(repo: Repo, versions: Versions) -> Answer:
    """A generated file: ours stays, in conflict, until its own tool makes it anew; a vendored one is not ours."""
    from agentsync.config.load import in_force_or_last
    from agentsync.merging.generated import generator_of
    from agentsync.text import shell_path

    found = generator_of(versions.path, in_force_or_last(repo)[0].config)
    if found is None:
        return None
    command = found.command or "the tool that writes it"
    name = shell_path(versions.path)
    sys.stderr.write(f"agentsync: {name} is generated; make it anew: {command} && git add {name}\n")
    return versions.ours


DRIVERS: dict[str, Callable[[Repo, Versions], Answer]] = {
    "tasks": by_tasks,
    "lineage": by_lineage,
    "formats": by_format,
    "lines": by_format,
    "source": by_structure,
    "regenerate": by_nobody,
}


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    aside = f"{path}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(data)
    os.chmod(aside, os.stat(path).st_mode)
    os.replace(aside, path)


def _leave_conflict(repo: Repo, versions: Versions, why: str, marker_size: str) -> bytes:
    """The versions with conflict markers, and on standard error what is in conflict."""
    from agentsync.git.merge_file import conflict_text
    from agentsync.text import one_line, shell_path

    sys.stderr.write(f"agentsync: conflict in {shell_path(versions.path)}: {one_line(why, 200)}\n")
    return conflict_text(repo.environ, versions[1:], int(marker_size) if marker_size.isdigit() else 7)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one driver for git; see `hooks/merge-driver` for what the exit codes mean."""
    driver, base, ours, theirs, marker_size, path = list(sys.argv[1:] if argv is None else argv)[:6]
    if driver not in DRIVERS:  # git's configuration is of another version
        return GIVE_UP
    signal.alarm(SECONDS)
    versions = Versions(os.fsencode(path), _read(base), _read(ours), _read(theirs))
    repo = from_hook(dict(os.environ))
    answer = DRIVERS[driver](repo, versions)
    if answer is None:
        return GIVE_UP
    merged = answer if isinstance(answer, bytes) else _leave_conflict(repo, versions, answer.why, marker_size)
    if merged != versions.ours:
        _write(ours, merged)
    return MERGED if isinstance(answer, bytes) and driver != "regenerate" else CONFLICT
