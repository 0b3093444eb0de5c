"""A shell command as tokens (Shell Command Language of POSIX.1-2024, section 2, and what bash adds).

Only what is needed to see which programs run with which words and where their output goes. Nothing is expanded: a word
that only a running shell could complete is marked as not literal.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPERATORS = ("&&", "||", ";;", "|&", ";", "&", "|", "(", ")")
_REDIRECTIONS = ("&>>", "&>", "<<<", "<<-", "<<", "<&", ">&", ">>", ">|", "<>", ">", "<")
_GLOB = "*?["


class Token(NamedTuple):
    """A word, an operator, or a redirection.

    `literal`: the text is what the program gets. `nested`: scripts inside of the word (command substitutions).
    `body`: the here-document of a redirection.
    """

    kind: str
    text: str
    literal: bool = True
    nested: tuple[str, ...] = ()
    body: str = ""


class _Lexer:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.awaited: list[int] = []  # here-documents whose bodies begin at the next line
        self._clear()

    def _clear(self) -> None:
        self.word: list[str] = []
        self.started = False
        self.quoted = False
        self.literal = True
        self.nested: list[str] = []

    def _end_word(self) -> None:
        if self.started:
            text = "".join(self.word)
            braces = "{" in text and "," in text and not self.quoted
            literal = self.literal and not braces and not (text.startswith("~") and not self.quoted)
            self.tokens.append(Token("word", text, literal, tuple(self.nested)))
        self._clear()

    def run(self) -> list[Token]:
        while self.at < len(self.text):
            self._step(self.text[self.at])
        self._end_word()
        return self.tokens

    def _step(self, char: str) -> None:
        if char in "'\"\\$`":
            self.started = True
            self._special(char)
        elif char in " \t\r":
            self._end_word()
            self.at += 1
        elif char == "\n":
            self._end_word()
            self.at += 1
            self.tokens.append(Token("operator", "\n"))
            self._bodies()
        elif char == "#" and not self.started:
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end
        elif char in "<>" or self.text.startswith("&>", self.at):
            self._redirection()
        elif char in ";&|()":
            self._end_word()
            if self.text.startswith("((", self.at):  # arithmetic
                self.at = _closing(self.text, self.at) + 1
                return
            operator = next(one for one in _OPERATORS if self.text.startswith(one, self.at))
            self.tokens.append(Token("operator", operator))
            self.at += len(operator)
        else:
            self.started = True
            self.literal = self.literal and char not in _GLOB
            self.word.append(char)
            self.at += 1

    def _special(self, char: str) -> None:
        if char == "'":
            self.quoted = True
            end = self.text.find("'", self.at + 1)
            end = len(self.text) if end < 0 else end
            self.word.append(self.text[self.at + 1 : end])
            self.at = end + 1
        elif char == '"':
            self._double_quoted()
        elif char == "\\":
            following = self.text[self.at + 1 : self.at + 2]
            self.word.append("" if following == "\n" else following)
            self.quoted = self.quoted or following != "\n"
            self.at += 2
        elif char == "$":
            self._dollar()
        else:
            self._backticks()

    def _double_quoted(self) -> None:
        self.quoted = True
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != '"':
            char = self.text[self.at]
            following = self.text[self.at + 1 : self.at + 2]
            if char == "\\" and following and following in '$`"\\\n':
                self.word.append("" if following == "\n" else following)
                self.at += 2
            elif char == "$":
                self._dollar(in_quotes=True)
            elif char == "`":
                self._backticks()
            else:
                self.word.append(char)
                self.at += 1
        self.at += 1

    def _dollar(self, *, in_quotes: bool = False) -> None:
        following = self.text[self.at + 1 : self.at + 2]
        if following == "(":
            end = _closing(self.text, self.at + 1)
            inner = self.text[self.at + 2 : end]
            if not inner.startswith("("):
                self.nested.append(inner)
            self.literal = False
            self.at = end + 1
        elif following == "{":
            self.literal = False
            self.at = _closing(self.text, self.at + 1) + 1
        elif following == "'" and not in_quotes:
            end = _end_of_quotes(self.text, self.at + 1, escapes=True)
            self.quoted = True
            self.word.append(self.text[self.at + 2 : end])
            self.at = end + 1
        else:
            self.literal = self.literal and not (following.isalnum() or following in "_@*#?$!-")
            self.word.append("$")
            self.at += 1

    def _backticks(self) -> None:
        end = self.text.find("`", self.at + 1)
        end = len(self.text) if end < 0 else end
        self.nested.append(self.text[self.at + 1 : end])
        self.literal = False
        self.at = end + 1

    def _redirection(self) -> None:
        number = self.started and not self.quoted and "".join(self.word).isdigit()
        if number:
            self._clear()
        if self.text[self.at + 1 : self.at + 2] == "(" and self.text[self.at] in "<>":  # a process substitution
            end = _closing(self.text, self.at + 1)
            self.started, self.literal = True, False
            self.nested.append(self.text[self.at + 2 : end])
            self.at = end + 1
            return
        self._end_word()
        operator = next(one for one in _REDIRECTIONS if self.text.startswith(one, self.at))
        self.at += len(operator)
        if operator in ("<<", "<<-"):
            self.awaited.append(len(self.tokens))
        self.tokens.append(Token("redirection", operator))

    def _bodies(self) -> None:
        """Read the here-documents that were announced on the line that just ended."""
        for place in self.awaited:
            word = self.tokens[place + 1] if place + 1 < len(self.tokens) else Token("word", "")
            lines: list[str] = []
            while self.at < len(self.text):
                end = _end_of_line(self.text, self.at)
                line = self.text[self.at : end]
                self.at = end + 1
                if line.lstrip("\t" if self.tokens[place].text == "<<-" else "") == word.text:
                    break
                lines.append(line)
            self.tokens[place] = self.tokens[place]._replace(body="\n".join(lines))
        self.awaited = []


_PAIRS = {"(": ")", "{": "}"}


def _closing(text: str, opening: int) -> int:
    """Where the bracket that stands at `opening` closes; the text's end when it does not."""
    first = text[opening]
    last, depth = _PAIRS[first], 0
    for at, char in _outside_quotes(text, opening, braces=first == "{"):
        depth += 1 if char == first else -1 if char == last else 0
        if depth == 0:
            return at
    return len(text)


