"""The merge of TASKS.md by task id. Pure: three texts in; out comes one, a conflict, or None where ids tell nothing."""

from __future__ import annotations

import itertools
import re

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.line_ends import with_line_feeds
from agentsync.merging.three_way import Conflict, ConflictError, merge_sequences, woven
from agentsync.tasks.grammar import Task, decode, duplicates, encode, hidden, parse, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_HEADING = re.compile(r"^\ufeff?(#{1,6})[ \t]+(.*?)[ \t#]*$")
_STARTS = re.compile(r"^[ \t]*(?:[-*+>]|\d+[.)])[ \t]|^#{1,6}[ \t]")  # what no paragraph goes on with


class _Piece(NamedTuple):
    """A heading, a task with all that is indented below it, or a paragraph; and the blank lines behind.

    `key` names it in its section: `#` and the path of headings, `:` and a task's id, `.` and the words of a paragraph.
    """

    key: str
    text: str
    gap: str


class _Plan(NamedTuple):
    """A TASKS.md: its sections by their headings (the first has none), in order, each with its pieces in order."""

    sections: dict[str, list[_Piece]]

    def pieces(self) -> list[_Piece]:
        """All of them in order."""
        return [piece for section in self.sections.values() for piece in section]

    def tasks(self) -> dict[str, tuple[str, str]]:
        """Each task's section and text, by its key."""
        return {
            piece.key: (name, piece.text)
            for name, section in self.sections.items()
            for piece in section
            if piece.key.startswith(":")
        }

    def prose(self, section: str) -> set[str]:
        """The paragraphs of a section."""
        return {piece.key for piece in self.sections.get(section, ()) if piece.key.startswith(".")}


def merge_plans(base: str, ours: str, theirs: str) -> str | Conflict | None:
    """The merge of two TASKS.md by task id, in our order; what only they have follows what it follows there.

    None where ids stand twice on a side; a conflict where both sides changed one task or paragraph differently, gave
    one id to two tasks, or where a task goes does not tell.
    """
    if any(duplicates(parse(text)) for text in (ours, theirs)):
        return None
    sides, end = with_line_feeds(encode(base), encode(ours), encode(theirs))
    texts = [decode(side) for side in sides]
    try:
        merged = _merge(*texts)
    except ConflictError as error:
        return Conflict(str(error))
    return decode(encode(merged).replace(b"\n", end))


def _merge(base: str, ours: str, theirs: str) -> str:
    before, mine, other = (_read(text) for text in (base, ours, theirs))
    tasks = _tasks(before, mine, other)
    _require_one_rewording(base, ours, theirs)
    sections = {}
    for name in _in_one_order(list(before.sections), list(mine.sections), list(other.sections)):
        pieces = _section(name, before, mine, other, tasks)
        had = [name in plan.sections for plan in (before, mine, other)]
        if all(had[1:]) or not had[0]:
            sections[name] = pieces
        elif any(not piece.key.startswith("#") for piece in pieces):
            raise ConflictError(f"one side removed the heading {_title(name)!r}, the other has tasks or text there")
    merged = _rendered(_Plan(sections), before, mine, other)
    if not (ours if theirs.endswith("\n") == base.endswith("\n") else theirs).endswith("\n"):
        merged = merged.rstrip("\n")
    if _read(merged).tasks() != tasks:
        raise ConflictError("no text has each task once, in its section")
    return merged


def _title(name: str) -> str:
    return name.rpartition("\n")[2].lstrip("# ")


def _read(text: str) -> _Plan:
    lines = split_lines(text)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    unseen = hidden(lines)
    starts = {task.line: task for task in parse(text)}
    above: list[tuple[int, str]] = []
    sections: dict[str, list[_Piece]] = {"": []}
    section, at = "", 0
    while at < len(lines):
        heading = None if unseen[at] else _HEADING.match(lines[at].rstrip("\r\n"))
        end = at + 1
        if heading:
            above = [one for one in above if one[0] < len(heading[1])] + [(len(heading[1]), heading[0])]
            section = _counted("\n".join(title for _, title in above), sections)
            sections[section] = []
            key = f"#{section}"
        elif at in starts:
            end = _end_of_task(lines, at, unseen)
            key = f":{starts[at].id.lower()}"
        else:
            while end < len(lines) and (unseen[end] if unseen[at] else _goes_on(lines[end], end, unseen, starts)):
                end += 1
            words = " ".join("".join(lines[at:end]).split())
            key = _counted(f".{words}", [piece.key for piece in sections[section]])
        blank = end
        while blank < len(lines) and not lines[blank].strip():
            blank += 1
        sections[section].append(_Piece(key, "".join(lines[at:end]), "".join(lines[end:blank])))
        at = blank
    return _Plan(sections)


def _counted(name: str, known: Iterable[str]) -> str:
    """A name, counted where it stands already."""
    times = sum(one.partition("\0")[0] == name for one in known)
    return f"{name}\0{times}" if times else name


def _goes_on(line: str, at: int, unseen: Sequence[bool], starts: Mapping[int, Task]) -> bool:
    """Whether a paragraph goes on with a line."""
    return bool(line.strip()) and at not in starts and not unseen[at] and not _STARTS.match(line)


