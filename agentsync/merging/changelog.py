"""Changelogs three ways: entries merge per release and section. Pure.

An entry added under a heading stays under it, even where the other side cut a release meanwhile.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError, NotMineError, woven

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.merging.hunks import Hunk, LineMerge

    Entry = tuple[str, str]  # the heading that it stands under, and its words

_UNDERLINE = re.compile(r"^(={3,}|-{3,}|~{3,}|\^{3,})\s*$")
_ENTRY = re.compile(r"^(\s*)([-*+]|\d+\.)\s+\S")
_DEFINED = re.compile(r"^(?:\.\. _|\[[^\]]+\]:\s)")  # where a link leads, one a line
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
            (bullet and len(bullet[1]) <= depth)
            or _DEFINED.match(line)
            or (fresh and line.strip() and not line.startswith((" ", "\t")))
        )
        if starts or not pieces:
            pieces.append(line)
            depth = len(bullet[1]) if bullet else 3
        else:
            pieces[-1] += line
        fenced ^= bool(_FENCE.match(line))
        fresh = not line.strip()
    return tuple(pieces)


def _both(hunk: Hunk, _before: Sequence[bytes], _after: Sequence[bytes]) -> list[bytes]:
    """Both sides' entries, ours first; one that both added stands once."""
    mine, other = (_pieces([line.decode() for line in side]) for side in (hunk.ours, hunk.theirs))
    known = {" ".join(piece.split()) for piece in mine if piece.strip()}
    kept = [piece for piece in other if " ".join(piece.split()) not in known]
    ended = [piece if piece.endswith("\n") else piece + "\n" for piece in mine]
    return [piece.encode() for piece in (*ended, *kept)]


