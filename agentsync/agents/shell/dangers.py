"""Commands that would get past the gates: what is wrong with each, and what to type instead. Pure."""

from __future__ import annotations

import itertools
import os

from agentsync.agents.shell.commands import Command, agentsync_words, commands_of
from agentsync.agents.shell.git_words import Git, parse_git, scripts_in, setting_changed, skips_hooks
from agentsync.agents.shell.writes import writes_of
from agentsync.holders.identity import HUMAN
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Around = Callable[[str], "Surroundings | None"]

_TOUCHING = {"chmod", "chown", "rmdir", "touch", "sqlite3"}  # beside those whose files agents.shell.writes knows
_TAKING_AWAY = {"rm", "mv", "unlink", "shred", "chmod", "chown", "rmdir"}
_TAKES_FOLDERS = {"rm", "mv", "find", "shred"}
_GLOB = "*?[{"
_NEEDS_NO_HOOKS = {
    "log", "show", "cat-file", "ls-tree", "rev-parse", "rev-list", "for-each-ref", "diff", "fsck", "status", "ls-files",
    "show-ref", "count-objects", "grep", "blame", "shortlog", "reflog", "diff-tree", "clone", "init", "fetch", "remote",
    "describe", "merge-base", "name-rev", "ls-remote", "check-ignore", "check-attr", "archive",
}  # fmt: skip
_CANNOT_WRITE = _NEEDS_NO_HOOKS - {"clone", "init", "fetch", "remote", "reflog", "fsck", "archive"}
_LISTS = {"branch", "tag"}  # with no words but these:
_LIST_WORDS = {"-l", "--list", "-a", "-v", "-vv", "-r", "--show-current"}
_STASH_READS = {"list", "show", "create"}
_HEX = set("0123456789abcdef")
GATES = "the gates judge again at the ref and at the push; a refusal says how to go on:"


class Surroundings(NamedTuple):
    """Where a command runs: the names of base and of the branch checked out, and folders that are not to be touched.

    `guarded` are absolute paths: the shared state and the hooks. `shared`: other worktrees have the same stash.
    """

    base: str
    branch: str
    guarded: tuple[str, ...]
    shared: bool = False


class Danger(NamedTuple):
    """A command that is refused: what, why, and what to type instead."""

    what: str
    why: str
    command: str


def dangers_in(script: str, folder: str, around: Around) -> list[Danger]:
    """What in a script would get past the gates, each kind once."""
    return dangers_of(commands_of(script, folder), around)


def dangers_of(commands: Sequence[Command], around: Around) -> list[Danger]:
    """The same for commands already read; `around` tells of a folder what stands there, None in no such repository."""
    found: dict[str, Danger] = {}
    for command in commands:
        for danger in _judged(command, around):
            found.setdefault(danger.what, danger)
    return list(found.values())


def _judged(command: Command, around: Around) -> Iterator[Danger]:
    git = parse_git(command)
    folder = os.path.join(command.folder, git.place) if git and command.folder else command.folder
    here = around(os.path.normpath(folder)) if folder else None
    if here is None:
        return
    yield from _by_variable(command)
    yield from _by_guarded_path(command, git, here)
    yield from _own_command(command)
    if git:
        yield from _by_git(git, here)
        for script in scripts_in(git):
            yield from dangers_in(script, "" if git.subcommand == "submodule" else folder, around)


# Our own variables: those that an agent may set in a command, and what is said of others.
_SETTABLE = {"AGENTSYNC_PORT", "AGENTSYNC_DB", "AGENTSYNC_DEBUG"}
_SWITCHES = {
    "AGENTSYNC": "AGENTSYNC=0 switches the gates off",
    "AGENTSYNC_PROBE": "AGENTSYNC_PROBE lets the hooks answer doctor instead of judging",
}
_PERSONS = {
    "AGENTSYNC_ALLOW": "AGENTSYNC_ALLOW is a person's override",
    "AGENTSYNC_AGENT": "AGENTSYNC_AGENT names a person",
}


