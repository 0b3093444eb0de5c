"""Objects of the user's repository: what stands at a path, what a commit changed, what contains what."""

from __future__ import annotations

import os

from agentsync.errors import GitError
from agentsync.git.run import find_git, handed_environment, spawn
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, unquote_c

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType

    from agentsync.git.repo import Repo


ABSENT_MODE = "000000"
FILES = ("100644", "100755")  # the modes of regular files
GITLINK = "160000"  # the mode of a submodule's entry


class Change(NamedTuple):
    """One path that differs between two trees; ids are empty where the path is absent."""

    path: bytes
    old_mode: str
    new_mode: str
    old: str
    new: str


def parse_raw(lines: Iterable[bytes]) -> list[Change]:
    """The changes in git's raw diff format (`--raw --no-abbrev --no-renames`, without `-z`); empty lines pass.

    Raises GitError for any other line: what cannot be read is not "no change".
    """
    changes = []
    for line in lines:
        if not line:
            continue
        facts, _, path = line.partition(b"\t")
        words = facts.decode("ascii", "replace").split(" ")
        if not line.startswith(b":") or len(words) != 5 or not path:
            raise GitError("git printed a diff that cannot be read", one_line(line.decode("utf-8", "replace"), 80))
        old_mode, new_mode, old, new, _status = words
        old_mode = old_mode[1:]
        changes.append(
            Change(
                unquote_c(path),
                old_mode,
                new_mode,
                "" if old_mode == ABSENT_MODE else old,
                "" if new_mode == ABSENT_MODE else new,
            )
        )
    return changes


