"""`.aider.conf.yml`: Aider commits with `--no-verify` unless told otherwise, and reads no AGENTS.md by itself. Pure.

Its settings are top-level keys, a line each; only whole lines of ours, which say so, are added and taken out.
"""

from __future__ import annotations

SETTINGS = ("git-commit-verify: true", "read: [AGENTS.md]")
_MARK = "  # agentsync"


def put(text: str) -> tuple[str, list[str]]:
    """The text with our lines, and the settings that are for a person because the key stands there otherwise."""
    rows = [line.partition("#")[0].strip() for line in text.splitlines()]
    keys = {row.partition(":")[0] for row in rows}
    line = "\r\n" if "\r\n" in text else "\n"
    wanted = [one for one in SETTINGS if one.partition(":")[0] not in keys]
    left = [one for one in SETTINGS if one.partition(":")[0] in keys and one not in rows]
    gap = "" if not wanted or not text or text.endswith("\n") else line
    return text + gap + "".join(one + _MARK + line for one in wanted), left


def take_out(text: str) -> str:
    """The text without our lines."""
    return "".join(row for row in text.splitlines(keepends=True) if not row.rstrip("\r\n").endswith(_MARK))
