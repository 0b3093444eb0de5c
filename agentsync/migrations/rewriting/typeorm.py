"""TypeORM: a class's name ends in its migration's time stamp."""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.rewriting.rewriter import Rewriter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Trees
    from agentsync.migrations.series import Series


class Typeorm(Rewriter):
    """The class's name ends in the stamp, and other files import it by that name."""

    def words(self, renamed: Mapping[str, str]) -> dict[str, str]:
        return {old[:13]: new[:13] for old, new in renamed.items()}

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        del series, own
        writes = {new: replace_stamps(trees.read(trees.branch[old]), plan.words) for old, new in plan.moves.items()}
        return plan._replace(writes=writes)


def replace_stamps(text: bytes, stamps: Mapping[str, str]) -> bytes:
    """Replace time stamps wherever their digits stand on their own, also at the end of a class's name."""
    known = {old.encode(): new.encode() for old, new in stamps.items()}
    return re.sub(rb"(?<!\d)\d{10,17}(?!\d)", lambda found: known.get(found[0], found[0]), text)
