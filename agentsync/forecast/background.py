"""What runs by itself after a commit or an edit, and tells nobody: a forecast, or a snapshot of uncommitted work.

One forecast runs, and one of each worktree at most waits for it: the one that waits will see what the running one came
too early for.
"""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import ExitStack

from agentsync.config.load import in_force_or_last
from agentsync.errors import AgentsyncError
from agentsync.forecast.cache import note_looked
from agentsync.forecast.run import forecast_in_turn, keep_snapshot, turn_to_forecast
from agentsync.git.repo import discover, make_private_dir

FORECAST_SECONDS = 10
SNAPSHOT_SECONDS = 60  # the first one in a large repository hashes much


def forecast_main() -> int:
    """Run in the worktree that is the working directory; ends at once where one that waits will see the same."""
    _end_after(FORECAST_SECONDS)
    try:
        repo = discover(dict(os.environ))
        make_private_dir(repo.private_dir)
        with ExitStack() as turn:
            with open(os.path.join(repo.private_dir, "forecast.lock"), "w", encoding="ascii") as place_in_line:
                fcntl.flock(place_in_line, fcntl.LOCK_EX | fcntl.LOCK_NB)
                turn.enter_context(turn_to_forecast(repo))
            note_looked(repo)
            forecast_in_turn(repo, in_force_or_last(repo)[0])
    except (AgentsyncError, OSError):
        return 1
    return 0


def snapshot_main() -> int:
    """Keep the uncommitted changes of the worktree that is the working directory."""
    _end_after(SNAPSHOT_SECONDS)
    try:
        repo = discover(dict(os.environ))
        keep_snapshot(repo, repo.worktree_id)
    except (AgentsyncError, OSError):
        return 1
    return 0


def _end_after(seconds: int) -> None:
    """End this process and the git processes that it started."""
    signal.signal(signal.SIGALRM, lambda *_: os.killpg(0, signal.SIGKILL))
    signal.alarm(seconds)
