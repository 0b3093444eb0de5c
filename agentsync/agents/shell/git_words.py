"""What a git command line says: its settings, its subcommand, its options. Pure."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentsync.agents.shell.commands import Command

_GLOBAL_VALUED = {
    "-C",
    "-c",
    "--git-dir",
    "--work-tree",
    "--namespace",
    "--exec-path",
    "--config-env",
    "--super-prefix",
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
    """A git command line: settings given by `-c`, the places it is sent to, the subcommand and the words after it."""

    settings: tuple[str, ...]
    git_dir: str
    subcommand: str
    words: tuple[str, ...]


def parse_git(command: Command) -> Git | None:
    """Read a command as git's; None for another program, or where the subcommand is not certain."""
    if command.name not in ("git", "git.exe"):
        return None
    settings: list[str] = []
    git_dir = ""
    at = 1
    words = command.words
    while at < len(words) and words[at].startswith("-"):
        name, equals, value = words[at].partition("=")
        if name in _GLOBAL_VALUED and not equals:
            at += 1
            value = words[at] if at < len(words) else ""
        if name in ("-c", "--config-env"):
            settings.append(value if name == "--config-env" or not equals else words[at])
        elif name in ("--git-dir", "-C"):
            git_dir = value
        at += 1
    if at >= len(words) or not command.literal[at]:
        return Git(tuple(settings), git_dir, "", ()) if settings else None
    return Git(tuple(settings), git_dir, words[at], words[at + 1 :])


def _own_words(git: Git) -> Iterator[tuple[str, str]]:
    """Each option, with the value that follows as a word of its own; what stands after `--` is left out."""
    rest = iter(git.words)
    valued, attached, _ = _SHORT.get(git.subcommand, ("", "", False))
    for word in rest:
        if word == "--":
            return
        if word.startswith("--"):
            yield word, next(rest, "") if word in _LONG_VALUED else ""
        elif word.startswith("-") and len(word) > 1:
            letters = _letters(word[1:], valued + attached)
            last = letters[-1:]
            takes = last in valued and last != "" and word.endswith(last) and len(letters) == len(word) - 1
            yield "-" + letters, next(rest, "") if takes else ""


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
    """Commands that git is to run by itself: `rebase --exec`, `bisect run` and the like."""
    if git.subcommand != "rebase":
        return []
    found = [value for option, value in _own_words(git) if option in ("--exec", "-x") or option.endswith("x")]
    found += [word.partition("=")[2] for word in git.words if word.startswith("--exec=")]
    return [script for script in found if script]


def commits(command: Command) -> bool:
    """Whether a command makes a commit of what stands in the work tree or the index."""
    git = parse_git(command)
    return git is not None and git.subcommand == "commit" and not git.git_dir


def setting_changed(git: Git) -> str:
    """The key that `git config` would write, in lower case; empty when it only reads."""
    if git.subcommand != "config":
        return ""
    words = list(git.words)
    verbs = {"set", "unset", "rename-section", "remove-section", "edit", "get", "list"}
    verb = words.pop(0) if words and words[0] in verbs else ""
    options = {word for word in words if word.startswith("-")}
    plain = [word for word in words if not word.startswith("-")]
    if not plain or verb in ("get", "list", "edit"):
        return ""
    reads = {"--get", "--get-all", "--get-regexp", "--get-urlmatch", "--list", "-l"}
    if options & reads:
        return ""
    removes = {"--unset", "--unset-all", "--remove-section", "--rename-section"}
    if len(plain) > 1 or verb or options & removes:
        return plain[0].lower()
    return ""
