"""A forecast that runs by itself after a commit: one per worktree, ended within ten seconds, telling nobody."""

from __future__ import annotations

import fcntl
import os
import signal
import sys

from agentsync.config.load import in_force
from agentsync.errors import AgentsyncError
from agentsync.forecast.cache import note_looked
from agentsync.forecast.run import forecast
from agentsync.git.repo import discover

SECONDS = 10


def main() -> int:
    """Run in the worktree that is the working directory; a second one here ends at once."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(SECONDS)
    try:
        repo = discover(dict(os.environ))
        os.makedirs(repo.private_dir, exist_ok=True)
        with open(os.path.join(repo.private_dir, "forecast.lock"), "w", encoding="ascii") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            note_looked(repo)
            forecast(repo, in_force(repo))
    except (AgentsyncError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
