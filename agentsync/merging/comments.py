"""Comments say what no parsed value does: a merged text must have those that either side wrote. Pure."""

from __future__ import annotations

import re

_TOKENS = re.compile(r"\"(?:\\.|[^\"\\])*\"|'[^']*'|(?:(?<=\s)|^)(?P<comment>(?:#|//).*)")


def keeps_comments(text: bytes, base: bytes, ours: bytes, theirs: bytes) -> bool:
    """Whether a merged text has each comment (`#` or `//`, to the end of the line) that a side added or both kept."""
    before, mine, other = (_comments_in(side) for side in (base, ours, theirs))
    return (mine & other) | (mine - before) | (other - before) <= _comments_in(text)


def _comments_in(text: bytes) -> set[str]:
    lines = text.decode("utf-8", "replace").splitlines()
    found = (token["comment"] for line in lines for token in _TOKENS.finditer(line))
    return {" ".join(comment.split()) for comment in found if comment}
