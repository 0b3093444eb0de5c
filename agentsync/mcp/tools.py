"""What each tool does: from words to plain facts. A refusal is a result, never an error of the protocol."""

from __future__ import annotations

import os

from agentsync.errors import AgentsyncError, NoRepositoryError, UsageError
from agentsync.forecast.render import clash_lines, concerning, unmerged_line, unread_line
from agentsync.forecast.run import forecast
from agentsync.git.hooks_path import silent_line
from agentsync.git.repo import around
from agentsync.git.run import LOCAL_VARIABLES
from agentsync.holders.registry import acting_holder, check_in, register_beside
from agentsync.judging.scene import Scene
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.grant import Request, give_back, take
from agentsync.locks.markers import show, take_away
from agentsync.locks.query import all_locks, locks_on
from agentsync.locks.say import holding, show_target
from agentsync.locks.targets import target_of
from agentsync.locks.touching import touching
from agentsync.mcp.words import for_tools
from agentsync.migrations.numbers import reserve_next
from agentsync.migrations.series import all_series, show_series
from agentsync.news import news
from agentsync.overview import overview
from agentsync.state.store import Change, Snapshot, Store
from agentsync.tasks.claims import Claim, claim_record, own_claim, place_of, release_claim
from agentsync.tasks.leases import renew_all
from agentsync.tasks.plan import (
    Spent,
    claim_by_name,
    claims_by_id,
    finish_task,
    fitting,
    next_task,
    plan_now,
    read_plan,
    require_task,
)
from agentsync.text import one_line, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Facts = dict[str, object]


def answered(opening: Callable[[], Scene], doing: Callable[[Scene], Facts]) -> Facts:
    """What a tool answers: `ok` and its facts, or what was refused and what to do next, named by tools."""
    scene = None
    try:
        scene = opening()
        silent = silent_line(scene.repo)
        return {"ok": True, **({"warning": silent} if silent else {}), **doing(scene)}
    except AgentsyncError as error:
        lines = error.bare_lines()
        if scene is not None:
            lines = fitting(scene.repo, scene.rules, scene.store.snapshot(), lines)
        return {"ok": False, "what": error.what, "next": [for_tools(line) for line in lines[1:]]}
    except OSError as error:  # no disk, no permission, a folder that went away meanwhile
        return {"ok": False, "what": f"a file could not be read or written: {error}", "next": []}


def open_at(repo: str, agent: str, environ: Mapping[str, str], start: str = "") -> Scene:
    """The worktree around `repo` with this agent registered, and its leases renewed: each call is a sign of life.

    `start`: the folder that a relative path is seen from. Raises NoRepositoryError, or UsageError for a name that
    cannot be an agent's.
    """
    from agentsync.config.load import in_force_or_last

    if not repo:
        raise UsageError("which repository?", "name its path in `repo`", "repo=/path/to/worktree")
    free = {key: value for key, value in environ.items() if key not in LOCAL_VARIABLES}
    folder = os.path.join(start, os.path.expanduser(repo))
    if not os.path.isabs(folder) or not os.path.isdir(folder):
        shown = one_line(os.path.normpath(folder), 200) if os.path.isabs(folder) else "where this server was started"
        why = "such as after its worktree was removed; name the one that you edit in"
        raise NoRepositoryError(f"the folder {shown} is not there", why, "repo=/path/to/worktree")
    found = around({"AI_AGENT": "mcp", **free}, folder)
    if found is None:
        raise NoRepositoryError(f"{one_line(repo, 200)} is in no git worktree", "", "repo=/path/to/worktree")
    store = Store(found.shared_dir, found.environ)
    holder = acting_holder(found, agent)
    if agent and holder != acting_holder(found):
        register_beside(store, found, holder)
    else:
        check_in(found, store, holder)
    scene = Scene(found, store, in_force_or_last(found)[0], holder)
    renew_all(scene)
    return scene


def status(scene: Scene, paths: list[str], *, noted: bool = True) -> Facts:
    """Who works where and what is new (told once, if `noted`); with paths, who holds or edits each."""
    if not paths:
        rows = overview(scene.repo, scene.rules, scene.store.snapshot())
        keys = ("worktree", "path", "agent", "branch", "tasks", "locks", "conflicts", "dirty")
        fresh = [for_tools(line) for line in news(scene, noted=noted)]
        return {"agent": scene.holder.key, "base": scene.rules.base.name, "news": fresh,
                "worktrees": [{key: row._asdict()[key] for key in keys} for row in rows]}  # fmt: skip
    found: list[Facts] = []
    for word in paths:
        target = target_of(scene.repo, word, scene.repo.top)
        held = [one for one in locks_on(scene.repo, scene.store.snapshot(), target) if one.live]
        touches = touching(scene.repo, scene.rules.base, target.name, everywhere=True) if not target.is_resource else []
        found.append({"path": show_target(target), "locked_by": [holding(one) for one in held],
                      "yours": any(one.lock.holder == scene.holder for one in held),
                      "edited_in": [touch.worktree.id for touch in touches]})  # fmt: skip
    return {"paths": found}


