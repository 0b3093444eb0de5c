"""`uninstall`: restores what was before `init`; the committed files are listed, not touched."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agentsync.files import read_or_empty
from agentsync.git.refs import worktrees
from agentsync.git.repo import ROOM, Repo, private_dir_of
from agentsync.locks.markers import take_away
from agentsync.locks.query import all_locks
from agentsync.setup import blocks
from agentsync.setup.clients.install import take_out as take_out_of_clients
from agentsync.setup.drivers import remove_drivers
from agentsync.setup.excludes import ENV_FILE, remove_excludes
from agentsync.setup.hooks import remove_hooks
from agentsync.setup.rules import take_back
from agentsync.state.store import Store


def uninstall(repo: Repo) -> list[str]:
    """Take everything of ours out of this clone; return what was touched."""
    store = Store(repo.shared_dir, repo.environ)
    take_away(repo, [held.lock for held in all_locks(repo, store.snapshot())])
    touched = remove_hooks(repo) + remove_drivers(repo)
    touched += remove_excludes(repo) + take_back(repo) + take_out_of_clients(repo)
    repo.git("config", "--unset-all", "agentsync.base", ok=())
    repo.git("config", "--remove-section", "agentsync", ok=())
    if os.path.isdir(os.path.join(repo.shared_dir, ROOM)):
        repo.git("worktree", "remove", "--force", "--force", os.path.join(repo.shared_dir, ROOM), ok=())
    for worktree in worktrees(repo):
        Path(worktree.top, ENV_FILE).unlink(missing_ok=True)
        shutil.rmtree(private_dir_of(worktree.git_dir), ignore_errors=True)
    if os.path.isdir(repo.shared_dir):
        shutil.rmtree(repo.shared_dir)
        touched.append(f"{repo.shared_dir}/ (locks, claims, numbers and their history)")
    return touched


def committed_files(repo: Repo) -> list[str]:
    """Files of ours that belong to the repository: for a person to remove by a commit."""
    found = [name for name in ("agentsync.toml",) if os.path.exists(os.path.join(repo.top, name))]
    for name in ("AGENTS.md", "CLAUDE.md", "GEMINI.md"):
        if blocks.find(read_or_empty(Path(repo.top) / name).decode("utf-8", "replace")):
            found.append(f"{name} (the agentsync block)")
    return found
