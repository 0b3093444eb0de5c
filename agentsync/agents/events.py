"""What a client's hook says, in whichever dialect: one event, the files or the command it is about. Pure.

The payloads' shapes are the clients' own: code.claude.com/docs/en/hooks, developers.openai.com/codex/hooks,
cursor.com/docs/agent/hooks, geminicli.com/docs/hooks/reference and
docs.github.com/en/copilot/reference/hooks-configuration; for those that `init` does not set up, docs/agents/others.md.
"""

from __future__ import annotations

import os

from agentsync.agents.calls import read_call
from agentsync.lean import NamedTuple
from agentsync.text import one_line

START, MOVED, BEFORE_EDIT, BEFORE_SHELL, AFTER_EDIT, STOP, END, OTHER = (
    "start", "moved", "before-edit", "before-shell", "after-edit", "stop", "end", "other",
)  # fmt: skip
CLIENTS = (
    "claude", "codex", "cursor", "gemini", "copilot", "vscode", "agy", "auggie", "goose", "cline", "windsurf", "qwen",
    "droid", "crush", "kiro", "opencode", "kilo", "amp",
)  # fmt: skip

_MOMENTS = {
    "sessionstart": START, "agentspawn": START, "cwdchanged": MOVED,
    "stop": STOP, "agentstop": STOP, "afteragent": STOP, "sessionend": END,
    "toolcall": "before", "toolexecutebefore": "before", "toolresult": "after", "toolexecuteafter": "after",
}  # fmt: skip
_NEVER = ("read", "prompt", "model", "response", "selection")  # `beforeReadFile` has the content of what is read
# Keys that give a dialect away, the surest first.
_SIGNS = (
    ("cursor", {"cursor_version"}),
    ("agy", {"toolCall"}),
    ("agy", {"workspacePaths"}),
    ("windsurf", {"agent_action_name"}),
    ("cline", {"clineVersion"}),
    ("auggie", {"conversation_id", "workspace_roots", "is_mcp_tool"}),
    ("cursor", {"conversation_id", "workspace_roots"}),
    ("goose", {"event", "working_dir"}),
    ("goose", {"event", "tool_call_id"}),
    ("crush", {"event", "session_id"}),
    ("vscode", {"hookEventName"}),
    ("copilot", {"toolName"}),
    ("copilot", {"toolArgs"}),
    ("copilot", {"sessionId"}),
)
# Where a payload has what, the likeliest first; a dot goes into an object, or a list's first item.
_NAMES = ("hook_event_name", "event", "hookEventName", "agent_action_name", "hookName")
_FOLDERS = (
    "cwd", "working_dir", "tool_info.cwd", "workspace_roots.0", "workspacePaths.0", "workspaceRoots.0",
    "workspaceInfo.rootPath", "workingDirectory",
)  # fmt: skip
_TOOLS = ("tool_name", "toolName", "toolCall.name", "tool_call.name", "preToolUse.toolName", "tool_info.mcp_tool_name")
_ARGUMENTS = (
    "tool_input", "toolArgs", "tool_info.mcp_tool_arguments", "tool_info", "toolCall.args", "tool_call.input",
    "preToolUse.parameters", "toolInput", "arguments", "args",
)  # fmt: skip
_SESSIONS = ("session_id", "sessionId", "conversation_id", "conversationId")
_RESULTS = ("toolResult", "tool_result", "tool_response", "postToolUse")


class Event(NamedTuple):
    """One event: its kind, the dialect it came in and the client's own name for it.

    `paths` as the client gave them, relative to `folder`. `again`: the agent goes on because a hook asked it to.
    `replaces`: the session takes the place of an earlier one in the same window.
    """

    kind: str
    dialect: str
    name: str = ""
    folder: str = ""
    paths: tuple[str, ...] = ()
    command: str = ""
    transcript: str = ""
    again: bool = False
    session: str = ""
    replaces: bool = False


def dialect_of(client: str, payload: dict[str, object]) -> str:
    """Who really calls: clients run each other's hook files, and their answers differ."""
    keys = payload.keys()
    told = [dialect for dialect, signs in _SIGNS if signs <= keys]
    if told:
        return told[0]
    name = _text(payload, "hook_event_name")
    if name in ("BeforeTool", "AfterTool", "BeforeAgent", "AfterAgent"):
        return "gemini"
    if "turn_id" in keys or payload.get("tool_name") == "apply_patch":
        return "codex"
    if "timestamp" in keys and "permission_mode" not in keys and client in ("claude", "vscode"):
        # VS Code and Copilot run Claude Code's file; of the two, Copilot gives a call no id
        return "copilot" if name in ("PreToolUse", "PostToolUse") and "tool_use_id" not in keys else "vscode"
    if name in ("PreToolUse", "PostToolUse") and "tool_use_id" not in keys and "timestamp" in keys:
        return "copilot"
    return client if client in CLIENTS else "claude"


def read_event(client: str, named: str, payload: dict[str, object]) -> Event:
    """A payload as an event; `named` is the event by the hook's own command line, for payloads that lack it."""
    dialect = dialect_of(client, payload)
    name = _first(payload, _NAMES) or named or _implied(payload)
    moment = _moment(name)
    event = Event(
        moment if moment in (START, MOVED, STOP, END) else OTHER,
        dialect,
        name,
        _first(payload, _FOLDERS),
        transcript=_text(payload, "transcript_path") or _text(payload, "transcriptPath"),
        again=payload.get("stop_hook_active") is True,
        session=one_line(_first(payload, _SESSIONS), 80),
        replaces=_text(payload, "source") in ("clear", "resume", "compact", "fork"),
    )
    if moment not in ("before", "after"):
        return event
    given = next((value for key in _ARGUMENTS if (value := _at(payload, key)) is not None), payload)
    call = read_call(_first(payload, _TOOLS), given)
    if call.edits:
        return event._replace(kind=BEFORE_EDIT if moment == "before" else AFTER_EDIT, paths=call.paths)
    if call.runs and moment == "before":
        folder = os.path.join(event.folder, call.folder) if event.folder or os.path.isabs(call.folder) else call.folder
        return event._replace(kind=BEFORE_SHELL, command=call.command, folder=folder)
    return event


def _moment(name: str) -> str:
    """When an event comes, by its name; those before and after a tool's call by how their names begin."""
    bare = "".join(char for char in name.lower() if char.isalnum())
    if bare in _MOMENTS:
        return _MOMENTS[bare]
    if any(word in bare for word in _NEVER):
        return OTHER
    return "before" if bare.startswith(("pre", "before")) else "after" if bare.startswith(("post", "after")) else OTHER


def _implied(payload: dict[str, object]) -> str:
    """The event of a payload that does not name it, as Copilot's in camelCase and Antigravity's."""
    if not _first(payload, _TOOLS):
        return ""
    return "postToolUse" if any(key in payload for key in _RESULTS) else "preToolUse"


def _first(payload: dict[str, object], keys: tuple[str, ...]) -> str:
    return next((text for key in keys if isinstance(text := _at(payload, key), str) and text), "")


def _at(payload: dict[str, object], key: str) -> object:
    """The value at a dotted key; None where there is none."""
    value: object = payload
    for part in key.split("."):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and value:
            value = value[0]
        else:
            return None
    return value


def _text(payload: dict[str, object], key: str) -> str:
    value = payload.get(key)
    return value if isinstance(value, str) else ""
