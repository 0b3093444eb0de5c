"""Which files merge by their format, and how. Pure but for the line merge that is handed in."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.three_way import ConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsync.merging.hunks import LineMerge

    Merge = Callable[[str, bytes, bytes, bytes, LineMerge], bytes]  # path, base, ours, theirs

MOST_BYTES = 10 << 20  # a larger file is left to git


class Format(NamedTuple):
    """A kind of file: its name, gitignore patterns, and its merge (which raises ConflictError)."""

    name: str
    patterns: tuple[str, ...]
    merge: Merge


def _package_json(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.manifests import merge_package_json

    return merge_package_json(base, ours, theirs, lines)


def _pyproject(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.manifests import merge_pyproject

    return merge_pyproject(base, ours, theirs, lines)


def _cargo(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.manifests import merge_cargo

    return merge_cargo(base, ours, theirs, lines)


def _requirements(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.manifests import merge_requirements

    return merge_requirements(base, ours, theirs, lines)


def _go_mod(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.go_mod import merge_go_mod

    return merge_go_mod(base, ours, theirs, lines)


def _changelog(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.changelog import merge_changelog

    return merge_changelog(base, ours, theirs, lines)


def _json(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.json_text import merge_json

    return merge_json(base, ours, theirs, lines)


def _registry(path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.insertions import union

    return union(path, lines(base, ours, theirs))


def _schema_rb(path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.insertions import union
    from agentsync.merging.schema_dump import with_newest_version

    merged = lines(*with_newest_version(base, ours, theirs))
    if not merged.hunks:
        return b"".join(part for part in merged.parts if isinstance(part, bytes))
    return union(path, merged)


FORMATS = (
    Format("package.json", ("package.json",), _package_json),
    Format("pyproject", ("pyproject.toml",), _pyproject),
    Format("cargo", ("Cargo.toml",), _cargo),
    Format("requirements", ("requirements*.txt", "requirements/*.txt", "requirements*.in", "requirements/*.in"),
           _requirements),
    Format("go.mod", ("go.mod",), _go_mod),
    Format("changelog", ("CHANGELOG*", "CHANGES*", "NEWS*", "HISTORY*", "changelog.md", "changes.rst"), _changelog),
    Format("i18n", ("locales/**/*.json", "locale/**/*.json", "i18n/**/*.json", "translations/**/*.json",
                    "lang/**/*.json", "messages/*.json"), _json),
    Format("schema.rb", ("db/schema.rb",), _schema_rb),
    Format("registry", ("__init__.py", "urls.py", "routes.py", "routes.rb", "routes.ts", "routes.tsx", "routes.js",
                        "routes/index.*", "index.ts", "index.js", "mod.rs", "lib.rs", "registry.*"), _registry),
)  # fmt: skip


def format_of(path: bytes) -> Format | None:
    """The format of a path, None for a file that merges as git merges it."""
    return next((one for one in FORMATS if matches([_anywhere(p) for p in one.patterns], path)), None)


def _anywhere(pattern: str) -> str:
    """A pattern with a slash, freed from the top of the repository, where gitignore would tie it."""
    return f"**/{pattern}" if "/" in pattern else pattern


def merge_format(path: bytes, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes | None:
    """Three versions of a file merged by its format; None where its format does not tell."""
    found = format_of(path)
    if found is None or max(len(base), len(ours), len(theirs)) > MOST_BYTES:
        return None
    try:
        return found.merge(path.decode("utf-8", "surrogateescape"), base, ours, theirs, lines)
    except ConflictError:
        return None