def lock_paths(scene: Scene, paths: list[str], reason: str) -> Facts:
    """Take the locks of all paths, or none."""
    targets = tuple(dict.fromkeys(target_of(scene.repo, word, scene.repo.top) for word in paths))
    if not targets:
        raise UsageError("lock what?", "name paths, or resources such as @staging-db", "paths=[...]")
    request = Request(scene.holder, targets, scene.rules.config.number("locks.lease"), one_line(reason))
    grant = take(scene.repo, scene.store, scene.rules, request)
    show(scene.repo, scene.rules, grant.locks)
    return {"locked": [show_target(one.target) for one in grant.locks],
            "until": min(one.until for one in grant.locks),
            "edited_in": sorted({touch.worktree.id for touch in grant.touches})}  # fmt: skip


def unlock_paths(scene: Scene, paths: list[str]) -> Facts:
    """Give locks back; without paths, all that this agent holds."""
    targets = [target_of(scene.repo, word, scene.repo.top) for word in paths]
    if not targets:
        held = all_locks(scene.repo, scene.store.snapshot())
        targets = [one.lock.target for one in held if one.lock.holder == scene.holder]
    released = give_back(scene.repo, scene.store, scene.holder, targets) if targets else []
    take_away(scene.repo, released)
    return {"unlocked": [show_target(one.target) for one in released]}


def claim_task(scene: Scene, task: str, surface: str) -> Facts:
    """Claim a task by name, or the next one that is free."""
    where = (scene.repo, scene.store, scene.rules, scene.holder)
    if task:
        claim, _ = claim_by_name(*where, task, ())
        chosen = require_task(plan_now(scene.repo, scene.rules), claim.id)
    else:
        chosen = next_task(*where, surface, wanted=True)
    return {"task": chosen.id, "title": one_line(chosen.title), "files": list(chosen.files),
            "workspace": {"kind": "none" if chosen.surface else "worktree", "path": scene.repo.top}}  # fmt: skip


def update_task(scene: Scene, task: str, state: str, note: str, spent: Spent) -> Facts:
    """Say how a claimed task goes: `progress`, `done` or `released`."""
    where = (scene.repo, scene.store, scene.rules, scene.holder)
    if state == "released":
        return {"task": release_claim(scene.store, scene.holder, task).id, "state": state}
    _note_progress(scene, task, note)
    if state == "progress":
        return {"task": task, "state": state}
    name, ticked = finish_task(*where, task, spent)
    return {"task": name, "state": state, "commit": "TASKS.md" if ticked else None}


def _note_progress(scene: Scene, task: str, note: str) -> None:
    def decide(snapshot: Snapshot) -> Change | None:
        claim: Claim = own_claim(snapshot, scene.holder, task)
        if not note or claim.progress == one_line(note):
            return None
        record = claim_record(claim._replace(progress=one_line(note)))
        return Change(f"progress of {claim.id}", scene.holder.key, {place_of(claim.id): record})

    scene.store.swap(decide)


def reserve_number(scene: Scene, name: str, series: str) -> Facts:
    """Reserve the next migration number."""
    known = all_series(scene.repo, scene.rules)
    matching = [one for one in known if series in ("", one.folder) or series in one.folder.split("/")]
    if len(matching) != 1:
        shown = ", ".join(show_series(one) for one in known[:5]) or "none"
        raise UsageError("which series of migrations?", f"there are: {shown}", "series=FOLDER")
    paths = reserve_next(scene.repo, scene.store, scene.rules, scene.holder, matching[0], name)
    return {"create": [os.path.join(scene.repo.top, path) for path in paths]}


def forecast_conflicts(scene: Scene) -> Facts:
    """The conflicts to come of this worktree, or of all from the main one."""
    own = scene.repo.worktree_id
    found = forecast(scene.repo, scene.rules)
    mine = found if scene.repo.git_dir == scene.repo.common_dir else concerning(found, own)
    base = scene.rules.base.name
    rows = []
    for one in mine.clashes:
        advice = " ".join(for_tools(line.strip()) for line in clash_lines(one, own, base, {}))
        paths = [show_path(os.fsencode(path.path)) for path in one.paths]
        rows.append({"between": [one.one, one.other], "paths": paths, "advice": advice})
    unknown = [unmerged_line(one, own, base) for one in mine.unmerged]
    unknown += [unread_line(one, base) for one in mine.unread if not one.expected]
    return {"conflicts": rows, "could_not_tell": unknown}


def task_rows(scene: Scene) -> list[Facts]:
    """Every task with who has it."""
    claims = claims_by_id(scene.repo, scene.rules, scene.store.snapshot())
    rows: list[Facts] = []
    for one in read_plan(scene.repo, scene.rules):
        claim = claims.get(one.id.lower())
        rows.append({"task": one.id, "title": one_line(one.title), "surface": one.surface or None,
                     "done": one.done or bool(claim and claim.done), "holder": claim.holder.key if claim else None,
                     "progress": claim.progress if claim else None})  # fmt: skip
    return rows
