"""What became of a branch that was to land; one that could not is a task of its owner, with the facts."""

from __future__ import annotations

import os
import time

from agentsync.git.landed import landed
from agentsync.git.refs import HEADS, attached_branches, resolve_ref, worktrees
from agentsync.git.repo import private_dir_of, read_line
from agentsync.holders.identity import Holder
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.journal import record_event
from agentsync.state.store import Change
from agentsync.tasks.claims import Claim, all_claims, claim_record, place_of
from agentsync.text import one_line

if TYPE_CHECKING:
    from agentsync.config.load import Base
    from agentsync.git.repo import Repo
    from agentsync.state.store import Snapshot, Store

_LEASE = 7 * 86400  # seconds


SYNC = "agentsync sync"  # what the owner of a branch that conflicts with base types in its worktree


class Outcome(NamedTuple):
    """What became of one branch, and why and what to type.

    Its state is `landed`, or `ready` where [integrate] publish is "branch"; `would land` or `would be ready`;
    `nothing to land`; `not ready`; `left`. `submodules`: what to type for those that could not follow.
    `owners`: whether its owner can do something about it. `kept`: generated files that stay as git merged them, since
    their tool is not installed here, with its command.
    """

    branch: str
    state: str
    why: str = ""
    next_command: str = ""
    commit: str = ""
    renumbered: tuple[tuple[str, str], ...] = ()
    regenerated: tuple[bytes, ...] = ()
    unions: tuple[bytes, ...] = ()
    paths: tuple[bytes, ...] = ()
    output: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    owners: bool = True
    kept: tuple[tuple[bytes, str], ...] = ()


def task_of(branch: str) -> str:
    """The id of the task to make a branch land."""
    return f"land-{branch.removeprefix(HEADS)}"


def holder_of(git_dir: str) -> Holder | None:
    """The agent that is registered for a worktree; None for a person's and an unknown one."""
    agent, _, worktree = read_line(os.path.join(private_dir_of(git_dir), "holder")).split(" ")[0].rpartition("@")
    holder = Holder(agent, worktree)
    return None if not agent or holder.is_human else holder


def note(repo: Repo, store: Store, lander: Holder, outcome: Outcome) -> None:
    """Journal what became of a branch; one that was left becomes a task of its owner, until it lands."""
    task = task_of(outcome.branch)
    if outcome.state == "landed":
        record_event(repo.shared_dir, "landed", holder=lander.key, branch=outcome.branch, commit=outcome.commit)
    if outcome.state != "left":
        store.swap(lambda snapshot: _without(snapshot, task, lander))
        return
    record_event(repo.shared_dir, "not-landed", holder=lander.key, branch=outcome.branch, why=outcome.why)
    owner = _owner(repo, outcome.branch) if outcome.owners else None
    if owner:
        store.swap(lambda _: _handed_back(task, outcome, owner, lander))


def settle_hand_backs(repo: Repo, store: Store, base: Base, holder: Holder) -> None:
    """End the tasks to make a branch land of those that have landed, on the server too."""
    given = [one for one in all_claims(store.snapshot()) if one.ref and one.id == task_of(one.ref)]
    tips = {one.id: resolve_ref(repo, one.ref) for one in given}
    over = [name for name, tip in tips.items() if landed(repo, base.commits, tip).is_landed]
    if over:
        gone = dict.fromkeys(place_of(name) for name in over)
        store.swap(lambda _: Change(f"{', '.join(over[:3])} is over", holder.key, gone))


def _without(snapshot: Snapshot, task: str, holder: Holder) -> Change | None:
    known = snapshot.get(place_of(task))
    return Change(f"{task} is over", holder.key, {place_of(task): None}) if known else None


def _handed_back(task: str, outcome: Outcome, owner: Holder, lander: Holder) -> Change:
    now = int(time.time())
    title = one_line(f"Make {outcome.branch} land: {outcome.why}", 200)
    claim = Claim(task, title, owner, now, now + _LEASE, _LEASE, (), HEADS + outcome.branch)
    return Change(f"{outcome.branch} is left to {owner.key}", lander.key, {place_of(task): claim_record(claim)})


def _owner(repo: Repo, branch: str) -> Holder | None:
    for one in worktrees(repo):
        if HEADS + branch in attached_branches(repo, one.git_dir, private_dir_of(one.git_dir)):
            return holder_of(one.git_dir)
    return None
