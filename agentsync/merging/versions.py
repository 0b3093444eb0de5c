"""Version requirements three ways: npm ranges (also Cargo's), PEP 508, plain versions. Pure."""

from __future__ import annotations

import re

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
        sets = nodesemver.make_range(text.replace(",", " "), False).set  # noqa: FBT003 (the library's signature)
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
    """One dependency's range, where both sides changed it: the text of the side that lets in what both let in.

    Each bound is merged by itself, so that none which a side set is dropped. Two upgrades of one kind that exclude
    each other become the higher, within a major version (within a minor one below 1.0).
    Raises ConflictError for anything else.
    """
    texts = [side for side in (ours, theirs) if isinstance(side, str)]
    spans = [npm_span(text) for text in texts]
    if len(texts) < 2 or spans[0] is None or spans[1] is None:
        raise ConflictError(f"{ours} here, {theirs} there")
    before = npm_span(base) if isinstance(base, str) else None
    wanted = _both(before, spans[0], spans[1])
    if wanted in spans:
        return texts[spans.index(wanted)]
    if wanted is None and before and isinstance(base, str) and _upgrades(base, texts, (before, spans[0], spans[1])):
        return texts[0] if spans[0] > spans[1] else texts[1]
    raise ConflictError(f"{texts[0]} here, {texts[1]} there")


def _both(before: Span | None, mine: Span, other: Span) -> Span | None:
    """What both sides let in, None where that is nothing or a bound moved two ways."""
    raised = before is None or min(mine.least, other.least) > before.least
    lowered = before is None or max(mine.end, other.end) < before.end
    least = _moved(before and before.least, mine.least, other.least)
    end = _moved(before and before.end, mine.end, other.end)
    if least is None and raised:
        least = max(mine.least, other.least)
    if end is None and (raised or lowered):  # an upgrade moves both ends
        end = min(mine.end, other.end)
    return Span(least, end) if least and end and least < end else None


def _moved(old: Triple | None, one: Triple, two: Triple) -> Triple | None:
    """A bound that one side moved at most; None where both did, differently."""
    if one in (old, two):
        return two
    return one if two == old else None


def _upgrades(base: str, texts: list[str], spans: tuple[Span, Span, Span]) -> bool:
    """Whether both texts say the same as base's of a later version, and no version between them may break."""
    before, mine, other = spans
    kinds = {re.sub(r"\d+(\.\d+)*", "", text.strip()) for text in (base, *texts)}
    breaks_at = 1 if mine.least[0] else 2  # semver.org, 4: below 1.0 a minor version may break
    forward = min(mine.least, other.least) >= before.least
    return (
        len(kinds) == 1
        and kinds <= {"", "=", "v", "^", "~"}
        and forward
        and mine.least[:breaks_at] == other.least[:breaks_at]
    )


def merge_version(base: object, ours: object, theirs: object) -> str:
    """A version number that both sides raised: the higher.

    Raises ConflictError where one is no version, or was lowered.
    """
    try:
        mine, other = Version(str(ours)), Version(str(theirs))
        before = Version(str(base))
    except InvalidVersion:
        raise ConflictError(f"{ours} here, {theirs} there") from None
    if min(mine, other) < before:
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
    """Version specifiers (PEP 440) where both sides changed them: the text of the side that says what both say.

    Each clause is merged by itself, so that none which a side set is dropped. Two upgrades of a pin become the higher.
    Raises ConflictError where neither text is right for both.
    """
    try:
        mine, other = SpecifierSet(ours), SpecifierSet(theirs)
        before = SpecifierSet(base) if base is not None else None
    except InvalidSpecifier:
        raise ConflictError(f"{ours} here, {theirs} there") from None
    pinned = before is not None and _pin(before) is not None
    for pin, range_, text in ((_pin(mine), other, ours), (_pin(other), mine, theirs)):
        if pin and not pinned and not _pin(range_) and range_.contains(pin, prereleases=True):
            return text
    sides = [_clauses(side) for side in (mine, other)]
    merged = _merged_clauses(_clauses(before) if before is not None else {}, *sides)
    if merged not in sides:
        raise ConflictError(f"{ours} here, {theirs} there")
    return (ours, theirs)[sides.index(merged)]


def _clauses(specifiers: SpecifierSet) -> dict[str, str]:
    """Bounds by their operator; what may stand several times (`!=`, `==1.*`) by itself."""
    alone = [(one, one.operator == "!=" or one.version.endswith(".*")) for one in specifiers]
    found = {str(one) if single else one.operator: one.version for one, single in alone}
    if len(found) != len(alone):
        raise ConflictError(f"{specifiers} bounds one end twice")
    return found


def _merged_clauses(before: dict[str, str], mine: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    merged = {}
    for key in {**mine, **other}:
        old, one, two = before.get(key), mine.get(key), other.get(key)
        chosen = two if one in (old, two) else one if two == old else _stricter(key, old, one, two)
        if chosen is not None:
            merged[key] = chosen
    return merged


def _stricter(operator: str, base: str | None, ours: str | None, theirs: str | None) -> str:
    """Of two new bounds the one that lets in less, where both moved that way."""
    if ours is None or theirs is None or (base is None and operator in ("==", "===", "~=")):
        raise ConflictError(f"{operator}{ours} here, {operator}{theirs} there")
    least, most = sorted((ours, theirs), key=Version)
    falls = operator.startswith("<")
    if base is not None and (Version(most) > Version(base) if falls else Version(least) < Version(base)):
        raise ConflictError(f"{operator}{ours} here, {operator}{theirs} there, {operator}{base} before")
    return least if falls else most


def _pin(specifiers: SpecifierSet) -> Version | None:
    rows = list(specifiers)
    if len(rows) == 1 and rows[0].operator == "==" and not rows[0].version.endswith(".*"):
        return Version(rows[0].version)
    return None
