"""The forecast: every two worktrees, and each with base, really merged, in memory."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from agentsync import __version__
from agentsync.errors import GitError
from agentsync.files import read_or_empty
from agentsync.forecast.cache import (
    Clash,
    ClashPath,
    Forecast,
    Hunk,
    Unmerged,
    folder_of,
    read_last,
    reason_of,
    sweep,
    write_last,
    write_projection,
    write_touched,
)
from agentsync.forecast.pairs import hunks_in, sharing_pairs, touched_by, without_generated, without_repeats
from agentsync.forecast.sides import Side, base_look, files_of, look_at, unreadable, with_scratch_objects
from agentsync.forecast.snapshots import SnapshotStore, keep, keep_all
from agentsync.git.hashing import object_id
from agentsync.git.refs import head_of, worktrees
from agentsync.git.scratch import in_scratch_folder
from agentsync.git.trees import Conflict, entries, merge_trees
from agentsync.lean import TYPE_CHECKING
from agentsync.state.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agentsync.config.load import InForce
    from agentsync.config.schema import Config
    from agentsync.git.repo import Repo

_MERGES = "merges.json"
_MOST_BYTES = 1 << 20


def forecast(repo: Repo, rules: InForce) -> Forecast:
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
        SnapshotStore(repo).clear_locks()
        yield


def forecast_in_turn(repo: Repo, rules: InForce) -> Forecast:
    """What `forecast` does, for whoever has the turn."""
    ours = with_scratch_objects(repo)
    here = worktrees(repo)
    known = _Known(repo, _settings(ours))
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        looks = list(pool.map(lambda one: look_at(ours, rules.base, one), here))
        sides = [look.side for look in looks if look.side]
        base = base_look(ours, rules.base, sides)
        pairs = sharing_pairs([*sides, base.side] if base.side else sides)
        fresh = [pair for pair in pairs if _key(pair) not in known.merges]
        answers = dict(zip(map(_key, fresh), pool.map(lambda pair: _merged(ours, *pair), fresh), strict=True))
    known.add(pairs, answers)
    found = Forecast(
        tuple(_clashes(repo, pairs, known.merges, rules.config)),
        tuple(
            Unmerged(one.id, other.id, (one.head, other.head), why)
            for one, other in pairs
            if isinstance(why := answers.get(_key((one, other))), str)
        ),
        (*unreadable(repo), *(note for look in [*looks, base] for note in look.notes)),
        len(sides),
    )
    write_last(repo, found)
    write_touched(repo, touched_by(sides))
    return found._replace(unread=(*found.unread, *keep_all(ours, here, sides)))


def keep_snapshot(repo: Repo, worktree_id: str) -> str:
    """Keep a worktree's uncommitted changes for `rescue`; the snapshot's id, empty where nothing is new.

    Raises GitError or OSError where they cannot be read or kept, StateError where a forecast takes too long.
    """
    found = next((one for one in worktrees(repo) if one.id == worktree_id and one.present), None)
    head = head_of(repo, found.git_dir).commit if found else ""
    if not found or not head:
        return ""
    with turn_to_forecast(repo):
        ours = with_scratch_objects(repo)
        kept = keep(ours, found, head, files_of(ours, found).tree)
        with suppress(GitError, OSError):  # what is too old goes the next time
            SnapshotStore(ours).expire(at_once=bool(kept))
    return kept


def _key(pair: tuple[Side, Side]) -> str:
    return f"{pair[0].commit} {pair[1].commit}"


def _merged(repo: Repo, one: Side, other: Side) -> list[ClashPath] | str:
    """Where two sides conflict; or why they could not be merged, which is no answer to keep."""
    try:
        merge = merge_trees(repo, one.commit, other.commit)
        at = entries(repo, merge.tree, *(conflict.path for conflict in merge.conflicts)) if merge.conflicts else {}
        found = [_clash_path(repo, conflict, at.get(conflict.path, None)) for conflict in merge.conflicts]
        return found + [ClashPath(path.decode("utf-8", "surrogateescape"), "moved", ()) for path in merge.moved]
    except (GitError, OSError) as error:
        return reason_of(error)


def _clash_path(repo: Repo, conflict: Conflict, merged: object) -> ClashPath:
    path = conflict.path.decode("utf-8", "surrogateescape")
    if conflict.ours is None or conflict.theirs is None:
        return ClashPath(path, "deleted" if conflict.base else "in the way", ())
    if conflict.base is None:
        return ClashPath(path, "added", ())
    blob = getattr(merged, "id", "")
    text = repo.git("cat-file", "blob", blob, ok=()).out if blob else b""
    return ClashPath(path, "content", hunks_in(text) if len(text) <= _MOST_BYTES else ())


def _clashes(
    repo: Repo, pairs: Sequence[tuple[Side, Side]], merges: Mapping[str, Sequence[ClashPath]], config: Config
) -> list[Clash]:
    """The conflicts, each with the time at which a forecast first saw it."""
    before = {key: clash.since for clash in read_last(repo).clashes for key in clash.keys}
    now = int(time.time())
    merged = [(pair, without_generated(merges[_key(pair)], config)) for pair in pairs if _key(pair) in merges]
    found = [
        Clash(one.id, other.id, (one.head, other.head), now, tuple(paths), (one.tree, other.tree))
        for (one, other), paths in without_repeats(merged)
        if paths
    ]
    return [clash._replace(since=min(before.get(key, now) for key in clash.keys)) for clash in found]


def _settings(repo: Repo) -> str:
    """What the outcome of a merge depends on beside the two commits: attributes, and the drivers' version."""
    try:
        attributes = read_or_empty(os.path.join(repo.common_dir, "info", "attributes"))
        return " ".join([__version__, in_scratch_folder(repo).top, object_id(b"blob", attributes)])
    except (OSError, GitError):
        return ""


class _Known:
    """The merges that are remembered, by their two commits."""

    def __init__(self, repo: Repo, settings: str) -> None:
        self._file = os.path.join(folder_of(repo), _MERGES)
        self._settings = settings
        self.merges: dict[str, list[ClashPath]] = self._read() if settings else {}

    def _read(self) -> dict[str, list[ClashPath]]:
        try:
            with open(self._file, "rb") as file:
                facts = json.load(file)
            if facts["settings"] != self._settings:
                return {}
            return {
                key: [ClashPath(path, kind, tuple(Hunk(*hunk) for hunk in hunks)) for path, kind, hunks in paths]
                for key, paths in facts["merges"].items()
            }
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return {}

    def add(self, pairs: Sequence[tuple[Side, Side]], answers: Mapping[str, list[ClashPath] | str]) -> None:
        """Remember the answers for as long as their pairs are asked for; what could not be merged is no answer."""
        self.merges |= {key: paths for key, paths in answers.items() if not isinstance(paths, str)}
        asked = {_key(pair) for pair in pairs}
        rows = {
            key: [[p.path, p.kind, [list(hunk) for hunk in p.hunks]] for p in paths]
            for key, paths in self.merges.items()
            if key in asked
        }
        write_projection(self._file, json.dumps({"settings": self._settings, "merges": rows}).encode())
