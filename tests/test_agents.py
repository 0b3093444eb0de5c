"""The agents' own hooks, in each client's dialect, as processes that get JSON on stdin."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
import tomlkit
from clients import CLIENTS, edit, patch, shell, start, stop
from conftest import Done, Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsync.agents.costs import tokens_since
from agentsync.agents.events import AFTER_EDIT, BEFORE_EDIT, BEFORE_SHELL, OTHER, START, STOP, dialect_of, read_event
from agentsync.agents.patches import patched_paths
from agentsync.git.repo import Repo, around
from agentsync.locks.model import lock_record
from agentsync.locks.query import all_locks
from agentsync.state.store import Change, Store

EVENTS = {"copilot-camel": {"edit": "preToolUse", "after": "postToolUse", "start": "sessionStart", "stop": "agentStop"}}


def hook(tree: Tree, client: str, payload: object, *named: str, **extra: str) -> Done:
    """Run the hook as the client does, with the payload on stdin."""
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return tree.run("agentsync-hook", client.removesuffix("-camel"), *named, stdin=text, **extra)


def named(client: str, moment: str) -> tuple[str, ...]:
    """The event's name on the command line, for the dialect whose payloads lack it."""
    return (EVENTS[client][moment],) if client in EVENTS else ()


def allowed(done: Done) -> bool:
    return done.code == 0 and json.loads(done.out) == {}


def context(done: Done) -> str:
    """What the client hands on to the agent."""
    assert done.code == 0, done
    out = json.loads(done.out)
    specific = out.get("hookSpecificOutput", {})
    return str(specific.get("additionalContext") or out.get("additional_context") or out.get("additionalContext") or "")


