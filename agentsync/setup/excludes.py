"""Files of ours in work trees that git must not see: their lines in the common `info/exclude`."""

from __future__ import annotations

from pathlib import Path

from agentsync.files import read_or_empty, write_whole
from agentsync.holders.nested import exclude_nested, without_nested
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.markers import EXCLUDE_LINE

if TYPE_CHECKING:
    from agentsync.git.repo import Repo

ENV_FILE = ".env.agentsync"
LINES = (EXCLUDE_LINE, f"/{ENV_FILE}")


def exclude_file(repo: Repo) -> Path:
    """The exclusions that all worktrees share and no commit carries."""
    return Path(repo.common_dir) / "info" / "exclude"


def add_excludes(repo: Repo) -> None:
    """Add the lines that are missing, before what is there, which so stays byte for byte."""
    text = read_or_empty(exclude_file(repo))
    missing = [line for line in LINES if line.encode() not in text.splitlines()]
    if missing:
        write_whole(exclude_file(repo), b"".join(line.encode() + b"\n" for line in missing) + text)
    exclude_nested(repo)


def remove_excludes(repo: Repo) -> list[str]:
    """Take them away again; return what was touched."""
    text = read_or_empty(exclude_file(repo))
    lines = without_nested(text).splitlines(keepends=True)
    kept = [line for line in lines if line.strip().decode("utf-8", "replace") not in LINES]
    if b"".join(kept) == text:
        return []
    if kept:
        write_whole(exclude_file(repo), b"".join(kept))
    else:  # as it was in a repository that was made without git's template
        exclude_file(repo).unlink()
    return [str(exclude_file(repo))]
