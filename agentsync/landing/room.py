"""The room: a worktree of our own where merged trees are laid out, generated files made anew and checks run.

It is kept from one landing to the next, so that what is ignored there (installed packages, build caches) stays.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess

from agentsync.errors import GitError
from agentsync.git.objects import GITLINK
from agentsync.git.refs import linked_worktrees
from agentsync.git.repo import ROOM, Repo, check_worktree, git_elsewhere
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NO_HOOKS = ("-c", f"core.hooksPath={os.devnull}")


class Ran(NamedTuple):
    """How a command ended: whether it passed, in words if not, the file that has its output, and its exit code."""

    passed: bool
    why: str
    log: str
    code: int


def room_path(repo: Repo) -> str:
    """Where the room is."""
    return check_worktree(repo.common_dir)


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
    """Lay out the submodules that this clone has, from its own copies: nothing is fetched.

    Raises GitError where a copy is there and lacks the commit: a check on other files would tell nothing.
    """
    names = git_elsewhere(repo.environ, place, "config", "--file", ".gitmodules", "--name-only", "--get-regexp",
                          r"^submodule\..*\.path$", ok=()).out.decode("utf-8", "surrogateescape")  # fmt: skip
    for key in names.splitlines():
        name = key.removeprefix("submodule.").removesuffix(".path")
        path = git_elsewhere(repo.environ, place, "config", "--file", ".gitmodules", key).out.decode().strip()
        entry = git_elsewhere(repo.environ, place, "ls-files", "--stage", "--", path, ok=()).out.decode().split()
        copies = _copies_of(repo, name)
        if not copies or entry[:1] != [GITLINK]:
            continue
        having = [one for one in copies if _has(repo, one, entry[1])]
        if not having:
            why = f"no worktree of this clone has its commit {entry[1][:12]}, and the check would miss it"
            raise GitError(f"submodule {name} cannot be laid out", why, f"git submodule update -- {shell_word(path)}")
        _lay_out(repo, having[0], entry[1], os.path.join(place, path))


def _copies_of(repo: Repo, name: str) -> list[str]:
    """The git directories of a submodule: the main worktree's, and those of linked ones."""
    folders = [repo.common_dir, *(one.git_dir for one in linked_worktrees(repo.common_dir))]
    return [place for folder in folders if os.path.isdir(place := os.path.join(folder, "modules", name))]


def _has(repo: Repo, git_dir: str, commit: str) -> bool:
    words = (f"--git-dir={git_dir}", "cat-file", "-e", commit + "^{commit}")
    return git_elsewhere(repo.environ, repo.common_dir, *words, ok=()).code == 0


def _lay_out(repo: Repo, git_dir: str, commit: str, folder: str) -> None:
    """Put a commit's files into a folder that has nothing else afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    index = os.path.join(repo.shared_dir, "submodule.index")
    environ = {**scrubbed_environment(repo.environ), "GIT_INDEX_FILE": index}
    try:
        place = ["-C", folder, f"--git-dir={git_dir}", f"--work-tree={folder}"]
        run_git([*place, *_NO_HOOKS, "read-tree", "-u", "--reset", commit], environ)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(index)


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
            code, why, ends_all = -1, f"it took more than {int(seconds)}s", True
        finally:
            if ends_all or process.poll() is None:
                _end_group(process)
    return Ran(not why, why, log, code)


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
