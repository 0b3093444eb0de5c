"""Renumbering on real trees: the plans for a branch and base, and what they change in a merged tree."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from agentsync.errors import RefusedError
from agentsync.git.objects import cat_file, merge_base
from agentsync.git.trees import Entry, changed_paths, entries, write_blob
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.numbers import held_by_others
from agentsync.migrations.plan import make_plan
from agentsync.migrations.references import dangling_references
from agentsync.migrations.rewriting.rewriter import Plan, Trees, is_numbered, replace_words
from agentsync.migrations.rewriting.typeorm import replace_stamps
from agentsync.migrations.series import Series, all_series, base_paths
from agentsync.state.store import Store
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agentsync.config.load import InForce
    from agentsync.git.objects import CatFile
    from agentsync.git.repo import Repo

_DUMPS = ("structure.sql", "schema.sql")  # Rails', Ecto's and dbmate's list the migrations that they hold
_MOST_BYTES = 1 << 20  # a larger file is data, which names no migration


class Renumbering(NamedTuple):
    """The plans for a branch, with what they were made from, and every series that the repository has."""

    base: str
    fork: str
    branch: str
    plans: tuple[Plan, ...]
    series: tuple[Series, ...] = ()

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
    every = all_series(repo, rules, branch)
    found = [
        series
        for series in every
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
                taken |= _landed_since(repo, rules, series, trees)
            made.append(make_plan(series, trees, datetime.now(UTC), taken))
    return Renumbering(base, fork, branch, tuple(plan for plan in made if plan), tuple(every))


def _landed_since(repo: Repo, rules: InForce, series: Series, trees: Trees) -> set[int]:
    """The numbers that base has here or upstream, beyond the base that the plan is made on."""
    known = series.migrations(trees.base)
    now = series.migrations(base_paths(repo, rules, series.folder))
    return {number.key[0] for name, number in now.items() if name not in known and len(number.key) == 1}


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
    """What the plans change in `merged`, the tree of base and branch merged: path to entry, None to remove.

    Raises RefusedError where a migration would name one that is not there.
    """
    if not what and not any(series.layout.graph == "django" for series in what.series):
        return {}
    now, base, branch = (entries(repo, tree) for tree in (merged, what.base, what.branch))
    changed = changed_paths(repo, what.fork, what.branch) & now.keys()
    edits: dict[bytes, Entry | None] = {}
    with cat_file(repo) as cat:
        for plan in what.plans:
            edits |= _moved(plan, base, branch)
            others = _names([one for one in what.plans if one is not plan], branch)
            for path in {*plan.writes, *plan.moves.values()}:
                old = next((old for old, new in plan.moves.items() if new == path), path)
                entry = branch.get(_bytes(old)) or Entry("100644", "")
                content = plan.writes.get(path)
                if content is None:
                    content = cat.read(entry.id.encode()) or b""
                written = _with_names(others, path, content)
                edits[_bytes(path)] = Entry(entry.mode, write_blob(repo, written))
        rest = {path: now[path] for path in sorted(changed - edits.keys()) if not _has_landed(what, path, base)}
        edits |= _referring(repo, cat, _names(what.plans, branch), rest)
        _require_references(what, cat, {**now, **edits}, changed | edits.keys())
    return edits


def _has_landed(what: Renumbering, path: bytes, base: Mapping[bytes, Entry]) -> bool:
    """Whether a path is a migration of base, which no renumbering may edit."""
    return path in base and any(is_numbered(series, _text(path)) for series in what.series)


def _require_references(
    what: Renumbering, cat: CatFile, after: Mapping[bytes, Entry | None], touched: Collection[bytes]
) -> None:
    """Refuse a tree in which a Django migration that the branch brings names one of any app that is not there."""
    files = {_text(path): entry for path, entry in after.items() if entry}
    contents = {path: files[path].id.encode() for path in map(_text, touched) if path in files}
    wrong = dangling_references(
        [series for series in what.series if series.layout.graph == "django"],
        {path: cat.read(blob) or b"" for path, blob in contents.items() if path.endswith(".py")},
        files,
        lambda path: cat.read(files[path].id.encode()) or b"",
    )
    if wrong:
        folder = show_path(_bytes(os.path.dirname(wrong[0].path)))
        raise RefusedError(
            f"the migrations of {folder} need a person",
            f"{os.path.basename(wrong[0].path)} would name {wrong[0].app}.{wrong[0].name}, which is not there",
            "agentsync migration check",
        )


def _moved(plan: Plan, base: Mapping[bytes, Entry], branch: Mapping[bytes, Entry]) -> dict[bytes, Entry | None]:
    """Where the branch's files go; what they leave is as base has it."""
    edits: dict[bytes, Entry | None] = {}
    for old in (*plan.moves, *plan.copies):
        edits[_bytes(old)] = base.get(_bytes(old))
    for old, new in plan.moves.items():
        edits[_bytes(new)] = branch[_bytes(old)]
    return edits


