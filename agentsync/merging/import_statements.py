"""Import statements of Python, JavaScript, TypeScript, Go, Rust and Java, as far as their order says nothing. Pure."""

from __future__ import annotations

import re
from contextlib import suppress

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Side = tuple[list["Statement"], int]  # statements, and the blank lines after them


class StatementError(ConflictError):
    """Lines that are no import, or one whose order may count."""


class Unfinished(ConflictError):  # noqa: N818 (no error where the next line ends it)
    """Lines that end inside of a statement."""


class Statement(NamedTuple):
    """An import: where from, its text, the names that it binds with what each stands for, the blank lines above.

    One with a list of names also has these, and how they are written: what stands before, between and after them.
    `bare`: one name without the brackets that a list has in its language.
    """

    source: str
    text: str
    bound: frozenset[tuple[str, str]]
    names: tuple[str, ...] | None = None
    marks: tuple[str, str, str] = ("", ", ", "")
    bare: bool = False
    gap: int = 0

    @property
    def said(self) -> str:
        """What it says, whatever its white space."""
        return re.sub(r"\s*([{}(),;])\s*", r"\1", " ".join(self.text.split()))

    @property
    def around(self) -> list[str]:
        """What stands around the names, such as a default import."""
        return ["".join(mark.split()).strip("(),") for mark in (self.marks[0], self.marks[2])]

    def with_names(self, names: Sequence[str]) -> Statement:
        """It with other names, written as these are."""
        start, between, end = self.marks
        return self._replace(names=tuple(names), text=start + between.join(names) + end)


class Language(NamedTuple):
    """How a language writes imports."""

    start: re.Pattern[str]
    reads: Callable[[str], Statement]
    ends: Callable[[str], bool]
    long_quotes: tuple[str, ...] = ()  # of strings that span lines
    brackets: bool = True  # whether a statement may span lines
    capitals_first: bool = True  # how names are sorted where nothing tells
    block: tuple[str, str] | None = None  # the lines that open and close a block of them, outside of which is none

    def starts(self, line: bytes) -> bool:
        """Whether an import begins on a line."""
        return self.start.match(line.decode("utf-8")) is not None

    def is_import_block(self, before: str) -> bool:
        """Whether an import may follow a text."""
        if self.block is None:
            return True
        marks = [row.rstrip() for row in before.splitlines() if row.rstrip() in self.block]
        return marks[-1:] == [self.block[0]]

    def read(self, lines: Sequence[bytes]) -> Side:
        """Lines as statements.

        Raises StatementError where they are anything else, Unfinished where they end inside of one.
        """
        found: list[Statement] = []
        text, gap = "", 0
        for line in lines:
            row = line.decode("utf-8").rstrip("\n")
            if not text and not row.strip():
                gap += 1
                continue
            if not text and not self.start.match(row):
                raise StatementError("both sides changed the same lines")
            text = f"{text}\n{row}" if text else row
            if self.ends(text):
                found.append(self.reads(text)._replace(gap=gap))
                text, gap = "", 0
        if text:
            raise Unfinished("a conflict cuts an import in two")
        return found, gap

    def _parted(self, text: str) -> Iterator[tuple[str, bool]]:
        """A file as lines, but each import whole; and whether it is one."""
        whole, rows = "", 0
        inside = self.block is None
        for line in text.splitlines():
            if self.block and line.rstrip() in self.block:
                inside = line.rstrip() == self.block[0]
            if not whole and not (inside and self.start.match(line)):
                yield line, False
                continue
            whole, rows = (f"{whole}\n{line}", rows + 1) if whole else (line, 1)
            if self.ends(whole) or rows > 80:
                yield whole, True
                whole = ""

    def all_in(self, text: str) -> Iterator[Statement]:
        """The imports at the top level of a file, those left out whose order may count."""
        for part, is_import in self._parted(text):
            if is_import:
                with suppress(StatementError):
                    yield self.reads(part)

    def bound_in(self, text: str) -> list[tuple[str, str]]:
        """The names that the imports of a file bind, each as often as it does."""
        return [name for one in self.all_in(text) for name in one.bound]

    def without_imports(self, text: str) -> str:
        """What a file says besides its imports, comments and strings."""
        rows = (line for line, is_import in self._parted(text) if not is_import)
        return "\n".join(re.sub(r"(?://|#).*|\"[^\"]*\"|'[^']*'", "", row) for row in rows)


