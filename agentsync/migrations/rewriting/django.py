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
        """The module as Python reads it, whatever its comments and the way it is written."""
        try:
            module = ast.parse(content)
        except (SyntaxError, ValueError):
            return super().body(content)
        statements = [_without_dependencies(one) for one in module.body if not _is_docstring(one)]
        imports = sorted(ast.dump(one) for one in statements if isinstance(one, (ast.Import, ast.ImportFrom)))
        rest = [ast.dump(one) for one in statements if not isinstance(one, (ast.Import, ast.ImportFrom))]
        return "\n".join([*imports, *rest]).encode()

    def lines(self, content: bytes) -> bytes:
        return super().lines(re.sub(rb"dependencies\s*=\s*\[.*?\]", b"", content, flags=re.DOTALL))

    def alike(self, one: bytes, other: bytes) -> bool:
        """What the operations are about decides: two migrations that touch nothing in common are two."""
        touched = [_touched(side) for side in (one, other)]
        return not (all(touched) and not touched[0] & touched[1]) and super().alike(one, other)

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


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _without_dependencies(statement: ast.stmt) -> ast.stmt:
    if isinstance(statement, ast.ClassDef) and statement.name == "Migration":
        names = [_assigned_name(one) for one in statement.body]
        kept = zip(statement.body, names, strict=True)
        statement.body = [one for one, name in kept if name != "dependencies" and not _is_docstring(one)]
    return statement


def _assigned_name(statement: ast.stmt) -> str:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""


def _touched(content: bytes) -> set[str]:
    """What the operations of a migration are about: the model and field that each names, else all that it says."""
    try:
        module = ast.parse(content)
    except (SyntaxError, ValueError):
        return set()
    bodies = [one.body for one in module.body if isinstance(one, ast.ClassDef) and one.name == "Migration"]
    operations = assigned(bodies[0], "operations") if bodies else None
    found = set()
    for call in operations.elts if isinstance(operations, (ast.List, ast.Tuple)) else []:
        words = {word.arg: ast.dump(word.value) for word in call.keywords} if isinstance(call, ast.Call) else {}
        named = [words[key] for key in ("model_name", "name") if key in words]
        found.add(" ".join(named).lower() if named else ast.dump(call))
    return found
