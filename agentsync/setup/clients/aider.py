"""`.aider.conf.yml`: Aider commits with `--no-verify` unless told otherwise, and reads no AGENTS.md by itself. Pure.

Its settings are top-level keys, a line each; only whole lines of ours, which say so, are added and taken out. A file in
any other form of YAML is left alone.
"""

from __future__ import annotations

SETTINGS = ("git-commit-verify: true", "read: [AGENTS.md]")
_MARK = "  # set by agentsync"


def put(text: str) -> tuple[str, list[str]]:
    """The text with our lines, and the settings that are for a person because the key stands there otherwise."""
    rows = [line.partition(" #")[0].rstrip() for line in text.splitlines() if not line.lstrip().startswith("#")]
    top = [row for row in rows if row and not row[0].isspace() and not row.startswith("- ")]
    if any(":" not in row or row[0] in "{[&*!|>%@" for row in top) or (rows and any(rows) and not top):
        return text, list(SETTINGS)
    found = {_key(row): row for row in top}
    line = "\r\n" if "\r\n" in text else "\n"
    wanted = [one for one in SETTINGS if _key(one) not in found]
    left = [one for one in SETTINGS if _key(one) in found and found[_key(one)] != one]
    gap = "" if not wanted or not text or text.endswith("\n") else line
    return text + gap + "".join(one + _MARK + line for one in wanted), left


def _key(row: str) -> str:
    return row.partition(":")[0].strip().strip("'\"")


def take_out(text: str) -> str:
    """The text without our lines."""
    return "".join(row for row in text.splitlines(keepends=True) if not row.rstrip("\r\n").endswith(_MARK))
