"""Starting a forecast that outlives the hook which starts it."""

from __future__ import annotations

import os
import sys

from agentsync.git.run import scrubbed_environment
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.git.repo import Repo

_CODE = (
    "import os, sys; sys.path.insert(0, sys.argv[1]); os.chdir(sys.argv[2]); "
    "from agentsync.forecast.background import main; sys.exit(main())"
)


def start_forecast(repo: Repo) -> None:
    """Start one in this worktree; failing to only means that the next commit tries again."""
    library = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (0, 1, 2)]
    argv = [sys.executable, "-I", "-S", "-c", _CODE, library, repo.top]
    try:
        os.posix_spawn(sys.executable, argv, scrubbed_environment(repo.environ), file_actions=nothing, setsid=True)
    except (OSError, NotImplementedError):
        return
