"""Version requirements three ways: npm ranges (also Cargo's), PEP 508, plain versions. Pure."""

from __future__ import annotations

import nodesemver
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from agentsync.lean import NamedTuple
from agentsync.merging.three_way import ConflictError

Triple = tuple[int, int, int]
_NO_END: Triple = (1 << 60, 0, 0)


class Span(NamedTuple):
    """The versions from `least` on and below `end`."""

    least: Triple
    end: Triple


def npm_span(text: str) -> Span | None:
    """The one span of an npm range; None for unions, tags, URLs, `workspace:` and pre-releases."""
    try:
        sets = nodesemver.make_range(text, False).set  # noqa: FBT003 (the library's signature)
    except (ValueError, IndexError, AttributeError):
        return None
    if len(sets) != 1 or "-" in text.replace(" - ", ""):
        return None
    span = Span((0, 0, 0), _NO_END)
    for one in sets[0]:
        if one.operator is None:
            continue
        version: Triple = (one.semver.major, one.semver.minor, one.semver.patch)
        after = (version[0], version[1], version[2] + 1)
        least, end = {
            "": (version, after),
            "=": (version, after),
            ">=": (version, _NO_END),
            ">": (after, _NO_END),
            "<": ((0, 0, 0), version),
            "<=": ((0, 0, 0), after),
        }[one.operator]
        span = Span(max(span.least, least), min(span.end, end))
    return span if span.least < span.end else None


def merge_npm(base: object, ours: object, theirs: object) -> str:
    """One dependency's range, where both sides changed it.

    The narrower of two ranges, the higher of two upgrades within a major version (within a minor one below 1.0).
    Raises ConflictError for anything else.
    """
    texts = [side for side in (ours, theirs) if isinstance(side, str)]
    spans = [npm_span(text) for text in texts]
    if len(texts) < 2 or spans[0] is None or spans[1] is None:
        raise ConflictError(f"{ours} here, {theirs} there")
    return texts[_chosen(spans[0], spans[1], npm_span(base) if isinstance(base, str) else None, texts)]


def _chosen(mine: Span, other: Span, before: Span | None, texts: list[str]) -> int:
    if mine == other:
        return 0
    if other.least <= mine.least and mine.end <= other.end:
        return 0
    if mine.least <= other.least and other.end <= mine.end:
        return 1
    breaks_at = 1 if mine.least[0] else 2  # semver.org, 4: below 1.0 a minor version may break
    same_major = mine.least[:breaks_at] == other.least[:breaks_at]
    forward = before is None or min(mine.least, other.least) >= before.least
    if max(mine.least, other.least) < min(mine.end, other.end) or (same_major and forward):
        return 0 if mine.least > other.least else 1
    raise ConflictError(f"{texts[0]} here, {texts[1]} there: nothing satisfies both")


def merge_version(base: object, ours: object, theirs: object) -> str:
    """A version number that both sides raised: the higher.

    Raises ConflictError where one is no version, or was lowered.
    """
    try:
        mine, other = Version(str(ours)), Version(str(theirs))
        before = Version(str(base)) if isinstance(base, str) else None
    except InvalidVersion:
        raise ConflictError(f"{ours} here, {theirs} there") from None
    if before is not None and min(mine, other) < before:
        raise ConflictError(f"{ours} here, {theirs} there, {base} before")
    return str(ours if mine >= other else theirs)


def requirement(text: str) -> Requirement | None:
    """A PEP 508 requirement, None for anything else."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def requirement_key(found: Requirement) -> str:
    """What a requirement is about: name, extras and marker; two with one key contradict or narrow each other."""
    extras = ",".join(sorted(canonicalize_name(extra) for extra in found.extras))
    return f"{canonicalize_name(found.name)}[{extras}];{found.marker or ''}"


def merge_specifiers(base: str | None, ours: str, theirs: str) -> str:
    """Version specifiers (PEP 440) where both sides changed them: `ours` or `theirs`, the narrower or the higher.

    Raises ConflictError where neither is right for both.
    """
    try:
        mine, other = SpecifierSet(ours), SpecifierSet(theirs)
        before = SpecifierSet(base) if base is not None else None
    except InvalidSpecifier:
        raise ConflictError(f"{ours} here, {theirs} there") from None
    pins = [_pin(side) for side in (mine, other)]
    if pins[0] and pins[1]:
        old = _pin(before) if before is not None else None
        if old and min(pins[0], pins[1]) < old:
            raise ConflictError(f"{ours} here, {theirs} there: one of them goes back from {base}")
        return ours if pins[0] >= pins[1] else theirs
    if pins[0] and other.contains(pins[0], prereleases=True):
        return ours
    if pins[1] and mine.contains(pins[1], prereleases=True):
        return theirs
    return _narrower(ours, theirs, mine, other)


def _narrower(ours: str, theirs: str, mine: SpecifierSet, other: SpecifierSet) -> str:
    rows = [{(one.operator, one.version) for one in side} for side in (mine, other)]
    if rows[1] < rows[0]:
        return ours
    if rows[0] < rows[1]:
        return theirs
    floors = [[one for one in side if one.operator in (">=", "~=")] for side in (mine, other)]
    rest = [{(one.operator, one.version) for one in side if one.operator not in (">=", "~=")} for side in (mine, other)]
    if len(floors[0]) == len(floors[1]) == 1 and floors[0][0].operator == floors[1][0].operator and rest[0] == rest[1]:
        return ours if Version(floors[0][0].version) >= Version(floors[1][0].version) else theirs
    raise ConflictError(f"{ours} here, {theirs} there")


def _pin(specifiers: SpecifierSet) -> Version | None:
    rows = list(specifiers)
    if len(rows) == 1 and rows[0].operator == "==" and not rows[0].version.endswith(".*"):
        return Version(rows[0].version)
    return None
