"""A forecast that runs by itself after a commit or an edit: ended within ten seconds, telling nobody.

One runs, and one of each worktree at most waits for it: the one that waits will see what the running one came too
early for.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from contextlib import ExitStack

from agentsync.config.load import in_force_or_last
from agentsync.errors import AgentsyncError
from agentsync.forecast.cache import note_looked
from agentsync.forecast.run import forecast_in_turn, turn_to_forecast
from agentsync.git.repo import discover

SECONDS = 10


def main() -> int:
    """Run in the worktree that is the working directory; ends at once where one that waits will see the same."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(SECONDS)
    try:
        repo = discover(dict(os.environ))
        os.makedirs(repo.private_dir, exist_ok=True)
        with ExitStack() as turn:
            with open(os.path.join(repo.private_dir, "forecast.lock"), "w", encoding="ascii") as place_in_line:
                fcntl.flock(place_in_line, fcntl.LOCK_EX | fcntl.LOCK_NB)
                turn.enter_context(turn_to_forecast(repo))
            note_looked(repo)
            forecast_in_turn(repo, in_force_or_last(repo)[0])
    except (AgentsyncError, OSError):
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
