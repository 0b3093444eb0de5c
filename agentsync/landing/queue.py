"""The order in which branches that are ready go through pull requests, and which of them conflict with each other."""

from __future__ import annotations

from agentsync.errors import GitError, RefusedError
from agentsync.git.objects import merge_base
from agentsync.git.refs import HEADS, attached_branches, resolve_ref, worktrees
from agentsync.git.repo import private_dir_of
from agentsync.git.trees import changed_paths
from agentsync.landing.rehearse import rehearse
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo


class Clash(NamedTuple):
    """A branch that conflicts with one before it, in which paths; or why that could not be told.

    `place`: the worktree of the later one, empty where none has it.
    """

    branch: str
    earlier: str
    paths: tuple[bytes, ...]
    why: str
    place: str


def clashes(repo: Repo, rules: InForce, branches: Sequence[str]) -> list[Clash]:
    """Which of some branches conflict with which before them, by real merges of every two that share a path."""
    tips = {name: resolve_ref(repo, HEADS + name) for name in branches}
    touched = {name: _touched(repo, rules, tip) for name, tip in tips.items()}
    found = []
    for index, branch in enumerate(branches):
        for earlier in branches[:index]:
            if touched[branch] & touched[earlier]:
                paths, why = _merged(repo, rules, tips[earlier], tips[branch])
                if paths or why:
                    found.append(Clash(branch, earlier, paths, why, place_of(repo, branch)))
    return found


def _touched(repo: Repo, rules: InForce, tip: str) -> set[bytes]:
    fork = merge_base(repo, rules.base.newest, tip)
    return changed_paths(repo, fork, tip) if fork else set()


def _merged(repo: Repo, rules: InForce, earlier: str, later: str) -> tuple[tuple[bytes, ...], str]:
    """The paths that conflict, and why that could not be told."""
    try:
        rehearsal = rehearse(repo, rules, earlier, later, onto_base=False).without_unions(repo)
    except (GitError, RefusedError) as error:
        return (), one_line(f"{error.what}: {error.why}", 200)
    return tuple(one.path for one in rehearsal.conflicts), ""


def place_of(repo: Repo, branch: str) -> str:
    """The worktree that has a branch."""
    for one in worktrees(repo):
        if one.present and HEADS + branch in attached_branches(repo, one.git_dir, private_dir_of(one.git_dir)):
            return one.top
    return ""
