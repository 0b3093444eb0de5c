"""What `lock` and `unlock` do, apart from how their words are read: click costs 30 ms to import."""

from __future__ import annotations

import os
import time

from agentsync.cli.here import Here, open_here
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import OTHER_WORK, RefusedError, TimedOutError, UsageError
from agentsync.git.repo import Repo
from agentsync.holders.identity import why_no_person
from agentsync.lean import NamedTuple
from agentsync.locks.grant import Grant, LockedError, Request, give_back, leave_line, stand_in_line, take
from agentsync.locks.markers import show, take_away
from agentsync.locks.model import Target
from agentsync.locks.query import Held, all_locks
from agentsync.locks.say import missing_lines, show_target, target_word, touch_line
from agentsync.locks.targets import target_of
from agentsync.record import LONGEST
from agentsync.tasks.claims import all_claims
from agentsync.text import one_line, parse_duration, quoted, shell_word, show_duration, show_time

_PATIENCE = 30  # seconds: a waiter that has not renewed its place for this long has left the line


def _seconds(word: str) -> int:
    try:
        return parse_duration(word)
    except ValueError as error:
        raise UsageError(str(error), "", "agentsync lock PATH --wait 90s") from None


class LockOptions(NamedTuple):
    """The options of `lock`."""

    wait: str = ""
    lease: str = ""
    reason: str = ""
    agent: str = ""
    as_json: bool = False


class UnlockOptions(NamedTuple):
    """The options of `unlock`."""

    reason: str = ""
    agent: str = ""
    everything: bool = False
    force: bool = False


def run_lock(paths: tuple[str, ...], options: LockOptions) -> int:
    """Take locks, or list them."""
    if not paths:
        return _list(open_here(options.agent, register=False), as_json=options.as_json)
    wait = options.wait
    if wait and not wait[0].isdigit():
        if not (os.path.lexists(wait) or "/" in wait or "." in wait or wait.startswith("@")):
            why = "a duration is such as 90s, 10m or 2h"
            raise UsageError(
                f"{quoted(wait, 60)} is no duration, and no path here", why, "agentsync lock PATH --wait 10m"
            )
        paths, wait = (*paths, wait), "1h"  # `--wait PATH`: the word was a path
    here = open_here(options.agent)
    targets = tuple(dict.fromkeys(target_of(here.repo, word, here.folder) for word in paths))
    seconds = _seconds(options.lease) if options.lease else here.rules.config.number("locks.lease")
    if seconds > LONGEST:
        longest = show_duration(LONGEST)
        raise UsageError(
            f"no lease is longer than {longest}", "a lock that is used is renewed", "agentsync lock --help"
        )
    mine = [claim.id for claim in all_claims(here.store.snapshot()) if claim.holder == here.holder and not claim.done]
    request = Request(here.holder, targets, seconds, one_line(options.reason), task=mine[0] if len(mine) == 1 else "")
    grant = _take_in_line(here, request, _seconds(wait)) if wait else take(here.repo, here.store, here.rules, request)
    show(here.repo, here.rules, grant.locks)
    if options.as_json:
        answer_json({"locks": [_facts(Held(one, one.until, live=True)) for one in grant.locks],
                     "touched_by": [touch_line(touch) for touch in grant.touches]})  # fmt: skip
        return 0
    for one in grant.locks:
        answer(f"locked {show_target(one.target)} until {show_time(one.until)} or {show_duration(seconds)} of silence")
    if not _hooked(here.repo):
        narrate("warning: no hook of agentsync is installed in this clone, so no commit is refused: agentsync init")
    for touch in grant.touches:
        narrate(f"note: {touch_line(touch)}")
    for missing in grant.missing:
        narrate("warning: " + "; ".join(missing_lines([missing])[:2]))
        narrate(f"  {missing_lines([missing])[2]}")
    return 0


