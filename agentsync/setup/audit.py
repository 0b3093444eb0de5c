"""What happened: the state's history and the journal as one list, newest first. Cold, so GitPython reads it."""

from __future__ import annotations

import os

from agentsync.git.repo import Repo
from agentsync.lean import NamedTuple
from agentsync.state.journal import read_events
from agentsync.state.store import REF
from agentsync.text import one_line


class Event(NamedTuple):
    """One line of the audit: when (epoch seconds), who, what kind, and what."""

    time: int
    who: str
    kind: str
    what: str


def _changes(repo: Repo, limit: int) -> list[Event]:
    import git

    store = os.path.join(repo.shared_dir, "store.git")
    if not os.path.isdir(store):
        return []
    with git.Repo(store) as state:
        if REF not in [ref.path for ref in state.refs]:
            return []
        return [
            Event(commit.committed_date, one_line(str(commit.author.name)), "change", one_line(str(commit.summary)))
            for commit in state.iter_commits(REF, max_count=limit)
        ]


def _journal(repo: Repo) -> list[Event]:
    found = []
    for event in read_events(repo.shared_dir):
        rest = {key: value for key, value in event.items() if key not in ("time", "event", "holder")}
        when = event.get("time", 0)
        what = ", ".join(f"{key} {value}" for key, value in rest.items())
        found.append(
            Event(when if isinstance(when, int) else 0, one_line(str(event.get("holder", ""))),
                  one_line(str(event.get("event", "")), 40), one_line(what))
        )  # fmt: skip
    return found[::-1]


def audit(repo: Repo, limit: int, *, refused_only: bool) -> list[Event]:
    """The newest events; only refusals, if so wanted."""
    if refused_only:
        events = [event for event in _journal(repo) if event.kind in ("refused", "would-refuse")]
    else:
        events = _changes(repo, limit) + _journal(repo)
    return sorted(events, key=lambda event: event.time, reverse=True)[:limit]
