"""`mcp`: the operations as tools for agents with no shell, or no worktree."""

from __future__ import annotations

import click

from agentsync.errors import UsageError


@click.command(
    short_help="Serve the operations to an agent over MCP, on stdio.",
    epilog="""\b
Examples:
  agentsync mcp                                         in the worktree that the client starts it in
  agentsync mcp --repo ~/project --agent fazm           for a desktop agent""",
)
@click.option("--repo", default=".", metavar="PATH", help="The worktree of calls that name none.")
@click.option("--agent", default="", metavar="NAME", help="The agent's name (else as in the command line).")
def mcp(repo: str, agent: str) -> int:
    """Serve until the client hangs up. Needs the extra `mcp`: pipx install 'agentsync-hooks[mcp]'."""
    try:
        from agentsync.mcp.server import serve
    except ModuleNotFoundError as error:
        raise UsageError(
            "the MCP SDK is not installed", f"no module {error.name}", "pipx install 'agentsync-hooks[mcp]'"
        ) from None
    serve(repo, agent)
    return 0
