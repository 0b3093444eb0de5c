"""What is done at each moment of an agent's work: the start, before and after an edit, before a command, the stop."""

from __future__ import annotations

import os

from agentsync.agents.answers import ALLOWED, Answer, go_on, refuse, tell
from agentsync.agents.edit import judge_edit
from agentsync.agents.events import AFTER_EDIT, BEFORE_EDIT, BEFORE_SHELL, MOVED, START, STOP, Event
from agentsync.agents.place import (
    Place,
    agents_environment,
    elsewhere_finding,
    guarded_finding,
    guarded_folders,
    place_of,
)
from agentsync.gates.judge import split
from agentsync.gates.opening import open_scene
from agentsync.git.refs import HEADS, head_of
from agentsync.git.repo import Repo, around, read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.verdict import Finding
from agentsync.lean import TYPE_CHECKING
from agentsync.state.journal import record_event
from agentsync.text import one_line, show_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.judging.scene import Scene

START_CAP = 2000  # characters at the start of a session
_WARNED = "edit-warned"
WITHOUT_HOOKS = ("gemini",)  # its shell sets core.hooksPath to nothing (measured, 0.61): no gate would see a commit


def answer_to(event: Event, environ: Mapping[str, str]) -> Answer:
    """The answer to one event."""
    environ = agents_environment(environ, event.dialect)
    folder = event.folder or os.getcwd()
    if event.kind == BEFORE_EDIT:
        return _before(event, environ, folder, event.paths)
    if event.kind == BEFORE_SHELL:
        return _before_shell(event, environ, folder)
    if event.kind == AFTER_EDIT:
        return _after_edit(event, environ, folder)
    own = around(environ, folder)
    if own is None or not os.path.isdir(own.shared_dir):
        return ALLOWED
    if event.kind in (START, MOVED):
        return _start(event, open_scene(own))
    return _stop(event, open_scene(own)) if event.kind == STOP and not event.again else ALLOWED


def _before(event: Event, environ: Mapping[str, str], folder: str, words: Sequence[str]) -> Answer:
    """Refuse a write to `words` where a rule says so; nothing of ours is asked about files of no repository."""
    own = around(environ, folder)
    found = [finding for word in words if own and (finding := guarded_finding(own, word, folder))]
    places = [place for word in words if (place := place_of(environ, folder, word))]
    found += [finding for place in places if own and (finding := elsewhere_finding(own, place))]
    if found:
        scene_at = own or places[0].repo
        return _refusal(event, scene_at, found)
    for repo, paths in _by_worktree(places):
        scene = open_scene(repo)
        refused, _ = split(scene, judge_edit(scene, paths))
        if refused:
            return _refusal(event, repo, refused)
    return ALLOWED


def _by_worktree(places: Sequence[Place]) -> list[tuple[Repo, list[bytes]]]:
    found: dict[str, tuple[Repo, list[bytes]]] = {}
    for place in places:
        found.setdefault(place.repo.top, (place.repo, []))[1].append(place.path)
    return list(found.values())


def _refusal(event: Event, repo: Repo, findings: Sequence[Finding]) -> Answer:
    first = findings[0]
    record_event(
        repo.shared_dir,
        "refused",
        hook=f"{event.dialect} {event.kind}",
        rule=first.rule,
        holder=read_line(private_file(repo, "holder")).partition(" ")[0] or repo.worktree_id,
        path=show_path(first.path),
        message=first.lines[0],
    )
    lines = [f"agentsync: refused: {first.lines[0]}", *(f"  {line}" for line in first.lines[1:])]
    for more in findings[1:3]:
        lines.append(f"agentsync: refused too: {more.lines[0]}")
    return refuse(event, lines)


