"""Each client's hook payloads, written from its documented schema."""

from __future__ import annotations

import json
from pathlib import Path

CLIENTS = ("claude", "codex", "cursor", "gemini", "copilot", "copilot-camel")

SESSION = "0192f0c1-aaaa-bbbb-cccc-000000000001"


def _claude(event: str, cwd: Path, **extra: object) -> dict[str, object]:
    return {"session_id": SESSION, "transcript_path": "/nowhere/t.jsonl", "cwd": str(cwd), "permission_mode": "default",
            "hook_event_name": event, **extra}  # fmt: skip


def _codex(event: str, cwd: Path, **extra: object) -> dict[str, object]:
    return {"session_id": SESSION, "turn_id": "t1", "transcript_path": None, "cwd": str(cwd), "hook_event_name": event,
            "model": "gpt-5-codex", "permission_mode": "default", **extra}  # fmt: skip


def _cursor(event: str, cwd: Path, **extra: object) -> dict[str, object]:
    return {"conversation_id": SESSION, "generation_id": "g1", "hook_event_name": event, "workspace_roots": [str(cwd)],
            "cursor_version": "3.7.21", "model": "x", **extra}  # fmt: skip


def _gemini(event: str, cwd: Path, **extra: object) -> dict[str, object]:
    return {"session_id": SESSION, "transcript_path": "/nowhere/t.json", "cwd": str(cwd), "hook_event_name": event,
            "timestamp": "2026-11-24T10:00:00Z", **extra}  # fmt: skip


def _copilot(event: str, cwd: Path, **extra: object) -> dict[str, object]:
    return {"hook_event_name": event, "session_id": SESSION, "timestamp": "2026-11-24T10:00:00Z", "cwd": str(cwd),
            **extra}  # fmt: skip


def _camel(cwd: Path, **extra: object) -> dict[str, object]:
    return {"sessionId": SESSION, "timestamp": 1764000000000, "cwd": str(cwd), **extra}


def patch(path: str) -> str:
    """A patch of one file as Codex hands it over."""
    return f"*** Begin Patch\n*** Update File: {path}\n@@\n-one\n+ONE\n*** End Patch\n"


def edit(client: str, cwd: Path, path: str, *, after: bool = False) -> dict[str, object]:
    """The payload before (or after) an edit of one file."""
    full = path if path.startswith("/") else str(cwd / path)
    moment = "PostToolUse" if after else "PreToolUse"
    result: dict[str, object] = {"tool_response": {"ok": True}} if after else {}
    if client == "claude":
        given = {"file_path": full, "old_string": "one", "new_string": "ONE"}
        return _claude(moment, cwd, tool_name="Edit", tool_input=given, tool_use_id="u1", **result)
    if client == "codex":
        return _codex(moment, cwd, tool_name="apply_patch", tool_input={"command": patch(path)}, tool_use_id="u1",
                      **result)  # fmt: skip
    if client == "cursor":
        if after:
            return _cursor("afterFileEdit", cwd, file_path=full, edits=[{"old_string": "one", "new_string": "ONE"}])
        return _cursor("preToolUse", cwd, tool_name="Write", tool_input={"file_path": full, "content": "ONE"})
    if client == "gemini":
        name = "AfterTool" if after else "BeforeTool"
        return _gemini(name, cwd, tool_name="replace", tool_input={"file_path": full, "old_string": "one"})
    if client == "copilot":
        return _copilot(moment, cwd, tool_name="Edit", tool_input={"path": full, "old_str": "one"}, **result)
    return _camel(cwd, toolName="edit", toolArgs=json.dumps({"path": full, "old_str": "one", "new_str": "ONE"}))


def shell(client: str, cwd: Path, command: str) -> dict[str, object]:
    """The payload before a shell command."""
    if client == "claude":
        return _claude("PreToolUse", cwd, tool_name="Bash", tool_input={"command": command}, tool_use_id="u1")
    if client == "codex":
        return _codex("PreToolUse", cwd, tool_name="Bash", tool_input={"command": command}, tool_use_id="u1")
    if client == "cursor":
        return {**_cursor("beforeShellExecution", cwd), "command": command, "cwd": str(cwd)}
    if client == "gemini":
        return _gemini("BeforeTool", cwd, tool_name="run_shell_command", tool_input={"command": command})
    if client == "copilot":
        return _copilot("PreToolUse", cwd, tool_name="Bash", tool_input={"command": command})
    return _camel(cwd, toolName="bash", toolArgs=json.dumps({"command": command}))


def start(client: str, cwd: Path) -> dict[str, object]:
    """The payload at the start of a session."""
    return {
        "claude": _claude("SessionStart", cwd, source="startup", model="m"),
        "codex": _codex("SessionStart", cwd, source="startup"),
        "cursor": _cursor("sessionStart", cwd, is_background_agent=False),
        "gemini": _gemini("SessionStart", cwd, source="startup"),
        "copilot": _copilot("SessionStart", cwd, source="new"),
        "copilot-camel": _camel(cwd, source="new", initialPrompt="hello"),
    }[client]


def stop(client: str, cwd: Path, transcript: str = "", *, again: bool = False) -> dict[str, object]:
    """The payload when an agent ends its turn."""
    return {
        "claude": {**_claude("Stop", cwd, stop_hook_active=again), "transcript_path": transcript},
        "codex": {**_codex("Stop", cwd, stop_hook_active=again), "transcript_path": transcript or None},
        "cursor": _cursor("stop", cwd, status="completed", loop_count=0),
        "gemini": _gemini("AfterAgent", cwd, prompt="p", prompt_response="r", stop_hook_active=again),
        "copilot": _copilot("Stop", cwd, stop_hook_active=again),
        "copilot-camel": _camel(cwd, stopReason="end_turn"),
    }[client]
