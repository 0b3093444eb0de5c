"""Whether two insertions at one place may stand in either order. Pure.

Imports, declarations, entries with keys and routes that cannot match one address may; middlewares, statements, and
routes with patterns may not, since the first that applies wins.
"""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.merging.hunks import Hunk

_SPEAKS_OF_THE_NEXT = re.compile(rb"\s*(?:@|#|//|/\*|\*)")
_CLOSES = re.compile(rb"\s*(?:[\])}]+[;,]?|end)\s*$")
_BROUGHT = re.compile(
    rb"\s*(?:from\s+\S+\s+import\b|import\b|export\s*[{*]|export\s+type\s*\{|use\s|pub\s+use\s|extern\s+crate\b"
    rb"|(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+;|(?:const|let|var)\s+[\w{}, ]+\s*=\s*require\(|require(?:_relative)?\s)"
)
_DECLARES = re.compile(
    rb"\s*(?:export\s+)?(?:default\s+)?(?:pub(?:\([^)]*\))?\s+)?(?:async\s+)?"
    rb"(?:def|class|func|fn|function|struct|enum|trait|interface|type|impl|mod)\b"
)
_CONSTANT = re.compile(
    rb"\s*(?:export\s+)?(?:pub\s+)?(?:const\s+|static\s+|let\s+|var\s+)?[A-Za-z_]\w*(?:\s*:[^=]+)?\s*=\s*"
    rb"(?:-?[\d._]+|'[^']*'|\"[^\"]*\"|True|False|None|true|false|null|nil)\s*;?\s*(?:(?:#|//).*)?$"
)
_KEYED = re.compile(rb"\s*(?:['\"]?[\w./-]+['\"]?|\[[\w.]+\])\s*(?::|=>)\s*[^\s:]")
_ROUTE = re.compile(
    rb"(?:\bpath\s*[:=]\s*|\b(?:path|re_path|url|route|get|post|put|patch|delete|head|options|all|any|match|handle"
    rb"|handle_?func|resources?|namespace|scope|mount|add_url_rule|add_route|websocket)\s*[( ]\s*)[rRbBuUfF]{0,2}"
    rb"(?P<quote>['\"`:])(?P<address>[^'\"`,\s)]*)",
    re.IGNORECASE,
)
_COVERS_MORE = re.compile(rb"\binclude\(|\b(?:resources?|namespace|scope|mount|all|match)\b|\bre_path\b|\burl\(")


class _Route(NamedTuple):
    """An address that is served: its parts, and whether it stands for others too."""

    parts: tuple[bytes, ...]
    wide: bool


def either_order(hunk: Hunk, before: Sequence[bytes], *, in_order: bool) -> bool:
    """Whether what both sides insert may stand in either order; `in_order`: lines that are sorted there."""
    if in_order or not all(any(line.strip() for line in side) for side in (hunk.ours, hunk.theirs)):
        return True
    sides = [list(_units(side)) for side in (hunk.ours, hunk.theirs)]
    in_names = _names_of_a_module(before)
    if not all(_free(unit) or in_names for side in sides for unit in side):
        return False
    routes = [[route for unit in side for route in _routes_in(unit)] for side in sides]
    return not any(_overlap(one, two) for one in routes[0] for two in routes[1])


def _units(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole statements or entries: a line, with those above that speak of it and those below that are deeper."""
    rows = [line for line in lines if line.strip()]
    depth = min(len(row) - len(row.lstrip()) for row in rows)
    unit = b""
    for row in rows:
        outer = len(row) - len(row.lstrip()) == depth and not _CLOSES.match(row)
        if outer and unit and not all(_SPEAKS_OF_THE_NEXT.match(one) for one in unit.splitlines()):
            yield unit
            unit = b""
        unit += row
    yield unit


def _free(unit: bytes) -> bool:
    """Whether a statement or entry means the same wherever it stands among its like."""
    told = [line for line in unit.splitlines() if not _SPEAKS_OF_THE_NEXT.match(line)]
    if not told:
        return True
    first = told[0]
    if any(pattern.match(first) for pattern in (_BROUGHT, _DECLARES, _CONSTANT, _KEYED)):
        return True
    return bool(_ROUTE.search(b" ".join(told)))


def _names_of_a_module(before: Sequence[bytes]) -> bool:
    """Whether the insertion stands in a list of names, such as Python's `__all__`, whose order says nothing."""
    for line in reversed(before):
        if b"]" in line or b")" in line:
            return False
        if b"[" in line or b"(" in line:
            return line.lstrip().startswith(b"__all__")
    return False


def _routes_in(unit: bytes) -> list[_Route]:
    if _BROUGHT.match(unit):
        return []
    found = []
    for match in _ROUTE.finditer(unit):
        address = match["address"].strip(b"/")
        parts = tuple(address.split(b"/"))
        pattern = re.search(rb"[^\w.~-]", address.replace(b"/", b""))
        found.append(_Route(parts, bool(pattern or not address or _COVERS_MORE.search(unit))))
    return found


def _overlap(one: _Route, two: _Route) -> bool:
    """Whether some address may be served by both: one is a pattern or a prefix, and nothing that is fixed differs."""
    if not (one.wide or two.wide):
        return one.parts == two.parts
    fixed = [[re.fullmatch(rb"[\w.~-]+", part) is not None for part in route.parts] for route in (one, two)]
    for index in range(min(len(one.parts), len(two.parts))):
        if not (fixed[0][index] and fixed[1][index]):
            return True
        if one.parts[index] != two.parts[index]:
            return False
    return True
