"""Whoever writes what others write too takes a turn, so that a dead one's leavings can be cleared."""

from __future__ import annotations

import errno
import fcntl
import os
import time

from agentsync.errors import AgentsyncError, StateError, UnwritableError
from agentsync.git.run import OutOfTimeError, time_left
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PATIENCE = 30  # seconds; a turn takes some 10 ms, so whoever waits longer waits for a process that was suspended
_WHO = "pgrep -fl 'agentsync|update-ref'"
_SANDBOX = "an agent's sandbox may keep .git read-only: allow writes to it, or work without locks there"


def unwritable(error: OSError) -> StateError:
    """What to say when the state cannot be written."""
    if error.errno == errno.ENOSPC:
        return StateError("the shared state cannot be written", "the disk is full", "df -h .")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return UnwritableError("the shared state cannot be written", f"{error.strerror}: {error.filename}", _SANDBOX)
    return StateError("the shared state cannot be written", str(error), "agentsync doctor")


def _held_up(doing: str) -> StateError:
    what = f"somebody has been {doing} for {PATIENCE} seconds"
    return StateError(what, "a suspended agentsync or git command holds its turn: resume it (fg) or end it", _WHO)


class Turn:
    """A file lock, held while in the context; git children inherit `fd`, so they hold it too.

    `doing` is what the process that has the turn is doing, for whoever waits too long.
    """

    def __init__(self, path: str, doing: str = "writing the shared state") -> None:
        self._path = path
        self._doing = doing
        self.fd = -1

    def __enter__(self) -> Turn:
        try:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            self.fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise unwritable(error) from error
        try:
            self._wait()
        except AgentsyncError:
            os.close(self.fd)
            raise
        return self

    def _wait(self) -> None:
        patient_until = time.monotonic() + PATIENCE
        while True:
            try:
                return fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time_left() <= 0:
                    raise OutOfTimeError("out of time", f"others took too long {self._doing}") from None
                if time.monotonic() > patient_until:
                    raise _held_up(self._doing) from None
                time.sleep(0.002)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.fd)
