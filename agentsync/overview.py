"""Each worktree at a glance, for `status` and `worktree list`."""

from __future__ import annotations

import os
import time

from agentsync.forecast.standing import standing
from agentsync.git.landed import worktree_landed
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import MAIN_WORKTREE, git_elsewhere, private_dir_of, read_line
from agentsync.holders.registry import last_seen, registered
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.query import all_locks
from agentsync.locks.say import show_target
from agentsync.tasks.claims import live_claims
from agentsync.text import one_line, show_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.forecast.cache import Forecast
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo
    from agentsync.state.store import Snapshot


class Overview(NamedTuple):
    """One worktree: who works there, on which branch, how far from base, with which tasks, locks and conflicts.

    `seen`: seconds since its last sign of life, None where there was none. `ahead`, `behind` and `dirty` are None where
    git cannot tell. `conflicts`: with whom the last forecast saw one that still stands, `base` for base; `not_merged`:
    with whom it could not tell. `landed`: how its branch reached base (`merge`, `squash`, ...), None where it did not,
    `unknown` where git cannot tell.
    """

    worktree: str
    path: str
    here: bool
    agent: str | None
    branch: str
    ahead: int | None
    behind: int | None
    dirty: bool | None
    tasks: list[str]
    locks: list[str]
    conflicts: list[str]
    seen: int | None
    not_merged: list[str]
    landed: str | None


def overview(repo: Repo, rules: InForce, snapshot: Snapshot) -> list[Overview]:
    """Every worktree that is there, the main one first."""
    claims = live_claims(repo, rules.base, snapshot)
    held = [one for one in all_locks(repo, snapshot) if one.live]
    known = {one.holder.key: one.holder for one in registered(snapshot)}
    conflicts, not_merged = _conflicts(standing(repo, rules.base))
    found = []
    for worktree in worktrees(repo):
        if not worktree.present:
            continue
        head = head_of(repo, worktree.git_dir)
        ahead, behind = _distance(repo, rules, head.commit)
        seen = last_seen(repo.common_dir, worktree.id)
        holder = known.get(read_line(os.path.join(private_dir_of(worktree.git_dir), "holder")).partition(" ")[0])
        found.append(
            Overview(
                worktree=worktree.id,
                path=worktree.top,
                here=worktree.git_dir == repo.git_dir,
                agent=holder.agent if holder else None,
                branch=head.branch.removeprefix("refs/heads/") or "(detached)",
                ahead=ahead,
                behind=behind,
                dirty=_is_dirty(repo, worktree),
                tasks=[
                    claim.id if holder is None or claim.holder == holder else f"{claim.id} of {claim.holder.agent}"
                    for claim in claims
                    if claim.holder.worktree == worktree.id and not claim.done
                ],
                locks=[show_target(one.lock.target) for one in held if one.lock.holder.worktree == worktree.id],
                conflicts=conflicts.get(worktree.id, []),
                seen=int(time.time() - seen) if seen else None,
                not_merged=not_merged.get(worktree.id, []),
                landed=None if head.branch == rules.base.ref else _landed(repo, rules, worktree),
            )
        )
    return found


def _conflicts(found: Forecast) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """With whom each worktree conflicts, and with whom it could not be merged."""
    return (
        _by_side([(one.one, one.other) for one in found.clashes]),
        _by_side([(one.one, one.other) for one in found.unmerged]),
    )


def _by_side(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one, other in pairs:
        found.setdefault(one, []).append(other)
        found.setdefault(other, []).append(one)
    return found


def _landed(repo: Repo, rules: InForce, worktree: Worktree) -> str | None:
    found = worktree_landed(repo, rules.base.commits, worktree)
    return "unknown" if found.is_unknown else found.how or None


def screen_row(one: Overview) -> tuple[str, ...]:
    """A worktree as a row of the screen."""
    work = [f"task {one_line(name, 30)}" for name in one.tasks] + [f"lock {name}" for name in one.locks[:3]]
    work += [f"conflicts with {_sides(one.conflicts)}"] if one.conflicts else []
    work += [f"could not be merged with {_sides(one.not_merged)}"] if one.not_merged else []
    if one.landed:
        work.append("landed? git cannot tell" if one.landed == "unknown" else f"landed ({one.landed})")
    return (
        ("* " if one.here else "  ") + (one.agent or "-"),
        one_line(one.branch, 40),
        _where(one),
        "never seen" if one.seen is None else f"seen {show_duration(one.seen)} ago",
        " ".join(work),
    )


def _sides(names: Sequence[str]) -> str:
    return ", ".join("the main worktree" if name == MAIN_WORKTREE else one_line(name, 30) for name in names[:3])


def _where(one: Overview) -> str:
    distance = "distance unknown" if one.ahead is None else f"+{one.ahead} -{one.behind}"
    return distance + (" cannot be read" if one.dirty is None else " dirty" if one.dirty else "")


def _is_dirty(repo: Repo, worktree: Worktree) -> bool | None:
    words = ("status", "--porcelain", "--untracked-files=normal")
    asked = git_elsewhere(repo.environ, worktree.top, *words, ok=())
    return bool(asked.out) if asked.code == 0 else None


def _distance(repo: Repo, rules: InForce, commit: str) -> tuple[int | None, int | None]:
    """Commits ahead of and behind base; None where git cannot tell."""
    if not commit or not rules.base.commits:
        return 0, 0
    out = repo.git("rev-list", "--left-right", "--count", f"{commit}...{rules.base.newest}", ok=()).out.split()
    return (int(out[0]), int(out[1])) if len(out) == 2 else (None, None)
