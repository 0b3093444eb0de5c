"""`status --new`: what concerns this worktree since it was last told. Nothing to say prints nothing."""

from __future__ import annotations

from agentsync.contracts.stale import newer_contracts
from agentsync.errors import StateError
from agentsync.forecast.cache import read_last
from agentsync.forecast.render import clash_lines, concerning, unmerged_line
from agentsync.forecast.standing import standing
from agentsync.gates.unseen import untold
from agentsync.git.refs import head_of
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

    from agentsync.forecast.cache import Forecast
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
    found, known = _conflicts_to_come(scene), list_of(told, "clashes")
    contracts = _newer_contracts(scene)
    backs = _handed_back(scene, snapshot)
    lines += [line for key, line in contracts.items() if key not in list_of(told, "contracts")]
    lines += [line for key, line in backs.items() if key not in list_of(told, "backs")]
    lines += _untold_conflicts(scene, found, known)
    waiting = [path for path, keys in holders.items() if keys - {scene.holder.key}]
    keys = _keys(scene, found, known)
    facts: Record = {"base": base, "journal": end, "awaited": waiting, "locks": list(locks), "clashes": keys,
                     "contracts": list(contracts), "backs": list(backs)}  # fmt: skip
    if noted:
        write_private(scene.repo, _told_file(scene), dump(facts).decode())
    return lines


def new_conflicts(scene: Scene) -> list[str]:
    """Of all that is new only the conflicts to come, noted as told from now on."""
    told = _told(scene)
    known = list_of(told, "clashes")
    found = _conflicts_to_come(scene)
    fresh = _untold_conflicts(scene, found, known)
    keys = _keys(scene, found, known)
    if keys != known:  # also what is over: it would be news if it came back
        write_private(scene.repo, _told_file(scene), dump({**told, "clashes": keys}).decode())
    return fresh


def _base_moved(scene: Scene, before: str, now: str) -> list[str]:
    """That base has what this branch lacks: since it was told last; all of it, where nothing was told here yet."""
    head = head_of(scene.repo).commit
    if not now or not head or before == now or scene.contains(head, now):
        return []
    count = scene.repo.git("rev-list", "--count", f"{before or head}..{now}", ok=()).out.decode().strip()
    commits = f"{count or 'some'} commit{'' if count == '1' else 's'}"
    moved = f"moved by {commits}" if before else f"has {commits} that this branch lacks"
    return [f"base {scene.rules.base.name} {moved}: agentsync sync"]


def _conflicts_to_come(scene: Scene) -> Forecast:
    """What the last forecast saw of this worktree and still stands."""
    return standing(scene.repo, scene.rules.base, scene.repo.worktree_id)


def _keys(scene: Scene, found: Forecast, known: Sequence[str]) -> list[str]:
    """What of conflicts is told from now on, and whatever was told and may still be so.

    A conflict whose files are just being edited is not shown, and is no news when the next forecast finds it again.
    """
    last = concerning(read_last(scene.repo), scene.repo.worktree_id)
    may_be = {key for clash in last.clashes for key in clash.keys} | {one.key for one in last.unmerged}
    now = [*(key for clash in found.clashes for key in clash.keys), *(one.key for one in found.unmerged)]
    return list(dict.fromkeys([*now, *(key for key in known if key in may_be)]))


def _untold_conflicts(scene: Scene, found: Forecast, known: Sequence[str]) -> list[str]:
    """The conflicts, as lines, in the paths that were not told yet, and the merges that could not be made."""
    own, base = scene.repo.worktree_id, scene.rules.base.name
    lines: list[str] = []
    for clash in found.clashes:
        fresh = tuple(path for path, key in zip(clash.paths, clash.keys, strict=True) if key not in known)
        if fresh:
            lines += clash_lines(clash._replace(paths=fresh), own, base, {})
    return lines + [unmerged_line(one, own, base) for one in found.unmerged if one.key not in known]


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
