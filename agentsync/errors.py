"""Errors that a person or an agent reads: one line what, one line why, one line what to type."""

from __future__ import annotations

import errno

OTHER_WORK = "agentsync task next --claim"  # offered beside a refusal; who prints it looks whether a task is free
EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_NO_REPOSITORY = 3
EXIT_TIMED_OUT = 4


class AgentsyncError(Exception):
    """A failure with a way on.

    `what` and `why` are one line each; `next_command` is what to type, or empty.
    """

    exit_code = EXIT_REFUSED
    kind = "refused"

    def __init__(self, what: str, why: str = "", next_command: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next_command = next_command

    def bare_lines(self) -> tuple[str, ...]:
        """What, why, and what to type."""
        return tuple(line for line in (self.what, self.why, self.next_command) if line)

    def lines(self) -> list[str]:
        """The error as the lines to print."""
        what, *more = self.bare_lines()
        return [f"agentsync: {what}", *(f"  {line}" for line in more)]


class RefusedError(AgentsyncError):
    """Somebody else has it, or a rule forbids it."""


class UsageError(AgentsyncError):
    """The command line cannot be understood."""

    exit_code = EXIT_USAGE
    kind = "usage"


class ConfigError(AgentsyncError):
    """The configuration cannot be understood."""

    exit_code = EXIT_USAGE
    kind = "config"


class NoRepositoryError(AgentsyncError):
    """There is no repository with a work tree here."""

    exit_code = EXIT_NO_REPOSITORY
    kind = "no-repository"


class TimedOutError(AgentsyncError):
    """Waiting took longer than allowed."""

    exit_code = EXIT_TIMED_OUT
    kind = "timed-out"


class GitError(AgentsyncError):
    """git said no where it should have said yes."""

    kind = "git"


class StateError(AgentsyncError):
    """The shared state cannot be read or written."""

    kind = "state"


class UnwritableError(StateError):
    """The shared state can be read and not written, as in an agent's sandbox; who only reads goes on."""


class DamagedError(StateError):
    """What is left of the shared state makes no sense."""

    def __init__(self, why: str) -> None:
        super().__init__("the shared state is damaged", why, "agentsync doctor --fix")


def unusable(error: OSError) -> AgentsyncError:
    """What to say when the system refuses a file: no disk, no permission, or the like."""
    name = f": {error.filename}" if isinstance(error.filename, str) else ""
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    next_command = "df -h ." if full else "agentsync doctor"
    return AgentsyncError("a file could not be read or written", f"{error.strerror}{name}", next_command)
