"""What a task has cost so far, by the transcript that the client keeps; noted with the claim when the agent stops.

Read are Claude Code's transcripts (one message a line, with the API's `usage`) and Codex's (a `token_count` event after
each answer). No other client documents one.
"""

from __future__ import annotations

import json
import os
from datetime import datetime

from agentsync.errors import StateError
from agentsync.holders.registry import private_file, write_private
from agentsync.lean import TYPE_CHECKING
from agentsync.record import dump, load, number_of
from agentsync.state.store import Change, Snapshot
from agentsync.tasks.claims import all_claims, claim_of, claim_record, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from agentsync.judging.scene import Scene
    from agentsync.record import Record

_COUNTS = "tokens"
_USAGE = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MOST_BYTES = 256 << 20


def tokens_since(lines: Iterable[bytes], since: int) -> int:
    """The tokens, in and out and cached, of the answers after a time (epoch seconds), by a transcript's lines."""
    by_message: dict[str, int] = {}
    for number, line in enumerate(lines):
        if b"usage" not in line:
            continue
        try:
            row = json.loads(line)
            if datetime.fromisoformat(row["timestamp"]).timestamp() >= since:
                name, count = _count(row, number)
                by_message[name] = count  # a message stands once a content block, each time with the same usage
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return sum(by_message.values())


def _count(row: dict[str, Any], number: int) -> tuple[str, int]:
    if row.get("type") == "event_msg":
        last = row["payload"]["info"]["last_token_usage"]
        total = last.get("total_tokens") or last["input_tokens"] + last["output_tokens"]
        return f"event {number}", int(total)
    message = row["message"]
    return str(message.get("id", number)), sum(int(message["usage"].get(key) or 0) for key in _USAGE)


def note_cost(scene: Scene, transcript: str) -> None:
    """Write the tokens of the one open claim here, where the transcript tells more than the claim."""
    mine = [one for one in all_claims(scene.snapshot) if one.holder == scene.holder and not one.done]
    if len(mine) != 1 or not os.path.isfile(transcript) or os.path.getsize(transcript) > _MOST_BYTES:
        return
    claim = mine[0]
    with open(transcript, "rb") as file:
        counted = tokens_since(file, claim.since)
    total = _over_sessions(scene, f"{claim.id} {claim.since}", transcript, counted)

    def decide(snapshot: Snapshot) -> Change | None:
        known = claim_of(snapshot, claim.id)
        if known is None or known.holder != scene.holder or known.done or known.tokens >= total:
            return None
        return Change(
            f"cost of {claim.id}", scene.holder.key, {place_of(claim.id): claim_record(known._replace(tokens=total))}
        )

    if total > claim.tokens:
        scene.store.swap(decide)


def _over_sessions(scene: Scene, task: str, transcript: str, counted: int) -> int:
    """The sum over every session that worked on the task here."""
    counts: Record = {}
    try:
        with open(private_file(scene.repo, _COUNTS), "rb") as file:
            counts = load(file.read())
    except (OSError, StateError):
        pass
    if counts.get("task") != task:
        counts = {"task": task}
    counts[f"in {os.path.basename(transcript)}"] = counted
    write_private(scene.repo, _COUNTS, dump(counts).decode())
    return sum(number_of(counts, key) for key in counts if key != "task")
