"""Generated files made anew by their own tools, on the merged tree."""

from __future__ import annotations

import os

from agentsync.config.trust import is_trusted
from agentsync.git.trees import edited_tree
from agentsync.landing.room import enter_room, run_command, written_in_room
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.generated import PACKAGE_MANAGERS
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo
    from agentsync.git.trees import Entry
    from agentsync.landing.rehearse import Stale

SECONDS = 300.0  # package managers ask their registries
_NOT_FOUND = 127  # what a shell ends with where there is no such command
_MISSING = "its tool is not installed here"


class Regenerated(NamedTuple):
    """The tree with what could be made, and what could not, with why and what to type.

    `kept`: what stays as git merged it, since its tool is not installed here, with the command.
    """

    tree: str
    made: tuple[bytes, ...] = ()
    left: tuple[tuple[bytes, str, str], ...] = ()
    kept: tuple[tuple[bytes, str], ...] = ()


def regenerate(repo: Repo, tree: str, stale: Sequence[Stale]) -> Regenerated:
    """Make stale files anew in the room; a command of the configuration only where it is trusted."""
    if not stale:
        return Regenerated(tree)
    place = enter_room(repo, tree)
    made: list[bytes] = []
    left: list[tuple[bytes, str, str]] = []
    kept: dict[bytes, Entry | None] = {}
    done: dict[tuple[str, bytes], str] = {}
    for path, maker, merged in stale:
        why = _reason_not_to(repo, maker.command)
        if not why and maker not in done:
            folder = os.path.join(place, os.fsdecode(maker.folder))
            ran = run_command(repo, maker.command, folder, SECONDS)
            done[maker] = _MISSING if ran.code == _NOT_FOUND else ran.why
        why = why or done[maker]
        if why == _MISSING and merged:
            kept[path] = merged
        elif why:
            left.append((path, why, maker.command))
        else:
            made.append(path)
    tree = edited_tree(repo, written_in_room(repo, made) if made else tree, kept)
    commands = tuple((path, maker.command) for path, maker, _ in stale if path in kept)
    return Regenerated(tree, tuple(made), tuple(left), commands)


def _reason_not_to(repo: Repo, command: str) -> str:
    if not command:
        return "nothing says how it is made ([regenerate] commands in agentsync.toml)"
    if command in PACKAGE_MANAGERS or is_trusted(repo, command):
        return ""
    return f"its command is not trusted (agentsync trust): {one_line(command, 80)}"
