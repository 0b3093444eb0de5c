"""Whether a change sets paths back to versions that their history has left behind. Pure."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.git.objects import Change

RULE = "takeback"
_NAMES = ("This reverts commit ", "This reverts merge commit ")


class Past(NamedTuple):
    """A commit of the history before a change, and what it changed."""

    id: str
    changes: Sequence[Change]


class TakenBack(NamedTuple):
    """A path that goes back, and the commits whose version of it that drops, newest first."""

    path: bytes
    commits: tuple[str, ...]


def taken_back(changes: Sequence[Change], history: Sequence[Past]) -> list[TakenBack]:
    """The changed paths that get a version which `history` (newest first) had and left behind."""
    rows: dict[bytes, list[tuple[str, Change]]] = {change.path: [] for change in changes}
    for past in history:
        for row in past.changes:
            if row.path in rows:
                rows[row.path].append((past.id, row))
    found = []
    for change in changes:
        goal = (change.new, change.new_mode)
        if goal == (change.old, change.old_mode):
            continue
        newer: list[str] = []
        for commit, row in rows[change.path]:
            newer.append(commit)
            if (row.old, row.old_mode) == goal:
                found.append(TakenBack(change.path, tuple(newer)))
                break
    return found


def on_purpose(message: str, taken: TakenBack, history: Sequence[Past]) -> bool:
    """Whether a commit's message names a commit that changed the path before, as `git revert` does.

    That may be one that a merge brought, which is not itself the newest change of the path, or one from before the
    history that was read.
    """
    touching = {past.id for past in history if any(change.path == taken.path for change in past.changes)}
    known = {past.id for past in history} | set(taken.commits)
    named = [(word, [commit for commit in known if commit.startswith(word)]) for word in _named(message)]
    return any(not found or set(found) & (touching | set(taken.commits)) for _, found in named)


def _named(message: str) -> list[str]:
    words = []
    for name in _NAMES:
        for part in message.split(name)[1:]:
            word = "".join(c for c in part.split("\n")[0].split(" ")[0] if c in "0123456789abcdef")
            if len(word) >= 7:
                words.append(word)
    return words


def others(taken: Sequence[TakenBack], authors: Mapping[str, str], own: str) -> list[TakenBack]:
    """Those that drop somebody else's version; `authors` tells whose each commit is."""
    return [one for one in taken if any(authors.get(commit, "") != own for commit in one.commits)]


def dropped_by_merge(
    ours: Mapping[bytes, str], theirs: Mapping[bytes, str], result: Mapping[bytes, str]
) -> list[bytes]:
    """The paths at which a merge drops what one side alone did.

    `ours` and `theirs` are what each side changed since the merge base, `result` what the merge changed: paths to
    blobs (empty: deleted). A path that both sides changed was for the merge to decide.
    """
    one_side = {path: blob for path, blob in (*ours.items(), *theirs.items()) if (path in ours) != (path in theirs)}
    return sorted(path for path in one_side if path not in result)
