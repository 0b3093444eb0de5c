"""The merge drivers: `<driver> %O %A %B %L %P`. The result is built in memory and written into %A once, last."""

from __future__ import annotations

import os
import sys

from agentsync.git.repo import Repo, from_hook
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MERGED, CONFLICT, GIVE_UP = 0, 10, 1  # hooks/merge-driver: 1 means git's own merge


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write(path: str, data: bytes) -> None:
    aside = f"{path}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(data)
    os.chmod(aside, os.stat(path).st_mode)
    os.replace(aside, path)


def _tasks(repo: Repo, base: str, ours: str, theirs: str, path: str) -> int:
    del repo, path
    from agentsync.tasks.grammar import decode, encode
    from agentsync.tasks.merge import merge_plans

    merged = merge_plans(*(decode(_read(name)) for name in (base, ours, theirs)))
    if merged is None:
        return GIVE_UP
    _write(ours, encode(merged))
    return MERGED


def _lineage(repo: Repo, base: str, ours: str, theirs: str, path: str) -> int:
    from agentsync.drivers.lineage import by_chain

    sides = [_read(name) for name in (base, ours, theirs)]
    merged = by_chain(repo, os.fsencode(path), *sides)
    if merged is None:
        return GIVE_UP
    _write(ours, merged)
    return MERGED


_DRIVERS: dict[str, Callable[[Repo, str, str, str, str], int]] = {"tasks": _tasks, "lineage": _lineage}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one driver for git; see `hooks/merge-driver` for what the exit codes mean."""
    driver, base, ours, theirs, _, path = list(sys.argv[1:] if argv is None else argv)[:6]
    return _DRIVERS[driver](from_hook(dict(os.environ)), base, ours, theirs, path)
