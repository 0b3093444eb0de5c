"""What a rewriter reads and answers, and the one for layouts whose files hold no order of their own."""

from __future__ import annotations

import difflib
import re

from agentsync.errors import RefusedError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.layouts import number_in
from agentsync.text import show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentsync.migrations.graph import Node
    from agentsync.migrations.layouts import Numbered
    from agentsync.migrations.series import Series

    Tree = Mapping[str, str]  # path to blob id

SAME_MIGRATION = 0.6  # from this likeness on, two bodies under one slug may be one migration: a person must say
_COMPARED = 8000  # characters; comparing takes time with their square


class Trees(NamedTuple):
    """Base's tip, the merge base and the branch, at and below a series' folder, and how to read a blob by its id."""

    base: Tree
    fork: Tree
    branch: Tree
    read: Callable[[str], bytes]


class Brought(NamedTuple):
    """One migration that a branch brings: its (first) file's name, number, files, and place in an in-file graph."""

    name: str
    number: Numbered
    paths: tuple[str, ...]
    node: Node | None


class Plan(NamedTuple):
    """What to change in the merge of a branch with base.

    `moves`: path on the branch to path after; `copies`: path on the branch to the path where base has landed the
    same migration; `writes`: path after to content; `words`: names to replace in the other files that the branch
    changed; `patterns`: path to a regular expression and what replaces it there; `stamps`: time stamps that a dump of
    the schema lists; `app`: the label by which others name a Django app.
    """

    series: str = ""
    app: str = ""
    stamps: Mapping[str, str] = {}
    moves: Mapping[str, str] = {}
    copies: Mapping[str, str] = {}
    writes: Mapping[str, bytes] = {}
    words: Mapping[str, str] = {}
    patterns: Mapping[str, tuple[str, str]] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.moves or self.copies or self.writes)


def refused(series: Series, why: str) -> RefusedError:
    """The refusal to renumber a series."""
    folder = show_path(series.folder.encode("utf-8", "surrogateescape"))
    return RefusedError(f"the migrations of {folder} need a person", why, "agentsync migration check")


def is_numbered(series: Series, path: str) -> bool:
    """Whether a path is a migration of the series."""
    name = series.name_of(path)
    return bool(name) and number_in(series.layout, name) is not None


def replace_words(text: bytes, words: Mapping[str, str]) -> bytes:
    """All words at once, so that a new name which is another's old one is not replaced again."""
    if not words:
        return text
    known = {old.encode(): new.encode() for old, new in words.items()}
    either = b"|".join(re.escape(old) for old in sorted(known, key=len, reverse=True))
    before = rb"(?:(?<=migrations\.)|(?<![\w.-]))"  # a module's path, as tests import it, or a word of its own
    return re.sub(before + rb"(" + either + rb")(?![\w-])", lambda found: known[found[1]], text)


class Rewriter:
    """Layouts whose files hold no order of their own: only names within the files follow."""

    keeps_names = False  # whether the order is all in the files, so that nothing is renamed

    def stem(self, name: str) -> str:
        """What other files call a migration."""
        return re.sub(r"(\.(up|down))?\.\w+$", "", name)

    def node(self, series: Series, path: str, content: bytes) -> Node | None:
        """A migration's place in an in-file graph."""
        del series, path, content
        return None

    def body(self, content: bytes) -> bytes:
        """What a migration does, without what a renumbering may change: two are one where this is the same."""
        return b"\n".join(line.rstrip() for line in content.splitlines() if line.strip() and not _is_comment(line))

    def alike(self, one: bytes, other: bytes) -> bool:
        """Whether two migrations under one name may be one, so that a person must say."""
        first, second = (self.lines(side).decode("utf-8", "replace")[:_COMPARED] for side in (one, other))
        return difflib.SequenceMatcher(None, first, second, autojunk=False).ratio() > SAME_MIGRATION

    def lines(self, content: bytes) -> bytes:
        """The lines by which likeness is told."""
        return b"\n".join(line.strip() for line in content.splitlines() if line.strip() and not _is_comment(line))

    def ordered(self, own: Sequence[Brought]) -> list[Brought]:
        """The branch's own migrations in the order that they run."""
        return sorted(own, key=lambda one: (one.number.key, one.name))

    def words(self, renamed: Mapping[str, str]) -> dict[str, str]:
        """The words to replace in other files, for stems that changed."""
        return dict(renamed)

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        """The plan with the contents that change; `plan` has moves, copies and words."""
        del series, own
        writes = {}
        for old, new in plan.moves.items():
            content = trees.read(trees.branch[old])
            changed = replace_words(content, plan.words)
            if changed != content:
                writes[new] = changed
        return plan._replace(writes=writes)

    def verify(self, series: Series, merged: Mapping[str, bytes], trees: Trees, plan: Plan) -> None:
        """Raise RefusedError where the merged series would not run; `merged` are its migrations' contents."""


_DIRECTIVE = re.compile(rb"\s*(?:--|#|//)\s*(?:\+|@|[\w-]+:|!|changeset|rollback|liquibase)")


def _is_comment(line: bytes) -> bool:
    """Whether a line says nothing to the tool: it is no `-- +goose Down`, `-- migrate:down` or the like."""
    return line.lstrip().startswith((b"--", b"#", b"//")) and not _DIRECTIVE.match(line)