def _bare_of_strings(text: str) -> str:
    return re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", '""', text)


def _closed(text: str) -> bool:
    bare = _bare_of_strings(text)
    return bare.count("(") == bare.count(")") and bare.count("{") == bare.count("}")


def _listed(start: str, body: str, end: str) -> tuple[tuple[str, ...], tuple[str, str, str], bool]:
    """The names of a list, the marks around and between them, and whether these write it as it is."""
    names = tuple(" ".join(name.split()) for name in body.split(",") if name.strip())
    lead = body[: len(body) - len(body.lstrip())]
    tail = body[len(body.rstrip().removesuffix(",").rstrip()) :]
    marks = (start + lead, "," + (lead if "\n" in lead else " "), tail + end)
    return names, marks, marks[0] + marks[1].join(names) + marks[2] == start + body + end


def _with_list(source: str, text: str, bound: frozenset[tuple[str, str]], parts: tuple[str, str, str]) -> Statement:
    names, marks, as_written = _listed(*parts)
    return Statement(source, text, bound, names if as_written and names else None, marks)


def _called(name: str) -> str:
    """What an item such as `a`, `a as b` or `type a` is called here."""
    return name.split()[-1]


def _thing(name: str) -> str:
    """What an item such as `a`, `a as b` or `type a` stands for."""
    return name.removeprefix("type ").split()[0]


_PY_MODULE = re.compile(r"import ([\w.]+)(?: as (\w+))?")
_PY_FROM = re.compile(r"(from ([\w.]+) import )(\(?)([^()]*)(\)?)")


def _python(text: str) -> Statement:
    if found := _PY_MODULE.fullmatch(text):
        module, name = found[1], found[2]
        top = module if name else module.partition(".")[0]
        return Statement(module + (f" {name}" if name else ""), text, frozenset({(name or top, top)}))
    found = _PY_FROM.fullmatch(text)
    if not found or bool(found[3]) != bool(found[5]) or found[2] == "__future__":
        raise StatementError("an import whose order may count")
    names = [" ".join(name.split()) for name in found[4].split(",") if name.strip()]
    if not names or not all(re.fullmatch(r"\w+(?: as \w+)?", name) for name in names):
        raise StatementError("an import that is not sure")
    bound = frozenset((_called(name), f"{found[2]}.{_thing(name)}") for name in names)
    return _with_list(found[2] + " ", text, bound, (found[1] + found[3], found[4], found[5]))


_JS_FROM = re.compile(
    r"import\s+(?P<type>type\s+)?(?:(?P<default>[\w$]+)\s*,?\s*)?"
    r"(?:\{(?P<names>[^{}]*)\}|\*\s+as\s+(?P<all>[\w$]+))?\s*from\s*(?P<quote>['\"])(?P<module>[^'\"]+)(?P=quote)\s*;?"
)


def _javascript(text: str) -> Statement:
    found = _JS_FROM.fullmatch(text)
    if not found or not (found["default"] or found["names"] or found["all"]):
        raise StatementError("an import whose order may count")
    module, body = found["module"], found["names"]
    names = [" ".join(name.split()) for name in (body or "").split(",") if name.strip()]
    if not all(re.fullmatch(r"(?:type )?[\w$]+(?: as [\w$]+)?", name) for name in names):
        raise StatementError("an import that is not sure")
    bound = {(_called(name), f"{module}.{_thing(name)}") for name in names}
    bound |= {(found["default"], f"{module}.default")} if found["default"] else set()
    bound |= {(found["all"], f"{module}.*")} if found["all"] else set()
    source = f"{module}{' type' if found['type'] else ''}{' *' if found['all'] else ''}"
    if body is None:
        return Statement(source, text, frozenset(bound))
    start, end = found.span("names")
    return _with_list(source, text, frozenset(bound), (text[:start], body, text[end:]))


_GO = re.compile(r"\t(?:([A-Za-z]\w*) )?\"([^\"]+)\"")


def _go(text: str) -> Statement:
    found = _GO.fullmatch(text)
    if not found:
        raise StatementError("an import whose order may count")
    name = found[1] or re.sub(r"/v\d+$", "", found[2]).rpartition("/")[2]
    return Statement(f"{found[2]} {found[1] or ''}".strip(), text, frozenset({(name, found[2])}))


