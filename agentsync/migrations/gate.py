"""The number rule at the gates."""

from __future__ import annotations

import os
import time

from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.graph import Node, alembic_node, dangling, django_node, heads, references
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
from agentsync.migrations.references import dangling_references
from agentsync.migrations.rewriting.rewriter import is_numbered
from agentsync.migrations.rules import Problem, missing_downs, problems, stem
from agentsync.migrations.series import Series, all_series, base_paths, elsewhere, paths_in, series_around, show_series
from agentsync.text import shell_path, show_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.judging.scene import Scene
    from agentsync.migrations.layouts import Numbered
    from agentsync.record import Record


def judge_numbers(scene: Scene, move: Transition, ref: str, tree: str) -> Verdict:
    """Judge the migrations that a move of `ref` brings; `tree` is its result, empty for the index."""
    findings: list[Finding] = []
    records: dict[bytes, Record | None] = {}
    touched = _touched(scene, move, tree)
    for series in touched:
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
        findings += _findings(scene, series, found, present - base)
        if not found and ref != scene.rules.base.ref:
            records |= _reserved(scene, series, list(brought))
    findings += _dangling_between_apps(scene, move, tree, [one for one in touched if one.layout.graph == "django"])
    return Verdict(tuple(findings), records)


def _dangling_between_apps(scene: Scene, move: Transition, tree: str, touched: list[Series]) -> list[Finding]:
    """Django migrations that name one of another app which is not there, or not any more; base's own stay."""
    changed = {change.path.decode("utf-8", "surrogateescape"): change.new for change in move.changes}
    own = {path: series for path in changed for series in touched if is_numbered(series, path)}
    sources = {path: _source(scene, path, tree) for path in own if changed[path]}
    gone = [os.path.basename(path).removesuffix(".py").encode() for path in own if not changed[path]]
    if not gone and not any(pair.first != own[path].app for path in sources for pair in references(sources[path])):
        return []
    every = [one for one in all_series(scene.repo, scene.rules, tree) if one.layout.graph == "django"]
    present = set(paths_in(scene.repo, tree))
    for path in present - sources.keys() if gone else ():
        content = _source(scene, path, tree) if any(is_numbered(series, path) for series in every) else b""
        if any(name in content for name in gone):
            sources[path] = content
    landed = base_paths(scene.repo, scene.rules)
    found = []
    for one in dangling_references(every, sources, present, lambda path: _source(scene, path, tree)):
        target = next(f"{series.folder}/{one.name}.py" for series in every if series.app == one.app)
        if (one.path in own and own[one.path].app == one.app) or (one.path in landed and target not in landed):
            continue
        lines = (
            f"migration {_shown(one.path)}: it names {one.name} of {one.app}, which is not there",
            "base may have it:" if target in landed else "name one that is there:",
            "agentsync sync" if target in landed else f"$EDITOR {_word(one.path)}",
        )
        found.append(Finding("numbers", lines, one.path.encode("utf-8", "surrogateescape")))
    return found


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
        found += [
            Problem(series.name_of(up), f"its down file is missing: write {_shown(down)}", f"git add {_word(down)}")
            for up, down in missing_downs(series.layout, present - base, present).items()
            if number_in(series.layout, series.name_of(up))
        ]
    if series.layout.name == "drizzle":
        found += _journal_problems(scene, series, present, tree)
    if series.layout.graph:
        found += _graph_problems(scene, series, (base, present), tree, landing=landing)
    return found


def _journal_problems(scene: Scene, series: Series, present: set[str], tree: str) -> list[Problem]:
    """Migrations that drizzle's journal names and that are not there, as after `git mv` alone."""
    from agentsync.migrations.rewriting.drizzle import tags_in  # only drizzle has a journal

    path = f"{series.folder}/meta/_journal.json"
    known = [tag for commit in scene.rules.base.commits for tag in tags_in(_at(scene, commit, path))]
    names = {series.name_of(one) for one in present}
    why = "the journal names it, and it is not there; let all follow its number:"
    return [
        Problem(f"{tag}.sql", why, "agentsync migration renumber")
        for tag in tags_in(_at(scene, tree, path))
        if tag not in known and f"{tag}.sql" not in names
    ]


