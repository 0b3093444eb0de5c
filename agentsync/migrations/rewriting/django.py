"""Django: `dependencies`, and `max_migration.txt` where it is kept."""

from __future__ import annotations

import ast
import re

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.graph import Node, assigned, django_node, string_pairs
from agentsync.migrations.rewriting.in_file_graph import Graph, Place, quoted_like, spliced

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.migrations.rewriting.rewriter import Trees
    from agentsync.migrations.series import Series


class Django(Graph):
    """The branch's first migration depends on base's last one, and the chain's names follow."""

    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        return django_node(series.app, self.stem(series.name_of(path)), content)

    def body(self, content: bytes) -> bytes:
        text = re.sub(rb"dependencies\s*=\s*\[.*?\]", b"", content, flags=re.DOTALL)
        return super().body(text)

    def placed(self, series: Series, content: bytes, place: Place, words: Mapping[str, str]) -> bytes:
        app = series.app
        module = ast.parse(content)
        spans: list[tuple[ast.expr, str]] = []
        for statement in module.body:
            if not isinstance(statement, ast.ClassDef) or statement.name != "Migration":
                continue
            for field in ("dependencies", "run_before", "replaces"):
                pairs = [pair for pair in string_pairs(assigned(statement.body, field)) if pair.first == app]
                wanted = [words.get(pair.second, pair.second) for pair in pairs]
                if field == "dependencies" and place.previous and pairs and place.previous not in wanted:
                    # what base has is before base's head, so naming the head instead loses nothing
                    at = next((i for i, name in enumerate(wanted) if name not in place.own), 0)
                    wanted[at] = place.previous
                spans += [
                    (pair.node, quoted_like(content, pair.node, name))
                    for pair, name in zip(pairs, wanted, strict=True)
                    if name != pair.second
                ]
        return spliced(content, spans)

    def beside(self, series: Series, trees: Trees, last: str) -> dict[str, bytes]:
        path = f"{series.folder}/max_migration.txt"
        return {path: last.encode() + b"\n"} if path in trees.base and last else {}
