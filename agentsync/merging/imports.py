"""Conflicts between imports: what each side brings in and takes out, as a set. Pure.

Only hunks of nothing but import statements merge, and only where the merged file brings in what both sides say.
Imports that count by their order, that speak of the next line, or that stand under a condition stay a conflict.
"""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.hunks import Hunk
from agentsync.merging.import_statements import LANGUAGES, Language, Statement, StatementError, Unfinished
from agentsync.merging.insertions import hold
from agentsync.merging.syntax import parses, suffix_of
from agentsync.merging.three_way import ConflictError, NotMineError, woven

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentsync.merging.hunks import LineMerge, Merged
    from agentsync.merging.import_statements import Side

    Bound = frozenset[tuple[str, str]]  # a name, and what it stands for

_MOST_LINES = 80  # of a statement that a conflict cuts in two
_SPEAKS_OF_THE_NEXT = re.compile(r"\s*(?:@|#|//|/\*|\*)")
_WIDTH = 79


def merge_imports(path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """Three versions of a source file whose lines conflict in their imports alone.

    Raises ConflictError where they conflict elsewhere too, or it is not sure what the merge brings in.
    """
    merged = lines(base, ours, theirs)
    language = LANGUAGES.get(suffix_of(path))
    if language is None:
        raise NotMineError("no language whose imports are known")
    if not merged.hunks:
        return merged.clean or b""
    try:
        texts = [side.decode("utf-8") for side in (base, ours, theirs)]
    except UnicodeDecodeError as error:
        raise NotMineError(str(error)) from error
    style = _Style.of(language, texts[1:])
    text = _resolved(language, merged, style)
    if parses(path, text) is False:
        raise ConflictError("the result does not parse")
    _require_both(language, texts, text.decode("utf-8"), style)
    return hold(path, ours, theirs, text)


class _Style(NamedTuple):
    """How a file writes its imports: how names are sorted, whether each has a statement of its own, how wide."""

    order: tuple[Callable[[str], tuple[bool, str]], ...]
    alone: bool
    width: int

    @classmethod
    def of(cls, language: Language, texts: Sequence[str]) -> _Style:
        found = [one for text in texts for one in language.all_in(text)]
        lists = [list(one.names) for one in found if one.names and len(one.names) > 1]
        keys = [_plain, _folded, _classes_first] if language.capitals_first else [_folded, _plain, _classes_first]
        order = sorted(keys, key=lambda key: -sum(names == sorted(names, key=key) for names in lists))
        return cls(tuple(order), not lists, max([_WIDTH, *(len(row) for one in found for row in one.text.split("\n"))]))


def _plain(name: str) -> tuple[bool, str]:
    return False, name


def _folded(name: str) -> tuple[bool, str]:
    return False, name.casefold()


def _classes_first(name: str) -> tuple[bool, str]:
    return name[:1].islower(), ("" if name.isupper() else "~") + name


def _resolved(language: Language, merged: Merged, style: _Style) -> bytes:
    """The text with each conflict decided; one that cuts a statement is first made whole with the lines around."""
    left = list(merged.parts)
    out: list[bytes] = []
    while left:
        part = left.pop(0)
        if isinstance(part, bytes):
            out.append(part)
        else:
            sides = _whole(language, part, out, left)
            _require_top_level(language, out)
            out += _written(sides, _just_above(language, out), style)
    return b"".join(out)


def _whole(language: Language, hunk: Hunk, above: list[bytes], below: list[bytes | Hunk]) -> tuple[Side, Side, Side]:
    """The statements of base, ours and theirs in a conflict, with lines taken from around it where it cuts one."""
    before: list[bytes] = []
    after: list[bytes] = []
    for _ in range(_MOST_LINES):
        try:
            base, ours, theirs = (
                language.read([*before, *side, *after]) for side in (hunk.base, hunk.ours, hunk.theirs)
            )
        except Unfinished:
            if not below or isinstance(below[0], Hunk):
                raise
            after.append(below[0])
            del below[0]
        except StatementError:
            if not above or not language.brackets or (before and language.starts(before[0])):
                raise
            before.insert(0, above.pop())
        else:
            return base, ours, theirs
    raise ConflictError("both sides changed the same lines")


def _require_top_level(language: Language, before: Sequence[bytes]) -> None:
    """Refuse a place inside a string or comment, or under a line that speaks of the next."""
    text = b"".join(before).decode("utf-8")
    if text.count("/*") != text.count("*/") or any(text.count(quote) % 2 for quote in language.long_quotes):
        raise ConflictError("the imports may stand in a string or a comment")
    if before and _SPEAKS_OF_THE_NEXT.match(text.splitlines()[-1]):
        raise ConflictError("the line above speaks of the import after it")
    if not language.is_import_block(text):
        raise ConflictError("not in the block of imports")


def _just_above(language: Language, before: Sequence[bytes]) -> list[Statement]:
    """The last imports above a conflict, as far as they stand together with it, a line each."""
    found: list[Statement] = []
    with suppress(ConflictError):
        for line in before[:-4:-1]:
            found[:0] = language.read([line])[0]
    return found


def _written(sides: tuple[Side, Side, Side], above: list[Statement], style: _Style) -> list[bytes]:
    """The statements of a hunk as lines, with the blank lines between groups."""
    base, ours, theirs = sides
    merged = _statements(base[0], ours[0], theirs[0], style)
    groups = _arranged(ours[0], theirs[0], merged, above)
    blanks = ours[1] if ours[1] != base[1] else theirs[1]
    first = next((one.gap for side in (ours[0], theirs[0]) for one in side), 0)
    gaps = [first] + [max(group[0].gap, 1) for group in groups[1:]]
    text = "".join(
        "\n" * gap + "".join(one.text + "\n" for one in group) for gap, group in zip(gaps, groups, strict=False)
    )
    return [line.encode() for line in (text + "\n" * blanks).splitlines(keepends=True)]


def _statements(
    base: Sequence[Statement], ours: Sequence[Statement], theirs: Sequence[Statement], style: _Style
) -> dict[str, list[Statement]]:
    """What the merge has of each source, in its order.

    Raises ConflictError where both sides changed what they bring from one, and a list of names does not tell.
    """
    sides: list[dict[str, list[Statement]]] = [{}, {}, {}]
    for side, found in zip((base, ours, theirs), sides, strict=True):
        for one in side:
            found.setdefault(one.source, []).append(one)
    merged = {}
    for source in {**sides[1], **sides[2], **sides[0]}:
        old, mine, other = (side.get(source, []) for side in sides)
        said = [[one.said for one in side] for side in (old, mine, other)]
        if said[1] == said[2] or said[2] == said[0]:
            merged[source] = mine
        elif said[1] == said[0]:
            merged[source] = other
        else:
            merged[source] = _names_of_both(source, old, mine, other, style)
    return merged


def _names_of_both(
    source: str, old: list[Statement], mine: list[Statement], other: list[Statement], style: _Style
) -> list[Statement]:
    """Of one source the statements that bring in what both sides say."""
    if not mine or not other:
        raise ConflictError(f"one side takes out what the other changes: {source}")
    if any(one.names is None for one in [*old, *mine, *other]):
        raise ConflictError(f"both sides change {source}")
    names = [[name for one in side for name in one.names or ()] for side in (old, mine, other)]
    if any(len(set(side)) < len(side) for side in names):
        raise ConflictError(f"a name stands twice: {source}")
    gone = {name for name in names[0] if name not in names[1] or name not in names[2]}
    kept = [name for name in woven(names[1], names[2]) if name not in gone]
    if not kept:
        raise ConflictError(f"nothing is left of {source}")
    for key in style.order:
        if all(side == sorted(side, key=key) for side in names[1:]):
            kept.sort(key=key)
            break
    if all(len(one.names or ()) == 1 and (style.alone or one.bare) for one in [*old, *mine, *other]):
        single = {one.names: one for one in [*other, *mine]}
        return [single[(name,)] for name in kept]
    if max(map(len, (old, mine, other))) > 1:
        raise ConflictError(f"several statements for {source}")
    if mine[0].around != other[0].around:
        raise ConflictError(f"both sides change {source}")
    model = max(mine[0], other[0], key=lambda one: ("\n" in one.text, not one.bare))
    made = model.with_names(kept)
    if "\n" not in made.text and len(made.text) > style.width:
        raise ConflictError(f"the names of {source} need more than a line")
    return [made]


def _groups(side: Sequence[Statement]) -> list[list[Statement]]:
    """Statements as they stand together between blank lines."""
    found: list[list[Statement]] = []
    for one in side:
        if one.gap or not found:
            found.append([])
        found[-1].append(one)
    return found


_ORDERS: tuple[Callable[[Statement], str], ...] = (
    lambda one: one.text.rstrip(";"),
    lambda one: one.text.rstrip(";").casefold(),
    lambda one: one.source,
    lambda one: one.source.casefold(),
)


def _arranged(
    ours: Sequence[Statement],
    theirs: Sequence[Statement],
    merged: dict[str, list[Statement]],
    above: list[Statement],
) -> list[list[Statement]]:
    """The groups of ours with theirs in them: sorted where both sides are, else after what each follows there."""
    sides = [_groups(ours), _groups(theirs)]
    seen = [group for side in (ours, theirs) for group in _groups([*above, *side])]
    sorted_by = next((key for key in _ORDERS if all(group == sorted(group, key=key) for group in seen)), None)
    groups = [list(dict.fromkeys(one.source for one in group)) for group in sides[0]]
    placed = {source for group in groups for source in group}
    gaps = {group[0].source: group[0].gap for side in sides for group in side}
    for group in sides[1]:
        fresh = [one.source for one in group if one.source not in placed]
        if not fresh:
            continue
        target = next((found for found in groups if any(one.source in found for one in group)), None)
        if target is None and len(groups) == len(sides[1]) == 1:
            target = groups[0]
        if target is None:
            target = []
            groups.append(target)
        beside = [one.source for one in group if one.source in target or one.source in fresh]
        shared = any(source in target for source in beside)
        target[:] = woven(target, list(dict.fromkeys(beside))) if shared else [*target, *dict.fromkeys(beside)]
        placed |= set(fresh)
    out = []
    for target in groups:
        rows = [merged[source] for source in dict.fromkeys(target) if merged[source]]
        if sorted_by is not None:
            rows.sort(key=lambda row: sorted_by(row[0]))
        flat = [one for row in rows for one in row]
        if flat:
            gap = max((gaps.get(source, 0) for source in target), default=0)
            out.append([flat[0]._replace(gap=gap), *flat[1:]])
    return out


def _require_both(language: Language, texts: Sequence[str], made: str, style: _Style) -> None:
    """Refuse a merged file that does not bring in what both sides say, each thing once, and what it names."""
    imports = [list(language.all_in(text)) for text in (*texts, made)]
    bound = [frozenset(name for one in side for name in one.bound) for side in imports]
    base, ours, theirs, found = bound
    if found != (base & ours & theirs) | (ours - base) | (theirs - base):
        raise ConflictError("the merge does not bring in what both sides say")
    _require_once(imports[1:], style)
    bodies = [language.without_imports(text) for text in (*texts[1:], made)]
    kept = {name for name, _ in found}
    for name in {name for name, _ in base - found} - kept:
        if _names(bodies[2], name):
            raise ConflictError(f"one side takes out {name}, which the merge uses")
    for side, other, body in ((ours, theirs, bodies[0]), (theirs, ours, bodies[1])):
        for name, _ in side - base:
            if _names(body, name) and not _names(bodies[2], name):
                raise ConflictError(f"one side brings in {name}, whose use the other takes out")
        _require_not_moved(base, side, other)


def _require_once(imports: Sequence[Sequence[Statement]], style: _Style) -> None:
    """Refuse a merge that binds or writes something more often than either side: the last of them is the merge."""
    things = [Counter(name for one in side for name in one.bound) for side in imports]
    names = [Counter(name for name, _ in side) for side in things]
    lists = [Counter(one.source for one in side if one.names and not one.bare) for side in imports]
    for (name, _), times in things[2].items():
        if times > max(side[name, _] for side in things[:2]):
            raise ConflictError(f"{name} is brought in twice")
    for name, times in names[2].items():
        if times > max(side[name] for side in names[:2]):
            raise ConflictError(f"{name} stands for two things")
    for source, times in lists[2].items():
        if not style.alone and times > max(side[source] for side in lists[:2]):
            raise ConflictError(f"two lists of names from {source}")


def _names(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w$]){re.escape(name)}(?![\w$])", text) is not None


def _require_not_moved(base: Bound, side: Bound, other: Bound) -> None:
    """Refuse where one side has things come from another place, and the other brings in more from the old one."""
    fresh = dict(side - base)
    for name, was in base - side:
        if name not in fresh:
            continue
        old, new = (re.split(r"::|[./]", target) for target in (was, fresh[name]))
        while old and new and old[-1] == new[-1]:
            old.pop()
            new.pop()
        for _, target in other - base - side:
            parts = re.split(r"::|[./]", target)
            if parts[: len(old)] == old and parts[: len(new)] != new:
                raise ConflictError(f"one side moved {was}, the other brings in {target}")
