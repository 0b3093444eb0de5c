"""Liquibase: the master file and numbered changeSet ids."""

from __future__ import annotations

import difflib
import re

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.layouts import number_in
from agentsync.migrations.rewriting.rewriter import Rewriter, replace_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Trees
    from agentsync.migrations.series import Series


_YAML_INCLUDE = re.compile(rb"\s*-\s*include\s*:\s*$")


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


class Liquibase(Rewriter):
    """The master file includes the others in their order; numbered changeSet ids follow their file's number."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        writes = {}
        for old, new in plan.moves.items():
            content = trees.read(trees.branch[old])
            before, after = (number_in(series.layout, series.name_of(path)) for path in (old, new))
            changed = replace_words(content, plan.words)
            if before and after:
                number = re.escape(before.text.encode())
                pattern = rb"(?m)(\bid\s*[=:]\s*[\"']?)" + number + rb"(?=[-_.\"']|[ \t]*\r?$)"
                changed = re.sub(pattern, rb"\g<1>" + after.text.encode(), changed)
            if changed != content:
                writes[new] = changed
        names = [series.name_of(path).encode() for one in own for path in one.paths]
        for master in trees.base:
            if trees.base[master] == trees.fork.get(master) or trees.branch.get(master) in (None, trees.base[master]):
                continue
            text = self._master(trees, master, names, plan)
            if text:
                writes[master] = text
        return plan._replace(writes=writes)

    @staticmethod
    def _master(trees: Trees, path: str, names: Sequence[bytes], plan: Plan) -> bytes:
        """Base's master file with the branch's includes behind its own; empty where more than includes changed."""
        if path not in trees.fork:
            return b""
        sides = (trees.fork, trees.branch, trees.base)
        fork, branch, base = (trees.read(side[path]).splitlines(keepends=True) for side in sides)
        is_yaml = path.endswith((".yaml", ".yml"))
        added = _included(branch, fork, names) if is_yaml else _added(branch, fork, names)
        last = max((i for i, line in enumerate(base) if b"include" in line), default=-1)
        if not added or last < 0:
            return b""
        depth = _indent(base[last])
        while is_yaml and last + 1 < len(base) and _indent(base[last + 1]) > depth:
            last += 1
        if not base[last].endswith(b"\n"):
            base[last] += b"\n"
        return b"".join([*base[: last + 1], *(replace_words(line, plan.words) for line in added), *base[last + 1 :]])


def _added(branch: list[bytes], fork: list[bytes], names: Sequence[bytes]) -> list[bytes]:
    """The lines that a branch added, each an include of its own; empty where it did more."""
    changes = list(_line_changes(fork, branch))
    added = [line for sign, line in changes if sign == "+"]
    whole = len(added) == len(changes) and all(any(name in line for name in names) for line in added)
    return added if whole else []


def _included(branch: list[bytes], fork: list[bytes], names: Sequence[bytes]) -> list[bytes]:
    """The same for YAML, where an include is an item of several lines."""
    items: list[list[bytes]] = []
    rest: list[bytes] = []
    at = 0
    while at < len(branch):
        end = at + 1
        if _YAML_INCLUDE.match(branch[at]):
            while end < len(branch) and _indent(branch[end]) > _indent(branch[at]):
                end += 1
        item = branch[at:end]
        mine = end > at + 1 and any(name in line for line in item for name in names)
        if mine:
            items.append(item)
        else:
            rest += item
        at = end
    return [line for item in items for line in item] if rest == fork else []


def _line_changes(old: list[bytes], new: list[bytes]) -> Iterable[tuple[str, bytes]]:
    """The lines that differ, each with `-` or `+`."""
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (("-", line) for line in old[a:b])
            yield from (("+", line) for line in new[c:d])
