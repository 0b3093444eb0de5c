"""Renumbering on real trees: the plans for a branch and base, and what they change in a merged tree."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from agentsync.git.objects import cat_file
from agentsync.git.trees import Entry, changed_paths, entries, merge_base, write_blob
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.numbers import held_by_others
from agentsync.migrations.plan import make_plan
from agentsync.migrations.rewriting.rewriter import Plan, Trees, replace_words
from agentsync.migrations.rewriting.typeorm import replace_stamps
from agentsync.migrations.series import Series, all_series
from agentsync.state.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.config.load import InForce
    from agentsync.git.objects import CatFile
    from agentsync.git.repo import Repo

_DUMPS = ("structure.sql", "schema.sql")  # Rails', Ecto's and dbmate's list the migrations that they hold
_MOST_BYTES = 1 << 20  # a larger file is data, which names no migration


class Renumbering(NamedTuple):
    """The plans for a branch, with what they were made from."""

    base: str
    fork: str
    branch: str
    plans: tuple[Plan, ...]

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.plans)


def renumbering(repo: Repo, rules: InForce, base: str, branch: str, *, landing: bool) -> Renumbering:
    """What must move so that `branch` (a commit) lands on `base` (a commit) with its migrations in order.

    `landing`: it lands now; else it only is made ready to.

    Raises RefusedError where no sure plan exists for a series.
    """
    fork = merge_base(repo, base, branch)
    if not fork:
        return Renumbering(base, fork, branch, ())
    touched = {_text(path) for path in changed_paths(repo, fork, branch)}
    found = [
        series
        for series in all_series(repo, rules, branch)
        if any(path.startswith(series.folder + "/" if series.folder else "") for path in touched)
    ]
    snapshot = Store(repo.shared_dir, repo.environ).snapshot() if found else None
    with cat_file(repo) as cat:
        made = []
        for series in found:
            trees = _trees(repo, cat, series, (base, fork, branch))
            taken = set()
            if snapshot:
                taken = held_by_others(repo, rules, snapshot, series, trees.branch, landing=landing)
            made.append(make_plan(series, trees, datetime.now(UTC), taken))
    return Renumbering(base, fork, branch, tuple(plan for plan in made if plan))


def _trees(repo: Repo, cat: CatFile, series: Series, commits: tuple[str, str, str]) -> Trees:
    scope = os.path.dirname(series.folder) if series.layout.name == "liquibase" else series.folder
    sides = [
        {_text(path): entry.id for path, entry in entries(repo, commit, *([_bytes(scope)] if scope else [])).items()}
        for commit in commits
    ]
    return Trees(sides[0], sides[1], sides[2], lambda blob: cat.read(blob.encode()) or b"")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def edits_of(repo: Repo, what: Renumbering, merged: str) -> dict[bytes, Entry | None]:
    """What the plans change in `merged`, the tree of base and branch merged: path to entry, None to remove."""
    if not what:
        return {}
    now, base, branch = (entries(repo, tree) for tree in (merged, what.base, what.branch))
    changed = changed_paths(repo, what.fork, what.branch) & now.keys()
    edits: dict[bytes, Entry | None] = {}
    with cat_file(repo) as cat:
        for plan in what.plans:
            edits |= _moved(plan, base, branch)
            for path, content in plan.writes.items():
                mode = (branch.get(_bytes(path)) or Entry("100644", "")).mode
                edits[_bytes(path)] = Entry(mode, write_blob(repo, content))
            others = {path: now[path] for path in sorted(changed - edits.keys())}
            edits |= _referring(repo, cat, _unambiguous(plan, branch), others)
    return edits


def _moved(plan: Plan, base: Mapping[bytes, Entry], branch: Mapping[bytes, Entry]) -> dict[bytes, Entry | None]:
    """Where the branch's files go; what they leave is as base has it."""
    edits: dict[bytes, Entry | None] = {}
    for old in (*plan.moves, *plan.copies):
        edits[_bytes(old)] = base.get(_bytes(old))
    for old, new in plan.moves.items():
        edits[_bytes(new)] = branch[_bytes(old)]
    return edits


def _unambiguous(plan: Plan, branch: Mapping[bytes, Entry]) -> Plan:
    """The plan with only those names that no file of another folder has: elsewhere they may mean that one."""
    start = _bytes(plan.series) + b"/"
    elsewhere = {_stem(path) for path in branch if not path.startswith(start)}
    return plan._replace(words={old: new for old, new in plan.words.items() if old not in elsewhere})


def _stem(path: bytes) -> str:
    return re.sub(r"(\.(up|down))?\.\w+$", "", _text(path.rpartition(b"/")[2]))


def _referring(repo: Repo, cat: CatFile, plan: Plan, files: Mapping[bytes, Entry]) -> dict[bytes, Entry | None]:
    """The other files that the branch changed, where they name what moves."""
    edits: dict[bytes, Entry | None] = {}
    for path, entry in files.items():
        content = cat.read(entry.id.encode()) if entry.mode in ("100644", "100755") else None
        if content is None or len(content) > _MOST_BYTES or b"\0" in content[:8000]:
            continue
        changed = _with_names(plan, _text(path), content)
        if changed != content:
            edits[path] = Entry(entry.mode, write_blob(repo, changed))
    return edits


def _with_names(plan: Plan, path: str, content: bytes) -> bytes:
    if path in plan.patterns:
        pattern, text = plan.patterns[path]
        return re.sub(pattern.encode(), text.encode(), content, count=1)
    if path.endswith(_DUMPS):
        content = replace_stamps(content, plan.stamps)
    if all(word.isdigit() for word in plan.words):
        return replace_stamps(content, plan.words)
    if "migrations/" in path and path.endswith(".py"):
        return _django_pairs(plan, content)
    return replace_words(content, plan.words)


def _django_pairs(plan: Plan, content: bytes) -> bytes:
    """Another app's migrations name one of this app by a pair; a stem alone may be their own."""
    app = plan.app.encode()
    for old, new in plan.words.items():
        pattern = rb"((['\"])" + re.escape(app) + rb"\2\s*,\s*(['\"]))" + re.escape(old.encode()) + rb"(?=\3)"
        content = re.sub(pattern, rb"\g<1>" + new.encode(), content)
    return content


def told(what: Renumbering) -> list[tuple[str, str]]:
    """What the plans do, as pairs of a path and where it goes or what it becomes."""
    rows: list[tuple[str, str]] = []
    for plan in what.plans:
        rows += sorted(plan.moves.items())
        rows += [(path, f"is {other}, which has landed") for path, other in sorted(plan.copies.items())]
        rows += [(path, "edited") for path in sorted(plan.writes) if path not in plan.moves.values()]
    return rows
