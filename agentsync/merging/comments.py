"""Comments say what no parsed value does: a merged text has those that either side wrote, each at its own key. Pure."""

from __future__ import annotations

import re
from collections import Counter

from agentsync.lean import NamedTuple

_TOKENS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:(?<=\s)|^)(?P<comment>(?:#|//).*)")
_SUBJECT = re.compile(r"(?:(?:require|replace|exclude|retract|tool)\s+)?[\"']?([\w./@-]+)")


class _Comment(NamedTuple):
    """A comment's words, and what it is about: the table and key of its own line, else of the next that has one."""

    words: str
    table: str
    subject: str


def keeps_comments(text: bytes, base: bytes, ours: bytes, theirs: bytes) -> bool:
    """Whether a text has each comment (`#` or `//`, to the line's end) that a side added or both kept, and no more.

    None of them may have come to speak of another key than on the side that it is from.
    """
    before, mine, other, made = (_comments_in(side) for side in (base, ours, theirs, text))
    counts = [Counter((comment.words, comment.table) for comment in side) for side in (before, mine, other, made)]
    for key in {**counts[0], **counts[1], **counts[2]}:
        old, one, two, kept = (side[key] for side in counts)
        if kept != (two if one == old else one if two == old else max(one, two)):
            return False
    return set(made) <= {*mine, *other}


def _comments_in(text: bytes) -> list[_Comment]:
    found: list[_Comment] = []
    above: list[str] = []
    table = ""
    for line in text.decode("utf-8", "replace").splitlines():
        comment = next((token for token in _TOKENS.finditer(line) if token["comment"]), None)
        code = line[: comment.start()].strip() if comment else line.strip()
        if comment:
            above.append(" ".join(comment["comment"].split()))
        if not code:
            continue
        if code.startswith("[") and code.endswith("]"):
            table = code
        named = _SUBJECT.match(code)
        subject = named[1].lower().replace("_", "-") if named else ""
        found += [_Comment(words, table, subject) for words in above]
        above = []
    return [*found, *(_Comment(words, table, "") for words in above)]
