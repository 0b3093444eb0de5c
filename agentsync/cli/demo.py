"""`demo`: three scripted agents that only use plain git collide in a scratch repository, and end in clean merges."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from agentsync.cli.output import answer
from agentsync.errors import AgentsyncError
from agentsync.git.run import LOCAL_VARIABLES
from agentsync.holders.tools import agent_variable
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PLAN = """# Tasks

- [ ] **T-1** Add users
  - files: `db/**`

- [ ] **T-2** Add orders
  - files: `orders/**`
"""


# What each client's hook gets on stdin before an edit, by its documented schema.
_PAYLOADS: dict[str, Callable[[str, str], dict[str, object]]] = {
    "claude": lambda cwd, path: {
        "hook_event_name": "PreToolUse", "session_id": "demo", "cwd": cwd, "tool_name": "Edit", "tool_use_id": "1",
        "tool_input": {"file_path": path, "old_string": "shop", "new_string": "toyshop"},
    },
    "codex": lambda cwd, path: {
        "hook_event_name": "PreToolUse", "session_id": "demo", "turn_id": "1", "cwd": cwd, "tool_name": "apply_patch",
        "tool_input": {"command": f"*** Begin Patch\n*** Update File: {path}\n*** End Patch\n"},
    },
    "cursor": lambda cwd, path: {
        "hook_event_name": "preToolUse", "conversation_id": "demo", "cursor_version": "3", "workspace_roots": [cwd],
        "tool_name": "Write", "tool_input": {"file_path": path, "content": "toyshop"},
    },
    "gemini": lambda cwd, path: {
        "hook_event_name": "BeforeTool", "session_id": "demo", "cwd": cwd, "timestamp": "2026-01-01T00:00:00Z",
        "tool_name": "replace", "tool_input": {"file_path": path},
    },
    "copilot": lambda cwd, path: {
        "hook_event_name": "PreToolUse", "session_id": "demo", "cwd": cwd, "timestamp": "2026-01-01T00:00:00Z",
        "tool_name": "Edit", "tool_input": {"path": path},
    },
}  # fmt: skip


class Stage:
    """The scratch folder that the play is in, and the prompt that its commands are shown behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        hidden = (*LOCAL_VARIABLES, "AGENTSYNC_AGENT", "AGENTSYNC_ALLOW", "AGENTSYNC")
        kept = {key: value for key, value in os.environ.items() if key not in hidden}
        self._environ = {key: value for key, value in kept.items() if not agent_variable({key: value})}
        self._environ |= {"GIT_EDITOR": "true", "GIT_MERGE_AUTOEDIT": "no", "NO_COLOR": "1"}
        for role in ("AUTHOR", "COMMITTER"):
            self._environ |= {f"GIT_{role}_NAME": "Dev", f"GIT_{role}_EMAIL": "dev@example.com"}
        bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._prompt, self._end = ("\x1b[1m", "\x1b[0m") if bold else ("", "")

    def say(self, line: str) -> None:
        """One line of the story."""
        answer(f"\n# {line}")

    def run(self, who: str, *words: str, fails: bool = False, quiet: bool = False) -> str:
        """Run a command in somebody's worktree and show it as they see it.

        Raises AgentsyncError when it ends otherwise than the play needs.
        """
        if not quiet:
            answer(f"{self._prompt}{who}$ {' '.join(_shown(word) for word in words)}{self._end}")
        argv = [sys.executable, "-I", "-m", "agentsync", *words[1:]] if words[0] == "agentsync" else list(words)
        done = subprocess.run(
            argv,
            cwd=self.folder / who,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            errors="replace",
        )
        for line in (done.stdout + done.stderr).splitlines() if not quiet else ():
            answer(f"  {line}")
        if (done.returncode != 0) != fails:
            raise AgentsyncError(
                f"the demo went wrong: {' '.join(words)}", done.stderr.strip()[-300:], "agentsync doctor"
            )
        return done.stdout.strip()

    def edit(self, who: str, client: str, name: str, text: str) -> bool:
        """An edit as a client makes it: its hook is asked first, and only what that allows is written."""
        path = self.folder / who / name
        payload = json.dumps(_PAYLOADS[client](str(self.folder / who), str(path)))
        answer(f"{self._prompt}{who}$ ({client} is about to edit {name}) agentsync-hook {client}{self._end}")
        done = subprocess.run(
            [sys.executable, "-I", "-m", "agentsync.agents.main", client],
            cwd=self.folder / who,
            env=self._environ,
            input=payload,
            capture_output=True,
            text=True,
            check=False,
        )
        for line in done.stderr.splitlines():
            answer(f"  {line}")
        if done.returncode == 0:
            path.write_text(text, encoding="utf-8")
        return done.returncode == 0

    def write(self, who: str, name: str, text: str) -> None:
        """An edit by an agent."""
        path = self.folder / who / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        answer(f"{self._prompt}{who}$ edit {name}{self._end}")

    def read(self, who: str, name: str) -> str:
        """What a file says."""
        return (self.folder / who / name).read_text(encoding="utf-8")


