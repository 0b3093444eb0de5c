"""What a forecast says: who, which files, which hunks and definitions, since when, what to do."""

from __future__ import annotations

from agentsync.forecast.cache import BASE, Clash, ClashPath, Forecast, Unmerged, Unread
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line, shell_path, shell_word, show_path, show_time

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_PATHS = 5


def clash_lines(clash: Clash, here: str, base_name: str, tops: Mapping[str, str]) -> list[str]:
    """A conflict as lines; `here` is the reader's worktree, which is named first, `tops` where each worktree is."""
    shown = ", ".join(_place(path) for path in clash.paths[:_MOST_PATHS])
    more = f" and {len(clash.paths) - _MOST_PATHS} more" if len(clash.paths) > _MOST_PATHS else ""
    return [
        f"{_both(clash, here, base_name)} conflict in {shown}{more}, since {show_time(clash.since)}",
        f"  {_way_on(clash, here, tops)}",
    ]


def unmerged_line(one: Unmerged, here: str, base_name: str) -> str:
    """Two sides of which nobody knows whether they conflict."""
    return f"{_both(one, here, base_name)} could not be merged: {one.why}"


def unread_line(one: Unread, base_name: str) -> str:
    """A side that was not looked at, or not wholly."""
    return f"{_side(one.id, base_name)}: {one_line(one.why, 300)}"


def nothing_found(found: Forecast) -> str:
    """That there is nothing to tell."""
    return f"no conflicts among {found.looked_at} worktree{'' if found.looked_at == 1 else 's'}"


def concerning(found: Forecast, worktree: str) -> Forecast:
    """What of a forecast a worktree should know."""
    return found._replace(
        clashes=tuple(one for one in found.clashes if worktree in (one.one, one.other)),
        unmerged=tuple(one for one in found.unmerged if worktree in (one.one, one.other)),
    )


def _both(one: Clash | Unmerged, here: str, base_name: str) -> str:
    first, second = (one.other, one.one) if one.other == here else (one.one, one.other)
    return f"{_side(first, base_name)} and {_side(second, base_name)}"


def _side(name: str, base_name: str) -> str:
    return one_line({BASE: base_name, MAIN_WORKTREE: "the main worktree"}.get(name, name), 60)


def _place(path: ClashPath) -> str:
    name = show_path(path.path.encode("utf-8", "surrogateescape"))
    if path.kind != "content":
        where = {"deleted": "deleted on one side", "added": "added on both sides", "moved": "moved two ways"}
        return f"{name} ({where.get(path.kind, path.kind)})"
    spots = [
        f"line {hunk.line}" + (f" in {one_line(hunk.definition, 40)}" if hunk.definition else "")
        for hunk in path.hunks[:3]
    ]
    return f"{name} ({', '.join(spots)})" if spots else name


def _way_on(clash: Clash, here: str, tops: Mapping[str, str]) -> str:
    """base's side is there to be merged; another's may not even be committed, but can be looked at."""
    if BASE in (clash.one, clash.other):
        side = clash.other if clash.one == BASE else clash.one
        top = tops.get(side, "") if side != here else ""
        return f"cd {shell_word(top)} && agentsync sync" if top else "agentsync sync"
    return f"agentsync status {shell_path(clash.paths[0].path.encode('utf-8', 'surrogateescape'))}"