def _outside_quotes(text: str, start: int, *, braces: bool) -> Iterator[tuple[int, str]]:
    """The characters from `start` on that stand in no quotes, comment or here-document, with their places.

    `braces`: inside of `${...}` there are neither comments nor here-documents.
    """
    at = start
    awaited: list[str] = []
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char in "'\"":
            at = _end_of_quotes(text, at, escapes=char == '"' or text[at - 1 : at] == "$")
        elif braces:
            yield at, char
        elif char == "#" and text[at - 1 : at] in " \t\n;(":
            at = _end_of_line(text, at) - 1
        elif text.startswith("<<<", at):
            at += 2
        elif text.startswith("<<", at):
            delimiter = _delimiter(text, at + 2)
            awaited += [delimiter] if delimiter and len(awaited) < _MOST_BODIES else []
            at += 1
        elif char == "\n" and awaited:
            for delimiter in awaited:
                at = _end_of_body(text, at, delimiter)
            awaited = []
            continue
        else:
            yield at, char
        at += 1


_MOST_BODIES = 16


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _delimiter(text: str, start: int) -> str:
    """The word that ends a here-document, which begins at `start`."""
    at = start
    while text[at : at + 1] in ("-", " ", "\t"):
        at += 1
    end = at
    while end < len(text) and end < at + 200 and text[end] not in " \t\n;&|()<>":
        end += 1
    return text[at:end].strip("'\"\\")


def _end_of_quotes(text: str, opening: int, *, escapes: bool) -> int:
    at = opening + 1
    while at < len(text) and text[at] != text[opening]:
        at += 2 if text[at] == "\\" and escapes else 1
    return at


def _end_of_body(text: str, newline: int, delimiter: str) -> int:
    """The line feed after a here-document whose first line begins after `newline`."""
    at = newline + 1
    while at < len(text):
        end = _end_of_line(text, at)
        if text[at:end].strip("\t") == delimiter:
            return end
        at = end + 1
    return at


def tokens_of(text: str) -> list[Token]:
    """The tokens of a script; never fails, whatever the text is."""
    return _Lexer(text).run()
