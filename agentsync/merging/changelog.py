"""Changelogs three ways: entries merge per release and section. Pure.

An entry added under a heading stays under it, even where the other side cut a release meanwhile.
"""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError, woven

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.merging.hunks import Hunk, LineMerge

_UNDERLINE = re.compile(r"^(={3,}|-{3,}|~{3,}|\^{3,})\s*$")
_ENTRY = re.compile(r"^(\s*)([-*+]|\d+\.)\s+\S")
_FENCE = re.compile(r"^\s*(```|~~~)")


class Block(NamedTuple):
    """A heading with the lines up to the next: its name (with those above it), text, and the pieces below."""

    name: str
    heading: str
    pieces: tuple[str, ...]


def blocks_of(text: str) -> list[Block]:
    """A changelog as headings with their entries; an entry is a bullet with all below it, or a paragraph."""
    lines = text.splitlines(keepends=True)
    found: list[Block] = []
    heading, name, body = "", "", []
    above: list[tuple[int, str]] = []
    index = 0
    fenced = False
    while index < len(lines):
        fenced ^= bool(_FENCE.match(lines[index]))
        depth, size = (0, 0) if fenced else _heading_at(lines, index)
        if not size:
            body.append(lines[index])
            index += 1
            continue
        found.append(Block(_unique(name, found), heading, _pieces(body)))
        heading, body = "".join(lines[index : index + size]), []
        above = [one for one in above if one[0] < depth] + [(depth, lines[index].strip())]
        name = "\n".join(title for _, title in above)
        index += size
    return [*found, Block(_unique(name, found), heading, _pieces(body))]


def _unique(name: str, known: Sequence[Block]) -> str:
    """A heading's name, counted where history has it twice."""
    times = sum(block.name.partition("\0")[0] == name for block in known)
    return f"{name}\0{times}" if times else name


def _heading_at(lines: Sequence[str], index: int) -> tuple[int, int]:
    """Depth and length in lines of a heading, 0 for none: Markdown's `#`, or an underline as in reStructuredText."""
    line = lines[index]
    marks = len(line) - len(line.lstrip("#"))
    if 0 < marks <= 6 and line[marks : marks + 1] == " ":
        return marks, 1
    below = lines[index + 1] if index + 1 < len(lines) else ""
    if line.strip() and not line.startswith((" ", "\t", "-", "*")) and _UNDERLINE.match(below):
        return 1 + "=-~^".index(below[0]), 2
    return 0, 0


def _pieces(body: Sequence[str]) -> tuple[str, ...]:
    """Entries with what is indented below them and the blank lines behind; fenced code is never parted."""
    pieces: list[str] = []
    fresh, fenced, depth = True, False, 0
    for line in body:
        bullet = _ENTRY.match(line)
        starts = not fenced and bool(
            (bullet and len(bullet[1]) <= depth) or (fresh and line.strip() and not line.startswith((" ", "\t")))
        )
        if starts or not pieces:
            pieces.append(line)
            depth = len(bullet[1]) if bullet else 3
        else:
            pieces[-1] += line
        fenced ^= bool(_FENCE.match(line))
        fresh = not line.strip()
    return tuple(pieces)


