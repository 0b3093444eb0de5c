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


class Liquibase(Rewriter):
    """The master file includes the others in their order; numbered changeSet ids follow their file's number."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        writes = {}
        for old, new in plan.moves.items():
            content = trees.read(trees.branch[old])
            before, after = (number_in(series.layout, series.name_of(path)) for path in (old, new))
            changed = replace_words(content, plan.words)
            if before and after:
                pattern = rb"(\bid\s*[=:]\s*[\"']?)" + re.escape(before.text.encode()) + rb"(?=[-_.\"'])"
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
        changes = list(_line_changes(fork, branch))
        added = [line for sign, line in changes if sign == "+"]
        if not added or len(added) != len(changes) or not all(any(name in line for name in names) for line in added):
            return b""
        last = max((i for i, line in enumerate(base) if b"include" in line), default=-1)
        if last < 0:
            return b""
        return b"".join([*base[: last + 1], *(replace_words(line, plan.words) for line in added), *base[last + 1 :]])


def _line_changes(old: list[bytes], new: list[bytes]) -> Iterable[tuple[str, bytes]]:
    """The lines that differ, each with `-` or `+`."""
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from (("-", line) for line in old[a:b])
            yield from (("+", line) for line in new[c:d])
