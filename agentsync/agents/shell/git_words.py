"""What a git command line says: its settings, its subcommand, its options. Pure."""

from __future__ import annotations

import itertools
import os

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.agents.shell.commands import Command

_GLOBAL_VALUED = {
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--exec-path",
    "--config-env",
    "--attr-source",
}
# Subcommands that know `--no-verify`: short options with a value, those whose value may only be attached, and whether
# `-n` means `--no-verify` there (git-commit(1), git-am(1); elsewhere it is --dry-run or --no-stat).
_SHORT = {
    "commit": ("mFCct", "uS", True),
    "am": ("p", "SC", True),
    "merge": ("msXF", "S", False),
    "push": ("o", "", False),
    "rebase": ("sXx", "SC", False),
    "pull": ("sXo", "Sj", False),
}
_LONG_VALUED = {
    "--message", "--file", "--author", "--date", "--template", "--reuse-message", "--reedit-message", "--fixup",
    "--squash", "--cleanup", "--trailer", "--pathspec-from-file", "--strategy", "--strategy-option", "--into-name",
    "--onto", "--exec", "--push-option", "--repo", "--receive-pack", "--depth", "--upload-pack", "--server-option",
}  # fmt: skip
_SHORTEST = "--no-veri"  # anything shorter could be --no-verbose


class Git(NamedTuple):
    """A git command line: settings given by `-c`, the subcommand and the words after it.

    `git_dir`, `work_tree` and `place` are what `--git-dir`, `--work-tree` and `-C` send it to; `literal` tells which
    words are certain.
    """

    settings: tuple[str, ...]
    git_dir: str
    place: str
    subcommand: str
    words: tuple[str, ...]
    literal: tuple[bool, ...]
    work_tree: str = ""


def parse_git(command: Command) -> Git | None:
    """Read a command as git's; None for another program, or where the subcommand is not certain."""
    if command.name not in ("git", "git.exe"):
        return None
    settings: list[str] = []
    git_dir = work_tree = place = ""
    at = 1
    words = command.words
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        if name in _GLOBAL_VALUED and not equals:
            at += 1
            value = words[at] if at < len(words) else ""
        if name in ("-c", "--config-env"):
            settings.append(value if name == "--config-env" or not equals else words[at])
        elif name == "--git-dir":
            git_dir = value
        elif name == "--work-tree":
            work_tree = value
        elif name == "-C":
            place = os.path.join(place, value)
        at += 1
    if at >= len(words) or not command.literal[at]:
        return None
    return Git(tuple(settings), git_dir, place, words[at], words[at + 1 :], command.literal[at + 1 :], work_tree)


def _own_words(git: Git) -> Iterator[tuple[str, str]]:
    """Each option, with the value that follows as a word of its own; what stands after `--` is left out."""
    rest = iter(zip(git.words, git.literal, strict=True))
    valued, attached, _ = _SHORT.get(git.subcommand, ("", "", False))
    for word, literal in rest:
        if word == "--":
            return
        if word.startswith("--"):
            yield word, next(rest, ("", True))[0] if word in _LONG_VALUED else ""
        elif word.startswith("-") and len(word) > 1:
            letters = _letters(word[1:], valued + attached)
            # what a substitution leaves of `-m"$(date)"` is `-m`, and its value is there all the same
            takes = letters[-1:] in tuple(valued) and len(letters) == len(word) - 1 and literal
            yield "-" + letters, next(rest, ("", True))[0] if takes else word[1 + len(letters) :]


def _letters(cluster: str, valued: str) -> str:
    """The option letters of a cluster such as `-anm`, up to the first that takes the rest as its value."""
    for at, letter in enumerate(cluster):
        if letter in valued:
            return cluster[: at + 1]
    return cluster


def skips_hooks(git: Git) -> bool:
    """Whether a command has `--no-verify`, in whatever spelling git takes for it there."""
    if git.subcommand not in _SHORT:
        return False
    by_letter = _SHORT[git.subcommand][2]
    for option, _ in _own_words(git):
        if option.startswith("--"):
            if len(option) >= len(_SHORTEST) and "--no-verify".startswith(option):
                return True
        elif by_letter and "n" in option:
            return True
    return False


def scripts_in(git: Git) -> list[str]:
    """Commands that git is to run by itself: an alias, `rebase --exec`, `bisect run`, `submodule foreach`."""
    for setting in git.settings:
        name, _, value = setting.partition("=")
        if name.lower() == f"alias.{git.subcommand.lower()}":
            given = " ".join(shell_word(word) for word in git.words)
            return [f"{value[1:] if value.startswith('!') else 'git ' + value} {given}"]
    for verb, runs in (("bisect", "run"), ("submodule", "foreach")):
        if git.subcommand == verb and runs in git.words:
            rest = git.words[git.words.index(runs) + 1 :]
            return [" ".join(shell_word(word) for word in rest) if len(rest) > 1 else "".join(rest)]
    if git.subcommand != "rebase":
        return []
    found = [value for option, value in _own_words(git) if option == "--exec" or option.endswith("x")]
    found += [word.partition("=")[2] for word in git.words if word.startswith("--exec=")]
    return [script for script in found if script]


def short_letters(git: Git) -> str:
    """The letters of a command's short options."""
    return "".join(option[1:] for option, _ in _own_words(git) if not option.startswith("--"))


def operands(git: Git) -> list[str]:
    """The words that are neither options nor their values, as far as they are certain."""
    taken = [value for _, value in _own_words(git) if value]
    found = []
    ended = False
    for word, literal in zip(git.words, git.literal, strict=True):
        if ended or not word.startswith("-"):
            if not ended and word in taken:
                taken.remove(word)
            elif literal:
                found.append(word)
        ended = ended or word == "--"
    return found


def setting_changed(git: Git) -> str:
    """The key that `git config` would write, in lower case; empty when it only reads."""
    if git.subcommand != "config":
        return ""
    words = list(git.words)
    verbs = {"set", "unset", "rename-section", "remove-section", "edit", "get", "list"}
    verb = words.pop(0) if words and words[0] in verbs else ""
    options = {word for word in words if word.startswith("-")}
    plain = _without_values(words)
    if not plain or verb in ("get", "list", "edit"):
        return ""
    reads = {"--get", "--get-all", "--get-regexp", "--get-urlmatch", "--list", "-l"}
    file = next((b for a, b in itertools.pairwise(words) if a in ("-f", "--file")), "config")
    if options & reads or not os.path.basename(file).startswith("config"):  # another file than a repository's own
        return ""
    if verb == "remove-section" or "--remove-section" in options:
        return f"{plain[0].lower()}.hookspath" if plain[0].lower() == "core" else plain[0].lower()
    removes = {"--unset", "--unset-all", "--rename-section"}
    if len(plain) > 1 or verb or options & removes:
        return plain[0].lower()
    return ""


def _without_values(words: Sequence[str]) -> list[str]:
    """The words of `git config` that are neither options nor their values."""
    valued = {"-f", "--file", "--blob", "--type", "--comment", "--default", "--value", "--url", "-t"}
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in valued
        else:
            kept.append(word)
    return kept
