"""Worktrees whose work has landed are removed; no other ever is."""

from __future__ import annotations

from agentsync.errors import AgentsyncError
from agentsync.git.landed import landed, worktree_landed
from agentsync.git.refs import HEADS, head_of, worktrees
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.tasks.claims import all_claims
from agentsync.text import one_line, shell_word
from agentsync.worktrees.remove import remove_worktree, require_removable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import Base
    from agentsync.git.refs import Head, Worktree
    from agentsync.git.repo import Repo
    from agentsync.state.store import Store


class Pruned(NamedTuple):
    """A worktree that was (or would be) removed, or kept and why."""

    worktree: str
    path: str
    kept: str
    branch: str = ""
    notes: str = ""


def prune(repo: Repo, base: Base, store: Store, *, dry_run: bool) -> list[Pruned]:
    """Remove the linked worktrees whose branch has landed and that are clean; those that stay, and why, too."""
    done = []
    claims = [claim for claim in all_claims(store.snapshot()) if not claim.done]
    for one in worktrees(repo):
        if one.id == MAIN_WORKTREE:
            continue
        tasks = [claim.id for claim in claims if claim.holder.worktree == one.id]
        try:
            why = _reason_to_keep(repo, base, one, tasks)
            if not why and not dry_run:
                gone = remove_worktree(repo, base, store, one, force=False)
                done.append(Pruned(one.id, one.top, "", gone.deleted_branch, gone.kept))
                continue
        except AgentsyncError as error:
            why = "; ".join(part for part in (error.what, error.why) if part)
        done.append(Pruned(one.id, one.top, why))
    return done


def _reason_to_keep(repo: Repo, base: Base, worktree: Worktree, tasks: Sequence[str]) -> str:
    """Why a worktree is not pruned, empty where it may go.

    Raises RefusedError where it could not be removed either.
    """
    if worktree.git_dir == repo.git_dir:
        return "you are in it"
    if not worktree.present:
        return f"its folder is not there (agentsync worktree remove {shell_word(worktree.id)})"
    require_removable(repo, worktree, force=False)
    if tasks:
        return f"its task {one_line(tasks[0], 60)} is not done"
    return _reason_by_landing(repo, base, worktree)


def _reason_by_landing(repo: Repo, base: Base, worktree: Worktree) -> str:
    head = head_of(repo, worktree.git_dir)
    if head.branch == base.ref:
        return "base is checked out in it"
    found = landed(repo, base.commits, head.commit)
    if found.is_unknown:
        return f"git cannot tell whether it has landed: {one_line(found.why, 200)}"
    if not found.is_landed:
        return f"{_name_of(head)} has not landed on {base.name}"
    return "" if worktree_landed(repo, base.commits, worktree).is_landed else "nothing was committed in it yet"


def _name_of(head: Head) -> str:
    branch = head.branch.removeprefix(HEADS)
    return f"branch {one_line(branch, 60)}" if branch else f"commit {head.commit[:12]}"
