"""The room: a worktree of our own where merged trees are laid out, generated files made anew and checks run.

It is kept from one landing to the next, so that what is ignored there (installed packages, build caches) stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess

from agentsync.errors import GitError
from agentsync.git.repo import ROOM, Repo, git_elsewhere
from agentsync.git.run import scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


class Ran(NamedTuple):
    """How a command ended: whether it passed, in words if not, and the file that has its output."""

    passed: bool
    why: str
    log: str


def room_path(repo: Repo) -> str:
    """Where the room is."""
    return os.path.join(repo.shared_dir, ROOM)


def enter_room(repo: Repo, tree: str) -> str:
    """Lay a tree (or commit) out in the room, made where there is none; return its folder.

    Raises GitError where it cannot be, as when the disk is full.
    """
    place = room_path(repo)
    if not os.path.exists(os.path.join(place, ".git")):
        flags = ("--detach", "--no-checkout", "--force", "--quiet")
        repo.git(*_NO_HOOKS, "worktree", "add", *flags, place, "HEAD")
    lock = os.path.join(repo.common_dir, "worktrees", ROOM, "index.lock")
    if os.path.exists(lock):  # whoever left it is dead: only the one lander works here
        os.unlink(lock)
    whole = ("-c", "core.sparseCheckout=false")
    git_elsewhere(repo.environ, place, *_NO_HOOKS, *whole, "read-tree", "--reset", "-u", tree)
    git_elsewhere(repo.environ, place, "clean", "-ffdq")
    _enter_submodules(repo, place)
    return place


def _enter_submodules(repo: Repo, place: str) -> None:
    """Check out the submodules that this clone has, from its own copies: nothing is fetched."""
    names = git_elsewhere(repo.environ, place, "config", "--file", ".gitmodules", "--name-only", "--get-regexp",
                          r"^submodule\..*\.path$", ok=()).out.decode("utf-8", "surrogateescape")  # fmt: skip
    for key in names.splitlines():
        name = key.removeprefix("submodule.").removesuffix(".path")
        own = os.path.join(repo.common_dir, "modules", name)
        if os.path.isdir(own):
            path = git_elsewhere(repo.environ, place, "config", "--file", ".gitmodules", key).out.decode().strip()
            settings = ("-c", f"submodule.{name}.url={own}", "-c", "protocol.file.allow=always")
            words = (*_NO_HOOKS, *settings, "submodule", "--quiet", "update", "--init", "--force", "--", path)
            git_elsewhere(repo.environ, place, *words, ok=())


def written_in_room(repo: Repo, paths: Sequence[bytes]) -> str:
    """The tree of the room with `paths` as they are there now."""
    place = room_path(repo)
    git_elsewhere(repo.environ, place, "--literal-pathspecs", "add", "--", *paths)
    return git_elsewhere(repo.environ, place, "write-tree").out.decode().strip()


def run_command(
    repo: Repo,
    command: str,
    folder: str,
    seconds: float,
    extra: Mapping[str, str] | None = None,
    *,
    ends_all: bool = True,
) -> Ran:
    """Run a shell command, its output to a file; all that it started ends with it, or only when it takes too long.

    `seconds` bounds it. Nothing of an agent's or git's hook environment that names a repository reaches it.
    """
    log = os.path.join(repo.shared_dir, "command.log")
    environ = {**scrubbed_environment(repo.environ), **(extra or {})}
    with open(log, "wb") as file:
        process = subprocess.Popen(  # noqa: S602 (a shell command is what the setting holds)
            command, shell=True, cwd=folder, env=environ, stdin=subprocess.DEVNULL, stdout=file, stderr=file,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
            why = "" if code == 0 else f"it ended with {code}"
        except subprocess.TimeoutExpired:
            why, ends_all = f"it took more than {int(seconds)}s", True
        finally:
            if ends_all or process.poll() is None:
                _end_group(process)
    return Ran(not why, why, log)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_lines(log: str, count: int = 15) -> list[str]:
    """The end of a command's output."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - 8192))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError as error:
        raise GitError("the command's output is gone", str(error)) from error
