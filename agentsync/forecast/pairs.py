"""Which sides can conflict at all, and where a conflict lies. Pure."""

from __future__ import annotations

import itertools
import re

from agentsync.forecast.cache import BASE, ClashPath, Hunk
from agentsync.lean import TYPE_CHECKING
from agentsync.merging.generated import generator_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.config.schema import Config
    from agentsync.forecast.sides import Side

_DEFINITION = re.compile(
    rb"^\s*(?:export\s+)?(?:default\s+)?(?:pub(?:\([^)]*\))?\s+)?(?:public\s+|private\s+|protected\s+|static\s+|async\s+|abstract\s+)*"
    rb"(?:def|class|func|fn|function|interface|struct|enum|trait|impl|module|type|sub)\s+(?:\([^)]*\)\s*)?([\w.:<>$]+)"
)
ONE_SIDED = ("deleted", "in the way", "moved")  # kinds of conflicts in which not both have the file
_MOST_HUNKS = 20


def sharing_pairs(sides: Sequence[Side]) -> list[tuple[Side, Side]]:
    """The pairs that may meet: in a path, a file against a folder of its name, or a file added where another moves.

    What only one side changes merges by itself.
    """
    above = {side.id: _folders_above(side.changed) for side in sides}
    return [
        (one, other)
        for one, other in itertools.combinations(sides, 2)
        if one.commit != other.commit
        and (
            one.changed & other.changed
            or (one.changed | one.left) & above[other.id]
            or (other.changed | other.left) & above[one.id]
        )
    ]


def _folders_above(paths: Iterable[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for path in paths:
        parts = path.split(b"/")[:-1]
        found.update(b"/".join(parts[: length + 1]) for length in range(len(parts)))
    return found


def without_repeats(
    found: Sequence[tuple[tuple[Side, Side], Sequence[ClashPath]]],
) -> list[tuple[tuple[Side, Side], list[ClashPath]]]:
    """The conflicts without those that a worktree has with base anyway: whoever has base's version has them too."""
    with_base: dict[str, set[str]] = {}
    for (one, other), paths in found:
        if BASE in (one.id, other.id):
            with_base[other.id if one.id == BASE else one.id] = {path.path for path in paths}
    result = []
    for (one, other), paths in found:
        known = set() if BASE in (one.id, other.id) else with_base.get(one.id, set()) | with_base.get(other.id, set())
        result.append(((one, other), [path for path in paths if path.path not in known]))
    return result


def without_generated(paths: Sequence[ClashPath], config: Config) -> list[ClashPath]:
    """The conflicts without files that both sides have and their own tool makes anew when the branches land."""
    return [
        one
        for one in paths
        if one.kind in ONE_SIDED or generator_of(one.path.encode("utf-8", "surrogateescape"), config) is None
    ]


def touched_by(sides: Iterable[Side]) -> dict[str, frozenset[bytes]]:
    """The paths that each worktree changes."""
    return {side.id: side.changed for side in sides if side.id != BASE}


def hunks_in(merged: bytes) -> tuple[Hunk, ...]:
    """The conflicts in a text with git's markers: line numbers count in the first side's text."""
    found: list[Hunk] = []
    line, definition, inside = 0, b"", ""
    for text in merged.splitlines():
        if text.startswith(b"<<<<<<< ") and not inside:
            inside = "ours"
            found.append(Hunk(line + 1, definition.decode("utf-8", "replace")))
        elif inside and text.startswith((b"||||||| ", b"=======")):
            inside = "theirs"
        elif inside and text.startswith(b">>>>>>> "):
            inside = ""
        elif inside != "theirs":
            line += 1
            match = _DEFINITION.match(text)
            if match and not inside:
                definition = match[1]
    return tuple(found[:_MOST_HUNKS])
