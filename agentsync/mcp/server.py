"""The server on stdio, by the official SDK (extra `mcp`): eight tools, and the state as resources."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.resources import FunctionResource
from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from pydantic import Field

from agentsync import __version__
from agentsync.judging.scene import Scene
from agentsync.mcp import tools
from agentsync.tasks.plan import Spent

INSTRUCTIONS = (
    "Keeps agents that work on one repository apart. repo: path of the worktree you edit in. "
    "Claim a task before work, lock shared files before editing, reserve migration numbers. "
    "A refusal is a result with ok=false and what to do next; without a shell, lock_paths again later, "
    "or claim_task for other work."
)
LOOKS = ToolAnnotations(read_only_hint=True)
DOES = ToolAnnotations(destructive_hint=False)
Facts = dict[str, Any]


class Tools:
    """The tools as clients see them; their names, words and docstrings are what every agent pays for."""

    def __init__(self, repo: str, agent: str, start: str) -> None:
        self._repo = repo
        self._agent = agent
        self._start = start

    def _answer(self, repo: str, doing: Callable[[Scene], Facts]) -> Facts:
        return tools.answered(lambda: tools.open_at(repo or self._repo, self._agent, os.environ, self._start), doing)

    def status(self, paths: Sequence[str] = (), repo: str = "") -> Facts:
        """Who works on what, and news for you; with paths (ask before editing): who locks or edits each."""
        return self._answer(repo, lambda scene: tools.status(scene, list(paths)))

    def state(self) -> Facts:
        """Who works on what, and what is new; to look at it takes no news away."""
        return self._answer("", lambda scene: tools.status(scene, [], noted=False))

    def lock_paths(self, paths: Sequence[str], reason: str = "", repo: str = "") -> Facts:
        """Lock files, folders or @resources: all or none."""
        return self._answer(repo, lambda scene: tools.lock_paths(scene, list(paths), reason))

    def unlock_paths(self, paths: Sequence[str] = (), repo: str = "") -> Facts:
        """Give your locks back once committed; all without paths."""
        return self._answer(repo, lambda scene: tools.unlock_paths(scene, list(paths)))

    def claim_task(self, task: str = "", surface: str = "", repo: str = "") -> Facts:
        """Claim a task, or the next free one; surface "desktop": tasks without files."""
        return self._answer(repo, lambda scene: tools.claim_task(scene, task, surface))

    def update_task(
        self,
        task: str,
        state: Literal["progress", "done", "released"],
        note: str = "",
        tokens: Annotated[int, Field(ge=0)] = 0,
        cost_usd: Annotated[float, Field(ge=0)] = 0,
        repo: str = "",
    ) -> Facts:
        """Report progress on your claimed task, finish it, or give it back."""
        spent = Spent(tokens, f"{cost_usd:.4f}" if cost_usd else "")
        return self._answer(repo, lambda scene: tools.update_task(scene, task, state, note, spent))

    def list_tasks(self, repo: str = "") -> Facts:
        """Every task and who has it."""
        return self._answer(repo, lambda scene: {"tasks": tools.task_rows(scene)})

    def reserve_migration_number(self, name: str, series: str = "", repo: str = "") -> Facts:
        """Reserve the next migration number; returns the paths to create."""
        return self._answer(repo, lambda scene: tools.reserve_number(scene, name, series))

    def forecast_conflicts(self, repo: str = "") -> Facts:
        """Merge conflicts to come with other worktrees and base."""
        return self._answer(repo, lambda scene: tools.forecast_conflicts(scene))


def build(repo: str, agent: str, start: str = "") -> MCPServer:
    """The server; `repo` and `agent` are what a call that names none means, `start` where it was started."""
    own = Tools(repo, agent, start)
    looking = (own.status, own.list_tasks, own.forecast_conflicts)
    doing = (own.lock_paths, own.unlock_paths, own.claim_task, own.update_task, own.reserve_migration_number)
    offered = [Tool.from_function(one, annotations=LOOKS) for one in looking]
    offered += [Tool.from_function(one, annotations=DOES) for one in doing]
    for one in offered:
        # a word that is not ours must not be taken for none: `id` for `task` would claim any task
        one.fn_metadata.arg_model.model_config["extra"] = "forbid"
        one.fn_metadata.arg_model.model_rebuild(force=True)
        _without_titles(one.parameters)
        _without_titles(one.output_schema)
    resources = [
        FunctionResource.from_function(one, uri=f"agentsync://{name}", name=name, mime_type="application/json")
        for name, one in (("status", own.state), ("tasks", own.list_tasks))
    ]
    return MCPServer(
        "agentsync", version=__version__, instructions=INSTRUCTIONS, tools=offered, resources=list(resources)
    )


def _without_titles(schema: Any) -> None:
    """Take out what pydantic adds to a schema for people."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        for inner in schema.values():
            _without_titles(inner)


def serve(repo: str, agent: str) -> None:
    """Serve on stdin and stdout until the client hangs up."""
    try:
        start = os.getcwd()
    except FileNotFoundError:  # each call that needs it says so
        start = ""
    os.chdir(os.sep)  # git works nowhere else once the worktree that this was started in is removed
    build(repo, agent, start).run()
