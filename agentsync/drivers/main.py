"""The merge drivers: `<driver> %O %A %B %L %P`. The result is built in memory and written into %A once, last."""

from __future__ import annotations

import os
import signal
import sys

from agentsync.git.repo import Repo, from_hook
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MERGED, CONFLICT, GIVE_UP = 0, 10, 1  # hooks/merge-driver: 1 means git's own merge
SECONDS = 10  # a driver that takes longer is ended by its alarm, and git merges by itself


class Versions(NamedTuple):
    """The three contents to merge, and the path that they stand at."""

    path: bytes
    base: bytes
    ours: bytes
    theirs: bytes


def by_tasks(repo: Repo, versions: Versions) -> bytes | None:
    """TASKS.md, by task id."""
    del repo
    from agentsync.tasks.grammar import decode, encode
    from agentsync.tasks.merge import merge_plans

    merged = merge_plans(*(decode(text) for text in versions[1:]))
    return None if merged is None else encode(merged)


def by_lineage(repo: Repo, versions: Versions) -> bytes | None:
    """A locked path, by its chain; where that does not tell, by its format."""
    from agentsync.drivers.lineage import by_chain

    return by_chain(repo, *versions) or by_format(repo, versions)


def by_format(repo: Repo, versions: Versions) -> bytes | None:
    """A manifest, changelog, translation, dump or registry, by what its format says."""
    from agentsync.git.merge_file import merge_lines
    from agentsync.merging.formats import merge_format

    return merge_format(*versions, lambda *sides: merge_lines(repo.environ, *sides))


def by_structure(repo: Repo, versions: Versions) -> bytes | None:
    """A source file, by mergiraf where it is on the machine; what it is not sure of is git's."""
    from agentsync.drivers.structure import merge_by_structure

    return merge_by_structure(repo.environ, *versions)


def by_nobody(repo: Repo, versions: Versions) -> bytes | None:
    """A generated file: ours stays, in conflict, until its own tool makes it anew."""
    from agentsync.config.load import in_force_or_last
    from agentsync.merging.generated import generator_of
    from agentsync.text import shell_path

    found = generator_of(versions.path, in_force_or_last(repo)[0].config)
    command = found.command if found and found.command else "the tool that writes it"
    name = shell_path(versions.path)
    sys.stderr.write(f"agentsync: {name} is generated; make it anew: {command} && git add {name}\n")
    return versions.ours


DRIVERS: dict[str, Callable[[Repo, Versions], bytes | None]] = {
    "tasks": by_tasks,
    "lineage": by_lineage,
    "formats": by_format,
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


def main(argv: Sequence[str] | None = None) -> int:
    """Run one driver for git; see `hooks/merge-driver` for what the exit codes mean."""
    driver, base, ours, theirs, _, path = list(sys.argv[1:] if argv is None else argv)[:6]
    if driver not in DRIVERS:  # git's configuration is of another version
        return GIVE_UP
    signal.alarm(SECONDS)
    versions = Versions(os.fsencode(path), _read(base), _read(ours), _read(theirs))
    merged = DRIVERS[driver](from_hook(dict(os.environ)), versions)
    if merged is None:
        return GIVE_UP
    if merged != versions.ours:
        _write(ours, merged)
    return CONFLICT if driver == "regenerate" else MERGED
