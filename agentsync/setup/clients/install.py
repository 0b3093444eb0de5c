"""Clients' files in a repository: what `init` would write, what `doctor` finds, what `uninstall` takes out."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from agentsync.files import read_or_empty, write_whole
from agentsync.git.repo import Repo
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.setup.clients import aider, splice
from agentsync.setup.clients.table import AIDER, CLIENTS, FAZM, Client, is_ours
from agentsync.setup.resources import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable


class Planned(NamedTuple):
    """One client's file: where it is, its text before and after, and what is left to a person (empty: nothing)."""

    client: Client
    path: Path
    before: str
    after: str
    left: str = ""

    @property
    def changes(self) -> bool:
        """Whether there is something to write."""
        return self.before != self.after


def detected(repo: Repo) -> list[str]:
    """The clients that this user or this repository has."""
    places = [Path(repo.environ.get("HOME", "/nonexistent")), Path(repo.top)]
    return [
        one.name for one in CLIENTS.values() if any((place / mark).exists() for place in places for mark in one.marks)
    ]


def path_of(repo: Repo, client: Client) -> Path:
    """Where a client's file is: in this worktree, in the main one, or in the user's home."""
    if client.file.startswith("~/"):
        return Path(repo.environ.get("HOME", "/nonexistent")) / client.file[2:]
    in_main = client.in_main and os.path.basename(repo.common_dir) == ".git"
    return Path(os.path.dirname(repo.common_dir) if in_main else repo.top) / client.file


def plan(repo: Repo, names: Iterable[str]) -> list[Planned]:
    """What `init` would write for some clients."""
    return [_planned(repo, CLIENTS[name]) for name in names]


def _planned(repo: Repo, client: Client) -> Planned:
    path = path_of(repo, client)
    before = read_or_empty(path).decode("utf-8", "surrogateescape")
    if client.template:
        return Planned(client, path, before, (TEMPLATES / client.template).read_text(encoding="utf-8"))
    if client is AIDER:
        after, left = aider.put(before)
        return Planned(client, path, before, after, "\n".join(left))
    try:
        after = _fazm(repo, before) if client is FAZM else with_hooks(client, before)
    except ValueError as error:
        return Planned(client, path, before, before, f"{error}; add to it:\n{with_hooks(client, '')}".rstrip())
    return Planned(client, path, before, after)


def with_hooks(client: Client, text: str) -> str:
    """A client's file with our entries, once each and as they are now.

    Raises ValueError for a file that is no JSON, or of another shape.
    """
    if _sorted(_entries(text)) == _sorted([entry for _, entry in client.hooks]):
        return text
    done = splice.take_out(text, is_ours) if text.strip() else splice.NEW
    for key, value in client.fixed:
        done = splice.put(done, [key], value)
    for event, entry in client.hooks:
        done = splice.append(done, ["hooks", event], entry)
    return done


def _sorted(entries: list[object]) -> list[str]:
    return sorted(json.dumps(entry, sort_keys=True) for entry in entries)


def without_hooks(text: str) -> str:
    """A client's file without our entries; ValueError as above."""
    return splice.take_out(text, lambda value: is_ours(value) or _is_our_server(value))


def _entries(text: str) -> list[object]:
    """Our entries in a file, in their order."""
    found: list[object] = []

    def collect(value: object) -> None:
        if is_ours(value):
            found.append(value)
        elif isinstance(value, (dict, list)):
            for inner in value.values() if isinstance(value, dict) else value:
                collect(inner)

    if text.strip():
        collect(splice.parsed(text).value)
    return found


def _is_our_server(value: object) -> bool:
    """Whether a value is our MCP server."""
    words = value.get("args") if isinstance(value, dict) else None
    command = value.get("command") if isinstance(value, dict) else None
    return isinstance(words, list) and words[:1] == ["mcp"] and str(command).rpartition("/")[2] == "agentsync"


def _fazm(repo: Repo, text: str) -> str:
    """Fazm's servers: it has no terminal's PATH, and works in the user's home."""
    command = shutil.which("agentsync") or os.path.join(os.path.dirname(sys.executable), "agentsync")
    top = os.path.dirname(repo.common_dir) if os.path.basename(repo.common_dir) == ".git" else repo.top
    server = {"command": command, "args": ["mcp", "--repo", top, "--agent", "fazm"], "env": {}, "enabled": True}
    done = splice.take_out(text, _is_our_server) if text.strip() else splice.NEW
    return text if text and _has_server(text, server) else splice.put(done, ["agentsync"], server)


def _has_server(text: str, server: dict[str, object]) -> bool:
    value = splice.parsed(text).value
    return isinstance(value, dict) and value.get("agentsync") == server


def write(planned: Iterable[Planned]) -> list[Path]:
    """Write what was planned; returns the files written."""
    done = [one for one in planned if one.changes]
    for one in done:
        write_whole(one.path, one.after.encode("utf-8", "surrogateescape"))
    return [one.path for one in done]


def installed(repo: Repo) -> list[Planned]:
    """The clients with something of ours in their files, as `init` would leave them now."""
    return [_planned(repo, one) for one in CLIENTS.values() if _has_ours(one, path_of(repo, one))]


def _has_ours(client: Client, path: Path) -> bool:
    text = read_or_empty(path).decode("utf-8", "surrogateescape")
    if client.template:
        return bool(text)
    if client is AIDER:
        return aider.take_out(text) != text
    try:
        return bool(text.strip()) and without_hooks(text) != text
    except ValueError:
        return False


def take_out(repo: Repo) -> list[str]:
    """Take our entries out of every client's file; one that then says nothing goes. Returns what was touched."""
    touched = []
    for one in installed(repo):
        text = one.before
        rest = _without(one.client, text)
        if not rest.strip() or (one.client is not AIDER and _says_nothing(one.client, rest)):
            one.path.unlink()
        else:
            write_whole(one.path, rest.encode("utf-8", "surrogateescape"))
        touched.append(str(one.path))
    return touched


def _without(client: Client, text: str) -> str:
    if client.template:
        return ""
    return aider.take_out(text) if client is AIDER else without_hooks(text)


def _says_nothing(client: Client, text: str) -> bool:
    """Whether a file is just what is left of one that we made."""
    return text == (splice.NEW if client is FAZM else without_hooks(with_hooks(client, "")))
