"""Alembic: `down_revision`; files keep their names."""

from __future__ import annotations

import ast
import re

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.graph import Node, alembic_node, assigned
from agentsync.migrations.rewriting.in_file_graph import Graph, Place, quoted_like, spliced
from agentsync.migrations.rewriting.rewriter import refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Trees
    from agentsync.migrations.series import Series


class Alembic(Graph):
    """The branch's first revision comes down to base's head; ids, and so names, stay."""

    keeps_names = True

    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        del series, path
        return alembic_node(content)

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        base = self.of_tree(series, trees, trees.base)
        if double := [one.node.name for one in own if one.node and one.node.name in base]:
            raise refused(series, f"base has another revision with the id {double[0]}")
        return super().complete(series, trees, own, plan)

    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        del words
        node, previous, _ = place
        if len(node.after) > 1:
            raise refused(series, f"{node.name} merges {len(node.after)} revisions")
        value = assigned(ast.parse(content).body, "down_revision")
        if not previous or node.after == (previous,):
            return content
        if value is None:
            raise refused(series, f"{node.name} names no down_revision")
        changed = spliced(content, [(value, quoted_like(content, value, previous))])
        old = node.after[0] if node.after else "None"
        return re.sub(rb"(?m)^(Revises:[ \t]*)" + re.escape(old.encode()) + rb"[ \t]*$", rb"\g<1>" + previous.encode(),
                      changed, count=1)  # fmt: skip
