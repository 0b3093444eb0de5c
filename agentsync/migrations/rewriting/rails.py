"""Rails: the dump of the schema names the newest version."""

from __future__ import annotations

import re

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.rewriting.rewriter import Rewriter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Trees
    from agentsync.migrations.series import Series


class Rails(Rewriter):
    """The dump of the schema names the newest version."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        plan = super().complete(series, trees, own, plan)
        newest = max((re.sub(r"\D", "", series.name_of(path)[:14]) for path in plan.moves.values()), default="")
        if len(newest) != 14:
            return plan
        dump = re.sub(r"/?migrate$", "/schema.rb", series.folder)
        version = f"{newest[:4]}_{newest[4:6]}_{newest[6:8]}_{newest[8:]}"
        return plan._replace(patterns={dump: (r"(?<=version: )[\d_]+", version)})
