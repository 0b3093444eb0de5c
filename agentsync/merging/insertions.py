"""Conflicts where both sides only inserted lines: kept side by side where that is surely right. Pure.

Registries, route tables and index files grow so. What both define, what is cut in half, and what does not parse
afterwards stays a conflict.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections import Counter

from agentsync.lean import TYPE_CHECKING
from agentsync.merging.order import either_order
from agentsync.merging.syntax import parses, suffix_of
from agentsync.merging.three_way import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.merging.hunks import Hunk, Merged

_KEYS = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rb"^\s*(?:async\s+)?(?:def|class|func|fn|interface|struct|enum|trait|module)\s+([\w.!?]+)",
        rb"^\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:const|let|var|function|class|type|interface)\s+(\w+)",
        rb"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:mod|use|fn|struct|enum|const|static)\s+([\w:]+)",
        rb"^\s*([A-Za-z_][\w.]*)\s*(?::[^=]+)?=(?!=)",
        rb"^\s*['\"]?([\w./:-]+)['\"]?(?:\s*=>|:|\s+:(?!\w))",
        rb"\bas\s+(\w+)\s*[,;)}]*\s*$",
        rb"^\s*export\s+.*from\s+(\S+)",
        rb"\(\s*[rRbBuUfF]{0,2}['\"]([^'\"]*)['\"]",
        rb"\bname\s*=\s*['\"]([^'\"]+)['\"]",
        rb"^\s*([.#][\w-]+[^{,]*)[{,]",
        rb"^\s*<(\w+)[^>]*\b(?:id|path|name)=",
        rb"^\s*(?:create_table|add_index|add_foreign_key)\s+(.+)$",
    )
)
_NAME_LISTS = (
    re.compile(rb"^\s*(?:from\s+\S+\s+)?import\s+([^'\"{}#\n]+)", re.MULTILINE),
    re.compile(rb"^\s*(?:import|export)\b[^{\n]*\{([^}]*)\}", re.MULTILINE),
)
_SPEAKS_OF_THE_NEXT = re.compile(rb"\s*(?:@|#|//|/\*|\*)")  # decorators, attributes, comments
_PAIRS = {b")": b"(", b"]": b"[", b"}": b"{"}


def keys_in(lines: Sequence[bytes]) -> set[bytes]:
    """What some lines define or name: two sides that share one may contradict each other."""
    text = b"".join(lines)
    brought = [name for pattern in _NAME_LISTS for names in pattern.findall(text) for name in _names_in(names)]
    return {found for pattern in _KEYS for found in pattern.findall(text)} | set(brought)


_DECLARED = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        rb"^(?:async\s+)?(?:def|class|func|fn|struct|enum|trait|module)\s+([\w.!?]+)",
        rb"^(?:export\s+)?(?:default\s+)?(?:async\s+)?(?:const|let|function|class|enum)\s+(\w+)",
        rb"^(?:pub(?:\([^)]*\))?\s+)?(?:mod|fn|struct|enum|trait|const|static)\s+(\w+)",
        rb"^\s*(?:re_)?path\(\s*r?(['\"][^'\"]*['\"])",
        rb"^\s*(?:\w+\.)?(?:get|post|put|patch|delete|resources?|namespace)[ (]+(['\":][^'\",)\s]*)",
    )
)


def declared_in(text: bytes) -> list[bytes]:
    """What a file declares at its top, and the routes that it registers, each as often as it does."""
    return [b"%d %s" % (number, found) for number, pattern in enumerate(_DECLARED) for found in pattern.findall(text)]


def _names_in(names: bytes) -> Iterator[bytes]:
    """What each item of an import or export list, such as `a`, `a as b` or `type a`, is called here."""
    for item in names.partition(b" from ")[0].strip(b"();* \t\r").split(b","):
        yield from item.split()[-1:]


def hold(path: str, ours: bytes, theirs: bytes, clean: bytes) -> bytes:
    """A merged text, such as git's own, held against both sides.

    Raises ConflictError where they parse and it does not, or it declares a name more often than either.
    """
    if parses(path, clean) is False and parses(path, ours) and parses(path, theirs):
        raise ConflictError("both sides parse, and the merge of their lines does not")
    counts = [Counter(declared_in(text)) for text in (clean, ours, theirs)]
    if twice := [name for name, times in counts[0].items() if times > max(counts[1][name], counts[2][name])]:
        raise ConflictError(f"both declare {twice[0].decode('utf-8', 'replace')}")
    return clean


def union(path: str, merged: Merged, *, sure: bool = False) -> bytes:
    """The text with every conflict resolved by keeping both insertions.

    `sure`: only where their order says nothing; else a check must confirm it.
    Raises ConflictError where one has a base part, both define the same, or the result does not parse.
    """
    if not merged.hunks:
        raise ConflictError("there is nothing to decide")

    def decide(hunk: Hunk, before: Sequence[bytes], after: Sequence[bytes]) -> list[bytes]:
        if not hunk.only_inserts:
            raise ConflictError("both sides changed the same lines")
        kept = _kept(path, hunk, before, after)
        if sure and not either_order(hunk, before, in_order=_sorted_around(*_lines_of(hunk), before, after)):
            raise ConflictError("both sides insert at one place, where the order may count")
        return kept

    text = merged.resolved(decide)
    if parses(path, text) is not True:
        raise ConflictError("the result does not parse, or nothing here can tell")
    return text


def _kept(path: str, hunk: Hunk, before: Sequence[bytes], after: Sequence[bytes]) -> list[bytes]:
    ours, theirs = list(hunk.ours), list(hunk.theirs)
    if [line.strip() for line in ours] == [line.strip() for line in theirs]:
        return ours
    shared = {line.strip() for line in ours if line.strip()} & {line.strip() for line in theirs if line.strip()}
    whole = all(_is_whole_line(line) for line in [*ours, *theirs] if line.strip())
    simple = whole and not any(_SPEAKS_OF_THE_NEXT.match(line) for line in [*ours, *theirs])
    if (not whole and shared) or (not simple and any(not _SPEAKS_OF_THE_NEXT.match(line) for line in shared)):
        raise ConflictError("both sides inserted some of the same lines")
    if simple:
        theirs = [line for line in theirs if line.strip() not in shared]
    ends = [bool(side) and bool(_SPEAKS_OF_THE_NEXT.match(side[-1])) for side in (ours, theirs)]
    if any(ends):  # what follows the conflict is meant: between them the other side's would come
        raise ConflictError("an insertion speaks of the line after it")
    for side in (ours, theirs):
        _require_whole(path, side, before)
        _require_additive(side, before)
    if clash := keys_in(ours) & keys_in(theirs):
        raise ConflictError(f"both define {sorted(clash)[0].decode('utf-8', 'replace')}")
    if simple and _sorted_around(ours, theirs, before, after):
        return sorted([*ours, *theirs], key=lambda line: line.strip())
    if ours and not ours[-1].endswith(b"\n"):
        ours[-1] += b"\n"
    gap = [b"\n"] if _apart(ours, theirs, before) else []
    return [*ours, *gap, *theirs]


def _lines_of(hunk: Hunk) -> tuple[list[bytes], list[bytes]]:
    return list(hunk.ours), list(hunk.theirs)


def _is_whole_line(line: bytes) -> bool:
    """Whether a line stands for itself: an import, an entry, a call; opens and closes what it opens."""
    return _balanced([line]) and not line.rstrip().endswith((b":", b"\\"))


def _apart(ours: list[bytes], theirs: list[bytes], before: Sequence[bytes]) -> bool:
    """Whether the insertions are paragraphs of their own, which need a blank line between."""
    if not ours or not theirs or not ours[-1].strip() or not theirs[0].strip():
        return False
    return len(ours) > 1 and bool(before) and not before[-1].strip()


def _require_whole(path: str, side: Sequence[bytes], before: Sequence[bytes]) -> None:
    """Refuse an insertion that is cut out of the middle of something."""
    lines = [line for line in side if line.strip()]
    if not lines:
        return
    if not _balanced(lines):
        raise ConflictError("an insertion opens or closes what the other lines hold")
    last = re.sub(rb"\s*(#|//).*$", b"", lines[-1]).rstrip()
    if suffix_of(path) in (".py", ".pyi"):
        if last.endswith(b",") or _stands_alone(b"".join(side)):
            return
        raise ConflictError("an insertion is no whole statement and ends without a comma")
    previous = next((line.rstrip() for line in reversed(before) if line.strip()), b"")
    opened = previous.endswith((b"[", b"(", b","))
    if opened and not last.endswith((b",", b"[", b"(")):
        raise ConflictError("an insertion into a list ends without a comma")


_FUNCTION = re.compile(
    rb"^\s*(?:export\s+|default\s+|pub(?:\([^)]*\))?\s+|static\s+|private\s+|public\s+)*"
    rb"(?:async\s+)?(?:def|func|fn|function)\b|=>\s*\{\s*$|\)\s*(?::\s*[\w<>\[\]., ]+)?\s*\{\s*$"
)
_CLASS = re.compile(rb"^\s*(?:export\s+|pub\s+|public\s+)*(?:class|struct|enum|interface|trait|module|impl)\b")
_ADDITIVE = re.compile(
    rb",\s*(?:(?:#|//).*)?$|^\s*(?:#|//|@)|^\s*[\])}]+[;,]?\s*$|^[\w.$]*\(\s*['\"]"
    rb"|^\s*[\w.$]+\(\s*['\"]|^\s*(?:from\s+\S+\s+)?import\b|^\s*use\b|^\s*(?:async\s+)?(?:def|class|fn|func|function)\b"
)


def _require_additive(side: Sequence[bytes], before: Sequence[bytes]) -> None:
    """Refuse statements inside a function, whose order matters; imports, entries and registrations have none."""
    lines = [line for line in side if line.strip()]
    if not lines:
        return
    indent = min(_indent(line) for line in lines)
    if not _inside_function(before, indent):
        return
    if not all(_ADDITIVE.search(line.rstrip()) for line in lines if _indent(line) == indent):
        raise ConflictError("both insert statements into a function, where the order matters")


def _indent(line: bytes) -> int:
    return len(line) - len(line.lstrip())


def _inside_function(before: Sequence[bytes], indent: int) -> bool:
    """Whether what follows `before` at this indent is in a function's body."""
    for line in reversed(before):
        if line.strip() and _indent(line) < indent:
            indent = _indent(line)
            if _CLASS.search(line):
                return False
            if _FUNCTION.search(line.rstrip()):
                return True
    return False


