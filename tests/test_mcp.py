"""The MCP server, driven by the official client over stdio."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Awaitable, Callable

import pytest
from conftest import Tree
from mcp import ClientSession, StdioServerParameters, stdio_client

from agentsync.locks.model import lock_record
from agentsync.locks.query import all_locks
from agentsync.mcp.words import for_tools
from agentsync.state.store import Change, Store

Call = Callable[..., Awaitable[dict[str, object]]]


def talk(tree: Tree, script: Callable[[ClientSession, Call], Awaitable[None]], *words: str, cwd: str = "") -> None:
    """Let a client talk to a server that is started in a worktree."""

    async def run() -> None:
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "agentsync", "mcp", *words], cwd=cwd or str(tree.path), env=tree.environ
        )
        async with stdio_client(server) as streams, ClientSession(*streams) as session:
            await session.initialize()

            async def call(tool: str, **named: object) -> dict[str, object]:
                done = await session.call_tool(tool, named)
                assert not done.is_error, done
                assert done.structured_content == json.loads(done.content[0].text)
                return dict(done.structured_content)

            await script(session, call)

    asyncio.run(asyncio.wait_for(run(), 60))


def test_the_list_of_tools_is_short(one: Tree) -> None:
    async def script(session: ClientSession, call: Call) -> None:
        listed = (await session.list_tools()).tools
        assert len(listed) <= 8
        shown = [tool.model_dump(mode="json", exclude_none=True, by_alias=True) for tool in listed]
        assert len(json.dumps(shown, separators=(",", ":"))) / 3.2 <= 1000, "tokens, at few characters each"
        for word in ("status", "lock", "claim", "number", "forecast", "task"):
            assert any(word in tool.name for tool in listed)
        looking = {tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint}
        assert looking == {"status", "list_tasks", "forecast_conflicts"}

    talk(one, script)


def test_a_refusal_is_a_result(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt", "--reason", "limits")

    async def script(session: ClientSession, call: Call) -> None:
        done = await call("lock_paths", paths=["shared.txt", "src/app.py"])
        assert done["ok"] is False
        assert "locked by one@one" in str(done["what"])
        assert done["next"] == ["wait for it:", 'lock_paths(paths=["shared.txt"]), again later']
        asked = await call("status", paths=["shared.txt", "src/app.py"])
        rows = asked["paths"]
        assert "one@one" in rows[0]["locked_by"][0]
        assert rows[1] == {"path": "src/app.py", "locked_by": [], "yours": False, "edited_in": []}
        assert (await call("lock_paths", paths=["src/app.py"]))["ok"] is True
        assert (await call("unlock_paths"))["unlocked"] == ["src/app.py"]
        assert (await call("unlock_paths", paths=["shared.txt"]))["ok"] is False
        for repo in ("/nowhere", "relative/nowhere", "\0"):
            assert (await call("status", repo=repo))["ok"] is False
        assert (await call("lock_paths", paths=["../../x"]))["ok"] is False

    talk(two, script)
    assert "src/app.py" not in two.synced("lock")


@pytest.mark.parametrize(("line", "told"), [
    ("agentsync lock 'a b' c --wait", 'lock_paths(paths=["a b", "c"]), again later'),
    ("and 3 more: agentsync lock", "and 3 more: status()"),
    ("agentsync task next --claim", "claim_task()"),
    ("agentsync task claim T-1", 'claim_task(task="T-1")'),
    ("agentsync task done T-1", 'update_task(task="T-1", state="done")'),
    ("who has it (agentsync task list)", "who has it (list_tasks())"),
    ("agentsync unlock a", 'unlock_paths(paths=["a"])'),
    ("agentsync status src/a", 'status(paths=["src/a"])'),
    ("agentsync migration next db/m NAME", 'reserve_migration_number(name="NAME", series="db/m")'),
    # no tool does these
    ("agentsync task claim X --files 'src/**'", "agentsync task claim X --files 'src/**'"),
    ("agentsync unlock x --force --reason 'why'", "agentsync unlock x --force --reason 'why'"),
    ("base moved by 2 commits: agentsync sync", "base moved by 2 commits: agentsync sync"),
    ("git merge one", "git merge one"),
    ("agentsync lock 'open", "agentsync lock 'open"),
    ("the agentsync lock is kept", "the agentsync lock is kept"),
])  # fmt: skip
def test_a_client_without_a_shell_is_told_of_tools(line: str, told: str) -> None:
    assert for_tools(line) == told


def test_each_tool_that_is_named_is_there(one: Tree) -> None:
    lines = ("agentsync lock a --wait", "agentsync unlock a", "agentsync status", "agentsync forecast",
             "agentsync task next --claim", "agentsync task list", "agentsync task release T-1",
             "agentsync migration next NAME")  # fmt: skip
    named = {for_tools(line).partition("(")[0] for line in lines}

    async def script(session: ClientSession, call: Call) -> None:
        assert named <= {tool.name for tool in (await session.list_tools()).tools}

    talk(one, script)


def test_what_is_locked_by_a_tool_holds_at_the_gates(one: Tree, two: Tree) -> None:
    async def script(session: ClientSession, call: Call) -> None:
        assert (await call("lock_paths", paths=["shared.txt"]))["ok"] is True

    talk(one, script)
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")
    assert one.commit("shared.txt", "ONE\n").code == 0, "the tool's agent is the worktree's"


def test_a_server_whose_folder_goes_away_answers_what_is_wrong(main: Tree, one: Tree) -> None:
    async def script(session: ClientSession, call: Call) -> None:
        assert (await call("status"))["ok"] is True
        shutil.rmtree(one.path)
        answer = await call("claim_task")
        assert answer["ok"] is False
        assert answer["what"] == f"the folder {one.path} is not there"
        assert "repo=/path/to/worktree" in answer["next"]
        answer = await call("status", repo=str(one.path))
        assert answer["ok"] is False
        assert (await call("status", repo=str(main.path)))["ok"] is True

    talk(one, script)


def test_a_desktop_agent_works_without_a_worktree(main: Tree, one: Tree) -> None:
    """Its folder is the user's home; it names the repository, takes a task without files, reports and finishes it."""
    plan = "# Tasks\n\n- [ ] **T-1** Limits\n\n- [ ] **T-2** Ask the bank\n  - surface: desktop\n"
    main.commit("TASKS.md", plan)
    home, repo = main.environ["HOME"], str(main.path)

    async def script(session: ClientSession, call: Call) -> None:
        assert (await call("claim_task", surface="desktop"))["ok"] is False, "no repository is known yet"
        got = await call("claim_task", surface="desktop", repo=repo)
        assert got["task"] == "T-2"
        assert got["workspace"]["kind"] == "none"
        await call("update_task", task="T-2", state="progress", note="on the phone", repo=repo)
        rows = (await call("list_tasks", repo=repo))["tasks"]
        assert [row["progress"] for row in rows if row["task"] == "T-2"] == ["on the phone"]
        done = await call("update_task", task="T-2", state="done", tokens=5, cost_usd=0.5, repo=repo)
        assert done == {"ok": True, "task": "T-2", "state": "done", "commit": None}
        assert (await call("claim_task", surface="desktop", repo=repo))["ok"] is False

    talk(main, script, "--agent", "fazm", cwd=home)
    assert main.ok("status", "--porcelain") == ""
    claim = json.loads(one.synced("task", "show", "T-2", "--json"))["data"]["claim"]
    assert (claim["tokens"], claim["cost"], claim["done"]) == (5, "0.5000", 1)
    assert one.synced("task", "next", "--claim").startswith("T-1")


