"""The renumbering plan: what must move so that a branch's migrations run after base's. Pure.

A plan is made from three trees (base's tip, the merge base, the branch) and speaks of the merged one. Landed
migrations never change; history's own duplicates and gaps stay.
"""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.layouts import is_stamp, number_in, written
from agentsync.migrations.rewriting.rewriter import Brought, Plan, Rewriter, Trees, is_numbered, refused
from agentsync.migrations.rewriting.table import rewriter_of
from agentsync.migrations.rules import stem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from agentsync.migrations.layouts import Numbered
    from agentsync.migrations.rewriting.rewriter import Tree
    from agentsync.migrations.series import Series


def make_plan(series: Series, trees: Trees, now: datetime, taken: Collection[int] = ()) -> Plan:
    """The plan for one series; an empty one where the branch's migrations run as they are.

    `now` (UTC) is the least time stamp given; `taken` are the numbers that others hold, which are no gaps.
    Raises RefusedError where no sure plan exists.
    """
    rewriter = rewriter_of(series.layout)
    sources = {path: blob for tree in (trees.base, trees.branch) for path, blob in tree.items()}
    series = series.labelled({path: trees.read(blob) for path, blob in sources.items() if is_numbered(series, path)})
    brought = {
        path: blob for path, blob in trees.branch.items() if path not in trees.fork and trees.base.get(path) != blob
    }
    copies = _copies(series, rewriter, trees, brought)
    own = rewriter.ordered(
        _migrations(series, rewriter, trees, {path: blob for path, blob in brought.items() if path not in copies})
    )
    if not own and not copies:
        return Plan(series.folder)
    names = {} if rewriter.keeps_names else _new_names(series, own, series.migrations(trees.base), now, taken)
    moves = _moves(series, own, names)
    renamed = {**copies, **moves}
    stems = {rewriter.stem(series.name_of(old)): rewriter.stem(series.name_of(new)) for old, new in renamed.items()}
    words = rewriter.words({k: v for k, v in stems.items() if k != v})
    first = Plan(series.folder, series.app, _stamps(series, renamed), moves, copies, words=words)
    plan = rewriter.complete(series, trees, own, first)
    verify(series, trees, plan)
    return plan


def _stamps(series: Series, renamed: Mapping[str, str]) -> dict[str, str]:
    """The time stamps that change, in the digits that a dump of the schema lists."""
    pairs = [[number_in(series.layout, series.name_of(path)) for path in pair] for pair in renamed.items()]
    texts = [[re.sub(r"\D", "", number.text) if number else "" for number in pair] for pair in pairs]
    return {old: new for old, new in texts if old != new and is_stamp(old)}


def _migrations(series: Series, rewriter: Rewriter, trees: Trees, brought: Tree) -> list[Brought]:
    """What the branch brings, a pair of up and down as one migration."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for path in sorted(brought):
        name = series.name_of(path)
        number = number_in(series.layout, name) if name else None
        if number:
            groups.setdefault((number.key, stem(name)), []).append(path)
    found = []
    for paths in groups.values():
        name = series.name_of(paths[0])
        number = number_in(series.layout, name)
        assert number is not None  # noqa: S101 (it was a moment ago)
        found.append(
            Brought(name, number, tuple(paths), rewriter.node(series, paths[0], trees.read(brought[paths[0]])))
        )
    return found


def slug(series: Series, name: str) -> str:
    """A migration's name without its number."""
    number = number_in(series.layout, name)
    return stem(name).replace(number.text, "", 1) if number else name


def _copies(series: Series, rewriter: Rewriter, trees: Trees, brought: Tree) -> dict[str, str]:
    """Files of the branch that base has landed under another name: path there to path in base."""
    if rewriter.keeps_names:
        return {}
    landed: dict[str, list[str]] = {}
    for path in sorted(trees.base):
        if path not in trees.fork and series.name_of(path) and number_in(series.layout, series.name_of(path)):
            landed.setdefault(slug(series, series.name_of(path)) + path[_name_end(series, path) :], []).append(path)
    found = {}
    for path, blob in brought.items():
        name = series.name_of(path)
        if not name or not number_in(series.layout, name):
            continue
        for other in landed.get(slug(series, name) + path[_name_end(series, path) :], []):
            one, another = trees.read(blob), trees.read(trees.base[other])
            if rewriter.body(one) == rewriter.body(another):
                found[path] = other
            elif rewriter.alike(one, another):
                raise refused(series, f"{path} is much like {other}, which has landed: is it the same migration?")
    return found


def _name_end(series: Series, path: str) -> int:
    """Where in a path the part behind the migration's name begins: the file of a folder, or nothing."""
    return len(series.folder) + 1 + len(series.name_of(path)) if series.layout.folders else len(path)


