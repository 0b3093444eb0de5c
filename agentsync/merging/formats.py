"""Which files merge by their format, and how. Pure but for the line merge that is handed in."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.generated import VENDORED
from agentsync.merging.line_ends import with_line_feeds
from agentsync.merging.three_way import Conflict, ConflictError, NotMineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from agentsync.merging.hunks import LineMerge

    Merge = Callable[[str, bytes, bytes, bytes, LineMerge], bytes]  # path, base, ours, theirs

MOST_BYTES = 10 << 20  # a larger file is left to git


class Format(NamedTuple):
    """A kind of file: its name, gitignore patterns, and its merge.

    That raises ConflictError where a person must choose, NotMineError where the versions are not of the format.
    `by_lines`: it only decides what git's line merge leaves, and takes a clean one as it is.
    """

    name: str
    patterns: tuple[str, ...]
    merge: Merge
    by_lines: bool = False


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
    from agentsync.merging.insertions import hold, union

    merged = lines(base, ours, theirs)
    if merged.hunks and not all(hunk.only_inserts for hunk in merged.hunks):
        return _source(path, base, ours, theirs, lambda *_: merged)
    text = union(path, merged, sure=True) if merged.hunks else merged.clean or b""
    return hold(path, ours, theirs, text)


def _source(path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.imports import merge_imports
    from agentsync.merging.version_lines import merge_version_lines

    merged = lines(base, ours, theirs)
    try:
        return merge_version_lines(merged)
    except ConflictError as error:
        try:
            return merge_imports(path, base, ours, theirs, lambda *_: merged)
        except NotMineError:
            raise error from None


def _schema_rb(_path: str, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    from agentsync.merging.schema_dump import merge_schema

    return merge_schema(base, ours, theirs, lines)


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
    Format("versions", ("VERSION", "version.*", "_version.*", "__about__.py", "setup.py", "setup.cfg", "settings.py",
                        "tox.ini", "Chart.yaml", "pom.xml", "*.gradle", "*.gradle.kts", "gradle.properties",
                        "libs.versions.toml", "Gemfile", "*.gemspec", ".pre-commit-config.yaml", ".travis.yml",
                        ".gitlab-ci.yml", ".github/**/*.yml", ".github/**/*.yaml", "rust-toolchain",
                        "rust-toolchain.toml", ".python-version", ".nvmrc", ".node-version", ".ruby-version",
                        ".tool-versions", "Dockerfile"), _source, by_lines=True),
    Format("imports", ("*.py", "*.pyi", "*.js", "*.jsx", "*.mjs", "*.ts", "*.tsx", "*.go", "*.rs", "*.java"),
           _source, by_lines=True),
)  # fmt: skip


def format_of(path: bytes) -> Format | None:
    """The format of a path, None for a file that merges as git merges it."""
    if VENDORED & set(path.split(b"/")[:-1]):
        return None
    return next((one for one in FORMATS if matches([_anywhere(p) for p in one.patterns], path)), None)


def _anywhere(pattern: str) -> str:
    """A pattern with a slash, freed from the top of the repository, where gitignore would tie it."""
    return f"**/{pattern}" if "/" in pattern else pattern


def merge_format(path: bytes, base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes | Conflict | None:
    """Three versions of a file merged by its format: the text, a conflict, or None where it is not the format's."""
    found = format_of(path)
    if found is None or max(len(base), len(ours), len(theirs)) > MOST_BYTES:
        return None
    sides, end = with_line_feeds(base, ours, theirs)
    try:
        made = found.merge(path.decode("utf-8", "surrogateescape"), *sides, lines)
    except NotMineError:
        return None
    except ConflictError as error:
        return Conflict(str(error))
    return made.replace(b"\n", end)
