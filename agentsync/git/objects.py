"""Objects of the user's repository: what stands at a path, what a commit changed, what contains what."""

from __future__ import annotations

import os

from agentsync.errors import GitError
from agentsync.git.run import find_git, handed_environment, spawn
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import unquote_c

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from agentsync.git.repo import Repo


class Change(NamedTuple):
    """One path that differs between two trees; ids are empty where the path is absent."""

    path: bytes
    old_mode: str
    new_mode: str
    old: str
    new: str


def parse_raw(lines: Iterable[bytes]) -> list[Change]:
    """The changes in git's raw diff format (`--raw --no-abbrev --no-renames`, without `-z`)."""
    changes = []
    for line in lines:
        if not line.startswith(b":"):
            continue
        facts, _, path = line.partition(b"\t")
        old_mode, new_mode, old, new, _status = facts[1:].decode().split(" ")
        changes.append(
            Change(
                unquote_c(path),
                old_mode,
                new_mode,
                "" if old_mode == "000000" else old,
                "" if new_mode == "000000" else new,
            )
        )
    return changes


RAW = ("-r", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=none")


def tree_changes(repo: Repo, old: str, new: str, paths: Sequence[bytes] = ()) -> list[Change]:
    """What differs from one commit or tree to another, at `paths` (literal) or everywhere."""
    limit = [b"--", *paths] if paths else []
    out = repo.git("--literal-pathspecs", "diff-tree", *RAW, old, new, *limit).out
    return parse_raw(out.splitlines())


def empty_tree(repo: Repo) -> str:
    """The id of the empty tree in the repository's object format."""
    return repo.git("hash-object", "-t", "tree", "--stdin").out.decode().strip()


class Commit(NamedTuple):
    """A commit with what it changed against its first parent (everything, when it has none)."""

    id: str
    parents: tuple[str, ...]
    changes: list[Change]


def commits(repo: Repo, *revisions: str, paths: Sequence[bytes] = ()) -> list[Commit]:
    """The commits of a range, parents first, each with its changes.

    `revisions` are arguments of rev-list, such as `new`, `^base`, `--not`, `--max-count=1`. With `paths`
    (literal), only commits that changed one of them.
    """
    limit = ["--full-history", "--", *paths] if paths else ["--"]
    shape = ("--topo-order", "--reverse", "--diff-merges=first-parent", "--root", "--no-show-signature", *RAW)
    out = repo.git("--literal-pathspecs", "log", *shape, "--format=commit %H %P", *revisions, *limit).out
    found: list[Commit] = []
    raw: list[bytes] = []
    for line in [*out.splitlines(), b"commit "]:
        if not line.startswith(b"commit "):
            raw.append(line)
            continue
        if found:
            found[-1] = found[-1]._replace(changes=parse_raw(raw))
        raw = []
        commit_id, *parents = line.decode().split(" ")[1:]
        if commit_id:
            found.append(Commit(commit_id, tuple(parent for parent in parents if parent), []))
    return found


def is_ancestor(repo: Repo, ancestor: str, descendant: str) -> bool:
    """Whether `descendant` contains `ancestor`; an unknown commit is contained nowhere."""
    return repo.git("merge-base", "--is-ancestor", ancestor, descendant, ok=()).code == 0


class CatFile:
    """One `git cat-file --batch-command` process, asked many times.

    Use it as a context manager. Names are anything rev-parse takes, as bytes, such as `b"HEAD:a/b.py"`.
    """

    def __init__(self, git_dir: str, environ: Mapping[str, str]) -> None:
        argv = [find_git(environ), f"--git-dir={git_dir}", "cat-file", "--batch-command"]
        self._pid, self._in, self._out, self._err = spawn(argv, environ)
        self._buffer = b""

    def __enter__(self) -> CatFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in (self._in, self._out, self._err):
            os.close(fd)
        os.waitpid(self._pid, 0)

    def id_of(self, name: bytes) -> str:
        """The object id of `name`, empty when there is none."""
        header = self._ask(b"info ", name)
        return header.split(b" ")[0].decode() if header else ""

    def read(self, name: bytes) -> bytes | None:
        """The content of the object `name`, None when there is none."""
        header = self._ask(b"contents ", name)
        if not header:
            return None
        size = int(header.rsplit(b" ", 1)[1])
        while len(self._buffer) < size + 1:
            self._fill()
        content, self._buffer = self._buffer[:size], self._buffer[size + 1 :]
        return content

    def _ask(self, verb: bytes, name: bytes) -> bytes:
        """The header of the answer; empty when there is no such object, and for names that no line can hold."""
        if b"\n" in name or not name:
            return b""
        request = verb + name + b"\n"
        while request:
            request = request[os.write(self._in, request) :]
        while b"\n" not in self._buffer:
            self._fill()
        header, _, self._buffer = self._buffer.partition(b"\n")
        words = header.rsplit(b" ", 2)
        known = len(words) == 3 and words[2].isdigit() and words[1] in (b"blob", b"tree", b"commit", b"tag")
        return header if known else b""

    def _fill(self) -> None:
        chunk = os.read(self._out, 1 << 16)
        if not chunk:
            raise GitError("git cat-file ended early", "the object database may be damaged", "git fsck")
        self._buffer += chunk


def cat_file(repo: Repo) -> CatFile:
    """A `CatFile` for the user's repository, which sees the objects of a commit under way."""
    return CatFile(repo.git_dir, handed_environment(repo.environ))


def blob_at(cat: CatFile, repo: Repo, commit: str, path: bytes) -> str:
    """The id of what stands at `path` in `commit`, empty when nothing does."""
    if b"\n" not in path:
        return cat.id_of(commit.encode() + b":" + path)
    return blob_of(repo, commit, path)


def blob_of(repo: Repo, commit: str, path: bytes) -> str:
    """The same with a process of its own, for a single question."""
    out = repo.git("--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, b"--", path, ok=(0, 128)).out
    return out.split(b"\t")[0].split(b" ")[2].decode() if out else ""