def merge_changelog(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """Three versions of a changelog as one.

    Raises ConflictError where both sides changed one entry differently.
    """
    try:
        texts = [side.decode("utf-8") for side in (base, ours, theirs)]
    except UnicodeDecodeError as error:
        raise ConflictError(str(error)) from error
    merged = lines(base, ours, theirs)
    known = [{block.name: block for block in blocks_of(text)} for text in texts]
    same_headings = known[0].keys() == known[1].keys() == known[2].keys()
    if same_headings and all(hunk.only_inserts for hunk in merged.hunks):
        return merged.resolved(_both)
    out = []
    for name in _heading_order(list(known[1]), list(known[2])):
        before, mine, other = (side.get(name) for side in known)
        if before is not None and (mine is None or other is None):
            if (mine or other) != before:
                raise ConflictError(f"{name!r} was removed on one side and changed on the other")
            continue
        out.append(_merge_block(before, mine, other))
    made = "".join(part if part.endswith("\n") or not part else part + "\n" for part in out)
    if not (texts[1].endswith("\n") and texts[2].endswith("\n")):
        made = made.removesuffix("\n")
    for reading in merged.readings():
        if _said(reading.decode("utf-8", "replace")) == _said(made):
            return reading
    return made.encode()


def _said(text: str) -> dict[str, list[str]]:
    """What a changelog says under which heading, whatever the order of entries and the blanks between."""
    return {block.name: sorted(" ".join(piece.split()) for piece in block.pieces) for block in blocks_of(text)}


def _both(hunk: Hunk, _before: Sequence[bytes], _after: Sequence[bytes]) -> list[bytes]:
    """Both sides' entries, ours first; one that both added stands once."""
    mine, other = (_pieces([line.decode() for line in side]) for side in (hunk.ours, hunk.theirs))
    known = {" ".join(piece.split()) for piece in mine if piece.strip()}
    kept = [piece for piece in other if " ".join(piece.split()) not in known]
    ended = [piece if piece.endswith("\n") else piece + "\n" for piece in mine]
    return [piece.encode() for piece in (*ended, *kept)]


def _heading_order(ours: list[str], theirs: list[str]) -> list[str]:
    """Ours, with each of theirs before what it stands before there: a changelog grows at its top."""
    out = list(ours)
    after = None
    for name in reversed(theirs):
        if name not in out:
            out.insert(out.index(after) if after is not None else len(out), name)
        after = name
    return out


def _merge_block(base: Block | None, ours: Block | None, theirs: Block | None) -> str:
    """One heading with the entries of both sides, without what either removed."""
    shown = ours or theirs
    if shown is None:
        return ""
    if ours is None or theirs is None or ours.pieces == theirs.pieces or (base and base.pieces == theirs.pieces):
        return shown.heading + "".join(shown.pieces)
    if base and base.pieces == ours.pieces:
        return shown.heading + "".join(theirs.pieces)
    before, mine, other = (_by_words(side) for side in (base, ours, theirs))
    edited = [
        any(key not in side for key in before) and any(key not in before for key in side) for side in (mine, other)
    ]
    removed_twice = any(key not in mine and key not in other for key in before)
    if mine.keys() != other.keys() and (all(edited) or (any(edited) and removed_twice)):
        raise ConflictError(f"both sides changed entries under {ours.name!r}")
    gone = {key for key in before if key not in mine or key not in other}
    kept = [key for key in woven(list(mine), list(other)) if key not in gone]
    return shown.heading + _spaced([mine.get(key) or other[key] for key in kept], ours, theirs)


def _by_words(block: Block | None) -> dict[str, str]:
    """Entries by their words, whatever the blanks between."""
    pieces = block.pieces if block else ()
    found = {" ".join(piece.split()): piece for piece in pieces}
    if block and len(found) != len(pieces):
        raise ConflictError(f"an entry stands twice under {block.name!r}")
    return found


def _spaced(pieces: list[str], like: Block, other: Block) -> str:
    """Entries one under another as ours has them; the blank lines before the next heading stay last."""
    if not pieces:
        return ""
    ends = ["".join(side.pieces[-1:]) for side in (like, other)]
    tail = max((end[len(end.rstrip("\n")) :] for end in ends if end.strip()), key=len, default="") or "\n"
    loose = sum(piece.endswith("\n\n") for piece in like.pieces[:-1]) * 2 > max(1, len(like.pieces) - 1)
    gap = "\n\n" if loose else "\n"
    out = [piece.rstrip("\n") + (gap if piece.strip() else "\n") for piece in pieces]
    out[-1] = pieces[-1].rstrip("\n") + tail
    return "".join(out)
