"""Text that came from elsewhere (files, branches, other agents) made safe to show, and times made readable."""

from __future__ import annotations

import time

CAP = 200


def one_line(text: str, cap: int = CAP) -> str:
    """`text` without control characters or line breaks, at most `cap` characters long."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= cap else clean[: cap - 1] + "…"


def quoted(text: str, cap: int = CAP) -> str:
    """Another's words, marked as such: one line in double quotes."""
    return '"' + one_line(text, cap).replace('"', "'") + '"'


def show_path(path: bytes) -> str:
    """A path to read; one that holds anything unusual comes C-quoted, as git shows it."""
    text = path.decode("utf-8", "surrogateescape")
    if all(c.isprintable() and c not in '"\\' and not "\ud800" <= c <= "\udfff" for c in text):
        return text if len(text) <= CAP else text[: CAP - 1] + "…"
    escaped = "".join(
        chr(b) if 32 <= b < 127 and b not in b'"\\' else _ESCAPES.get(b, f"\\{b:03o}") for b in path[:CAP]
    )
    return f'"{escaped}"'


_ESCAPES = {9: "\\t", 10: "\\n", 13: "\\r", 34: '\\"', 92: "\\\\"}
_UNESCAPES = {ord("a"): 7, ord("b"): 8, ord("t"): 9, ord("n"): 10, ord("v"): 11, ord("f"): 12, ord("r"): 13}


def unquote_c(word: bytes) -> bytes:
    """A path as git prints it without `-z`: C-quoted where it stands in double quotes (quote.c in git)."""
    if not word.startswith(b'"'):
        return word
    out = bytearray()
    inner = word[1:-1]
    i = 0
    while i < len(inner):
        byte = inner[i]
        if byte != 0x5C:
            out.append(byte)
            i += 1
        elif inner[i + 1 : i + 2].isdigit():
            out.append(int(inner[i + 1 : i + 4], 8))
            i += 4
        else:
            out.append(_UNESCAPES.get(inner[i + 1], inner[i + 1]))
            i += 2
    return bytes(out)


def shell_word(word: str) -> str:
    """`word` quoted for sh, so that a command we print can be pasted."""
    plain = word and all(c.isascii() and (c.isalnum() or c in "@%+=:,./-_") for c in word)
    return word if plain else "'" + word.replace("'", "'\"'\"'") + "'"


def shell_path(path: bytes) -> str:
    """A path as a shell word; where it has control or non-UTF-8 bytes, in `$'...'` quotes."""
    text = path.decode("utf-8", "surrogateescape")
    if all(c.isprintable() and not "\ud800" <= c <= "\udfff" for c in text):
        return shell_word("./" + text if text.startswith("-") else text)
    body = "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\{b:03o}" for b in path)
    return f"$'{body}'"


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> int:
    """Seconds in `90`, `90s`, `15m`, `2h`, `7d`.

    Raises ValueError for anything else.
    """
    word = text.strip().lower()
    unit = _UNITS.get(word[-1:], 0)
    number = word[:-1] if unit else word
    if not (number.isascii() and number.isdigit()):
        raise ValueError(f"{text!r} is not a duration such as 90s, 15m, 2h or 7d")
    return int(number) * (unit or 1)


def show_duration(seconds: float) -> str:
    """A length of time in its largest whole unit, rounded to the minute: `45s`, `12m`, `3h`, `2d`."""
    left = max(0, int(seconds))
    if left > 120:
        left = (left + 30) // 60 * 60
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if left >= 2 * size or left == size:
            return f"{left // size}{unit}"
    return f"{left}s"


def show_time(when: float) -> str:
    """A moment as local wall-clock time, with the day when it is not today's."""
    moment = time.localtime(when)
    now = time.localtime()
    pattern = "%H:%M" if moment[:3] == now[:3] else "%Y-%m-%d %H:%M"
    return time.strftime(pattern, moment)
