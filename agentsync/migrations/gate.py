"""The number rule at the gates."""

from __future__ import annotations

import os
import time

from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.graph import Node, alembic_node, dangling, django_node, heads
from agentsync.migrations.layouts import next_text, number_in
from agentsync.migrations.numbers import (
    PROVISIONAL,
    Reservation,
    has_pairs,
    numbered,
    reservation_place,
    reservation_record,
    reservations,
    taken_anywhere,
)
from agentsync.migrations.rules import Problem, missing_downs, problems
from agentsync.migrations.series import Series, base_paths, elsewhere, paths_in, series_around, show_series
from agentsync.text import shell_path, show_path

if TYPE_CHECKING:
    from agentsync.judging.scene import Scene
    from agentsync.migrations.layouts import Numbered
    from agentsync.record import Record


def judge_numbers(scene: Scene, move: Transition, ref: str, tree: str) -> Verdict:
    """Judge the migrations that a move of `ref` brings; `tree` is its result, empty for the index."""
    findings: list[Finding] = []
    records: dict[bytes, Record | None] = {}
    for series in _touched(scene, move, tree):
        base = base_paths(scene.repo, scene.rules, series.folder)
        present = set(paths_in(scene.repo, tree, series.folder))
        if ref == scene.rules.base.ref and move.parents:
            base = set(paths_in(scene.repo, move.parents[0], series.folder))
        findings += _edited(scene, move, series, base)
        brought = series.migrations(present - base)
        candidates = {series.name_of(path) for path in present - base} - {""}
        if not candidates:
            continue
        landing = ref == scene.rules.base.ref
        found = _problems(scene, series, tree, (base, present, candidates), landing=landing)
        findings += [_finding(scene, series, problem, present - base) for problem in found]
        if not found and ref != scene.rules.base.ref:
            records |= _reserved(scene, series, list(brought))
    return Verdict(tuple(findings), records)


def _touched(scene: Scene, move: Transition, tree: str) -> list[Series]:
    found: dict[str, Series] = {}
    around: dict[str, list[str]] = {}
    for change in move.changes:
        path = change.path.decode("utf-8", "surrogateescape")
        folder = os.path.dirname(os.path.dirname(path)) or os.path.dirname(path)
        if folder not in around:
            around[folder] = sorted({*paths_in(scene.repo, tree, folder), *base_paths(scene.repo, scene.rules, folder)})
        series = series_around(scene.repo, scene.rules, change.path, around[folder])
        if series:
            found[series.folder] = series
    return list(found.values())


def _problems(
    scene: Scene, series: Series, tree: str, sides: tuple[set[str], set[str], set[str]], *, landing: bool
) -> list[Problem]:
    base, present, brought = sides
    in_base = series.migrations(base)
    held = _held_elsewhere(scene, series, set(in_base), landing=landing)
    found = problems(series.layout, brought, in_base, held, landing=landing)
    if has_pairs(series, sorted(base)):
        found += missing_downs(series.layout, brought)
    if series.layout.graph:
        found += _graph_problems(scene, series, (base, present), tree, landing=landing)
    return found


def _held_elsewhere(
    scene: Scene, series: Series, landed: set[str], *, landing: bool
) -> dict[str, tuple[Numbered, str]]:
    """The numbers of others; what is only committed gives way to what lands first, and is renumbered."""
    others = {} if landing else elsewhere(scene.repo, series, committed_only=True)
    held = {name: (number, f"worktree {worktree}") for name, (number, worktree) in others.items() if name not in landed}
    for one in reservations(scene.repo, scene.rules, scene.snapshot, series):
        number = numbered(series, one)
        if number and one.holder != scene.holder and one.name not in landed and not (landing and one.by_commit):
            held[one.name] = (number, one.holder.key)
    return held


def _graph_problems(
    scene: Scene, series: Series, sides: tuple[set[str], set[str]], tree: str, *, landing: bool
) -> list[Problem]:
    base, present = sides
    now, before = _nodes(scene, series, present, tree), _nodes(scene, series, base, tree)
    new_heads = [name for name in heads(now) if name not in heads(before)]
    found = [
        Problem(name, f"it comes after {missing}, which is not there", renumber=False)
        for name, missing in dangling(now)
        if name not in before
    ]
    if landing and len(heads(now)) > max(1, len(heads(before))) and new_heads:
        field = "down_revision" if series.layout.graph == "alembic" else "dependencies"
        why = f"the series would have {len(heads(now))} heads ({', '.join(heads(now)[:3])}); {field} must name base's"
        found.append(Problem(new_heads[-1], why, renumber=False))
    return found


