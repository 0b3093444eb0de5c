"""Migrations ordered by an in-file graph: Django's `dependencies`, Alembic's `down_revision`. Pure."""

from __future__ import annotations

import ast

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Node(NamedTuple):
    """One migration: its name in the graph, the names it comes after, and those it stands for (Django's squashes)."""

    name: str
    after: tuple[str, ...]
    replaces: tuple[str, ...] = ()


def _parse(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def assigned(body: list[ast.stmt], name: str) -> ast.expr | None:
    """The value that a block assigns to a name, None where it assigns none."""
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


class Pair(NamedTuple):
    """A tuple of two strings in source, such as a Django dependency; `node` is where the second one stands."""

    first: str
    second: str
    node: ast.expr


def django_node(app: str, stem: str, source: bytes) -> Node | None:
    """A Django migration's place among those of its own app; None for what is no migration."""
    body = _django_body(source)
    if body is None:
        return None
    after = [pair.second for pair in string_pairs(assigned(body, "dependencies")) if pair.first == app]
    replaced = [pair.second for pair in string_pairs(assigned(body, "replaces")) if pair.first == app]
    return Node(stem, tuple(after), tuple(replaced))


def django_label(folder: str, sources: Mapping[str, bytes]) -> str:
    """The label by which an app's migrations (stem to source) name each other.

    It is the folder's name, unless none of them says so: then `AppConfig.label` is another, which the one that most
    of them depend on each other by must be.
    """
    bodies = {stem: body for stem, source in sorted(sources.items()) if (body := _django_body(source)) is not None}
    pairs = [(stem, pair) for stem, body in bodies.items() for pair in string_pairs(assigned(body, "dependencies"))]
    named = [pair.first for stem, pair in pairs if pair.second in sources and pair.second != stem]
    if not named or any(pair.first == folder for _, pair in pairs):
        return folder
    return max(named, key=lambda label: (named.count(label), label.endswith(folder)))


def _django_body(source: bytes) -> list[ast.stmt] | None:
    module = _parse(source)
    classes = [one for one in module.body if isinstance(one, ast.ClassDef)] if module else []
    return next((one.body for one in classes if one.name == "Migration"), None)


def string_pairs(value: ast.expr | None) -> list[Pair]:
    """The pairs of strings in a list or tuple expression; other elements are passed over."""
    found = []
    for item in value.elts if isinstance(value, (ast.List, ast.Tuple)) else []:
        words = item.elts if isinstance(item, (ast.Tuple, ast.List)) else []
        texts = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
        if len(words) == len(texts) == 2:
            found.append(Pair(texts[0], texts[1], words[1]))
    return found


def alembic_node(source: bytes) -> Node | None:
    """An Alembic revision and what it comes after; None for what is no revision."""
    module = _parse(source)
    if module is None:
        return None
    revision = assigned(module.body, "revision")
    if not (isinstance(revision, ast.Constant) and isinstance(revision.value, str)):
        return None
    down = assigned(module.body, "down_revision")
    items = down.elts if isinstance(down, (ast.Tuple, ast.List)) else [down] if down else []
    after = tuple(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))
    return Node(revision.value, after)


def heads(nodes: Mapping[str, Node]) -> list[str]:
    """The migrations that none comes after; a squash counts only where what it stands for is gone and unfollowed."""
    followed = {name for node in nodes.values() for name in node.after}
    return sorted(
        name
        for name, node in nodes.items()
        if name not in followed and not any(old in nodes or old in followed for old in node.replaces)
    )


def dangling(nodes: Mapping[str, Node]) -> list[tuple[str, str]]:
    """Pairs of a migration and a predecessor that is not there, nor stood for by a squash."""
    known = nodes.keys() | {old for node in nodes.values() for old in node.replaces} | {"__first__", "__latest__"}
    return sorted((node.name, name) for node in nodes.values() for name in node.after if name not in known)


def descends(nodes: Mapping[str, Node], later: str, earlier: str) -> bool:
    """Whether a migration comes after another, at any distance, or is it."""
    return earlier == later or earlier in ancestors(nodes, later)


def ancestors(nodes: Mapping[str, Node], name: str) -> set[str]:
    """All that a migration comes after, at any distance."""
    left, seen = [name] if name in nodes else [], set()
    while left:
        for earlier in nodes[left.pop()].after:
            if earlier not in seen:
                seen.add(earlier)
                left += [earlier] if earlier in nodes else []
    return seen


def references(source: bytes) -> list[Pair]:
    """The migrations of any app that a Django migration names: those before it, and those it must run before."""
    body = _django_body(source) or []
    found = [pair for field in ("dependencies", "run_before") for pair in string_pairs(assigned(body, field))]
    return [pair for pair in found if pair.second not in ("__first__", "__latest__")]


def replaced(source: bytes) -> set[str]:
    """The migrations that a Django migration stands for."""
    return {pair.second for pair in string_pairs(assigned(_django_body(source) or [], "replaces"))}