_JAVA = re.compile(r"import (static )?([\w.]+?)\.(\w+|\*);")


def _java(text: str) -> Statement:
    found = _JAVA.fullmatch(text)
    if not found:
        raise StatementError("an import that is not sure")
    many = found[3] == "*" or found[1]  # several methods may have one name
    name = f"{found[2]}.{found[3]}" if many else found[3]
    return Statement(text, text, frozenset({(name, f"{found[2]}.{found[3]}")}))


_RUST_ONE = re.compile(r"((?:pub(?:\([^)]*\))? )?use )((?:::)?(?:\w+::)*)(\w+|\*)((?: as \w+)?);")
_RUST_LIST = re.compile(r"((?:pub(?:\([^)]*\))? )?use )((?:::)?(?:\w+::)*)\{(.*)\};", re.DOTALL)


def _rust(text: str) -> Statement:
    if found := _RUST_ONE.fullmatch(text):
        name = found[3] + found[4]
        marks = (f"{found[1]}{found[2]}{{", ", ", "};")
        return Statement(found[1] + found[2], text, frozenset(_rust_names(found[2], name)), (name,), marks, bare=True)
    found = _RUST_LIST.fullmatch(text)
    if not found or re.search(r"//|/\*|#", text):
        raise StatementError("an import that is not sure")
    bound = frozenset(_rust_names(found[2], found[3]))
    source = found[1] + found[2]
    if "{" in found[3]:
        return Statement(source, text, bound)
    return _with_list(source, text, bound, (source + "{", found[3], "};"))


def _rust_names(prefix: str, body: str) -> Iterator[tuple[str, str]]:
    """The names that a tree of `use` binds, with the path of each."""
    depth, start = 0, 0
    for index, char in enumerate(body + ","):
        depth += (char == "{") - (char == "}")
        if char != "," or depth:
            continue
        item, start = " ".join(body[start:index].split()), index + 1
        if not item:
            continue
        if inner := re.fullmatch(r"((?:\w+::)*)\{(.*)\}", item, re.DOTALL):
            yield from _rust_names(prefix + inner[1], inner[2])
            continue
        if not re.fullmatch(r"(?:\w+::)*(?:\w+|\*)(?: as \w+)?", item):
            raise StatementError("an import that is not sure")
        thing, _, name = item.partition(" as ")
        path = (prefix + thing).removesuffix("::self")
        last = path.rpartition("::")[2]
        yield (path if last == "*" or name == "_" else name or last), path


def _ends_in_python(text: str) -> bool:
    return _closed(text) and not text.endswith("\\")


def _ends_in_script(text: str) -> bool:
    return _closed(text) and re.search(r"(?:\bfrom|\bimport|\})\s*\"\"\s*;?\s*$", _bare_of_strings(text)) is not None


def _ends_in_rust(text: str) -> bool:
    return _closed(text) and text.rstrip().endswith(";")


def _ends(_text: str) -> bool:
    return True


_PYTHON = Language(re.compile(r"(?:import|from)\s"), _python, _ends_in_python, ('"""', "'''"))
_SCRIPT = Language(
    re.compile(r"import(?:\s+[\w${*]|\s*\{|\s*['\"])(?!.*\()"),
    _javascript,
    _ends_in_script,
    ("`",),
    capitals_first=False,
)
_RUST = Language(re.compile(r"(?:pub(?:\([^)]*\))? )?use\s"), _rust, _ends_in_rust)
_JAVA_FILE = Language(re.compile(r"import\s"), _java, _ends, ('"""',), brackets=False)
_GO_START = re.compile(r"\s*(?:[\w.]+\s+)?\"[^\"]*\"")
_GO_FILE = Language(_GO_START, _go, _ends, ("`",), brackets=False, block=("import (", ")"))

LANGUAGES = {
    **dict.fromkeys((".py", ".pyi"), _PYTHON),
    **dict.fromkeys((".js", ".jsx", ".mjs", ".ts", ".tsx"), _SCRIPT),
    ".go": _GO_FILE,
    ".rs": _RUST,
    ".java": _JAVA_FILE,
}
