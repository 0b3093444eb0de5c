"""`check`: what the trees of a range show, judged as if it landed on base now. For CI, and git servers."""

from __future__ import annotations

import os

from agentsync.config.load import InForce
from agentsync.config.schema import FILE, PROJECT
from agentsync.contracts.gate import stale_finding
from agentsync.contracts.stale import newer_contracts
from agentsync.errors import ConfigError, UsageError
from agentsync.files import read_or_empty
from agentsync.gates.judge import judge_steps, split
from agentsync.gates.ranges import Move, settle_undecided, unjudged_steps
from agentsync.gates.settings import settings_problem
from agentsync.git.objects import tree_changes
from agentsync.git.refs import head_of, resolve_ref
from agentsync.git.repo import Repo
from agentsync.git.scratch import with_attributes_of
from agentsync.holders.identity import Holder
from agentsync.judging.scene import Scene
from agentsync.judging.verdict import Finding, Transition
from agentsync.lean import NamedTuple
from agentsync.locks.markers import is_marker
from agentsync.migrations.gate import judge_numbers
from agentsync.state.store import Store
from agentsync.tasks.grammar import decode, duplicates, parse
from agentsync.text import one_line, quoted, show_path

NOT_JUDGED = "locks, claims and reservations live in the clones where agents work, so they were not judged here"


class Review(NamedTuple):
    """What was found, the overrides that commits of the range carry, and whether locks and claims were judged too."""

    findings: tuple[Finding, ...]
    overrides: tuple[str, ...]
    with_state: bool


def review(repo: Repo, rules: InForce, holder: Holder, start: str, end: str) -> Review:
    """Judge all that `end` brings to `start` (commits), on the tree that their merge gives.

    Raises UsageError when a commit is not there, as in a clone that is too shallow.
    """
    for commit in (start, end):
        if repo.git("cat-file", "-e", f"{commit}^{{commit}}", ok=()).code != 0:
            what = f"{quoted(commit, 80)} is no commit here"
            if os.path.exists(os.path.join(repo.common_dir, "shallow")):
                raise UsageError(what, "the clone is shallow", "git fetch --unshallow")
            raise UsageError(what, "what is here:", "git log --oneline")
    words = ("merge-tree", "--write-tree", "--no-messages", start, end)
    merged = with_attributes_of(repo, start).git(*words, ok=())
    tree = merged.out.decode().split("\n", 1)[0] if merged.code in (0, 1) else end
    changes = tree_changes(repo, start, tree)
    scene = Scene(repo, Store(repo.shared_dir, repo.environ), rules, holder)
    move = Transition((start,), changes, end)
    findings = [*judge_numbers(scene, move, rules.base.ref, tree).findings]
    findings += [
        Finding("locks", (f"{show_path(change.path)} is a lock marker", "it tells of a lock, and is not for commits",
                          f"git rm --cached -- {show_path(change.path)}"), change.path)
        for change in changes if change.new and is_marker(change.path)
    ]  # fmt: skip
    findings += _settings(scene, tree)
    plan = next((change for change in changes if change.path == b"TASKS.md" and change.new), None)
    if plan:
        twice = duplicates(parse(decode(scene.content(plan.new))))
        if twice:
            what = f"TASKS.md has {', '.join(twice[:3])} more than once"
            findings.append(Finding("claims", (what, "an id names one task"), b"TASKS.md"))
    newer = newer_contracts(repo, rules, end, [start])
    if newer and rules.config.level("contracts") != "off":
        told = rules.config.level("contracts") != "refuse"
        findings.append(stale_finding(scene, newer)._replace(told=told))
    with_state = bool(scene.store.current())
    if with_state:  # what no gate here has judged, as the next one would
        branch = Move(head_of(repo).branch, "", repo.git("rev-parse", end).out.decode().strip())
        refused = split(scene, judge_steps(scene, unjudged_steps(scene, branch), branch.ref).findings)[0]
        findings += refused
        if not refused and branch.ref and resolve_ref(repo, branch.ref) == branch.new:
            settle_undecided(scene, branch.ref, branch.new)
    return Review(tuple(dict.fromkeys(findings)), _overrides(repo, start, end), with_state)


def _overrides(repo: Repo, start: str, end: str) -> tuple[str, ...]:
    shape = "--format=%h %(trailers:key=Agentsync-Allow,valueonly,separator=%x2C )"
    rows = [line.partition(" ") for line in repo.lines("log", shape, f"{start}..{end}")]
    return tuple(f"{short}: {one_line(reason)}" for short, _, reason in rows if reason.strip())


def _settings(scene: Scene, tree: str) -> list[Finding]:
    """What is wrong with the settings that a tree has, whoever brought it."""
    for name in (FILE, PROJECT):
        content = scene.cat.read(f"{tree}:{name}".encode())
        if content is not None:
            problem = settings_problem(name, content)
            return [settings_finding(name, problem)] if problem else []
    return []


def unsaved_settings(top: str) -> list[Finding]:
    """What is wrong with the settings as they stand in a work tree, committed or not."""
    for name in (FILE, PROJECT):
        path = os.path.join(top, name)
        if os.path.isfile(path):
            problem = settings_problem(name, read_or_empty(path))
            return [settings_finding(name, problem)] if problem else []
    return []


def settings_finding(name: str, problem: ConfigError) -> Finding:
    """What to say of settings that cannot be understood."""
    lines = tuple(line for line in (problem.what, problem.why, problem.next_command) if line)
    return Finding("settings", lines, name.encode(), level="refuse")
