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
    if as_json:
        facts = {"kind": error.kind, "what": error.what, "why": error.why, "next": error.next_command}
        _print_json({"schema": SCHEMA, "ok": False, "error": facts})
        return
    for line in error.lines():
        narrate(line)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines, without trailing blanks."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
