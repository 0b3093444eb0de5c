"""Paths with a chain merge by it: their lines in the common `info/attributes`, which no branch can lack."""

from __future__ import annotations

import os

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo

LINEAGE = b" merge=agentsync-lineage"


def attribute_line(path: bytes) -> bytes:
    """The line for one path (gitattributes(5)); empty for a path that no pattern can name."""
    if any(byte < 32 or byte == 127 for byte in path):
        return b""
    pattern = b"/" + b"".join(b"\\" + bytes([byte]) if byte in b"*?[\\" else bytes([byte]) for byte in path)
    if b" " in pattern or b'"' in pattern:
        pattern = b'"' + pattern.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    return pattern + LINEAGE


def attribute_paths(repo: Repo, paths: Sequence[bytes]) -> None:
    """Let the lineage driver merge these paths, where `init` installed it; failing only loses the help."""
    if not os.path.exists(os.path.join(repo.shared_dir, "merge-driver")):
        return
    file = os.path.join(repo.common_dir, "info", "attributes")
    try:
        with open(file, "rb") as current:
            text = current.read()
    except OSError:
        text = b""
    known = set(text.splitlines())
    lines = [line for path in paths if (line := attribute_line(path)) and line not in known]
    if not lines:
        return
    gap = b"" if not text or text.endswith(b"\n") else b"\n"
    aside = f"{file}.{os.getpid()}"
    try:
        with open(aside, "wb") as fresh:
            fresh.write(text + gap + b"\n".join(lines) + b"\n")
        os.replace(aside, file)
    except OSError:
        return
