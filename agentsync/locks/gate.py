"""The lock rule at the gates: whose path is it, and does this change need the lock at all."""

from __future__ import annotations

import time

from agentsync.config.patterns import matches
from agentsync.errors import RefusedError
from agentsync.git.objects import STAGED, Change, merge_base, parse_raw, tree_changes
from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import ABSENT, Chain, Lock, Target, Version, chain_record, lock_record
from agentsync.locks.query import Held, chain_of, overlapping, weigh
from agentsync.locks.replay import replays
from agentsync.locks.rules import needs_renewal, passes_by_content
from agentsync.state.paths import LOCKS
from agentsync.text import shell_path, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentsync.judging.scene import Scene
    from agentsync.record import Record

EXCLUSIVE_LEASE = 120  # seconds from the gate that takes a lock to the ref that moves; an editor may be open


def judge_locks(scene: Scene, step: Transition, ref: str) -> Verdict:
    """Judge one step of `ref` by the locks and chains of the paths that it changes."""
    patterns = scene.rules.config.patterns("locks.exclusive")
    findings: list[Finding] = []
    records: dict[bytes, Record | None] = {}
    refused: list[tuple[Held, bytes]] = []
    concerned = False
    for change in [*step.changes, *_dropped(scene, step)]:
        if change.path in scene.staged_markers:
            findings += _staged_marker(change)
            continue
        held = held_on(scene, change.path)
        if not held and not matches(patterns, change.path):
            continue
        concerned = True
        chain = chain_of(scene.snapshot, change.path)
        if _passes(scene, step, change, chain):
            records |= _remapped(scene, step, change, chain)
            continue
        others = [one for one in held if one.lock.holder != scene.holder]
        if others and (
            _told_already(refused, others)
            or _passes(scene, step, change, chain, scene.rules.base.commits)
            or _merges_by_itself(scene, step, change)
        ):
            continue
        if (others or _may_replay(scene, step, ref)) and replays(scene, step, change, ref):
            continue
        if others:
            if not (step.amending and _equals_grandparent(scene, step, change)):
                refused += [(one, change.path) for one in others]
            continue
        try:
            records |= _admitted(scene, step, change, ref, held)
        except RefusedError as error:
            findings.append(Finding("locks", _with_autostash(error.bare_lines()), change.path))
    return Verdict((*_refusal(scene, refused), *findings), records, concerned=concerned)


def _dropped(scene: Scene, step: Transition) -> list[Change]:
    """What a merge takes of its first parent though another parent changed it: that takes the other's work away."""
    if len(step.parents) < 2 or LOCKS not in scene.snapshot.tree(b""):
        return []
    first = {change.path for change in step.changes}
    found: dict[bytes, Change] = {}
    for parent in step.parents[1:]:
        fork = merge_base(scene.repo, step.parents[0], parent)
        if not fork:  # a history of its own: its paths name other files
            continue
        changed = {change.path for change in tree_changes(scene.repo, fork, parent)} - first
        found |= {change.path: change for change in _against(scene, parent, step.commit) if change.path in changed}
    return [change for change in found.values() if held_on(scene, change.path)]


def _against(scene: Scene, parent: str, commit: str) -> list[Change]:
    """What a merge (the index, before it is a commit) has otherwise than one of its parents."""
    if commit:
        return tree_changes(scene.repo, parent, commit)
    return parse_raw(scene.repo.git("diff-index", *STAGED, parent).out.splitlines())


def _told_already(refused: list[tuple[Held, bytes]], others: list[Held]) -> bool:
    """Whether these very locks refuse an earlier path: one is enough, and a commit may have thousands."""
    named = {held.lock.target for held, _ in refused}
    return all(one.lock.target in named for one in others)


def held_on(scene: Scene, path: bytes) -> list[Held]:
    """The locks that hold on a path, those of hand-made markers where the state has none."""
    held = [one for lock in overlapping(scene.snapshot, Target(path)) if (one := _weighed(scene, lock)).live]
    if not held and path in scene.marked:
        from agentsync.locks.markers import marker_lock

        by_hand = marker_lock(scene.repo, path, scene.rules.config.number("locks.lease"))
        held = [by_hand] if by_hand and by_hand.live else []
    return held


def _weighed(scene: Scene, lock: Lock) -> Held:
    """Whether a lock holds, asked once for all the paths that it covers."""
    if lock not in scene.weighed:
        now = weigh(scene.repo, scene.snapshot, lock)
        scene.weighed[lock] = (now.ends, now.live)
    return Held(lock, *scene.weighed[lock])


