"""Refs and worktrees, read from git's own files where they are plain files, else asked of git.

gitrepository-layout(5) fixes `HEAD`, loose refs and `packed-refs`; with the reftable backend git is asked.
"""

from __future__ import annotations

import os

from agentsync.git.repo import MAIN_WORKTREE, Repo, admin_dir_of, check_worktree, private_dir_of, read_line
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADS = "refs/heads/"


def is_zero(object_id: str) -> bool:
    """Whether an id is the null id, of any hash length."""
    return not object_id.strip("0")


def resolve_ref(repo: Repo, ref: str) -> str:
    """The commit id that a full ref name points at, empty when there is none."""
    if is_reftable(repo):
        return repo.git("rev-parse", "--verify", "--quiet", ref, ok=(0, 1)).out.decode().strip()
    value = read_line(os.path.join(repo.common_dir, ref))
    if value.startswith("ref: "):
        return resolve_ref(repo, value[5:])
    return value or _packed(repo.common_dir, ref)


def final_ref(repo: Repo, ref: str) -> str:
    """The ref that a symbolic ref stands for in the end (git-symbolic-ref(1)); another ref is itself."""
    for _ in range(5):  # git follows no more
        if is_reftable(repo):
            value = repo.git("symbolic-ref", "--quiet", ref, ok=(0, 1)).out.decode("utf-8", "surrogateescape").strip()
        else:
            value = read_line(os.path.join(repo.common_dir, ref))
            value = value[5:] if value.startswith("ref: ") else ""
        if not value:
            break
        ref = value
    return ref


def is_reftable(repo: Repo) -> bool:
    """Whether refs are kept in tables, which only git reads."""
    return os.path.isdir(os.path.join(repo.common_dir, "reftable"))


def _packed(common_dir: str, ref: str) -> str:
    try:
        with open(os.path.join(common_dir, "packed-refs"), "rb") as file:
            data = file.read()
    except OSError:
        return ""
    end = data.find(b" " + os.fsencode(ref) + b"\n")
    if end < 0:
        return ""
    return data[data.rfind(b"\n", 0, end) + 1 : end].decode("ascii", "replace")


class Head(NamedTuple):
    """What a worktree's HEAD is: a full branch ref (empty when detached) and a commit (empty when unborn)."""

    branch: str
    commit: str


def head_of(repo: Repo, git_dir: str = "") -> Head:
    """HEAD of this worktree, or of the one whose administrative folder is given."""
    value = read_line(os.path.join(git_dir or repo.git_dir, "HEAD"))
    if value.startswith("ref: refs/heads/.invalid"):  # the stub that the reftable backend leaves
        return _asked_head(repo, git_dir or repo.git_dir)
    if value.startswith("ref: "):
        return Head(value[5:], resolve_ref(repo, value[5:]))
    return Head("", value)


def _asked_head(repo: Repo, git_dir: str) -> Head:
    place = f"--git-dir={git_dir}"
    branch = repo.git(place, "symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).out.decode().strip()
    commit = repo.git(place, "rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1)).out.decode().strip()
    return Head(branch, commit)


class Worktree(NamedTuple):
    """A worktree of the repository, live or not: git's id of it, its top folder and administrative folder."""

    id: str
    top: str
    git_dir: str

    @property
    def present(self) -> bool:
        """Whether its folder is there."""
        return os.path.isdir(self.top)


def worktrees(repo: Repo) -> list[Worktree]:
    """Every worktree of the repository, the main one first, without starting a process."""
    found = []
    top = main_top(repo)
    if top:
        found.append(Worktree(MAIN_WORKTREE, top, repo.common_dir))
    return found + list(linked_worktrees(repo.common_dir))


def main_top(repo: Repo) -> str:
    """The top folder of the main worktree; empty for a bare repository, and where nothing tells."""
    if os.path.basename(repo.common_dir) == ".git":
        return os.path.dirname(repo.common_dir)
    if repo.git_dir == repo.common_dir:
        return repo.top
    # with --separate-git-dir only what ran in it knows where it is: the notice that it left (holders/registry.py)
    return read_line(os.path.join(private_dir_of(repo.common_dir), "holder")).partition(" ")[2]


def linked_worktrees(common_dir: str) -> Iterator[Worktree]:
    """The linked worktrees, by their administrative folders."""
    try:
        names = sorted(os.listdir(os.path.join(common_dir, "worktrees")))
    except OSError:
        return
    for name in names:
        git_dir = admin_dir_of(common_dir, name)
        pointer = read_line(os.path.join(git_dir, "gitdir"))
        top = os.path.dirname(os.path.join(git_dir, pointer))
        if pointer and os.path.realpath(top) != os.path.realpath(check_worktree(common_dir)):
            yield Worktree(name, top, git_dir)


def last_branch_file(private_dir: str) -> str:
    """Where a worktree's last branch is noted: at the end of a rebase HEAD is detached."""
    return os.path.join(private_dir, "branch")


def attached_branches(repo: Repo, git_dir: str, private_dir: str) -> list[str]:
    """The branches that a worktree works on, as full refs: by their own names and by what these stand for.

    Its HEAD, a branch being rebased or bisected, and the branch it last had.
    """
    bisected = read_line(os.path.join(git_dir, "BISECT_START"))
    candidates = [
        head_of(repo, git_dir).branch,
        read_line(os.path.join(git_dir, "rebase-merge", "head-name")),
        read_line(os.path.join(git_dir, "rebase-apply", "head-name")),
        HEADS + bisected if bisected else "",
        read_line(last_branch_file(private_dir)),
    ]
    found = [ref for ref in candidates if ref.startswith(HEADS)]
    return list(dict.fromkeys([*found, *(final_ref(repo, ref) for ref in found)]))