class _Names(NamedTuple):
    """What the plans call anew, all at once: a new name may be another's old one."""

    words: dict[str, str]
    numbers: dict[str, str]
    stamps: dict[str, str]
    pairs: dict[tuple[str, str], str]
    patterns: dict[str, tuple[str, str]]


def _names(plans: Sequence[Plan], branch: Mapping[bytes, Entry]) -> _Names:
    """The names that some plans change; as words only those that no file of another folder has, which it may mean."""
    names = _Names({}, {}, {}, {}, {})
    for plan in plans:
        start = _bytes(plan.series) + b"/"
        elsewhere = {_stem(path) for path in branch if not path.startswith(start)}
        words = {old: new for old, new in plan.words.items() if old not in elsewhere}
        names.pairs.update({(plan.app, old): new for old, new in plan.words.items()})
        (names.numbers if all(word.isdigit() for word in words) else names.words).update(words)
        names.stamps.update(plan.stamps)
        names.patterns.update(plan.patterns)
    return names


def _stem(path: bytes) -> str:
    return re.sub(r"(\.(up|down))?\.\w+$", "", _text(path.rpartition(b"/")[2]))


def _referring(repo: Repo, cat: CatFile, names: _Names, files: Mapping[bytes, Entry]) -> dict[bytes, Entry | None]:
    """The other files that the branch changed, where they name what moves."""
    edits: dict[bytes, Entry | None] = {}
    for path, entry in files.items():
        content = cat.read(entry.id.encode()) if entry.mode in ("100644", "100755") else None
        if content is None or len(content) > _MOST_BYTES or b"\0" in content[:8000]:
            continue
        changed = _with_names(names, _text(path), content)
        if changed != content:
            edits[path] = Entry(entry.mode, write_blob(repo, changed))
    return edits


def _with_names(names: _Names, path: str, content: bytes) -> bytes:
    if path in names.patterns:
        pattern, text = names.patterns[path]
        return re.sub(pattern.encode(), text.encode(), content, count=1)
    if path.endswith(_DUMPS):
        content = replace_stamps(content, names.stamps)
    content = replace_stamps(content, names.numbers)
    if "migrations/" in path and path.endswith(".py"):
        return _with_pairs(names, content)
    return replace_words(content, names.words)


_PAIR = re.compile(rb"((['\"])(\w+)\2\s*,\s*(['\"]))(\w+)(?=\4)")


def _with_pairs(names: _Names, content: bytes) -> bytes:
    """Another app's migrations name one of this app by a pair; a stem alone may be their own."""
    known = {(app.encode(), old.encode()): new.encode() for (app, old), new in names.pairs.items()}
    return _PAIR.sub(lambda found: found[1] + known.get((found[3], found[5]), found[5]), content)


def told(what: Renumbering) -> list[tuple[str, str]]:
    """What the plans do, as pairs of a path and where it goes or what it becomes."""
    rows: list[tuple[str, str]] = []
    for plan in what.plans:
        rows += sorted(plan.moves.items())
        rows += [(path, f"is {other}, which has landed") for path, other in sorted(plan.copies.items())]
        rows += [(path, "edited") for path in sorted(plan.writes) if path not in plan.moves.values()]
    return rows
