"""Rails' db/schema.rb three ways: the newest version, tables, columns and indexes by name. Pure."""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING
from agentsync.merging.three_way import ConflictError, NotMineError, merge_values, same

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.merging.hunks import Hunk, LineMerge, Merged

_VERSION = re.compile(rb"(?<=version)((?:: | => ))([\d_]+)")
_TABLE = re.compile(r"^\s*create_table\s+[\"':]?([\w.]+)")
_COLUMN = re.compile(r"^\s*t\.(\w+)\s*\(?\s*(\[[^\]]*\]|[\"':]?[\w.]+)")
_STATEMENT = re.compile(r"^\s*(\w+)\b(.*)$")
_NAME = re.compile(r"(?:\bname:|:name\s*=>)\s*[\"']([^\"']+)")
_NOT_COLUMNS = ("index", "check_constraint", "unique_constraint", "exclusion_constraint", "foreign_key")


def merge_schema(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """Three versions of a dump as one.

    Raises ConflictError where both sides changed one column, index or statement differently, NotMineError where a
    side is no dump.
    """
    before, mine, other = _with_newest_version(base, ours, theirs)
    wanted = merge_values(_read(before), _read(mine), _read(other))
    for text in _candidates(lines(before, mine, other)):
        try:
            if same(_read(text), wanted):
                return text
        except NotMineError:
            continue
    raise ConflictError("both changed neighbouring lines")


def _candidates(merged: Merged) -> Iterator[bytes]:
    if merged.hunks and all(hunk.only_inserts for hunk in merged.hunks):
        yield merged.resolved(_both)
    yield from merged.readings()


def _both(hunk: Hunk, _before: Sequence[bytes], _after: Sequence[bytes]) -> list[bytes]:
    """Both sides' insertions: tables, indexes and foreign keys by name as Rails dumps them, columns ours first."""
    sides = [hunk.ours, hunk.theirs]
    starts = [next((line.strip() for line in side if line.strip()), b"") for side in sides]
    if all(start.startswith((b"create_table", b"add_foreign_key", b"t.index")) for start in starts):
        sides.sort(key=lambda side: next((line.strip() for line in side if line.strip()), b""))
    gap = [b"\n"] if starts[0].startswith(b"create_table") and sides[0][-1].strip() and sides[1][0].strip() else []
    return [*sides[0], *gap, *sides[1]]


def _with_newest_version(base: bytes, ours: bytes, theirs: bytes) -> tuple[bytes, bytes, bytes]:
    """The three dumps, all with the newest version, so that it no longer conflicts."""
    versions = [_VERSION.search(side) for side in (base, ours, theirs)]
    if not versions[1] or not versions[2]:
        raise NotMineError("a dump names no version")
    newest = max((found[2] for found in versions if found), key=lambda text: int(text.replace(b"_", b"")))
    dumps = [_VERSION.sub(rb"\g<1>" + newest, side, count=1) for side in (base, ours, theirs)]
    return dumps[0], dumps[1], dumps[2]


def _read(dump: bytes) -> dict[str, dict[str, str]]:
    """A dump's tables by name, each as what it says of its columns and indexes; statements outside stand under "".

    Raises NotMineError where a table has something twice, which no database would.
    """
    found: dict[str, dict[str, str]] = {"": {}}
    table = ""
    for line in dump.decode("utf-8", "replace").splitlines():
        text = " ".join(line.split())
        if not text or text.startswith("#"):
            continue
        opened = _TABLE.match(line)
        if opened:
            table = opened[1]
            if table in found:
                raise NotMineError(f"the table {table} stands twice")
            found[table] = {"create_table": text}
        elif table and text == "end":
            table = ""
        else:
            key = _key_in_table(line) if table else _key_of_statement(line)
            if key in found[table]:
                raise NotMineError(f"{key} stands twice")
            found[table][key] = text
    return found


def _key_in_table(line: str) -> str:
    column = _COLUMN.match(line)
    if column is None:
        return line.strip()
    if column[1] in _NOT_COLUMNS:
        named = _NAME.search(line)
        return f"{column[1]} {named[1] if named else line.strip()}"
    return f"column {column[2].strip(chr(34) + chr(39) + ':')}"


def _key_of_statement(line: str) -> str:
    statement = _STATEMENT.match(line)
    if statement is None:
        return line.strip()
    named = _NAME.search(line)
    if named and statement[1].startswith("add_"):
        return f"{statement[1]} {named[1]}"
    words = re.findall(r"\[[^\]]*\]|[\"':][\w.]+", statement[2])
    column = re.search(r"\bcolumn(?::|\s*=>) *[\"':]?(\w+)", line)
    return " ".join([statement[1], *words[: 2 if statement[1].startswith("add_") else 1], column[1] if column else ""])
