"""The simple commands of a script, each with its words, variables, redirections and the folder it runs in."""

from __future__ import annotations

import itertools
import os

from agentsync.agents.shell.lexer import Token, tokens_of
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_RESERVED = {
    "if",
    "then",
    "elif",
    "else",
    "do",
    "while",
    "until",
    "!",
    "{",
    "}",
    "time",
    "fi",
    "done",
    "esac",
    "coproc",
}
_SHELLS = {"sh", "bash", "zsh", "dash", "ksh"}
_PLACEHOLDER = "{}"
_MOST_FED = 16
_DEEPEST = 8  # scripts within scripts; deeper ones are let through
MOST_TOKENS = 20_000  # what follows in a longer script is let through
# Programs that run another: how many words of their own follow, beside options; and their options with a value.
_WRAPPERS: dict[str, tuple[int, str]] = {
    "command": (0, ""), "builtin": (0, ""), "exec": (0, "a"), "nohup": (0, ""), "setsid": (0, ""), "env": (0, "uCS"),
    "nice": (0, "n"), "ionice": (0, "cnp"), "timeout": (1, "ks"), "sudo": (0, "ugpChDRT"), "doas": (0, "uC"),
    "stdbuf": (0, "ioe"), "xargs": (0, "adEILnPs"), "caffeinate": (0, "tw"), "npx": (0, "pc"), "bunx": (0, ""),
    "busybox": (0, ""),
}  # fmt: skip
_RUNNERS = {"uv", "poetry", "pipenv", "pdm", "hatch", "rye"}  # `uv run PROGRAM`
_LONG_VALUED = {"--user", "--group", "--unset", "--chdir", "--adjustment", "--signal", "--kill-after", "--class",
                "--host", "--close-from", "--package", "--with", "--python", "--extra"}  # fmt: skip


class Command(NamedTuple):
    """One program with its words (the first is its name) as far as they are known.

    `folder` is empty where only a running shell could tell. `literal` holds for each word whether it is what the
    program gets. `writes` are the targets of output redirections that are known, `bodies` its here-documents, `fed`
    what `xargs` hands it of what another prints: the words of `echo`, the folders that `find` walks.
    """

    words: tuple[str, ...]
    literal: tuple[bool, ...]
    variables: tuple[tuple[str, str], ...]
    writes: tuple[str, ...]
    folder: str
    bodies: tuple[str, ...] = ()
    fed: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The program's name without its folder."""
        return os.path.basename(self.words[0]) if self.words else ""

    @property
    def known(self) -> list[str]:
        """The words after the name that are certain."""
        return [word for word, literal in zip(self.words[1:], self.literal[1:], strict=True) if literal]

    @property
    def operands(self) -> list[tuple[str, bool]]:
        """The words after the name that are no options, and whether each is certain; after `--` all are."""
        pairs = list(zip(self.words[1:], self.literal[1:], strict=True))
        ends = next((at for at, (word, _) in enumerate(pairs) if word == "--"), len(pairs))
        return [pair for pair in pairs[:ends] if not pair[0].startswith("-")] + pairs[ends + 1 :]


class _Reader:
    """Goes through tokens once; keeps the folder, which `cd` changes and parentheses restore."""

    def __init__(self, folder: str, depth: int) -> None:
        self.folder = folder
        self.depth = depth
        self.found: list[Command] = []
        self.folders: list[str] = []  # of the parentheses that are open
        self.pushed: list[str] = []
        self.comparing = False  # inside of [[ ... ]], where `>` is no redirection

    def read(self, tokens: Sequence[Token]) -> list[Command]:
        part: list[Token] = []
        piped = skipping = False
        for token in (*tokens[:MOST_TOKENS], Token("operator", ";")):
            if token.kind != "operator":
                part.append(token)
                continue
            before = self.folder
            array = token.text == "(" and bool(part) and part[-1].text.endswith("=")
            if not skipping:
                self._simple(part)
            part = []
            if piped or token.text in ("|", "|&", "&"):  # these run in a shell of their own
                self.folder = before
            piped = token.text in ("|", "|&")
            if token.text == "(":
                self.folders.append(self.folder)
                skipping = skipping or array
            elif token.text == ")" and self.folders:
                self.folder = self.folders.pop()
                skipping = False
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
                bodies += [token.text] if aimed == "<<<" and token.literal else []
                aimed = ""
            else:
                words.append(token)
        words = words[_reserved(words) :]
        compares = self.comparing or (bool(words) and words[0].text == "[[")
        self.comparing = compares and not any(token.text == "]]" for token in words)
        self._command(words, [] if compares else writes, bodies)

    def _command(self, words: Sequence[Token], writes: Sequence[str], bodies: Sequence[str]) -> None:
        fed = _printed(self.found[-1]) if self.found and any(token.text == "xargs" for token in words) else ()
        variables, words, folder = _unwrapped(words, self.folder)
        if not (words or variables or writes):
            return
        texts, literal = tuple(token.text for token in words), tuple(token.literal for token in words)
        command = Command(texts, literal, tuple(variables), tuple(writes), folder, tuple(bodies), fed)
        for one in _placeholders_filled(command):
            self.found.append(one)
            self._change_folder(one)
            for script in _inner_scripts(one):
                self._script(script, one.variables)

    def _change_folder(self, command: Command) -> None:
        if command.name == "popd":
            self.folder = self.pushed.pop() if self.pushed else ""
        elif command.name in ("cd", "pushd"):
            if command.name == "pushd":
                self.pushed.append(self.folder)
            places = [word for word in command.words[1:] if word not in ("-P", "-L", "--")]
            certain = bool(places) and all(command.literal) and places[0] != "-" and bool(self.folder)
            self.folder = os.path.normpath(os.path.join(self.folder, places[0])) if certain else ""

    def _script(self, script: str, inherited: tuple[tuple[str, str], ...] = ()) -> None:
        """Read a script within the script, whose programs have the variables of what runs it."""
        if self.depth < _DEEPEST:
            inner = _Reader(self.folder, self.depth + 1).read(tokens_of(script))
            self.found += [one._replace(variables=inherited + one.variables) if inherited else one for one in inner]