def _shown(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _prepare(stage: Stage, source: str) -> None:
    if source:
        stage.say(f"A real repository with history: a clone of {source}")
        origin = str(Path(source).resolve())
        (stage.folder / "home").mkdir()
        stage.run("home", "git", "clone", "--quiet", "--no-local", origin, "../main", quiet=True)
        branch = stage.run("main", "git", "branch", "--show-current", quiet=True)
        stage.run("main", "git", "remote", "remove", "origin", quiet=True)
        if branch != "main":
            stage.run("main", "git", "branch", "-m", "main", quiet=True)
    else:
        stage.say("A repository with some history")
        (stage.folder / "main").mkdir()
        stage.run("main", "git", "init", "--quiet", "--initial-branch=main", quiet=True)
    for name, text in (
        ("settings.json", '{\n  "name": "shop"\n}\n'),
        ("shop/prices.py", "def price(item):\n    return item.price\n"),
        ("db/migrations/00001_init.sql", "-- +goose Up\ncreate table shop (id int);\n"),
        ("db/migrations/00002_items.sql", "-- +goose Up\ncreate table items (id int);\n"),
        ("TASKS.md", _PLAN),
    ):
        path = stage.folder / "main" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    stage.run("main", "git", "add", ".", quiet=True)
    stage.run("main", "git", "commit", "--quiet", "-m", "A shop: settings, migrations, a plan", quiet=True)
    stage.run("main", "git", "log", "--oneline", "-3")
    stage.say("A branch from before agentsync, with a migration that nobody reserved")
    stage.run("main", "git", "switch", "--quiet", "-c", "before", quiet=True)
    stage.write("main", "db/migrations/00003_audit.sql", "-- +goose Up\ncreate table audit (id int);\n")
    stage.run("main", "git", "add", ".", quiet=True)
    stage.run("main", "git", "commit", "--quiet", "-m", "Add audit", quiet=True)
    stage.run("main", "git", "switch", "--quiet", "main", quiet=True)


def _set_up(stage: Stage) -> None:
    stage.say("Set up once, by a person")
    stage.run("main", "agentsync", "init", "--yes", "--agents", "claude,codex,cursor,gemini,copilot")
    stage.run("main", "git", "add", ".", quiet=True)
    stage.run("main", "git", "commit", "--quiet", "--allow-empty", "-m", "Add agentsync")
    stage.say("Three agents, each in a worktree of its own")
    for name in ("ada", "bob", "cyd"):
        stage.run("main", "git", "worktree", "add", "--quiet", f"../{name}", "-b", name)


def _collide(stage: Stage) -> None:
    stage.say("A claim: one task, one agent")
    stage.run("ada", "agentsync", "task", "next", "--claim")
    stage.run("bob", "agentsync", "task", "claim", "T-1", fails=True)
    stage.run("bob", "agentsync", "task", "next", "--claim")
    stage.say("A lock: ada holds settings.json; whichever client bob is, its edit is refused before a byte is written")
    stage.run("ada", "agentsync", "lock", "settings.json", "--reason", "renaming the shop")
    before = stage.read("bob", "settings.json")
    for client in _PAYLOADS:
        if stage.edit("bob", client, "settings.json", "toyshop") or stage.read("bob", "settings.json") != before:
            raise AgentsyncError("the demo went wrong", f"{client} was let through", "agentsync doctor")
    stage.say("bob has no such hook, edits by other means, and commits all the same")
    stage.write("ada", "settings.json", '{\n  "name": "bookshop"\n}\n')
    stage.run("ada", "git", "commit", "--quiet", "-am", "Rename the shop")
    stage.write("bob", "settings.json", '{\n  "name": "toyshop"\n}\n')
    stage.run("bob", "git", "commit", "--quiet", "-am", "Rename the shop", fails=True)
    stage.say("--no-verify is no way round")
    stage.run("bob", "git", "commit", "--quiet", "--no-verify", "-am", "Rename the shop", fails=True)
    stage.run("bob", "git", "restore", "settings.json")
    stage.say("A migration number: cyd takes the next one by hand, ada has it already")
    path = stage.run("ada", "agentsync", "migration", "next", "add_users")
    stage.write("ada", path, "-- +goose Up\ncreate table users (id int);\n")
    stage.run("ada", "git", "add", ".")
    stage.run("ada", "git", "commit", "--quiet", "-m", "Add users")
    stage.write("cyd", "db/migrations/00004_orders.sql", "-- +goose Up\ncreate table orders (id int);\n")
    stage.run("cyd", "git", "add", ".")
    stage.run("cyd", "git", "commit", "--quiet", "-m", "Add orders", fails=True)
    moved = "db/migrations/00005_orders.sql"
    stage.run("cyd", "git", "mv", "db/migrations/00004_orders.sql", moved)
    stage.run("cyd", "git", "commit", "--quiet", "-m", "Add orders")


def _forecast(stage: Stage) -> None:
    stage.say("A forecast: bob and cyd edit the same line, neither has committed it, and both hear of it now")
    stage.write("bob", "shop/prices.py", "def price(item):\n    return item.price * 2\n")
    stage.write("cyd", "shop/prices.py", "def price(item):\n    return item.price + 1\n")
    stage.run("cyd", "agentsync", "forecast", fails=True)
    stage.run("cyd", "git", "restore", "shop/prices.py")
    stage.run("cyd", "agentsync", "forecast")
    stage.run("bob", "git", "commit", "--quiet", "-am", "Twice the price")


def _hand_on(stage: Stage) -> None:
    stage.say("The lock is handed on: bob must bring in ada's version first, and is told which")
    stage.run("ada", "agentsync", "unlock", "settings.json")
    stage.run("ada", "agentsync", "task", "done")
    stage.run("ada", "git", "commit", "--quiet", "-am", "T-1 done")
    stage.run("bob", "agentsync", "lock", "settings.json", fails=True)
    stage.run("bob", "git", "merge", "--quiet", "ada")
    stage.run("bob", "agentsync", "lock", "settings.json")
    stage.write("bob", "settings.json", '{\n  "name": "bookshop",\n  "toys": true\n}\n')
    stage.run("bob", "git", "commit", "--quiet", "-am", "Sell toys too")
    stage.run("bob", "agentsync", "unlock", "settings.json")
    stage.run("bob", "agentsync", "task", "done")
    stage.run("bob", "git", "commit", "--quiet", "-am", "T-2 done")


def _land(stage: Stage) -> None:
    stage.say("Who works where")
    stage.run("main", "agentsync", "status")
    stage.say("ada lands by squash, as a pull request does: bob, who has her commits, still merges clean")
    stage.run("main", "git", "merge", "--quiet", "--squash", "ada")
    stage.run("main", "git", "commit", "--quiet", "-m", "Rename the shop; users (squashed)")
    stage.say("Three branches land one after another; the migration from before agentsync moves behind the others")
    stage.run("main", "agentsync", "integrate", "bob", "cyd", "before")
    stage.run("main", "git", "log", "--oneline", "--graph", "-12")
    stage.run("main", "agentsync", "log", "--refused")
    landed = stage.run("main", "git", "ls-files", "db")
    whole = '"toys": true' in stage.read("main", "settings.json") and "00006_audit.sql" in landed
    if not whole or stage.read("main", "TASKS.md").count("[x]") != 2:
        raise AgentsyncError("the demo went wrong", "work was lost on the way", "agentsync doctor")


@click.command(short_help="Three scripted agents collide in a scratch repository.")
@click.option("--clone", "source", default="", metavar="PATH", help="Play in a clone of this repository.")
@click.option("--keep", is_flag=True, help="Leave the scratch folder, to look around.")
def demo(source: str, keep: bool) -> int:
    """Three scripted agents that use plain git collide on a lock, a claim, a number, `--no-verify` and each other.

    Five clients ask before they edit a locked file.

    Their branches land, by squash and one after another, with a migration renumbered on the way.

    Everything happens in a scratch folder; each refusal is shown as an agent sees it.
    """
    folder = Path(tempfile.mkdtemp(prefix="agentsync-demo-"))
    try:
        stage = Stage(folder)
        for act in (_set_up, _collide, _hand_on, _forecast, _land):
            if act is _set_up:
                _prepare(stage, source)
            act(stage)
        answer("\n# Done: every collision was refused before it happened, and everything merged clean.")
        if keep:
            answer(f"# Look around: {folder}")
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    return 0
