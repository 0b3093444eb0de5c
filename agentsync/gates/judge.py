"""Every rule, asked about one step of a branch or about a whole move of one."""

from __future__ import annotations

from agentsync.git.objects import GITLINK
from agentsync.judging.ancestry import unrelated
from agentsync.judging.verdict import Finding, Transition, Verdict, joined
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.beside import SUFFIX, marked, recent_tops
from agentsync.state.paths import CHAINS, LOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agentsync.judging.scene import Scene

    Rule = Callable[[Scene, Transition, str], Verdict]


# What migrations are known by, in lower case: parts of their paths; or a number and `_` or `-` (Flyway: a V first).
MIGRATION_HINTS = (b"migrat", b"versions/", b"changelog", b"db/", b".sql", b"liquibase")


def judge_steps(scene: Scene, steps: Sequence[Transition], ref: str) -> Verdict:
    """Locks, protected and sequential paths, step by step: later steps see what earlier ones added to the state."""
    rules = [rule for rule in (_lock_rule(scene, steps), _protected_rule(scene), _phase_rule(scene)) if rule]
    if not rules:
        return Verdict()
    verdicts = []
    scene.steps = steps
    scene.unrelated = _of_other_histories(scene, steps)
    scene.snapshot.overlay.clear()
    for step in steps:
        if step.commit in scene.unrelated:
            continue
        verdict = joined([rule(scene, step, ref) for rule in rules])
        scene.snapshot.overlay.update(verdict.records)
        verdicts.append(verdict)
    scene.snapshot.overlay.clear()
    return joined(verdicts)


def _of_other_histories(scene: Scene, steps: Sequence[Transition]) -> set[str]:
    """The steps of a history that a merge brings and that shares nothing with the branch; its own line never is."""
    if not steps or not scene.rules.base.commits:
        return set()
    found = unrelated({step.commit: step.parents for step in steps})
    line = steps[-1].commit
    for step in reversed(steps):  # each after its parents
        if step.commit == line:
            found.discard(line)
            line = next(iter(step.parents), "")
    return found


def _lock_rule(scene: Scene, steps: Sequence[Transition]) -> Rule | None:
    """The lock rule, loaded only where locks, chains, exclusive paths or markers give it something to say."""
    rooms = scene.snapshot.tree(b"")
    rules = scene.rules.config
    if rules.level("locks") == "off":
        return None
    if rules.text("locks.markers") != "off":
        paths = [change.path for step in steps for change in step.changes]
        scene.marked = marked(recent_tops(scene.repo), paths)
        scene.staged_markers = [path for path in paths if path.endswith(SUFFIX)]
    told = scene.marked or scene.staged_markers or rules.patterns("locks.exclusive")
    if LOCKS not in rooms and CHAINS not in rooms and not told:
        return None
    from agentsync.locks.gate import judge_locks

    return judge_locks


def _protected_rule(scene: Scene) -> Rule | None:
    rules = scene.rules.config
    if not rules.patterns("protect.paths") or scene.holder.is_human or rules.level("protected") == "off":
        return None
    from agentsync.locks.gate import judge_protected

    return judge_protected


def _phase_rule(scene: Scene) -> Rule | None:
    rules = scene.rules.config
    if not rules.patterns("phases.sequential") or scene.holder.is_human or rules.level("phases") == "off":
        return None
    from agentsync.phases.gate import judge_phase

    return judge_phase


def judge_move(scene: Scene, move: Transition, ref: str, tree: str) -> Verdict:
    """Numbers, claims, scope, contracts and the settings, over all that a move of `ref` changes.

    `tree` names the result: a commit, or empty for the index.
    """
    verdicts = []
    links = [change for change in move.changes if change.new_mode == GITLINK and change.old_mode != GITLINK]
    if links:
        from agentsync.gates.nested import judge_nested

        verdicts.append(judge_nested(scene, move._replace(changes=links)))
    if _may_hold_migrations(scene, move):
        from agentsync.migrations.gate import judge_numbers

        verdicts.append(judge_numbers(scene, move, ref, tree))
    if not scene.holder.is_human or any(change.path == b"TASKS.md" for change in move.changes):
        from agentsync.tasks.gate import judge_tasks

        verdicts.append(judge_tasks(scene, move, ref))
    if scene.rules.config.patterns("contracts.paths") and scene.rules.config.level("contracts") != "off":
        from agentsync.contracts.gate import judge_contracts

        verdicts.append(judge_contracts(scene, move, ref))
    if any(change.path in (b"agentsync.toml", b"pyproject.toml") for change in move.changes):
        from agentsync.gates.settings import judge_settings

        verdicts.append(judge_settings(scene, move, tree))
    return joined(verdicts)


def _may_hold_migrations(scene: Scene, move: Transition) -> bool:
    """A look that costs nothing, before the layouts' patterns are loaded."""
    if scene.rules.config.level("numbers") == "off":
        return False
    configured = tuple(series.path.encode() + b"/" for series in scene.rules.config.series)
    return any(change.path.startswith(configured) or _looks_like_a_migration(change.path) for change in move.changes)


def _looks_like_a_migration(path: bytes) -> bool:
    lowered = path.lower()
    name = lowered.rpartition(b"/")[2]
    number = name[1:] if name[:1] in (b"v", b"u", b"r", b"b") else name
    after = number.lstrip(b"0123456789.")
    is_numbered = after != number and after[:1] in (b"_", b"-")
    return is_numbered or any(hint in lowered for hint in MIGRATION_HINTS)


def split(scene: Scene, findings: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """Findings that refuse and those that only warn, by `[enforce]`."""
    levels = scene.rules.config
    unique = list(dict.fromkeys(findings))
    refused = [one for one in unique if one.severity(levels) == "refuse" and not one.told]
    warned = [one for one in unique if one.severity(levels) == "warn" or (one.told and one not in refused)]
    return refused, [one for one in warned if one.severity(levels) != "off"]