def _admitted(scene: Scene, step: Transition, change: Change, ref: str, held: list[Held]) -> dict[bytes, Record | None]:
    """What the state must have for a change that the lock admits: the lock taken or renewed, the chain grown.

    Raises RefusedError where the last version of an exclusive path is lacking.
    """
    own = next((one.lock for one in held if one.lock.holder == scene.holder), None)
    records: dict[bytes, Record | None] = {}
    if own is None or own.kind == "exclusive":
        records |= _taken_on_the_spot(scene, step, change, ref)
    elif own.kind != "marker" and needs_renewal(own, time.time()):
        records[own.target.place] = lock_record(own._replace(until=int(time.time()) + own.lease))
    if step.commit:
        records |= _continued(scene, step, change, chain_of(scene.snapshot, change.path))
    return records


def _with_autostash(lines: tuple[str, ...]) -> tuple[str, ...]:
    """A refusal whose way on is a merge: the edits that are being committed would be in its way."""
    *more, last = lines
    return (*more, last.replace("git merge ", "git merge --autostash ") if last.startswith("git merge ") else last)


def _staged_marker(change: Change) -> list[Finding]:
    """A marker tells of a lock in one clone; in a commit it would lock for everybody, for ever."""
    if not change.new:
        return []
    lines = (
        f"{show_path(change.path)} is a lock marker, which is not for commits",
        "take it out of the index; the lock stays as it is:",
        f"git rm --cached -- {shell_path(change.path)}",
    )
    return [Finding("locks", lines, change.path)]


def _refusal(scene: Scene, refused: list[tuple[Held, bytes]]) -> list[Finding]:
    if not refused:
        return []
    from agentsync.locks.say import refusal_lines, story_of  # a holder's own commit never needs the words

    unique = list({held.lock.target: held for held, _ in refused}.values())
    lines = refusal_lines(unique)
    stories = [story for held in unique if (story := story_of(held.lock, scene.holder.key))]
    target = unique[0].lock.target.name
    below = next((path for held, path in refused if held.lock.target.name != path), b"")
    leave_out = f"that covers {show_path(below)}; to leave it out: git restore --staged {shell_path(below)}"
    inside = [leave_out] if below else []
    return [Finding("locks", (lines[0], *stories, *inside, *lines[1:]), target)]


def _passes(scene: Scene, step: Transition, change: Change, chain: Chain | None, also: Sequence[str] = ()) -> bool:
    """Whether a change needs no lock for what it is; `also` are commits whose version may be brought by any command."""
    if change.old == change.new:  # only its mode changes, or it becomes a link: content tells nothing
        return any(scene.mode(source, change.path) == change.new_mode for source in (*_merged_in(scene, step), *also))
    first = step.parents[0] if step.parents else ""
    sources = (*_merged_in(scene, step), *also)
    blobs = [change.old, *(scene.blob(one, change.path) for one in sources if _mode_stands(scene, change, one))]
    return passes_by_content(change.new, blobs, chain, _history(scene, first, chain))


def _merged_in(scene: Scene, step: Transition) -> list[str]:
    """The commits that a merge brings in, whose version of a path counts."""
    return [parent for parent in step.parents[1:] if parent not in scene.unrelated]


def _mode_stands(scene: Scene, change: Change, commit: str) -> bool:
    """Whether a commit has the mode that a change gives an existing file, where it gives another."""
    if change.old_mode == change.new_mode or not change.new:
        return True
    return scene.mode(commit, change.path) == change.new_mode


def _history(scene: Scene, commit: str, chain: Chain | None) -> Callable[[str], bool]:
    """Whether a commit's history has one of the chain's commits; all are asked about at the first question."""
    known: list[set[str]] = []

    def has(one: str) -> bool:
        if not known:
            known.append(
                scene.ancestry.contained(commit, [version.commit for version in chain.versions]) if chain else set()
            )
        return one in known[0]

    return has


def _remapped(scene: Scene, step: Transition, change: Change, chain: Chain | None) -> dict[bytes, Record | None]:
    """The chain naming the commit that its holder made again, as a soft reset or a pick leaves it."""
    if chain is None or not step.commit or chain.holder != scene.holder.key:
        return {}
    place = max((index for index, version in enumerate(chain.versions) if version.blob == change.new), default=-1)
    if place < 1 or scene.contains(step.commit, chain.versions[place].commit):
        return {}
    versions = list(chain.versions)
    versions[place] = versions[place]._replace(commit=step.commit)
    return {chain.place: chain_record(chain._replace(versions=tuple(versions)))}


