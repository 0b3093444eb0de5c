"""Which layout's files are rewritten how."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.rewriting.alembic import Alembic
from agentsync.migrations.rewriting.atlas import Atlas
from agentsync.migrations.rewriting.django import Django
from agentsync.migrations.rewriting.drizzle import Drizzle
from agentsync.migrations.rewriting.liquibase import Liquibase
from agentsync.migrations.rewriting.rails import Rails
from agentsync.migrations.rewriting.rewriter import Rewriter
from agentsync.migrations.rewriting.typeorm import Typeorm

if TYPE_CHECKING:
    from agentsync.migrations.layouts import Layout


_REWRITERS: dict[str, Rewriter] = {
    "django": Django(),
    "alembic": Alembic(),
    "rails": Rails(),
    "drizzle": Drizzle(),
    "liquibase": Liquibase(),
    "atlas": Atlas(),
    "typeorm": Typeorm(),
}
_PLAIN = Rewriter()


def rewriter_of(layout: Layout) -> Rewriter:
    """How a layout's files change."""
    return _REWRITERS.get(layout.name, _PLAIN)


def is_plain(layout: Layout) -> bool:
    """Whether only a file's name has its number: no journal, no checksum, no other file names it."""
    return layout.name not in _REWRITERS
