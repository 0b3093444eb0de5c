"""The files that a script surely writes: redirections, in-place edits, moves, package managers' manifests. Pure."""

from __future__ import annotations

import os

from agentsync.agents.shell.git_words import parse_git
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.agents.shell.commands import Command

# Package managers: the words that change the manifest when a package is named, and the manifest.
_MANAGERS = {
    "npm": ({"install", "i", "add", "uninstall", "remove", "rm", "un"}, "package.json"),
    "pnpm": ({"add", "remove", "rm", "uninstall"}, "package.json"),
    "yarn": ({"add", "remove"}, "package.json"),
    "bun": ({"add", "remove"}, "package.json"),
    "uv": ({"add", "remove"}, "pyproject.toml"),
    "poetry": ({"add", "remove"}, "pyproject.toml"),
    "cargo": ({"add", "remove", "rm"}, "Cargo.toml"),
    "go": ({"get"}, "go.mod"),
    "bundle": ({"add", "remove"}, "Gemfile"),
    "composer": ({"require", "remove"}, "composer.json"),
}
_ELSEWHERE = {"-g", "--global", "--prefix", "--cwd", "--dir", "-C", "--filter", "-w", "--workspace", "--manifest-path",
              "--project", "--directory", "-p", "--package", "--no-save", "--script"}  # fmt: skip
_NOWHERE = ("/dev/", "/proc/")
MARKER = ".agent-lock"


def writes_of(commands: Sequence[Command]) -> list[str]:
    """The files, as absolute paths, that the commands write for certain; each once."""
    found = [full for command in commands for word in _named(command) if (full := _placed(command, word))]
    return list(dict.fromkeys(found))


def _placed(command: Command, word: str) -> str:
    if not word or word.startswith(_NOWHERE) or not (command.folder or os.path.isabs(word)):
        return ""
    path = os.path.normpath(os.path.join(command.folder, word))
    return path.removesuffix(MARKER) if command.name in ("rm", "mv", "unlink") else path


def _named(command: Command) -> Iterator[str]:
    yield from command.writes
    plain = [word for word in command.known if not word.startswith("-")]
    options = [word for word in command.known if word.startswith("-")]
    if command.name in ("tee", "rm", "unlink", "shred"):
        yield from plain
    elif command.name == "truncate":
        yield from (word for word in plain if word != _value_of(command, "-s"))
    elif command.name in ("cp", "install", "ln", "mv", "rsync"):
        yield from _moved(command, plain, options)
    elif command.name in ("sed", "gsed", "perl", "ruby"):
        yield from _edited_in_place(command, plain, options)
    elif command.name == "dd":
        yield from (word[3:] for word in plain if word.startswith("of="))
    elif command.name in _MANAGERS:
        yield from _manifest(command, plain, options)
    else:
        git = parse_git(command)
        if git and git.subcommand in ("rm", "mv") and not git.git_dir and "--cached" not in git.words:
            names = [word for word in git.words if not word.startswith("-") and word in command.known]
            yield from names[:-1] if git.subcommand == "mv" else names


def _value_of(command: Command, option: str) -> str:
    """The word after an option, empty where it does not stand."""
    return next((b for a, b in zip(command.words, command.words[1:], strict=False) if a == option), "")


def _moved(command: Command, plain: list[str], options: list[str]) -> Iterator[str]:
    """What a copy or a move overwrites, and what a move takes away; into a folder only the source's name is known."""
    if len(plain) < 2 or not all(command.literal) or any(option.startswith(("-t", "--target")) for option in options):
        return
    target = plain[-1]
    if len(plain) == 2 and not target.endswith("/"):
        yield target
    else:
        yield from (os.path.join(target, os.path.basename(word)) for word in plain[:-1])
    if command.name == "mv":
        yield from plain[:-1]


def _edited_in_place(command: Command, plain: list[str], options: list[str]) -> Iterator[str]:
    """The files of `sed -i` and its like; the first plain word is the script unless an option gave one."""
    is_sed = command.name in ("sed", "gsed")
    in_place = any(
        option.startswith("--in-place") or (not option.startswith("--") and "i" in option.rstrip("0123456789.bak~"))
        for option in options
        if not (is_sed and option.startswith(("-e", "-f", "-s")))
    )
    if not in_place:
        return
    scripted = any(option.startswith(("-e", "-f", "--expression", "--file")) for option in options)
    if is_sed and not scripted:
        yield from plain[1:]
    elif is_sed:
        yield from _after_scripts(command)
    elif any("e" in option for option in options if not option.startswith("--")):
        yield from plain[1:]


def _after_scripts(command: Command) -> Iterator[str]:
    """sed's files where `-e` or `-f` give its scripts: every plain word that is not such an option's value."""
    skip = False
    for word, literal in zip(command.words[1:], command.literal[1:], strict=True):
        if skip:
            skip = False
        elif word in ("-e", "-f", "--expression", "--file"):
            skip = True
        elif literal and not word.startswith("-"):
            yield word


def _manifest(command: Command, plain: list[str], options: list[str]) -> Iterator[str]:
    verbs, manifest = _MANAGERS[command.name]
    if any(option.partition("=")[0] in _ELSEWHERE for option in options):
        return
    if len(plain) > 1 and plain[0] in verbs:
        yield manifest
