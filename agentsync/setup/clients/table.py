"""Which clients there are, how each is recognised, and what of ours belongs into its files.

Shapes: code.claude.com/docs/en/hooks, developers.openai.com/codex/hooks, cursor.com/docs/agent/hooks,
geminicli.com/docs/hooks/reference, docs.github.com/en/copilot/reference/hooks-configuration.
"""

from __future__ import annotations

from agentsync.lean import NamedTuple

COMMAND = "agentsync-hook"


class Client(NamedTuple):
    """One client: `marks` are folders or files of a user or a repository that has it; `file` holds its hooks.

    `hooks` are the entries by event, `fixed` the members that the file must have beside them. `in_main`: only the file
    of the main worktree counts.
    """

    name: str
    marks: tuple[str, ...]
    file: str = ""
    hooks: tuple[tuple[str, dict[str, object]], ...] = ()
    fixed: tuple[tuple[str, object], ...] = ()
    in_main: bool = False
    note: str = ""
    template: str = ""  # the whole file is ours


def _line(client: str, event: str = "") -> str:
    """The command of a hook: constant, because clients ask again for trust when it changes; without us it allows."""
    words = " ".join(part for part in (COMMAND, client, event) if part)
    return f"command -v {COMMAND} >/dev/null 2>&1 || {{ echo '{{}}'; exit 0; }}; exec {words}"


def _surely(client: str, event: str) -> str:
    """The same for a client that takes any failure for a refusal: ours, as of a broken installation, allow."""
    said = f"{{ said=$({COMMAND} {client} {event} 2>&1 1>&3 3>&-); code=$?; }} 3>&1"  # stdout is the answer's own
    return said + """; case $code in 0) ;; 2) printf '%s\\n' "$said" >&2; exit 2;; *) echo '{}';; esac"""


def _nested(client: str, matcher: str, timeout: int, **extra: str) -> dict[str, object]:
    """An entry as Claude Code, Codex and Gemini CLI have it."""
    hook = {"type": "command", "command": _line(client), "timeout": timeout, **extra}
    return {"matcher": matcher, "hooks": [hook]} if matcher else {"hooks": [hook]}


CLAUDE = Client(
    "claude",
    (".claude",),
    ".claude/settings.json",
    (
        ("SessionStart", _nested("claude", "startup|resume|clear|compact|fork", 10)),
        ("CwdChanged", _nested("claude", "", 10)),
        ("PreToolUse", _nested("claude", "Edit|Write|MultiEdit|NotebookEdit|Bash|PowerShell|Monitor", 10)),
        ("PreSkillShellCommand", _nested("claude", "", 10)),  # shell lines in a skill's text, which are no tool's call
        ("PostToolUse", _nested("claude", "Edit|Write|MultiEdit|NotebookEdit", 10)),
        ("Stop", _nested("claude", "", 10)),
        ("SessionEnd", _nested("claude", "", 5)),
    ),
)
CODEX = Client(
    "codex",
    (".codex",),
    ".codex/hooks.json",
    (
        ("SessionStart", _nested("codex", "startup|resume|clear", 10)),
        ("PreToolUse", _nested("codex", "Bash|apply_patch|Edit|Write", 10)),
        ("PostToolUse", _nested("codex", "apply_patch|Edit|Write", 10)),
        ("Stop", _nested("codex", "", 10)),
        ("SessionEnd", _nested("codex", "", 3)),
    ),
    in_main=True,
    note="approve the hooks once in Codex: /hooks",
)
CURSOR = Client(
    "cursor",
    (".cursor",),
    ".cursor/hooks.json",
    (
        ("sessionStart", {"command": _line("cursor")}),
        ("preToolUse", {"command": _line("cursor"), "matcher": "Write|Delete|Shell", "timeout": 10}),
        ("postToolUse", {"command": _line("cursor"), "matcher": "Write|Delete", "timeout": 10}),
        ("stop", {"command": _line("cursor"), "loop_limit": 1}),
        ("sessionEnd", {"command": _line("cursor")}),
    ),
    (("version", 1),),
)
GEMINI = Client(
    "gemini",
    (".gemini", "GEMINI.md"),
    ".gemini/settings.json",
    (
        ("SessionStart", _nested("gemini", "", 10000, name="agentsync")),
        ("BeforeTool", _nested("gemini", "write_file|replace|run_shell_command", 10000, name="agentsync")),
        ("AfterTool", _nested("gemini", "write_file|replace", 10000, name="agentsync")),
        ("AfterAgent", _nested("gemini", "", 10000, name="agentsync")),
        ("SessionEnd", _nested("gemini", "", 10000, name="agentsync")),
    ),
)
COPILOT = Client(
    "copilot",
    (".copilot", ".github/hooks", ".github/copilot-instructions.md"),
    ".github/hooks/agentsync.json",
    tuple(
        (event, {"type": "command", "bash": _surely("copilot", event), "timeoutSec": 10})
        for event in ("sessionStart", "preToolUse", "postToolUse", "agentStop", "sessionEnd")
    ),
    (("version", 1),),
)
AIDER = Client("aider", (".aider.conf.yml",), ".aider.conf.yml")
FAZM = Client("fazm", (".fazm",), "~/.fazm/mcp-servers.json")
SKILL = Client(  # Codex, Amp, Goose, Zed and others read skills there (agentskills.io)
    "skill",
    (".agents/skills",),
    ".agents/skills/agentsync/SKILL.md",
    template="claude-plugin/skills/agentsync/SKILL.md",
)
CLIENTS = {one.name: one for one in (CLAUDE, CODEX, CURSOR, GEMINI, COPILOT, AIDER, FAZM, SKILL)}


def is_ours(value: object) -> bool:
    """Whether a value of a settings file is an entry of ours, by the command that it runs."""
    if not isinstance(value, dict):
        return False
    inner = value.get("hooks")
    if isinstance(inner, list) and inner:
        return all(is_ours(one) for one in inner)
    command = value.get("command") or value.get("bash")
    return isinstance(command, str) and any(f"{start}{COMMAND} " in command for start in ("exec ", "said=$("))
