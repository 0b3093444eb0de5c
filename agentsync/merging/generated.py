"""Files that a tool writes: never merged, made anew by their own tool after the merge. Pure.

The commands only write the lock file, and run no scripts of packages.
"""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentsync.config.schema import Config

KNOWN = (
    ("package-lock.json", "npm install --package-lock-only --ignore-scripts --no-audit --no-fund"),
    ("npm-shrinkwrap.json", "npm install --package-lock-only --ignore-scripts --no-audit --no-fund"),
    ("pnpm-lock.yaml", "pnpm install --lockfile-only --ignore-scripts"),
    ("yarn.lock", "yarn install --ignore-scripts"),
    ("uv.lock", "uv lock"),
    ("poetry.lock", "poetry lock"),
    ("pdm.lock", "pdm lock"),
    ("Cargo.lock", "cargo update --workspace"),
    ("go.sum", "go mod tidy"),
    ("Gemfile.lock", "bundle lock"),
    ("composer.lock", "composer update --lock --no-scripts"),
)
VENDORED = {b"vendor", b"node_modules", b"third_party"}  # folders of others' files: theirs to make and merge
PACKAGE_MANAGERS = {command for _, command in KNOWN}


class Generator(NamedTuple):
    """How a generated file is made: the shell command, and the folder that it runs in."""

    command: str
    folder: bytes


def generator_of(path: bytes, config: Config) -> Generator | None:
    """How the file at `path` is made anew; None for a file that people write.

    A configured command runs at the repository's top, a package manager's beside its lock file. The command is
    empty where `[regenerate] paths` names the file and nothing says how it is made.
    """
    for row in config.patterns("regenerate.commands"):
        pattern, _, command = row.partition(":")
        if matches([pattern.strip()], path):
            return Generator(command.strip(), b"")
    folder, _, name = path.rpartition(b"/")
    command = "" if VENDORED & set(folder.split(b"/")) else dict(KNOWN).get(name.decode("utf-8", "replace"), "")
    if command or matches(config.patterns("regenerate.paths"), path):
        return Generator(command, folder if command else b"")
    return None
