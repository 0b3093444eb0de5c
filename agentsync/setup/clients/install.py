"""Clients' files in a repository: what `init` would write, what `doctor` finds, what `uninstall` takes out."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from pathlib import Path

from agentsync.files import read_or_empty, write_whole
from agentsync.git.repo import Repo
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.setup.clients import aider, splice
from agentsync.setup.clients.table import AIDER, CLIENTS, COMMAND, FAZM, Client, is_ours
from agentsync.setup.resources import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Iterable

OUR_SKILL = "agentsync"


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
        text = (TEMPLATES / client.template).read_text(encoding="utf-8")
        foreign = bool(before) and not _has_ours(repo, client, path)
        return Planned(client, path, before, before if foreign else text, "it is somebody's own" if foreign else "")
    if client is AIDER:
        after, left = aider.put(before)
        return Planned(client, path, before, after, "\n".join(left))
    try:
        after = _with_server(repo, before) if client is FAZM else with_hooks(client, before)
    except ValueError as error:
        return Planned(client, path, before, before, f"{error}; add to it:\n{with_hooks(client, '')}".rstrip())
    return Planned(client, path, before, after)


def with_hooks(client: Client, text: str) -> str:
    """A client's file with our entries, once each and as they are now.

    Raises ValueError for a file that is no JSON, or of another shape.
    """
    if _entries(text) == sorted(json.dumps(pair, sort_keys=True) for pair in client.hooks):
        return text
    done = splice.take_out(text, is_ours) if text.strip() else splice.NEW
    for key, value in client.fixed:
        done = splice.put(done, [key], value)
    for event, entry in client.hooks:
        done = splice.append(done, ["hooks", event], entry)
    return done


def without_hooks(text: str) -> str:
    """A client's file without our entries; ValueError as above."""
    return splice.take_out(text, is_ours)


def _entries(text: str) -> list[str]:
    """Our entries in a file, each with its event, as sorted JSON."""
    value = splice.parsed(text).value if text.strip() else {}
    hooks = value.get("hooks") if isinstance(value, dict) else None
    found = [
        (event, entry)
        for event, entries in (hooks.items() if isinstance(hooks, dict) else ())
        for entry in (entries if isinstance(entries, list) else ())
        if is_ours(entry)
    ]
    return sorted(json.dumps(pair, sort_keys=True) for pair in found)


def _server(repo: Repo) -> dict[str, object]:
    """Our MCP server for this repository: a desktop agent has no terminal's PATH, and works in the user's home."""
    command = shutil.which("agentsync") or os.path.join(os.path.dirname(sys.executable), "agentsync")
    top = os.path.dirname(repo.common_dir) if os.path.basename(repo.common_dir) == ".git" else repo.top
    return {"command": command, "args": ["mcp", "--repo", top, "--agent", "fazm"], "env": {}, "enabled": True}


def _is_server_of(repo: Repo, value: object) -> bool:
    """Whether a value is our MCP server for this repository; the file is the user's, for all of them."""
    return isinstance(value, dict) and value.get("args") == _server(repo)["args"]


def _with_server(repo: Repo, text: str) -> str:
    """Fazm's servers with ours; a name that another has is left to it."""
    text = text if text.strip() else splice.NEW
    value = splice.parsed(text).value
    servers = value if isinstance(value, dict) else {}
    if _server(repo) in servers.values():
        return text
    done = _without_server(repo, text)
    taken = splice.parsed(done).value
    names = ["agentsync", *(f"agentsync-{number}" for number in range(2, 100))]
    free = next(name for name in names if not isinstance(taken, dict) or name not in taken)
    return splice.put(done, [free], _server(repo))


def _without_server(repo: Repo, text: str) -> str:
    return splice.take_out(text, lambda value: _is_server_of(repo, value)) if text.strip() else text


def write(repo: Repo, planned: Iterable[Planned]) -> None:
    """Write what was planned; what stood there before is kept, so that `uninstall` can put back just that."""
    planned = list(planned)
    _note_asked(repo, {one.client.name for one in planned})
    for one in planned:
        if not one.changes:
            continue
        if one.path.exists() and not _kept(repo, one.client).exists() and not _has_ours(repo, one.client, one.path):
            write_whole(_kept(repo, one.client), one.before.encode("utf-8", "surrogateescape"))
        write_whole(one.path, one.after.encode("utf-8", "surrogateescape"))


