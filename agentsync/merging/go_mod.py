"""go.mod three ways. Pure; the grammar is the Go modules reference's, and so is the rule for versions (MVS)."""

from __future__ import annotations

import itertools
import re

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.comments import keeps_comments
from agentsync.merging.three_way import ABSENT, ConflictError, NotMineError, merge_values, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentsync.merging.hunks import LineMerge
    from agentsync.merging.three_way import Path

    Key = tuple[str, ...]

_JOINTS = {"require": " ", "replace": " => ", "godebug": "="}  # what stands between a subject and what is said of it
_WHOLE = ("exclude", "retract", "tool", "ignore")  # each line speaks for itself


class Line(NamedTuple):
    """One line: its text, what it is about (empty for blocks, blanks and comments), and what it says of it."""

    text: str
    key: Key
    value: str
    block: str


def merge_go_mod(base: bytes, ours: bytes, theirs: bytes, by_lines: LineMerge) -> bytes:
    """Of two versions of a module the higher, which is what Go itself would choose; the rest by key.

    Raises ConflictError where a person must choose, NotMineError where a side says something twice.
    """
    try:
        lines = [_lines(side.decode()) for side in (base, ours, theirs)]
        before, mine, other = (_entries(side) for side in lines)
    except ValueError as error:
        raise NotMineError(str(error)) from error
    merged: dict[Key, str] = {}
    for key in dict.fromkeys([*mine, *other, *before]):
        sides = (before.get(key, ABSENT), mine.get(key, ABSENT), other.get(key, ABSENT))
        value = merge_values(*sides, _policy, key)
        if isinstance(value, str):
            merged[key] = value
    for text in itertools.chain(by_lines(base, ours, theirs).readings(), _spliced(lines[1], merged, ours)):
        written = (side.replace(b"// indirect", b"") for side in (text, base, ours, theirs))  # which `merged` says
        if _says(text, merged) and keeps_comments(*written):
            return text
    raise ConflictError("no text says what was merged, with every comment")


def _says(text: bytes, merged: Mapping[Key, str]) -> bool:
    try:
        return _entries(_lines(text.decode())) == merged
    except ValueError:
        return False


def _spliced(ours: Sequence[Line], merged: Mapping[Key, str], source: bytes) -> Iterator[bytes]:
    """Ours with what the merge changes written into it; nothing where something new has no place."""
    out = [
        line if not line.key or line.value == merged[line.key] else _changed(line, merged[line.key])
        for line in ours
        if not line.key or line.key in merged
    ]
    known = {line.key for line in ours}
    if all(_insert(out, key, value) for key, value in merged.items() if key not in known):
        yield ("\n".join(line.text for line in out) + ("\n" if source.endswith(b"\n") else "")).encode()


def _lines(text: str) -> list[Line]:
    found, block = [], ""
    for line in text.splitlines():
        bare = line.strip()
        word, _, rest = bare.partition(" ")
        if not bare or bare.startswith("//") or bare == ")":
            block = "" if bare == ")" else block
            found.append(Line(line, (), "", block))
        elif rest == "(":
            block = word
            found.append(Line(line, (), "", block))
        else:
            directive, body = (block, bare) if block else (word, rest)
            found.append(_said(line, directive, body, block))
    return found


def _said(line: str, directive: str, body: str, block: str) -> Line:
    if directive in _WHOLE:
        subject, _, comment = body.partition(" //")
        return Line(line, (directive, subject.strip()), f"//{comment}" if comment else "", block)
    if directive in _JOINTS:
        subject, _, value = body.partition(_JOINTS[directive])
        return Line(line, (directive, subject.strip()), value, block)
    return Line(line, (directive,), body, block)


def _entries(lines: Sequence[Line]) -> dict[Key, str]:
    found: dict[Key, str] = {}
    for line in lines:
        if line.key in found:
            raise ValueError(f"{' '.join(line.key)} stands twice")
        if line.key:
            found[line.key] = line.value
    return found


def _policy(path: Path, base: object, ours: object, theirs: object) -> object:
    """Of two raised versions the higher; whether it is `// indirect` is merged by itself."""
    if path[0] not in ("require", "go", "toolchain") or not (isinstance(ours, str) and isinstance(theirs, str)):
        return refuse(path, base, ours, theirs)
    old, mine, other = (_parted(side) for side in (base, ours, theirs))
    if {old[1], mine[1], other[1]} - {"", ABSENT, "// indirect"}:  # what a person wrote speaks of one version
        return refuse(path, base, ours, theirs)
    version = merge_values(old[0], mine[0], other[0], _higher, path)
    comment = merge_values(old[1], mine[1], other[1], refuse, path)
    return f"{version} {comment}".rstrip()


def _parted(value: object) -> tuple[object, object]:
    """A version and the comment behind it."""
    if not isinstance(value, str):
        return ABSENT, ABSENT
    version, mark, comment = value.partition("//")
    return version.strip(), mark + comment


def _higher(path: Path, base: object, ours: object, theirs: object) -> object:
    least, most = sorted((str(ours), str(theirs)), key=_height)
    if isinstance(base, str) and _height(least) < _height(base):
        return refuse(path, base, ours, theirs)
    return most


def _height(text: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """How high a version is: semver's order for modules (semver.org, 11), `1.22rc1` below `1.22` for Go itself.

    A pre-release is below its release; of its parts, numbers count as numbers and are below words.
    """
    word = text.split(" ")[0].removeprefix("go").removeprefix("v")
    word = re.sub(r"(?<=\d)(rc|beta)(?=\d)", r"-\1.", word)
    number, _, pre = word.partition("+")[0].partition("-")
    parts = [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in pre.split(".")]
    return [int(part) if part.isdigit() else 0 for part in number.split(".")], not pre, parts


def _changed(line: Line, value: str) -> Line:
    return line._replace(text=line.text[: len(line.text) - len(line.value)] + value, value=value)


def _insert(out: list[Line], key: Key, value: str) -> bool:
    """Put a new entry into its block, in order; indirect ones into theirs. Whether there was a block."""
    indirect = value.endswith("// indirect")
    fitting = [i for i, line in enumerate(out) if line.block == key[0] and line.key]
    alike = [i for i in fitting if out[i].value.endswith("// indirect") == indirect]
    if len(key) < 2 or not fitting:
        return False
    places = alike or fitting
    at = next((i for i in places if out[i].key > key), places[-1] + 1)
    text = f"\t{key[1]}{_JOINTS.get(key[0], ' ')}{value}".rstrip()
    out.insert(at, Line(text, key, value, key[0]))
    return True
