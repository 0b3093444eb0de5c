"""Generated files made anew by their own tools, on the merged tree."""

from __future__ import annotations

import os

from agentsync.config.trust import is_trusted
from agentsync.landing.room import enter_room, run_command, written_in_room
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.generated import PACKAGE_MANAGERS
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo
    from agentsync.landing.rehearse import Stale

SECONDS = 300.0  # package managers ask their registries


class Regenerated(NamedTuple):
    """The tree with what could be made, and what could not, with why and what to type."""

    tree: str
    made: tuple[bytes, ...]
    left: tuple[tuple[bytes, str, str], ...]


def regenerate(repo: Repo, tree: str, stale: Sequence[Stale]) -> Regenerated:
    """Make stale files anew in the room; a command of the configuration only where it is trusted."""
    if not stale:
        return Regenerated(tree, (), ())
    place = enter_room(repo, tree)
    made: list[bytes] = []
    left: list[tuple[bytes, str, str]] = []
    done: dict[tuple[str, bytes], str] = {}
    for path, maker in stale:
        why = _reason_not_to(repo, maker.command)
        if not why and maker not in done:
            folder = os.path.join(place, os.fsdecode(maker.folder))
            done[maker] = run_command(repo, maker.command, folder, SECONDS).why
        why = why or done[maker]
        if why:
            left.append((path, why, maker.command))
        else:
            made.append(path)
    return Regenerated(written_in_room(repo, made) if made else tree, tuple(made), tuple(left))


def _reason_not_to(repo: Repo, command: str) -> str:
    if not command:
        return "nothing says how it is made ([regenerate] commands in agentsync.toml)"
    if command in PACKAGE_MANAGERS or is_trusted(repo, command):
        return ""
    return f"its command is not trusted (agentsync trust): {one_line(command, 80)}"