def test_a_task_with_files_is_claimed_and_finished(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** Limits\n  - files: src/**\n")
    one.ok("merge", "-q", "main")

    async def script(session: ClientSession, call: Call) -> None:
        got = await call("claim_task")
        assert (got["task"], got["files"]) == ("T-1", ["src/**"])
        assert got["workspace"] == {"kind": "worktree", "path": str(one.path)}
        done = await call("update_task", task="T-1", state="done")
        assert done["commit"] == "TASKS.md"

    talk(one, script)
    assert "[x] **T-1** Limits @one" in one.read("TASKS.md")


def test_a_word_that_no_tool_knows_is_an_error(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** Limits\n\n- [ ] **T-2** More\n")
    one.ok("merge", "-q", "main")

    async def script(session: ClientSession, call: Call) -> None:
        done = await session.call_tool("claim_task", {"id": "T-2"})
        assert done.is_error
        assert "id" in str(done.content[0])

    talk(one, script)
    assert "claimed" not in one.synced("task", "list")


def test_a_named_agent_does_not_take_a_worktree_over(one: Tree, two: Tree) -> None:
    one.synced("status")

    async def script(session: ClientSession, call: Call) -> None:
        assert (await call("lock_paths", paths=["src/app.py"], repo=str(one.path)))["ok"] is True

    talk(two, script, "--agent", "fazm")
    assert "fazm@one" in one.synced("lock")
    rows = json.loads(one.synced("status", "--json"))["data"]["worktrees"]
    assert [row["agent"] for row in rows if row["worktree"] == "one"] == ["one"]
    one.write("src/app.py", "x\n")
    one.refused("commit", "-qam", "x")


def test_a_named_agent_takes_nobodys_news_and_gives_no_costs_back(main: Tree, one: Tree) -> None:
    one.synced("status", "--new")
    main.commit("b.txt", "b\n")

    async def script(session: ClientSession, call: Call) -> None:
        assert (await call("status"))["ok"] is True
        await call("claim_task", task="X-1")
        words: dict[str, object] = {"task": "X-1", "state": "done", "tokens": -7}
        assert (await session.call_tool("update_task", words)).is_error

    talk(one, script, "--agent", "fazm")
    assert "base main moved" in one.synced("status", "--new")


def test_numbers_and_conflicts(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("db/migrate/20260101000000_a.rb", "class A < ActiveRecord::Migration[7.0]\nend\n")
    one.ok("merge", "-q", "main")
    one.write("shared.txt", "ONE more\n")
    two.write("shared.txt", "uno\n")

    async def script(session: ClientSession, call: Call) -> None:
        reserved = await call("reserve_migration_number", name="add_limits")
        assert str(reserved["create"][0]).endswith("_add_limits.rb")
        found = await call("forecast_conflicts")
        assert found["conflicts"][0]["paths"] == ["shared.txt"]

    talk(one, script)


def test_each_call_renews_the_leases(one: Tree) -> None:
    from test_agents import repo_of

    one.synced("lock", "shared.txt", "--for", "2h")
    repo = repo_of(one)
    store = Store(repo.shared_dir, repo.environ)
    lock = all_locks(repo, store.snapshot())[0].lock
    early = lock_record(lock._replace(until=int(time.time()) + 600))
    store.swap(lambda _: Change("test", "test", {lock.target.place: early}))

    async def script(session: ClientSession, call: Call) -> None:
        await call("status")

    talk(one, script)
    assert all_locks(repo, store.snapshot())[0].lock.until > time.time() + 3600


def test_the_state_is_there_as_resources(one: Tree) -> None:
    async def script(session: ClientSession, call: Call) -> None:
        names = {str(one.uri) for one in (await session.list_resources()).resources}
        assert names == {"agentsync://status", "agentsync://tasks"}
        read = await session.read_resource("agentsync://status")
        assert json.loads(read.contents[0].text)["ok"] is True

    talk(one, script)


def test_without_the_sdk_it_says_what_to_install(one: Tree) -> None:
    code = "import sys; sys.modules['mcp'] = None; from agentsync.cli.main import main; sys.exit(main(['mcp']))"
    done = one.run(sys.executable, "-c", code)
    assert done.code == 2
    assert "agentsync-hooks[mcp]" in done.err


@pytest.mark.parametrize("word", ["x\nrm -rf /", "\x1b[31m", "a" * 5000])
def test_hostile_words_stay_words(word: str, one: Tree) -> None:
    async def script(session: ClientSession, call: Call) -> None:
        for tool, named in (("lock_paths", {"paths": [word]}), ("claim_task", {"task": word})):
            done = await call(tool, **named)
            assert "\x1b" not in json.dumps(done)
            assert all("\n" not in str(value) for value in done.values())

    talk(one, script)
