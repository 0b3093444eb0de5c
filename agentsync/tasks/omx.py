"""Tasks of an OMX team (oh-my-codex) read into TASKS.md; OMX's own files are only read.

They are `.omx/state/team/<team>/tasks/task-<n>.json` with `id`, `subject`, `status`, `filePaths`, `depends_on` and
`blocked_by` (oh-my-codex 0.21).
"""

from __future__ import annotations

import json
import os

from agentsync.errors import UsageError
from agentsync.lean import NamedTuple
from agentsync.tasks.grammar import added, find, mark_done, parse
from agentsync.text import one_line

STATE = os.path.join(".omx", "state", "team")
_MOST_BYTES = 1 << 20


class Foreign(NamedTuple):
    """A task as OMX knows it, with the ids that it gets in TASKS.md."""

    id: str
    title: str
    files: tuple[str, ...]
    depends: tuple[str, ...]
    done: bool
    owner: str


def tasks_folder(top: str, team: str) -> str:
    """Where the tasks of a team are, of the only one when none is named.

    Raises UsageError where that is not clear.
    """
    root = os.path.join(top, STATE)
    teams = sorted(name for name in os.listdir(root) if os.path.isdir(os.path.join(root, name, "tasks"))) \
        if os.path.isdir(root) else []  # fmt: skip
    if team not in teams and (team or len(teams) != 1):
        shown = ", ".join(one_line(name, 40) for name in teams[:5]) or "none"
        raise UsageError("which OMX team?", f"in {STATE} there are: {shown}", "agentsync task import --team NAME")
    return os.path.join(root, team or teams[0], "tasks")


def read_tasks(folder: str) -> list[Foreign]:
    """The tasks of a folder in the order of their numbers; a file that is no task is passed over."""
    found = []
    for name in os.listdir(folder):
        number = name.removeprefix("task-").removesuffix(".json")
        path = os.path.join(folder, name)
        if not number.isdecimal() or name != f"task-{number}.json" or os.path.getsize(path) > _MOST_BYTES:
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            try:
                task = parsed(json.load(file))
            except (ValueError, RecursionError):
                continue
        if task:
            found.append((int(number), task))
    return [task for _, task in sorted(found)]


def parsed(record: object) -> Foreign | None:
    """One task from its JSON; None for what has no id and subject."""
    if not isinstance(record, dict):
        return None
    name, subject = _word(record.get("id")), record.get("subject")
    if not name or not isinstance(subject, str) or not subject.strip():
        return None
    waits = [_word(one) for key in ("depends_on", "blocked_by") for one in _items(record.get(key))]
    files = [path for path in _items(record.get("filePaths")) if isinstance(path, str) and _plain(path)]
    owner = record.get("owner")
    return Foreign(
        f"OMX-{name}",
        one_line(subject, 120),
        tuple(files),
        tuple(dict.fromkeys(f"OMX-{one}" for one in waits if one)),
        record.get("status") == "completed",
        owner if isinstance(owner, str) and owner.replace("-", "a").isalnum() else "omx",
    )


def merged(text: str, tasks: list[Foreign]) -> tuple[str, list[str]]:
    """TASKS.md with the tasks that it lacks added and those completed ticked; and the ids that changed."""
    changed = []
    for one in tasks:
        known = find(parse(text), one.id)
        if known is None:
            text = added(text, one.id, one.title, one.files, one.depends)
            known = find(parse(text), one.id)
            changed.append(one.id)
        if known and one.done and known.open:
            text = mark_done(text, known, one.owner)
            changed += [one.id] if one.id not in changed else []
    return text, changed


def _word(value: object) -> str:
    """An id as OMX writes it: a number, or digits as text."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    return text if text.isdecimal() and len(text) < 10 else ""


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _plain(path: str) -> bool:
    """Whether a path can stand in backticks on one line."""
    return bool(path) and path.isprintable() and "`" not in path
