"""Atlas: `atlas.sum`."""

from __future__ import annotations

import base64
import hashlib

from agentsync.lean import TYPE_CHECKING
from agentsync.migrations.rewriting.rewriter import Rewriter, is_numbered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Trees
    from agentsync.migrations.series import Series


class Atlas(Rewriter):
    """`atlas.sum` holds a running hash over all files in their order."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        plan = super().complete(series, trees, own, plan)
        path = f"{series.folder}/atlas.sum"
        files = {p: trees.read(b) for p, b in trees.base.items() if is_numbered(series, p)}
        for one in own:
            for old in one.paths:
                new = plan.moves.get(old, old)
                files[new] = plan.writes.get(new, trees.read(trees.branch[old]))
        text = atlas_sum({series.name_of(place): content for place, content in files.items()})
        if path not in trees.base or (path in trees.branch and trees.read(trees.branch[path]) == text):
            return plan
        return plan._replace(writes={**plan.writes, path: text})


def atlas_sum(files: Mapping[str, bytes]) -> bytes:
    """The content of `atlas.sum` for a directory (atlasgo.io, "migration directory integrity")."""
    running, rows = hashlib.sha256(), []
    for name in sorted(files):
        running.update(name.encode())
        if b"atlas:sum ignore" in files[name]:
            continue
        running.update(files[name])
        rows.append((name, "h1:" + base64.b64encode(running.digest()).decode()))
    total = hashlib.sha256("".join(name + row for name, row in rows).encode()).digest()
    lines = ["h1:" + base64.b64encode(total).decode(), *(f"{name} {row}" for name, row in rows)]
    return ("\n".join(lines) + "\n").encode()
