"""The rules before an edit, whose content nobody knows yet: locks, protected and sequential paths, contracts, scope."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.errors import OTHER_WORK, RefusedError
from agentsync.git.refs import head_of
from agentsync.judging.verdict import Finding
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.beside import marked, recent_tops
from agentsync.state.paths import LOCKS, TASKS
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.locks.query import Held


def judge_edit(scene: Scene, paths: Sequence[bytes]) -> list[Finding]:
    """What speaks against an agent's edit of some paths."""
    findings: list[Finding] = []
    for path in paths:
        findings += [*_protected(scene, path), *_phase(scene, path), *_locked(scene, path)]
    return findings + _contracts(scene) + _scope(scene, paths)


def _protected(scene: Scene, path: bytes) -> list[Finding]:
    if not matches(scene.rules.config.patterns("protect.paths"), path):
        return []
    lines = (
        f"{show_path(path)} is protected: agents may not change it",
        "[protect] paths in agentsync.toml names it; a person can make this change; else take other work:",
        OTHER_WORK,
    )
    return [Finding("protected", lines, path)]


def _phase(scene: Scene, path: bytes) -> list[Finding]:
    if not matches(scene.rules.config.patterns("phases.sequential"), path):
        return []
    from agentsync.phases.gate import phase_finding
    from agentsync.phases.phase import current_phase, may_change

    phase = current_phase(scene.snapshot)
    return [] if may_change(phase, scene.holder.agent) else [phase_finding(phase, path)]


def _locked(scene: Scene, path: bytes) -> list[Finding]:
    if scene.rules.config.level("locks") == "off":
        return []
    held = _held_on(scene, path)
    others = [one for one in held if one.lock.holder != scene.holder]
    if others:
        from agentsync.locks.say import refusal_lines, story_of

        first, *rest = refusal_lines(others)
        stories = [story for one in others if (story := story_of(one.lock, scene.holder.key))]
        return [Finding("locks", (first, *stories, *rest), path)]
    return []


def _held_on(scene: Scene, path: bytes) -> list[Held]:
    scene.marked = {}
    if scene.rules.config.text("locks.markers") != "off":
        scene.marked = marked(recent_tops(scene.repo), [path])
    if LOCKS not in scene.snapshot.tree(b"") and not scene.marked:
        return []
    from agentsync.locks.gate import held_on

    return held_on(scene, path)


def lock_exclusive(scene: Scene, paths: Sequence[bytes]) -> list[Finding]:
    """Free exclusive paths become this agent's until its commit, all or none; the locks end when that has been made."""
    config = scene.rules.config
    wanted = [path for path in paths if matches(config.patterns("locks.exclusive"), path)]
    wanted = [path for path in wanted if not _held_on(scene, path)] if config.level("locks") != "off" else []
    if not wanted:
        return []
    from agentsync.locks.grant import Request, take
    from agentsync.locks.model import Target

    targets = tuple(Target(path) for path in wanted)
    request = Request(scene.holder, targets, config.number("locks.lease"), kind="exclusive")
    try:
        take(scene.repo, scene.store, scene.rules, request)
    except RefusedError as error:
        return [Finding("locks", error.bare_lines(), wanted[0])]
    return []


def _contracts(scene: Scene) -> list[Finding]:
    config = scene.rules.config
    if not config.patterns("contracts.paths") or config.level("contracts") != "refuse":
        return []
    from agentsync.contracts.gate import stale_finding
    from agentsync.contracts.stale import newer_contracts

    newer = newer_contracts(scene.repo, scene.rules, head_of(scene.repo).commit)
    return [stale_finding(scene, newer)] if newer else []


def _scope(scene: Scene, paths: Sequence[bytes]) -> list[Finding]:
    if scene.rules.config.level("scope") == "off" or TASKS not in scene.snapshot.tree(b""):
        return []
    from agentsync.tasks.claims import all_claims, is_live
    from agentsync.tasks.gate import scope_finding
    from agentsync.tasks.rules import in_scope

    found = []
    for claim in all_claims(scene.snapshot):
        inside = [path for path in paths if in_scope(claim.files, path)] if claim.files and not claim.done else []
        anothers = bool(inside) and claim.holder != scene.holder
        if anothers and is_live(scene.repo, scene.rules.base, scene.snapshot, claim):
            found.append(scope_finding(claim, inside))
    return found
