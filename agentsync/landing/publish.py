"""A branch moved by compare-and-swap, with the worktrees where it is checked out."""

from __future__ import annotations

import itertools
import os
import re

from agentsync.errors import GitError, RefusedError
from agentsync.git.refs import attached_branches, head_of, resolve_ref, worktrees
from agentsync.git.repo import git_elsewhere, private_dir_of
from agentsync.git.trees import changed_paths
from agentsync.judging.landing import begin, end
from agentsync.landing.follow import follow, follow_submodules
from agentsync.landing.in_the_way import InTheWayError, last_line, patiently, shown, untracked_in_the_way, ways_out
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line, shell_word

if TYPE_CHECKING:
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo
    from agentsync.state.store import Store

_UNDER_WAY = {
    "MERGE_HEAD": ("a merge", "git merge --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "git cherry-pick --abort"),
    "REVERT_HEAD": ("a revert", "git revert --abort"),
    "rebase-merge": ("a rebase", "git rebase --abort"),
    "rebase-apply": ("a rebase", "git rebase --abort"),
    "BISECT_START": ("a bisect", "git bisect reset"),
}


_REFUSED = "agentsync: refused: "


class MovedError(RefusedError):
    """The branch moved meanwhile: plan again."""


def under_way(git_dir: str) -> tuple[str, str]:
    """What git operation is under way in a worktree and what ends it; empty when none is."""
    return next((words for name, words in _UNDER_WAY.items() if os.path.exists(os.path.join(git_dir, name))), ("", ""))


def publish(repo: Repo, store: Store, author: str, ref: str, commits: tuple[str, str]) -> tuple[str, ...]:
    """Move `ref` between two commits (old, new); every worktree that has it checked out follows, or nothing moves.

    Returns the commands to type for submodules that could not follow.

    Raises RefusedError where a worktree has changes in the way, an operation under way, or a gate says no, and
    MovedError where the branch is no longer at the old commit.
    """
    old, new = commits
    places = _checked_out(repo, ref)
    for place in places:
        _require_free(repo, place, ref, old, new)
    begin(store, author, ref, old, new, [place.id for place in places])
    try:
        _swap(repo, ref, old, new)
        for place in places:
            follow(repo, place, old, new)
    finally:
        # a failure here leaves the record, for `mend`: the branch has moved and a worktree has not
        if resolve_ref(repo, ref) == old or all(_followed(repo, place, old, new) for place in places):
            end(store, author)
    return tuple(row for place in places for row in follow_submodules(repo, place.top, old, new))


def _checked_out(repo: Repo, ref: str) -> list[Worktree]:
    found = []
    for one in worktrees(repo):
        if not one.present and head_of(repo, one.git_dir).branch == ref:
            what = f"{ref.removeprefix('refs/heads/')} is checked out in {one.top}, which is not there"
            way_on = f"agentsync worktree remove {shell_word(one.id)}"
            raise InTheWayError(what, "it could not follow; bring it back, or give it up", way_on)
        if one.present and ref in attached_branches(repo, one.git_dir, private_dir_of(one.git_dir)):
            what, how = under_way(one.git_dir)
            if what:
                name = ref.removeprefix("refs/heads/")
                way_on = f"git -C {shell_word(one.top)} {how.removeprefix('git ')}"
                raise InTheWayError(
                    f"{name} cannot move: {what} is under way in {one.top}", "finish it, or end it", way_on
                )
            if head_of(repo, one.git_dir).branch == ref:
                found.append(one)
    return found


def _require_free(repo: Repo, place: Worktree, ref: str, old: str, new: str) -> None:
    if head_of(repo, place.git_dir).commit != old:
        raise MovedError(f"{ref.removeprefix('refs/heads/')} moved meanwhile", "", "agentsync status")
    name, top = ref.removeprefix("refs/heads/"), place.top
    patiently(lambda: git_elsewhere(repo.environ, top, "update-index", "-q", "--refresh", ok=()), top)
    untracked = untracked_in_the_way(repo, top, old, new)
    tried = patiently(lambda: git_elsewhere(repo.environ, top, "read-tree", "-n", "-m", "-u", old, new, ok=()), top)
    said = tried.err.decode("utf-8", "replace")
    names = re.findall(r"Entry '(.*?)' |working tree file '(.*?)'|^\t(.+)$", said, re.MULTILINE)
    changed = [next(part for part in found if part) for found in names]
    changed = [name for name in changed if os.fsencode(name) not in untracked]
    if tried.code != 0 and (changed or not untracked):
        listed = ", ".join(one_line(file, 80) for file in changed[:5]) or last_line(tried)
        what = f"{name} is checked out in {top}, and changes there are in the way: {listed}"
        raise InTheWayError(what, "nothing moved; commit them there first", f"git -C {shell_word(top)} status")
    if untracked:
        what = f"{name} is checked out in {top}, and files there that git does not track are in the way"
        why = "nothing moved; take them away first"
        raise InTheWayError(f"{what}: {shown(untracked)}", why, ways_out(top, untracked))


def _swap(repo: Repo, ref: str, old: str, new: str) -> None:
    patience = ("-c", "core.filesRefLockTimeout=5000", "-c", "core.packedRefsTimeout=5000")
    done = repo.git(*patience, "update-ref", "-m", "agentsync: landing", ref, new, old, ok=())
    if done.code == 0:
        return
    if resolve_ref(repo, ref) not in (old, new):
        raise MovedError(f"{ref.removeprefix('refs/heads/')} moved meanwhile", "", "agentsync status")
    said = done.err.decode("utf-8", "replace")
    raise refusal_in(said) or GitError(f"{ref} could not be moved", one_line(said))


def refusal_in(said: str) -> RefusedError | None:
    """A gate's refusal among what a git command said: what, why and what to type; None where there is none."""
    lines = said.splitlines()
    start = next((at for at, line in enumerate(lines) if line.startswith(_REFUSED)), None)
    if start is None:
        return None
    rest = list(itertools.takewhile(lambda line: line.startswith("  "), lines[start + 1 :]))
    rest = [line.strip() for line in rest]
    ends = [at for at, line in enumerate(rest) if line.startswith(("a person may override", "nothing moved;"))]
    rest = rest[: ends[0]] if ends else rest
    return RefusedError(lines[start].removeprefix(_REFUSED), "; ".join(rest[:-1]), rest[-1] if rest else "")


def _followed(repo: Repo, place: Worktree, old: str, new: str) -> bool:
    """Whether a worktree's index has what landed; what else is staged there is its own."""
    words = ("diff-index", "--cached", "--name-only", "-z", new)
    differing = set(git_elsewhere(repo.environ, place.top, *words, ok=()).out.split(b"\0"))
    return not differing & changed_paths(repo, old, new)