def merge_changelog(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """Three versions of a changelog as one.

    Raises ConflictError where both sides changed one entry differently, or where an entry goes does not tell.
    """
    try:
        texts = [side.decode("utf-8") for side in (base, ours, theirs)]
    except UnicodeDecodeError as error:
        raise NotMineError(str(error)) from error
    before, mine, other = ({block.name: block for block in blocks_of(text)} for text in texts)
    said = _Said(*(_entries_of(side.values()) for side in (before, mine, other)))
    wanted = said.merged()
    names = _names(before, mine, other, wanted)
    merged = lines(base, ours, theirs)
    if all(hunk.only_inserts for hunk in merged.hunks):
        text = merged.resolved(_both)
        if _holds(text, wanted, names):
            return text
    made = _assembled(before, mine, other, wanted, names)
    if not (texts[1].endswith("\n") and texts[2].endswith("\n")):
        made = made.removesuffix("\n")
    for reading in itertools.chain(merged.readings(), [made.encode()]):
        if _holds(reading, wanted, names):
            return reading
    raise ConflictError("no text says under each heading what both sides say")


def _entries_of(blocks: Iterable[Block]) -> Counter[Entry]:
    """What a changelog says under which heading, whatever the order of entries and the blanks between."""
    found = ((block.name, " ".join(piece.split())) for block in blocks for piece in block.pieces)
    return Counter((name, words) for name, words in found if words)


def _holds(text: bytes, wanted: Counter[Entry], names: set[str]) -> bool:
    blocks = blocks_of(text.decode("utf-8", "replace"))
    return _entries_of(blocks) == wanted and {block.name for block in blocks} == names


class _Said(NamedTuple):
    """The entries of the three versions."""

    before: Counter[Entry]
    mine: Counter[Entry]
    other: Counter[Entry]

    def merged(self) -> Counter[Entry]:
        """Each side's entries, without what either removed.

        Raises ConflictError where both sides changed one.
        """
        merged: Counter[Entry] = Counter()
        for key in {**self.before, **self.mine, **self.other}:
            old, one, two = self.before[key], self.mine[key], self.other[key]
            if len({old, one, two}) > 2:
                raise ConflictError(f"{key[1][:60]!r} stands a different number of times on each side")
            merged[key] = two if one == old else one
            if old and not one and not two:
                self._require_one_fate(key)
        return +merged

    def _require_one_fate(self, entry: Entry) -> None:
        """Refuse an entry that both sides took away, unless both put it to one place, or nothing in its place."""
        added = [side - self.before for side in (self.mine, self.other)]
        targets = [{name for name, words in side if words == entry[1]} for side in added]
        fresh = [{key for key in side if key[0] == entry[0]} for side in added]
        if targets[0] != targets[1] or (not targets[0] and fresh[0] != fresh[1]):
            raise ConflictError(f"both sides changed the entry {entry[1][:60]!r}")


_NOT_RELEASED = re.compile(
    r"unreleased|not released|upcoming|\bnext\b|in development|\b(?:head|main|master|dev)\b", re.I
)


def _names(
    before: Mapping[str, Block], mine: Mapping[str, Block], other: Mapping[str, Block], wanted: Counter[Entry]
) -> set[str]:
    """The headings of the merge: those of both and the new ones, and one that a side removed if it still has entries.

    Raises ConflictError for the latter, unless the entries of that side were released meanwhile.
    """
    names = {name for name in {**mine, **other} if (name in mine and name in other) or name not in before}
    paths = [name.split("\n") for name in names | {name for name, _ in wanted}]
    for name in {"\n".join(path[: depth + 1]) for path in paths for depth in range(len(path))} - names:
        parts = name.split("\n")
        if not any(_NOT_RELEASED.search(part) for part in parts):
            raise ConflictError(f"one side removed the heading {parts[-1]!r}, the other has entries there")
        gone = mine if name not in mine else other
        moved = _entries_of([before[name]]).keys() if name in before else set()
        for kept in {key[0] for _, words in moved for key in _entries_of(gone.values()) if key[1] == words}:
            if kept.split("\n")[:-1] == parts[:-1] and not _NOT_RELEASED.search(parts[-1]):
                raise ConflictError(f"one side made {parts[-1]!r} another heading, the other has entries there")
        names.add(name)
    return names


def _assembled(
    before: Mapping[str, Block],
    mine: Mapping[str, Block],
    other: Mapping[str, Block],
    wanted: Counter[Entry],
    names: set[str],
) -> str:
    order = [name for name in _heading_order(list(before), list(mine), list(other)) if name in names]
    parts = [_merged_block(before.get(name), mine.get(name), other.get(name), wanted) for name in order]
    return "".join(part if part.endswith("\n") or not part else part + "\n" for part in parts)


def _heading_order(base: list[str], ours: list[str], theirs: list[str]) -> list[str]:
    """Ours, with each of theirs below its own heading: before what it stands before there, as changelogs grow.

    What ours took away comes back after what it stood behind.
    """
    out = list(ours)
    for at, name in enumerate(theirs):
        if name in out:
            continue
        parent = name.rpartition("\n")[0]
        siblings = [one for one in out if one.rpartition("\n")[0] == parent and one != parent]
        later = next((one for one in theirs[at:] if one in siblings), None)
        earlier = next((one for one in reversed(theirs[:at]) if one in siblings), None)
        if name not in base and later is not None:
            out.insert(out.index(later), name)
        elif earlier is not None or name not in base:
            out.insert(_end_of(out, earlier or (siblings[-1] if siblings else parent)), name)
        else:
            out.insert(out.index(parent) + 1 if parent in out else min(1, len(out)), name)
    return out


def _end_of(names: list[str], name: str) -> int:
    """Where what stands below a heading ends."""
    inside = [index for index, one in enumerate(names) if one == name or one.startswith(f"{name}\n")]
    return inside[-1] + 1 if inside else len(names)


def _merged_block(base: Block | None, ours: Block | None, theirs: Block | None, wanted: Counter[Entry]) -> str:
    """One heading with the entries of the merge, in our order, theirs after what they follow there."""
    shown = ours or theirs or base
    if shown is None:
        return ""
    sides = [side.pieces if side else () for side in (base, ours, theirs)]
    if sides[1] == sides[2] or (sides[2] == sides[0] and theirs):
        return shown.heading + "".join(sides[1])
    if sides[1] == sides[0] and ours:
        return shown.heading + "".join(sides[2])
    mine, other = _by_words(ours), _by_words(theirs)
    kept = [key for key in woven(list(mine), list(other)) if not key or (shown.name, key) in wanted]
    return shown.heading + _spaced([mine.get(key) or other[key] for key in kept], ours or shown, theirs or shown)


def _by_words(block: Block | None) -> dict[str, str]:
    """Entries by their words, whatever the blanks between."""
    pieces = block.pieces if block else ()
    found = {" ".join(piece.split()): piece for piece in pieces}
    if block and len(found) != len(pieces):
        raise ConflictError(f"an entry stands twice under {block.name!r}")
    return found


def _spaced(pieces: Sequence[str], like: Block, other: Block) -> str:
    """Entries one under another with the blank lines that ours has between them, and before the next heading."""
    if not pieces:
        return ""
    ends = ["".join(side.pieces[-1:]) for side in (like, other)]
    tail = max((end[len(end.rstrip("\n")) :] for end in ends if end.strip()), key=len, default="") or "\n"
    between = [piece for piece in like.pieces[:-1] if piece.strip()]
    gap = "\n\n" if sum(piece.endswith("\n\n") for piece in between) * 2 > max(1, len(between)) else "\n"
    out = [
        piece if not piece.strip() or piece in between else piece.rstrip("\n") + gap
        for piece in (piece if piece.endswith("\n") else piece + "\n" for piece in pieces)
    ]
    out[-1] = pieces[-1].rstrip("\n") + tail
    return "".join(out)
