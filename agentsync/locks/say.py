"""What refusals and grants say: what, who (agent, task, since, until), and the next command on a line of its own."""

from __future__ import annotations

import time

from agentsync.errors import OTHER_WORK
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line, quoted, shell_path, shell_word, show_duration, show_path, show_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.locks.landing import Missing
    from agentsync.locks.model import Lock, Target
    from agentsync.locks.query import Held
    from agentsync.locks.touching import Touch

_OFFER = "take other work:"


def without_other_work(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines of a refusal where no task is free: what offers one is left out, and who has which named if need be."""
    kept = [line for line in lines if line != OTHER_WORK]
    if len(kept) == len(lines):
        return tuple(lines)
    done: list[str] = []
    for at, line in enumerate(kept):
        head, offers, _ = line.partition(_OFFER)
        head = head.removesuffix("or ").removesuffix("else ").rstrip(" ,;")
        if offers and not head:
            done += ["no other task is free; who has which:", "agentsync task list"]
        elif offers:
            done.append(head + (":" if at + 1 < len(kept) else ""))
        else:
            done.append(line)
    return tuple(done)


def target_word(target: Target) -> str:
    """A target as a word to type."""
    return target.name.decode() if target.is_resource else shell_path(target.name or b".")


def show_target(target: Target) -> str:
    """A target as something to read."""
    return show_path(target.name) if target.name else "the whole repository"


def holding(held: Held) -> str:
    """Who holds a lock: agent, task, since and until when, and why."""
    lock = held.lock
    task = f", task {one_line(lock.task, 60)}" if lock.task else ""
    reason = f", reason {quoted(lock.reason, 100)}" if lock.reason else ""
    left = show_duration(held.ends - time.time())
    times = f"since {show_time(lock.since)}, until {show_time(held.ends)} ({left} left)"
    return f"{lock.holder.key}{task}, {times}{reason}"


def refusal_lines(helds: Sequence[Held]) -> list[str]:
    """Why locks are not to be had, and the two ways on."""
    first = helds[0]
    lines = [f"{show_target(first.lock.target)} is locked by {holding(first)}"]
    lines += [f"{show_target(held.lock.target)} too, by {holding(held)}" for held in helds[1:5]]
    if len(helds) > 5:
        lines.append(f"and {len(helds) - 5} more: agentsync lock")
    words = " ".join(target_word(held.lock.target) for held in helds[:3])
    return [*lines, "wait for it, or take other work:", f"agentsync lock {words} --wait", OTHER_WORK]


def in_line_lines(targets: Sequence[Target], ahead: str) -> list[str]:
    """Why a free lock is not to be had: somebody waits for it already."""
    words = " ".join(target_word(target) for target in targets[:3])
    return [
        f"{one_line(ahead, 80)} waits for {show_target(targets[0])} already",
        "first come, first served: wait too, or take other work:",
        f"agentsync lock {words} --wait",
        OTHER_WORK,
    ]


def missing_lines(missing: Sequence[Missing]) -> tuple[str, str, str]:
    """What a holder lacks of a path, from whom, and how to get it."""
    one = missing[0]
    where = f"branch {one_line(one.branch, 100)}" if one.branch else "no live branch"
    what = f"{show_path(one.path)} has a newer version than this branch"
    why = f"{one_line(one.holder, 80)} committed it under its lock: {one.commit[:12]} in {where}"
    return what, why, f"git merge {shell_word(one.branch or one.commit)}"


def story_of(lock: Lock, holder_key: str) -> str:
    """What a late holder should know of how its lock ended, empty when it never had it."""
    was, _, when = lock.taken_from.rpartition(" ")
    if was != holder_key or not when.isdigit():
        return ""
    return f"your lock ended {show_time(int(when))} without a sign of life, and {lock.holder.key} took it"


def touch_line(touch: Touch) -> str:
    """One worktree that touches a path that was just locked."""
    what = "uncommitted edits" if touch.uncommitted else f"unlanded commit {touch.commit[:12]}"
    return (
        f"{show_path(touch.path) or '.'}: {what} in worktree {one_line(touch.worktree.id, 60)} ({touch.worktree.top})"
    )
