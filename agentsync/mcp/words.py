"""What a client without a shell is told to do next: the tool, where a shell command has one. Pure."""

from __future__ import annotations

import json
import shlex

_BEFORE = (": ", "(", "; ")  # what stands before a command in a line of ours
# The commands that a tool stands for, and the options with which one does.
_OPTIONS: dict[str, set[str]] = {
    "lock": {"--wait"}, "unlock": set(), "status": {"--new"}, "forecast": set(), "task": {"--claim"},
    "migration": set(),
}  # fmt: skip


def for_tools(line: str) -> str:
    """A line of ours with the tool in place of the command that it ends in; one without a tool stays as it is."""
    for at in _starts(line):
        head, command = line[:at], line[at:]
        closing = ")" if head.endswith("(") and command.endswith(")") else ""
        tool = _tool(command.removesuffix(closing))
        if tool:
            return head + tool + closing
    return line


def _starts(line: str) -> list[int]:
    found = [at for at in range(len(line)) if line.startswith("agentsync ", at)]
    return [at for at in found if at == 0 or line[:at].endswith(_BEFORE)]


def _tool(command: str) -> str:
    """The call that does what a command does, empty where no tool does."""
    try:
        words = shlex.split(command)[1:]
    except ValueError:
        return ""
    verb, *plain = [word for word in words if not word.startswith("-")] or [""]
    options = {word for word in words if word.startswith("-")}
    if verb not in _OPTIONS or not options <= _OPTIONS[verb]:
        return ""
    if verb == "task":
        return _task(plain)
    if verb == "lock":
        call = _call("lock_paths", paths=plain) if plain else "status()"
        return call + (", again later" if options else "")
    if verb == "migration":
        named = plain[:1] == ["next"] and len(plain) > 1
        return _call("reserve_migration_number", name=plain[-1], series="".join(plain[1:-1])) if named else ""
    return _call({"unlock": "unlock_paths", "status": "status", "forecast": "forecast_conflicts"}[verb], paths=plain)


def _task(plain: list[str]) -> str:
    verb, name, more = (*plain, "", "", "")[:3]
    if more:
        return ""
    calls = {
        "next": "claim_task()",
        "claim": _call("claim_task", task=name),
        "list": "list_tasks()",
        "done": _call("update_task", task=name, state="done"),
        "release": _call("update_task", task=name, state="released"),
    }
    return calls.get(verb, "") if name or verb in ("next", "list") else ""


def _call(tool: str, **named: object) -> str:
    given = ", ".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in named.items() if value)
    return f"{tool}({given})"
