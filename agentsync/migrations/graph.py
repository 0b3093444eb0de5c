"""Migrations ordered by an in-file graph: Django's `dependencies`, Alembic's `down_revision`. Pure."""

from __future__ import annotations

import ast

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Node(NamedTuple):
    """One migration: its name in the graph and the names it comes after."""

    name: str
    after: tuple[str, ...]


def _parse(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _assigned(body: list[ast.stmt], name: str) -> ast.expr | None:
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets: list[ast.expr] = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return statement.value
    return None


def django_node(app: str, stem: str, source: bytes) -> Node | None:
    """A Django migration's place among those of its own app; None for what is no migration."""
    module = _parse(source)
    for statement in module.body if module else []:
        if isinstance(statement, ast.ClassDef) and statement.name == "Migration":
            after = [pair[1] for pair in _pairs(_assigned(statement.body, "dependencies")) if pair[0] == app]
            replaced = [pair[1] for pair in _pairs(_assigned(statement.body, "replaces")) if pair[0] == app]
            return Node(stem, (*after, *replaced))
    return None


def _pairs(value: ast.expr | None) -> list[tuple[str, str]]:
    found = []
    for item in value.elts if isinstance(value, (ast.List, ast.Tuple)) else []:
        words = item.elts if isinstance(item, (ast.Tuple, ast.List)) else []
        texts = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        if len(texts) == 2:
            found.append((texts[0], texts[1]))
    return found


def alembic_node(source: bytes) -> Node | None:
    """An Alembic revision and what it comes after; None for what is no revision."""
    module = _parse(source)
    if module is None:
        return None
    revision = _assigned(module.body, "revision")
    if not (isinstance(revision, ast.Constant) and isinstance(revision.value, str)):
        return None
    down = _assigned(module.body, "down_revision")
    items = down.elts if isinstance(down, (ast.Tuple, ast.List)) else [down] if down else []
    after = tuple(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))
    return Node(revision.value, after)


def heads(nodes: Mapping[str, Node]) -> list[str]:
    """The migrations that none comes after."""
    followed = {name for node in nodes.values() for name in node.after}
    return sorted(name for name in nodes if name not in followed)


def dangling(nodes: Mapping[str, Node]) -> list[tuple[str, str]]:
    """Pairs of a migration and a predecessor that is not there."""
    return sorted((node.name, name) for node in nodes.values() for name in node.after if name not in nodes)
