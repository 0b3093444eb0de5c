"""What every command starts from: the repository, the state, the rules and the acting holder."""

from __future__ import annotations

import os

from agentsync.cli.output import narrate
from agentsync.config.load import InForce, in_force
from agentsync.errors import AgentsyncError
from agentsync.git.hooks_path import why_silent
from agentsync.git.repo import Repo, discover
from agentsync.holders.identity import Holder
from agentsync.holders.registry import acting_holder, check_in
from agentsync.lean import NamedTuple
from agentsync.state.paths import LANDING
from agentsync.state.store import Store
from agentsync.text import one_line


class Here(NamedTuple):
    """A command's surroundings; `folder` is where the words on its command line are seen from."""

    repo: Repo
    store: Store
    rules: InForce
    holder: Holder
    folder: str


def open_here(agent: str = "", *, register: bool = True, bare: bool = False) -> Here:
    """The surroundings of a command; `bare`: it needs no work tree.

    Raises NoRepositoryError, ConfigError, or UsageError for an agent's name that cannot be one.
    """
    repo = discover(dict(os.environ), bare=bare)
    holder = acting_holder(repo, agent)
    rules = in_force(repo)
    store = Store(repo.shared_dir, repo.environ)
    if LANDING in store.snapshot().tree(b""):
        from agentsync.landing.mend import mend  # a landing is rare, and every command would pay

        try:
            mended = mend(repo, store, holder.key)
        except AgentsyncError as error:  # staged changes are in the way; everything else must go on
            mended = f"a landing was cut short and cannot be finished: {error.why}; unstage that file there first"
        if mended:
            narrate(f"agentsync: {mended}")
    if register:
        check_in(repo, store, holder)
    if not bare:
        warn_of_silent_hooks(repo)
    return Here(repo, store, rules, holder, os.getcwd())


def warn_of_silent_hooks(repo: Repo) -> None:
    """Say in one line where git runs no hook of ours, so that nothing is enforced."""
    why = why_silent(repo)
    if why:
        narrate(f"agentsync: warning: nothing is enforced here: {one_line(why)}: agentsync doctor --fix")
