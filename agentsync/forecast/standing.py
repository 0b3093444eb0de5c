"""Which of the last forecast's conclusions still stand: both HEADs, and both sides' files, are as they were."""

from __future__ import annotations

from agentsync.forecast.cache import BASE, Clash, Forecast, read_last
from agentsync.forecast.sides import still_has, with_scratch_objects
from agentsync.git.refs import head_of, worktrees
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.config.load import Base
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo


def standing(repo: Repo, base: Base, concerning: str = "") -> Forecast:
    """The last forecast with only what is still so; only what concerns one worktree, where one is named.

    A conflict in a path stands for as long as both HEADs are the same and both worktrees have that path as it was.
    """
    last = read_last(repo)
    here = {one.id: one for one in worktrees(repo) if one.present}
    heads = {name: head_of(repo, one.git_dir).commit for name, one in here.items()} | {BASE: base.newest}
    clashes = [
        stands
        for clash in last.clashes
        if _concerns(clash.one, clash.other, concerning)
        and clash.heads == (heads.get(clash.one), heads.get(clash.other))
        and (stands := _as_it_stands(repo, here, clash))
    ]
    unmerged = [
        one
        for one in last.unmerged
        if _concerns(one.one, one.other, concerning) and one.heads == (heads.get(one.one), heads.get(one.other))
    ]
    return last._replace(clashes=tuple(clashes), unmerged=tuple(unmerged))


def _concerns(one: str, other: str, worktree: str) -> bool:
    return not worktree or worktree in (one, other)


def _as_it_stands(repo: Repo, here: dict[str, Worktree], clash: Clash) -> Clash | None:
    """A conflict in the paths that both sides still have as they were; None where none is left."""
    ours = with_scratch_objects(repo, emptied=False)
    sides = [(here[name], tree) for name, tree in zip((clash.one, clash.other), clash.trees, strict=True) if tree]
    names = [path.path.encode("utf-8", "surrogateescape") for path in clash.paths]
    if all(still_has(ours, worktree, tree, names) for worktree, tree in sides):
        return clash
    kept = [
        path
        for path, name in zip(clash.paths, names, strict=True)
        if len(names) > 1 and all(still_has(ours, worktree, tree, [name]) for worktree, tree in sides)
    ]
    return clash._replace(paths=tuple(kept)) if kept else None
