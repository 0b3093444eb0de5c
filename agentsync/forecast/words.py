"""What a forecast says: who, which files, which hunks and definitions, since when, what to do."""

from __future__ import annotations

from agentsync.forecast.cache import BASE, Clash, ClashPath
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.text import one_line, shell_path, show_path, show_time

_MOST_PATHS = 5


def clash_lines(clash: Clash, here: str, base_name: str) -> list[str]:
    """A conflict as lines; `here` is the reader's worktree, which is named first."""
    one, other = (clash.other, clash.one) if clash.other == here else (clash.one, clash.other)
    shown_as = {BASE: base_name, MAIN_WORKTREE: "the main worktree"}
    names = [shown_as.get(name, name) for name in (one, other)]
    shown = ", ".join(_place(path) for path in clash.paths[:_MOST_PATHS])
    more = f" and {len(clash.paths) - _MOST_PATHS} more" if len(clash.paths) > _MOST_PATHS else ""
    who = f"{one_line(names[0], 60)} and {one_line(names[1], 60)}"
    return [f"{who} conflict in {shown}{more}, since {show_time(clash.since)}", f"  {_way_on(clash)}"]


def _place(path: ClashPath) -> str:
    name = show_path(path.path.encode("utf-8", "surrogateescape"))
    if path.kind != "content":
        return f"{name} ({path.kind} on one side)" if path.kind == "deleted" else f"{name} ({path.kind} on both sides)"
    spots = [
        f"line {hunk.line}" + (f" in {one_line(hunk.definition, 40)}" if hunk.definition else "")
        for hunk in path.hunks[:3]
    ]
    return f"{name} ({', '.join(spots)})" if spots else name


def _way_on(clash: Clash) -> str:
    """base's side is there to be merged; another's may not even be committed, but can be looked at."""
    if BASE in (clash.one, clash.other):
        return "agentsync sync"
    return f"agentsync status {shell_path(clash.paths[0].path.encode('utf-8', 'surrogateescape'))}"
