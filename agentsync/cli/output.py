"""Printing: the answer to stdout, narration to stderr, JSON in one envelope."""

from __future__ import annotations

import sys

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from agentsync.errors import AgentsyncError

SCHEMA = 1


def _print(stream: TextIO, line: str) -> None:
    stream.write(line.encode("utf-8", "replace").decode("utf-8") + "\n")


def answer(line: str = "") -> None:
    """One line of the answer."""
    _print(sys.stdout, line)


def narrate(line: str) -> None:
    """One line beside the answer."""
    _print(sys.stderr, line)


def answer_json(data: object) -> None:
    """The answer as JSON."""
    _print_json({"schema": SCHEMA, "ok": True, "data": data})


def _print_json(envelope: dict[str, object]) -> None:
    import json

    answer(json.dumps(envelope, indent=2, ensure_ascii=True))


def report(error: AgentsyncError, *, as_json: bool) -> None:
    """Print an error where its reader looks for it."""
    lines = _fitting(error.bare_lines())
    if as_json:
        why, following = (error.why, error.next_command) if lines == error.bare_lines() else (*lines[1:3], "", "")[:2]
        facts = {"kind": error.kind, "what": error.what, "why": why, "next": following}
        _print_json({"schema": SCHEMA, "ok": False, "error": facts})
        return
    narrate(f"agentsync: {lines[0]}")
    for line in lines[1:]:
        narrate(f"  {line}")


def _fitting(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The lines as they fit where we are: what offers other work is left out where no task is free."""
    from agentsync.errors import OTHER_WORK, AgentsyncError

    if OTHER_WORK not in lines:
        return lines
    import os

    from agentsync.config.load import in_force
    from agentsync.git.repo import discover
    from agentsync.state.store import Store
    from agentsync.tasks.plan import fitting

    try:
        repo = discover(dict(os.environ))
        return fitting(repo, in_force(repo), Store(repo.shared_dir, repo.environ).snapshot(), lines)
    except AgentsyncError:
        return lines


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines, without trailing blanks."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