def _nodes(scene: Scene, series: Series, paths: set[str], tree: str) -> dict[str, Node]:
    app = os.path.basename(os.path.dirname(series.folder))
    nodes = {}
    for path in paths:
        name = series.name_of(path)
        if not name or number_in(series.layout, name) is None:
            continue
        source = _source(scene, path, tree)
        node = (
            alembic_node(source)
            if series.layout.graph == "alembic"
            else django_node(app, name.removesuffix(".py"), source)
        )
        if node:
            nodes[node.name] = node
    return nodes


def _source(scene: Scene, path: str, tree: str) -> bytes:
    """A migration's text: from the tree that is judged (or the index), else from where base has it."""
    encoded = path.encode("utf-8", "surrogateescape")
    for name in (
        tree.encode() + b":" + encoded,
        *(commit.encode() + b":" + encoded for commit in scene.rules.base.commits),
    ):
        content = scene.cat.read(name)
        if content is not None:
            return content
    return b""


def _edited(scene: Scene, move: Transition, series: Series, base: set[str]) -> list[Finding]:
    """Edits of migrations that base has: refused only where the runner keeps a checksum."""
    landed = series.migrations(base)
    found = []
    for change in move.changes:
        path = change.path.decode("utf-8", "surrogateescape")
        if not change.old or path not in base or series.name_of(path) not in landed:
            continue
        if any(change.new == scene.blob(commit, change.path) for commit in _bases(scene, move)):
            continue
        effect = (
            f"{series.layout.name} keeps a checksum and would stop"
            if series.layout.checksum
            else "databases that ran it will not run it again"
        )
        lines = (
            f"{show_path(change.path)} has landed already, and this changes it",
            effect + "; write a new migration:",
            f"agentsync migration next {shell_path(series.folder.encode('utf-8', 'surrogateescape'))} NAME",
        )
        found.append(Finding("numbers", lines, change.path, told=not series.layout.checksum))
    return found


def _bases(scene: Scene, move: Transition) -> list[str]:
    """Base's commits, and where the moved branch left base: going back to those edits nothing."""
    forks = [
        scene.repo.git("merge-base", commit, move.commit, ok=(0, 1)).out.decode().strip()
        for commit in scene.rules.base.commits
        if move.commit
    ]
    return [commit for commit in (*scene.rules.base.commits, *forks) if commit]


def _finding(scene: Scene, series: Series, problem: Problem, brought: set[str]) -> Finding:
    path = next((path for path in sorted(brought) if series.name_of(path) == problem.name), problem.name)
    encoded = path.encode("utf-8", "surrogateescape")
    lines = [f"migration {show_path(encoded)}: {problem.why}"]
    number = number_in(series.layout, problem.name)
    if problem.renumber:
        free = next_text(series.layout, taken_anywhere(scene.repo, scene.rules, scene.snapshot, series))
        lines.append(f"the next free number of {show_series(series)} is {free}:")
        if number:
            moved = problem.name.replace(number.text, free, 1)
            target = f"{series.folder}/{moved}".lstrip("/") + path[len(f"{series.folder}/{problem.name}".lstrip("/")) :]
            source = path
            if series.layout.folders:
                source, target = f"{series.folder}/{problem.name}", f"{series.folder}/{moved}"
            words = (text.encode("utf-8", "surrogateescape") for text in (source, target))
            lines.append(f"git mv {' '.join(shell_path(word) for word in words)}")
        else:
            folder = shell_path(series.folder.encode("utf-8", "surrogateescape"))
            lines.append(f"agentsync migration next {folder} NAME")
    return Finding("numbers", tuple(lines), encoded)


def _reserved(scene: Scene, series: Series, brought: list[str]) -> dict[bytes, Record | None]:
    """A free number without a reservation is reserved by its commit."""
    known = {one.name for one in reservations(scene.repo, scene.rules, scene.snapshot, series)}
    now = int(time.time())
    records: dict[bytes, Record | None] = {}
    for name in brought:
        number = number_in(series.layout, name)
        if number and number.key and name not in known and ".down." not in name:
            one = Reservation(number.text, name, scene.holder, now, now + PROVISIONAL, by_commit=True)
            records[reservation_place(series, number.key)] = reservation_record(one)
    return records
