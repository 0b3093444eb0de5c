"""Where am I: the repository and the worktree that a command or a hook runs in."""

from __future__ import annotations

import os

from agentsync.errors import NoRepositoryError
from agentsync.git.run import Result, handed_environment, run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOM = "agentsync-room"  # the worktree of our own where landings are tried out; nobody works in it
MAIN_WORKTREE = ".main"  # git derives ids from folder names and never starts one with a dot


class Repo(NamedTuple):
    """One worktree of a repository; all folders are absolute."""

    top: str
    git_dir: str
    common_dir: str
    environ: Mapping[str, str]

    @property
    def worktree_id(self) -> str:
        """git's own id of the worktree, unique in the repository."""
        return MAIN_WORKTREE if self.git_dir == self.common_dir else os.path.basename(self.git_dir)

    @property
    def shared_dir(self) -> str:
        """The folder of ours that all worktrees share."""
        return os.path.join(self.common_dir, "agentsync")

    @property
    def private_dir(self) -> str:
        """The folder of ours that belongs to this worktree alone and goes with it."""
        return private_dir_of(self.git_dir)

    def git(self, *arguments: str | bytes, stdin: bytes = b"", ok: Sequence[int] = (0,)) -> Result:
        """Run git for this worktree, with the index that git handed to the hook, if it did."""
        place = ("-C", self.top, f"--git-dir={self.git_dir}", f"--work-tree={self.top}")
        return run_git([*place, *arguments], handed_environment(self.environ), stdin=stdin, ok=ok)

    def lines(self, *arguments: str | bytes, ok: Sequence[int] = (0,)) -> list[str]:
        """The output of a git call as lines of text."""
        text = self.git(*arguments, ok=ok).out.decode("utf-8", "surrogateescape")
        return text.removesuffix("\n").split("\n") if text else []


def make_private_dir(private_dir: str) -> None:
    """Make a worktree's folder of ours where it is missing, but not the git directory that it lies in.

    Raises OSError where that is gone: a worktree that is removed meanwhile stays removed.
    """
    try:
        os.mkdir(private_dir)
    except FileExistsError:
        return


def private_dir_of(git_dir: str) -> str:
    """The folder of ours inside a worktree's administrative folder."""
    return os.path.join(git_dir, "agentsync-worktree")


def check_worktree(common_dir: str) -> str:
    """The folder of our own worktree, where landings are tried out; nobody works in it."""
    return os.path.join(common_dir, "agentsync", ROOM)


def admin_dir_of(common_dir: str, worktree_id: str) -> str:
    """The administrative folder (`GIT_DIR`) of a worktree, by git's id of it."""
    return common_dir if worktree_id == MAIN_WORKTREE else os.path.join(common_dir, "worktrees", worktree_id)


