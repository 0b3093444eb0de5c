"""The command line's outline: every command with its short help, loaded when it is run."""

from __future__ import annotations

import importlib
import sys

import click

from agentsync import __version__
from agentsync.cli.output import report
from agentsync.errors import AgentsyncError, UsageError, unusable
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "init": ("setup", "Set up this repository: hooks for every worktree, settings, rules for agents."),
    "status": ("look", "Who works where, on what, holding what; with a path, who touches it."),
    "doctor": ("setup", "Prove that the hooks fire in each worktree, and say how to mend what does not."),
    "lock": ("locks", "Lock files, directories or named resources; without any: list the locks."),
    "unlock": ("locks", "Give locks back."),
    "task": ("tasks", "The plan in TASKS.md: list, next, show, add, import, claim, release, done, check."),
    "migration": ("migrations", "Migration numbers: next, list, check, renumber."),
    "worktree": ("worktrees", "Worktrees for agents: add, list, remove, prune."),
    "forecast": ("forecasts", "Conflicts to come, between every two worktrees and with base."),
    "rescue": ("rescue", "Uncommitted work that was lost to a reset, a clean, a crash: list, show, restore."),
    "sync": ("landing", "Bring base into this branch, so that it merges by any button."),
    "integrate": ("landing", "Land branches on base, one after another."),
    "phase": ("phases", "The phase of the work: parallel, integration or testing."),
    "check": ("look", "Judge a range by its trees, in CI or on a git server."),
    "log": ("look", "What happened: the state's history and the journal."),
    "trust": ("setup", "Approve the commands that the settings name."),
    "uninstall": ("setup", "Take the hooks away again and restore what was there."),
    "mcp": ("mcp", "Serve the operations to an agent over MCP, on stdio."),
    "demo": ("demo", "Three scripted agents collide in a scratch repository."),
    "completion": ("setup", "Print a completion script for bash, zsh or fish."),
}

HELP = """Keep several AI coding agents, each in its own git worktree, from stepping on each other.

\b
Examples:
  agentsync init                        set up this repository, once
  agentsync lock package.json           nobody else commits it until you unlock
  agentsync task next --claim           take a task that nobody has
  agentsync migration next add_users    reserve a number, print the path to create
  agentsync status                      who works where, on what

Exit codes: 0 done, 1 refused or found, 2 usage or configuration, 3 no repository, 4 timed out waiting.
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are run; their short helps are known before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order that they are met."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One command, imported now."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"agentsync.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `--help`, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.command(cls=LazyGroup, help=HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="agentsync")
def app() -> None:
    """The group itself does nothing."""


def run(words: Sequence[str]) -> int:
    """Run the command line; errors end in their own exit code, `^C` in 130."""
    try:
        code = app.main(list(words), prog_name="agentsync", standalone_mode=False)
    except AgentsyncError as error:
        report(error, as_json="--json" in words)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "agentsync"
        report(UsageError(error.format_message(), "", f"{where} --help"), as_json="--json" in words)
        return UsageError.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:  # no disk, no permission: what was begun has ended by itself
        failed = unusable(error)
        report(failed, as_json="--json" in words)
        return failed.exit_code
    return code if isinstance(code, int) else 0
