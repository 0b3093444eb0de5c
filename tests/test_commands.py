"""Whole outputs of the commands that people and agents read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from conftest import Tree

if TYPE_CHECKING:
    from pathlib import Path


def settings(tree: Tree, old: str, new: str) -> None:
    """Change base's configuration."""
    text = tree.read("agentsync.toml")
    assert old in text
    tree.write("agentsync.toml", text.replace(old, new))
    tree.ok("commit", "-qam", "settings")


def test_agents_never_change_protected_paths_and_people_may(main: Tree) -> None:
    settings(main, "[protect]\n# gitignore patterns that agents may never change, people may\npaths = []",
             '[protect]\npaths = ["/deploy/**"]')  # fmt: skip
    one = main.worktree("one")
    done = one.commit("deploy/prod.yml", "x\n")
    assert done.code != 0
    assert done.err.strip().splitlines() == [
        "agentsync: refused: deploy/prod.yml is protected: agents may not change it",
        "  [protect] paths in agentsync.toml names it; a person can make this change",
        "  git restore --staged -- deploy/prod.yml",
    ]
    assert one.git("commit", "-qnm", "x").code != 0
    assert main.commit("deploy/prod.yml", "x\n").code == 0
    one.ok("reset", "-q", "--hard")
    one.ok("clean", "-qfd")
    one.ok("merge", "-q", "main")


def test_generated_files_are_never_locked(main: Tree, one: Tree) -> None:
    settings(main, "[regenerate]\n# gitignore patterns of generated files, which are never locked\npaths = []",
             '[regenerate]\npaths = ["*.lock"]')  # fmt: skip
    done = one.sync("lock", "uv.lock")
    assert done.code == 1
    assert done.err.splitlines()[0] == "agentsync: uv.lock is never locked"


@pytest.mark.parametrize("rule", ["solo", "off"])
def test_gentler_settings_warn_or_stay_silent(main: Tree, rule: str) -> None:
    if rule == "solo":
        settings(main, 'profile = "pair"', 'profile = "solo"')
    else:
        settings(main, '# locks = ""', 'locks = "off"')
    one, two = main.worktree("one"), main.worktree("two")
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    done = two.git("commit", "-qam", "x")
    assert done.code == 0
    assert ("agentsync: warning: shared.txt is locked by one@one" in done.err) == (rule == "solo")
    assert ("would-refuse" in two.synced("log", "--refused")) == (rule == "solo")


def test_the_task_commands(main: Tree, one: Tree) -> None:
    assert main.synced("task", "add", "First thing", "--files", "src/**") == "T-001"
    assert main.synced("task", "add", "Second", "--depends", "T-001") == "T-002"
    assert main.sync("task", "add", "Again", "--id", "T-001").code == 2
    main.ok("add", ".")
    main.ok("commit", "-qm", "plan")
    assert one.synced("task", "list").splitlines() == [
        "T-001  free             First thing",
        "T-002  waits for T-001  Second",
    ]
    one.synced("task", "claim", "first-thing")
    shown = one.synced("task", "show", "T-001").splitlines()
    assert shown[:2] == ["T-001  First thing", "  files: src/**"]
    assert re.fullmatch(r"  state: claimed by one@one since .*", shown[2])
    assert one.sync("task", "next").code == 1
    assert one.synced("task", "release", "T-001") == "released T-001"
    assert one.sync("task", "check").out.splitlines() == ["T-002  names no files"]
    done = one.sync("task", "claim", "LIN-482")
    assert done.code == 1
    assert done.err.strip().splitlines()[-1].strip() == "agentsync task claim LIN-482 --files 'src/**'"
    one.synced("task", "claim", "LIN-482", "--files", "lib/**")
    assert "LIN-482" in one.synced("task", "list")
    assert json.loads(one.synced("task", "list", "--json"))["data"]["unlisted"][0]["id"] == "LIN-482"


