"""`sync` and `integrate`: back together, and nothing lost on the way."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import LINES, Tree


def edit(tree: Tree, number: int, text: str) -> None:
    lines = tree.read("f.txt").splitlines()
    lines[number] = text
    tree.write("f.txt", "\n".join(lines) + "\n")


def configure(main: Tree, **settings: str) -> None:
    """Change settings of `agentsync.toml` on base, such as integrate_check="make"."""
    main.step(f"configure {settings}", lambda: commit_settings(main, settings))


def commit_settings(main: Tree, settings: dict[str, str]) -> None:
    config = main.read("agentsync.toml")
    for key, value in settings.items():
        table, _, name = key.partition("_")
        old = next(line for line in config.split(f"[{table}]")[1].splitlines() if line.lstrip("# ").startswith(name))
        before, _, after = config.partition(f"[{table}]")
        config = f"{before}[{table}]{after.replace(old, f'{name} = {value}', 1)}"
    main.commit("agentsync.toml", config)
    assert main.sync("status").code == 0


def work(main: Tree, name: str, number: int, text: str = "") -> Tree:
    """An agent's branch that changes one line."""
    tree = main.worktree(name)

    def make() -> None:
        edit(tree, number, text or name)
        tree.ok("commit", "-qam", f"work of {name}")

    tree.step(f"{name}'s work at {number}: {text}", make)
    return tree


# sync


def forge_merges(tree: Tree, branch: str) -> bool:
    """Whether a clone without our merge drivers, as a forge has one, merges a branch into main without a conflict."""
    place = tree.path.parent / "forge.git"
    shutil.rmtree(place, ignore_errors=True)
    tree.ok("clone", "-q", "--bare", str(tree.path), str(place))
    return tree.git("--git-dir", str(place), "merge-tree", "--write-tree", "main", branch).code == 0