def _before_shell(event: Event, environ: Mapping[str, str], folder: str) -> Answer:
    own = around(environ, folder)
    if own is None or not os.path.isdir(own.shared_dir):
        return ALLOWED
    from agentsync.agents.patches import patched_paths
    from agentsync.agents.shell.commands import commands_of
    from agentsync.agents.shell.dangers import Surroundings, dangers_of
    from agentsync.agents.shell.git_words import commits
    from agentsync.agents.shell.writes import writes_of
    from agentsync.config.load import in_force

    commands = commands_of(event.command, os.path.realpath(folder))
    if not commands:
        return ALLOWED
    branch = head_of(own).branch.removeprefix(HEADS)
    around_it = Surroundings(in_force(own).base.name, branch, guarded_folders(own))
    dangers = dangers_of(commands, around_it)
    if dangers:
        return _refusal(event, own, [Finding("shell", (one.what, one.why, one.command)) for one in dangers])
    writes = writes_of(commands)
    if "*** Begin Patch" in event.command:
        writes += patched_paths(event.command)
    if event.dialect in WITHOUT_HOOKS and any(commits(command) for command in commands):
        writes += _changed(own)
    return _before(event, environ, folder, writes) if writes else ALLOWED


def _changed(own: Repo) -> list[str]:
    """The tracked files that differ from HEAD here, staged or not, as absolute paths."""
    names = own.git("diff", "--name-only", "--no-renames", "-z", "HEAD", ok=()).out.split(b"\0")
    return [os.path.join(own.top, os.fsdecode(name)) for name in names if name]


def _after_edit(event: Event, environ: Mapping[str, str], folder: str) -> Answer:
    """Renew the leases, look for conflicts to come, and tell what is new of them, and what the rules only warn of."""
    from agentsync.tasks.leases import renew_locks

    places = [place for word in event.paths if (place := place_of(environ, folder, word))]
    lines: list[str] = []
    for repo, paths in _by_worktree(places):
        scene = open_scene(repo)
        renew_locks(scene, paths)
        _, warned = split(scene, judge_edit(scene, paths))
        lines += _unwarned(scene, warned) + _new_conflicts(scene, paths)
    return tell(event, lines)


def _unwarned(scene: Scene, warned: Sequence[Finding]) -> list[str]:
    """Warnings that this worktree was not given yet, remembered by their first lines without times."""
    known = read_line(private_file(scene.repo, _WARNED)).split("\t")
    fresh = [one for one in warned if _key(one) not in known]
    if fresh:
        write_private(scene.repo, _WARNED, "\t".join([*known, *map(_key, fresh)][-50:]) + "\n")
    return [f"agentsync: {one.lines[0]}" for one in fresh]


def _key(finding: Finding) -> str:
    return f"{finding.rule} {show_path(finding.path)}"


def _new_conflicts(scene: Scene, paths: Sequence[bytes]) -> list[str]:
    from agentsync.forecast.cache import folder_of, worth_a_forecast

    if worth_a_forecast(scene.repo, paths):
        from agentsync.forecast.start import start_forecast

        start_forecast(scene.repo)
    if not os.path.exists(os.path.join(folder_of(scene.repo), "last.json")):
        return []
    from agentsync.news import new_conflicts

    return new_conflicts(scene)


def _start(event: Event, scene: Scene) -> Answer:
    """Say who this agent is and what is new for it; its shells learn the name where the client has a file for that."""
    exports = scene.repo.environ.get("CLAUDE_ENV_FILE", "")
    if exports:
        with open(exports, "a", encoding="utf-8") as file:
            file.write(f"export AGENTSYNC_AGENT={scene.holder.agent}\n")
    if event.kind == MOVED:
        return ALLOWED
    from agentsync.agents.held import held_lines
    from agentsync.news import news

    who = f"agentsync: this agent is {scene.holder.agent} in worktree {scene.repo.worktree_id} ({scene.repo.top})"
    return tell(event, [one_line(who, 300), *held_lines(scene), *news(scene)], START_CAP)


def _stop(event: Event, scene: Scene) -> Answer:
    """Name once what is still held, so that nobody waits for an agent that has stopped."""
    from agentsync.agents.costs import note_cost
    from agentsync.agents.held import reminder

    note_cost(scene, event.transcript)
    lines = reminder(scene)
    return go_on(event, lines) if lines else ALLOWED
