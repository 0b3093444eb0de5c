"""The merge of TASKS.md by task id. Pure: three texts in, one out, or None where a person must decide."""

from __future__ import annotations

from agentsync.lean import NamedTuple
from agentsync.tasks.grammar import Task, duplicates, parse, split_lines


class _Piece(NamedTuple):
    """A task's lines, or (with an empty id) lines between tasks."""

    id: str
    text: str


def _pieces(text: str) -> list[_Piece]:
    lines = split_lines(text)
    starts = [task.line for task in parse(text)]
    names = {task.line: task.id.lower() for task in parse(text)}
    pieces: list[_Piece] = []
    at = 0
    for start in starts:
        if start > at:
            pieces.append(_Piece("", "".join(lines[at:start])))
        end = _end_of_task(lines, start, starts)
        pieces.append(_Piece(names[start], "".join(lines[start:end])))
        at = end
    if at < len(lines):
        pieces.append(_Piece("", "".join(lines[at:])))
    return pieces


def _end_of_task(lines: list[str], start: int, starts: list[int]) -> int:
    end = start + 1
    while end < len(lines) and end not in starts and lines[end][:1] in (" ", "\t") and lines[end].strip():
        end += 1
    return end


def _merge_text(base: str | None, ours: str | None, theirs: str | None) -> tuple[bool, str | None]:
    """One task's lines, three ways: (decided, lines or None when the task is gone)."""
    if theirs in (ours, base):
        return True, ours
    if ours == base:
        return True, theirs
    if ours is None or theirs is None or base is None:
        return False, None
    return _merge_lines(base, ours, theirs)


def _merge_lines(base: str, ours: str, theirs: str) -> tuple[bool, str | None]:
    """Both changed a task: its first line and its fields are merged apart; done wins over open."""
    olds, mine, other = (split_lines(text) for text in (base, ours, theirs))
    if len({len(olds), len(mine), len(other)}) > 1:
        head_only = [lines[1:] for lines in (olds, mine, other)]
        body = mine[1:] if head_only[2] == head_only[0] else other[1:] if head_only[1] == head_only[0] else None
        if body is None:
            return False, None
    else:
        body = []
        for old, one, two in zip(olds[1:], mine[1:], other[1:], strict=True):
            if len({old, one, two}) > 2:
                return False, None
            body.append(two if one == old else one)
    first = _merge_heads(olds[0], mine[0], other[0])
    return (True, first + "".join(body)) if first else (False, None)


def _merge_heads(base: str, ours: str, theirs: str) -> str:
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


def merge_plans(base: str, ours: str, theirs: str) -> str | None:
    """The merge of two TASKS.md by task id, in our order; what only they have follows what it follows there.

    None where ids stand twice, both sides changed the same task differently, or the text around tasks differs on
    both sides.
    """
    if any(duplicates(parse(text)) for text in (ours, theirs)):
        return None
    sides = [_pieces(text) for text in (base, ours, theirs)]
    between = ["".join(piece.text.strip("\r\n") for piece in side if not piece.id) for side in sides]
    if between[0] not in between[1:] and between[1] != between[2]:
        return None
    known = [{piece.id: piece.text for piece in side if piece.id} for side in sides]
    taken: dict[str, str | None] = {}
    for name in {**known[0], **known[1], **known[2]}:
        fine, text = _merge_text(*(side.get(name) for side in known))
        if not fine:
            return None
        taken[name] = text
    frame, guest = (
        (sides[2], sides[1]) if between[1] == between[0] and between[2] != between[0] else (sides[1], sides[2])
    )
    return _assemble(frame, guest, taken)


def _assemble(frame: list[_Piece], guest: list[_Piece], taken: dict[str, str | None]) -> str:
    out: list[_Piece] = []
    for piece in frame:
        text = taken.get(piece.id, piece.text) if piece.id else piece.text
        if text is not None:
            out.append(_Piece(piece.id, text))
    placed = {piece.id for piece in frame if piece.id}
    before = ""
    for piece in guest:
        if not piece.id:
            continue
        text = taken.get(piece.id)
        if piece.id not in placed and text is not None:
            _insert_after(out, before, _Piece(piece.id, text))
            placed.add(piece.id)
        before = piece.id
    return "".join(piece.text for piece in out)


def _insert_after(out: list[_Piece], before: str, piece: _Piece) -> None:
    """Put a task after another (or at the end), a blank line between them."""
    end = "\r\n" if any("\r\n" in one.text for one in out) else "\n"
    text = piece.text if piece.text.endswith("\n") else piece.text + end
    at = next((index for index, one in enumerate(out) if before and one.id == before), len(out) - 1)
    while at + 1 < len(out) and out[at + 1].id and out[at + 1].id != before and at < len(out) - 1:
        at += 1
    if out and not out[at].text.endswith("\n"):
        out[at] = out[at]._replace(text=out[at].text + end)
    out[at + 1 : at + 1] = [_Piece("", end), piece._replace(text=text)]