RAW = ("-r", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff", "--ignore-submodules=none")
STAGED = ("--cached", *RAW, "--ita-invisible-in-index")  # for diff-index: what a commit of the index would hold


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
    """The commits of a range, parents first, each with its changes; two processes, however many there are.

    `revisions` are arguments of rev-list, such as `new`, `^base`, `--not`, `--max-count=1`. With `paths`
    (literal), only commits that changed one of them.
    Raises GitError for an answer that cannot be read.
    """
    limit = ["--full-history", "--", *paths] if paths else ["--"]
    shape = ("--topo-order", "--reverse", *(() if paths else ("--parents",)))  # with paths git prints other parents
    listed = repo.git("--literal-pathspecs", "rev-list", *shape, *revisions, *limit).out
    known = read_graph(listed)
    ids = list(known)
    parents = parents_of(repo, ids) if paths else known
    pairs = [(one, parents[one][0] if parents[one] else "") for one in ids]
    found = changes_between(repo, pairs, paths)
    return [
        Commit(one, parents[one], [row.change for row in found[pair]]) for one, pair in zip(ids, pairs, strict=True)
    ]


def parents_of(repo: Repo, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The parents of some commits."""
    if not ids:
        return {}
    out = repo.git("rev-list", "--no-walk=unsorted", "--parents", "--stdin", stdin=("\n".join(ids) + "\n").encode()).out
    return read_graph(out)


def parents_in(commit: bytes) -> tuple[str, ...]:
    """The parents that a commit object names (gitformat-commit: header lines before the first empty one)."""
    header = commit.partition(b"\n\n")[0].decode("ascii", "replace")
    return tuple(line[7:] for line in header.split("\n") if line.startswith("parent "))


def read_graph(out: bytes) -> dict[str, tuple[str, ...]]:
    """What `rev-list --parents` prints: each commit with its parents.

    Raises GitError for an answer that cannot be read.
    """
    graph: dict[str, tuple[str, ...]] = {}
    for line in out.decode("ascii", "replace").splitlines():
        words = line.split(" ")
        if not all(is_object_id(word) for word in words):
            raise GitError("git printed commits that cannot be read", one_line(line, 80))
        graph[words[0]] = tuple(words[1:])
    return graph


def is_object_id(word: str) -> bool:
    """Whether a word is a full object id of either format (gitformat-hash-function-transition)."""
    return len(word) in (40, 64) and not word.strip("0123456789abcdef")


class Patched(NamedTuple):
    """A change with its patch: the lines of its hunks without positions, or None where there is no text to compare.

    Binary files, submodules, links that become files and changes of mode alone have none (git-patch-id(1) would
    call all of these equal).
    """

    change: Change
    patch: tuple[bytes, ...] | None


PATCH = ("--patch", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color", "--unified=3")


def changes_between(
    repo: Repo, pairs: Sequence[tuple[str, str]], paths: Sequence[bytes] = (), *, patches: bool = False
) -> dict[tuple[str, str], list[Patched]]:
    """What each commit changed against another (empty: against nothing), in one process.

    Pairs are `(new, old)`. At `paths` (literal) or everywhere; with `patches`, the patches too.
    """
    found: dict[tuple[str, str], list[Patched]] = {pair: [] for pair in pairs}
    asked = list(found)
    if not asked:
        return found
    limit = [b"--", *paths] if paths else []
    lines = "".join(f"{new} {old}\n" if old else f"{new}\n" for new, old in asked)
    flags = ("--stdin", "--root", "--always", *RAW, *(PATCH if patches else ()))
    out = repo.git("--literal-pathspecs", "diff-tree", *flags, *limit, stdin=lines.encode()).out
    for pair, part in zip(asked, _by_commit(out, [new for new, _ in asked]), strict=True):
        found[pair] = _read_patched(part, patches=patches)
    return found


def index_changes(repo: Repo, commit: str, paths: Sequence[bytes] = ()) -> list[Patched]:
    """What the index changes against a commit at `paths` (literal), with patches."""
    limit = [b"--", *paths] if paths else []
    out = repo.git("--literal-pathspecs", "diff-index", *STAGED, *PATCH, commit, *limit).out
    return _read_patched(out.split(b"\n"), patches=True)


def _by_commit(out: bytes, ids: Sequence[str]) -> list[list[bytes]]:
    """The lines of `diff-tree --stdin --always` of each commit: its id stands alone on a line before them."""
    parts: list[list[bytes]] = []
    waiting = iter(ids)
    expected = next(waiting).encode()
    for line in out.split(b"\n"):
        if line == expected:
            parts.append([])
            expected = next(waiting, "").encode() or b"\n"
        elif parts:
            parts[-1].append(line)
        elif line:
            raise GitError("git printed a diff that cannot be read", one_line(line.decode("utf-8", "replace"), 80))
    if len(parts) != len(ids):
        raise GitError("git printed a diff that cannot be read", f"{len(parts)} commits of {len(ids)}")
    return parts


def _read_patched(lines: Sequence[bytes], *, patches: bool) -> list[Patched]:
    end = next((at for at, line in enumerate(lines) if line.startswith(b"diff --git ")), len(lines))
    changes = parse_raw(lines[:end])
    if not patches:
        return [Patched(change, None) for change in changes]
    sections = _sections(lines[end:])
    wanted = sum(2 if _changes_kind(change) else 1 for change in changes)
    if len(sections) != wanted:
        raise GitError("git printed patches that cannot be read", f"{len(sections)} for {wanted} changes")
    found = []
    for change in changes:
        section = sections.pop(0)
        if _changes_kind(change):  # printed as a deletion and a creation
            sections.pop(0)
        found.append(Patched(change, None if _changes_kind(change) else _hunks(change, section)))
    return found


def _changes_kind(change: Change) -> bool:
    """Whether a file becomes a link or a submodule, or the other way round."""
    return bool(change.old and change.new) and change.old_mode[:3] != change.new_mode[:3]


def _sections(lines: Sequence[bytes]) -> list[list[bytes]]:
    """A patch by file; no line of a hunk begins with a `d`."""
    sections: list[list[bytes]] = []
    for line in lines:
        if line.startswith(b"diff --git "):
            sections.append([])
        elif sections:
            sections[-1].append(line)
    return sections


def _hunks(change: Change, section: Sequence[bytes]) -> tuple[bytes, ...] | None:
    """The lines of the hunks, without their positions; None where there are none."""
    start = next((at for at, line in enumerate(section) if line.startswith(b"@@ ")), -1)
    if start < 0 or GITLINK in (change.new_mode, change.old_mode):
        return None
    return tuple(line for line in section[start:] if line[:1] in (b"+", b"-", b" ", b"\\"))


def merge_base(repo: Repo, one: str, other: str) -> str:
    """The best common ancestor of two commits, empty for unrelated histories."""
    return repo.git("merge-base", one, other, ok=(0, 1)).out.decode().strip()


def is_ancestor(repo: Repo, ancestor: str, descendant: str) -> bool:
    """Whether `descendant` contains `ancestor`; a commit that is not here is contained nowhere.

    Raises GitError where git cannot tell.
    """
    asked = repo.git("merge-base", "--is-ancestor", ancestor, descendant, ok=())
    if asked.code in (0, 1):
        return asked.code == 0
    for commit in (ancestor, descendant):
        if repo.git("cat-file", "-e", commit + "^{commit}", ok=()).code != 0:
            return False
    raise GitError("git merge-base failed", one_line(asked.err.decode("utf-8", "replace")), "git fsck")


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


def entries_in(tree: bytes, width: int) -> dict[bytes, tuple[str, str]]:
    """The entries of a tree object, whose ids take `width` bytes each: name to mode, such as `100644`, and id."""
    found: dict[bytes, tuple[str, str]] = {}
    at = 0
    while at < len(tree):
        end = tree.index(b"\0", at)
        mode, _, name = tree[at:end].partition(b" ")
        found[name] = mode.decode().zfill(6), tree[end + 1 : end + 1 + width].hex()
        at = end + 1 + width
    return found


def blob_at(cat: CatFile, repo: Repo, commit: str, path: bytes) -> str:
    """The id of what stands at `path` in `commit`, empty when nothing does."""
    if b"\n" not in path:
        return cat.id_of(commit.encode() + b":" + path)
    return blob_of(repo, commit, path)


def blob_of(repo: Repo, commit: str, path: bytes) -> str:
    """The same with a process of its own, for a single question."""
    out = repo.git("--literal-pathspecs", "ls-tree", "-z", "--full-tree", commit, b"--", path, ok=(0, 128)).out
    return out.split(b"\t")[0].split(b" ")[2].decode() if out else ""
