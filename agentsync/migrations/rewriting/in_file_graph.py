"""Layouts whose files name the migrations that they come after."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.graph import Node, ancestors, dangling, descends, heads
from agentsync.migrations.rewriting.rewriter import Rewriter, is_numbered, refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Tree, Trees
    from agentsync.migrations.series import Series


class Place(NamedTuple):
    """Where a migration of the branch goes: what it is now, what it comes after, what all the branch's are called."""

    node: Node
    previous: str
    own: frozenset[str]


class Graph(Rewriter, ABC):
    """Layouts with an in-file graph: the branch's migrations become a line behind base's head."""

    def ordered(self, own: Sequence[Brought]) -> list[Brought]:
        left = super().ordered(own)
        names = {one.node.name for one in left if one.node}
        out: list[Brought] = []
        placed: set[str] = set()
        while left:
            free = [one for one in left if not one.node or not (set(one.node.after) & names) - placed]
            chosen = (free or left)[0]
            left.remove(chosen)
            out.append(chosen)
            placed.add(chosen.node.name if chosen.node else "")
        return out

    def nodes(self, series: Series, contents: Mapping[str, bytes]) -> dict[str, Node]:
        """The graph of some files."""
        found = [self.node(series, path, content) for path, content in contents.items()]
        return {node.name: node for node in found if node}

    def of_tree(self, series: Series, trees: Trees, tree: Tree) -> dict[str, Node]:
        """The graph of a tree."""
        return self.nodes(series, {path: trees.read(blob) for path, blob in tree.items() if is_numbered(series, path)})

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        base = self.of_tree(series, trees, trees.base)
        theirs = {one.node.name: one.node for one in own if one.node}
        merged = {**base, **theirs}
        settled = len(heads(merged)) <= max(1, len(heads(base))) and not _new_dangling(merged, base)
        if settled and not plan.moves and not plan.copies:
            return plan
        writes: dict[str, bytes] = {}
        previous = ""
        mine = frozenset(plan.words.get(name, name) for name in theirs)
        graph = dict(base)
        started = bool(self.of_tree(series, trees, trees.fork))
        for one in own:
            path = plan.moves.get(one.paths[0], one.paths[0])
            content = trees.read(trees.branch[one.paths[0]])
            if one.node is None:
                raise refused(series, f"{one.name} cannot be read as a migration")
            if started and self.keeps_names and not one.node.after:
                raise refused(series, f"{one.name} comes after none, so it begins a line of its own")
            previous = self.head_for(series, graph, one.node, plan.words)
            changed = self.placed(series, content, Place(one.node, previous, mine), plan.words)
            if changed != content:
                writes[path] = changed
            node = self.node(series, path, changed)
            previous = node.name if node else previous
            graph |= {node.name: node} if node else {}
        return plan._replace(writes={**writes, **self.beside(series, trees, previous)})

    def head_for(self, series: Series, graph: Mapping[str, Node], node: Node, words: Mapping[str, str]) -> str:
        """The head that a migration of the branch goes behind, empty when there is none yet.

        `graph` is base with those that were put behind it. Where it has several lines, it is the head of the line
        that the migration built on.
        """
        known = heads(graph)
        after = [words.get(name, name) for name in node.after]
        continuing = [head for head in known if any(descends(graph, head, name) for name in after)]
        if len(known) > 1 and len(continuing) != 1 and self.keeps_names:
            raise refused(
                series, f"there are {len(known)} heads that {node.name} may go behind: {', '.join(known[:3])}"
            )
        return max(continuing or known, default="")

    @abstractmethod
    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        """A migration's content, put where it belongs."""

    def beside(self, series: Series, trees: Trees, last: str) -> dict[str, bytes]:
        """Files beside the migrations that name the last one."""
        del series, trees, last
        return {}

    def verify(self, series: Series, merged: Mapping[str, bytes], trees: Trees, plan: Plan) -> None:
        base = self.of_tree(series, trees, trees.base)
        now = self.nodes(series, merged)
        if len(heads(now)) > max(1, len(heads(base))):
            raise refused(series, f"the series would have {len(heads(now))} heads: {', '.join(heads(now)[:3])}")
        if wrong := _new_dangling(now, base):
            raise refused(series, f"{wrong[0][0]} would come after {wrong[0][1]}, which is not there")
        branch = self.of_tree(series, trees, trees.branch)
        for name in sorted(branch.keys() - self.of_tree(series, trees, trees.fork).keys() - base.keys()):
            moved = plan.words.get(name, name)
            needed = {plan.words.get(one, one) for one in ancestors(branch, name)} & now.keys()
            if lost := sorted(needed - ancestors(now, moved)) if moved in now and moved not in base else []:
                raise refused(series, f"{moved} would no longer come after {lost[0]}, which it may need")


def _new_dangling(now: Mapping[str, Node], base: Mapping[str, Node]) -> list[tuple[str, str]]:
    known = set(dangling(base))
    return [pair for pair in dangling(now) if pair not in known]


def spliced(content: bytes, spans: Iterable[tuple[ast.expr, str]]) -> bytes:
    """Python source with the text of some expressions replaced (ast counts columns in UTF-8 bytes)."""
    starts = [0]
    for line in content.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    cuts = sorted(
        (
            starts[node.lineno - 1] + node.col_offset,
            starts[(node.end_lineno or 1) - 1] + (node.end_col_offset or 0),
            text,
        )
        for node, text in spans
    )
    for begin, end, text in reversed(cuts):
        content = content[:begin] + text.encode() + content[end:]
    return content


def quoted_like(content: bytes, node: ast.expr, text: str) -> str:
    """`text` as a string literal in the quotes that the expression has."""
    line = content.splitlines()[node.lineno - 1]
    quote = chr(line[node.col_offset]) if line[node.col_offset : node.col_offset + 1] in (b"'", b'"') else '"'
    return f"{quote}{text}{quote}"
