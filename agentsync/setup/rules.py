"""The files of ours in a work tree, rules for agents and clients' hooks, and what becomes of those that git ignores."""

from __future__ import annotations

import contextlib
import functools
import os
from pathlib import Path

from agentsync.files import read_or_empty, write_whole
from agentsync.git.refs import worktrees
from agentsync.git.repo import Repo
from agentsync.holders.per_clone import ignored, keep, kept_names
from agentsync.lean import TYPE_CHECKING
from agentsync.setup import blocks
from agentsync.setup.clients.install import asked_for, put_into, taken_out_of
from agentsync.setup.clients.table import CLIENTS, COMMAND
from agentsync.setup.resources import TEMPLATES

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsync.setup.clients.table import Client

RULES = "AGENTS.md"
IMPORTS = ("CLAUDE.md", "GEMINI.md")


def template(name: str) -> str:
    """A file of `templates/`."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def with_rules(name: str, text: str) -> str:
    """A rules file with ours: the block, or the import of AGENTS.md; what imports it already stays."""
    if name == RULES:
        return blocks.put(text or template("AGENTS.head.md"), template(RULES))
    return text if "@AGENTS.md" in text or "@./AGENTS.md" in text else blocks.put(text, template(name))


def rules_files(repo: Repo, clients: list[str]) -> list[str]:
    """The rules files of a work tree, by the clients set up; CLAUDE.md may be AGENTS.md by another name."""
    claude, agents = Path(repo.top, "CLAUDE.md"), Path(repo.top, RULES)
    same = claude.exists() and agents.exists() and agents.samefile(claude)
    return [RULES, *([] if same else ["CLAUDE.md"]), *(["GEMINI.md"] if "gemini" in clients else [])]


def write_rules(repo: Repo, name: str) -> bool:
    """Bring a rules file of a work tree up to date; whether that changed it."""
    return _rewrite(repo, name, lambda text: with_rules(name, text))


def spread(repo: Repo) -> list[str]:
    """Write what git ignores here of ours into every worktree, and keep it for those to come.

    Returns the files that were written. A file that git does not ignore in a worktree comes there by a merge.
    """
    clients = _clients_by_file()
    asked = {file: one for file, one in clients.items() if one.name in asked_for(repo)}
    names = ignored(repo, [*rules_files(repo, [one.name for one in asked.values()]), *asked])
    keep(repo, {name: _text(name, "", asked) for name in names})
    written = []
    for worktree in worktrees(repo) if names else ():
        if not worktree.present:
            continue
        there = Repo(os.path.realpath(worktree.top), worktree.git_dir, repo.common_dir, repo.environ)
        for name in ignored(there, names):
            if _rewrite(there, name, functools.partial(_text, name, clients=asked)):
                written.append(os.path.join(there.top, name))
    return written


def lacking(repo: Repo) -> list[tuple[str, str]]:
    """The files of a worktree that should have something of ours and have not, each with what to say."""
    found = []
    if blocks.find(read_or_empty(Path(repo.top, RULES)).decode("utf-8", "replace")) is None:
        found.append((RULES, f"its {RULES} has no rules for agents"))
    for file, one in _clients_by_file().items():
        text = read_or_empty(Path(repo.top, file)).decode("utf-8", "surrogateescape")
        if one.hooks and one.name in asked_for(repo) and COMMAND not in text:
            found.append((file, f"no hook of {one.name} is in its {file}"))
    return found


def take_back(repo: Repo) -> list[str]:
    """Take what `spread` wrote out of every worktree; a file that then says nothing of its own goes."""
    touched = []
    clients = _clients_by_file()
    names = kept_names(repo)
    for worktree in worktrees(repo) if names else ():
        there = Repo(os.path.realpath(worktree.top), worktree.git_dir, repo.common_dir, repo.environ)
        for name in ignored(there, names) if worktree.present else ():
            path = os.path.join(there.top, name)
            if name in clients and there.top == os.path.realpath(repo.top):
                continue  # what stood there before is known, and put back with the clients' other files
            before = read_or_empty(path).decode("utf-8", "surrogateescape")
            after = taken_out_of(repo, clients[name], before) if name in clients else blocks.take_out(before)
            if before and before == _text(name, "", clients):
                os.unlink(path)
                with contextlib.suppress(OSError):  # a folder with something else in it stays
                    os.rmdir(os.path.dirname(path))
            elif before != after:
                write_whole(path, after.encode("utf-8", "surrogateescape"))
            touched += [path] if before and before != after else []
    return touched


def _clients_by_file() -> dict[str, Client]:
    """The clients whose file lies in each worktree."""
    return {one.file: one for one in CLIENTS.values() if not one.in_main and not one.file.startswith("~/")}


def _text(name: str, before: str, clients: dict[str, Client]) -> str:
    """What a file becomes with ours; rules that somebody changed by hand stay as they are."""
    if name in clients:
        return put_into(clients[name], before)
    found = blocks.find(before)
    return before if found is not None and found.edited else with_rules(name, before)


def _rewrite(repo: Repo, name: str, change: Callable[[str], str]) -> bool:
    path = os.path.join(repo.top, name)
    before = read_or_empty(path).decode("utf-8", "surrogateescape")
    after = change(before)
    if after == before:
        return False
    write_whole(path, after.encode("utf-8", "surrogateescape"))
    return True
