"""Commands that destroy what is not committed in another worktree, wherever they are typed. Pure.

A write of one file there is seen by `writes`; this is about git commands that set a whole work tree to something else,
and about what takes folders away. Reading there is nobody's business.
"""

from __future__ import annotations

import itertools
import os

from agentsync.agents.shell.commands import agentsync_words, commands_of
from agentsync.agents.shell.git_words import operands, parse_git, scripts_in, short_letters
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentsync.agents.shell.commands import Command
    from agentsync.agents.shell.git_words import Git

_HELPS = {"--help", "-h"}
_DRY = {"-n", "--dry-run"}
_FORCE = {"--force", "--forc", "--for"}
# Subcommands that change the work tree or the index, but for those words with which they do not.
_SETS_BACK: dict[str, set[str]] = {
    "reset": set(), "checkout": set(), "switch": set(), "restore": set(), "bisect": {"log", "view"},
    "rm": _DRY, "mv": _DRY, "clean": _DRY, "checkout-index": set(), "read-tree": _DRY,
    "stash": {"list", "show", "create"}, "apply": {"--check", "--stat", "--numstat", "--summary"},
}  # fmt: skip
# Subcommands that do so only with one of some words.
_GIVES_UP: dict[str, set[str]] = {
    "merge": {"--abort", "--quit"}, "rebase": {"--abort", "--skip", "--quit"},
    "cherry-pick": {"--abort", "--skip", "--quit"}, "revert": {"--abort", "--skip", "--quit"},
    "am": {"--abort", "--skip", "--quit"}, "submodule": {"--force", "-f"},
}  # fmt: skip
_TAKES_AWAY = {"rm", "mv", "unlink", "shred", "rimraf", "trash", "trash-put"}
_COPIES = {"cp", "rsync", "install"}
_GLOB = "*?[{"
_MOST_PATTERNS = 64


# What an aim is at: a work tree that git changes, files, folders with all in them, worktrees inside of a folder, or a
# worktree by its path, the end of that, or its name.
GIT, FILES, FOLDERS, NESTED, NAMED = "git", "files", "folders", "nested", "named"


class Tree(NamedTuple):
    """A worktree: git's id of it, its branch, its top and its administrative folder, both without symlinks."""

    id: str
    branch: str
    top: str
    git_dir: str


class Aim(NamedTuple):
    """What a command would set back or take away: an absolute path, which may be a pattern."""

    what: str
    path: str
    kind: str


class Reach(NamedTuple):
    """A worktree that a command reaches into, and the path there; the top where all of it is meant."""

    what: str
    tree: Tree
    path: str
    kind: str

    @property
    def whole(self) -> bool:
        """Whether all that is in the worktree is meant."""
        return self.kind == GIT or self.path == self.tree.top


def reaches(
    commands: Sequence[Command], own: str, trees: Callable[[], Sequence[Tree]], real: Callable[[str], str], home: str
) -> list[Reach]:
    """What some commands destroy in other worktrees than the one whose top is `own`.

    `trees` are asked for where there is something to look for; `real` takes symlinks out of a path.
    """
    aims = list(dict.fromkeys(aims_of(commands, real, home)))
    known = trees() if aims else ()
    return [reach for aim in aims for reach in _reached(aim, known) if reach.tree.top != own]


def _reached(aim: Aim, trees: Sequence[Tree]) -> Iterator[Reach]:
    if aim.kind == NAMED:
        ends = [tree for tree in trees if _ends_with(tree.top, aim.path) or aim.path in (tree.id, tree.branch)]
        yield from (Reach(aim.what, tree, tree.top, NAMED) for tree in ends)
        return
    for path in _patterns(aim.path):
        whole = [tree for tree in trees if _takes(aim.kind, path, tree)]
        yield from (Reach(aim.what, tree, tree.top, FOLDERS) for tree in whole)
        inside = _containing(path, trees) if not whole and aim.kind != NESTED else None
        if inside is not None and not (aim.kind == FILES and path == inside.top):  # which `rm` alone does not take
            yield Reach(aim.what, inside, _before_glob(path), aim.kind)


def _takes(kind: str, path: str, tree: Tree) -> bool:
    """Whether a worktree goes with what is at a path: it lies there, or what git keeps of it does."""
    if kind == FOLDERS and _covers(path, tree.git_dir):
        return True
    return kind in (FOLDERS, NESTED) and _covers(path, tree.top)


def _ends_with(top: str, path: str) -> bool:
    return (top + os.sep).endswith(os.sep + path.strip(os.sep) + os.sep)


def _covers(pattern: str, top: str) -> bool:
    """Whether a path or a pattern names a folder or one above it."""
    parts, whole = pattern.rstrip("/").split("/"), top.split("/")
    if not any(one in pattern for one in _GLOB):
        return parts == whole[: len(parts)]
    from fnmatch import fnmatchcase

    return len(parts) <= len(whole) and all(map(fnmatchcase, whole, parts))


def _containing(path: str, trees: Sequence[Tree]) -> Tree | None:
    """The worktree that a path lies in, by its folder or by its administrative one; of nested ones the innermost."""
    places = [(place, tree) for tree in trees for place in (tree.top, tree.git_dir)]
    under = [(place, tree) for place, tree in places if _lies_in(path, place)]
    return max(under, key=lambda pair: len(pair[0]))[1] if under else None


def _lies_in(path: str, place: str) -> bool:
    if not any(one in path for one in _GLOB):
        return path == place or path.startswith(place + os.sep)
    from fnmatch import fnmatchcase

    parts, whole = path.split("/"), place.split("/")
    return len(parts) > len(whole) and all(map(fnmatchcase, whole, parts))


