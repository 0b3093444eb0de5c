"""Who is acting: the rules for the names of agents and people. Pure."""

from __future__ import annotations

from agentsync.errors import UsageError
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.holders.tools import agent_variable, variable_in_sh
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.state.records import HUMAN as HUMAN
from agentsync.state.records import MAX_NAME as MAX_NAME
from agentsync.state.records import is_agent, is_plain
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping


class Holder(NamedTuple):
    """An agent (or a person, `human:<name>`) in one worktree: what locks, claims and numbers belong to."""

    agent: str
    worktree: str

    @property
    def key(self) -> str:
        """The holder's name in the state; one agent live in two worktrees is two holders."""
        return f"{self.agent}@{self.worktree}"

    @property
    def is_human(self) -> bool:
        """Whether a person acts, who is never blocked for not being an agent."""
        return self.agent.startswith(HUMAN)


def in_agent_tool(environ: Mapping[str, str]) -> bool:
    """Whether an agent's tool runs us."""
    return bool(agent_variable(environ))


def acts_for_an_agent(environ: Mapping[str, str]) -> bool:
    """Whether an agent runs us: its tool does, or it gave its name. What only a person may do is refused then."""
    return bool(why_no_person(environ))


def why_no_person(environ: Mapping[str, str], holder: Holder | None = None) -> str:
    """Why a person's words (`AGENTSYNC=0`, `AGENTSYNC_ALLOW`) do not count here; empty where a person acts.

    With `holder`, whose worktree it is counts too.
    """
    variable, name = agent_variable(environ), environ.get("AGENTSYNC_AGENT", "")
    if variable:
        return f"an agent's tool runs this git (it sets {variable})"
    if name and not name.startswith(HUMAN):
        return "AGENTSYNC_AGENT names an agent"
    return "" if holder is None or holder.is_human else "this worktree is an agent's"


def no_person_in_sh() -> str:
    """The same for the shims, to stand in double quotes: what it expands to is empty where a person acts."""
    return variable_in_sh() + f"${{AGENTSYNC_AGENT##{HUMAN}*}}"


def validate_agent(name: str, source: str) -> str:
    """`name` when it can name an agent: letters, digits, `.`, `_` and `-`, at most 64, first a letter or digit.

    Raises UsageError otherwise.
    """
    if is_agent(name):
        return name
    raise UsageError(
        f"{quoted(name, 80)} cannot be an agent's name",
        f"{source}: letters, digits, '.', '_' and '-', at most {MAX_NAME}, first a letter or digit",
        "export AGENTSYNC_AGENT=agent-1",
    )


def escape_name(text: str) -> str:
    """A name made from any text, such as git's `user.name`; never refused."""
    clean = "".join(char if is_plain(char) else "-" for char in text.strip())[: MAX_NAME - len(HUMAN)].strip("-.")
    return clean if clean and clean[0].isalnum() else "someone"


def _claimed(name: str, source: str, environ: Mapping[str, str]) -> str:
    if name.startswith(HUMAN) and in_agent_tool(environ):
        raise UsageError(
            f"{quoted(name, 80)} is a person's name",
            f"{source} asks for it, but an agent's tool runs this command",
            "export AGENTSYNC_AGENT=agent-1",
        )
    return validate_agent(name, source)


def hook_name(environ: Mapping[str, str]) -> str:
    """`AGENTSYNC_AGENT` as hooks take it: made into a name, never refused, or a bad one would get past the gates."""
    name = environ.get("AGENTSYNC_AGENT", "")
    try:
        return _claimed(name, "AGENTSYNC_AGENT", environ) if name else ""
    except UsageError:
        return escape_name(name)


def agent_name(option: str, environ: Mapping[str, str], worktree: str, user_name: str) -> str:
    """The acting agent: `--agent`, else `AGENTSYNC_AGENT`, else the linked worktree's id, else the person.

    In the main worktree an agent's tool is `main`, anybody else `human:<user.name>`.
    Raises UsageError for a name that cannot be one.
    """
    if option:
        return _claimed(option, "--agent", environ)
    if environ.get("AGENTSYNC_AGENT"):
        return _claimed(environ["AGENTSYNC_AGENT"], "AGENTSYNC_AGENT", environ)
    if worktree != MAIN_WORKTREE:
        return escape_name(worktree)
    return "main" if in_agent_tool(environ) else HUMAN + escape_name(user_name)
