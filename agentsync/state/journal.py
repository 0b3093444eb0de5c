"""`events.jsonl`: what is no change of state (refusals, waits, overrides), one whole line an event."""

from __future__ import annotations

import os
import time

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def journal_path(shared_dir: str) -> str:
    """Where the journal is."""
    return os.path.join(shared_dir, "events.jsonl")


def record_event(shared_dir: str, event: str, **facts: str | int | list[str]) -> None:
    """Append an event; a journal that cannot be written never stops what it tells of."""
    import json  # only those who have something to tell pay for it

    line = json.dumps({"time": int(time.time()), "event": event, **facts}, ensure_ascii=True) + "\n"
    try:
        os.makedirs(shared_dir, exist_ok=True)
        fd = os.open(journal_path(shared_dir), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError:
        return
    try:
        os.write(fd, line.encode())
    except OSError:
        return
    finally:
        os.close(fd)


def journal_end(shared_dir: str) -> int:
    """The byte offset at which the next event will stand."""
    try:
        return os.path.getsize(journal_path(shared_dir))
    except OSError:
        return 0


def read_events(shared_dir: str, start: int = 0, end: int = -1) -> Iterator[dict[str, str | int | list[str]]]:
    """The events between two byte offsets, oldest first; a line that was cut off is passed over."""
    import json

    try:
        with open(journal_path(shared_dir), "rb") as file:
            file.seek(start)
            lines = file.read(max(0, end - start) if end >= 0 else -1).decode("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event
