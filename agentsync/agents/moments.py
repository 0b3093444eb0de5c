"""What is done at each moment of an agent's work: the start, before and after an edit, before a command, the stop."""

from __future__ import annotations

import os
import time

from agentsync.agents.answers import ALLOWED, Answer, go_on, refuse, tell
from agentsync.agents.edit import judge_edit, lock_exclusive
from agentsync.agents.events import AFTER_EDIT, BEFORE_EDIT, BEFORE_SHELL, END, MOVED, START, STOP, Event
from agentsync.agents.place import (
    Place,
    agents_environment,
    destroying_findings,
    elsewhere_finding,
    guarded_finding,
    guarded_folders,
    place_of,
)
from agentsync.errors import OTHER_WORK
from agentsync.forecast.start import snapshot_if_due
from agentsync.gates.judge import split
from agentsync.gates.opening import open_scene
from agentsync.git.refs import HEADS, head_of, worktrees
from agentsync.git.repo import MAIN_WORKTREE, Repo, around, read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.holders.sessions import forget_session, note_committing, note_session, sessions
from agentsync.judging.verdict import Finding
from agentsync.lean import TYPE_CHECKING
from agentsync.state.journal import record_event
from agentsync.text import one_line, show_duration, show_path, show_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentsync.agents.shell.commands import Command
    from agentsync.agents.shell.dangers import Surroundings
    from agentsync.judging.scene import Scene

START_CAP = 2000  # characters at the start of a session
MOST_READ = 200_000  # characters of a command
_WARNED = "edit-warned"
WITHOUT_HOOKS = ("gemini",)  # its shell sets core.hooksPath to nothing (measured, 0.61): no gate would see a commit


def answer_to(event: Event, environ: Mapping[str, str]) -> Answer:
    """The answer to one event."""
    environ = agents_environment(environ, event.dialect)
    folder = event.folder or os.getcwd()
    if event.kind == BEFORE_EDIT:
        return _before(event, environ, folder, [*event.paths, *_behind_links(folder, event.paths)])
    if event.kind == BEFORE_SHELL:
        return _before_shell(event, environ, folder)
    if event.kind == AFTER_EDIT:
        return _after_edit(event, environ, folder)
    own = around(environ, folder)
    if own is None or not os.path.isdir(own.shared_dir):
        return ALLOWED
    if event.kind == END:
        _quietly(lambda: forget_session(own, event.session))
    if event.kind in (START, MOVED):
        return _start(event, open_scene(own))
    return _stop(event, open_scene(own)) if event.kind == STOP and not event.again else ALLOWED


def _behind_links(folder: str, words: Sequence[str]) -> list[str]:
    """The files that symlinks among some paths lead to: an edit through one changes those."""
    places = [os.path.join(folder, os.path.expanduser(word)) for word in words if "\0" not in word]
    return [os.path.realpath(place) for place in places if os.path.islink(place)]


def _before(event: Event, environ: Mapping[str, str], folder: str, words: Sequence[str]) -> Answer:
    """Refuse a write to `words` where a rule says so; nothing of ours is asked about files of no repository."""
    own = around(environ, folder)
    found = [finding for word in words if own and (finding := guarded_finding(own, word, folder))]
    places = [place for word in words if (place := place_of(environ, folder, word))]
    found += [finding for place in places if own and (finding := elsewhere_finding(own, place))]
    if found:
        return _refusal(event, own or places[0].repo, found)
    scenes = [(open_scene(repo), paths) for repo, paths in _by_worktree(places)]
    for rule in (judge_edit, lock_exclusive):  # nothing is taken unless all may be written
        for scene, paths in scenes:
            refused, _ = split(scene, rule(scene, paths))
            if refused:
                return _refusal(event, scene.repo, refused)
    return ALLOWED


def _by_worktree(places: Sequence[Place]) -> list[tuple[Repo, list[bytes]]]:
    found: dict[str, tuple[Repo, list[bytes]]] = {}
    for place in places:
        found.setdefault(place.repo.top, (place.repo, []))[1].append(place.path)
    return list(found.values())


def _refusal(event: Event, repo: Repo | None, findings: Sequence[Finding]) -> Answer:
    first = findings[0]
    if repo is not None and os.path.isdir(repo.shared_dir):
        record_event(
            repo.shared_dir,
            "refused",
            hook=f"{event.dialect} {event.kind}",
            rule=first.rule,
            holder=read_line(private_file(repo, "holder")).partition(" ")[0] or repo.worktree_id,
            path=show_path(first.path),
            message=first.lines[0],
        )
    what, *more = _fitting(repo, first.lines)
    lines = [f"agentsync: refused: {what}", *(f"  {line}" for line in more)]
    lines += [f"agentsync: refused too: {one.lines[0]}" for one in findings[1:3]]
    return refuse(event, lines)


def _fitting(repo: Repo | None, lines: Sequence[str]) -> Sequence[str]:
    """The lines as they fit there; nothing is asked of the state where they offer nothing."""
    if repo is None or OTHER_WORK not in lines:
        return lines
    from agentsync.tasks.plan import fitting

    scene = open_scene(repo)
    return fitting(repo, scene.rules, scene.snapshot, lines)


