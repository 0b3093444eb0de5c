"""Worktrees that lie inside another one: neither `git clean` nor `git add -A` may take them.

Their folders stand in the common `info/exclude`, each below a comment of ours, so that the lines go when they go.
"""

from __future__ import annotations

import os

from agentsync.files import read_or_empty, write_whole
from agentsync.git.refs import worktrees
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.git.repo import Repo

_COMMENT = b"# agentsync: a worktree lies here"


def exclude_nested(repo: Repo) -> None:
    """Let git ignore the worktrees that lie inside others, and no others any more."""
    file = os.path.join(repo.common_dir, "info", "exclude")
    text = read_or_empty(file)
    wanted = list(dict.fromkeys(_pattern(path) for path in nested_paths([one.top for one in worktrees(repo)])))
    kept = without_nested(text)
    gap = b"" if not kept or kept.endswith(b"\n") or not wanted else b"\n"
    fresh = kept + gap + b"".join(_COMMENT + b"\n" + line + b"\n" for line in wanted)
    if fresh != text:
        write_whole(file, fresh)


def without_nested(text: bytes) -> bytes:
    """The exclusions without ours for worktrees."""
    kept: list[bytes] = []
    ours = False
    for line in text.splitlines(keepends=True):
        if line.strip() == _COMMENT:
            ours = True
        elif ours:
            ours = False
        else:
            kept.append(line)
    return b"".join(kept)


def nested_paths(tops: list[str]) -> list[bytes]:
    """Each worktree that lies inside another, as a path from the nearest one around it. Pure."""
    found = []
    for top in tops:
        around = max((one for one in tops if top.startswith(one + os.sep)), key=len, default="")
        if around:
            found.append(os.fsencode(os.path.relpath(top, around)))
    return [path for path in found if b"\n" not in path]


def _pattern(path: bytes) -> bytes:
    """A folder as a line of gitignore(5)."""
    return b"/" + b"".join(b"\\" + bytes([byte]) if byte in b"\\*?[" else bytes([byte]) for byte in path) + b"/"