def _note_asked(repo: Repo, names: set[str]) -> None:
    file = _asked_file(repo)
    write_whole(file, "\n".join(sorted(names | set(read_or_empty(file).decode().split()))).encode())


def _asked_file(repo: Repo) -> Path:
    return Path(repo.shared_dir) / "clients" / "asked-for"


def asked_for(repo: Repo) -> list[str]:
    """The clients that `init` was asked for in this clone."""
    return [name for name in read_or_empty(_asked_file(repo)).decode().split() if name in CLIENTS]


def put_into(client: Client, text: str) -> str:
    """A client's file in a worktree, with ours; one of a shape that is not ours to change stays."""
    if client.template:
        return text or (TEMPLATES / client.template).read_text(encoding="utf-8")
    try:
        return aider.put(text)[0] if client is AIDER else with_hooks(client, text)
    except ValueError:
        return text


def taken_out_of(repo: Repo, client: Client, text: str) -> str:
    """The same file without ours."""
    try:
        return _without(repo, client, text)
    except ValueError:
        return text


def bare(repo: Repo) -> list[Planned]:
    """The clients that `init` was asked for and that have nothing of ours now, not even put in by hand."""
    names = asked_for(repo)
    there = {one.client.name for one in installed(repo)}
    missing = [_planned(repo, CLIENTS[name]) for name in names if name not in there]
    undone = [one for one in missing if one.changes or (one.left and one.client.hooks)]
    return [one for one in undone if COMMAND not in one.before]


def switched_off(one: Planned) -> bool:
    """Whether a client's own setting keeps its hooks from running (Claude Code's `disableAllHooks`)."""
    try:
        value = splice.parsed(one.before).value if one.client.hooks else {}
    except ValueError:
        return False
    return isinstance(value, dict) and value.get("disableAllHooks") is True


def _kept(repo: Repo, client: Client) -> Path:
    """Where the text is kept that a client's file had before us."""
    return Path(repo.shared_dir) / "clients" / client.name


def installed(repo: Repo) -> list[Planned]:
    """The clients with something of ours in their files, as `init` would leave them now."""
    return [_planned(repo, one) for one in CLIENTS.values() if _has_ours(repo, one, path_of(repo, one))]


def _has_ours(repo: Repo, client: Client, path: Path) -> bool:
    text = read_or_empty(path).decode("utf-8", "surrogateescape")
    try:
        return bool(text.strip()) and _without(repo, client, text) != text
    except ValueError:
        return False


def take_out(repo: Repo) -> list[str]:
    """Take our entries out of every client's file; one that then says nothing goes. Returns what was touched."""
    touched = []
    for one in installed(repo):
        kept = _kept(repo, one.client)
        before = read_or_empty(kept).decode("utf-8", "surrogateescape")
        if kept.exists() and _again(repo, one.client, before) == one.before:
            write_whole(one.path, before.encode("utf-8", "surrogateescape"))
        elif (rest := _without(repo, one.client, one.before)).strip() and not _says_nothing(one.client, rest):
            write_whole(one.path, rest.encode("utf-8", "surrogateescape"))
        else:
            one.path.unlink()
            with contextlib.suppress(OSError):  # a folder with something else in it stays
                one.path.parent.rmdir()
        touched.append(str(one.path))
    return touched


def _again(repo: Repo, client: Client, text: str) -> str:
    """What a client's file becomes with ours put into `text`."""
    if client is AIDER:
        return aider.put(text)[0]
    return _with_server(repo, text) if client is FAZM else with_hooks(client, text)


def _without(repo: Repo, client: Client, text: str) -> str:
    if client.template:
        return "" if f"\nname: {OUR_SKILL}\n" in text else text
    if client is AIDER:
        return aider.take_out(text)
    return _without_server(repo, text) if client is FAZM else without_hooks(text)


def _says_nothing(client: Client, text: str) -> bool:
    """Whether a file is just what is left of one that we made."""
    return text == (without_hooks(with_hooks(client, "")) if client.hooks else splice.NEW)
