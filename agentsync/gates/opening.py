"""What every gate and every agent's hook begins with: the acting holder registered, the rules in force, a scene."""

from __future__ import annotations

import time

from agentsync.config.load import InForce, in_force_or_last
from agentsync.gates.say import tell
from agentsync.git.repo import Repo
from agentsync.holders.identity import hook_name
from agentsync.holders.registry import acting_holder, check_in
from agentsync.judging.scene import Scene
from agentsync.state.store import Store
from agentsync.text import one_line


def open_scene(repo: Repo) -> Scene:
    """Everything a gate needs, with the acting holder registered."""
    opened = time.time_ns()
    holder = acting_holder(repo, hook_name(repo.environ))
    store = Store(repo.shared_dir, repo.environ)
    if store.is_lost():
        tell("agentsync: warning: the shared state was deleted: no lock or claim is left (agentsync doctor)")
    check_in(repo, store, holder)
    scene = Scene(repo, store, _rules(repo), holder)
    scene.opened = opened
    return scene


def _rules(repo: Repo) -> InForce:
    rules, problem = in_force_or_last(repo)
    if problem:
        tell(f"agentsync: warning: {one_line(problem.what)}; the settings before it stay in force")
    return rules
