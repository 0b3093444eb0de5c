"""The task rules at the gates: a commit that marks a task is a claim or a completion; scope; trailers."""

from __future__ import annotations

import os

from agentsync.errors import OTHER_WORK
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.verdict import Finding, Transition, Verdict, firm
from agentsync.lean import TYPE_CHECKING
from agentsync.tasks.claims import (
    FILE,
    PROVISIONAL,
    ROOM,
    Claim,
    all_claims,
    claim_record,
    is_live,
    new_claim,
    place_of,
    taken_line,
)
from agentsync.text import one_line, quoted, shell_path, shell_word, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.objects import Change
    from agentsync.judging.scene import Scene
    from agentsync.record import Record
    from agentsync.tasks.grammar import Task


def judge_tasks(scene: Scene, move: Transition, ref: str) -> Verdict:
    """Judge all that a move of `ref` changes by the tasks and their claims."""
    claims = all_claims(scene.snapshot) if ROOM in scene.snapshot.tree(b"") else []
    findings: list[Finding] = []
    records: dict[bytes, Record | None] = {}
    marked = next((change for change in move.changes if change.path == FILE), None)
    if marked and marked.new:
        findings, records = _marks(scene, move, marked.new, claims)
    if scene.holder.is_human:
        return Verdict(tuple(findings), records)
    mine = [claim for claim in claims if claim.holder == scene.holder]
    own = [claim for claim in mine if not claim.done]
    findings += _scope(scene, move, claims)
    if not mine and not records:
        findings += _without_claim(scene, move, ref, {claim.id.lower() for claim in claims})
    finished = _finished_here(scene, marked, mine) if marked else []
    trailers = [f"Task: {claim.id}" for claim in (finished or own[:1])]
    trailers += [f"Tokens: {claim.tokens}" for claim in finished if claim.tokens]
    trailers += [f"Cost: {one_line(claim.cost, 20)} USD" for claim in finished if claim.cost]
    return Verdict(tuple(findings), records, tuple(trailers))


def _finished_here(scene: Scene, marked: Change, mine: Sequence[Claim]) -> list[Claim]:
    """The holder's finished tasks that a change of TASKS.md ticks."""
    if not any(claim.done for claim in mine):
        return []
    before, after = _parsed(scene, marked.old), _parsed(scene, marked.new)
    ticked = {key for key, task in after.items() if task.done and not (key in before and before[key].done)}
    return [claim for claim in mine if claim.done and claim.id.lower() in ticked]


def _parsed(scene: Scene, blob: str) -> dict[str, Task]:
    if not blob:
        return {}
    from agentsync.tasks.grammar import decode, parse  # only commits that touch the plan pay for `re`

    return {task.id.lower(): task for task in parse(decode(scene.content(blob)))}


def _marks(
    scene: Scene, move: Transition, blob: str, claims: list[Claim]
) -> tuple[list[Finding], dict[bytes, Record | None]]:
    """Tasks that this move marks with an agent or as done, against what their claims say."""
    judged = (*move.parents, *scene.rules.base.commits, *scene.judged_in(move.commit))
    parents = [_parsed(scene, scene.blob(source, FILE)) for source in judged]
    known = {claim.id.lower(): claim for claim in claims}
    findings: list[Finding] = []
    records: dict[bytes, Record | None] = {}
    for key, task in _parsed(scene, blob).items():
        if any(key in old and (old[key].mark, old[key].agent) == (task.mark, task.agent) for old in parents):
            continue
        if not task.agent and not task.done:
            continue
        claim = known.get(key)
        if claim and claim.holder != scene.holder and is_live(scene.repo, scene.rules.base, scene.snapshot, claim):
            if not scene.holder.is_human and not _judged_mark(scene, task):
                findings.append(_taken(scene, claim))
            continue
        own = task.agent == scene.holder.agent or (task.done and not scene.holder.is_human)
        if own and (claim is None or claim.holder != scene.holder or claim.done != task.done):
            records[place_of(task.id)] = claim_record(_by_commit(scene, task, claim))
    return findings, records