def _new_names(
    series: Series, own: Sequence[Brought], landed: Mapping[str, Numbered], now: datetime, taken: Collection[int]
) -> dict[str, str]:
    """Old name to new name of every migration that the branch brings; the same where it may stay."""
    base = [number for number in landed.values() if number.key]
    newest = max((number.key for number in base), default=())
    keys = [one.number.key for one in own]
    same = {name: name for one in own for name in _names_of(series, one)}
    if not own or not all(keys):
        return same
    ordered = all(a < b for a, b in itertools.pairwise(keys)) and (not newest or keys[0] > newest)
    ordered = ordered and not {key[0] for key in keys if len(key) == 1} & set(taken)
    stamped = is_stamp(own[0].number.text)
    start = newest[0] if newest else 0
    gaps = set(range(start + 1, keys[-1][0])) - {key[0] for key in keys} - set(taken) if newest and not stamped else ()
    if ordered and (stamped or not (gaps or any(len(key) > 1 for key in keys)) or not _counts_by_one(base)):
        return same
    free = (number for number in itertools.count(start + 1) if number not in taken)
    names = {}
    last = newest
    for one in own:
        fresh = _stamp_after(one.number.text, last, now) if stamped else str(next(free))
        text = written(fresh.zfill(_width(one.number.text)), one.number.text, series.layout)
        last = (int(fresh),)
        names.update({name: name.replace(one.number.text, text, 1) for name in _names_of(series, one)})
    return names


def _names_of(series: Series, one: Brought) -> list[str]:
    return list(dict.fromkeys(series.name_of(path) for path in one.paths))


def _width(text: str) -> int:
    """The digits that a number is padded to; Flyway's sub-versions have none of their own."""
    return len(re.split(r"[._]", text)[0]) if not is_stamp(text) else 0


def _counts_by_one(numbers: Iterable[Numbered]) -> bool:
    """Whether base's newest numbers follow each other without gaps, so that a gap would be the branch's."""
    keys = sorted({number.key for number in numbers})[-4:]
    return all(len(key) == 1 for key in keys) and all(b[0] - a[0] == 1 for a, b in itertools.pairwise(keys))


def _stamp_after(example: str, last: tuple[int, ...], now: datetime) -> str:
    """The least stamp of the example's format that is later than `last` and not earlier than `now`."""
    digits = len(re.sub(r"\D", "", example))
    newest = str(last[0]).zfill(digits) if last else ""
    if digits in (10, 13):
        least = int(now.timestamp() * (1000 if digits == 13 else 1))
        return str(max(least, last[0] + 1 if last else 0))
    moment, tail = now.replace(microsecond=0), "0" * (digits - 14)
    if newest:
        try:
            known = datetime.strptime(newest[:14], "%Y%m%d%H%M%S").replace(tzinfo=now.tzinfo)
        except ValueError:  # numbers that only look like stamps, such as 20240101000099
            return str(max(int(now.strftime("%Y%m%d%H%M%S") + tail), last[0] + 1))
        moment = max(moment, known + timedelta(seconds=1))
    return moment.strftime("%Y%m%d%H%M%S") + tail


def _moves(series: Series, own: Sequence[Brought], names: Mapping[str, str]) -> dict[str, str]:
    moves = {}
    for one in own:
        for path in one.paths:
            name = series.name_of(path)
            if names.get(name, name) == name:
                continue
            start = len(series.folder) + 1 if series.layout.folders and series.folder else path.rfind(name)
            moves[path] = path[:start] + names[name] + path[start + len(name) :]
    return moves


def merged_tree(trees: Trees, plan: Plan) -> dict[str, str | bytes]:
    """The series in the merge, after the plan: path to blob id, or to the content that the plan writes."""
    merged: dict[str, str | bytes] = dict(trees.base)
    for path, blob in trees.branch.items():
        if path in plan.moves:
            merged[plan.moves[path]] = blob
        elif (
            path not in plan.copies and trees.fork.get(path) != blob and (path in trees.base or path not in trees.fork)
        ):
            merged[path] = blob  # an edit of what base renamed goes where git's merge takes it
    for path in trees.fork:
        if path not in trees.branch:
            merged.pop(path, None)
    merged.update(plan.writes)
    return merged


def verify(series: Series, trees: Trees, plan: Plan) -> None:
    """Hold a plan against the merged tree.

    Raises RefusedError where something landed would change, something be lost, or numbers double.
    """
    if not plan:
        return
    merged = merged_tree(trees, plan)
    for path in (*plan.writes, *plan.moves.values()):
        if path in plan.moves.values() and path in trees.base:
            raise refused(series, f"{path} would be written over")
        if path in trees.base and is_numbered(series, path):
            raise refused(series, f"{path}, which has landed, would change")
    if len(set(plan.moves.values())) != len(plan.moves):
        raise refused(series, "two migrations would have one name")
    base = series.migrations(trees.base)
    keys = {number.key: stem(name) for name, number in base.items()}
    for name, number in series.migrations(path for path in merged if path not in trees.base).items():
        if number.key and keys.setdefault(number.key, stem(name)) != stem(name):
            raise refused(series, f"{name} and {keys[number.key]} would have one number")
    contents = {
        path: one if isinstance(one, bytes) else trees.read(one)
        for path, one in merged.items()
        if is_numbered(series, path)
    }
    rewriter_of(series.layout).verify(series, contents, trees, plan)
