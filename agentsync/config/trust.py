"""Commands from the configuration run only after this user approved their exact text in this clone."""

from __future__ import annotations

import hashlib
import os

from agentsync.errors import UsageError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agentsync.config.schema import Config
    from agentsync.git.repo import Repo


class UntrustedError(UsageError):
    """A configured command that this user has not approved."""

    kind = "untrusted"


class Configured(NamedTuple):
    """A command and the setting that it stands in."""

    key: str
    command: str


def configured_commands(config: Config) -> list[Configured]:
    """Every command that the configuration names."""
    rows = [Configured("integrate.check", config.text("integrate.check"))]
    rows += [Configured("worktree.setup", command) for command in config.patterns("worktree.setup")]
    rows += [
        Configured("regenerate.commands", row.partition(":")[2].strip())
        for row in config.patterns("regenerate.commands")
    ]
    rows.append(Configured("integrate.after", config.text("integrate.after")))
    return [row for row in rows if row.command]


def _file(repo: Repo) -> str:
    return os.path.join(repo.shared_dir, f"trusted-{os.getuid()}")


def _mark(command: str) -> str:
    return hashlib.sha256(command.encode("utf-8", "surrogateescape")).hexdigest()


def _approved(repo: Repo) -> set[str]:
    try:
        with open(_file(repo), encoding="ascii", errors="replace") as file:
            return set(file.read().split())
    except OSError:
        return set()


def is_trusted(repo: Repo, command: str) -> bool:
    """Whether this user approved this exact text in this clone."""
    return _mark(command) in _approved(repo)


def approve(repo: Repo, commands: Iterable[str]) -> None:
    """Remember these texts as approved."""
    marks = sorted(_approved(repo) | {_mark(command) for command in commands})
    aside = f"{_file(repo)}.{os.getpid()}"
    with open(aside, "w", encoding="ascii") as file:
        file.write("\n".join(marks) + "\n")
    os.replace(aside, _file(repo))


def require_trusted(repo: Repo, row: Configured) -> str:
    """The command.

    Raises UntrustedError where this user has not approved it.
    """
    if not is_trusted(repo, row.command):
        what = f"{row.key} is not trusted here: {quoted(row.command, 200)}"
        raise UntrustedError(
            what, "a person reads it and approves this exact text, once in each clone", "agentsync trust"
        )
    return row.command