def _before_glob(path: str) -> str:
    places = [path.find(one) for one in _GLOB if one in path]
    return os.path.dirname(path[: min(places)]) if places else path


def _patterns(path: str) -> list[str]:
    """A path with its braces written out, as far as those are few."""
    done: list[str] = []
    todo = [path]
    while todo and len(done) + len(todo) < _MOST_PATTERNS:
        one = todo.pop()
        start, end = one.find("{"), one.find("}")
        if 0 <= start < end and "," in one[start:end]:
            todo += [one[:start] + part + one[end + 1 :] for part in one[start + 1 : end].split(",")]
        else:
            done.append(one)
    return done + todo


def aims_of(commands: Sequence[Command], real: Callable[[str], str], home: str) -> Iterator[Aim]:
    """What each command would set back or take away, as far as its words are certain."""
    exported: dict[str, str] = {}
    for command in commands:
        variables = {**exported, **dict(command.variables)}
        if command.name in ("export", "declare", "typeset"):
            exported = variables
        git = parse_git(command)
        if git is None:
            yield from _by_program(command, real, home)
        else:
            yield from _by_git(command, git, variables, real)
            for script in scripts_in(git):
                yield from aims_of(commands_of(script, _joined(command.folder, git.place)), real, home)


def _by_git(command: Command, git: Git, variables: dict[str, str], real: Callable[[str], str]) -> Iterator[Aim]:
    folder = _joined(command.folder, git.place)
    words = set(git.words)
    if git.subcommand == "worktree" and git.words[:1] == ("remove",) and ("f" in short_letters(git) or _FORCE & words):
        for name in (word for word in operands(git)[1:]):
            full = _joined(folder, name)
            yield Aim("git worktree remove --force", real(full) if _is_relative(name) and full else name, NAMED)
    if not _sets_back(git):
        return
    git_dir = git.git_dir or variables.get("GIT_DIR", "")
    work_tree = git.work_tree or variables.get("GIT_WORK_TREE", "")
    for place in (folder, git_dir and _joined(folder, git_dir), work_tree and _joined(folder, work_tree)):
        if place:
            yield Aim(f"git {git.subcommand}", real(place), GIT)
    letters = short_letters(git) + "f" * git.words.count("--force")
    if git.subcommand == "clean" and letters.count("f") > 1 and "d" in letters and folder:
        yield Aim("git clean -ffd", real(folder), NESTED)


def _is_relative(name: str) -> bool:
    """Whether a name is a path for certain, and not the end of one, which git takes as well."""
    return name.startswith(("/", "./", "../")) or name == ".."


def _sets_back(git: Git) -> bool:
    words = set(git.words)
    if words & _HELPS:
        return False
    if git.subcommand in _GIVES_UP:
        return bool(words & _GIVES_UP[git.subcommand])
    if git.subcommand not in _SETS_BACK:
        return False
    spared = _SETS_BACK[git.subcommand]
    return not words & spared and not ("-n" in spared and _has_letter(git.words, "n"))


def _by_program(command: Command, real: Callable[[str], str], home: str) -> Iterator[Aim]:
    words = [known for word, literal in command.operands if (known := _known(word, home, literal=literal))]
    ours = agentsync_words(command)
    if ours[:2] == ["worktree", "remove"] and "--force" in ours:
        yield from (Aim("agentsync worktree remove --force", word, NAMED) for word in ours[2:] if word[0] != "-")
    for word in [*_taken_away(command, words), *_copied_over(command, words)]:
        full = _joined(command.folder, word)
        parent, leaf = os.path.split(full)
        only_files = command.name == "rm" and not _is_recursive(command) and word not in command.fed
        kind = FILES if command.name in _COPIES or only_files else FOLDERS
        if full:
            yield Aim(command.name, os.path.join(real(parent), leaf), kind)


def _taken_away(command: Command, words: list[str]) -> list[str]:
    if command.name in _TAKES_AWAY:
        into = command.name == "mv" and not any(word.startswith(("-t", "--target")) for word in command.words)
        return [*(words[:-1] if into else words), *command.fed]
    if command.name != "find":
        return []
    run = {os.path.basename(b) for a, b in itertools.pairwise(command.words) if a in ("-exec", "-execdir", "-ok")}
    if "-delete" not in command.words and not _TAKES_AWAY & run:
        return []
    return list(itertools.takewhile(lambda word: word[0] not in "(!", words)) or ["."]


def _copied_over(command: Command, words: list[str]) -> list[str]:
    """Where a copy of everything in a folder goes."""
    dry = "--dry-run" in command.words or (command.name == "rsync" and _has_letter(command.words, "n"))
    if command.name not in _COPIES or len(words) < 2 or dry:
        return []
    everything = _has_letter(command.words, "T") or any(os.path.basename(word) in ("", ".", "*") for word in words[:-1])
    return [os.path.join(words[-1], "*")] if everything else []


def _known(word: str, home: str, *, literal: bool) -> str:
    """A word as far as it is certain: a pattern stays, the home folder is put in; empty where only a shell knows."""
    at_home = not literal and home and word.startswith("~/")
    text = os.path.join(home, word[2:]) if at_home else word
    return text if literal or not any(char in text for char in "$`~") else ""


def _is_recursive(command: Command) -> bool:
    return "--recursive" in command.words or _has_letter(command.words, "r") or _has_letter(command.words, "R")


def _has_letter(words: Sequence[str], letter: str) -> bool:
    """Whether an option, alone or in a cluster such as `-rf`, stands among some words."""
    return any(letter in word for word in words if word[:1] == "-" and word[:2] != "--")


def _joined(folder: str, place: str) -> str:
    """A path as seen from a folder; empty where the folder is not known and it matters."""
    return os.path.normpath(os.path.join(folder, place)) if folder or os.path.isabs(place) else ""
