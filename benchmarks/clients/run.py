"""`make clients`: the real clients, with the settings that `init` writes, against a model on loopback.

    python benchmarks/clients/run.py NODE_MODULES_BIN

For each client that is there: the model asks to edit a file that another agent has locked, and to commit without hooks.
Nobody is logged in anywhere, and nothing leaves the machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(Path(__file__).parent)]

from conftest import Tree, hermetic_environment  # noqa: E402 (the path is set above)
from model import Model  # noqa: E402 (the path is set above)

CODEX = """model = "gpt-5-codex"
model_provider = "loopback"
approval_policy = "never"
sandbox_mode = "danger-full-access"
[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "LOOPBACK_KEY"
[projects."{one}"]
trust_level = "trusted"
[projects."{main}"]
trust_level = "trusted"
"""


def command_of(client: str, program: str, model: Model, two: Path, home: Path) -> tuple[list[str], dict[str, str]]:
    """How a client is started without a person, and the variables that lead it to the model."""
    if client == "claude":
        words = [program, "-p", "edit it", "--allowedTools", "Read,Edit,Bash", "--permission-mode", "acceptEdits"]
        return words, {"ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": "sk-ant-none",
                       "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}  # fmt: skip
    if client == "codex":
        (home / ".codex").mkdir()
        text = CODEX.format(url=model.url, one=two, main=two.parent / "main")
        (home / ".codex/config.toml").write_text(text)
        return [program, "exec", "--dangerously-bypass-hook-trust", "-C", str(two), "edit it"], {"LOOPBACK_KEY": "x"}
    if client == "gemini":
        (home / ".gemini").mkdir()
        (home / ".gemini/settings.json").write_text('{"security": {"auth": {"selectedType": "gemini-api-key"}}}')
        (home / ".gemini/trustedFolders.json").write_text(f'{{"{two}": "TRUST_FOLDER"}}')
        words = [program, "--yolo", "-m", "gemini-2.5-flash", "-p", "edit it"]
        return words, {"GEMINI_API_KEY": "x", "GOOGLE_GEMINI_BASE_URL": model.url}
    return [program, "-p", "edit it", "--allow-all-tools"], {
        "COPILOT_OFFLINE": "true", "COPILOT_PROVIDER_BASE_URL": model.url, "COPILOT_PROVIDER_API_KEY": "x",
        "COPILOT_MODEL": "gpt-4.1", "COPILOT_ALLOW_ALL": "true",
    }  # fmt: skip


def trial(client: str, program: Path, folder: Path) -> list[str]:
    """Let one client try; what went wrong, empty when all was refused and told."""
    home = folder / "home"
    (folder / "main").mkdir(parents=True)
    home.mkdir()
    main = Tree(folder / "main", hermetic_environment(home))
    main.ok("init", "-q", "-b", "main")
    main.ok("config", "user.name", "Dev")
    main.ok("config", "user.email", "dev@example.com")
    main.write("shared.txt", "one\n")
    main.synced("init", "--yes", "--agents", client)
    main.ok("add", ".")
    main.ok("commit", "-qm", "start")
    one, two = main.worktree("one"), main.worktree("two")
    one.synced("lock", "shared.txt")
    tip = two.head()
    model = Model(str(two.path / "shared.txt"))
    words, extra = command_of(client, str(program), model, two.path, home)
    try:
        subprocess.run(words, cwd=two.path, env={**two.environ, **extra}, stdin=subprocess.DEVNULL, capture_output=True,
                       check=False, timeout=120)  # fmt: skip
    finally:
        model.close()
    wrong = [] if two.read("shared.txt") == "one\n" else ["the file was written"]
    wrong += [] if two.head() == tip else ["a commit was made"]
    told = [answer for answer in model.answers if "agentsync: refused:" in answer]
    wrong += [] if len(told) == 2 else [f"{len(told)} of 2 refusals reached the model: {model.answers}"]
    wrong += [] if "this agent is two" in model.heard else ["the start of the session told nothing"]
    return wrong


def main() -> int:
    """Print a line a client."""
    bins = Path(os.path.abspath(sys.argv[1]))  # each client starts in a folder of its own
    failed = False
    for client in ("claude", "codex", "gemini", "copilot"):
        program = bins / client
        if not program.exists():
            print(f"{client}: not there")
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout.split(
            "\n"
        )[0]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            wrong = trial(client, program.resolve() if os.name == "nt" else program, Path(os.path.realpath(folder)))
        failed = failed or bool(wrong)
        print(f"{client} ({version}): " + ("; ".join(wrong) if wrong else "edit and commit refused, and told"))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
