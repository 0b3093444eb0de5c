"""Renumbering before there is a commit: what is staged moves behind what base and others have. Cold."""

from __future__ import annotations

from agentsync.errors import RefusedError
from agentsync.git.objects import merge_base
from agentsync.git.refs import head_of
from agentsync.git.trees import Entry, commit_tree, edited_tree, entries
from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.layouts import number_in
from agentsync.migrations.renumber import edits_of, renumbering, told
from agentsync.migrations.rewriting.drizzle import tags_in
from agentsync.migrations.series import all_series
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo
    from agentsync.migrations.series import Series


def renumber_staged(repo: Repo, rules: InForce, tip: str, *, dry_run: bool) -> list[tuple[str, str]]:
    """Let the migrations of the index follow base's and others', in the index and the work tree; what moved.

    Nothing where the index has only what HEAD has. `tip` is base's newest commit.
    Raises RefusedError where no sure plan exists, or changes that are not staged are in the way.
    """
    head = head_of(repo).commit
    if repo.git("ls-files", "--unmerged").out:
        raise RefusedError("there are conflicts in the index", "settle them first", "git status")
    index = repo.git("write-tree").out.decode().strip()
    fork = merge_base(repo, tip, head) if head else ""
    if not fork or index == repo.git("rev-parse", f"{head}^{{tree}}").out.decode().strip():
        return []
    begun = edited_tree(repo, index, _moved_back(repo, rules, index, fork))
    branch = commit_tree(repo, begun, [head], "what is staged\n")
    what = renumbering(repo, rules, fork, branch, landing=False)
    target = edited_tree(repo, begun, edits_of(repo, what, begun))
    if target != index and not dry_run:
        done = repo.git("read-tree", "-m", "-u", index, target, ok=())
        if done.code != 0:
            files = one_line(done.err.decode("utf-8", "replace").strip().splitlines()[0], 200)
            raise RefusedError("changes that are not staged are in the way", files, "git add --update")
    return told(what) if target != index else []


def _moved_back(repo: Repo, rules: InForce, index: str, fork: str) -> dict[bytes, Entry | None]:
    """Files that were given another number while drizzle's journal names them by the old one, back under that."""
    edits: dict[bytes, Entry | None] = {}
    for series in all_series(repo, rules, index):
        if series.layout.name != "drizzle":
            continue
        files = entries(repo, index, series.folder.encode("utf-8", "surrogateescape"))
        landed = entries(repo, fork)
        for old, new in _half_moved(repo, series, files).items():
            if new not in landed:
                edits |= {new: None, old: files[new]}
    return edits


def _half_moved(repo: Repo, series: Series, files: Mapping[bytes, Entry]) -> dict[bytes, bytes]:
    """The path that the journal means, to the one where its file stands."""
    folder = series.folder.encode("utf-8", "surrogateescape")
    journal = files.get(folder + b"/meta/_journal.json")
    if journal is None:
        return {}
    tags = tags_in(repo.git("cat-file", "blob", journal.id).out)
    present = {path: _slug(series, path.rpartition(b"/")[2].decode("utf-8", "replace")) for path in files}
    unnamed = {
        path: slug for path, slug in present.items() if slug and path.rpartition(b"/")[2][:-4].decode() not in tags
    }
    found = {}
    for tag in tags:
        wanted = folder + b"/" + tag.encode() + b".sql"
        same = [path for path, slug in unnamed.items() if slug == _slug(series, f"{tag}.sql")]
        if wanted not in files and len(same) == 1:
            found[wanted] = same[0]
    return found


def _slug(series: Series, name: str) -> str:
    number = number_in(series.layout, name)
    return name.replace(number.text, "", 1) if number else ""
