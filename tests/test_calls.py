"""Tool calls known by their shape: each client's payloads, and names and keys that nobody has thought of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st
from test_agents import hook

from agentsync.agents.calls import Call, read_call
from agentsync.agents.events import AFTER_EDIT, BEFORE_EDIT, BEFORE_SHELL, OTHER, STOP, dialect_of, read_event
from agentsync.agents.patches import diffed_paths

W = "/w"
PATCH = "*** Begin Patch\n*** Update File: a.txt\n@@\n-one\n+ONE\n*** End Patch"


def pre(tool: str, given: object, **extra: object) -> dict[str, object]:
    return {"hook_event_name": "PreToolUse", "cwd": W, "tool_name": tool, "tool_input": given, **extra}


def vscode(tool: str, given: object) -> dict[str, object]:
    return pre(tool, given, timestamp="2026-11-29T01:16:02Z", session_id="s", tool_use_id="t")


def auggie(tool: str, given: object) -> dict[str, object]:
    return {"hook_event_name": "PreToolUse", "conversation_id": "c", "workspace_roots": [W], "tool_name": tool,
            "tool_input": given, "is_mcp_tool": False}  # fmt: skip


def goose(tool: str, given: object) -> dict[str, object]:
    return {"event": "PreToolUse", "session_id": "1", "working_dir": W, "tool_name": tool, "tool_input": given}


def crush(tool: str, given: object) -> dict[str, object]:
    return {"event": "PreToolUse", "session_id": "1", "cwd": W, "tool_name": tool, "tool_input": given}


def agy(tool: str, given: object) -> dict[str, object]:
    return {"toolCall": {"name": tool, "args": given}, "workspacePaths": [W], "conversationId": "c", "stepIdx": 3}


def windsurf(name: str, info: object) -> dict[str, object]:
    return {"agent_action_name": name, "trajectory_id": "t", "tool_info": info}


def cline(tool: str, given: object) -> dict[str, object]:
    return {"clineVersion": "3.0.65", "hookName": "tool_call", "workspaceRoots": [W],
            "tool_call": {"id": "1", "name": tool, "input": given}}  # fmt: skip


EDITS = [
    ("claude", pre("Edit", {"file_path": "a.txt", "old_string": "x"}, tool_use_id="1")),
    ("claude", pre("NotebookEdit", {"notebook_path": "a.txt", "new_source": "x"}, tool_use_id="1")),
    ("claude", pre("mcp__files__write_file", {"path": "a.txt", "content": "x"}, tool_use_id="1")),
    ("qwen", pre("edit", {"file_path": "a.txt"}, timestamp="t", permission_mode="yolo", tool_use_id="1")),
    ("qwen", pre("notebook_edit", {"notebook_path": "a.txt"}, permission_mode="yolo", tool_use_id="1")),
    ("droid", pre("Edit", {"file_path": "a.txt", "old_str": "x", "new_str": "y"})),
    ("droid", pre("Create", {"file_path": "a.txt", "content": "x"})),
    ("codex", pre("apply_patch", {"command": PATCH}, turn_id="1")),
    ("vscode", vscode("create_file", {"filePath": "a.txt", "content": "x"})),
    ("vscode", vscode("replace_string_in_file", {"filePath": "a.txt", "oldString": "x", "newString": "y"})),
    ("vscode", vscode("multi_replace_string_in_file", {"replacements": [{"filePath": "a.txt", "newString": "y"}]})),
    ("vscode", vscode("insert_edit_into_file", {"filePath": "a.txt", "code": "x"})),
    ("vscode", vscode("edit_notebook_file", {"filePath": "a.txt"})),
    ("vscode", vscode("vscode_renameSymbol", {"uri": "file:///w/a.txt", "newName": "x"})),
    ("auggie", auggie("str-replace-editor", {"path": "a.txt"})),
    ("auggie", auggie("save-file", {"path": "a.txt", "file_content": "x"})),
    ("auggie", auggie("remove-files", {"file_paths": ["a.txt"]})),
    ("goose", goose("developer__write", {"path": "a.txt", "content": "x"})),
    ("goose", goose("developer__edit", {"path": "a.txt", "before": "x", "after": "y"})),
    ("crush", crush("multiedit", {"file_path": "a.txt", "edits": [{"old_string": "x", "new_string": "y"}]})),
    ("crush", crush("write", {"file_path": "a.txt", "content": "x"})),
    ("kiro", pre("fs_write", {"command": "str_replace", "path": "a.txt"}) | {"hook_event_name": "preToolUse"}),
    ("windsurf", windsurf("pre_write_code", {"file_path": "a.txt", "edits": []})),
    ("agy", agy("write_to_file", {"TargetFile": "a.txt", "CodeContent": "x"})),
    ("agy", agy("replace_file_content", {"TargetFile": "file:///w/a.txt", "ReplacementChunks": [{"x": "y"}]})),
    ("cline", cline("editor", {"path": "a.txt", "new_text": "x"})),
    ("cline", cline("apply_patch", {"input": PATCH})),
    ("cline", {"clineVersion": "3", "hookName": "PreToolUse", "workspaceRoots": [W],
               "preToolUse": {"toolName": "write_to_file", "parameters": {"path": "a.txt"}}}),
    ("copilot", {"sessionId": "s", "cwd": W, "toolName": "edit", "toolArgs": json.dumps({"path": "a.txt"})}),
    ("copilot", {"sessionId": "s", "cwd": W, "toolName": "apply_patch", "toolArgs": PATCH}),
    # what nobody has yet, by its shape alone
    ("claude", pre("mutate", {"file_path": "a.txt", "new_content": "x"}, tool_use_id="1")),
    ("claude", pre("Hashline", {"filePath": "a.txt", "edits": [{"line": 3}]}, tool_use_id="1")),
    ("claude", pre("Batch", {"input": PATCH}, tool_use_id="1")),
    ("claude", pre("fs", {"diff": "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-x\n+y\n"}, tool_use_id="1")),
    ("claude", pre("fileRename", {"old_path": "a.txt", "new_path": "a.txt"}, tool_use_id="1")),
]  # fmt: skip

RUNS = "git commit --no-verify -m x"
COMMANDS = [
    ("claude", pre("Bash", {"command": RUNS}, tool_use_id="1")),
    ("claude", pre("Bash", {"command": RUNS}, tool_use_id="1", command_name="ship", invoked_by="user")
               | {"hook_event_name": "PreSkillShellCommand"}),
    ("qwen", pre("run_shell_command", {"command": RUNS, "directory": W}, permission_mode="yolo", tool_use_id="1")),
    ("droid", pre("Execute", {"command": RUNS, "summary": "s", "timeout": 60, "riskLevel": "low"})),
    ("vscode", vscode("run_in_terminal", {"command": RUNS, "explanation": "e", "isBackground": False})),
    ("auggie", auggie("launch-process", {"command": RUNS, "cwd": W, "wait": True})),
    ("goose", goose("developer__shell", {"command": RUNS})),
    ("crush", crush("bash", {"command": RUNS, "working_dir": W})),
    ("kiro", pre("execute_bash", {"command": RUNS}) | {"hook_event_name": "preToolUse"}),
    ("windsurf", windsurf("pre_run_command", {"command_line": RUNS, "cwd": W})),
    ("agy", agy("run_command", {"CommandLine": RUNS, "Cwd": W})),
    ("cline", cline("run_commands", {"commands": [RUNS]})),
    ("cline", cline("run_commands", {"commands": [{"command": "git", "args": ["commit", "--no-verify", "-m", "x"]}]})),
    ("codex", pre("shell", {"command": ["bash", "-lc", RUNS]}, turn_id="1")),
    ("codex", pre("exec_command", {"cmd": RUNS, "workdir": W}, turn_id="1")),
    ("claude", pre("anything", {"command": RUNS}, tool_use_id="1")),
    ("claude", pre("anything", {"command": RUNS, "path": "."}, tool_use_id="1")),
]  # fmt: skip

READS = [
    pre("Read", {"file_path": "a.txt", "offset": 3}, tool_use_id="1"),
    vscode("read_file", {"filePath": "a.txt", "startLine": 1, "endLine": 9}),
    vscode("grep_search", {"query": "x", "path": "a.txt", "before": 2, "after": 2}),
    vscode("get_errors", {"filePaths": ["a.txt"]}),
    pre("str_replace_editor", {"command": "view", "path": "a.txt"}, tool_use_id="1"),
    pre("fs_read", {"operations": [{"mode": "Line", "path": "a.txt"}]}),
    pre("TodoWrite", {"todos": [{"content": "edit a.txt", "status": "pending"}]}, tool_use_id="1"),
    pre("mcp__github__create_or_update_file", {"owner": "o", "repo": "r", "path": "a.txt", "content": "x"}),
    pre("mcp__docker__run", {"container": "c", "command": RUNS}),
    pre("WebFetch", {"url": "https://example.com/a.txt", "prompt": "x"}, tool_use_id="1"),
    pre("edit", {"uri": "https://example.com/a.txt", "content": "x"}, tool_use_id="1"),
    {"hook_event_name": "beforeReadFile", "file_path": "/w/a.txt", "content": "x", "cursor_version": "3"},
    {"hook_event_name": "beforeSubmitPrompt", "prompt": "x", "command": RUNS, "cursor_version": "3"},
    {"hook_event_name": "PreCompact", "trigger": "auto"},
    {"hook_event_name": "BeforeModel", "llm_request": {"messages": [{"path": "a.txt", "content": "x"}]}},
]


def shown(value: object) -> str:
    return json.dumps(value)[:80]


@pytest.mark.parametrize(("dialect", "payload"), EDITS, ids=shown)
def test_an_edit_is_one_whatever_its_tool_is_called(dialect: str, payload: dict[str, object]) -> None:
    client = dialect if dialect in ("qwen", "droid", "kiro") else "claude"
    event = read_event(client, "", payload)
    assert (event.kind, event.dialect) == (BEFORE_EDIT, dialect)
    assert [Path(W, path) for path in event.paths] == [Path("/w/a.txt")]


@pytest.mark.parametrize(("dialect", "payload"), COMMANDS, ids=shown)
def test_a_command_is_one_whatever_its_tool_is_called(dialect: str, payload: dict[str, object]) -> None:
    client = dialect if dialect in ("qwen", "droid", "kiro") else "claude"
    event = read_event(client, "", payload)
    assert (event.kind, event.dialect) == (BEFORE_SHELL, dialect)
    assert event.command.strip() == RUNS
    assert event.folder in (W, "/w/")


@pytest.mark.parametrize("payload", READS, ids=shown)
def test_what_reads_is_nothing_to_judge(payload: dict[str, object]) -> None:
    assert read_event("claude", "", payload).kind == OTHER


def test_what_comes_after_an_edit_is_read_the_same() -> None:
    payload = vscode("replace_string_in_file", {"filePath": "a.txt", "newString": "y"})
    assert read_event("claude", "", payload | {"hook_event_name": "PostToolUse"}).kind == AFTER_EDIT
    assert read_event("claude", "", windsurf("post_write_code", {"file_path": "a.txt", "edits": []})).kind == AFTER_EDIT
    assert read_event("agy", "PostToolUse", agy("write_to_file", {"TargetFile": "a", "CodeContent": "x"})).kind == (
        AFTER_EDIT
    )
    assert read_event("claude", "", pre("Bash", {"command": RUNS}) | {"hook_event_name": "PostToolUse"}).kind == OTHER


def test_a_stop_is_known_under_each_key() -> None:
    for payload in ({"hook_event_name": "Stop"}, {"hookEventName": "Stop", "sessionId": "s"}, {"event": "Stop"}):
        assert read_event("claude", "", payload).kind == STOP


def test_a_payload_is_taken_for_the_client_whose_it_is() -> None:
    assert dialect_of("claude", {"hookEventName": "PreToolUse", "sessionId": "s"}) == "vscode"
    assert dialect_of("claude", {"hook_event_name": "Stop", "timestamp": "t", "session_id": "s"}) == "vscode"
    assert dialect_of("copilot", {"hook_event_name": "Stop", "timestamp": "t", "session_id": "s"}) == "copilot"
    assert dialect_of("claude", {"hook_event_name": "Stop", "session_id": "s", "permission_mode": "x"}) == "claude"
    assert dialect_of("claude", {"conversation_id": "c", "workspace_roots": [W]}) == "cursor"
    assert dialect_of("claude", {"cursor_version": "3", "conversation_id": "c", "workspace_roots": [W]}) == "cursor"
    assert dialect_of("opencode", pre("Edit", {"file_path": "a.txt"})) == "opencode"
    assert dialect_of("nobody", pre("Edit", {"file_path": "a.txt"})) == "claude"


keys = st.sampled_from(
    ["path", "file_path", "filePath", "command", "commands", "content", "patch", "edits", "cwd", "x"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.just(PATCH),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=10,
)


@given(tool=st.text(max_size=8) | st.sampled_from(["Edit", "Bash", "apply_patch"]), given=values)
def test_any_arguments_are_a_call_or_nothing(tool: str, given: object) -> None:
    call = read_call(tool, given)
    assert not (call.edits and call.runs)
    assert call.edits == bool(call.paths)
    assert isinstance(call.command, str)


def test_the_files_of_a_diff() -> None:
    text = ("diff --git a/x b/y\nrename from old\nrename to new name\n--- a/one\t2026\n+++ b/two\n@@ -1 +1 @@\n"
            "--- no header\n-- x\n+++ nor this\n--- /dev/null\n+++ b/made\n")  # fmt: skip
    assert diffed_paths(text) == ["old", "new name", "one", "two", "made"]


def test_each_client_gets_its_own_refusal_and_its_own_allowance(one: Tree, two: Tree) -> None:
    def at(payload: dict[str, object]) -> dict[str, object]:
        return json.loads(json.dumps(payload).replace('"/w"', json.dumps(str(two.path))))

    one.synced("lock", "shared.txt")
    decisions = {"agy": "deny", "goose": "block"}
    for payload in (agy("write_to_file", {"TargetFile": "shared.txt", "CodeContent": "x"}),
                    goose("developer__edit", {"path": "shared.txt", "after": "y"})):  # fmt: skip
        done = hook(two, "claude", at(payload))
        dialect = dialect_of("claude", payload)
        assert done.code == 2
        assert json.loads(done.out)["decision"] == decisions[dialect]
        assert "locked by one@one" in json.loads(done.out)["reason"]
    done = hook(two, "claude", at(cline("editor", {"path": "shared.txt", "new_text": "x"})))
    assert json.loads(done.out)["cancel"] is True
    for payload in (auggie("save-file", {"path": "shared.txt"}), crush("write", {"file_path": "shared.txt"}),
                    vscode("create_file", {"filePath": "shared.txt", "content": "x"})):  # fmt: skip
        done = hook(two, "claude", at(payload))
        assert (done.code, done.out) == (2, "")
        assert "locked by one@one" in done.err
    for payload in (agy("view_file", {"AbsolutePath": "shared.txt"}), agy("run_command", {"CommandLine": "ls"})):
        assert json.loads(hook(two, "agy", at(payload)).out) == {"decision": "allow"}
    assert json.loads(hook(two, "goose", at(goose("developer__shell", {"command": "ls"}))).out) == {"decision": "allow"}
    for text in ("not json", "[]", ""):
        assert json.loads(hook(two, "agy", text).out) == {"decision": "allow"}
        assert json.loads(hook(two, "claude", text).out) == {}


def test_vs_code_is_asked_to_go_on_in_its_own_words(one: Tree) -> None:
    one.synced("lock", "shared.txt")
    payload = {"hook_event_name": "Stop", "timestamp": "2026-11-29T01:16:02Z", "session_id": "s", "cwd": str(one.path)}
    out = json.loads(hook(one, "claude", payload).out)
    assert out["hookSpecificOutput"]["decision"] == out["decision"] == "block"
    assert Call() == read_call("", None)
