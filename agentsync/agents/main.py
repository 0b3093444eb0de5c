"""`agentsync-hook CLIENT [EVENT]`: what each agent's own hook calls, with the event as JSON on stdin.

It never rejects its arguments and never exits with anything but 0 or, to refuse, 2: a failure of ours must not stop an
agent (code.claude.com/docs/en/hooks: exit 2 blocks; so does a usage error of most programs, so there is none here).
"""

from __future__ import annotations

import os
import sys

from agentsync.agents.answers import ALLOWED, Answer
from agentsync.agents.events import OTHER, read_event
from agentsync.agents.moments import answer_to
from agentsync.agents.twice import asked_natively
from agentsync.errors import AgentsyncError
from agentsync.git.run import set_deadline
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 5.0  # clients give up after 10
MOST_BYTES = 64 << 20


def main() -> int:
    """Answer one event."""
    answer = ALLOWED
    try:
        _give_up_in_time()
        answer = _answer(sys.argv[1:], sys.stdin.buffer.read(MOST_BYTES), os.environ)
    except AgentsyncError as error:
        _note("; ".join(part for part in (error.what, error.why) if part))
    except Exception as error:  # whatever our own fault is, the agent goes on
        _note(f"{type(error).__name__}: {error}")
    _print(answer)
    return answer.code


def _give_up_in_time() -> None:
    """Let reading, parsing and judging together take no longer than a client would wait."""
    import signal

    def give_up(*_: object) -> None:
        raise TimeoutError(f"{SECONDS:.0f} seconds were not enough")

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)


def _answer(words: Sequence[str], data: bytes, environ: Mapping[str, str]) -> Answer:
    import json

    if environ.get("AGENTSYNC") == "0":  # whoever started the agent switched us off
        return ALLOWED
    try:
        payload = json.loads(data)
    except ValueError:
        return ALLOWED
    if not isinstance(payload, dict):
        return ALLOWED
    client, named = (*words, "", "")[:2]
    event = read_event(client, named, payload)
    if event.kind == OTHER or asked_natively(client, event, environ):
        return ALLOWED
    set_deadline(SECONDS)
    return answer_to(event, environ)


def _note(why: str) -> None:
    """Tell a person who looks; with exit 0 no client shows it to the agent as an error."""
    try:
        sys.stderr.write(f"agentsync: the hook could not decide, so nothing was checked: {one_line(why)}\n")
    except (OSError, ValueError, AttributeError):
        return


def _print(answer: Answer) -> None:
    import json

    try:
        if answer.err:
            sys.stderr.write(answer.err.encode("utf-8", "replace").decode() + "\n")
        if answer.out is not None:
            sys.stdout.write(json.dumps(answer.out) + "\n")
        sys.stdout.flush()
    except Exception:  # a stream that is closed changes nothing about the answer's code
        return


if __name__ == "__main__":
    sys.exit(main())
