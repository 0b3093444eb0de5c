"""Printing: the answer to stdout, narration to stderr, colour only on a terminal, JSON in one envelope."""

from __future__ import annotations

import json
import os
import sys

import click

from agentsync.errors import AgentsyncError
from agentsync.holders.identity import in_agent_tool
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMA = 1


def wants_colour(stream_is_terminal: bool) -> bool:  # noqa: FBT001 (one fact, one argument)
    """Whether to colour: a terminal, no `NO_COLOR`, no agent reading."""
    return stream_is_terminal and not os.environ.get("NO_COLOR") and not in_agent_tool(os.environ)


def _safe(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")


def answer(line: str = "") -> None:
    """One line of the answer."""
    click.echo(_safe(line), color=wants_colour(sys.stdout.isatty()))


def narrate(line: str) -> None:
    """One line beside the answer."""
    click.echo(_safe(line), err=True, color=wants_colour(sys.stderr.isatty()))


def answer_json(data: object) -> None:
    """The answer as JSON."""
    click.echo(json.dumps({"schema": SCHEMA, "ok": True, "data": data}, indent=2, ensure_ascii=True))


def report(error: AgentsyncError, *, as_json: bool) -> None:
    """Print an error where its reader looks for it."""
    if as_json:
        facts = {"kind": error.kind, "what": error.what, "why": error.why, "next": error.next_command}
        click.echo(json.dumps({"schema": SCHEMA, "ok": False, "error": facts}, indent=2, ensure_ascii=True))
        return
    for line in error.lines():
        narrate(line)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned lines, without trailing blanks."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
