"""Trees and commits made in the object database, without a work tree or the user's index."""

from __future__ import annotations

import os
import tempfile

from agentsync.errors import GitError
from agentsync.git.run import handed_environment, run_git
from agentsync.git.scratch import in_scratch_folder
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from agentsync.git.repo import Repo


class Entry(NamedTuple):
    """What stands at a path of a tree: its mode (such as `100644`) and object id."""

    mode: str
    id: str


def entries(repo: Repo, tree: str, *folders: bytes) -> dict[bytes, Entry]:
    """The files of a tree or commit, at and below some folders (all, without any)."""
    limit = [b"--", *folders] if folders else []
    out = repo.git("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", tree, *limit).out
    return dict(_rows(out))


def _rows(out: bytes) -> Iterator[tuple[bytes, Entry]]:
    for row in out.split(b"\0"):
        if row:
            facts, _, path = row.partition(b"\t")
            mode, _, object_id = facts.decode().split(" ")
            yield path, Entry(mode, object_id)


def write_blob(repo: Repo, content: bytes) -> str:
    """Store a content and return its id."""
    return repo.git("hash-object", "-w", "--stdin", stdin=content).out.decode().strip()


def edited_tree(repo: Repo, tree: str, edits: Mapping[bytes, Entry | None]) -> str:
    """The id of a tree with some paths written (or removed, for None), through an index of our own."""
    tree = repo.git("rev-parse", "--verify", tree + "^{tree}").out.decode().strip()
    if not edits:
        return tree
    with tempfile.TemporaryDirectory(prefix="agentsync-index-") as folder:
        environ = {**handed_environment(repo.environ), "GIT_INDEX_FILE": os.path.join(folder, "index")}
        place = ("-C", repo.top, f"--git-dir={repo.git_dir}", f"--work-tree={repo.top}")
        run_git([*place, "read-tree", tree], environ)
        removed = Entry("0", "0" * len(tree))
        rows = [
            _index_row(path, entry or removed)
            for path, entry in sorted(edits.items(), key=lambda one: one[1] is not None)
        ]
        run_git([*place, "update-index", "-z", "--index-info"], environ, stdin=b"".join(rows))
        return run_git([*place, "write-tree"], environ).out.decode().strip()


def _index_row(path: bytes, entry: Entry) -> bytes:
    """A row for `update-index --index-info -z`; mode 0 removes."""
    return f"{entry.mode} {entry.id}\t".encode() + path + b"\0"


def commit_tree(repo: Repo, tree: str, parents: Sequence[str], message: str, *, signed: bool = False) -> str:
    """Store a commit by the user's own identity, signed where asked for, and return its id."""
    flags = [word for parent in parents for word in ("-p", parent)] + (["-S"] if signed else [])
    done = repo.git("commit-tree", tree, *flags, "-F", "-", stdin=message.encode(), ok=())
    if done.code != 0:
        said = done.err.decode("utf-8", "replace").strip().splitlines()
        raise GitError("git commit-tree failed", one_line("; ".join(line for line in said[-4:] if line.strip())))
    return done.out.decode().strip()


class Conflict(NamedTuple):
    """A path that git could not merge: its versions in the merge base, ours and theirs, where there are any."""

    path: bytes
    base: Entry | None
    ours: Entry | None
    theirs: Entry | None


class TreeMerge(NamedTuple):
    """A merge made in memory: the tree (with conflict markers in it), the conflicts, and git's words about them.

    `moved`: the paths of conflicts that no single file tells, such as of a folder that was renamed two ways.
    """

    tree: str
    conflicts: tuple[Conflict, ...]
    messages: tuple[str, ...]
    clean: bool
    moved: tuple[bytes, ...] = ()


def merge_trees(repo: Repo, ours: str, theirs: str) -> TreeMerge:
    """Merge two commits in memory (git-merge-tree(1), `--write-tree`); merge drivers run.

    Raises GitError for unrelated histories and missing objects.
    """
    flags = ("-c", "rerere.enabled=false", "-c", "merge.conflictStyle=merge")
    try:
        words = (*flags, "merge-tree", "--write-tree", "-z", "--messages", ours, theirs)
        done = in_scratch_folder(repo).git(*words, ok=(0, 1))
    except GitError as error:
        raise GitError("git merge-tree failed", error.why, "git fsck --connectivity-only") from None
    head, *rest = done.out.split(b"\0")
    stages: dict[bytes, dict[int, Entry]] = {}
    index = 0
    while index < len(rest) and rest[index]:
        facts, _, path = rest[index].partition(b"\t")
        mode, object_id, stage = facts.decode().split(" ")
        stages.setdefault(path, {})[int(stage)] = Entry(mode, object_id)
        index += 1
    found = tuple(Conflict(path, *(known.get(stage) for stage in (1, 2, 3))) for path, known in stages.items())
    said = list(_messages(rest[index + 1 :]))
    moved = () if found or done.code == 0 else tuple(dict.fromkeys(path for path, _ in said))
    return TreeMerge(head.decode(), found, tuple(text for _, text in said), done.code == 0, moved)


def _messages(fields: Sequence[bytes]) -> Iterator[tuple[bytes, str]]:
    """git's words about conflicts: `<count> NUL <paths> NUL <kind> NUL <text> NUL`, again and again.

    Each with the first of its paths.
    """
    index = 0
    while index < len(fields) and fields[index].isdigit():
        after = index + 1 + int(fields[index])
        if after + 1 >= len(fields):
            return
        if fields[after].startswith(b"CONFLICT"):
            path = fields[index + 1] if after > index + 1 else b""
            yield path, fields[after + 1].decode("utf-8", "replace").strip()
        index = after + 2


def changed_paths(repo: Repo, old: str, new: str) -> set[bytes]:
    """The paths that differ between two trees or commits."""
    out = repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new).out
    return set(_nonempty(out.split(b"\0")))


def _nonempty(items: Iterable[bytes]) -> Iterator[bytes]:
    return (item for item in items if item)


def added_conflict_markers(repo: Repo, old: str, new: str) -> list[bytes]:
    """The files in which a tree has a whole conflict of git's that another tree has not (gitattributes(5))."""
    out = repo.git("diff-tree", "-r", "--check", "--no-renames", old, new, ok=(0, 2)).out
    marked = {line.rsplit(b":", 2)[0] for line in out.split(b"\n") if line.endswith(b": leftover conflict marker")}
    return [path for path in sorted(changed_paths(repo, old, new)) if path in marked and _is_conflict(repo, new, path)]


def _is_conflict(repo: Repo, tree: str, path: bytes) -> bool:
    """Whether a file has lines of both sides' markers: seven `=` alone may underline a heading."""
    text = repo.git("cat-file", "blob", tree.encode() + b":" + path).out.split(b"\n")
    return all(any(line.startswith(mark + b" ") for line in text) for mark in (b"<" * 7, b">" * 7))
