"""A merge tried out in memory: what drivers, the renumbering and the makers of generated files leave to a person."""

from __future__ import annotations

from agentsync.errors import RefusedError
from agentsync.git.merge_file import merge_lines
from agentsync.git.objects import FILES, cat_file, merge_base, tree_changes
from agentsync.git.stacks import base_as_taken
from agentsync.git.trees import Conflict, Entry, edited_tree, entries, merge_trees, write_blob
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.formats import format_of
from agentsync.merging.generated import PACKAGE_MANAGERS, Generator, generator_of
from agentsync.merging.insertions import union
from agentsync.merging.three_way import ConflictError
from agentsync.migrations.renumber import Renumbering, edits_of, renumbering, told
from agentsync.text import one_line

if TYPE_CHECKING:
    from agentsync.config.load import InForce
    from agentsync.git.objects import CatFile
    from agentsync.git.repo import Repo

_MOST_BYTES = 10 << 20


class Stale(NamedTuple):
    """A generated file that both sides changed, how it is made anew, and what git makes of it, if clean."""

    path: bytes
    maker: Generator
    merged: Entry | None


class Rehearsal(NamedTuple):
    """What a merge would be.

    `tree` has every path that a machine is sure of; `conflicts` are left to a person; `stale` files hold one side's
    version until they are made anew; `unions` keep both sides' insertions, which only a check can confirm;
    `edits` are the renumbering's, and `renumbered` tells of them, a pair of path and what becomes of it each.
    `sides` are the commits that were merged: base's is another than base where that took a part of the branch already.
    """

    tree: str
    sides: tuple[str, str]
    conflicts: tuple[Conflict, ...] = ()
    stale: tuple[Stale, ...] = ()
    unions: tuple[bytes, ...] = ()
    edits: dict[bytes, Entry | None] = {}  # noqa: RUF012 (a tuple's default, never changed)
    renumbered: tuple[tuple[str, str], ...] = ()

    def without_unions(self, repo: Repo) -> Rehearsal:
        """The same with the unions back among the conflicts, where no check can confirm them."""
        if not self.unions:
            return self
        again = [one for one in merge_trees(repo, *self.sides).conflicts if one.path in self.unions]
        return self._replace(conflicts=(*self.conflicts, *again), unions=())


def rehearse(repo: Repo, rules: InForce, base: str, branch: str, *, onto_base: bool) -> Rehearsal:
    """Merge `branch` and `base` (commits) in memory; `onto_base`: base's side is ours.

    Raises GitError for unrelated histories and missing objects, RefusedError where migrations need a person.
    """
    named, base = base[:12], base_as_taken(repo, base, branch)
    ours, theirs = (base, branch) if onto_base else (branch, base)
    merged = merge_trees(repo, ours, theirs)
    if not merged.clean and not merged.conflicts:  # such as a folder whose files went two ways
        what = one_line(next(iter(merged.messages), "git finds a conflict"), 200)
        raise RefusedError(what, "no single file tells; a person must look at this merge", f"git merge {named}")
    plans = renumbering(repo, rules, base, branch, landing=onto_base)
    edits = edits_of(repo, plans, merged.tree)
    owned = _owned(plans)
    changes: dict[bytes, Entry | None] = {path: edit for path, edit in edits.items() if path in owned}
    conflicting = {one.path for one in merged.conflicts}
    changes |= {path: edit for path, edit in edits.items() if path not in conflicting}
    conflicts: list[Conflict] = []
    stale: list[Stale] = []
    unions: list[bytes] = []
    with cat_file(repo) as cat:
        for conflict in merged.conflicts:
            if conflict.path in owned:
                continue
            maker = generator_of(conflict.path, rules.config)
            if maker and conflict.ours and conflict.theirs:
                stale.append(Stale(conflict.path, maker, _line_merge(repo, cat, conflict)))
                changes[conflict.path] = conflict.ours
            elif (text := _union(repo, cat, conflict)) is not None:
                unions.append(conflict.path)
                changes[conflict.path] = Entry(_merged_mode(conflict), write_blob(repo, text))
            else:
                conflicts.append(conflict)
    known = {one.path for one in stale} | owned
    stale += [one for one in _merged_anyway(repo, rules, (base, branch), merged.tree) if one.path not in known]
    tree = edited_tree(repo, merged.tree, changes)
    return Rehearsal(tree, (ours, theirs), tuple(conflicts), tuple(stale), tuple(unions), changes, tuple(told(plans)))


def _merged_anyway(repo: Repo, rules: InForce, tips: tuple[str, str], tree: str) -> list[Stale]:
    """Generated files that both sides changed and git merged: what fits as text need not be what their tool makes."""
    fork = merge_base(repo, *tips)
    sides = [{change.path: change.new for change in tree_changes(repo, fork, tip)} for tip in tips]
    found = []
    for path in sorted(sides[0].keys() & sides[1].keys()):
        maker = generator_of(path, rules.config) if sides[0][path] and sides[1][path] else None
        same_lock = maker is not None and maker.command in PACKAGE_MANAGERS and sides[0][path] == sides[1][path]
        if maker and not same_lock:
            found.append(Stale(path, maker, entries(repo, tree, path).get(path)))
    return found


def _merged_mode(conflict: Conflict) -> str:
    """The mode that either side gave a file, else the one that it has."""
    modes = [side.mode for side in (conflict.ours, conflict.theirs, conflict.base) if side]
    changed = [mode for mode in modes if conflict.base and mode != conflict.base.mode]
    return (changed or modes)[0]


def _owned(plans: Renumbering) -> set[bytes]:
    """The paths whose content a plan decides, whatever the merge made of them."""
    paths = {path for plan in plans.plans for path in (*plan.moves, *plan.moves.values(), *plan.copies, *plan.writes)}
    return {path.encode("utf-8", "surrogateescape") for path in paths}


def _union(repo: Repo, cat: CatFile, conflict: Conflict) -> bytes | None:
    """Both sides' insertions, where that is all they are; None where it is not, or a format found the conflict."""
    known = format_of(conflict.path)
    if known and known.name != "registry" and not known.by_lines:
        return None
    texts = _texts(cat, conflict)
    if texts is None:
        return None
    try:
        return union(conflict.path.decode("utf-8", "surrogateescape"), merge_lines(repo.environ, *texts))
    except ConflictError:
        return None


def _line_merge(repo: Repo, cat: CatFile, conflict: Conflict) -> Entry | None:
    """What git's line merge makes of a file whose driver left a conflict; None where that is one too."""
    texts = _texts(cat, conflict)
    merged = merge_lines(repo.environ, *texts) if texts else None
    if merged is None or merged.hunks:
        return None
    text = b"".join(part for part in merged.parts if isinstance(part, bytes))
    return Entry(_merged_mode(conflict), write_blob(repo, text))


def _texts(cat: CatFile, conflict: Conflict) -> tuple[bytes, bytes, bytes] | None:
    """The three versions of a conflict; None where one is missing, or is no text that could be merged by lines."""
    sides = (conflict.base, conflict.ours, conflict.theirs)
    if any(side is None or side.mode not in FILES for side in sides):
        return None
    texts = [cat.read(side.id.encode()) for side in sides if side]
    if any(text is None or len(text) > _MOST_BYTES or b"\0" in text[:8000] for text in texts):
        return None
    base, ours, theirs = (text or b"" for text in texts)
    return base, ours, theirs
