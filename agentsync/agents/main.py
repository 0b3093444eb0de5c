"""`agentsync-hook CLIENT [EVENT]`: what each agent's own hook calls, with the event as JSON on stdin.

It never rejects its arguments and never exits with anything but 0 or, to refuse, 2: a failure of ours must not stop an
agent (code.claude.com/docs/en/hooks: exit 2 blocks; so does a usage error of most programs, so there is none here).
"""

from __future__ import annotations

import os
import sys

from agentsync.agents.answers import ALLOWED, Answer, in_words_of
from agentsync.agents.events import OTHER, Event, read_event
from agentsync.errors import AgentsyncError
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 5.0  # clients give up after 10
MOST_BYTES = 64 << 20


def main() -> int:
    """Answer one event."""
    client, named = (*sys.argv[1:], "", "")[:2]
    answer, dialect = ALLOWED, client
    try:
        _give_up_in_time()
        event = _event(client, named, sys.stdin.buffer.read(MOST_BYTES))
        dialect = event.dialect
        answer = _answer(client, event, os.environ)
    except AgentsyncError as error:
        _note("; ".join(part for part in (error.what, error.why) if part))
    except Exception as error:  # whatever our own fault is, the agent goes on
        _note(f"{type(error).__name__}: {error}")
    answer = in_words_of(dialect, answer)
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


def _event(client: str, named: str, data: bytes) -> Event:
    import json

    try:
        payload = json.loads(data)
    except ValueError:
        payload = None
    return read_event(client, named, payload) if isinstance(payload, dict) else Event(OTHER, client)


def _answer(client: str, event: Event, environ: Mapping[str, str]) -> Answer:
    if event.kind == OTHER or environ.get("AGENTSYNC") == "0":  # whoever started the agent switched us off
        return ALLOWED
    # a client that asks about each call, as VS Code does, pays for these only where there is something to judge
    from agentsync.agents.moments import answer_to
    from agentsync.agents.twice import asked_natively
    from agentsync.git.run import set_deadline

    if asked_natively(client, event, environ):
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