def _by_variable(command: Command) -> Iterator[Danger]:
    for name, value in command.variables:
        if _is_ours(name, value) and name in _PERSONS:
            yield Danger(
                _PERSONS[name],
                "an agent's does not count; ask the person to run the command; who works on what:",
                "agentsync status",
            )
        elif _is_ours(name, value):
            yield _switched_off(_SWITCHES.get(name, f"{one_line(name, 60)} is agentsync's own"))
        elif name == "SKIP" and "agentsync" in value:
            yield _switched_off(f"SKIP={quoted(value, 60)} switches the gates off")
        elif name.startswith("GIT_CONFIG") and any(map(_is_given_key, _keys_in(value))):
            yield _switched_off(f"{name} switches the hooks off")


def _is_ours(name: str, value: str) -> bool:
    """Whether a variable is a switch of ours, with this value, that is not an agent's to set."""
    if name == "AGENTSYNC":
        return value == "0"
    if name == "AGENTSYNC_AGENT":
        return value.startswith(HUMAN)
    return bool(value) and name.startswith("AGENTSYNC_") and name not in _SETTABLE


def _keys_in(value: str) -> list[str]:
    return [part.strip("'\" ").partition("=")[0] for part in value.replace("'", " ").split()] or [value]


def _switched_off(what: str) -> Danger:
    return Danger(what, GATES, "git commit")


def _is_hook_key(key: str) -> bool:
    lower = key.strip().lower()
    return lower == "core.hookspath" or lower.startswith(("hook.agentsync", "agentsync."))


def _is_given_key(key: str) -> bool:
    """The same for a setting of one command alone; what such a one includes nobody needs but for this."""
    return _is_hook_key(key) or key.strip().lower().startswith(("include.", "includeif."))


def _by_git(git: Git, around: Surroundings) -> Iterator[Danger]:
    if git.subcommand in _NEEDS_NO_HOOKS:
        return
    hooked = [key for setting in git.settings if _is_given_key(key := setting.partition("=")[0])]
    hooked += [key for key in [setting_changed(git)] if _is_hook_key(key)]
    if hooked:
        yield _switched_off(f"{quoted(hooked[0], 60)} switches the hooks off")
    if skips_hooks(git):
        what = f"git {git.subcommand} without its hooks gets nothing past the gates"
        yield Danger(what, GATES, f"git {git.subcommand}")
    if git.subcommand == "stash" and around.shared:
        yield from _by_stash(git)
    if _renames_onto_base(git, around):
        yield Danger(
            f"this renames a branch onto {around.base}",
            "work reaches it by landing:",
            "agentsync integrate " + (around.branch or "BRANCH"),
        )


def _by_stash(git: Git) -> Iterator[Danger]:
    """The stash is one stack for all worktrees: what one agent puts there another takes away, or throws away."""
    verb = git.words[0] if git.words[:1] and not git.words[0].startswith("-") else "push"
    what = "git stash is one stack for all worktrees of this clone"
    if verb in ("push", "save"):
        why = "another agent's `pop` could take it; keep it as a commit (a merge or rebase does with --autostash):"
        everything = {"-u", "--include-untracked", "-a", "--all"} & {*git.words}
        yield Danger(what, why, f"git {'add -A && git commit -m' if everything else 'commit -am'} 'work in progress'")
    elif verb not in _STASH_READS and not (verb == "apply" and _names_a_commit(git)):
        why = "what lies on top may be another agent's; `git stash apply` with the id of yours takes nothing away:"
        yield Danger(what, why, "git stash list --format='%H %gs'")


def _names_a_commit(git: Git) -> bool:
    """Whether `git stash apply` says which, by an id, or by what only a running shell knows."""
    named = [(word, known) for word, known in zip(git.words[1:], git.literal[1:], strict=True) if word[:1] != "-"]
    return any(not known or (len(word) >= 7 and not set(word.lower()) - _HEX) for word, known in named)