def test_sync_makes_a_branch_mergeable_that_a_forge_would_call_conflicting(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    for tree, name in ((one, "one"), (two, "two")):
        tree.write("package.json", tree.read("package.json").replace('"a":', f'"{name}": "^2.0.0",\n    "a":'))
        tree.write(f"db/migrations/0003_{name}.sql", f"create table {name} (id int);\n")
        tree.ok("add", ".")
    one.ok("commit", "-qm", "one")
    two.unhooked("commit", "-qm", "two")
    text.ok("merge", "-q", "--no-edit", "one")
    assert not forge_merges(text, "two")
    out = two.synced("sync")
    assert "db/migrations/0003_two.sql -> db/migrations/0004_two.sql" in out
    assert two.ok("status", "--porcelain") == ""
    assert sorted(os.listdir(two.path / "db/migrations"))[2:] == ["0003_one.sql", "0004_two.sql"]
    assert '"one": "^2.0.0"' in two.read("package.json")
    assert forge_merges(text, "two")
    text.ok("merge", "-q", "--squash", "two")
    text.ok("commit", "-qm", "squash")


def test_sync_twice_is_once(text: Tree) -> None:
    one = work(text, "one", 3)
    text.commit("other.txt", "x\n")
    one.synced("sync")
    head = one.head()
    assert "one has all of main" in one.synced("sync")
    assert one.head() == head


def test_sync_dry_run_changes_nothing(text: Tree) -> None:
    one = work(text, "one", 3)
    text.commit("other.txt", "x\n")
    head = one.head()
    assert one.synced("sync", "--dry-run") == "main into one: clean"
    assert one.head() == head
    assert one.ok("status", "--porcelain") == ""


def test_what_a_machine_cannot_decide_is_left_and_the_rest_is_staged(text: Tree) -> None:
    one, two = work(text, "one", 3), work(text, "two", 3)
    two.write("db/migrations/0003_two.sql", "create table two (id int);\n")
    two.ok("add", ".")
    two.ok("commit", "-qm", "a migration")
    one.write("db/migrations/0003_one.sql", "create table one (id int);\n")
    one.ok("add", ".")
    one.unhooked("commit", "-qm", "a migration")
    text.ok("merge", "-q", "--no-edit", "one")
    done = two.sync("sync")
    assert done.code == 1
    assert "f.txt: conflict, to be merged by hand" in done.out
    assert "git add f.txt && git commit --no-edit" in done.err
    assert "UU f.txt" in two.ok("status", "--porcelain")
    assert "0004_two.sql" in two.ok("status", "--porcelain")
    two.write("f.txt", "\n".join([*LINES[:3], "one and two", *LINES[4:]]) + "\n")
    two.ok("add", "f.txt")
    two.ok("commit", "-q", "--no-edit")
    assert not (two.path / "db/migrations/0003_two.sql").exists()
    text.ok("merge", "-q", "--no-edit", "two")


def test_sync_touches_no_local_change(text: Tree) -> None:
    one = work(text, "one", 3)
    text.commit("other.txt", "x\n")
    one.write("registry.py", "mine, uncommitted\n")
    one.synced("sync")
    assert one.read("registry.py") == "mine, uncommitted\n"
    text.commit("registry.py", "NAMES = []\n")
    done = one.sync("sync")
    assert done.code == 1
    assert "registry.py" in done.err
    assert one.read("registry.py") == "mine, uncommitted\n"
    assert one.git("rev-parse", "--verify", "--quiet", "MERGE_HEAD").code == 1


@pytest.mark.parametrize("state", ["detached", "merging", "unrelated", "unborn"])
def test_sync_where_it_cannot(text: Tree, state: str) -> None:
    one = work(text, "one", 3)
    two = work(text, "two", 3)
    if state == "detached":
        one.ok("switch", "-q", "--detach")
    elif state == "merging":
        one.git("merge", "-q", "two")
    elif state == "unrelated":
        one.ok("switch", "-q", "--orphan", "alone")
        one.commit("x.txt", "x\n")
    else:
        one.ok("switch", "-q", "--orphan", "nothing")
    done = one.sync("sync")
    assert done.code in (1, 2), done
    assert 2 <= len(done.err.strip().splitlines()) <= 3, done
    assert "Traceback" not in done.err
    assert two.ok("status", "--porcelain") == ""


def test_a_squash_landed_hand_on_still_merges_clean(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    one.synced("lock", "f.txt")
    edit(one, 3, "one")
    one.ok("commit", "-qam", "one")
    one.synced("unlock", "f.txt")
    two.ok("merge", "-q", "one")
    two.synced("lock", "f.txt")
    edit(two, 3, "one, then two")
    two.ok("commit", "-qam", "two")
    text.ok("merge", "-q", "--squash", "one")
    text.ok("commit", "-qm", "one, squashed")
    two.synced("sync")
    assert "one, then two" in two.read("f.txt")


def fake_tool(main: Tree, name: str, script: str) -> dict[str, str]:
    """A package manager of that name, first on PATH."""
    folder = main.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return {"PATH": f"{folder}:{main.environ['PATH']}"}


def both_lock(text: Tree) -> tuple[Tree, Tree]:
    text.commit("uv.lock", "lock of base\n")
    one, two = text.worktree("one"), text.worktree("two")
    for tree, name in ((one, "one"), (two, "two")):
        tree.commit("uv.lock", f"lock of {name}\n")
    text.ok("merge", "-q", "--no-edit", "one")
    return one, two


def test_a_lock_file_is_made_anew_by_its_tool(text: Tree) -> None:
    _, two = both_lock(text)
    tool = fake_tool(text, "uv", "echo made from the merged manifest > uv.lock")
    assert "uv.lock: made anew" in two.synced("sync", **tool)
    assert two.read("uv.lock") == "made from the merged manifest\n"


@pytest.mark.parametrize("script", ["exit 3", "echo offline >&2; exit 1"])
def test_a_lock_file_that_cannot_be_made_is_named_with_its_command(text: Tree, script: str) -> None:
    _, two = both_lock(text)
    done = two.sync("sync", **fake_tool(text, "uv", script))
    assert done.code == 1
    assert "uv lock" in done.err
    assert "git add uv.lock" in done.err
    assert "<<<<<<<" not in two.read("uv.lock")


@pytest.mark.skipif(bool(shutil.which("composer")), reason="composer is installed here")
@pytest.mark.parametrize("merges", [True, False])
def test_without_its_tool_a_lock_file_lands_as_git_merged_it_with_a_warning(text: Tree, *, merges: bool) -> None:
    text.commit("composer.lock", "".join(f"{number}\n" for number in range(20)))
    one, two = text.worktree("one"), text.worktree("two")
    for tree, line in ((one, "3"), (two, "16" if merges else "3")):
        name = tree.path.name
        tree.commit("composer.lock", tree.read("composer.lock").replace(f"\n{line}\n", f"\n{line} {name}\n"))
    assert "one  landed" in text.synced("integrate", "one")
    done = two.sync("sync")
    assert ("composer.lock: as git merged it" in done.err) is merges
    assert "composer update --lock --no-scripts" in done.err
    assert "not installed here" in done.err + done.out
    assert done.code == (0 if merges else 1)
    if merges:
        two.ok("reset", "-q", "--hard", "HEAD^1")
        landing = text.sync("integrate", "two")
        assert "two  landed" in landing.out
        assert "composer.lock: as git merged it" in landing.err
        assert "3 one\n" in text.read("composer.lock")
        assert "16 two\n" in text.read("composer.lock")


# integrate


def test_three_branches_land_one_after_another(text: Tree) -> None:
    for index, name in enumerate(("one", "two", "three")):
        work(text, name, 3 + 6 * index)
    done = text.sync("integrate", "one", "two", "three")
    assert done.code == 0, done
    landed = [line.split()[:2] for line in done.out.splitlines()]
    assert landed == [[name, "landed"] for name in ("one", "two", "three")]
    assert text.ok("status", "--porcelain") == ""
    for name in ("one", "two", "three"):
        assert name in text.read("f.txt")
        assert text.git("merge-base", "--is-ancestor", name, "main").code == 0
    assert text.synced("integrate", "one") == "one  nothing to land: base has all of it"


def test_without_names_what_is_finished_lands(text: Tree) -> None:
    work(text, "one", 3)
    two = work(text, "two", 9)
    edit(two, 20, "not committed")
    three = work(text, "three", 15)
    three.synced("task", "claim", "X-1", "--files", "a/**")
    landed, *unready = text.synced("integrate").splitlines()
    assert landed.startswith("one  landed")
    assert unready == [
        "three  not ready: three@three has not finished task X-1",
        f"two  not ready: uncommitted changes in {two.path}",
    ]
    assert text.synced("integrate").splitlines() == ["no branch is ready to land", *unready]
    assert "two" not in text.read("f.txt")
    assert "three" not in text.read("f.txt")


def test_what_cannot_land_is_passed_over_and_becomes_its_owners_task(text: Tree) -> None:
    work(text, "one", 3)
    two = work(text, "two", 3)
    work(text, "three", 9)
    done = text.sync("integrate", "one", "two", "three")
    assert done.code == 1
    assert "two  left: conflicts with base in f.txt" in done.out
    assert "three  landed" in done.out
    assert "land-two" in two.synced("task", "list")
    assert "Make two land: conflicts with base in f.txt: agentsync sync" in two.synced("status", "--new")
    edit(two, 3, "line 3")
    two.ok("commit", "-qam", "take it back")
    edit(two, 21, "two")
    two.ok("commit", "-qam", "elsewhere")
    assert "two  landed" in text.synced("integrate", "two")
    assert "land-two" not in two.sync("task", "list").out


def test_dry_run_moves_nothing_and_says_what_would(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 3)
    before = text.ok("for-each-ref")
    done = text.sync("integrate", "--dry-run", "one", "two", "--json")
    assert done.code == 1
    states = [row["state"] for row in json.loads(done.out)["data"]["branches"]]
    assert states == ["would land", "left"]
    assert text.ok("for-each-ref") == before


def test_an_unapproved_check_stops_it(text: Tree) -> None:
    configure(text, integrate_check='"true"')
    work(text, "one", 3)
    done = text.sync("integrate", "one")
    assert done.code == 2
    assert done.err.splitlines()[-1].strip() == "agentsync trust"
    assert text.sync("trust", CLAUDECODE="1").code == 1
    assert text.sync("trust").code == 2
    text.synced("trust", "--yes")
    assert "one  landed" in text.synced("integrate", "one")


def test_another_text_needs_another_approval(text: Tree) -> None:
    configure(text, integrate_check='"true"')
    text.synced("trust", "--yes")
    configure(text, integrate_check='"true && true"')
    work(text, "one", 3)
    assert text.sync("integrate", "one").code == 2


def checked(text: Tree, command: str, **more: str) -> None:
    configure(text, integrate_check=json.dumps(command), **more)
    text.synced("trust", "--yes")


def test_a_check_that_fails_keeps_the_branch_out_and_shows_why(text: Tree) -> None:
    checked(text, "! grep -q bad f.txt || { echo found something bad; exit 1; }")
    work(text, "one", 3, "bad")
    work(text, "two", 9)
    before = text.read("f.txt")
    done = text.sync("integrate", "one", "two")
    assert done.code == 1
    assert "one  left: the check failed on the merge with base" in done.out
    assert "found something bad" in done.err
    assert "two  landed" in done.out
    assert before.replace("line 9", "two") == text.read("f.txt")


def test_a_check_that_hangs_is_ended(text: Tree) -> None:
    checked(text, "sleep 60 & sleep 60", integrate_timeout='"1s"')
    work(text, "one", 3)
    began = time.monotonic()
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "it took more than 1s" in done.out
    assert time.monotonic() - began < 20


def test_what_a_check_writes_does_not_land(text: Tree) -> None:
    checked(text, "echo junk > junk.txt; echo junk >> f.txt; mkdir -p d && echo x > d/y")
    work(text, "one", 3)
    work(text, "two", 9)
    text.synced("integrate", "one", "two")
    assert "junk" not in text.read("f.txt")
    assert text.ok("ls-tree", "-r", "--name-only", "main").count("junk") == 0


def test_insertions_of_both_are_kept_only_where_a_check_passes(text: Tree) -> None:
    def routes() -> None:
        for name in ("one", "two"):
            tree = text.worktree(name)
            tree.write("app.py", tree.read("app.py").replace('"a",\n', f'"a",\n    "{name}",\n'))
            tree.ok("commit", "-qam", name)

    text.commit("app.py", 'NAMES = [\n    "a",\n]\n')
    routes()
    text.synced("integrate", "one")
    done = text.sync("integrate", "two")
    assert "two  left: conflicts with base in app.py" in done.out
    checked(text, "python3 -c 'import app; assert len(app.NAMES) == 3'")
    out = text.synced("integrate", "two")
    assert "app.py: both sides' insertions are kept" in out
    assert '"one"' in text.read("app.py")
    assert '"two"' in text.read("app.py")


def test_base_that_moves_during_a_landing_is_landed_on_again(text: Tree) -> None:
    once = text.path.parent / "once"
    checked(text, f"test -e {once} || {{ touch {once}; cd {text.path} && echo moved > moved.txt && git add moved.txt "
                  "&& git commit -qm moved; }")  # fmt: skip
    work(text, "one", 3)
    done = text.sync("integrate", "one")
    assert done.code == 0, done
    assert "planning again" in done.err
    assert (text.path / "moved.txt").exists()
    assert "one" in text.read("f.txt")


def test_changes_in_the_way_where_base_is_checked_out(text: Tree) -> None:
    one = work(text, "one", 3)
    one.write("new.txt", "from one\n")
    one.ok("add", ".")
    one.ok("commit", "-qm", "new")
    edit(text, 20, "mine, uncommitted")
    text.write("new.txt", "mine, untracked\n")
    before = text.head()
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "f.txt" in done.out
    assert text.head() == before
    assert "mine, uncommitted" in text.read("f.txt")
    text.ok("checkout", "-q", "f.txt")
    assert "new.txt" in text.sync("integrate", "one").out
    assert text.head() == before
    assert text.read("new.txt") == "mine, untracked\n"
    (text.path / "new.txt").unlink()
    text.write("aside.txt", "an untracked file that is not in the way\n")
    assert "one  landed" in text.synced("integrate", "one")
    assert (text.path / "aside.txt").exists()


def test_a_rebase_of_base_elsewhere_stops_a_landing(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 9)
    edit(text, 3, "main's own")
    text.ok("commit", "-qam", "conflicts with one")
    text.git("rebase", "-q", "one")
    done = text.sync("integrate", "two")
    assert done.code == 1
    assert "a rebase is under way" in done.out + done.err


def test_base_that_is_checked_out_nowhere(text: Tree) -> None:
    work(text, "one", 3)
    text.ok("switch", "-q", "--detach")
    assert "one  landed" in text.synced("integrate", "one")
    assert text.ok("show", "main:f.txt").splitlines()[3] == "one"


def test_the_next_innocent_commit_does_not_undo_a_landing(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 20, "mine")
    text.ok("stash", "-q")
    one.synced("integrate", "one")
    text.ok("stash", "pop", "-q")
    text.ok("commit", "-qam", "innocent")
    assert text.read("f.txt").splitlines()[3] == "one"
    assert text.read("f.txt").splitlines()[20] == "mine"


def test_a_landing_moves_the_branch_for_a_pull_request(text: Tree) -> None:
    text.ok("clone", "-q", "--bare", ".", "../server.git")
    text.ok("remote", "add", "origin", "../server.git")
    text.ok("fetch", "-q")
    text.ok("branch", "-q", "--set-upstream-to=origin/main")
    configure(text, integrate_publish='"branch"')
    text.ok("push", "-q", "origin", "main")
    one, base = work(text, "one", 3), text.head()
    text.commit("other.txt", "x\n")
    text.ok("push", "-q", "origin", "main")
    done = text.sync("integrate", "one")
    assert done.code == 0, done
    assert "one  ready" in done.out
    assert "git push origin one" in done.err
    tip = one.head()
    assert "it has all of base" in text.synced("integrate", "one")
    assert one.head() == tip, "doing it again adds no merge"
    assert (one.path / "other.txt").exists()
    assert one.ok("status", "--porcelain") == ""
    assert text.git("merge-base", "--is-ancestor", base, "one").code == 0
    assert text.read("f.txt").splitlines()[3] == "line 3"


def test_for_pull_requests_the_order_is_said_and_who_conflicts_with_whom(text: Tree) -> None:
    configure(text, integrate_publish='"branch"')
    one, two, three = work(text, "one", 3), work(text, "two", 20), work(text, "three", 3)
    done = text.sync("integrate", "--dry-run", "one", "two", "three")
    assert "merge them in this order: one, two, three" in done.out
    done = text.sync("integrate", "one", "two", "three")
    assert done.code == 0, done
    assert "merge them in this order: one, two, three" in done.out
    assert "three conflicts with one in f.txt" in done.out
    assert done.out.count(" conflicts with ") == 1
    command = next(line.strip() for line in done.err.splitlines() if "agentsync sync" in line)
    assert text.run("sh", "-c", command).code == 0, "nothing to bring in yet"
    text.ok("merge", "-q", "--squash", "one")
    text.ok("commit", "-qm", "one (#1)")
    assert "f.txt: conflict" in text.run("sh", "-c", command).out
    assert "UU f.txt" in three.ok("status", "--porcelain")
    assert two.synced("sync").startswith("merged main into two")
    facts = json.loads(text.sync("integrate", "--json", "two", "one").out)["data"]
    assert facts["order"] == ["two"]
    assert facts["clashes"] == []
    assert one.ok("status", "--porcelain") == ""


def test_a_detached_worktree_with_commits_is_named_with_the_command_that_gives_it_a_branch(text: Tree) -> None:
    text.ok("worktree", "add", "-q", "--detach", "../one")
    one = Tree(text.path.parent / "one", text.environ)
    text.ok("branch", "one")
    assert "commits that no branch has" not in text.synced("integrate")
    one.commit("new.txt", "x\n")
    one.write("more.txt", "uncommitted\n")
    done = text.sync("integrate")
    assert f"{one.path} has 1 commits that no branch has" in done.out
    command = next(line.strip() for line in done.err.splitlines() if "switch -c" in line)
    assert text.run("sh", "-c", command).code == 0
    assert one.ok("branch", "--show-current") == "one-2"
    assert one.read("more.txt") == "uncommitted\n"
    one.ok("add", ".")
    one.ok("commit", "-qm", "more")
    assert "one-2  landed" in text.synced("integrate")


def test_one_lander_at_a_time(text: Tree) -> None:
    checked(text, "sleep 5")
    work(text, "one", 3)
    work(text, "two", 9)
    first = text.start("integrate", "one")
    while not (text.path / ".git/agentsync/command.log").exists():
        time.sleep(0.05)
    done = text.sync("integrate", "two")
    assert done.code == 1
    assert f"another agentsync is landing just now (process {first.pid})" in done.err
    first.communicate()
    assert first.returncode == 0


def test_work_that_no_gate_saw_lands_if_it_passes(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    edit(one, 3, "unseen")
    one.unhooked("commit", "-qam", "unseen")
    assert "one  landed" in text.synced("integrate", "one")
    text.synced("lock", "registry.py", "--agent=keeper")
    two.write("registry.py", "NAMES = []\n")
    two.unhooked("commit", "-qam", "unseen, of what another holds")
    done = text.sync("integrate", "two")
    assert done.code == 1
    assert "registry.py is locked by keeper@.main" in done.out


@pytest.mark.parametrize(
    "case", ["no branch", "base itself", "unrelated", "binary", "rename", "mode", "empty", "submodule"]
)
def test_branches_of_every_kind(text: Tree, case: str) -> None:
    one = text.worktree("one")
    if case == "no branch":
        assert text.sync("integrate", "nothing").code == 2
        return
    if case == "base itself":
        assert text.sync("integrate", "main").code == 2
        return
    if case == "unrelated":
        one.ok("switch", "-q", "--orphan", "alone")
        one.commit("x.txt", "x\n")
        done = text.sync("integrate", "alone")
        assert "no history in common" in done.out
        assert done.code == 1
        return
    if case == "binary":
        for tree, data in ((text, b"\0\1"), (one, b"\0\2")):
            (tree.path / "b.bin").write_bytes(data)
            tree.ok("add", ".")
            tree.ok("commit", "-qm", "binary")
        assert "conflicts with base in b.bin" in text.sync("integrate", "one").out
        return
    if case == "rename":
        one.ok("mv", "f.txt", "g.txt")
        one.ok("commit", "-qm", "rename")
        edit(text, 3, "edited")
        text.ok("commit", "-qam", "edit")
    elif case == "mode":
        one.ok("update-index", "--chmod=+x", "f.txt")
        one.ok("commit", "-qm", "mode")
        one.ok("checkout", "-q", "--", "f.txt")
    elif case == "empty":
        one.ok("commit", "-q", "--allow-empty", "-m", "empty")
        assert "one  nothing to land: base has all that it changes" in text.synced("integrate", "one")
        return
    else:
        text.ok("-c", "protocol.file.allow=always", "clone", "-q", ".", "../inner")
        one.ok("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../inner", "vendor")
        one.ok("commit", "-qm", "submodule")
    assert "one  landed" in text.synced("integrate", "one")
    assert text.ok("status", "--porcelain", "--ignore-submodules=all") == ""
    if case == "rename":
        assert text.read("g.txt").splitlines()[3] == "edited"
    if case == "mode":
        assert text.ok("ls-files", "-s", "f.txt").startswith("100755")


@pytest.mark.parametrize("known", [True, False])
def test_a_submodule_follows_a_landing_or_is_named(text: Tree, known: bool) -> None:
    """git leaves it where it was, as a change, and the next `commit -a` would take back what landed."""
    allow = ("-c", "protocol.file.allow=always")
    text.ok(*allow, "clone", "-q", ".", "../inner")
    text.ok(*allow, "submodule", "--quiet", "add", "../inner", "vendor")
    text.ok("commit", "-qm", "submodule")
    one = text.worktree("one")
    one.ok(*allow, "submodule", "--quiet", "update", "--init")
    inner, here = Tree(one.path / "vendor", one.environ), Tree(text.path / "vendor", text.environ)
    for place in (inner, here):
        place.ok("config", "user.name", "Dev")
        place.ok("config", "user.email", "dev@example.com")
    inner.commit("inner.txt", "new\n")
    bumped = inner.head()
    if known:
        here.ok(*allow, "fetch", "-q", str(inner.path), "HEAD")
    one.ok("commit", "-qam", "bump")
    done = text.sync("integrate", "one")
    assert done.code == 0
    assert (here.head() == bumped) is known
    assert (text.ok("status", "--porcelain") == "") is known
    assert ("submodule update -- vendor" in done.err) is not known


def test_after_a_landing_a_trusted_command_runs(text: Tree) -> None:
    mark = text.path.parent / "mark"
    configure(text, integrate_after=json.dumps(f'echo "$AGENTSYNC_LANDED" > {mark}'))
    work(text, "one", 3)
    done = text.sync("integrate", "one")
    assert done.code == 0
    assert "agentsync trust" in done.err
    assert not mark.exists()
    text.synced("trust", "--yes")
    work(text, "two", 9)
    text.synced("integrate", "two")
    assert mark.read_text() == "two\n"


def test_a_worktree_whose_folder_was_deleted_by_hand(text: Tree) -> None:
    one = work(text, "one", 3)
    shutil.rmtree(one.path)
    assert "one  landed" in text.synced("integrate", "one")


def test_after_a_landing_an_agent_may_start_and_land_itself(text: Tree) -> None:
    mark = text.path.parent / "later"
    command = f"agentsync integrate --dry-run || exit 3; (sleep 1; touch {mark}) &"
    configure(text, integrate_after=json.dumps(command))
    text.synced("trust", "--yes")
    work(text, "one", 3)
    done = text.sync("integrate", "one")
    assert done.code == 0
    assert "[integrate] after" not in done.err
    until = time.monotonic() + 20
    while not mark.exists() and time.monotonic() < until:
        time.sleep(0.1)  # asked again: it comes from the background
    assert mark.exists()


def test_what_both_sides_made_is_made_anew_though_its_text_merges(text: Tree) -> None:
    configure(text, regenerate_commands='["count: ls x* | wc -l > count"]')
    text.synced("trust", "--yes")
    text.write("x1", "")
    text.commit("count", "1\n")
    text.ok("add", ".")
    text.ok("commit", "-qm", "one")
    one, two = text.worktree("one"), text.worktree("two")
    for tree, name in ((one, "x2"), (two, "x3")):
        tree.write(name, "")
        tree.write("count", "2\n")
        tree.ok("add", ".")
        tree.ok("commit", "-qm", name)
    assert "count: made anew" in text.synced("integrate", "one", "two")
    assert text.read("count").strip() == "3"


def test_a_lock_file_that_one_side_deleted_is_a_conflict(text: Tree) -> None:
    text.commit("package-lock.json", "{}\n")
    one = text.worktree("one")
    one.ok("rm", "-q", "package-lock.json")
    one.ok("commit", "-qm", "no npm")
    text.commit("package-lock.json", '{"a": 1}\n')
    assert "conflicts with base in package-lock.json" in text.sync("integrate", "one").out


def test_an_ignored_file_in_bases_worktree_is_not_written_over(text: Tree) -> None:
    text.commit(".gitignore", "*.local\n")
    one = text.worktree("one")
    one.write("c.local", "theirs\n")
    one.ok("add", "-f", "c.local")
    one.ok("commit", "-qm", "local")
    text.write("c.local", "precious\n")
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "does not track are in the way: c.local" in done.out
    assert text.read("c.local") == "precious\n"


@pytest.mark.parametrize("stands", ["out", "data/x", "link"])
def test_ignored_files_and_folders_above_or_below_what_lands_stay(text: Tree, stands: str) -> None:
    text.commit(".gitignore", "/out\n/data\n/link\n")
    lands = {"out": "out/a.txt", "data/x": "data", "link": "link"}[stands]
    one, two = text.worktree("one"), text.worktree("two")
    one.write(lands, "theirs\n")
    one.ok("add", "-f", lands)
    one.ok("commit", "-qm", "lands")
    for tree in (text, two):
        if stands == "link":
            (tree.path / stands).symlink_to("nowhere")
        else:
            tree.write(stands, "precious\n")
    assert "in the way" in text.sync("integrate", "one").out
    text.ok("update-ref", "refs/heads/main", "one")
    two.commit("c.txt", "c\n")
    assert "does not track are in the way" in two.sync("sync").err
    for tree in (text, two):
        assert (tree.path / stands).is_symlink() or tree.read(stands) == "precious\n"


def test_a_union_keeps_the_mode_that_one_side_gave(text: Tree) -> None:
    checked(text, "true")
    text.commit("d.py", "A = 1\n\nprint(A)\n")
    one = text.worktree("one")
    one.write("d.py", "A = 1\nB = 2\n\nprint(A)\n")
    (one.path / "d.py").chmod(0o755)
    one.ok("commit", "-qam", "b")
    text.commit("d.py", "A = 1\nC = 3\n\nprint(A)\n")
    assert "d.py: both sides' insertions are kept" in text.synced("integrate", "one")
    assert text.ok("ls-files", "-s", "d.py").startswith("100755")


def test_the_check_has_the_submodules_that_the_clone_has(text: Tree, tmp_path: Path) -> None:
    library = tmp_path / "library"
    text.ok("clone", "-q", ".", str(library))
    text.ok("submodule", "--quiet", "add", str(library), "lib")
    text.ok("commit", "-qm", "lib")
    checked(text, "cmp lib/f.txt want")
    one = work(text, "one", 3)
    text.commit("want", text.read("f.txt"))
    assert "one  landed" in text.synced("integrate", "one")
    one.synced("sync")
    one.ok("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    inner = Tree(one.path / "lib", {**one.environ, "GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a",
                                    "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_EMAIL": "a@b"})  # fmt: skip
    inner.commit("f.txt", "newer\n")
    one.ok("commit", "-qam", "a newer lib")
    assert "the check failed" in text.sync("integrate", "one").out, "the check sees the branch's own submodule"
    one.commit("want", "newer\n")
    assert "one  landed" in text.synced("integrate", "one")


def test_a_branch_with_nothing_of_its_own_goes_where_base_is(text: Tree) -> None:
    one = text.worktree("one")
    text.commit("b.txt", "b\n")
    one.synced("sync")
    assert one.head() == text.head()
    assert text.synced("integrate") == "no branch is ready to land"


def test_what_was_squashed_on_the_server_is_over(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 3, "base")
    text.ok("commit", "-qam", "in the way")
    assert text.sync("integrate", "one").code == 1
    assert "land-one" in one.synced("task", "list")
    text.git("merge", "-q", "--squash", "-Xtheirs", "one")
    text.ok("commit", "-qam", "squashed")
    text.synced("status")
    assert "land-one" not in one.sync("task", "list").out
    assert "one  nothing to land" in text.synced("integrate", "one")


def test_a_dirty_base_is_no_task_of_the_branchs_owner(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 3, "not committed")
    assert "changes there are in the way" in text.sync("integrate", "one").out
    assert "land-one" not in one.sync("task", "list").out


def test_a_branch_whose_worktree_was_removed_is_not_forgotten(text: Tree) -> None:
    one = Tree(Path(text.synced("worktree", "add", "one")), text.environ)
    one.commit("new.txt", "x\n")
    text.synced("worktree", "remove", "one")
    assert "one  not ready: no worktree has it checked out" in text.synced("integrate")
    assert "one  landed" in text.synced("integrate", "one")
    assert text.synced("integrate") == "no branch is ready to land"


def test_an_agents_branch_is_not_forgotten_whoever_made_its_worktree(text: Tree) -> None:
    text.ok("branch", "a-persons", "main")
    one = work(text, "one", 3)
    text.ok("worktree", "remove", str(one.path))
    assert "one  not ready: no worktree has it checked out" in text.synced("integrate")
    assert "a-persons" not in text.synced("integrate")
    assert "one  landed" in text.synced("integrate", "one")
    assert text.synced("integrate") == "no branch is ready to land"


def test_untracked_files_may_be_forgotten_ones(text: Tree) -> None:
    work(text, "one", 3).write("forgotten.py", "")
    assert "one  not ready: uncommitted changes" in text.synced("integrate")


def kill_at(text: Tree, seconds: float, *words: str) -> int:
    """Run agentsync in a group of its own and kill the whole group after a while; its exit code."""
    process = text.start(*words)
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    return process.returncode


def kill_a_landing(text: Tree, seconds: float, number: int) -> int:
    """Land a branch, killed after a while; afterwards base is as before or as after, and nothing undoes it."""
    name = f"k{number}"
    tree = work(text, name, number % 30, f"killed {number}")
    before, wanted = text.head(), f"killed {number}"
    code = kill_at(text, seconds, "integrate", name)
    status = text.sync("status")
    assert status.code == 0, status
    assert text.ok("status", "--porcelain") == ""
    landed = text.head() != before
    assert (wanted in text.read("f.txt")) == landed
    text.ok("commit", "-q", "-a", "--allow-empty", "-m", "innocent")
    assert (wanted in text.read("f.txt")) == landed
    if not landed:
        assert "landed" in text.sync("integrate", name).out
    text.ok("worktree", "remove", "--force", str(tree.path))
    return code


def test_a_killed_landing_is_as_before_or_as_after(text: Tree) -> None:
    chance = random.Random(7)
    codes = [kill_a_landing(text, chance.uniform(0.1, 0.7), number) for number in range(12)]
    assert -9 in codes


@pytest.mark.torture
def test_many_killed_landings(text: Tree) -> None:
    chance = random.Random(8)
    codes = [kill_a_landing(text, chance.uniform(0.05, 0.8), number) for number in range(200)]
    assert codes.count(-9) > 50


def test_a_landing_cut_short_refuses_what_would_undo_it_and_is_finished(text: Tree) -> None:
    """The moment between the swap and the work tree, as a kill leaves it."""
    work(text, "one", 3)
    old = text.head()
    new = text.ok("commit-tree", text.ok("rev-parse", "one^{tree}"), "-p", "HEAD", "-p", "one", "-m", "landing")
    code = (
        "import sys; from agentsync.judging.landing import begin; from agentsync.state.store import Store; "
        "begin(Store(sys.argv[1], {**__import__('os').environ}), 'x', 'refs/heads/main', *sys.argv[2:4], ['.main'])"
    )
    done = text.run(sys.executable, "-c", code, str(text.path / ".git/agentsync"), old, new)
    assert done.code == 0, done
    text.ok("update-ref", "refs/heads/main", new, old)
    edit(text, 20, "mine")
    refused = text.git("commit", "-qam", "would undo")
    assert refused.code != 0
    assert "cut short here, and this commit would undo it" in refused.err
    assert text.git("commit", "--no-verify", "-qam", "would undo").code != 0
    text.ok("reset", "-q", old, "--", ".")  # what the refused commit -a staged goes back
    assert "finished a landing on main" in text.sync("status").err
    assert text.read("f.txt").splitlines()[3] == "one"
    assert text.read("f.txt").splitlines()[20] == "mine"
    text.ok("commit", "-qam", "mine")
    assert text.ok("show", "HEAD:f.txt").splitlines()[3] == "one"


def test_the_room_is_nobodys_worktree(text: Tree) -> None:
    checked(text, "true")
    work(text, "one", 3)
    text.synced("integrate", "one")
    assert "agentsync-room" in text.ok("worktree", "list")
    assert "agentsync-room" not in text.synced("status")
    assert text.sync("doctor").code == 0
    text.synced("uninstall", "--yes")
    assert "agentsync-room" not in text.ok("worktree", "list")
    assert Path(text.path / ".git/agentsync").exists() is False


def test_missing_objects_and_huge_files_lose_nothing(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 20, "base")
    text.ok("commit", "-qam", "base")
    blob = one.ok("rev-parse", "HEAD:f.txt")
    (text.path / f".git/objects/{blob[:2]}/{blob[2:]}").rename(text.path.parent / "blob")
    before = text.head()
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "failed: " in done.out
    assert "git fsck --connectivity-only" in done.err
    assert text.head() == before
    assert one.sync("sync").code == 1
    (text.path.parent / "blob").rename(text.path / f".git/objects/{blob[:2]}/{blob[2:]}")
    assert "one  landed" in text.synced("integrate", "one")
    big = "x" * 99 + "\n"
    text.commit("big.json", big * 110_000)
    two = text.worktree("two")
    two.commit("big.json", "two\n" + big * 110_000)
    text.commit("big.json", "base\n" + big * 110_000)
    assert "conflicts with base in big.json" in text.sync("integrate", "two").out


def test_a_disk_that_is_full_moves_nothing(text: Tree) -> None:
    checked(text, "true")
    work(text, "one", 3)
    before = text.head()
    limited = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", sys.executable, "-m", "agentsync", "integrate", "one"]
    done = text.run(*limited)
    assert done.code != 0
    assert "Traceback" not in done.err
    assert text.head() == before
    assert text.ok("status", "--porcelain") == ""
    assert "one  landed" in text.synced("integrate", "one")


def collided(text: Tree) -> tuple[Tree, str]:
    """A branch whose sync leaves a conflict and renumbers a migration that a README names."""
    text.commit("README.md", "x\n")
    one = text.worktree("one")
    one.write("db/migrations/0003_mine.sql", "create table mine (id int);\n")
    one.write("README.md", "x\nsee 0003_mine\n")
    edit(one, 3, "one")
    one.ok("add", ".")
    one.ok("commit", "-qm", "one")
    text.write("db/migrations/0003_theirs.sql", "create table theirs (id int);\n")
    edit(text, 3, "base")
    text.ok("add", ".")
    text.unhooked("commit", "-qm", "base")
    return one, "precious\n"


@pytest.mark.parametrize("name", ["db/migrations/0003_mine.sql", "README.md", "db/migrations/0004_mine.sql"])
def test_what_a_renumbering_touches_is_never_written_over(text: Tree, name: str) -> None:
    one, precious = collided(text)
    before = one.read(name) if (one.path / name).exists() else ""
    one.write(name, before + precious)
    done = one.sync("sync")
    assert done.code == 1
    assert name in done.err
    assert one.read(name) == before + precious
    assert not (text.path / ".git/worktrees/one/MERGE_HEAD").exists()
    one.ok("stash", "-q", "--include-untracked")
    assert "f.txt: conflict" in one.sync("sync").out


def test_a_refused_sync_leaves_what_else_is_staged(text: Tree) -> None:
    text.commit("locked.txt", "1\n")
    one = text.worktree("one")
    text.synced("lock", "locked.txt", "--agent=keeper")
    one.write("locked.txt", "unseen\n")
    one.unhooked("commit", "-qam", "unseen")
    text.commit("other.txt", "x\n")
    one.write("registry.py", "staged\n")
    one.write("new.txt", "staged too\n")
    one.ok("add", "registry.py", "new.txt")
    done = one.sync("sync")
    assert done.code == 1
    assert "locked.txt is locked" in done.err
    assert one.ok("status", "--porcelain").splitlines() == ["A  new.txt", "M  registry.py"]
    assert one.read("registry.py") == "staged\n"


def test_what_is_staged_beside_a_landing_stays_and_hinders_nobody(text: Tree) -> None:
    work(text, "one", 3)
    text.write("new.txt", "mine\n")
    text.ok("add", "new.txt")
    assert "one  landed" in text.synced("integrate", "one")
    assert text.sync("status").err == ""
    text.ok("commit", "-qm", "mine")
    assert text.read("f.txt").splitlines()[3] == "one"


def test_base_checked_out_in_a_folder_that_is_away(text: Tree) -> None:
    work(text, "one", 3)
    text.ok("switch", "-q", "--detach")
    text.ok("worktree", "add", "-q", "../home", "main")
    (text.path.parent / "home").rename(text.path.parent / "gone")
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "which is not there" in done.out
    text.ok("worktree", "prune")
    assert "one  landed" in text.synced("integrate", "one")


def test_a_conflict_that_no_file_tells_of_is_left_too(text: Tree) -> None:
    for number in range(4):
        text.write(f"d/{number}", f"{number}\n" * 20)
    text.ok("add", ".")
    text.ok("commit", "-qm", "d")
    one = text.worktree("one")
    for number in range(4):
        (one.path / ("x" if number < 2 else "y")).mkdir(exist_ok=True)
        one.ok("mv", f"d/{number}", f"{'x' if number < 2 else 'y'}/{number}")
    one.ok("commit", "-qm", "split")
    text.commit("d/new", "new\n")
    done = text.sync("integrate", "one")
    assert done.code == 1
    assert "directory rename split" in done.out


def test_the_check_sees_the_whole_tree(text: Tree) -> None:
    text.commit("b/b", "b\n")
    text.commit("a/a", "a\n")
    checked(text, "test -f b/b")
    work(text, "one", 3)
    text.ok("sparse-checkout", "set", "a")
    assert "one  landed" in text.synced("integrate", "one")


def test_names_that_another_series_has_are_left_alone(text: Tree) -> None:
    for name in ("a", "b"):
        text.write(f"svc{name}/migrations/000001_a.up.sql", "select 1;\n")
        text.write(f"svc{name}/migrations/000001_a.down.sql", "select 1;\n")
    text.ok("add", ".")
    text.ok("commit", "-qm", "two series")
    one = text.worktree("one")
    for name in ("a", "b"):
        for way in ("up", "down"):
            one.write(f"svc{name}/migrations/000002_users.{way}.sql", f"select '{name}';\n")
    one.write("NOTES", "svca/migrations/000002_users.up.sql svcb/migrations/000002_users.up.sql\n")
    one.ok("add", ".")
    one.ok("commit", "-qm", "one")
    for way in ("up", "down"):
        text.write(f"svca/migrations/000002_theirs.{way}.sql", "select 2;\n")
    text.ok("add", ".")
    text.unhooked("commit", "-qm", "theirs")
    assert "svca/migrations/000003_users.up.sql" in text.synced("integrate", "one")
    assert "svcb/migrations/000002_users.up.sql" in text.read("NOTES")
    assert (text.path / "svcb/migrations/000002_users.up.sql").exists()


def test_conflict_markers_do_not_land(text: Tree) -> None:
    one = work(text, "one", 3)
    one.write("notes.rst", "Changes\n=======\n")
    one.ok("add", ".")
    one.ok("commit", "-qm", "a heading of seven letters")
    text.synced("integrate", "one")
    edit(text, 10, "base's")
    text.ok("commit", "-qam", "base's")
    edit(one, 10, "one's")
    one.ok("commit", "-qam", "one's")
    assert one.git("merge", "main").code != 0
    one.ok("commit", "-qam", "merged, it seems")
    before = text.head()
    done = text.sync("integrate", "one")
    assert "one  left: conflict markers in f.txt" in done.out
    shown = text.run("sh", "-c", done.err.strip().splitlines()[-1])
    assert "f.txt:11: leftover conflict marker" in shown.out
    assert text.head() == before


def test_what_the_owner_of_a_branch_types_is_printed_for_its_worktree(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 3, "base's")
    text.ok("commit", "-qam", "base's")
    for words in (("integrate", "one"), ("forecast",)):
        done = text.sync(*words)
        line = next(line.strip() for line in (done.out + done.err).splitlines() if "agentsync sync" in line)
        typed = text.run("sh", "-c", line)
        assert "f.txt" in typed.out + typed.err
        assert one.ok("diff", "--name-only", "--diff-filter=U") == "f.txt"
        one.ok("merge", "--abort")


def test_a_renumbering_in_a_conflicted_merge_says_what_is_in_its_way(text: Tree) -> None:
    one = work(text, "one", 3)
    edit(text, 3, "base's")
    text.ok("commit", "-qam", "base's")
    assert one.git("merge", "main").code != 0
    one.write("db/migrations/0003_mine.sql", "create table c (id int);\n")
    one.ok("add", "db")
    done = one.sync("migration", "renumber")
    assert done.code == 1
    assert "there are conflicts in the index" in done.err
    assert "git status" in done.err