def _by_commit(scene: Scene, task: Task, before: Claim | None) -> Claim:
    """The claim that a commit makes by marking a task; one that its holder took by command stays that."""
    fresh = new_claim(scene.repo, scene.rules, scene.holder, task.id, task.title, task.files, done=task.done)
    if before and before.holder == scene.holder and not before.by_commit:
        return fresh._replace(since=before.since)
    return fresh._replace(until=fresh.since + PROVISIONAL, by_commit=True)


def _judged_mark(scene: Scene, task: Task) -> bool:
    """Whether judged work has the very mark, as a squash or a pick of it brings it again."""
    blobs = {scene.blob(tip, FILE) for tip in scene.judged_tips}
    known = [_parsed(scene, blob).get(task.id.lower()) for blob in blobs]
    return any(one and (one.mark, one.agent) == (task.mark, task.agent) for one in known)


def _taken(scene: Scene, claim: Claim) -> Finding:
    """One task, one agent: `[enforce] claims` speaks of work without a task, and cannot let a second claim through."""
    lines = (
        f"task {claim.id} {quoted(claim.title, 80)} is {taken_line(claim)}",
        "this commit marks it in TASKS.md; take that line back, or take other work:",
        "git restore --staged --worktree TASKS.md",
        OTHER_WORK,
    )
    return Finding("claims", lines, FILE, level=firm(scene.rules.config))


def _scope(scene: Scene, move: Transition, claims: list[Claim]) -> list[Finding]:
    """Paths inside the `files:` of another's task."""
    others = [claim for claim in claims if claim.files and claim.holder != scene.holder and not claim.done]
    if not others or scene.rules.config.level("scope") == "off":
        return []
    from agentsync.tasks.rules import in_scope

    found = []
    for claim in others:
        inside = [change.path for change in move.changes if in_scope(claim.files, change.path)]
        new = [path for path in inside if not _other_parent_has(scene, move, path)]
        if new and is_live(scene.repo, scene.rules.base, scene.snapshot, claim):
            found.append(scope_finding(claim, new))
    return found


def scope_finding(claim: Claim, paths: Sequence[bytes]) -> Finding:
    """What to say of paths inside the `files:` of another's task."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    lines = (
        f"{show_path(paths[0])}{more} is in the files of task {claim.id}, {taken_line(claim)}",
        "expect a merge there, or leave it to its holder:",
        f"agentsync status {shell_path(paths[0])}",
    )
    return Finding("scope", lines, paths[0])


def _other_parent_has(scene: Scene, move: Transition, path: bytes) -> bool:
    now = next(change.new for change in move.changes if change.path == path)
    sources = (*move.parents[1:], *scene.rules.base.commits, *scene.judged_in(move.commit))
    return any(scene.blob(source, path) == now for source in sources)


def _without_claim(scene: Scene, move: Transition, ref: str, claimed: set[str]) -> list[Finding]:
    """An agent's work without a claimed task, where open ones wait: told once a branch, or refused."""
    level = scene.rules.config.level("claims")
    if level == "off" or ref == scene.rules.base.ref or len(move.parents) > 1:
        return []
    if not os.path.exists(os.path.join(scene.repo.top, "TASKS.md")):
        return []
    if level == "warn" and read_line(private_file(scene.repo, "claims-told")) == ref:
        return []
    plan = _parsed(scene, scene.blob(move.commit or "HEAD", FILE))
    still_open = [task.id for key, task in plan.items() if task.open and key not in claimed]
    landed = any(scene.contains(tip, move.commit) for tip in scene.rules.base.commits) if move.commit else False
    if not still_open or landed:
        return []
    if level == "warn":
        write_private(scene.repo, "claims-told", ref + "\n")
    lines = (
        "this work has no claimed task, and TASKS.md has open ones",
        f"another agent may do the same work; claim yours, such as {one_line(still_open[0], 40)}:",
        f"agentsync task claim {shell_word(still_open[0])}",
    )
    return [Finding("claims", lines, FILE)]
