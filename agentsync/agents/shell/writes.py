"""The files that a script surely writes: redirections, in-place edits, moves, package managers' manifests. Pure."""

from __future__ import annotations

import itertools
import os

from agentsync.agents.patches import patched_paths
from agentsync.agents.shell.git_words import parse_git
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentsync.agents.shell.commands import Command

# Package managers: the words that change the manifest when a package is named, and the manifest.
_MANAGERS = {
    "npm": ({"install", "i", "add", "uninstall", "remove", "rm", "un", "r"}, "package.json"),
    "pnpm": ({"add", "i", "install", "remove", "rm", "uninstall"}, "package.json"),
    "yarn": ({"add", "remove"}, "package.json"),
    "bun": ({"add", "i", "install", "remove", "rm"}, "package.json"),
    "uv": ({"add", "remove"}, "pyproject.toml"),
    "poetry": ({"add", "remove"}, "pyproject.toml"),
    "cargo": ({"add", "remove", "rm"}, "Cargo.toml"),
    "go": ({"get"}, "go.mod"),
    "bundle": ({"add", "remove"}, "Gemfile"),
    "composer": ({"require", "remove"}, "composer.json"),
}
_PLAIN_OPTIONS = {"-D", "-S", "-E", "-O", "-P", "-d", "-u", "--save", "--save-dev", "--save-exact", "--save-optional",
                  "--dev", "--save-prod", "--exact", "--peer", "--optional"}  # fmt: skip
_NOWHERE = ("/dev/null", "/dev/std", "/dev/tty", "/dev/fd/", "/proc/")  # a worktree may lie in /dev/shm
_MOST = 500
MARKER = ".agent-lock"
_PERL_FLAGS = "acfgjklnpsStTuUwWX0123456789"
_SED_FLAGS = "nrsuzE"


def writes_of(commands: Sequence[Command], is_folder: Callable[[str], bool] = os.path.isdir) -> list[str]:
    """The files, as absolute paths, that the commands write for certain; each once.

    `is_folder` tells of an absolute path whether it is one: a copy into it writes what is copied.
    """
    found: dict[str, None] = {}
    for command in commands:
        for word in _named(command, is_folder):
            full = _placed(command, word)
            if full and len(found) < _MOST:
                found[full] = None
    return list(found)


def _placed(command: Command, word: str) -> str:
    unusable = not word or word.startswith(_NOWHERE) or "\0" in word or len(word) > 4096
    if unusable or not (command.folder or os.path.isabs(word)):
        return ""
    path = os.path.normpath(os.path.join(command.folder, word))
    return path.removesuffix(MARKER) if command.name in ("rm", "mv", "unlink") else path


def _named(command: Command, is_folder: Callable[[str], bool]) -> Iterator[str]:
    yield from command.writes
    options = [word for word in command.known if word.startswith("-")]
    certain = [word for word, literal in command.operands if literal]
    if command.name in ("tee", "rm", "unlink", "shred"):
        yield from certain
    elif command.name == "truncate":
        given = (_value_of(command, "-s"), _value_of(command, "-r"))
        yield from (word for word in certain if word not in given)
    elif command.name in ("cp", "install", "ln", "mv"):
        yield from _moved(command, options, is_folder)
    elif command.name in ("sed", "gsed", "perl", "ruby"):
        yield from _edited_in_place(command)
    elif command.name in ("awk", "gawk") and _value_of(command, "-i") == "inplace":
        yield from (word for word in certain[1 if "-f" in options else 2 :] if "=" not in word)
    elif command.name == "dd":
        yield from (word[3:] for word in certain if word.startswith("of="))
    elif command.name == "apply_patch":
        yield from (path for text in (*command.bodies, *certain) for path in patched_paths(text))
    elif command.name in _MANAGERS:
        yield from _manifest(command)
    else:
        yield from _by_git(command, is_folder)