def _printed(command: Command) -> tuple[str, ...]:
    """Paths that a command prints for certain, for the `xargs` behind it."""
    words = [word for word, literal in command.operands if literal]
    if command.name == "find":
        return tuple(itertools.takewhile(lambda word: word[:1] not in ("(", "!"), words))
    return tuple(words) if command.name in ("echo", "printf") else ()


def _placeholders_filled(command: Command) -> list[Command]:
    """The commands that `xargs -I{}` runs: one for each path that it is fed."""
    if not command.fed or not any(_PLACEHOLDER in word for word in command.words):
        return [command]
    return [
        command._replace(words=tuple(word.replace(_PLACEHOLDER, path) for word in command.words), fed=())
        for path in command.fed[:_MOST_FED]
    ]


def agentsync_words(command: Command) -> list[str]:
    """The words after `agentsync`, however it is started; empty for another program."""
    words = command.known
    if command.name.startswith("python") and words[:2] == ["-m", "agentsync"]:
        return words[2:]
    return words if command.name in ("agentsync", "agentsync-hooks") else []


def _reserved(words: Sequence[Token]) -> int:
    """How many words at the start are the shell's own."""
    at = 0
    while at < len(words) and words[at].literal and words[at].text in _RESERVED:
        at += 2 if words[at].text == "time" and words[at + 1 : at + 2] and words[at + 1].text == "-p" else 1
    if words[at : at + 1] and words[at].text == "function":
        at += 2
        at += 1 if words[at : at + 1] and words[at].text == "{" else 0
    return at


def _is_assignment(text: str) -> bool:
    name, equals, _ = text.partition("=")
    return bool(equals) and name.removesuffix("+").replace("_", "a").isalnum() and not name[:1].isdigit()


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.removesuffix("+"), value


def _unwrapped(words: Sequence[Token], folder: str) -> tuple[list[tuple[str, str]], Sequence[Token], str]:
    """Variables set for a program, the words of the program that really runs, and where it runs."""
    variables: list[tuple[str, str]] = []
    at = 0
    while at < len(words):
        text = words[at].text
        name = os.path.basename(text) if words[at].literal else ""
        if _is_assignment(text):
            variables.append(_pair(text))
            at += 1
        elif name in _RUNNERS and words[at + 1 : at + 2] and words[at + 1].text == "run":
            at = _after_options(words, at + 2, "")
        elif name == "env" and (split := _split_string(words, at)) is not None:
            words, at = split, 0
        elif name in _WRAPPERS:
            own, valued = _WRAPPERS[name]
            after = _after_options(words, at + 1, valued)
            folder = _folder_of_env(words[at:after], folder) if name == "env" else folder
            at = after
            while own and at < len(words):  # such as the seconds of `timeout`
                at, own = at + 1, own - 1
        else:
            break
    rest = words[at:]
    if rest and rest[0].literal and rest[0].text in ("export", "declare", "typeset", "readonly"):
        variables += [_pair(word.text) for word in rest[1:] if _is_assignment(word.text)]
    return variables, rest, folder


def _split_string(words: Sequence[Token], at: int) -> list[Token] | None:
    """What `env -S 'WORDS'` runs; None for another `env`."""
    given = words[at + 1 : at + 3]
    if len(given) < 2 or given[0].text not in ("-S", "--split-string") or not given[1].literal:
        return None
    inner = [token for token in tokens_of(given[1].text) if token.kind == "word"]
    return [*inner, *words[at + 3 :]]


def _after_options(words: Sequence[Token], at: int, valued: str) -> int:
    while at < len(words) and words[at].text.startswith("-"):
        text = words[at].text
        at += 2 if text in _LONG_VALUED or (len(text) == 2 and text[1] in valued) else 1
    return at


def _folder_of_env(words: Sequence[Token], folder: str) -> str:
    """Where `env -C FOLDER` runs a program; empty where it is not known."""
    for at, option in enumerate(words[:-1]):
        if option.text in ("-C", "--chdir"):
            value = words[at + 1]
            return os.path.normpath(os.path.join(folder, value.text)) if value.literal and folder else ""
    return folder


def _inner_scripts(command: Command) -> list[str]:
    """Scripts that a command is handed as words or as a here-document."""
    if command.name == "eval":
        return [" ".join(command.words[1:])] if all(command.literal) else []
    if command.name not in _SHELLS:
        return []
    at = 1
    while at < len(command.words) and command.words[at][:1] in ("-", "+") and command.words[at] != "-":
        word = command.words[at]
        if not word.startswith("--") and "c" in word:
            return [command.words[at + 1]] if at + 1 < len(command.words) and command.literal[at + 1] else []
        at += 2 if not word.startswith("--") and word.endswith("o") else 1
    return list(command.bodies) if command.words[at:] in ((), ("-",)) else []


def commands_of(script: str, folder: str) -> list[Command]:
    """Every simple command of a script that would run from `folder`, those of substitutions and inner shells too."""
    return _Reader(folder, 0).read(tokens_of(script))