def _stands_alone(text: bytes) -> bool:
    try:
        ast.parse(textwrap.dedent(text.decode()))
    except (SyntaxError, ValueError):
        return False
    return True


def _balanced(lines: Sequence[bytes]) -> bool:
    """Whether brackets outside of strings and comments close what they open, and nothing else."""
    stack: list[bytes] = []
    quote = b""
    for line in lines:
        index = 0
        while index < len(line):
            char = line[index : index + 1]
            if quote:
                index += char == b"\\"
                quote = b"" if char == quote else quote
            elif char in (b"'", b'"', b"`"):
                quote = char
            elif char == b"#" or line[index : index + 2] == b"//":
                break
            elif char in _PAIRS.values():
                stack.append(char)
            elif char in _PAIRS and (not stack or stack.pop() != _PAIRS[char]):
                return False
            index += 1
        quote = quote if quote == b"`" else b""
    return not stack and not quote


def _sorted_around(ours: list[bytes], theirs: list[bytes], before: Sequence[bytes], after: Sequence[bytes]) -> bool:
    """Whether the lines around, each side included, are in order."""
    near = [line.strip() for line in before[-3:] if line.strip()], [line.strip() for line in after[:3] if line.strip()]
    for side in (ours, theirs):
        rows = [*near[0][-2:], *(line.strip() for line in side if line.strip()), *near[1][:2]]
        if len(rows) < 4 or rows != sorted(rows):
            return False
    return not any(not line.strip() for line in [*ours, *theirs])