def _renames_onto_base(git: Git, around: Surroundings) -> bool:
    if git.subcommand != "branch":
        return False
    options = {letter for word in git.words if word.startswith("-") and word[1:2] != "-" for letter in word[1:]}
    options |= {"M" for word in git.words if word == "--move"} | {"C" for word in git.words if word == "--copy"}
    names = [word for word in git.words if not word.startswith("-")]
    if not options & set("mMcC") or not names or names[-1] != around.base:
        return False
    return (names[0] if len(names) > 1 else around.branch) not in ("", around.base)


def _own_command(command: Command) -> Iterator[Danger]:
    words = agentsync_words(command)
    if "unlock" in words and "--force" in words:
        yield Danger(
            "only a person forces a lock",
            "its holder may be at work on it; who holds what, and until when:",
            "agentsync lock",
        )
    elif words[:1] == ["uninstall"] and not {"--help", "-h"} & set(words):
        yield Danger(
            "only a person uninstalls agentsync", "every lock and claim would go; look first:", "agentsync status"
        )


def _by_guarded_path(command: Command, git: Git | None, around: Surroundings) -> Iterator[Danger]:
    words = [*writes_of([command]), *_touched(command)]
    named = [word for word in words if _is_guarded(word, command.folder, around)]
    named += [word for word in words if command.name in _TAKES_FOLDERS and _holds_guarded(word, command.folder, around)]
    if git and not _cannot_write(git):
        sent_to = [git.git_dir, git.place, *(value for name, value in command.variables if name == "GIT_DIR"), "."]
        named += [word for word in sent_to if word and _is_guarded(word, command.folder, around)]
    if named:
        yield guarded(named[0])


def _touched(command: Command) -> list[str]:
    """Paths that a command changes or takes away, as far as they are known: those before a pattern's first star."""
    if command.name == "find":
        run = [os.path.basename(b) for a, b in itertools.pairwise(command.words) if a in ("-exec", "-execdir")]
        named = itertools.dropwhile(lambda word: word in ("-H", "-L", "-P"), command.known)
        places = list(itertools.takewhile(lambda word: not word.startswith("-"), named))
        return (
            places if ("-delete" in command.known or _TAKING_AWAY & set(run)) and "-name" not in command.words else []
        )
    if command.name == "touch" and {"-r", "--reference"} & set(command.words):
        return []
    found = command.known if command.name in _TOUCHING else []
    if command.name in _TAKING_AWAY:
        found = [*found, *(_before_glob(word) for word in command.words[1:] if any(one in word for one in _GLOB))]
    return [word for word in found if word]


def _before_glob(word: str) -> str:
    """What of a pattern is certain: the folder, the one that it runs in where it names none."""
    return os.path.dirname(word[: min(word.find(one) for one in _GLOB if one in word)]) or "."


def _holds_guarded(word: str, folder: str, around: Surroundings) -> bool:
    """Whether a path is the git directory that holds what is guarded."""
    full = os.path.normpath(os.path.join(folder, word)) if folder or os.path.isabs(word) else ""
    return os.path.basename(full) == ".git" and any(place.startswith(full + os.sep) for place in around.guarded)


def _cannot_write(git: Git) -> bool:
    """Whether a git command only reads, wherever it is sent to."""
    if git.subcommand == "config":
        return not setting_changed(git) and "edit" not in git.words and not {"-e", "--edit"} & set(git.words)
    if git.subcommand in _LISTS:
        options = {word for word in git.words if word.startswith("-")}
        return options <= _LIST_WORDS and (bool(options & {"-l", "--list"}) or len(options) == len(git.words))
    return git.subcommand in _CANNOT_WRITE


def guarded(word: str) -> Danger:
    """What to say of a write to the shared state or to git's hooks."""
    return Danger(
        f"{quoted(word, 120)} belongs to agentsync, or to git's hooks",
        "locks and claims change by command, hooks by a person:",
        "agentsync status",
    )


def _is_guarded(word: str, folder: str, around: Surroundings) -> bool:
    if not os.path.isabs(word) and not folder:
        return False
    full = os.path.normpath(os.path.join(folder, word))
    return any(full == place or full.startswith(place + os.sep) for place in around.guarded)