def _before_shell(event: Event, environ: Mapping[str, str], folder: str) -> Answer:
    from agentsync.agents.shell.commands import commands_of
    from agentsync.agents.shell.dangers import dangers_of
    from agentsync.agents.shell.writes import writes_of

    folder = os.path.realpath(folder)
    commands = commands_of(event.command[:MOST_READ], folder)
    dangers = dangers_of(commands, _surroundings(environ))
    if dangers:
        return _refusal(
            event, around(environ, folder), [Finding("shell", (one.what, one.why, one.command)) for one in dangers]
        )
    own = around(environ, folder)
    destroying = destroying_findings(own, commands) if own is not None and os.path.isdir(own.shared_dir) else []
    if destroying:
        return _refusal(event, own, destroying)
    if own is not None and _commits(commands):
        _quietly(lambda: note_committing(own, event.session))
    named = [value for command in commands for name, value in command.variables if name == "AGENTSYNC_AGENT"]
    environ = {**environ, "AGENTSYNC_AGENT": named[-1]} if named else environ
    writes = writes_of(commands)
    writes += _behind_links(folder, writes)
    if event.dialect in WITHOUT_HOOKS:
        from agentsync.agents.commits import committed_by

        writes += committed_by(environ, commands)
    return _before(event, environ, folder, writes) if writes else ALLOWED


def _commits(commands: Sequence[Command]) -> bool:
    from agentsync.agents.shell.git_words import parse_git

    return any((git := parse_git(command)) is not None and git.subcommand == "commit" for command in commands)


def _surroundings(environ: Mapping[str, str]) -> Callable[[str], Surroundings | None]:
    """What stands around a folder, asked of each once."""
    known: dict[str, Surroundings | None] = {}

    def look(folder: str) -> Surroundings | None:
        from agentsync.agents.shell.dangers import Surroundings
        from agentsync.config.load import in_force_or_last

        if folder not in known and not os.path.isdir(folder):
            known[folder] = None  # made by the script itself: nobody knows what stands there by then
        if folder not in known:
            own = around(environ, folder) or around(environ, folder.partition("/.git/")[0].removesuffix("/.git"))
            known[folder] = None
            if own is not None and os.path.isdir(own.shared_dir):
                branch = head_of(own).branch.removeprefix(HEADS)
                shared = sum(one.present for one in worktrees(own)) > 1
                known[folder] = Surroundings(in_force_or_last(own)[0].base.name, branch, guarded_folders(own), shared)
        return known[folder]

    return look


def _after_edit(event: Event, environ: Mapping[str, str], folder: str) -> Answer:
    """Renew the leases, look for conflicts to come, and tell what is new of them, and what the rules only warn of."""
    from agentsync.tasks.leases import renew_locks

    places = [place for word in event.paths if (place := place_of(environ, folder, word))]
    lines: list[str] = []
    for repo, paths in _by_worktree(places):
        scene = open_scene(repo)
        snapshot_if_due(repo)
        _note_session(repo, event, paths)
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
    _export_name(scene)
    if event.kind == MOVED:
        return ALLOWED
    from agentsync.agents.held import held_lines
    from agentsync.git.hooks_path import silent_line
    from agentsync.news import news

    silent = [f"agentsync: warning: {line}"] if (line := silent_line(scene.repo)) else []
    who = f"agentsync: this agent is {scene.holder.agent} in worktree {scene.repo.worktree_id} ({scene.repo.top})"
    lines = [one_line(who, 300), *silent, *_other_sessions(event, scene), *held_lines(scene), *news(scene)]
    _note_session(scene.repo, event)
    return tell(event, lines, START_CAP)


def _note_session(repo: Repo, event: Event, wrote: Sequence[bytes] = ()) -> None:
    _quietly(lambda: note_session(repo, event.session, event.dialect, wrote))


def _quietly(note: Callable[[], None]) -> None:
    """Leave a note; one that cannot be left is no reason to judge less, and whoever reads notes says so."""
    try:
        note()
    except OSError:
        return


def _other_sessions(event: Event, scene: Scene) -> list[str]:
    """The sessions that were active in this worktree lately: two of them share its files, its index and its branch."""
    if event.replaces or not event.session:
        return []
    try:
        others = [one for one in sessions(scene.repo) if one.id != event.session]
    except OSError as error:
        return [one_line(f"could not tell whether another session works in this worktree: {error}", 200)]
    if not others:
        return []
    last = max(others, key=lambda one: one.seen)
    since, ago = show_time(last.since), show_duration(time.time() - last.seen)
    return [
        f"another session ({last.client}, since {since}, last active {ago} ago) works in this worktree, on the same "
        "files and index; if it still runs, work in one of your own:",
        "  agentsync worktree add NAME",
    ]


def _export_name(scene: Scene) -> None:
    """Let the client's shells know this agent's name, where it is a linked worktree's: the main one's depends on where.

    An agent of the main worktree that goes into a linked one is that one's agent, for its hooks as for its commits.
    """
    exports = scene.repo.environ.get("CLAUDE_ENV_FILE", "")
    if not exports or scene.repo.environ.get("AGENTSYNC_AGENT"):
        return
    linked = scene.repo.worktree_id != MAIN_WORKTREE
    line = f"export AGENTSYNC_AGENT={scene.holder.agent}\n" if linked else "unset AGENTSYNC_AGENT\n"
    try:
        with open(exports, "a", encoding="utf-8") as file:
            file.write(line)
    except OSError:
        return


def _stop(event: Event, scene: Scene) -> Answer:
    """Name once what is still held, so that nobody waits for an agent that has stopped."""
    from agentsync.agents.costs import note_cost
    from agentsync.agents.held import reminder

    note_cost(scene, event.transcript)
    lines = reminder(scene)
    return go_on(event, lines) if lines else ALLOWED