def _by_git(command: Command, is_folder: Callable[[str], bool]) -> Iterator[str]:
    git = parse_git(command)
    tried = {"-n", "--dry-run", "--cached", "--help", "-h"}
    if git is None or git.subcommand not in ("rm", "mv") or tried & set(git.words):
        return
    names = [word for word, literal in zip(git.words, git.literal, strict=True) if literal and not word.startswith("-")]
    if git.subcommand == "mv" and len(names) > 1:
        into = len(names) > 2 or is_folder(os.path.normpath(os.path.join(command.folder, git.place, names[-1])))
        names[-1] = os.path.join(names[-1], os.path.basename(names[0])) if into else names[-1]
    yield from (os.path.join(git.place, name) for name in names)


def _value_of(command: Command, option: str) -> str:
    """The word after an option, empty where it does not stand."""
    return next((b for a, b in zip(command.words, command.words[1:], strict=False) if a == option), "")


def _moved(command: Command, options: list[str], is_folder: Callable[[str], bool]) -> Iterator[str]:
    """What a copy or a move overwrites, and what a move takes away."""
    operands = command.operands
    into = _target_folder(command)
    if into:
        operands = [*(one for one in operands if one[0] != into), (into.rstrip("/") + "/", True)]
    clusters = [one for one in options if not one.startswith("--")]
    keeps = any("n" in one for one in clusters) or bool({"--no-clobber", "--update=none"} & set(options))
    keeps = keeps or (command.name == "ln" and not any("f" in one for one in clusters) and "--force" not in options)
    if len(operands) < 2 or "--help" in options or not all(literal for word, literal in operands[-1:]):
        return
    sources, (target, _) = operands[:-1], operands[-1]
    full = os.path.normpath(os.path.join(command.folder, target))
    if keeps:
        pass
    elif len(sources) > 1 or target.endswith("/") or ((command.folder or os.path.isabs(target)) and is_folder(full)):
        yield from (os.path.join(target, os.path.basename(word.rstrip("/"))) for word, literal in sources if literal)
    else:
        yield target
    if command.name == "mv":
        yield from (word for word, literal in sources if literal)


def _target_folder(command: Command) -> str:
    """Where `-t` of `cp` and its like sends the operands, also in a cluster such as `-rt`; empty without one."""
    for option, after in itertools.pairwise((*command.words, "")):
        if option.startswith("--target-directory"):
            return option.partition("=")[2] or after
        cluster = option[1:].partition("t") if option.startswith("-") and not option.startswith("--") else ("", "", "")
        if cluster[1] and "S" not in cluster[0]:
            return cluster[2] or after
    return ""


def _edited_in_place(command: Command) -> Iterator[str]:
    """The files of `sed -i` and its like; the first operand is the script unless an option gave one.

    What follows the script of perl or ruby is the script's own, be it an option.
    """
    is_sed = command.name in ("sed", "gsed")
    flags = _SED_FLAGS if is_sed else _PERL_FLAGS
    valued = ("-e", "-f", "--expression", "--file") if is_sed else ("-e", "-E", "-M", "-I")
    files: list[tuple[str, bool]] = []
    in_place = scripted = skip = False
    for word, literal in zip(command.words[1:], command.literal[1:], strict=True):
        if skip:
            skip = False
        elif word.startswith("-") and word != "-" and (is_sed or not files):
            in_place = in_place or _in_place(word, flags)
            scripted = scripted or word.startswith(valued) or (not is_sed and word.endswith("e"))
            skip = word in valued or (not is_sed and not word.startswith("--") and word.endswith(("e", "E")))
        else:
            files.append((word, literal))
    named = files if scripted else files[1:]
    yield from (word for word, literal in named if literal and in_place)


def _in_place(option: str, flags: str) -> bool:
    """Whether an option such as `-i`, `-pi`, `-n -i.bak` or `--in-place` edits files where they are."""
    if option.startswith("--"):
        return option.partition("=")[0] == "--in-place"
    return option[1:].lstrip(flags).startswith("i")


def _manifest(command: Command) -> Iterator[str]:
    verbs, manifest = _MANAGERS[command.name]
    words = command.known
    if len(words) < 2 or words[0] not in verbs:
        return
    if any(word.startswith("-") and word not in _PLAIN_OPTIONS for word in words):  # elsewhere, a trial, or a value
        return
    if any(not word.startswith("-") for word in words[1:]):
        yield manifest
