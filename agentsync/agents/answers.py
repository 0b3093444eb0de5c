"""How each client is answered: allowed, refused, told. Pure.

One contract holds nearly everywhere: `{}` and exit 0 allows, exit 2 with the reason on stderr refuses.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.agents.events import Event

MOST_TOLD = 520  # characters, some 130 tokens


class Answer(NamedTuple):
    """What to print on stdout (a JSON object, or nothing) and on stderr, and the exit code: 0, or 2 to refuse."""

    out: dict[str, object] | None
    err: str = ""
    code: int = 0


ALLOWED = Answer({})
ASKING = ("agy", "goose")  # where no decision counts as none, and a person is asked or the call refused


def in_words_of(dialect: str, answer: Answer) -> Answer:
    """The answer as a client needs it that wants its permission in so many words.

    Others must not get it: theirs would let the call pass without the question that their user wants to be asked.
    """
    return Answer({"decision": "allow"}) if answer == ALLOWED and dialect in ASKING else answer


def refuse(event: Event, lines: Sequence[str]) -> Answer:
    """Refuse an edit or a command, with the reason where the client looks for it.

    Gemini CLI reads stderr only where stdout is empty, and lets the tool run otherwise (measured, 0.61).
    """
    reason = "\n".join(lines)
    out: dict[str, dict[str, object]] = {
        "cursor": {"permission": "deny", "user_message": lines[0], "agent_message": reason},
        "copilot": {"permissionDecision": "deny", "permissionDecisionReason": reason},
        "agy": {"decision": "deny", "reason": reason},
        "goose": {"decision": "block", "reason": reason},
        "cline": {"cancel": True, "errorMessage": reason},
    }
    return Answer(out.get(event.dialect), reason, 2)


def tell(event: Event, lines: Sequence[str], cap: int = MOST_TOLD) -> Answer:
    """Let the agent know something, in so far as the client hands it on; nothing to say answers `{}`."""
    text = _capped(lines, cap)
    if not text or event.dialect in ASKING:  # those have no place for it that is known
        return ALLOWED
    if event.dialect == "cursor":
        return Answer({"additional_context": text})
    if event.dialect == "copilot":
        return Answer({"additionalContext": text})
    return Answer({"hookSpecificOutput": {"hookEventName": event.name, "additionalContext": text}})


def go_on(event: Event, lines: Sequence[str]) -> Answer:
    """Ask an agent that stops to see to something first."""
    text = "\n".join(lines)
    if event.dialect == "cursor":
        return Answer({"followup_message": text})
    if event.dialect == "vscode":  # Claude Code's form is for Copilot, which is not always told from it
        inner = {"hookEventName": event.name, "decision": "block", "reason": text}
        return Answer({"decision": "block", "reason": text, "hookSpecificOutput": inner})
    return Answer({"decision": "deny" if event.dialect == "gemini" else "block", "reason": text})


def _capped(lines: Sequence[str], cap: int) -> str:
    """As many whole lines as fit."""
    kept: list[str] = []
    for line in lines:
        if kept and sum(len(one) + 1 for one in kept) + len(line) > cap:
            return "\n".join([*kept, "more: agentsync status --new"])
        kept.append(line)
    return "\n".join(kept)
