"""What to type after a refusal, by the operation that is under way (measured: git leaves the new tree staged)."""

from __future__ import annotations

import os

from agentsync.git.repo import read_line
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentsync.git.repo import Repo


class Operation(NamedTuple):
    """A git command that stops and goes on (githooks(5), git-rebase(1) and others): how to do either."""

    name: str
    go_on: str
    give_up: str


REBASE = Operation("rebase", "git rebase --continue", "git rebase --abort")
AM = Operation("am", "git am --continue", "git am --abort")
MERGE = Operation("merge", "git merge --continue", "git merge --abort")
PICK = Operation("cherry-pick", "git cherry-pick --continue", "git cherry-pick --abort")
REVERT = Operation("revert", "git revert --continue", "git revert --abort")

_FILES = (
    ("rebase-merge", REBASE),
    (os.path.join("rebase-apply", "applying"), AM),
    ("rebase-apply", REBASE),
    ("MERGE_HEAD", MERGE),
    ("CHERRY_PICK_HEAD", PICK),
    ("REVERT_HEAD", REVERT),
)


def operation(repo: Repo) -> Operation | None:
    """The operation under way in this worktree."""
    return next((one for name, one in _FILES if os.path.exists(os.path.join(repo.git_dir, name))), None)


def in_rebase(repo: Repo) -> bool:
    """Whether a rebase is under way, whose result reference-transaction judges as a whole."""
    return operation(repo) == REBASE


def is_replay(repo: Repo) -> bool:
    """Whether the commit being made repeats one that exists: a pick, a revert, a rebase, a patch applied."""
    return operation(repo) in (REBASE, AM, PICK, REVERT)


def recovery_of(repo: Repo, hook: str) -> list[str]:
    """The lines to print after a refusal at this point; empty where nothing needs to be put right.

    What was resolved stays: going on comes first, giving up second.
    """
    under_way = operation(repo)
    if under_way is None and hook != "reference-transaction" and _merges_now(repo):
        under_way = MERGE
    if under_way:
        return [
            "once that is settled, go on; what you resolved is kept:",
            under_way.go_on,
            f"or give the {under_way.name} up:",
            under_way.give_up,
        ]
    command = _work_tree_command(repo)
    return ["nothing moved; to put the work tree right:", command] if command else []


def _merges_now(repo: Repo) -> bool:
    """Whether a merge runs that has not written MERGE_HEAD yet; one that a hook refuses is left to be concluded."""
    return any(name.startswith("GITHEAD_") for name in repo.environ)


def _work_tree_command(repo: Repo) -> str:
    if repo.environ.get("GIT_REFLOG_ACTION", "").startswith(("merge", "pull")):
        # the edits that --autostash took are a commit; bringing them back by its id leaves the one stack alone
        autostash = read_line(os.path.join(repo.git_dir, "MERGE_AUTOSTASH"))
        return "git reset --merge" + (f" && git cherry-pick --no-commit -m 1 {autostash[:12]}" if autostash else "")
    # a revert in one step has no REVERT_HEAD; AUTO_MERGE alone tells nothing, for `stash pop` leaves it behind
    reverts = os.path.exists(os.path.join(repo.git_dir, "AUTO_MERGE"))
    reverts = reverts and read_line(os.path.join(repo.git_dir, "MERGE_MSG")).startswith("Revert ")
    return "git reset --merge" if reverts else ""
