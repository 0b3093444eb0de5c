"""The forecast: every two worktrees, and each with base, really merged, in memory."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from agentsync.errors import GitError
from agentsync.forecast.cache import (
    Clash,
    ClashPath,
    Hunk,
    folder_of,
    read_last,
    sweep,
    write_last,
    write_projection,
    write_touched,
)
from agentsync.forecast.pairs import hunks_in, sharing_pairs, touched_by, without_repeats
from agentsync.forecast.sides import Side, base_side, scratch, side_of
from agentsync.git.refs import worktrees
from agentsync.git.trees import Conflict, entries, merge_trees
from agentsync.lean import TYPE_CHECKING
from agentsync.state.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo

_MERGES = "merges.json"
_MOST_BYTES = 1 << 20


def forecast(repo: Repo, rules: InForce) -> list[Clash]:
    """Every conflict to come, as of now; kept for gates, lists and `status --new`.

    Merges are remembered by the two commits, so that what did not move is not merged again.
    """
    with turn_to_forecast(repo):
        return forecast_in_turn(repo, rules)


@contextmanager
def turn_to_forecast(repo: Repo) -> Iterator[None]:
    """Hold the one place to forecast from.

    Two at a time would share a worktree's scratch index, and each overlook what the other keeps git from adding to it.
    """
    with Turn(os.path.join(folder_of(repo), "turn"), "forecasting") as turn:
        os.set_inheritable(turn.fd, True)  # noqa: FBT003 (the standard library's signature)
        sweep(repo)
        yield


def forecast_in_turn(repo: Repo, rules: InForce) -> list[Clash]:
    """What `forecast` does, for whoever has the turn."""
    ours = scratch(repo)
    here = [one for one in worktrees(repo) if one.present]
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        sides = [side for side in pool.map(lambda one: side_of(ours, rules.base, one), here) if side]
        base = base_side(ours, rules.base, sides)
        pairs = sharing_pairs([*sides, base] if base else sides)
        known = _remembered(repo)
        fresh = [pair for pair in pairs if _key(pair) not in known]
        known |= dict(zip(map(_key, fresh), pool.map(lambda pair: _merged(ours, *pair), fresh), strict=True))
    _remember(repo, {_key(pair): known[_key(pair)] for pair in pairs})
    clashes = _clashes(repo, pairs, known)
    write_last(repo, clashes)
    write_touched(repo, touched_by(sides))
    return clashes


def _key(pair: tuple[Side, Side]) -> str:
    return f"{pair[0].commit} {pair[1].commit}"


def _merged(repo: Repo, one: Side, other: Side) -> list[ClashPath]:
    """Where two sides conflict; histories that have nothing in common, and missing objects, tell nothing."""
    try:
        merge = merge_trees(repo, one.commit, other.commit)
        if not merge.conflicts:
            return []
        at = entries(repo, merge.tree, *(conflict.path for conflict in merge.conflicts))
        return [_clash_path(repo, conflict, at.get(conflict.path, None)) for conflict in merge.conflicts]
    except GitError:
        return []


def _clash_path(repo: Repo, conflict: Conflict, merged: object) -> ClashPath:
    path = conflict.path.decode("utf-8", "surrogateescape")
    if conflict.ours is None or conflict.theirs is None:
        return ClashPath(path, "deleted" if conflict.base else "added", ())
    if conflict.base is None:
        return ClashPath(path, "added", ())
    blob = getattr(merged, "id", "")
    text = repo.git("cat-file", "blob", blob, ok=()).out if blob else b""
    return ClashPath(path, "content", hunks_in(text) if len(text) <= _MOST_BYTES else ())


def _clashes(repo: Repo, pairs: Sequence[tuple[Side, Side]], known: Mapping[str, Sequence[ClashPath]]) -> list[Clash]:
    """The conflicts, each with the time at which a forecast first saw it."""
    before = {key: clash.since for clash in read_last(repo) for key in clash.keys}
    now = int(time.time())
    found = [
        Clash(one.id, other.id, (one.head, other.head), now, tuple(paths))
        for (one, other), paths in without_repeats([(pair, known[_key(pair)]) for pair in pairs])
        if paths
    ]
    return [clash._replace(since=min(before.get(key, now) for key in clash.keys)) for clash in found]


def _remembered(repo: Repo) -> dict[str, list[ClashPath]]:
    try:
        with open(os.path.join(folder_of(repo), _MERGES), "rb") as file:
            rows = json.load(file)
        return {
            key: [ClashPath(path, kind, tuple(Hunk(*hunk) for hunk in hunks)) for path, kind, hunks in paths]
            for key, paths in rows.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(repo: Repo, merges: Mapping[str, Sequence[ClashPath]]) -> None:
    rows = {key: [[p.path, p.kind, [list(hunk) for hunk in p.hunks]] for p in paths] for key, paths in merges.items()}
    write_projection(os.path.join(folder_of(repo), _MERGES), json.dumps(rows).encode())
