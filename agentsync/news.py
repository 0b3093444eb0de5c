"""`status --new`: what concerns this worktree since it was last told. Nothing to say prints nothing."""

from __future__ import annotations

from agentsync.contracts.stale import newer_contracts
from agentsync.errors import StateError
from agentsync.forecast.cache import BASE, Clash, read_last
from agentsync.forecast.words import clash_lines
from agentsync.gates.unseen import untold
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.landing.hand_back import task_of
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.model import Target
from agentsync.locks.query import all_locks, locks_on
from agentsync.locks.say import holding, show_target
from agentsync.locks.touching import touching
from agentsync.record import dump, list_of, load, number_of, text_of
from agentsync.state.journal import journal_end, read_events
from agentsync.tasks.claims import claim_of
from agentsync.text import one_line, quoted, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.record import Record
    from agentsync.state.store import Snapshot


def _told(scene: Scene) -> Record:
    """What was told here last: base's commit, how far the journal was read, awaited paths, locks named."""
    try:
        with open(private_file(scene.repo, _told_file(scene)), "rb") as file:
            return load(file.read())
    except (OSError, StateError):
        return {}


def _told_file(scene: Scene) -> str:
    """Who only names this worktree, such as a desktop agent, does not take the news of who works in it."""
    works_here = read_line(private_file(scene.repo, "holder")).partition(" ")[0]
    return "told" if works_here in ("", scene.holder.key) else f"told.{scene.holder.agent}"


def news(scene: Scene, *, noted: bool = True) -> list[str]:
    """What is new, a line each; noted as told from now on, unless somebody only looks."""
    told = _told(scene)
    snapshot = scene.store.snapshot()
    base = scene.rules.base.newest
    end = journal_end(scene.repo.shared_dir)
    awaited = dict.fromkeys([*list_of(told, "awaited"), *_refused_between(scene, number_of(told, "journal"), end)])
    holders = {path: _holders_of(scene, snapshot, path) for path in awaited if not _is_quoted(path)}
    freed = [path for path, keys in holders.items() if not keys]
    locks = _locks_in_the_way(scene, snapshot)
    lines = [*untold(scene), *_base_moved(scene, text_of(told, "base"), base)]
    lines += [f"lock freed: {path}" for path in freed]
    lines += [line for key, line in locks.items() if key not in list_of(told, "locks")]
    lines += _overridden_between(scene, snapshot, number_of(told, "journal"), end) if told else []
    clashes = _conflicts_to_come(scene)
    contracts = _newer_contracts(scene)
    backs = _handed_back(scene, snapshot)
    lines += [line for key, line in contracts.items() if key not in list_of(told, "contracts")]
    lines += [line for key, line in backs.items() if key not in list_of(told, "backs")]
    lines += _untold_conflicts(scene, clashes, list_of(told, "clashes"))
    waiting = [path for path, keys in holders.items() if keys - {scene.holder.key}]
    facts: Record = {"base": base, "journal": end, "awaited": waiting, "locks": list(locks), "clashes": _keys(clashes),
                     "contracts": list(contracts), "backs": list(backs)}  # fmt: skip
    if noted:
        write_private(scene.repo, _told_file(scene), dump(facts).decode())
    return lines


def new_conflicts(scene: Scene) -> list[str]:
    """Of all that is new only the conflicts to come, noted as told from now on."""
    told = _told(scene)
    known = list_of(told, "clashes")
    clashes = _conflicts_to_come(scene)
    fresh = _untold_conflicts(scene, clashes, known)
    if _keys(clashes) != known:  # also what is over: it would be news if it came back
        write_private(scene.repo, _told_file(scene), dump({**told, "clashes": _keys(clashes)}).decode())
    return fresh


def _base_moved(scene: Scene, before: str, now: str) -> list[str]:
    if not before or before == now or scene.contains(head_of(scene.repo).commit, now):
        return []
    count = scene.repo.git("rev-list", "--count", f"{before}..{now}", ok=()).out.decode().strip()
    base = scene.rules.base
    return [f"base {base.name} moved by {count or 'some'} commits: agentsync sync"]


