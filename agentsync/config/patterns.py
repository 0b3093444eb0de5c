"""gitignore patterns as lists of paths. Pure; the rules are git's own (dir.c and wildmatch.c), byte for byte.

Each pattern is compiled once. Matching costs at most pattern times name: between two stars the leftmost fit is taken,
and never given up. `fnmatch` and `re` cost a gate 8 ms to import.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Item = int | frozenset[int]  # a byte, or the bytes that may stand there
    Run = tuple[Item, ...]  # what stands between two stars
    Glob = tuple[Run, ...]  # one path component
    Component = Glob | str
    Fits = Callable[[int, int], bool]

_SPECIAL = b"*?[\\"
_ANY = "any"  # `**/`: any number of components
_SOME = "some"  # `**` at the end: one component or more
_BYTES = frozenset(range(256))
_SPACE = frozenset(b" \t\n\r")
_PRINT = frozenset(range(0x20, 0x7F))
_UPPER, _LOWER, _DIGIT = frozenset(range(65, 91)), frozenset(range(97, 123)), frozenset(range(48, 58))
_CLASSES = {
    b"alnum": _UPPER | _LOWER | _DIGIT,
    b"alpha": _UPPER | _LOWER,
    b"blank": frozenset(b" \t"),
    b"cntrl": frozenset(range(0x20)) | {0x7F},
    b"digit": _DIGIT,
    b"graph": _PRINT - _SPACE,
    b"lower": _LOWER,
    b"print": _PRINT,
    b"punct": _PRINT - _SPACE - _UPPER - _LOWER - _DIGIT,
    b"space": _SPACE,
    b"upper": _UPPER,
    b"xdigit": frozenset(b"0123456789abcdefABCDEF"),
}


class _NeverError(Exception):
    """A pattern that no path can fit, such as one with an open bracket."""


def _class_at(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """The bytes that a named class (`[:digit:]`) at `at` stands for, and its last index; none where it is no class."""
    end = pattern.find(b"]", at + 2)
    if end < 0:
        raise _NeverError
    if end == at + 2 or pattern[end - 1] != 0x3A:
        return frozenset(), at
    known = _CLASSES.get(pattern[at + 2 : end - 1])
    if known is None:
        raise _NeverError
    return known, end


def _byte(pattern: bytes, at: int) -> int:
    if at >= len(pattern):
        raise _NeverError
    return pattern[at]


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    """The byte at `at`, or after a backslash there, and its index."""
    at += _byte(pattern, at) == 0x5C
    return _byte(pattern, at), at


def _bracket(pattern: bytes, at: int) -> tuple[frozenset[int], int]:
    """The bytes that the bracket expression at `at` matches, and where it ends."""
    i = at + 1
    negated = pattern[i : i + 1] in (b"!", b"^")
    i += negated
    found: set[int] = set()
    before = 0  # the low end of a range that a `-` may make
    first = True
    while first or _byte(pattern, i) != 0x5D:
        first = False
        char = _byte(pattern, i)
        if char == 0x2D and before and pattern[i + 1 : i + 2] not in (b"", b"]"):
            high, i = _literal(pattern, i + 1)
            found.update(range(before, high + 1))
            before = 0
        elif char == 0x5B and pattern[i + 1 : i + 2] == b":":
            named, end = _class_at(pattern, i)
            found |= named if end > i else {char}
            before = 0 if end > i else char
            i = end
        else:
            before, i = _literal(pattern, i)
            found.add(before)
        i += 1
    return (_BYTES - found if negated else frozenset(found)), i + 1


def _components(pattern: bytes, *, in_path: bool) -> list[Component]:
    """A pattern's components; in a mere name (`in_path` is false) two stars are one.

    Raises _NeverError where nothing can fit.
    """
    found: list[Component] = []
    runs: list[Run] = []
    run: list[Item] = []
    i = 0

    def end_component() -> None:
        found.append((*runs, tuple(run)))
        runs.clear()
        run.clear()

    while i < len(pattern):
        char = pattern[i]
        if char == 0x2A:
            end = i
            while pattern[end : end + 1] == b"*":
                end += 1
            whole = in_path and end - i > 1 and (i == 0 or pattern[i - 1] == 0x2F)
            if whole and end == len(pattern):
                return [*found, _SOME]
            if whole and pattern[end : end + 1] == b"/":
                found.append(_ANY)
                end += 1
            elif whole and pattern[end : end + 2] == b"\\/":
                found.append(_SOME)
                end += 2
            else:
                runs.append(tuple(run))
                run.clear()
            i = end
            continue
        if char == 0x3F:
            run.append(_BYTES)
        elif char == 0x5B:
            item, i = _bracket(pattern, i)
            run.append(item)
            continue
        else:
            char, i = _literal(pattern, i)
            if char == 0x2F:
                end_component()
            else:
                run.append(char)
        i += 1
    end_component()
    return found


def _in_order(runs: Sequence[Sequence[object]], least: Sequence[int], length: int, fits: Fits) -> bool:
    """Whether runs fit one after the other into `length` items, with gaps of at least `least` items between them.

    The first begins at the start, the last ends at the end, and those between stand as far left as they can.
    """
    if not fits(0, 0):
        return False
    at = len(runs[0])
    if len(runs) == 1:
        return at == length
    last = length - len(runs[-1])
    for number in range(1, len(runs) - 1):
        at += least[number - 1]
        while at <= last and not fits(number, at):
            at += 1
        at += len(runs[number])
    return at + least[-1] <= last and fits(len(runs) - 1, last)


def _fits_name(glob: Glob, name: bytes) -> bool:
    def fits(number: int, at: int) -> bool:
        run = glob[number]
        if at + len(run) > len(name):
            return False
        for offset, item in enumerate(run, at):
            if item != name[offset] if isinstance(item, int) else name[offset] not in item:
                return False
        return True

    return _in_order(glob, [0] * (len(glob) - 1), len(name), fits)


def _fits_path(components: Sequence[Component], path: bytes) -> bool:
    parts = path.split(b"/")
    runs: list[list[Glob]] = [[]]
    least: list[int] = []
    for component in components:
        if isinstance(component, str):
            runs.append([])
            least.append(int(component == _SOME))
        else:
            runs[-1].append(component)

    def fits(number: int, at: int) -> bool:
        run = runs[number]
        return at + len(run) <= len(parts) and all(_fits_name(glob, parts[at + i]) for i, glob in enumerate(run))

    return _in_order(runs, least, len(parts), fits)


def _plain_start(pattern: bytes) -> bytes:
    """What stands before the first special character."""
    end = next((i for i, char in enumerate(pattern) if char in _SPECIAL), len(pattern))
    return pattern[:end]


def _without_spaces(line: bytes) -> bytes:
    """A line without the spaces at its end, but for an escaped one."""
    end = len(line.rstrip(b" "))
    escapes = end - len(line[:end].rstrip(b"\\"))
    return line[: end + 1] if escapes % 2 else line[:end]


class _Rule:
    """One pattern: `head` and `tail` are plain text at both ends, `components` what else must fit after the head."""

    __slots__ = ("by_name", "components", "folders_only", "head", "negated", "number", "plain", "tail")

    def __init__(self, number: int, line: bytes) -> None:
        self.number = number
        self.negated = line.startswith(b"!")
        body = line[self.negated :]
        self.folders_only = body.endswith(b"/")
        body = body[: len(body) - self.folders_only]
        self.by_name = b"/" not in body
        body = body.removeprefix(b"/")
        self.head = _plain_start(body)
        self.plain = self.head == body
        self.tail = b""
        self.components: list[Component] = []
        if not self.plain:
            rest = body if self.by_name else body[len(self.head) :]
            self.components = _components(rest, in_path=not self.by_name)
            last = self.components[-1]
            if not isinstance(last, str) and all(isinstance(item, int) for item in last[-1]):
                self.tail = bytes(item for item in last[-1] if isinstance(item, int))

    def fits(self, path: bytes, name: bytes) -> bool:
        """Whether it names just this path."""
        text = name if self.by_name else path
        if not text.startswith(self.head) or not text.endswith(self.tail):
            return False
        if self.by_name:
            glob = self.components[0]
            return not isinstance(glob, str) and _fits_name(glob, name)
        return _fits_path(self.components, path[len(self.head) :])


def _rule(number: int, line: bytes) -> _Rule | None:
    """A line as a pattern; None for none, and for one that nothing can fit."""
    if not line or line.startswith(b"#"):
        return None
    try:
        return _Rule(number, line)
    except _NeverError:
        return None


class _Table:
    """Rules with wildcards by the plain text at one end: few lengths of it, so few looks whatever their number."""

    __slots__ = ("_at_end", "_by_name", "_lengths", "_rules")

    def __init__(self, rules: Sequence[_Rule], *, by_name: bool, at_end: bool) -> None:
        self._by_name = by_name
        self._at_end = at_end
        self._rules: dict[bytes, list[_Rule]] = {}
        for rule in rules:
            if (rule.by_name, not rule.head) == (by_name, at_end):
                self._rules.setdefault(rule.tail if at_end else rule.head, []).append(rule)
        self._lengths = sorted({len(edge) for edge in self._rules})

    def candidates(self, path: bytes, name: bytes) -> list[_Rule]:
        """The rules whose plain text stands at that end."""
        text = name if self._by_name else path
        found: list[_Rule] = []
        for length in self._lengths:
            found += self._rules.get(text[max(0, len(text) - length) :] if self._at_end else text[:length], ())
        return found


class _Compiled:
    """A list of patterns."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._plain: dict[tuple[bool, bytes], list[_Rule]] = {}
        self._folders: dict[bytes, bool] = {b"": False}
        globs = []
        for number, text in enumerate(lines):
            line = _without_spaces(text.encode("utf-8", "surrogateescape").removesuffix(b"\r"))
            rule = _rule(number, line)
            if rule and rule.plain:
                self._plain.setdefault((rule.by_name, rule.head), []).append(rule)
            elif rule:
                globs.append(rule)
        ends = [(by_name, at_end) for by_name in (True, False) for at_end in (True, False)]
        self._tables = [_Table(globs, by_name=by_name, at_end=at_end) for by_name, at_end in ends] if globs else []

    def _is_named(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether the last pattern that names just this path does not begin with `!`."""
        name = path[path.rfind(b"/") + 1 :]
        last, negated = -1, True
        for rule in (*self._plain.get((True, name), ()), *self._plain.get((False, path), ())):
            if rule.number > last and (is_folder or not rule.folders_only):
                last, negated = rule.number, rule.negated
        for table in self._tables:
            for rule in table.candidates(path, name):
                if rule.number > last and (is_folder or not rule.folders_only) and rule.fits(path, name):
                    last, negated = rule.number, rule.negated
        return not negated

    def _folder_is_named(self, folder: bytes) -> bool:
        """Whether a folder or one above it is named: what lies below cannot be taken out again."""
        waiting = []
        while folder not in self._folders:
            waiting.append(folder)
            folder = folder[: max(0, folder.rfind(b"/"))]
        named = self._folders[folder]
        for one in reversed(waiting):
            named = named or self._is_named(one, is_folder=True)
            self._folders[one] = named
        return named

    def names(self, path: bytes) -> bool:
        return self._folder_is_named(path[: max(0, path.rfind(b"/"))]) or self._is_named(path, is_folder=False)


_MOST = 200  # lists kept compiled; the settings have a dozen
_made: dict[tuple[str, ...], _Compiled] = {}


def matches(patterns: Sequence[str], path: bytes) -> bool:
    """Whether a list of gitignore patterns names `path` (a file) or a folder above it.

    Of the patterns that match, the last decides; what lies below a named folder cannot be taken out again.
    """
    if not patterns:
        return False
    key = tuple(patterns)
    compiled = _made.get(key)
    if compiled is None:
        if len(_made) >= _MOST:
            _made.clear()
        compiled = _made[key] = _Compiled(key)
    return compiled.names(path)