def _hooked(repo: Repo) -> bool:
    """Whether the deciding hook is installed here, or a framework runs ours; by files alone, for every lock pays."""
    if os.path.isdir(os.path.join(repo.shared_dir, "hooks")):
        return True
    for folder, name in ((repo.common_dir, "hooks/reference-transaction"), (repo.top, ".pre-commit-config.yaml")):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                if b"agentsync" in file.read():
                    return True
        except OSError:
            continue
    return False


def _take_in_line(here: Here, request: Request, patience: int) -> Grant:
    """Wait first come, first served; a place in line is renewed while waiting."""
    deadline = time.monotonic() + patience
    waiting = request._replace(waiting_since=time.time_ns())
    noted = 0.0
    told = False
    seen = ""
    try:
        while True:
            try:
                return take(here.repo, here.store, here.rules, waiting)
            except LockedError as error:
                if not told:
                    narrate(f"waiting: {error.what}")
                    told = True
                if time.monotonic() >= deadline:
                    what = f"still locked after {show_duration(patience)}: {error.what}"
                    raise TimedOutError(what, "take other work:", OTHER_WORK) from None
                pause_until = min(deadline, time.monotonic() + 5)
            if time.monotonic() - noted > _PATIENCE / 3:
                stand_in_line(here.store, waiting, time.time(), _PATIENCE)
                noted = time.monotonic()
            seen = here.store.current()
            while here.store.current() == seen and time.monotonic() < pause_until:
                time.sleep(0.1)
    except BaseException:
        leave_line(here.store, waiting)
        raise


def run_unlock(paths: tuple[str, ...], options: UnlockOptions) -> int:
    """Give locks back."""
    here = open_here(options.agent)
    if options.force and not options.reason:
        raise UsageError("--force needs a reason", "it is written down", "agentsync unlock PATH --force --reason 'why'")
    if options.force and why_no_person(here.repo.environ, here.holder):
        words = " ".join(shell_word(path) for path in paths) or "PATH"
        raise RefusedError(
            "only a person forces a lock", "from the main worktree, with a reason", f"agentsync lock {words} --wait"
        )
    targets = [target_of(here.repo, word, here.folder) for word in paths]
    if options.everything:
        held = all_locks(here.repo, here.store.snapshot())
        targets += [one.lock.target for one in held if one.lock.holder == here.holder]
    if not targets:
        if options.everything:
            return 0
        raise UsageError("unlock what?", "name a path, or --all for every lock held here", "agentsync unlock --all")
    if not options.force:
        from agentsync.gates.ref_gate import judge_late  # `lock`, which is asked for all the time, does without
        from agentsync.judging.scene import Scene

        judge_late(Scene(here.repo, here.store, here.rules, here.holder))
    released = give_back(here.repo, here.store, here.holder, targets, one_line(options.reason) if options.force else "")
    take_away(here.repo, released)
    for one in released:
        answer(f"unlocked {show_target(one.target)}")
    return 0


def _facts(held: Held) -> dict[str, object]:
    one = held.lock
    return {
        "target": one.target.text,
        "agent": one.holder.agent,
        "worktree": one.holder.worktree,
        "since": one.since,
        "until": int(held.ends),
        "live": held.live,
        "kind": one.kind,
        "task": one.task or None,
        "reason": one.reason or None,
    }


def _list(here: Here, *, as_json: bool) -> int:
    held = [one for one in all_locks(here.repo, here.store.snapshot()) if one.live or one.lock.kind != "exclusive"]
    if as_json:
        answer_json({"locks": [_facts(one) for one in held]})
        return 0
    if not held:
        narrate("no locks")
        return 0
    rows = []
    for one in held:
        until = f"until {show_time(one.ends)}" if one.live else "expired: may be taken"
        why = one_line(one.lock.reason, 60)
        rows.append((_shown(one.lock.target), one.lock.holder.key, f"since {show_time(one.lock.since)}", until, why))
    for line in table(rows):
        answer(line)
    return 0


def _shown(target: Target) -> str:
    return target_word(target) if target.is_resource else show_target(target)
