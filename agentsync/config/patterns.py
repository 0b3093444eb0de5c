"""gitignore patterns as lists of paths. Pure; the rules are gitignore(5)'s.

`fnmatch` and `re` cost a gate 8 ms to import.
"""

from __future__ import annotations


def _match_class(pattern: str, at: int, char: str) -> tuple[bool, int]:
    """Whether `char` is in the bracket expression at `at`, and where that ends (0: it never does)."""
    i = at + 1
    negated = pattern[i : i + 1] in ("!", "^")
    i += negated
    found = False
    first = True
    while i < len(pattern) and (first or pattern[i] != "]"):
        first = False
        if pattern[i] == "\\" and i + 1 < len(pattern):
            i += 1
        low = high = pattern[i]
        if pattern[i + 1 : i + 2] == "-" and pattern[i + 2 : i + 3] not in ("", "]"):
            high = pattern[i + 2]
            i += 2
        found = found or low <= char <= high
        i += 1
    return found != negated, i + 1 if i < len(pattern) else 0


def match_component(pattern: str, name: str) -> bool:  # noqa: PLR0911 (a case a metacharacter)
    """Whether one path component matches one pattern component: `*`, `?`, `[...]` and backslash."""
    if not pattern:
        return not name
    head = pattern[0]
    if head == "*":
        rest = pattern.lstrip("*")
        return any(match_component(rest, name[i:]) for i in range(len(name) + 1)) if rest else True
    if not name:
        return False
    if head == "?":
        return match_component(pattern[1:], name[1:])
    if head == "[":
        found, end = _match_class(pattern, 0, name[0])
        if end:
            return found and match_component(pattern[end:], name[1:])
        return False
    if head == "\\" and len(pattern) > 1:
        return pattern[1] == name[0] and match_component(pattern[2:], name[1:])
    return head == name[0] and match_component(pattern[1:], name[1:])


def _match_parts(pattern: list[str], parts: list[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        least = 1 if len(pattern) == 1 else 0  # a trailing /** needs something below
        return any(_match_parts(pattern[1:], parts[i:]) for i in range(least, len(parts) + 1)) or (
            len(pattern) == 1 and bool(parts)
        )
    return bool(parts) and match_component(pattern[0], parts[0]) and _match_parts(pattern[1:], parts[1:])


def _names(pattern: str, parts: list[str], *, is_folder: bool) -> bool:
    """Whether a single pattern, without its `!`, names just this path."""
    if pattern.endswith("/") and not is_folder:
        return False
    body = pattern.rstrip("/")
    if "/" in body:
        return _match_parts([part for part in body.split("/") if part], parts)
    return match_component(body, parts[-1])


def matches(patterns: list[str], path: bytes) -> bool:
    """Whether a list of gitignore patterns names `path` (a file) or a folder above it.

    Of the patterns that match, the last decides; what lies below a named folder cannot be taken out again.
    """
    parts = path.decode("utf-8", "surrogateescape").split("/")
    for length in range(1, len(parts) + 1):
        named = False
        for pattern in patterns:
            negated = pattern.startswith("!")
            body = pattern[1:] if negated else pattern
            if body and named == negated and _names(body, parts[:length], is_folder=length < len(parts)):
                named = not negated
        if named:
            return True
    return False
