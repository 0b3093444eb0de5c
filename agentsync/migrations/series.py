"""The series of a repository: which migrations stand in a tree, an index, or anywhere."""

from __future__ import annotations

import os

from agentsync.git.objects import cat_file
from agentsync.git.refs import head_of, worktrees
from agentsync.git.repo import Repo
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.graph import django_label
from agentsync.migrations.layouts import Layout, Numbered, configured, detect, number_in
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agentsync.config.load import InForce

_MARKER_FILES = ("alembic.ini", "Cargo.toml", "diesel.toml", "go.mod")


class Series(NamedTuple):
    """One migration directory and its layout; `label` is a Django app's, where it is not its folder's name."""

    folder: str
    layout: Layout
    label: str = ""

    @property
    def app(self) -> str:
        """The label of the Django app: that of its folder, the one above the migrations, unless it has another."""
        return self.label or os.path.basename(os.path.dirname(self.folder))

    def labelled(self, contents: Mapping[str, bytes]) -> Series:
        """The series with its app's label, as its migrations (path to content) tell it."""
        if self.layout.graph != "django":
            return self
        sources = {self.name_of(path).removesuffix(".py"): content for path, content in contents.items()}
        return self._replace(label=django_label(self.app, sources))

    def migrations(self, paths: Iterable[str]) -> dict[str, Numbered]:
        """The migrations among the paths of a tree: name (relative to the folder) to number."""
        found = {}
        for path in paths:
            name = self.name_of(path)
            numbered = number_in(self.layout, name) if name else None
            if numbered:
                found[name] = numbered
        return found

    def name_of(self, path: str) -> str:
        """What of a path names the migration, empty when it lies elsewhere."""
        start = self.folder + "/" if self.folder else ""
        if not path.startswith(start):
            return ""
        rest = path[len(start) :]
        if self.layout.folders:
            return rest.split("/")[0] if "/" in rest else ""
        return rest.rpartition("/")[2]


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def paths_in(repo: Repo, tree: str, folder: str = "") -> list[str]:
    """The paths in a commit (or in the index, when `tree` is empty), at and below a folder."""
    limit = ["--", folder] if folder else []
    if tree:
        out = repo.git("--literal-pathspecs", "ls-tree", "-r", "-z", "--name-only", "--full-tree", tree, *limit).out
    else:
        out = repo.git("--literal-pathspecs", "ls-files", "-z", "--cached", *limit).out
    return [_text(path) for path in out.split(b"\0") if path]


def base_paths(repo: Repo, rules: InForce, folder: str = "") -> set[str]:
    """The paths that base has, here or upstream."""
    return {path for commit in rules.base.commits for path in paths_in(repo, commit, folder)}


def series_around(repo: Repo, rules: InForce, path: bytes, present: Iterable[str]) -> Series | None:
    """The series that a path belongs to, judged by the paths present around it; configuration comes first."""
    word = _text(path)
    for setting in rules.config.series:
        if word.startswith(setting.path + "/"):
            return Series(setting.path, configured(setting))
    folder = os.path.dirname(word)
    for candidate in (folder, os.path.dirname(folder)):
        layout = _layout_of(repo, candidate, present)
        if layout and (layout.folders == (candidate != folder) or not layout.folders):
            found = Series(candidate, layout)
            if found.name_of(word):
                return found
    return None


def _layout_of(repo: Repo, folder: str, present: Iterable[str]) -> Layout | None:
    start = folder + "/" if folder else ""
    below = [path[len(start) :] for path in present if path.startswith(start)]
    files = [name for name in below if "/" not in name]
    subfolders = sorted({name.split("/")[0] for name in below if "/" in name})
    parent = os.path.join(repo.top, os.path.dirname(folder))
    markers = {name for name in _MARKER_FILES if os.path.exists(os.path.join(repo.top, name))}
    markers |= {name for name in ("env.py",) if os.path.exists(os.path.join(parent, name))}
    if "meta/_journal.json" in below:
        markers.add("_journal.json")
    if _mentions_goose(repo, folder, files):
        markers.add("goose")
    return detect(folder, files, subfolders, markers)


def _mentions_goose(repo: Repo, folder: str, files: list[str]) -> bool:
    for name in sorted(files)[:1]:
        try:
            with open(os.path.join(repo.top, folder, name), "rb") as file:
                return b"+goose" in file.read(4096)
        except OSError:
            return False
    return False


def all_series(repo: Repo, rules: InForce, tree: str = "") -> list[Series]:
    """Every series of the repository: the configured ones and those detected in base and in a tree (or the index)."""
    present = base_paths(repo, rules) | set(paths_in(repo, tree))
    folders = {os.path.dirname(path) for path in present} | {
        os.path.dirname(os.path.dirname(path)) for path in present if path.endswith(".sql")
    }
    found = {setting.path: Series(setting.path, configured(setting)) for setting in rules.config.series}
    by_folder: dict[str, list[str]] = {}
    for path in present:
        folder = os.path.dirname(path)
        by_folder.setdefault(folder, []).append(path)
        by_folder.setdefault(os.path.dirname(folder), []).append(path)
    for folder in sorted(folders):
        layout = _layout_of(repo, folder, by_folder.get(folder, []))
        if layout and not any(folder == known or folder.startswith(known + "/") for known in found):
            found[folder] = Series(folder, layout)
    return list(found.values())


def elsewhere(repo: Repo, series: Series, *, committed_only: bool) -> dict[str, tuple[Numbered, str]]:
    """Migrations that other worktrees have: name to (number, the worktree's id); also uncommitted ones, if wanted."""
    found: dict[str, tuple[Numbered, str]] = {}
    heads: dict[str, str] = {}
    for worktree in worktrees(repo):
        if worktree.git_dir == repo.git_dir or not worktree.present:
            continue
        commit = head_of(repo, worktree.git_dir).commit
        heads.setdefault(commit, worktree.id)
        if not committed_only:
            names = _files_on_disk(os.path.join(worktree.top, series.folder), series.layout)
            for name, numbered in series.migrations(f"{series.folder}/{name}".lstrip("/") for name in names).items():
                found[name] = (numbered, worktree.id)
    with cat_file(repo) as cat:
        for commit, worktree_id in heads.items():
            if not commit or cat.id_of(f"{commit}:{series.folder}".encode("utf-8", "surrogateescape")) == "":
                continue
            for name, numbered in series.migrations(paths_in(repo, commit, series.folder)).items():
                found.setdefault(name, (numbered, worktree_id))
    return found


def on_branches(repo: Repo, rules: InForce, series: Series) -> dict[str, Numbered]:
    """Migrations on local branches that have not landed."""
    found: dict[str, Numbered] = {}
    limits = [f"--no-merged={commit}" for commit in rules.base.commits[:1]]
    tips = dict.fromkeys(repo.lines("for-each-ref", *limits, "--format=%(objectname)", "refs/heads"))
    folder = series.folder.encode("utf-8", "surrogateescape")
    with cat_file(repo) as cat:  # most branches have the folder as others have it
        differing = {cat.id_of(b"%s:%s" % (tip.encode(), folder)): tip for tip in tips}
    for tree, tip in differing.items():
        if tree:
            found.update(series.migrations(paths_in(repo, tip, series.folder)))
    return found


def _files_on_disk(folder: str, layout: Layout) -> list[str]:
    """Names below a folder of a work tree; only git knows what is tracked, but a number on disk is taken too."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [f"{name}/migration" if layout.folders else name for name in names]


def show_series(series: Series) -> str:
    """A series as text."""
    return f"{show_path(series.folder.encode('utf-8', 'surrogateescape')) or '.'} ({series.layout.name})"
