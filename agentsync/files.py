"""Files changed safely: whole, by rename, with the mode that they had."""

from __future__ import annotations

import contextlib
import os

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_whole(path: str | Path, data: bytes, mode: int | None = None) -> None:
    """Replace a file by `data` in one step; through a symlink, the file that it points at."""
    target = os.path.realpath(path)
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    aside = os.path.join(folder, f".{name}.{os.getpid()}")
    try:
        with open(aside, "wb") as file:
            file.write(data)
        if mode is None and os.path.exists(target):
            mode = os.stat(target).st_mode & 0o7777
        if mode is not None:
            os.chmod(aside, mode)
        os.replace(aside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside)


def read_or_empty(path: str | Path) -> bytes:
    """A file's content, empty when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