def _conflicts_to_come(scene: Scene) -> list[Clash]:
    """The conflicts of this worktree that the last forecast saw and that stand as they were."""
    own = scene.repo.worktree_id
    heads = {one.id: head_of(scene.repo, one.git_dir).commit for one in worktrees(scene.repo) if one.present}
    heads[BASE] = scene.rules.base.newest
    return [
        clash
        for clash in read_last(scene.repo)
        if own in (clash.one, clash.other) and clash.heads == (heads.get(clash.one), heads.get(clash.other))
    ]


def _keys(clashes: Sequence[Clash]) -> list[str]:
    return [key for clash in clashes for key in clash.keys]


def _untold_conflicts(scene: Scene, clashes: Sequence[Clash], known: Sequence[str]) -> list[str]:
    """The conflicts, as lines, in the paths that were not told yet."""
    lines: list[str] = []
    for clash in clashes:
        fresh = tuple(path for path, key in zip(clash.paths, clash.keys, strict=True) if key not in known)
        if fresh:
            lines += clash_lines(clash._replace(paths=fresh), scene.repo.worktree_id, scene.rules.base.name)
    return lines


def _newer_contracts(scene: Scene) -> dict[str, str]:
    """The contracts that base has newer than this branch."""
    newer = newer_contracts(scene.repo, scene.rules, head_of(scene.repo).commit)
    name = scene.rules.base.newest_name
    return {
        f"{show_path(one.path)} {one.blob}": f"contract {show_path(one.path)} is newer on {name}: agentsync sync"
        for one in newer
    }


def _handed_back(scene: Scene, snapshot: Snapshot) -> dict[str, str]:
    """What could not land and is this holder's to mend."""
    branch = head_of(scene.repo).branch
    claim = claim_of(snapshot, task_of(branch)) if branch else None
    if claim is None or claim.holder != scene.holder:
        return {}
    return {f"{claim.id} {claim.since}": f"{one_line(claim.title, 200)}: agentsync sync"}


def _refused_between(scene: Scene, start: int, end: int) -> list[str]:
    """The paths that this holder was refused for another's lock."""
    return [
        str(event.get("path", ""))
        for event in read_events(scene.repo.shared_dir, start, end)
        if (event.get("event"), event.get("rule"), event.get("holder")) == ("refused", "locks", scene.holder.key)
        and not str(event.get("path", "")).endswith(".agent-lock")
    ]


def _overridden_between(scene: Scene, snapshot: Snapshot, start: int, end: int) -> list[str]:
    """What a person changed past this holder's locks, and why."""
    lines = []
    for event in read_events(scene.repo.shared_dir, start, end):
        paths = event.get("paths") if event.get("event") == "override" else None
        for path in paths if isinstance(paths, list) else []:
            if not _is_quoted(path) and scene.holder.key in _holders_of(scene, snapshot, path):
                who, why = one_line(str(event.get("holder")), 80), quoted(str(event.get("reason")), 100)
                lines.append(f"{path}, which you have locked, was changed by {who}: {why}")
    return lines


def _is_quoted(path: str) -> bool:
    """Whether the journal had to quote a path as C does; such a one is not followed up."""
    return path.startswith('"')


def _holders_of(scene: Scene, snapshot: Snapshot, path: str) -> set[str]:
    return {one.lock.holder.key for one in locks_on(scene.repo, snapshot, Target(path.encode())) if one.live}


def _locks_in_the_way(scene: Scene, snapshot: Snapshot) -> dict[str, str]:
    """Others' locks on what this worktree edits: a key for each lock, and the line that tells of it."""
    found = {}
    for one in all_locks(scene.repo, snapshot):
        if not one.live or one.lock.holder == scene.holder or one.lock.target.is_resource:
            continue
        touches = touching(scene.repo, scene.rules.base, one.lock.target.name, everywhere=True)
        if any(touch.worktree.git_dir == scene.repo.git_dir for touch in touches):
            key = f"{show_path(one.lock.target.name)} {one.lock.holder.key} {one.lock.since}"
            found[key] = f"{show_target(one.lock.target)}, which this worktree edits, is locked by {holding(one)}"
    return found
