"""Managed blocks: our part of a file that is somebody else's. Pure.

A block carries a version and a hash of its body, so that hand edits are seen and never overwritten silently.
"""

from __future__ import annotations

import hashlib
import re

from agentsync.lean import NamedTuple

VERSION = 1
_BLOCK = re.compile(
    r"<!-- agentsync:begin v(?P<version>\d+) (?P<hash>[0-9a-f]{12}) -->\r?\n(?P<body>.*?)<!-- agentsync:end -->\r?\n?",
    re.DOTALL,
)


class Block(NamedTuple):
    """A block found in a file: its version, its body and whether somebody changed it by hand."""

    version: int
    body: str
    edited: bool


def _digest(body: str) -> str:
    return hashlib.sha256(body.replace("\r\n", "\n").encode()).hexdigest()[:12]


def render(body: str) -> str:
    """A block with `body`, which ends in a line feed."""
    return f"<!-- agentsync:begin v{VERSION} {_digest(body)} -->\n{body}<!-- agentsync:end -->\n"


def find(text: str) -> Block | None:
    """The block in a file's text."""
    match = _BLOCK.search(text)
    if not match:
        return None
    return Block(int(match["version"]), match["body"], _digest(match["body"]) != match["hash"])


def put(text: str, body: str) -> str:
    """The text with the block brought up to date, or added at its end; line ends stay the file's own."""
    end = "\r\n" if "\r\n" in text else "\n"
    block = render(body).replace("\n", end)
    if _BLOCK.search(text):
        return _BLOCK.sub(lambda _: block, text, count=1)
    if not text:
        return block
    gap = "" if text.endswith(end * 2) else end if text.endswith("\n") else end * 2
    return text + gap + block


def take_out(text: str) -> str:
    """The text without the block and the blank line that was put before it."""
    match = _BLOCK.search(text)
    if not match:
        return text
    before, after = text[: match.start()], text[match.end() :]
    for end in ("\r\n", "\n"):
        if before.endswith(end * 2) and not after:
            return before[: -len(end)]
    return before + after
