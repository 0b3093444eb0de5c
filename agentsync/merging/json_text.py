"""JSON files three ways: merged by key as values, written by splicing text into ours, so that its style stays. Pure."""

from __future__ import annotations

import itertools
import json
import re

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError, NotMineError, merge_values, refuse, same

if TYPE_CHECKING:
    from agentsync.merging.hunks import LineMerge
    from agentsync.merging.three_way import Policy

_BLANK = re.compile(r"[ \t\r\n]*")
_WORD = re.compile(r"[^ \t\r\n,\]}]*")
_STRINGS = json.JSONDecoder()


class Member(NamedTuple):
    """One member of an object or item of a list: its key (empty in a list), its text and that of its value."""

    key: str
    head: str
    value: Node


class Node(NamedTuple):
    """A parsed value with its text; containers also have their members and the blanks around those.

    `lead` stands before the first member, `gap` after a comma, `tail` before the closing bracket. `at` is where the
    text begins in the document.
    """

    text: str
    value: object
    members: tuple[Member, ...] = ()
    lead: str = ""
    gap: str = ""
    tail: str = ""
    at: int = 0

    @property
    def end(self) -> int:
        """Where the text ends in the document."""
        return self.at + len(self.text)


class _Parser:
    """A strict JSON parser that keeps the text of every part."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> tuple[str, Node, str]:
        before = self._blank()
        node = self._node()
        after = self._blank()
        if self._at != len(self._text):
            raise ValueError("something follows the value")
        return before, node, after

    def _blank(self) -> str:
        return self._run_of(_BLANK)

    def _run_of(self, pattern: re.Pattern[str]) -> str:
        """What of a pattern that matches anywhere stands here."""
        start = self._at
        match = pattern.match(self._text, start)
        self._at = match.end() if match else start
        return self._text[start : self._at]

    def _node(self) -> Node:
        char = self._text[self._at : self._at + 1]
        if char in ("{", "["):
            return self._container("}" if char == "{" else "]")
        start = self._at
        if char == '"':
            value, self._at = _STRINGS.raw_decode(self._text, self._at)
            return Node(self._text[start : self._at], value, at=start)
        word = self._run_of(_WORD)
        return Node(word, json.loads(word, parse_constant=_no_constant), at=start)

    def _container(self, end: str) -> Node:
        start = self._at
        self._at += 1
        lead, gap = self._blank(), ""
        members: list[Member] = []
        while self._text[self._at : self._at + 1] != end:
            head_start, key = self._at, ""
            if end == "}":
                if self._text[self._at : self._at + 1] != '"':
                    raise ValueError("a key is missing")
                key, self._at = _STRINGS.raw_decode(self._text, self._at)
                self._blank()
                if self._text[self._at : self._at + 1] != ":":
                    raise ValueError("a colon is missing")
                self._at += 1
                self._blank()
            head = self._text[head_start : self._at]
            members.append(Member(key, head, self._node()))
            tail = self._blank()
            if self._text[self._at : self._at + 1] == ",":
                self._at += 1
                gap = self._blank()
                if self._text[self._at : self._at + 1] == end:
                    raise ValueError("a comma too many")
            elif self._text[self._at : self._at + 1] != end:
                raise ValueError("a comma is missing")
        if not members:
            tail = ""
        self._at += 1
        keys = [member.key for member in members]
        if end == "}" and len(set(keys)) != len(keys):
            raise ValueError("a key stands twice")
        value: object = (
            {member.key: member.value.value for member in members}
            if end == "}"
            else [member.value.value for member in members]
        )
        return Node(self._text[start : self._at], value, tuple(members), lead, gap or lead, tail, start)


def _no_constant(word: str) -> object:
    raise ValueError(f"{word} is not JSON")


def _rendered(value: object, ours: Node | None, theirs: Node | None) -> str:
    """A merged value as text: ours where it is ours, theirs where it is theirs, else made of both."""
    for node in (ours, theirs):
        if node is not None and same(node.value, value) and _same_order(node.value, value):
            return node.text
    if isinstance(value, (dict, list)):
        frame = next((n for n in (ours, theirs) if n and n.members and isinstance(n.value, type(value))), None)
        if frame is not None:
            return _container(value, frame, ours, theirs)
    return json.dumps(value, ensure_ascii=False)


def _same_order(one: object, other: object) -> bool:
    return json.dumps(one) == json.dumps(other)


def _container(value: dict[str, object] | list[object], frame: Node, ours: Node | None, theirs: Node | None) -> str:
    if not value:
        return "{}" if isinstance(value, dict) else "[]"
    parts = []
    if isinstance(value, dict):
        sides = [{m.key: m for m in node.members} if node else {} for node in (ours, theirs)]
        for key, inner in value.items():
            mine, other = sides[0].get(key), sides[1].get(key)
            head = (mine or other).head if mine or other else json.dumps(key) + ": "  # type: ignore[union-attr]
            parts.append(head + _rendered(inner, mine.value if mine else None, other.value if other else None))
    else:
        known = [m.value for node in (ours, theirs) if node for m in node.members]
        for inner in value:
            match = next((node for node in known if same(node.value, inner)), None)
            parts.append(_rendered(inner, match, None))
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    return opening + frame.lead + ("," + frame.gap).join(parts) + frame.tail + closing


def parse_json(data: bytes) -> tuple[str, Node, str]:
    """A document as blanks, value, blanks.

    Raises ValueError for what is not strict JSON without repeated keys.
    """
    try:
        return _Parser(data.decode("utf-8-sig")).document()
    except (IndexError, RecursionError) as error:
        raise ValueError(str(error)) from error


def merge_json(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge, policy: Policy = refuse) -> bytes:
    """Three versions of a JSON file as one.

    Raises ConflictError where both changed the same value differently, NotMineError where a side is no JSON.
    """
    try:
        before, mine, after = parse_json(ours)
        _, other, _ = parse_json(theirs)
    except ValueError as error:
        raise NotMineError(f"not JSON: {error}") from error
    try:
        old = parse_json(base)[1].value if base.strip() else {}
    except ValueError:
        return lines(base, ours, theirs).checked(_is_json)
    merged = merge_values(old, mine.value, other.value, policy)
    mark = b"\xef\xbb\xbf" if ours.startswith(b"\xef\xbb\xbf") else b""
    spliced = mark + (before + _rendered(merged, mine, other) + after).encode()
    for text in itertools.chain(lines(base, ours, theirs).readings(), [spliced]):
        if _says(text, merged):
            return text
    raise ConflictError("no text says what was merged")


def _is_json(text: bytes) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _says(text: bytes, merged: object) -> bool:
    try:
        return same(parse_json(text)[1].value, merged)
    except ValueError:
        return False
