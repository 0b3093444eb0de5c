"""What every command starts from: the repository, the state, the rules and the acting holder."""

from __future__ import annotations

import os

from agentsync.cli.output import narrate
from agentsync.config.load import InForce, in_force_or_last
from agentsync.errors import AgentsyncError, UnwritableError
from agentsync.git.hooks_path import silent_line
from agentsync.git.repo import Repo, discover
from agentsync.holders.identity import Holder
from agentsync.holders.registry import acting_holder, check_in
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.paths import LANDING
from agentsync.state.store import Store
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable


class Here(NamedTuple):
    """A command's surroundings; `folder` is where the words on its command line are seen from."""

    repo: Repo
    store: Store
    rules: InForce
    holder: Holder
    folder: str


def open_here(agent: str = "", *, register: bool = True, reads: bool = False, bare: bool = False) -> Here:
    """The surroundings of a command; `reads`: it goes on where nothing can be noted; `bare`: it needs no work tree.

    Raises NoRepositoryError, or UsageError for an agent's name that cannot be one.
    """
    repo = discover(dict(os.environ), bare=bare)
    holder = acting_holder(repo, agent)
    rules, problem = in_force_or_last(repo)
    if problem:
        narrate(f"agentsync: warning: {one_line(problem.what)}; the settings before it stay in force")
    store = Store(repo.shared_dir, repo.environ)
    if LANDING in store.snapshot().tree(b""):
        from agentsync.landing.mend import mend  # a landing is rare, and every command would pay

        try:
            mended = mend(repo, store, holder.key)
        except AgentsyncError as error:  # something is in the way there; everything else must go on
            why = "; ".join(error.bare_lines())
            mended = f"a landing was cut short and cannot be finished yet: {why}"
        if mended:
            narrate(f"agentsync: {mended}")
    if register:
        noting(lambda: check_in(repo, store, holder), reads=reads)
    if not bare:
        warn_of_silent_hooks(repo)
    return Here(repo, store, rules, holder, os.getcwd())


def noting(action: Callable[[], None], *, reads: bool) -> None:
    """Note something in the state; a command that only reads goes on where it cannot be written."""
    try:
        action()
    except UnwritableError:
        if not reads:
            raise


def warn_of_silent_hooks(repo: Repo) -> None:
    """Say in one line where git runs no hook of ours, so that nothing is enforced."""
    line = silent_line(repo)
    if line:
        narrate(f"agentsync: warning: {line}")
