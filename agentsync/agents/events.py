"""What a client's hook says, in whichever dialect: one event, the files or the command it is about. Pure.

The payloads' shapes are the clients' own: code.claude.com/docs/en/hooks, developers.openai.com/codex/hooks,
cursor.com/docs/agent/hooks, geminicli.com/docs/hooks/reference and
docs.github.com/en/copilot/reference/hooks-configuration.
"""

from __future__ import annotations

import os

from agentsync.agents.patches import patched_paths
from agentsync.lean import NamedTuple

START, MOVED, BEFORE_EDIT, BEFORE_SHELL, AFTER_EDIT, STOP, OTHER = (
    "start", "moved", "before-edit", "before-shell", "after-edit", "stop", "other",
)  # fmt: skip
CLIENTS = ("claude", "codex", "cursor", "gemini", "copilot")

_MOMENTS = {
    "pretooluse": "before", "beforetool": "before", "beforeshellexecution": "before",
    "posttooluse": "after", "aftertool": "after", "afterfileedit": "after",
    "sessionstart": START, "cwdchanged": MOVED, "stop": STOP, "agentstop": STOP, "afteragent": STOP,
}  # fmt: skip
_EDITS = {
    "edit", "write", "multiedit", "notebookedit", "apply_patch", "write_file", "replace", "create", "delete",
    "str_replace_editor", "str_replace", "create_file", "edit_file", "delete_file", "search_replace", "editfiles",
    "patch",
}  # fmt: skip
_SHELLS = {
    "bash", "powershell", "shell", "run_shell_command", "monitor", "terminal", "exec_command", "local_shell",
    "shell_command",
}  # fmt: skip
_FOLDER_KEYS = ("cwd", "workdir", "working_directory", "dir_path", "directory")
_PATH_KEYS = ("file_path", "notebook_path", "path", "filePath", "target_file", "absolute_path", "notebookPath")


class Event(NamedTuple):
    """One event: its kind, the dialect it came in and the client's own name for it.

    `paths` as the client gave them, relative to `folder`. `again`: the agent goes on because a hook asked it to.
    """

    kind: str
    dialect: str
    name: str = ""
    folder: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    transcript: str = ""
    again: bool = False


def dialect_of(client: str, payload: dict[str, object]) -> str:
    """Who really calls: clients run each other's hook files, and their answers differ."""
    if "cursor_version" in payload or ("conversation_id" in payload and "workspace_roots" in payload):
        return "cursor"
    if "toolName" in payload or "toolArgs" in payload or "sessionId" in payload:
        return "copilot"
    name = _text(payload, "hook_event_name")
    if name in ("BeforeTool", "AfterTool", "BeforeAgent", "AfterAgent"):
        return "gemini"
    if "turn_id" in payload or payload.get("tool_name") == "apply_patch":
        return "codex"
    claude_like = name in ("PreToolUse", "PostToolUse") and "tool_use_id" not in payload
    if claude_like and "timestamp" in payload:
        return "copilot"
    return client if client in CLIENTS else "claude"


def read_event(client: str, named: str, payload: dict[str, object]) -> Event:
    """A payload as an event; `named` is the event by the hook's own command line, for payloads that lack it."""
    dialect = dialect_of(client, payload)
    name = _text(payload, "hook_event_name") or named or _implied(payload)
    moment = _MOMENTS.get(name.lower().replace("_", ""), OTHER)
    folder = _text(payload, "cwd") or _first(payload.get("workspace_roots"))
    event = Event(
        moment if moment in (START, MOVED, STOP) else OTHER,
        dialect,
        name,
        folder,
        transcript=_text(payload, "transcript_path"),
        again=payload.get("stop_hook_active") is True,
    )
    if moment not in ("before", "after"):
        return event
    tool = (_text(payload, "tool_name") or _text(payload, "toolName")).lower()
    given = payload.get("tool_input", payload.get("toolArgs", payload))
    if isinstance(given, str):
        given = {"input": given} if given.lstrip().startswith("*** Begin Patch") else _parsed(given)
    if not isinstance(given, dict):
        return event
    if moment == "before" and (tool in _SHELLS or (not tool and "command" in given)):
        inner = next((place for key in _FOLDER_KEYS if (place := _text(given, key))), "")
        folder = os.path.join(folder, inner) if folder or os.path.isabs(inner) else inner
        return event._replace(kind=BEFORE_SHELL, command=_command(given.get("command")), folder=folder)
    if (tool in _EDITS or (moment == "after" and not tool)) and given.get("command") != "view":
        kind = BEFORE_EDIT if moment == "before" else AFTER_EDIT
        return event._replace(kind=kind, paths=tuple(_paths(given, patch=_is_patch(tool, given))))
    return event


def _implied(payload: dict[str, object]) -> str:
    """The event of a payload that does not name it, as Copilot's in camelCase."""
    if "toolName" not in payload:
        return ""
    return "postToolUse" if "toolResult" in payload else "preToolUse"


def _is_patch(tool: str, given: dict[str, object]) -> bool:
    """Whether an edit is a patch: by its tool's name, or by its text where the tool goes by another name."""
    texts = (value for key in ("input", "patch") if isinstance(value := given.get(key), str))
    return tool in ("apply_patch", "patch") or any(text.lstrip().startswith("*** Begin Patch") for text in texts)


def _paths(given: dict[str, object], *, patch: bool) -> list[str]:
    found = [value for key in _PATH_KEYS if isinstance(value := given.get(key), str) and value][:1]
    for key in ("files", "paths"):
        many = given.get(key)
        found += [one for one in many if isinstance(one, str)] if isinstance(many, list) else []
    for value in given.values() if patch else ():
        for text in value if isinstance(value, list) else [value]:
            found += patched_paths(text) if isinstance(text, str) else []
    return list(dict.fromkeys(found))


def _command(value: object) -> str:
    """A command as text; `["bash", "-lc", SCRIPT]` is its script."""
    if isinstance(value, list):
        words = [word for word in value if isinstance(word, str)]
        if len(words) == 3 and words[1] in ("-c", "-lc"):
            return words[2]
        from agentsync.text import shell_word

        return " ".join(shell_word(word) for word in words)
    return value if isinstance(value, str) else ""


def _parsed(text: str) -> object:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None


def _text(payload: dict[str, object], key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""


def _first(value: object) -> str:
    return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else ""