def read_line(path: str) -> str:
    """The first line of a small file, empty when there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline().rstrip("\n")
    except OSError:
        return ""


def _resolved_git_dir(start: str, environ: Mapping[str, str]) -> str:
    git_dir = os.path.join(start, environ.get("GIT_DIR") or ".git")
    if os.path.isfile(git_dir):
        git_dir = os.path.join(start, read_line(git_dir).removeprefix("gitdir: "))
    return os.path.realpath(git_dir)


def from_hook(environ: Mapping[str, str]) -> Repo:
    """The repository that git runs a hook for, found without starting a process.

    git starts hooks at the top of the work tree, with `GIT_DIR` set in linked worktrees only
    (gitrepository-layout(5), githooks(5)).
    Raises NoRepositoryError where that does not hold.
    """
    start = os.getcwd()
    git_dir = _resolved_git_dir(start, environ)
    if not os.path.exists(os.path.join(git_dir, "HEAD")):
        raise NoRepositoryError("not inside a git repository", f"no git directory at {git_dir}")
    common = read_line(os.path.join(git_dir, "commondir"))
    common_dir = os.path.realpath(os.path.join(git_dir, common)) if common else git_dir
    top = os.path.realpath(os.path.join(start, environ.get("GIT_WORK_TREE") or ""))
    if (top + os.sep).startswith(common_dir + os.sep):
        pointer = read_line(os.path.join(git_dir, "gitdir"))
        top = os.path.dirname(pointer or common_dir)
    return Repo(top, git_dir, common_dir, environ)


def around(environ: Mapping[str, str], folder: str) -> Repo | None:
    """The repository whose `.git` lies in a folder or the nearest one above; None where only git can tell."""
    if any(environ.get(name) for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_CEILING_DIRECTORIES")):
        return None
    folder = os.path.realpath(folder)
    while not os.path.exists(os.path.join(folder, ".git")):
        if os.path.exists(os.path.join(folder, "HEAD")) or folder == os.path.dirname(folder):
            return None  # perhaps inside a git directory, or a bare repository
        folder = os.path.dirname(folder)
    git_dir = _resolved_git_dir(folder, environ)
    if not os.path.exists(os.path.join(git_dir, "HEAD")):
        return None
    common = read_line(os.path.join(git_dir, "commondir"))
    return Repo(folder, git_dir, os.path.realpath(os.path.join(git_dir, common)) if common else git_dir, environ)


def working_folder(environ: Mapping[str, str]) -> str:
    """Where this process works.

    Raises NoRepositoryError where that folder is gone, as of a worktree that was removed meanwhile.
    """
    try:
        return os.getcwd()
    except FileNotFoundError:
        was = environ.get("PWD", "")
    above = os.path.dirname(was) if os.path.isabs(was) else os.path.expanduser("~")
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    beside = above.removesuffix(".worktrees")  # where `worktree add` makes them, by default
    above = beside if os.path.isdir(beside) else above
    what = "the folder that this was started in is gone" + (f": {one_line(was)}" if was else "")
    why = "such as of a worktree that was removed; go to one that is there"
    raise NoRepositoryError(what, why, f"cd {shell_word(above)}")


def discover(environ: Mapping[str, str], *, bare: bool = False) -> Repo:
    """The repository around the working directory, as git itself finds it.

    Raises NoRepositoryError outside of a repository, and in a bare one unless `bare` allows it: its top is then the
    git directory.
    """
    found = around(environ, working_folder(environ))
    if found:
        return found
    question = ["rev-parse", "--path-format=absolute", "--is-bare-repository", "--git-dir", "--git-common-dir"]
    asked = run_git(question, dict(environ), ok=())
    if asked.code != 0:
        why = asked.err.decode("utf-8", "replace").strip().splitlines()
        raise NoRepositoryError(
            "not inside a git repository", why[-1] if why else "git found none", "cd into one, or run: git init"
        )
    is_bare, git_dir, common_dir = asked.out.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    top = run_git(["rev-parse", "--path-format=absolute", "--show-toplevel"], dict(environ), ok=())
    if bare and is_bare == "true":
        return Repo(os.path.realpath(git_dir), os.path.realpath(git_dir), os.path.realpath(common_dir), environ)
    if is_bare == "true" or top.code != 0:
        raise NoRepositoryError(
            "this repository has no work tree here",
            "it is bare, or this is inside its .git folder; locks and claims belong to worktrees",
            "git worktree add ../work && cd ../work",
        )
    path = top.out.decode("utf-8", "surrogateescape").removesuffix("\n")
    return Repo(path, os.path.realpath(git_dir), os.path.realpath(common_dir), environ)


def git_elsewhere(
    environ: Mapping[str, str], folder: str, *arguments: str | bytes, stdin: bytes = b"", ok: Sequence[int] = (0,)
) -> Result:
    """Run git in another worktree, with every variable scrubbed that would tie it to this one."""
    return run_git(["-C", folder, *arguments], scrubbed_environment(environ), stdin=stdin, ok=ok)


def git_version(environ: Mapping[str, str]) -> tuple[int, ...]:
    """git's version as numbers, such as (2, 39, 5)."""
    words = run_git(["version"], dict(environ)).out.decode().split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(n) for n in numbers if n.isdigit())
