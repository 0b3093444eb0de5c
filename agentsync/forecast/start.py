"""Starting a forecast, or a snapshot of uncommitted work, that outlives the hook which starts it."""

from __future__ import annotations

import os
import sys
import time

from agentsync.git.repo import make_private_dir
from agentsync.git.run import scrubbed_environment
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.git.repo import Repo

SNAPSHOT_SECONDS = 600.0  # an older snapshot lacks too much
_CODE = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); os.chdir(sys.argv[2]); "
    "from agentsync.forecast.background import {0}; sys.exit({0}())"
)


def start_forecast(repo: Repo) -> None:
    """Start one in this worktree; failing to only means that the next commit tries again."""
    _start(repo, "forecast_main")


def snapshot_stamp(private_dir: str) -> str:
    """The file whose time tells when a worktree's uncommitted changes were last kept."""
    return os.path.join(private_dir, "snapshot")


def snapshot_if_due(repo: Repo) -> None:
    """Start a snapshot of this worktree where the last one is older than ten minutes; else it costs one stat."""
    stamp = snapshot_stamp(repo.private_dir)
    try:
        if time.time() - os.stat(stamp).st_mtime < SNAPSHOT_SECONDS:
            return
    except OSError:
        pass
    if note_snapshot(repo.private_dir):  # the next one to ask starts no second
        _start(repo, "snapshot_main")


def note_snapshot(private_dir: str) -> bool:
    """Note that a worktree's changes are kept as of now; whether that could be noted."""
    try:
        make_private_dir(private_dir)
        with open(snapshot_stamp(private_dir), "ab") as file:
            os.utime(file.fileno())
    except OSError:
        return False
    return True


def _start(repo: Repo, name: str) -> None:
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    argv = [sys.executable, "-I", "-S", "-c", _CODE.format(name), library, repo.top]
    try:
        os.posix_spawn(sys.executable, argv, scrubbed_environment(repo.environ), file_actions=nothing, setsid=True)
    except (OSError, NotImplementedError):
        return
