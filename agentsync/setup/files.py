"""Files changed safely: whole, by rename, with the mode that they had."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes, mode: int | None = None) -> None:
    """Replace a file by `data` in one step; through a symlink, the file that it points at."""
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        aside.write_bytes(data)
        if mode is None and target.exists():
            mode = target.stat().st_mode & 0o7777
        if mode is not None:
            aside.chmod(mode)
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)


def read_or_empty(path: Path) -> bytes:
    """A file's content, empty when there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