def test_no_task_is_handed_out_while_too_many_branches_wait(main: Tree) -> None:
    main.write("TASKS.md", "- [ ] **T-1** One\n")
    main.ok("add", ".")
    settings(main, "limit = 0", "limit = 1")
    one = main.worktree("one")
    one.commit("a.txt", "a\n")
    done = one.sync("task", "next")
    assert done.code == 1
    assert done.err.splitlines()[:2] == [
        "agentsync: 1 branches wait to land, and the limit is 1",
        "  land one first: one",
    ]


def test_status_of_a_path(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\nTWO\nthree\n")
    one.synced("lock", "shared.txt")
    lines = main.synced("status", "shared.txt").splitlines()
    assert re.fullmatch(r"locked by one@one, since \S+, until \S+( \S+)? \(2h left\)", lines[0])
    assert lines[1:] == ["worktree two: uncommitted edits, base lines 1-3"]
    nobody = main.sync("status", "src/app.py")
    assert nobody.err.splitlines() == ["src/app.py: nobody touches it", "  agentsync lock src/app.py"]


def test_status_screen(main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt", "@db")
    one.commit("a.txt", "a\n")
    lines = one.synced("status").splitlines()
    assert lines[0] == "base main, 2 locks, 0 claims"
    assert re.fullmatch(r"  human:Dev-One +main +\+0 -0 +seen \S+ ago", lines[1])
    assert re.fullmatch(r"\* one +one +\+1 -0 +seen \S+ ago +lock shared.txt lock @db", lines[2])
    data = json.loads(one.synced("status", "--json"))["data"]
    assert data["worktrees"][1]["ahead"] == 1


def test_migration_list_and_check(main: Tree) -> None:
    for number in (1, 2):
        main.write(f"db/migrations/00{number}_m.sql", "x\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "migrations")
    one = main.worktree("one")
    one.synced("migration", "next", "users")
    assert main.synced("migration", "list").splitlines() == [
        "db/migrations (dbmate)  2 on base  newest 002",
        "  003_users.sql         reserved   one@one",
    ]
    assert one.sync("migration", "check").code == 0
    done = one.sync("migration", "next", "nowhere", "x")
    assert done.code == 2
    assert "no one series is nowhere" in done.err


def test_check_names_what_it_could_not_judge(main: Tree, one: Tree) -> None:
    assert one.commit("a.txt", "a\n").code == 0
    assert one.sync("check").err == ""
    main.ok("clone", "-q", ".", str(main.path.parent / "ci"))
    done = Tree(main.path.parent / "ci", main.environ).sync("check")
    assert done.code == 0
    assert done.out == ""
    assert done.err.strip().endswith(
        "note: locks, claims and reservations live in the clones where agents work, so they were not judged here"
    )
    assert one.sync("check", "--range", "nonsense").code == 2
    pre_receive = main.run("python3", "-m", "agentsync", "check", "--pre-receive",
                           stdin=f"{main.head()} {main.head()} refs/heads/main\n")  # fmt: skip
    assert pre_receive.code == 0, pre_receive


def test_check_judges_locks_where_the_state_is(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked")
    done = two.sync("check")
    assert done.code == 1
    assert done.out.startswith("wrong: shared.txt is locked by one@one")


def test_check_in_a_servers_pre_receive_hook(main: Tree, one: Tree, tmp_path: Path) -> None:
    server = tmp_path / "server.git"
    main.ok("clone", "-q", "--bare", ".", str(server))
    hook = server / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\nexec python3 -m agentsync check --pre-receive\n")
    hook.chmod(0o755)
    main.commit("b.txt", "b\n")
    main.ok("push", "-q", str(server), "main")
    main.write("TASKS.md", "- [ ] **T-1** a\n- [ ] **T-1** b\n")
    main.ok("add", ".")
    main.git("commit", "-qm", "twice", AGENTSYNC_ALLOW="to see")
    done = main.git("push", "-q", "--no-verify", str(server), "main")
    assert done.code == 1
    assert "has t-1 more than once" in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(main: Tree, shell: str) -> None:
    assert "agentsync" in main.synced("completion", shell)