def _end_of_task(lines: Sequence[str], start: int, unseen: Sequence[bool]) -> int:
    """Where a task ends: its paragraphs, fields and the tasks below it are indented deeper."""
    depth = _indent(lines[start])
    end = at = start + 1
    while at < len(lines):
        blank = not lines[at].strip()
        lazy = not blank and at == end and not unseen[at] and not _STARTS.match(lines[at])
        if not blank and not lazy and _indent(lines[at]) <= depth:
            break
        at += 1
        end = end if blank else at
    return end


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t\ufeff"))


def _tasks(before: _Plan, mine: _Plan, other: _Plan) -> dict[str, tuple[str, str]]:
    """Where each task of the merge stands, and its text."""
    known = [plan.tasks() for plan in (before, mine, other)]
    found = {}
    for key in {**known[0], **known[1], **known[2]}:
        old, one, two = (side.get(key, ("", None)) for side in known)
        section = two[0] if one[0] in (old[0], two[0]) else one[0] if two[0] == old[0] else None
        if section is None:
            raise ConflictError(f"the task {key[1:]} stands under two headings")
        text = _merge_text(key[1:], old[1], one[1], two[1])
        if text is not None:
            found[key] = (section, text)
    return found


def _merge_text(name: str, base: str | None, ours: str | None, theirs: str | None) -> str | None:
    """One task's lines, three ways; None when it is gone."""
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    if ours is None or theirs is None or base is None:
        raise ConflictError(f"both sides {'have' if base is None else 'changed'} the task {name}, differently")
    olds, mine, other = (split_lines(text) for text in (base, ours, theirs))
    body = merge_sequences(list(olds[1:]), list(mine[1:]), list(other[1:]))
    first = _merge_heads(olds[0], mine[0], other[0])
    if body is None or not first:
        raise ConflictError(f"both sides changed the task {name}, differently")
    return first + "".join(str(line) for line in body)


def _merge_heads(base: str, ours: str, theirs: str) -> str:
    """A task's first line: done wins over open; empty where both reworded it, or two agents have it."""
    if theirs in (ours, base):
        return ours
    if ours == base:
        return theirs
    one, two, old = (parse(text)[0] for text in (ours, theirs, base))
    if _wording(one) != _wording(two):
        return ""
    if one.done != two.done:
        done, done_line = (one, ours) if one.done else (two, theirs)
        other = two if one.done else one
        return done_line if other.agent in ("", done.agent, old.agent) else ""
    return ours if one.agent == two.agent else ""


def _wording(task: Task) -> tuple[str, str]:
    return task.id, task.title


def _require_one_rewording(base: str, ours: str, theirs: str) -> None:
    """Refuse tasks without an id that both sides reworded: they would stand twice."""
    before, mine, other = ({task.id for task in parse(text) if not task.has_id} for text in (base, ours, theirs))
    fresh = [side - before for side in (mine, other)]
    if before - mine - other and fresh[0] != fresh[1] and all(fresh):
        raise ConflictError(f"both sides changed the task {min(before - mine - other)}")


def _in_one_order(base: list[str], ours: list[str], theirs: list[str]) -> list[str]:
    """The items of both, in the order of the side that changed it, else in ours.

    Raises ConflictError where both changed the order.
    """
    known = set(base) & set(ours) & set(theirs)
    old, mine, other = ([item for item in side if item in known] for side in (base, ours, theirs))
    if mine == old != other:
        return woven(theirs, ours)
    if mine not in (old, other) and other != old:
        raise ConflictError("both sides changed the order")
    return woven(ours, theirs)


def _section(name: str, before: _Plan, mine: _Plan, other: _Plan, tasks: Mapping[str, tuple[str, str]]) -> list[_Piece]:
    """The pieces of one section of the merge, in order."""
    plans = (before, mine, other)
    prose = _merged_prose(name, *(plan.prose(name) for plan in plans))
    pieces = [{piece.key: piece for piece in plan.sections.get(name, ())} for plan in plans]
    found = []
    for key in _in_one_order(*(list(side) for side in pieces)):
        piece = pieces[1].get(key) or pieces[2][key]
        if not key.startswith(":"):
            found += [piece] if key[0] == "#" or key in prose else []
        elif key in tasks and tasks[key][0] == name:
            found.append(piece._replace(text=tasks[key][1]))
    return found


def _merged_prose(name: str, before: set[str], mine: set[str], other: set[str]) -> set[str]:
    if before - mine - other and mine - before != other - before:
        raise ConflictError(f"both sides changed the text under {_title(name)!r}")
    return (mine & other) | (mine - before) | (other - before)


def _rendered(plan: _Plan, before: _Plan, mine: _Plan, other: _Plan) -> str:
    """A plan as text: between neighbours what a side has there, between new ones a blank line."""
    gaps: dict[tuple[str, str], str] = {}
    for side in (before, other, mine):
        keys = [*(piece.key for piece in side.pieces()), ""]
        gaps |= {pair: piece.gap for pair, piece in zip(itertools.pairwise(keys), side.pieces(), strict=True)}
    pieces = plan.pieces()
    keys = [*(piece.key for piece in pieces), ""]
    last = mine.pieces()[-1].gap if mine.pieces() else ""
    return "".join(
        piece.text + gaps.get(pair, "\n" if pair[1] else last)
        for pair, piece in zip(itertools.pairwise(keys), pieces, strict=True)
    )
