"""The variables that agent tools leave in the environment of what they run: the one table. Pure.

Left out is what a person's shell has as well: API keys, install folders, settings.
"""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# Each variable with the tool that sets it and where that is written; any value but an empty one counts.
AGENT_TOOL_VARIABLES = {
    "AI_AGENT": "proposed for all tools: vercel/vercel packages/detect-agent; set by Claude Code, Crush, Copilot",
    "AGENT": "proposed for all tools: agentsmd/agents.md#136; set by Amp, Goose, Crush, opencode",
    "AGENT_SESSION_ID": "Goose: its developer extension",
    "AMP_CURRENT_THREAD_ID": "Amp: jfrog-cli-core commands/agent detection",
    "ANTIGRAVITY_AGENT": "Antigravity: vercel/vercel packages/detect-agent",
    "AUGMENT_AGENT": "Auggie: docs.augmentcode.com/cli/reference, shell environment",
    "CLAUDECODE": "Claude Code: code.claude.com/docs/en/env-vars",
    "CLAUDE_CODE": "Claude Code: vercel/vercel packages/detect-agent",
    "CLAUDE_CODE_CHILD_SESSION": "Claude Code: code.claude.com/docs/en/env-vars",
    "CLAUDE_CODE_IS_COWORK": "Claude Code: jfrog-cli-core commands/agent detection",
    "CLINE_ACTIVE": "Cline: cline/cline discussion 5366",
    "CLINE_CONNECTOR_CLI_LAUNCH": "Cline CLI: seen in 3.0.65",
    "CODEX_CI": "Codex CLI: seen in 0.171",
    "CODEX_SANDBOX": "Codex CLI: openai/codex codex-rs/core/src/spawn.rs",
    "CODEX_SANDBOX_NETWORK_DISABLED": "Codex CLI: openai/codex codex-rs/core/src/spawn.rs",
    "CODEX_THREAD_ID": "Codex CLI: seen in 0.171",
    "COPILOT_AGENT": "VS Code agent mode: microsoft/vscode terminal tools",
    "COPILOT_AGENT_JOB_ID": "Copilot coding agent: docs.github.com",
    "COPILOT_AGENT_SESSION_ID": "Copilot CLI: seen in 1.0.102",
    "COPILOT_ALLOW_ALL": "Copilot CLI: github/docs, how it is let run alone",
    "COPILOT_CLI": "Copilot CLI: github/copilot-cli changelog",
    "COPILOT_GITHUB_TOKEN": "Copilot CLI: vercel/vercel packages/detect-agent",
    "COPILOT_MODEL": "Copilot CLI: vercel/vercel packages/detect-agent",
    "CRUSH": "Crush: charmbracelet/crush#2484",
    "CURSOR_AGENT": "Cursor CLI: vercel/vercel packages/detect-agent",
    "CURSOR_TRACE_ID": "Cursor: vercel/vercel packages/detect-agent",
    "FACTORY_DISABLE_SETTINGS_PERSISTENCE": "Factory Droid: seen in 0.215",
    "FACTORY_EXEC_TARGET_AUTONOMY": "Factory Droid: seen in 0.215",
    "GEMINI_CLI": "Gemini CLI: its docs/tools/shell.md",
    "GOOSE_TERMINAL": "Goose: aaif-goose/goose#7017",
    "IFLOW_CLI": "iFlow CLI: jfrog-cli-core commands/agent detection",
    "KIRO_SESSION_ID": "Kiro CLI: dynatrace-oss/dtctl#282",
    "OMX_TEAM_WORKER": "oh-my-codex: seen in 0.21",
    "OPENCODE": "opencode, Kilo: anomalyco/opencode packages/opencode/src/index.ts",
    "OPENCODE_CALLER": "opencode: unjs/std-env src/agents.ts",
    "OPENCODE_CLIENT": "opencode, Kilo: opencode.ai/docs/cli",
    "OPENCODE_SESSION_ID": "opencode: jfrog-cli-core commands/agent detection",
    "PI_CODING_AGENT": "Pi: jfrog-cli-core commands/agent detection",
    "QWEN_CODE": "Qwen Code: seen in 0.24.4",
    "ROO_ACTIVE": "Roo Code: jfrog-cli-core commands/agent detection",
    "ROO_CLI_RUNTIME": "Roo Code: jfrog-cli-core commands/agent detection",
    "TRAE_AI_SHELL_ID": "Trae: agentsmd/agents.md#136",
    "WINDSURF_CASCADE_TERMINAL": "Windsurf: jfrog-cli-core commands/agent detection",
}
# Variables that others set too: how their value begins when an agent's tool set it.
TELLING_VALUES = {
    "AWS_EXECUTION_ENV": ("AmazonQ", "Amazon Q CLI: aws/aws-cdk-cli detect-agent.ts"),
    "CURSOR_EXTENSION_HOST_ROLE": ("agent-exec", "Cursor: jfrog-cli-core commands/agent detection"),
    "GROK_AGENT": ("1", "Grok: jfrog-cli-core commands/agent detection"),
    "KILOCODE_FEATURE": ("cli", "Kilo: jfrog-cli-core commands/agent detection"),
    "TERM_PROGRAM": ("kiro", "Kiro: dynatrace-oss/dtctl#282, unjs/std-env src/agents.ts"),
}


def agent_variable(environ: Mapping[str, str]) -> str:
    """The variable by which an agent's tool is seen to run us, empty where none is."""
    for name in AGENT_TOOL_VARIABLES:
        if environ.get(name):
            return name
    for name, (begins, _) in TELLING_VALUES.items():
        if environ.get(name, "").startswith(begins):
            return name
    return ""


def variable_in_sh() -> str:
    """The same for `sh`, to stand in double quotes: what it expands to is empty where no agent's tool is seen.

    Without a process: the shims ask at each commit. Of `kiro 1.2`, taking away what follows `kiro` leaves that.
    """
    always = "".join(f"${{{name}-}}" for name in AGENT_TOOL_VARIABLES)
    telling = (f'${{{name}%"${{{name}#{begins}}}"}}' for name, (begins, _) in TELLING_VALUES.items())
    return always + "".join(telling)
