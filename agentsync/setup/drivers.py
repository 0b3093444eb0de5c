"""Merge drivers in this clone: git's configuration and the common `info/attributes`, which all worktrees share."""

from __future__ import annotations

import os
from pathlib import Path

from agentsync.git.repo import Repo
from agentsync.setup.files import read_or_empty, write_whole
from agentsync.setup.hooks import shim
from agentsync.text import shell_word

DRIVERS = ("tasks", "lineage")
TASKS_LINE = "/TASKS.md merge=agentsync-tasks"


def driver_script(repo: Repo) -> str:
    """The sh wrapper that git starts; without agentsync, or when it fails, it ends in git's own merge."""
    return os.path.join(repo.shared_dir, "merge-driver")


def install_drivers(repo: Repo) -> None:
    """Make the drivers known to git in this clone."""
    write_whole(Path(driver_script(repo)), shim("merge-driver", ""), 0o755)
    for name in DRIVERS:
        command = f"{shell_word(driver_script(repo))} {name} %O %A %B %L %P"
        repo.git("config", f"merge.agentsync-{name}.name", f"agentsync: {name}")
        repo.git("config", f"merge.agentsync-{name}.driver", command)
    path = attributes_file(repo)
    text = read_or_empty(path)
    if TASKS_LINE.encode() not in text.splitlines():
        gap = b"" if not text or text.endswith(b"\n") else b"\n"
        write_whole(path, text + gap + TASKS_LINE.encode() + b"\n")


def remove_drivers(repo: Repo) -> list[str]:
    """Take the drivers away again; return what was touched."""
    touched = []
    for name in DRIVERS:
        if repo.git("config", "--remove-section", f"merge.agentsync-{name}", ok=()).code == 0:
            touched.append(f"git config merge.agentsync-{name}")
    path = attributes_file(repo)
    lines = read_or_empty(path).splitlines(keepends=True)
    kept = [line for line in lines if b"merge=agentsync-" not in line]
    if kept != lines:
        if kept:
            write_whole(path, b"".join(kept))
        else:
            path.unlink()
        touched.append(str(path))
    Path(driver_script(repo)).unlink(missing_ok=True)
    return touched


def attributes_file(repo: Repo) -> Path:
    """The attributes that all worktrees share and no branch can lack."""
    return Path(repo.common_dir) / "info" / "attributes"
