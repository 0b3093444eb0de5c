"""Records as flat TOML: strings, integers and lists of strings.

The standard library's `tomllib` reads what `dump` writes (a test holds that); `load` reads only that much,
without the 17 ms that importing `tomllib` costs a gate.
"""

from __future__ import annotations

from agentsync.errors import DamagedError
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    Value = str | int | list[str]
    Record = dict[str, Value]

LONGEST = 30 * 86400  # seconds: no lease is longer, whoever wrote it

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_UNESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r"}


def _quote(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _escape_code(c)) for c in text) + '"'


def _escape_code(char: str) -> str:
    code = ord(char)
    if 0xD800 <= code <= 0xDFFF:
        return "\\uFFFD"  # TOML has no surrogates; paths with such bytes are names in the tree, not values
    return f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def dump(record: Mapping[str, Value]) -> bytes:
    """`record` as TOML, one line a value, lists one line an item."""
    lines = []
    for key, value in record.items():
        if isinstance(value, list):
            items = "".join(f"  {_quote(item)},\n" for item in value)
            lines.append(f"{key} = [\n{items}]\n" if items else f"{key} = []\n")
        elif isinstance(value, int):
            lines.append(f"{key} = {value}\n")
        else:
            lines.append(f"{key} = {_quote(value)}\n")
    return "".join(lines).encode()


def _unquote(word: str) -> str:
    if len(word) < 2 or word[0] != '"' or word[-1] != '"':
        raise ValueError(word)
    parts = word[1:-1].split("\\")
    out = [parts[0]]
    index = 1
    while index < len(parts):
        part = parts[index]
        if not part:  # an escaped backslash leaves an empty part
            out.append("\\" + (parts[index + 1] if index + 1 < len(parts) else ""))
            index += 2
            continue
        width = {"u": 4, "U": 8}.get(part[0], 0)
        if width:
            code = int(part[1 : 1 + width], 16)
            if 0xD800 <= code <= 0xDFFF:
                raise ValueError(part)
            out.append(chr(code) + part[1 + width :])
        else:
            out.append(_UNESCAPES[part[0]] + part[1:])
        index += 1
    return "".join(out)


def load(data: bytes) -> Record:
    """The record that `dump` wrote.

    Raises StateError for anything else.
    """
    record: Record = {}
    items: list[str] | None = None
    try:
        for line in data.decode().split("\n"):
            if items is not None:
                if line == "]":
                    items = None
                else:
                    items.append(_unquote(line[2:-1]))
            elif line:
                key, _, word = line.partition(" = ")
                if word in ("[", "[]"):
                    fresh: list[str] = []
                    record[key] = fresh
                    items = fresh if word == "[" else None
                else:
                    record[key] = _unquote(word) if word.startswith('"') else int(word)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise DamagedError(f"a record cannot be read: {data[:60]!r}") from error
    return record


def text_of(record: Record, key: str) -> str:
    """A string value, empty when absent."""
    value = record.get(key, "")
    return value if isinstance(value, str) else ""


def number_of(record: Record, key: str) -> int:
    """An integer value, 0 when absent."""
    value = record.get(key, 0)
    return value if isinstance(value, int) else 0


def list_of(record: Record, key: str) -> list[str]:
    """A list value, empty when absent."""
    value = record.get(key, [])
    return value if isinstance(value, list) else []
