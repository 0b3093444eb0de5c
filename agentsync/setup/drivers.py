"""Merge drivers in this clone: git's configuration and the common `info/attributes`, which all worktrees share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from agentsync.config.patterns import matches
from agentsync.drivers.main import DRIVERS
from agentsync.drivers.structure import PROGRAM, SUFFIXES
from agentsync.files import read_or_empty, write_whole
from agentsync.git.repo import Repo
from agentsync.merging.formats import FORMATS
from agentsync.merging.generated import KNOWN
from agentsync.setup.hooks import shim
from agentsync.text import shell_word

TASKS_LINE = "/TASKS.md merge=agentsync-tasks"


def driver_script(repo: Repo) -> str:
    """The sh wrapper that git starts; without agentsync, or when it fails, it ends in git's own merge."""
    return os.path.join(repo.shared_dir, "merge-driver")


def install_drivers(repo: Repo) -> None:
    """Make the drivers known to git in this clone."""
    write_whole(Path(driver_script(repo)), shim("merge-driver", ""), 0o755)
    rows = (
        repo.git("config", "-z", "--local", "--get-regexp", r"^merge\.agentsync-", ok=(0, 1)).out.decode().split("\0")
    )
    known = dict(row.partition("\n")[::2] for row in rows if row)
    wanted: dict[str, str] = {}
    for name in DRIVERS:
        # where the script is gone git would leave ours without markers, and theirs would be lost by an `add -A`
        script = shell_word(driver_script(repo))
        lines = "git merge-file --marker-size=%L -L ours -L base -L theirs %A %O %B"
        command = f"if [ -x {script} ]; then {script} {name} %O %A %B %L %P; else {lines}; fi"
        wanted |= {f"merge.agentsync-{name}.name": f"agentsync: {name}", f"merge.agentsync-{name}.driver": command}
    for key, value in wanted.items():
        if known.get(key) != value:  # git locks its configuration for each write, and a killed one leaves the lock
            repo.git("config", key, value)
    path = attributes_file(repo)
    text = read_or_empty(path)
    rows_wanted = [line.encode() for line in attribute_lines(repo)]
    missing = [line for line in rows_wanted if line not in text.splitlines()]
    if missing:  # ours first, so that any line of the user's own wins; one that named another driver of ours goes
        changed = {line.partition(b" merge=")[0] + b" merge=agentsync-" for line in missing}
        kept = [row for row in text.splitlines(keepends=True) if not row.startswith(tuple(changed))]
        write_whole(path, b"".join(line + b"\n" for line in missing) + b"".join(kept))


def attribute_lines(repo: Repo) -> list[str]:
    """The lines for `info/attributes`; files whose merge the repository's own attributes set are left to those."""
    patterns: dict[str, str] = {}
    if shutil.which(PROGRAM, path=repo.environ.get("PATH")):
        patterns = {f"*.{suffix}": "source" for suffix in SUFFIXES}
    for one in reversed(FORMATS):  # of two lines for a path git takes the last, `format_of` the first
        driver = "lines" if one.by_lines else "formats"
        patterns |= {pattern: driver for pattern in one.patterns if pattern not in patterns}
    patterns |= {name: "regenerate" for name, _ in KNOWN}
    taken = _merged_by_others(repo)
    lines = [
        f"{f'**/{pattern}' if '/' in pattern else pattern} merge=agentsync-{driver}"
        for pattern, driver in patterns.items()
        if not any(matches([f"**/{pattern}" if "/" in pattern else pattern], path) for path in taken)
    ]
    return [*lines, TASKS_LINE]


def _merged_by_others(repo: Repo) -> list[bytes]:
    """The tracked paths for which somebody else set a merge driver."""
    tracked = repo.git("ls-files", "-z").out
    rows = repo.git("check-attr", "-z", "--stdin", "merge", stdin=tracked).out.split(b"\0")
    found = zip(rows[0::3], rows[2::3], strict=False)
    return [path for path, value in found if value != b"unspecified" and not value.startswith(b"agentsync-")]


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