def _at(scene: Scene, tree: str, path: str) -> bytes:
    return scene.cat.read(f"{tree}:{path}".encode("utf-8", "surrogateescape")) or b""


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
    sources = {path: _source(scene, path, tree) for path in present | base if is_numbered(series, path)}
    series = series.labelled(sources)
    now, before = (_nodes(series, {path: sources[path] for path in side if path in sources}) for side in sides[::-1])
    new_heads = [name for name in heads(now) if name not in heads(before)]
    found = _twins(series, {path: sources[path] for path in present if path in sources}, base)
    found += [
        Problem(name, f"it comes after {missing}, which is not there; base may have it:", "agentsync sync")
        for name, missing in dangling(now)
        if name not in before
    ]
    if landing and len(heads(now)) > max(1, len(heads(before))) and new_heads:
        field = "down_revision" if series.layout.graph == "alembic" else "dependencies"
        why = f"the series would have {len(heads(now))} heads ({', '.join(heads(now)[:3])}); {field} must name base's:"
        found.append(Problem(new_heads[-1], why, "agentsync sync"))
    return found


def _nodes(series: Series, sources: Mapping[str, bytes]) -> dict[str, Node]:
    found = [(path, _node(series, path, source)) for path, source in sorted(sources.items())]
    return {node.name: node for _, node in found if node}


def _node(series: Series, path: str, source: bytes) -> Node | None:
    if series.layout.graph == "alembic":
        return alembic_node(source)
    return django_node(series.app, series.name_of(path).removesuffix(".py"), source)


def _twins(series: Series, sources: Mapping[str, bytes], base: set[str]) -> list[Problem]:
    """Files that the branch brings with the revision id of another file: Alembic's graph would have one of them."""
    by_id: dict[str, str] = {}
    found = []
    for path in sorted(sources, key=lambda one: (one not in base, one)):
        node = _node(series, path, sources[path])
        if node and by_id.setdefault(node.name, path) != path and path not in base:
            why = f"{series.name_of(by_id[node.name])} has the revision id {node.name} too: it needs one of its own"
            found.append(Problem(series.name_of(path), why, f"${{EDITOR:-vi}} {_word(path)}"))
    return found


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


def _shown(path: str) -> str:
    return show_path(path.encode("utf-8", "surrogateescape"))


def _word(path: str) -> str:
    return shell_path(path.encode("utf-8", "surrogateescape"))


def _findings(scene: Scene, series: Series, found: list[Problem], brought: set[str]) -> list[Finding]:
    """What to say of each problem; several new numbers at once are several."""
    free: dict[str, str] = {}
    taken = []
    if any(not problem.command for problem in found):
        taken = taken_anywhere(scene.repo, scene.rules, scene.snapshot, series)
    for problem in found:
        number = number_in(series.layout, problem.name)
        if not problem.command and number and stem(problem.name) not in free:
            text = next_text(series.layout, taken)
            free[stem(problem.name)] = text
            fresh = number_in(series.layout, problem.name.replace(number.text, text, 1))
            taken += [fresh] if fresh else []
    whole = {stem(name) for name in series.migrations(brought)} <= free.keys()  # else they would change their order
    return [_finding(series, problem, brought, free.get(stem(problem.name), ""), whole=whole) for problem in found]


def _finding(series: Series, problem: Problem, brought: set[str], free: str, *, whole: bool) -> Finding:
    names = (problem.name, f"{problem.name}.py")  # a graph's names have no suffix
    path = next((path for path in sorted(brought) if series.name_of(path) in names), problem.name)
    lines = [f"migration {_shown(path)}: {problem.why}"]
    if problem.command:
        lines.append(problem.command)
    elif free:
        lines.append(f"the next free number of {show_series(series)} is {free}:")
        lines.append(_renumbering(series, problem.name, path, free, whole=whole))
    else:
        lines.append(f"a name that {series.layout.name} reads, with the next free number of {show_series(series)}:")
        lines.append(f"agentsync migration next {_word(series.folder)} NAME")
    return Finding("numbers", tuple(lines), path.encode("utf-8", "surrogateescape"))


def _renumbering(series: Series, name: str, path: str, free: str, *, whole: bool) -> str:
    """The command that gives a staged migration its new number, and all that names it."""
    from agentsync.migrations.rewriting.table import is_plain  # only for a refusal

    number = number_in(series.layout, name)
    assert number is not None  # noqa: S101 (it has a free one to take)
    moved = name.replace(number.text, free, 1)
    start = f"{series.folder}/{name}".lstrip("/")
    target = f"{series.folder}/{moved}".lstrip("/") + ("" if series.layout.folders else path[len(start) :])
    move = f"git mv {_word(start if series.layout.folders else path)} {_word(target)}"
    if whole and is_plain(series.layout):
        return move
    journalled = whole and series.layout.name == "drizzle"
    return f"{move} && agentsync migration renumber" if journalled else "agentsync migration renumber"


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