@pytest.mark.parametrize("client", CLIENTS)
def test_an_edit_of_anothers_path_is_refused_in_each_dialect(client: str, main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    one.synced("lock", "shared.txt", "--reason", "new limits")
    done = hook(two, client, edit(client, two.path, "shared.txt"), *named(client, "edit"))
    assert done.code == 2
    assert "shared.txt is locked by one@one" in done.err
    assert '"new limits"' in done.err
    assert "agentsync lock shared.txt --wait" in done.err
    assert "agentsync task next --claim" in done.err
    out = json.loads(done.out) if client in ("cursor", "copilot", "copilot-camel") else {}
    assert out or done.out == "", "Gemini looks for the reason on stderr only where stdout is empty"
    if client == "cursor":
        assert out["permission"] == "deny"
        assert "locked by one@one" in out["agent_message"]
    if client.startswith("copilot"):
        assert out["permissionDecision"] == "deny"
    assert allowed(hook(two, client, edit(client, two.path, "src/app.py"), *named(client, "edit")))
    assert allowed(hook(one, client, edit(client, one.path, "shared.txt"), *named(client, "edit")))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_command_past_the_gates_is_refused_in_each_dialect(client: str, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    run = named(client, "edit")
    for command in ("git commit --no-verify -m x", "AGENTSYNC=0 git commit -m x", "echo x >> shared.txt"):
        done = hook(two, client, shell(client, two.path, command), *run)
        assert done.code == 2, command
        assert done.err.startswith("agentsync: refused: ")
    for command in ("git commit -m '--no-verify'", "git status", "echo x > other.txt", "cat shared.txt"):
        assert allowed(hook(two, client, shell(client, two.path, command), *run)), command


@pytest.mark.parametrize("client", CLIENTS)
def test_a_session_begins_with_who_and_what_is_new(client: str, main: Tree, one: Tree, two: Tree) -> None:
    two.synced("status", "--new")
    main.commit("more.txt", "more\n")
    done = hook(two, client, start(client, two.path), *named(client, "start"))
    assert "this agent is two in worktree two" in context(done)
    assert "base main moved by 1 commit: agentsync sync" in context(done)


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_held_is_named_once_at_the_stop(client: str, one: Tree) -> None:
    assert allowed(hook(one, client, stop(client, one.path), *named(client, "stop")))
    one.synced("lock", "shared.txt")
    done = hook(one, client, stop(client, one.path), *named(client, "stop"))
    assert done.code == 0
    assert "agentsync unlock shared.txt" in done.out
    assert allowed(hook(one, client, stop(client, one.path), *named(client, "stop")))
    one.synced("lock", "src/app.py")
    again = hook(one, client, stop(client, one.path, again=True), *named(client, "stop"))
    # Cursor and Copilot's own payload do not say that the agent goes on because of us
    assert allowed(again) is (client not in ("cursor", "copilot-camel"))


def test_what_is_taken_again_is_named_again(one: Tree) -> None:
    for _ in range(2):
        one.synced("lock", "shared.txt")
        assert "agentsync unlock shared.txt" in hook(one, "claude", stop("claude", one.path)).out
        one.synced("unlock", "shared.txt")
        assert allowed(hook(one, "claude", stop("claude", one.path)))


def test_what_is_held_is_a_question_to_go_on_with(one: Tree) -> None:
    one.synced("lock", "shared.txt")
    out = json.loads(hook(one, "claude", stop("claude", one.path)).out)
    assert out["decision"] == "block"
    assert out["reason"].startswith("agentsync: still held here")


def test_a_write_into_another_worktree_names_the_same_file_here(main: Tree, one: Tree, two: Tree) -> None:
    for place in (main.path / "src/app.py", one.path / "src/app.py"):
        done = hook(two, "claude", edit("claude", two.path, str(place)))
        assert done.code == 2
        assert str(two.path / "src/app.py") in done.err
    assert hook(two, "claude", shell("claude", two.path, f"echo x > {main.path}/src/app.py")).code == 2
    assert hook(two, "codex", edit("codex", two.path, str(main.path / "src/app.py"))).code == 2


def test_a_worktree_inside_the_main_one_is_a_worktree_of_its_own(main: Tree) -> None:
    main.ok("worktree", "add", "-q", ".claude/worktrees/inner", "-b", "inner")
    inner = Tree(main.path / ".claude/worktrees/inner", main.environ)
    assert allowed(hook(inner, "claude", edit("claude", inner.path, "src/app.py")))
    assert hook(inner, "claude", edit("claude", inner.path, str(main.path / "src/app.py"))).code == 2
    inner.synced("lock", "shared.txt")
    assert hook(main, "claude", edit("claude", main.path, "shared.txt")).code == 2
    # from the main worktree nobody strays into a linked one: it is judged as what would be committed there
    assert allowed(hook(main, "claude", edit("claude", main.path, str(inner.path / "shared.txt"))))


def test_every_file_of_a_patch_counts(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    text = patch("src/app.py").replace("*** End Patch\n", "*** Delete File: shared.txt\n*** End Patch\n")
    payload = edit("codex", two.path, "x")
    payload["tool_input"] = {"command": text}
    assert "shared.txt is locked" in hook(two, "codex", payload).err
    script = f"apply_patch <<'EOF'\n{text}EOF"
    assert "shared.txt is locked" in hook(two, "codex", shell("codex", two.path, script)).err
    assert patched_paths("*** Begin Patch\n*** Add File: a b\n+x\n*** Update File: c\n*** Move to: d\n") == [
        "a b",
        "c",
        "d",
    ]


def configure(main: Tree, **settings: object) -> None:
    """Commit settings to base; `locks_exclusive` is `[locks] exclusive`."""
    document = tomlkit.parse(main.read("agentsync.toml"))
    for name, value in settings.items():
        table, _, key = name.partition("_")
        document[table][key] = value
    assert main.commit("agentsync.toml", tomlkit.dumps(document)).code == 0


def test_an_exclusive_path_is_taken_on_the_spot_and_given_back_by_the_commit(main: Tree, one: Tree, two: Tree) -> None:
    configure(main, locks_exclusive=["shared.txt"])
    assert allowed(hook(one, "claude", edit("claude", one.path, "shared.txt")))
    done = hook(two, "claude", edit("claude", two.path, "shared.txt"))
    assert "shared.txt is locked by one@one" in done.err
    assert one.commit("shared.txt", "ONE\n").code == 0
    two.ok("merge", "-q", "one")
    assert allowed(hook(two, "claude", edit("claude", two.path, "shared.txt")))


def test_an_exclusive_path_is_not_taken_without_its_last_version(main: Tree, one: Tree, two: Tree) -> None:
    configure(main, locks_exclusive=["shared.txt"])
    assert allowed(hook(one, "claude", edit("claude", one.path, "shared.txt")))
    assert one.commit("shared.txt", "ONE\n").code == 0
    done = hook(two, "claude", edit("claude", two.path, "shared.txt"))
    assert done.code == 2
    assert "git merge one" in done.err


def test_a_lock_is_refused_also_where_another_rule_says_nothing(main: Tree, one: Tree, two: Tree) -> None:
    configure(main, phases_sequential=["shared.txt"], protect_paths=["src/**"], enforce_protected="warn")
    for path in ("shared.txt", "src/app.py"):
        one.synced("lock", path)
        assert "is locked by one@one" in hook(two, "claude", edit("claude", two.path, path)).err


def test_a_conflict_is_told_once_and_again_when_it_comes_back(one: Tree, two: Tree) -> None:
    def told() -> str:
        two.sync("forecast")
        return context(hook(two, "claude", edit("claude", two.path, "src/app.py", after=True)))

    for tree in (one, two):
        for name in ("src/app.py", "shared.txt"):
            tree.write(name, f"{tree.path.name}\n")
    assert "conflict in shared.txt, src/app.py" in told().replace(" (line 1)", "")
    two.ok("checkout", "-q", "shared.txt")
    assert told() == "", "what is left of it was told"
    two.write("shared.txt", "two again\n")
    assert "shared.txt" in (said := told())
    assert "src/app.py" not in said


def test_a_conflict_with_an_edit_since_the_last_look_is_told(one: Tree, two: Tree) -> None:
    for tree in (two, one):
        tree.write("src/app.py", f"{tree.path.name}\n")
        assert allowed(hook(tree, "claude", edit("claude", tree.path, "src/app.py", after=True)))
        time.sleep(2)  # the look outlives the hook
    said = ""
    until = time.monotonic() + 20
    while "conflict in src/app.py" not in said and time.monotonic() < until:
        said += context(hook(two, "claude", edit("claude", two.path, "src/app.py", after=True)))
        time.sleep(0.3)  # asked again until the look in the background is done
    assert "conflict in src/app.py" in said


@pytest.mark.parametrize(
    "command",
    ["git -C {git}/agentsync/store.git update-ref -d refs/heads/state", "cd {git} && rm -rf agentsync",
     "cd {git}/agentsync/store.git && git branch -D state", "find {git}/hooks -delete", "rm -f {git}/hooks/*"],
)  # fmt: skip
def test_the_state_is_not_tampered_with_from_anywhere(main: Tree, one: Tree, command: str) -> None:
    for tree in (main, one):
        done = hook(tree, "claude", shell("claude", tree.path, command.format(git=main.path / ".git")))
        assert done.code == 2, command
        assert "agentsync: refused" in done.err


def test_a_hand_made_marker_holds_before_the_edit(one: Tree, two: Tree) -> None:
    one.synced("status")
    one.write("shared.txt.agent-lock", "one\n")
    assert "locked by one" in hook(two, "claude", edit("claude", two.path, "shared.txt")).err


def test_protected_and_sequential_paths_are_refused(main: Tree, one: Tree) -> None:
    configure(main, protect_paths=["src/app.py"], phases_sequential=["shared.txt"], enforce_phases="refuse")
    assert "is protected" in hook(one, "claude", edit("claude", one.path, "src/app.py")).err
    assert "phase integration" in hook(one, "claude", edit("claude", one.path, "shared.txt")).err
    main.synced("phase", "integration", "--agent", "one")
    assert allowed(hook(one, "claude", edit("claude", one.path, "shared.txt")))


def test_a_newer_contract_is_refused_where_configured(main: Tree, one: Tree) -> None:
    configure(main, contracts_paths=["src/*.py"], enforce_contracts="refuse")
    one.ok("merge", "-q", "main")
    assert allowed(hook(one, "claude", edit("claude", one.path, "shared.txt")))
    assert main.commit("src/app.py", "print('newer')\n").code == 0
    done = hook(one, "claude", edit("claude", one.path, "shared.txt"))
    assert done.code == 2
    assert "agentsync sync" in done.err


def repo_of(tree: Tree) -> Repo:
    found = around(tree.environ, str(tree.path))
    assert found
    return found


def test_a_warning_is_told_once_after_the_edit(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** Limits\n  - files: src/**\n")
    one.ok("merge", "-q", "main")
    two.ok("merge", "-q", "main")
    one.synced("task", "claim", "T-1")
    assert allowed(hook(two, "claude", edit("claude", two.path, "src/app.py")))
    done = hook(two, "claude", edit("claude", two.path, "src/app.py", after=True))
    assert "src/app.py is in the files of task T-1" in context(done)
    assert context(hook(two, "claude", edit("claude", two.path, "src/app.py", after=True))) == ""


@pytest.mark.parametrize("client", CLIENTS)
def test_a_new_conflict_is_told_after_an_edit(client: str, one: Tree, two: Tree) -> None:
    one.write("shared.txt", "ONE\ntwo\nthree\n")
    two.write("shared.txt", "uno\ntwo\nthree\n")
    assert two.sync("forecast").code == 1
    done = hook(two, client, edit(client, two.path, "shared.txt", after=True), *named(client, "after"))
    said = context(done)
    assert "two and one conflict in shared.txt" in said
    assert len(said) <= 520
    assert context(hook(two, client, edit(client, two.path, "shared.txt", after=True), *named(client, "after"))) == ""


def test_an_edit_renews_a_lease_that_is_past_half(main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt", "--for", "2h")
    repo = repo_of(one)
    store = Store(repo.shared_dir, repo.environ)
    lock = all_locks(repo, store.snapshot())[0].lock
    early = lock._replace(until=int(time.time()) + 600)
    store.swap(lambda _: Change("test", "test", {lock.target.place: lock_record(early)}))
    hook(one, "claude", edit("claude", one.path, "shared.txt", after=True))
    assert all_locks(repo, store.snapshot())[0].lock.until > time.time() + 3600


def test_the_name_is_exported_where_the_client_has_a_file_for_it(one: Tree) -> None:
    file = one.path.parent / "env"
    hook(one, "claude", start("claude", one.path), CLAUDE_ENV_FILE=str(file))
    assert file.read_text() == "export AGENTSYNC_AGENT=one\n"
    moved = {**start("claude", one.path), "hook_event_name": "CwdChanged"}
    assert allowed(hook(one, "claude", moved, CLAUDE_ENV_FILE=str(file)))


def test_an_agent_in_the_main_worktree_is_main(main: Tree, one: Tree) -> None:
    assert "this agent is main" in context(hook(main, "codex", start("codex", main.path)))


def test_a_refusal_is_in_the_log(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    hook(two, "claude", edit("claude", two.path, "shared.txt"))
    assert "claude before-edit" in two.synced("log", "--refused")


def test_a_hook_file_that_another_client_runs_too_asks_once(main: Tree, one: Tree, two: Tree) -> None:
    """Cursor and Copilot run .claude/settings.json beside their own files."""
    one.synced("lock", "shared.txt")
    assert hook(two, "claude", edit("cursor", two.path, "shared.txt")).code == 2
    two.write(".cursor/hooks.json", '{"version": 1, "hooks": {"preToolUse": [{"command": "agentsync-hook cursor"}]}}')
    assert allowed(hook(two, "claude", edit("cursor", two.path, "shared.txt")))
    assert hook(two, "cursor", edit("cursor", two.path, "shared.txt")).code == 2


def test_a_client_whose_shell_runs_no_git_hooks_is_asked_about_what_it_commits(one: Tree, two: Tree) -> None:
    """Gemini CLI sets core.hooksPath to nothing for its shell."""
    two.write("shared.txt", "by a script\n")
    one.synced("lock", "shared.txt")
    for command in ("git commit -am x", "git add -A && git commit -m x"):
        assert "shared.txt is locked" in hook(two, "gemini", shell("gemini", two.path, command)).err
        assert allowed(hook(two, "claude", shell("claude", two.path, command))), "there the gate itself will say so"
    two.ok("checkout", "-q", "--", "shared.txt")
    two.write("src/app.py", "x\n")
    assert allowed(hook(two, "gemini", shell("gemini", two.path, "git commit -am x")))


TAKES_IT = """
git commit -m x src/app.py
git commit -o src/app.py -m x
git commit --include src/app.py -m x
git -C . commit -am x
git stage src && git commit -m x
cd src && git add .. && git commit -m x
git add src/*.py && git commit -m x
git add "src/*.py" && git commit -m x
git add ':(glob)src/**' && git commit -m x
git commit -m x src/*.py
git add src/other.py; git commit -m x; git add src/app.py; git commit -m y
git rm --cached src/app.py && git commit -m x
git -c alias.c='commit -am x' c
""".strip().splitlines()
LEAVES_IT = """
git commit -m x src/other.py
git add . ':(exclude)src/app.py' && git commit -m x
git add -A -- . ':!src/app.py' && git commit -m x
git add -A && git reset -q src/app.py && git commit -m x
git add -A && git restore --staged src/app.py && git commit -m x
git checkout src/app.py && git commit -am x
git add -n src/app.py; git commit -m x
git commit --dry-run -am x
git commit -m 'src/app.py'
""".strip().splitlines()


@pytest.mark.parametrize("command", [*TAKES_IT, *LEAVES_IT])
def test_only_what_a_commit_takes_is_asked_about_there(one: Tree, two: Tree, command: str) -> None:
    one.synced("lock", "src/app.py")
    two.write("src/other.py", "x\n")
    assert allowed(hook(two, "gemini", shell("gemini", two.path, "git add src && git commit -m x")))
    two.write("src/app.py", "changed\n")
    done = hook(two, "gemini", shell("gemini", two.path, command))
    assert allowed(done) is (command in LEAVES_IT), done
    assert "src/app.py is locked by one@one" in done.err or command in LEAVES_IT
    assert two.ok("status", "--porcelain").split() == ["M", "src/app.py", "??", "src/other.py"]


def test_a_commit_of_other_files_passes_there_too(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "unstaged\n")
    two.write("src/app.py", "x\n")
    for command in ("git add src/app.py && git commit -m x", "git commit --dry-run -a", "git commit --help"):
        assert allowed(hook(two, "gemini", shell("gemini", two.path, command))), command


def test_a_shell_above_the_worktrees_is_judged_where_its_commands_run(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    above = two.path.parent
    for command in ("cd two && git commit -n -m x", "git -C two commit -n -m x", "echo x > two/shared.txt"):
        assert hook(two, "claude", shell("claude", above, command)).code == 2, command
    for command in ("git init new && cd new && git commit -n -m x && git branch -M main", "echo x > shared.txt"):
        assert allowed(hook(two, "claude", shell("claude", above, command))), command


def test_an_edit_through_a_link_is_one_of_what_it_leads_to(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    (two.path / "alias.txt").symlink_to("shared.txt")
    assert hook(two, "claude", edit("claude", two.path, "alias.txt")).code == 2


def test_a_redirection_through_a_link_is_a_write_to_what_it_leads_to(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    (two.path / "link").symlink_to("shared.txt")
    assert "is locked by one@one" in hook(two, "claude", shell("claude", two.path, "echo x > link")).err


def test_a_worker_of_omx_writes_into_its_teams_state(main: Tree, one: Tree) -> None:
    state = main.path / ".omx/state/team/alpha"
    state.mkdir(parents=True)
    assert allowed(hook(one, "codex", shell("codex", one.path, f"echo 1 > {state}/status.json")))
    assert not allowed(hook(one, "codex", shell("codex", one.path, f"echo 1 > {main.path}/src/app.py")))


def test_a_repository_that_the_script_makes_is_none_of_ours(one: Tree) -> None:
    command = "git init -q scratch && cd scratch && git commit -n --allow-empty -m x"
    assert allowed(hook(one, "claude", shell("claude", one.path, command)))
    (one.path / "there").mkdir()
    assert not allowed(hook(one, "claude", shell("claude", one.path, "cd there && git commit -n -m x")))


def test_a_name_set_in_the_command_is_who_acts(one: Tree) -> None:
    one.synced("lock", "shared.txt", AGENTSYNC_AGENT="worker")
    assert hook(one, "claude", shell("claude", one.path, "echo x > shared.txt")).code == 2
    assert allowed(hook(one, "claude", shell("claude", one.path, "AGENTSYNC_AGENT=worker tee shared.txt")))


def test_a_refused_edit_takes_nothing(main: Tree, one: Tree, two: Tree) -> None:
    configure(main, locks_exclusive=["src/app.py"])
    one.synced("lock", "shared.txt")
    text = patch("src/app.py").replace("*** End Patch\n", "*** Update File: shared.txt\n*** End Patch\n")
    payload = edit("codex", two.path, "x")
    payload["tool_input"] = {"command": text}
    assert hook(two, "codex", payload).code == 2
    assert "src/app.py" not in two.synced("lock")


def test_a_text_about_patches_is_no_patch(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    payload = edit("claude", two.path, "notes.md")
    payload["tool_input"] = {"file_path": str(two.path / "notes.md"), "content": patch("shared.txt")}
    assert allowed(hook(two, "claude", payload))
    script = f"git commit -m 'docs: {patch('shared.txt')}'"
    assert allowed(hook(two, "claude", shell("claude", two.path, script)))


def test_the_folder_of_a_command_is_the_tools(one: Tree, two: Tree) -> None:
    one.synced("lock", "src/app.py")
    payload = shell("gemini", two.path, "echo x > app.py")
    payload["tool_input"] = {"command": "echo x > app.py", "dir_path": "src"}
    assert hook(two, "gemini", payload).code == 2
    payload["tool_input"] = {"command": "echo x > src/app.py", "dir_path": "src"}
    assert allowed(hook(two, "gemini", payload))


def test_a_client_that_never_closes_its_pipe_is_answered(one: Tree) -> None:
    with subprocess.Popen(["agentsync-hook", "claude"], cwd=one.path, env=one.environ, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        process.stdin.write(b'{"hook_event_name": "Stop"}')
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {}
        assert process.wait(10) == 0


def test_closed_streams_change_no_answer(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        for name, code in (("shared.txt", 2), ("src/app.py", 0)):
            payload = json.dumps(edit("claude", two.path, name))
            assert two.run("sh", "-c", f"agentsync-hook claude {closed}", stdin=payload).code == code


@pytest.mark.parametrize("command", ["a;" * 500_000, "(" * 1_000_000, "$(" * 500_000, "$( " + "<<a " * 100_000,
                                     "a=1 " * 100_000, "env " * 100_000, "rm " + "f " * 100_000])  # fmt: skip
def test_a_huge_command_is_answered_in_time(command: str, one: Tree) -> None:
    began = time.monotonic()
    assert hook(one, "claude", shell("claude", one.path, command)).code == 0
    assert time.monotonic() - began < 30, "a client waits no longer than some seconds, on a machine that is not busy"


def test_the_state_and_the_hooks_are_not_edited(main: Tree, one: Tree) -> None:
    for name in (".git/agentsync/config.cache", ".git/hooks/pre-commit"):
        assert hook(one, "claude", edit("claude", one.path, str(main.path / name))).code == 2


def test_a_repository_without_agentsync_is_left_alone(bare_tree: Tree) -> None:
    assert allowed(hook(bare_tree, "claude", edit("claude", bare_tree.path, "shared.txt")))
    assert allowed(hook(bare_tree, "claude", shell("claude", bare_tree.path, "git commit --no-verify -m x")))
    assert allowed(hook(bare_tree, "claude", edit("claude", bare_tree.path, "/nowhere/at/all")))


NOISE = [
    "", "{", "[]", "null", "3", '"x"', "\0", "{}", '{"hook_event_name": 3}', '{"hook_event_name": "Unknown"}',
    '{"hook_event_name": "PreToolUse"}', '{"hook_event_name": "PreToolUse", "tool_name": "Edit"}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": 7}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {"file_path": null}}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": {"command": {"a": 1}}}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {"file_path": "a\\u0000b"}}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Edit", "cwd": "/nowhere", "tool_input": {"file_path": "x"}}',
    '{"hook_event_name": "Stop", "transcript_path": "/nowhere"}', '{"toolName": "edit", "toolArgs": "{"}',
    '{"hook_event_name": "PreToolUse", "tool_name": "Edit", "tool_input": {"file_path": "\\ud800"}}',
    "[" * 100000,
]  # fmt: skip


@pytest.mark.parametrize("text", NOISE, ids=range(len(NOISE)))
def test_whatever_comes_the_agent_goes_on(text: str, one: Tree) -> None:
    for client in ("claude", "nobody"):
        done = hook(one, client, text)
        assert allowed(done), done
        assert "Traceback" not in done.err


def test_no_arguments_and_unknown_ones_are_fine(one: Tree) -> None:
    assert allowed(one.run("agentsync-hook", stdin="{}"))
    assert allowed(one.run("agentsync-hook", "--help", "x", "y", stdin="{}"))


def test_a_huge_input_is_read(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    payload = edit("claude", two.path, "shared.txt")
    payload["tool_input"] = {"file_path": str(two.path / "shared.txt"), "content": "x" * 20_000_000}
    assert hook(two, "claude", payload).code == 2


def test_a_state_that_cannot_be_read_stops_nobody(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    (main.path / ".git/agentsync/store.git/refs/heads/state").write_text("garbage\n")
    done = hook(two, "claude", edit("claude", two.path, "shared.txt"))
    assert allowed(done)
    assert "Traceback" not in done.err


NAMES = ["PreToolUse", "Edit", "Bash", "Stop", "SessionStart", "BeforeTool", "git commit -n", "{}", "/"]
KEYS = ["hook_event_name", "tool_name", "tool_input", "cwd", "toolName", "toolArgs", "workspace_roots",
        "transcript_path", "command", "file_path", "session_id", "turn_id"]  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(NAMES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=6,
)
words = st.dictionaries(st.sampled_from(KEYS), values)


@given(payload=words, client=st.sampled_from(["claude", "codex", "cursor", "gemini", "copilot", ""]))
def test_any_payload_is_some_event(payload: dict[str, object], client: str) -> None:
    event = read_event(client, "", payload)
    assert event.kind in (START, "moved", BEFORE_EDIT, BEFORE_SHELL, AFTER_EDIT, STOP, OTHER)
    assert dialect_of(client, payload) in ("claude", "codex", "cursor", "gemini", "copilot")


@settings(max_examples=15)
@given(payload=words | st.text(max_size=30))
def test_the_hook_ends_with_0_or_2_whatever_it_reads(one: Tree, payload: object) -> None:
    done = hook(one, "claude", payload if isinstance(payload, str) else json.dumps(payload))
    assert done.code in (0, 2)
    assert "Traceback" not in done.err
    assert done.code == 2 or json.loads(done.out) is not None


def test_the_tokens_of_a_transcript_count_once_a_message() -> None:
    def line(name: str, when: str, tokens: int) -> bytes:
        usage = {"input_tokens": tokens, "output_tokens": 1, "cache_read_input_tokens": 2}
        return json.dumps({"type": "assistant", "timestamp": when, "message": {"id": name, "usage": usage}}).encode()

    early, late = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"
    rows = [line("a", early, 100), line("b", late, 10), line("b", late, 10), b'{"usage', b"[]", line("c", late, 5)]
    assert tokens_since(rows, 1767312000) == 13 + 8
    info = {"last_token_usage": {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}}
    codex = {"timestamp": late, "type": "event_msg", "payload": {"type": "token_count", "info": info}}
    assert tokens_since([json.dumps(codex).encode()] * 2, 0) == 20
