"""Drizzle: the journal and the snapshots."""

from __future__ import annotations

import json

from agentsync.lean import TYPE_CHECKING
from agentsync.merging.three_way import ConflictError, merge_values
from agentsync.migrations.rewriting.rewriter import Rewriter, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.migrations.rewriting.rewriter import Brought, Plan, Tree, Trees
    from agentsync.migrations.series import Series


def tags_in(journal: bytes) -> list[str]:
    """The migrations that drizzle's journal names; none where it cannot be read."""
    try:
        return [str(entry["tag"]) for entry in json.loads(journal)["entries"]]
    except (ValueError, KeyError, TypeError):
        return []


class Drizzle(Rewriter):
    """The journal orders by `when`; each snapshot names the one before and holds the whole schema."""

    def complete(self, series: Series, trees: Trees, own: Sequence[Brought], plan: Plan) -> Plan:
        path = f"{series.folder}/meta/_journal.json"
        if path not in trees.base or path not in trees.branch or not own:
            return super().complete(series, trees, own, plan)
        before, branch = (json.loads(trees.read(tree[path])) for tree in (trees.base, trees.branch))
        moves = dict(plan.moves)
        writes: dict[str, bytes] = {}
        entries = list(before["entries"])
        last_when = max((entry["when"] for entry in entries), default=0)
        known = {entry["tag"]: entry for entry in branch["entries"]}
        newest = max(entries, key=lambda entry: entry["idx"], default={"tag": ""})["tag"]
        snapshot = self._snapshot(series, trees.base, newest)
        for one in own:
            tag, fresh = self.stem(one.name), self.stem(series.name_of(plan.moves.get(one.paths[0], one.paths[0])))
            if tag not in known:
                raise refused(series, f"_journal.json of the branch does not name {tag}")
            last_when = max(known[tag]["when"], last_when + 1)
            old = self._snapshot(series, trees.branch, tag)
            entries.append({**known[tag], "idx": len(entries), "tag": fresh, "when": last_when})
            if old and snapshot:
                new = f"{series.folder}/meta/{fresh[:4]}_snapshot.json"
                writes[new] = self._rebased(series, trees, old, snapshot, writes)
                if new != old:
                    moves[old] = new
                snapshot = new
        journal = json.dumps({**before, "entries": entries}, indent=2, ensure_ascii=False).encode()
        writes[path] = journal + (b"\n" if trees.read(trees.base[path]).endswith(b"\n") else b"")
        same = {place: text for place, text in writes.items() if text != self._present(trees, place, moves)}
        return plan._replace(moves=moves, writes=same)

    @staticmethod
    def _present(trees: Trees, place: str, moves: Mapping[str, str]) -> bytes | None:
        blob = trees.branch.get(place, "")
        return trees.read(blob) if blob and place not in moves.values() else None

    @staticmethod
    def _snapshot(series: Series, tree: Tree, tag: str) -> str:
        path = f"{series.folder}/meta/{tag[:4]}_snapshot.json"
        return path if path in tree else ""

    @staticmethod
    def _rebased(series: Series, trees: Trees, old: str, previous: str, writes: Mapping[str, bytes]) -> bytes:
        """The branch's snapshot on top of the one before it now."""
        text = trees.read(trees.branch[old])
        mine = json.loads(text)
        onto = json.loads(writes[previous] if previous in writes else trees.read(trees.base[previous]))
        candidates = [
            path for path in trees.branch if path.endswith("_snapshot.json") and path.startswith(series.folder)
        ]
        started = next(
            (
                known
                for path in candidates
                if (known := json.loads(trees.read(trees.branch[path])))["id"] == mine["prevId"]
            ),
            None,
        )
        if started is None:
            raise refused(series, f"no snapshot is the predecessor of {old}")
        hidden = {"id": "", "prevId": ""}
        try:
            merged = merge_values({**started, **hidden}, {**onto, **hidden}, {**mine, **hidden})
        except ConflictError as error:
            raise refused(series, f"both changed the same part of the schema: {error}") from None
        assert isinstance(merged, dict)  # noqa: S101 (three maps merge to a map)
        rebased = {key: {**merged, "id": mine["id"], "prevId": onto["id"]}[key] for key in [*mine, *merged]}
        tail = b"\n" if text.endswith(b"\n") else b""
        return json.dumps(rebased, indent=2, ensure_ascii=False).encode() + tail
