"""Conflicts between lines that differ only in a version number: the higher one, where both sides raised it. Pure."""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING
from agentsync.merging.three_way import ConflictError
from agentsync.merging.versions import merge_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.merging.hunks import Hunk, Merged

_VERSION = re.compile(
    r"(?<![\w.])v?\d+(?:\.\d+){1,2}(?:[-.]?(?:dev|rc|alpha|beta|a|b|post|pre)[-.]?\d*)?(?![\w.-]*\d)", re.IGNORECASE
)
_OF_THE_FILE = re.compile(r"version", re.IGNORECASE)


def merge_version_lines(merged: Merged) -> bytes:
    """A line merge with each conflict decided.

    Raises ConflictError where a conflict is about anything else.
    """
    return merged.resolved(_decided)


def _decided(hunk: Hunk, _before: Sequence[bytes], _after: Sequence[bytes]) -> list[bytes]:
    if not len(hunk.base) == len(hunk.ours) == len(hunk.theirs):
        raise ConflictError("both sides changed more than version numbers")
    try:
        rows = [[line.decode("utf-8") for line in side] for side in (hunk.base, hunk.ours, hunk.theirs)]
    except UnicodeDecodeError as error:
        raise ConflictError("no text in UTF-8") from error
    lines = list(zip(*rows, strict=True))
    if not any(len({old, mine, other}) == 3 for old, mine, other in lines):
        raise ConflictError("the sides changed lines beside each other")
    return [_line(old, mine, other).encode() for old, mine, other in lines]


def _line(old: str, mine: str, other: str) -> str:
    """One line of the merge; what it says in one place is from one side."""
    texts = [_VERSION.split(line) for line in (old, mine, other)]
    if not texts[0] == texts[1] == texts[2]:
        raise ConflictError("both sides changed more than version numbers")
    out, sides = texts[0][0], set()
    found = zip(*(_VERSION.findall(line) for line in (old, mine, other)), texts[0][1:], strict=True)
    for before, one, two, text in found:
        chosen = two if one == before else one
        if len({before, one, two}) == 3:
            _require_version(old, before, one, two)
            chosen = merge_version(before, one, two)
            sides.add(chosen == one)
        out += chosen + text
    if len(sides) > 1:
        raise ConflictError("of two versions in a line each side has a higher one")
    return out


def _require_version(line: str, *versions: str) -> None:
    """Refuse a number that may be no version, and two of something else than this file that may not fit each other."""
    if _OF_THE_FILE.search(line):
        return
    numbers = [[int(number) for number in re.findall(r"\d+", version)] for version in versions]
    if any(len(one) < 3 for one in numbers):
        raise ConflictError("a number that may be no version")
    breaks_at = 1 if numbers[1][0] else 2  # semver.org, 4: below 1.0 a minor version may break
    if numbers[1][:breaks_at] != numbers[2][:breaks_at]:
        raise ConflictError(f"{versions[1]} here, {versions[2]} there")