def _merges_by_itself(scene: Scene, step: Transition, change: Change) -> bool:
    """Whether a path is just what git makes of the step's parents, or of its parent and base: nobody edited it."""
    if not step.parents:
        return False
    if len(step.parents) > 2:
        return _octopus(scene, [step.parents[0], *_merged_in(scene, step)], change.path) == scene.content(change.new)
    others = _merged_in(scene, step) or tuple(
        tip for tip in scene.rules.base.commits if not scene.contains(step.parents[0], tip)
    )
    for other in others:
        tree, conflicts = scene.merged(step.parents[0], other)
        clean = bool(tree) and change.path not in conflicts
        if clean and scene.blob(tree, change.path) == change.new and _mode_stands(scene, change, tree):
            return True
    return False


def _octopus(scene: Scene, parents: Sequence[str], path: bytes) -> bytes | None:
    """What git makes of one path of several parents, one after the other; None where they conflict."""
    from agentsync.git.merge_file import merge_lines  # seldom needed

    first, *others = parents
    result = scene.content(scene.blob(first, path))
    for other in others:
        fork = merge_base(scene.repo, first, other)
        base, theirs = (scene.content(scene.blob(commit, path)) for commit in (fork, other))
        if theirs in (base, result):
            continue
        merged = merge_lines(scene.repo.environ, base, result, theirs)
        if result != base and merged.hunks:
            return None
        result = theirs if result == base else b"".join(part for part in merged.parts if isinstance(part, bytes))
    return result


def _equals_grandparent(scene: Scene, step: Transition, change: Change) -> bool:
    """Whether this may be an amend that takes a change back; reference-transaction knows the true parents."""
    if not step.parents:
        return False
    before = f"{step.parents[0]}^"
    of_mode = change.old == change.new and scene.mode(before, change.path) != change.new_mode
    return not of_mode and change.new == scene.blob(before, change.path)


def _taken_on_the_spot(scene: Scene, step: Transition, change: Change, ref: str) -> dict[bytes, Record | None]:
    """A free lock on an exclusive path, over as soon as the ref has moved.

    Raises RefusedError where the path's last version is lacking.
    """
    from agentsync.locks.grant import Request, new_locks
    from agentsync.locks.landing import settled

    request = Request(scene.holder, (Target(change.path),), EXCLUSIVE_LEASE, kind="exclusive")
    chain = chain_of(scene.snapshot, change.path)
    settlement = settled(scene.repo, scene.rules.base, [chain]) if chain else {}
    if None in settlement.values():
        locks, _ = new_locks(scene.repo, scene.rules, scene.snapshot, request)
        return {**settlement, **{lock.target.place: lock_record(lock) for lock in locks}}
    locks, _ = new_locks(scene.repo, scene.rules, scene.snapshot, request)
    before = scene.tip(ref) or ABSENT
    named = [lock._replace(ref=ref, before=before) if step.commit else lock for lock in locks]
    return {lock.target.place: lock_record(lock) for lock in named}


def _continued(scene: Scene, step: Transition, change: Change, chain: Chain | None) -> dict[bytes, Record | None]:
    """The chain with the step's version appended; a new chain begins with the version before."""
    first = step.parents[0] if step.parents else step.commit
    start = chain or Chain(change.path, (Version(change.old, first),))
    apart = change.old != start.last.blob and not scene.contains(first, start.last.commit)
    versions = (*start.versions, Version(change.new, step.commit, apart))
    grown = start._replace(versions=versions, holder=scene.holder.key, handed=0, landed="")
    return {grown.place: chain_record(grown)}


def _may_replay(scene: Scene, step: Transition, ref: str) -> bool:
    """Whether a commit is not simply the next one of its branch, so that it may repeat an earlier one."""
    return bool(step.commit) and (not step.parents or step.parents[0] != scene.tip(ref))


def judge_protected(scene: Scene, step: Transition, _ref: str) -> Verdict:
    """`[protect] paths`: agents never change these, people may."""
    patterns = scene.rules.config.patterns("protect.paths")
    named = [change for change in step.changes if matches(patterns, change.path)]
    touched = [change for change in named if not _passes(scene, step, change, None)]
    if not touched:
        return Verdict()
    path = touched[0].path
    more = f" and {len(touched) - 1} more" if len(touched) > 1 else ""
    lines = (
        f"{show_path(path)}{more} is protected: agents may not change it",
        "[protect] paths in agentsync.toml names it; a person can make this change",
        f"git restore --staged -- {shell_path(path)}",
    )
    return Verdict((Finding("protected", lines, path),))
