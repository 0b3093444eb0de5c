"""One lander at a time: a file lock that ends with its process."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager

from agentsync.errors import RefusedError
from agentsync.lean import TYPE_CHECKING
from agentsync.state.turn import unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agentsync.git.repo import Repo

_PATIENCE = 600.0  # seconds that a sync waits for the room


@contextmanager
def lander(repo: Repo, *, wait: bool = False) -> Iterator[None]:
    """Hold the one place from which branches land, and the room.

    Raises RefusedError where another has it (after ten minutes, with `wait`), StateError where it cannot be held.
    """
    path = os.path.join(repo.shared_dir, "lander.lock")
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise unwritable(error) from error
    try:
        _take(fd, time.monotonic() + (_PATIENCE if wait else 0))
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _take(fd: int, until: float) -> None:
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                who = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "?"
                what = f"another agentsync is landing just now (process {who})"
                raise RefusedError(
                    what, "one after another: wait for it, or see what it does", f"ps -p {who}"
                ) from None
            time.sleep(0.2)
