"""The generic three-way merge of parsed values: maps by key, lists of maps by name. Pure.

Conservative: what is not surely right is a conflict. Only a format knows which of its lists are sets.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Path = tuple[str, ...]
    Policy = Callable[[Path, object, object, object], object]  # path, base, ours, theirs; raises ConflictError


class ConflictError(Exception):
    """Both sides changed the same thing differently; the text says which and why."""


class NotMineError(Exception):
    """The versions are not of the format, so that it can say nothing of their merge."""


class Conflict(NamedTuple):
    """A driver's answer that a person must choose, and why. It is false: nothing was merged.

    The other two answers are the merged text, and None for "not mine": then git merges by lines.
    """

    why: str

    def __bool__(self) -> bool:
        """Never: a merge is only what has a text."""
        return False


class _Absent:
    def __repr__(self) -> str:
        return "absent"


ABSENT = _Absent()


def refuse(path: Path, base: object, ours: object, theirs: object) -> object:
    """The policy for what no rule covers: lists keep their order, anything else is a conflict."""
    if isinstance(base, list) and isinstance(ours, list) and isinstance(theirs, list):
        merged = merge_sequences(base, ours, theirs)
        if merged is not None:
            return merged
    raise ConflictError(f"{'.'.join(path) or 'the document'}: {_short(ours)} here, {_short(theirs)} there")


def _short(value: object) -> str:
    text = "removed" if value is ABSENT else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def merge_values(base: object, ours: object, theirs: object, policy: Policy = refuse, path: Path = ()) -> object:
    """One value, three ways; `ABSENT` stands for what is not there.

    `policy` decides where both sides changed a value differently and no structure helps.
    Raises ConflictError.
    """
    if same(ours, theirs) or same(theirs, base):
        return ours
    if same(ours, base):
        return theirs
    maps = [side for side in (ours, theirs) if isinstance(side, dict)]
    if len(maps) == 2 and (isinstance(base, dict) or base is ABSENT):
        return _merge_maps(base if isinstance(base, dict) else {}, maps[0], maps[1], policy, path)
    lists = [side for side in (ours, theirs) if isinstance(side, list)]
    if len(lists) == 2 and (isinstance(base, list) or base is ABSENT):
        merged = _merge_lists(base if isinstance(base, list) else [], lists[0], lists[1], policy, path)
        if merged is not None:
            return merged
    return policy(path, base, ours, theirs)


def same(one: object, other: object) -> bool:
    """Whether two parsed values are equal, `1`, `1.0` and `True` kept apart, as is the order of a map's keys not."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _merge_maps(
    base: Mapping[str, object], ours: Mapping[str, object], theirs: Mapping[str, object], policy: Policy, path: Path
) -> dict[str, object]:
    merged: dict[str, object] = {}
    for key in key_order(list(base), list(ours), list(theirs)):
        sides = (base.get(key, ABSENT), ours.get(key, ABSENT), theirs.get(key, ABSENT))
        value = merge_values(*sides, policy, (*path, key))
        if value is not ABSENT:
            merged[key] = value
    return merged


def key_order(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """The keys of a merged map: sorted where both sides are, else ours, with theirs after what they follow there."""
    every = list(dict.fromkeys([*ours, *theirs, *base]))
    if len(ours) > 1 and len(theirs) > 1 and all(list(side) == sorted(side) for side in (ours, theirs)):
        return sorted(every)
    return woven(list(ours), theirs) + [key for key in base if key not in {*ours, *theirs}]


def woven(ours: list[str], theirs: Sequence[str]) -> list[str]:
    """Our items, with each of theirs that we lack after the one it follows there."""
    out = list(ours)
    before = None
    for item in theirs:
        if item not in out:
            at = out.index(before) + 1 if before is not None else 0
            while before is not None and at < len(out) and out[at] in ours and out[at] not in theirs:
                at += 1  # ours first, then theirs, where both added at one place
            out.insert(at, item)
        before = item
    return out


def _merge_lists(
    base: list[object], ours: list[object], theirs: list[object], policy: Policy, path: Path
) -> list[object] | None:
    keys = [_named(side) for side in (base, ours, theirs)]
    before, mine, other = keys
    if before is None or mine is None or other is None:
        return None
    kept = [key for key in before if key in mine and key in other]
    if any([key for key in side if key in kept] != kept for side in (mine, other)):
        return None  # somebody reordered: order may mean something
    merged = [
        merge_values(before.get(key, ABSENT), mine.get(key, ABSENT), other.get(key, ABSENT), policy, (*path, key))
        for key in woven(list(mine), list(other)) + [key for key in before if key not in {*mine, *other}]
    ]
    return [item for item in merged if item is not ABSENT]


class _Edit(NamedTuple):
    """A run of base's items, from `start` to before `end`, and what a side has there."""

    start: int
    end: int
    items: list[object]


def _edits(base: Sequence[object], side: Sequence[object]) -> list[_Edit]:
    import difflib

    matcher = difflib.SequenceMatcher(
        None, [repr(item) for item in base], [repr(item) for item in side], autojunk=False
    )
    return [_Edit(i, j, list(side[k:m])) for tag, i, j, k, m in matcher.get_opcodes() if tag != "equal"]


def merge_sequences(base: list[object], ours: list[object], theirs: list[object]) -> list[object] | None:
    """Lists whose order counts; None where both changed the same or neighbouring items, or both added one item."""
    mine, other = _edits(base, ours), _edits(base, theirs)
    alone = [edit for edit in other if edit not in mine]
    if any(one.start <= two.end and two.start <= one.end for one in mine for two in alone):
        return None
    if {repr(item) for one in mine for item in one.items} & {repr(item) for two in alone for item in two.items}:
        return None
    merged = list(base)
    for edit in sorted([*mine, *alone], reverse=True, key=lambda one: one.start):
        merged[edit.start : edit.end] = edit.items
    return merged


def merge_sets(path: Path, base: object, ours: object, theirs: object) -> object:
    """Lists of scalars whose order says nothing, as sets; `ABSENT` is an empty one.

    Where an item stands twice, somebody reordered, or a pattern takes back what another gave, the order counts.
    Raises ConflictError for other values, and where the order does not tell.
    """
    sides = [side if isinstance(side, list) else [] if side is ABSENT else None for side in (base, ours, theirs)]
    before, mine, other = ([item for item in side or [] if isinstance(item, (str, int))] for side in sides)
    whole = [before, mine, other] == sides and all(
        len(set(map(repr, one))) == len(one) for one in (before, mine, other)
    )
    kept = [item for item in before if item in mine and item in other]
    negated = any(str(item).startswith("!") for item in [*before, *mine, *other])
    if not whole or negated or any([item for item in side if item in kept] != kept for side in (mine, other)):
        return refuse(path, base, ours, theirs)
    gone = [item for item in before if item not in mine or item not in other]
    texts = {repr(item): item for item in [*mine, *other]}
    order = key_order([], [repr(item) for item in mine], [repr(item) for item in other])
    return [texts[text] for text in order if texts[text] not in gone]


def _named(items: Sequence[object]) -> dict[str, object] | None:
    """A list of maps by the key that names each, None where none does."""
    for field in ("name", "id", "path", "key"):
        names = [item.get(field) if isinstance(item, dict) else None for item in items]
        if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
            return {str(name): item for name, item in zip(names, items, strict=True)}
    return None
