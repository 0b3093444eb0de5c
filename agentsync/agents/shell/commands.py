"""The simple commands of a script, each with its words, variables, redirections and the folder it runs in."""

from __future__ import annotations

import os

from agentsync.agents.shell.lexer import Token, tokens_of
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESERVED = {"if", "then", "elif", "else", "do", "while", "until", "!", "{", "}", "time", "fi", "done", "esac"}
_SHELLS = {"sh", "bash", "zsh", "dash", "ksh"}
_DEEPEST = 8  # scripts within scripts; deeper ones are let through
# Programs that run another: how many words of their own follow, beside options; and their options with a value.
_WRAPPERS: dict[str, tuple[int, str]] = {
    "command": (0, ""), "builtin": (0, ""), "exec": (0, "a"), "nohup": (0, ""), "setsid": (0, ""), "env": (0, "uCS"),
    "nice": (0, "n"), "ionice": (0, "cnp"), "timeout": (1, "ks"), "sudo": (0, "ugpChDRT"), "doas": (0, "uC"),
    "stdbuf": (0, "ioe"), "xargs": (0, "adEILnPs"), "caffeinate": (0, "tw"),
}  # fmt: skip


class Command(NamedTuple):
    """One program with its words (the first is its name) as far as they are known.

    `folder` is empty where only a running shell could tell. `literal` holds for each word whether it is what the
    program gets. `writes` are the targets of output redirections that are known.
    """

    words: tuple[str, ...]
    literal: tuple[bool, ...]
    variables: tuple[tuple[str, str], ...]
    writes: tuple[str, ...]
    folder: str

    @property
    def name(self) -> str:
        """The program's name without its folder."""
        return os.path.basename(self.words[0]) if self.words else ""

    @property
    def known(self) -> list[str]:
        """The words after the name that are certain."""
        return [word for word, literal in zip(self.words[1:], self.literal[1:], strict=True) if literal]


class _Reader:
    """Goes through tokens once; keeps the folder, which `cd` changes and parentheses restore."""

    def __init__(self, folder: str, depth: int) -> None:
        self.folder = folder
        self.depth = depth
        self.found: list[Command] = []
        self.folders: list[str] = []

    def read(self, tokens: Sequence[Token]) -> list[Command]:
        part: list[Token] = []
        for token in (*tokens, Token("operator", ";")):
            if token.kind != "operator":
                part.append(token)
                continue
            self._simple(part)
            part = []
            if token.text == "(":
                self.folders.append(self.folder)
            elif token.text == ")" and self.folders:
                self.folder = self.folders.pop()
        return self.found

    def _simple(self, part: Sequence[Token]) -> None:
        words: list[Token] = []
        writes: list[str] = []
        bodies: list[str] = []
        aimed = ""
        for token in part:
            for script in token.nested:
                self._script(script)
            if token.kind == "redirection":
                aimed = token.text
                bodies += [token.body] if token.body else []
            elif aimed:
                if ">" in aimed and not (aimed == ">&" and token.text.strip("-").isdigit()) and token.literal:
                    writes.append(token.text)
                aimed = ""
            else:
                words.append(token)
        while words and words[0].literal and words[0].text in _RESERVED:
            words = words[1:]
        self._command(words, writes, bodies)

    def _command(self, words: Sequence[Token], writes: Sequence[str], bodies: Sequence[str]) -> None:
        variables, words = _assignments(words)
        more, words = _unwrapped(words)
        texts, literal = tuple(token.text for token in words), tuple(token.literal for token in words)
        compares = texts[:1] == ("[[",)  # there `>` is no redirection
        command = Command(texts, literal, (*variables, *more), () if compares else tuple(writes), self.folder)
        if not (texts or command.variables or writes):
            return
        self.found.append(command)
        if command.name in ("cd", "pushd"):
            self._change_folder(command)
        for script in _inner_scripts(command, bodies):
            self._script(script)

    def _change_folder(self, command: Command) -> None:
        places = [word for word in command.words[1:] if word not in ("-P", "-L", "--")]
        certain = bool(places) and all(command.literal) and places[0] != "-" and bool(self.folder)
        self.folder = os.path.normpath(os.path.join(self.folder, places[0])) if certain else ""

    def _script(self, script: str) -> None:
        if self.depth < _DEEPEST:
            self.found += _Reader(self.folder, self.depth + 1).read(tokens_of(script))


def _assignments(words: Sequence[Token]) -> tuple[list[tuple[str, str]], Sequence[Token]]:
    found = []
    while words and _is_assignment(words[0].text):
        name, _, value = words[0].text.partition("=")
        found.append((name, value))
        words = words[1:]
    return found, words


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.replace("_", "a").isalnum() and not name[:1].isdigit()


def _unwrapped(words: Sequence[Token]) -> tuple[list[tuple[str, str]], Sequence[Token]]:
    """The words of the program that really runs, and variables that `env` or `export` set for it."""
    variables: list[tuple[str, str]] = []
    while words and words[0].literal and os.path.basename(words[0].text) in _WRAPPERS:
        own, valued = _WRAPPERS[os.path.basename(words[0].text)]
        words = words[1:]
        while words and words[0].text.startswith("-") and words[0].text != "-":
            skip = 2 if len(words[0].text) == 2 and words[0].text[1] in valued else 1
            words = words[skip:]
        more, words = _assignments(words)
        variables += more
        words = words[own:]
    if words and words[0].literal and words[0].text in ("export", "declare", "typeset", "readonly"):
        for word in words[1:]:
            more, _ = _assignments([word])
            variables += more
    return variables, words


def _inner_scripts(command: Command, bodies: Sequence[str]) -> list[str]:
    """Scripts that a command is handed as words or as a here-document."""
    if command.name == "eval":
        return [" ".join(command.words[1:])] if all(command.literal) else []
    if command.name not in _SHELLS:
        return []
    for at, word in enumerate(command.words[1:-1], 1):
        if word.startswith("-") and not word.startswith("--") and "c" in word:
            return [command.words[at + 1]] if command.literal[at + 1] else []
    return list(bodies) if len(command.words) == 1 or command.words[1:] == ("-s",) else []


def commands_of(script: str, folder: str) -> list[Command]:
    """Every simple command of a script that would run from `folder`, those of substitutions and inner shells too."""
    return _Reader(folder, 0).read(tokens_of(script))
