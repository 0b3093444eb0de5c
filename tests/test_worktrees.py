"""`worktree add|list|remove`, the forecast between them, contracts and phases."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import LINES, Tree
from hypothesis import given
from hypothesis import strategies as st
from test_landing import configure, edit, work

from agentsync.errors import GitError
from agentsync.forecast.pairs import hunks_in
from agentsync.forecast.sides import _forget
from agentsync.forecast.start import note_snapshot
from agentsync.git.repo import Repo
from agentsync.git.scratch import in_scratch_folder
from agentsync.holders.registry import write_private
from agentsync.worktrees.environment import database_of, port_of


def added(main: Tree, *words: str, **extra: str) -> Tree:
    done = main.sync("worktree", "add", *words, **extra)
    assert done.code == 0, done
    assert len(done.out.splitlines()) == 1, "the path is the only line"
    return Tree(Path(done.out.strip()), main.environ)


def test_one_word_in_a_path_out_and_again_the_same(main: Tree) -> None:
    tree = added(main, "agent-1")
    assert tree.ok("branch", "--show-current") == "agent-1"
    assert added(main, "agent-1").path == tree.path
    assert tree.commit("a.txt", "a\n").code == 0
    assert tree.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "agent-1"


def test_what_is_ignored_but_needed_is_copied_and_nothing_else(main: Tree) -> None:
    main.commit(".gitignore", ".env*\n*.key\nbuild/\n")
    for name in (".env", ".env.local", "secret.key", "build/out"):
        main.write(name, "mine\n")
    main.write("untracked.txt", "x\n")
    one = added(main, "one")
    assert (one.path / ".env").read_text() == "mine\n"
    assert (one.path / ".env.local").exists()
    assert not (one.path / "secret.key").exists()
    assert not (one.path / "untracked.txt").exists()
    main.write(".worktreeinclude", "*.key\nuntracked.txt\n")
    two = added(main, "two")
    assert (two.path / "secret.key").exists()
    assert not (two.path / ".env").exists()
    assert not (two.path / "untracked.txt").exists()
    assert two.ok("status", "--porcelain") == ""


def test_each_worktree_has_a_port_and_a_database_of_its_own(main: Tree) -> None:
    envs = [added(main, name).read(".env.agentsync") for name in ("one", "two", "a.b", "a-b")]
    assert len({env.splitlines()[0] for env in envs}) == 4
    assert len({env.splitlines()[1] for env in envs}) == 4


@given(st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1), st.text(min_size=1))
def test_database_names_are_plain_and_differ(one: str, other: str) -> None:
    assert database_of(one).isidentifier()
    assert len(database_of(one)) < 60
    assert (database_of(one) == database_of(other)) == (one == other)
    assert 10000 <= port_of(one) < 20000
    assert port_of(one, frozenset({port_of(one)})) != port_of(one)


def test_set_up_runs_only_once_trusted(main: Tree) -> None:
    configure(main, worktree_setup='["echo ran > ran.txt"]')
    assert main.sync("trust", "--yes", AGENTSYNC_AGENT="bot").code == 1
    done = main.sync("worktree", "add", "one")
    assert "agentsync trust" in done.err
    main.synced("trust", "--yes")
    assert not (main.path.parent / "main.worktrees/one/ran.txt").exists()
    assert added(main, "two").read("ran.txt") == "ran\n"


def test_a_branch_a_start_and_what_cannot_be(main: Tree) -> None:
    first = main.head()
    main.commit("b.txt", "b\n")
    assert added(main, "old", "--from", first).head() == first
    main.ok("branch", "feature")
    assert added(main, "two", "feature").ok("branch", "--show-current") == "feature"
    assert main.sync("worktree", "add", "three", "feature").code == 1
    assert main.sync("worktree", "add", "four", "--from", "nothing").code == 2
    assert main.sync("worktree", "add", "../five").code == 2
    (main.path.parent / "main.worktrees/six").mkdir()
    (main.path.parent / "main.worktrees/six/file").write_text("x")
    assert main.sync("worktree", "add", "six").code == 1


def test_remove_loses_no_work_and_frees_what_was_held(main: Tree) -> None:
    one = added(main, "one")
    one.write("new.txt", "x\n")
    done = main.sync("worktree", "remove", "one")
    assert done.code == 1
    assert "1 uncommitted changes, such as new.txt" in done.err
    one.synced("lock", "shared.txt")
    one.ok("add", ".")
    one.ok("commit", "-qm", "new")
    done = main.sync("worktree", "remove", "one")
    assert done.code == 0
    assert "branch one stays" in done.err
    assert "shared.txt" not in main.synced("lock")
    main.ok("merge", "-q", "one")
    two = added(main, "two", "one")
    assert main.synced("worktree", "remove", "two").endswith("and branch one")
    assert not two.path.exists()
    three = added(main, "three")
    three.ok("switch", "-q", "--detach")
    three.commit("c.txt", "c\n")
    assert "git branch NAME" in main.sync("worktree", "remove", "three").err
    assert main.sync("worktree", "remove", "main").code == 1
    assert three.sync("worktree", "remove", "three").code == 1


def test_a_worktree_whose_folder_is_away_for_a_moment_loses_nothing(main: Tree) -> None:
    one = added(main, "one")
    one.ok("switch", "-q", "--detach")
    one.commit("precious.txt", "x\n")
    away = main.path.parent / "away"
    one.path.rename(away)
    added(main, "two")
    assert "git branch NAME" in main.sync("worktree", "remove", "one").err
    work = main.worktree("three")
    work.commit("c.txt", "c\n")
    configure(main, integrate_check='"true"')
    main.synced("trust", "--yes")
    assert "three  landed" in main.synced("integrate", "three")
    away.rename(one.path)
    assert one.read("precious.txt") == "x\n"
    assert one.ok("log", "-1", "--format=%s") == "work"


def test_commits_of_a_submodule_go_nowhere_with_their_worktree(main: Tree, tmp_path: Path) -> None:
    named = {
        **main.environ,
        **{f"GIT_{who}_{what}": "a" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    library = Tree(tmp_path / "library", named)
    library.path.mkdir()
    library.ok("init", "-q", "-b", "main")
    library.commit("lib.txt", "1\n")
    main.ok("submodule", "--quiet", "add", str(library.path), "lib")
    main.ok("commit", "-qm", "lib")
    one = added(main, "one")
    one.ok("submodule", "--quiet", "update", "--init")
    inner = Tree(one.path / "lib", named)
    inner.commit("lib.txt", "2\n")
    one.ok("add", "lib")
    one.ok("commit", "-qm", "newer lib")
    for flags in ([], ["--force"]):
        done = main.sync("worktree", "remove", "one", *flags)
        assert done.code == 1
        assert 'submodule "lib"' in done.err
    inner.ok("push", "-q", "origin", "HEAD:refs/heads/newer")
    main.ok("merge", "-q", "--no-edit", "one")
    main.synced("worktree", "remove", "one")


@pytest.mark.parametrize("kind", ["stash", "older stash", "detached", "tag", "embedded", "deinit", "nothing"])
def test_what_a_submodule_alone_has_stays_and_the_command_to_type_keeps_it(
    main: Tree, tmp_path: Path, kind: str
) -> None:
    library = tmp_path / "library"
    main.ok("clone", "-q", "--bare", ".", str(library))
    main.ok("--git-dir", str(library), "tag", "v1", "main~1")
    main.ok("submodule", "--quiet", "add", str(library), "lib")
    main.ok("commit", "-qm", "lib")
    one = added(main, "one")
    one.ok("submodule", "--quiet", "update", "--init")
    inner = Tree(one.path / "lib", one.environ)
    inner.ok("config", "user.name", "Dev")
    inner.ok("config", "user.email", "dev@example.com")
    git_dir = main.path / ".git/worktrees/one/modules/lib"
    if kind == "embedded":
        (inner.path / ".git").unlink()
        git_dir.rename(inner.path / ".git")
        git_dir = inner.path / ".git"
        one.ok("config", "--file", "lib/.git/config", "--unset", "core.worktree")
        inner.commit("day.txt", "a day of work\n")
    elif kind in ("detached", "tag", "deinit"):
        inner.ok("switch", "-q", "--detach")
        inner.commit("day.txt", "a day of work\n")
    elif kind != "nothing":
        inner.write("shared.txt", "a day of work\n")
        inner.ok("stash", "-q")
    if kind == "older stash":
        inner.write("shared.txt", "another\n")
        inner.ok("stash", "-q")
        inner.ok("push", "-q", "origin", "stash@{0}:refs/heads/newer")
    if kind == "tag":
        inner.ok("tag", "mine")
        inner.ok("switch", "-q", "--detach", "HEAD~1")
    if kind == "embedded":
        one.ok("commit", "-qam", "newer lib")
    elif kind == "deinit":
        one.ok("submodule", "--quiet", "deinit", "--force", "lib")
    elif kind == "detached":
        one.ok("commit", "-qam", "newer lib")
    if kind == "nothing":
        main.synced("worktree", "remove", "one")
        return
    done = main.sync("worktree", "remove", "one", "--force")
    assert done.code == 1, done
    assert 'submodule "lib"' in done.err
    assert git_dir.exists()
    command = done.err.strip().splitlines()[-1].strip().replace("NAME", "kept")
    assert main.run("sh", "-c", command).code == 0
    assert "a day of work" in main.ok("--git-dir", str(library), "log", "-p", "-m", "-3", "kept")
    main.ok("--git-dir", str(main.path / ".git"), "status")
    done = main.sync("worktree", "remove", "one", "--force")
    assert done.code == 0, done
    assert not git_dir.exists()


def test_the_way_out_of_the_worktree_that_is_removed_leads_where_the_command_works(main: Tree) -> None:
    one = added(main, "one")
    done = one.sync("worktree", "remove", "one")
    assert done.code == 1
    command = done.err.strip().splitlines()[-1].strip()
    again = one.run("sh", "-c", f"{command} && agentsync worktree remove one")
    assert again.code == 0, again
    assert not one.path.exists()


def test_the_only_worktree_of_a_bare_repository_can_be_left_too(main: Tree, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    main.ok("clone", "-q", "--bare", ".", str(bare))
    main.ok("--git-dir", str(bare), "worktree", "add", "-q", str(tmp_path / "only"), "main")
    only = Tree(tmp_path / "only", main.environ)
    done = only.sync("worktree", "remove", "only")
    assert done.code == 1, done
    assert only.run("sh", "-c", done.err.strip().splitlines()[-1].strip()).code == 0
    assert not only.path.exists()


def test_a_branch_with_slashes_names_its_worktree(main: Tree) -> None:
    tree = added(main, "feature/login")
    assert tree.path.name == "feature-login"
    assert tree.ok("branch", "--show-current") == "feature/login"
    assert added(main, "feature/login").path == tree.path
    assert added(main, "fix#12@home").ok("branch", "--show-current") == "fix#12@home"
    other = main.sync("worktree", "add", "feature@login")
    assert other.code == 1, "another branch, though its folder would be the same"
    command = other.err.strip().splitlines()[-1].strip()
    assert main.run("sh", "-c", command).out.strip().endswith("feature-login-2")
    for name in ("../up", "/", "a..b", "-x", "a b"):
        assert main.sync("worktree", "add", "--", name).code == 2, name
    main.synced("worktree", "remove", "feature/login")


@pytest.mark.parametrize("by", ["id", "branch", "folder", "detached"])
def test_a_worktree_of_another_tool_gets_what_it_needs(main: Tree, tmp_path: Path, by: str) -> None:
    main.commit(".gitignore", ".env*\n")
    main.write(".env", "mine\n")
    configure(main, worktree_setup='["echo ran > ran.txt"]')
    main.synced("trust", "--yes")
    place = tmp_path / "elsewhere" / "checkout"
    main.ok("worktree", "add", "-q", *(["--detach"] if by == "detached" else ["-b", "codex/fix"]), str(place))
    name = {"id": "checkout", "branch": "codex/fix", "folder": str(place), "detached": "checkout"}[by]
    tree = added(main, name)
    assert tree.path == place
    assert tree.read(".env") == "mine\n"
    assert tree.read("ran.txt") == "ran\n"
    assert "AGENTSYNC_PORT=" in tree.read(".env.agentsync")
    (place / "ran.txt").unlink()
    assert added(main, name).path == place
    assert not (place / "ran.txt").exists()
    assert not (tmp_path / "main.worktrees").exists()


def test_one_agents_worktree_is_not_handed_out_under_its_branchs_name(main: Tree) -> None:
    one = added(main, "one", "feature")
    done = main.sync("worktree", "add", "feature")
    assert done.code == 1
    assert f"in {one.path}" in done.err


def test_a_users_hook_that_fails_leaves_a_worktree_that_is_made(main: Tree) -> None:
    hook = main.shims() / "post-checkout.agentsync-chained"
    hook.write_text("#!/bin/sh\necho no nvm here >&2\nexit 3\n")
    hook.chmod(0o755)
    done = main.sync("worktree", "add", "one")
    assert done.code == 0, done
    one = Tree(Path(done.out.strip()), main.environ)
    assert "the post-checkout hook failed: no nvm here" in done.err
    assert one.ok("status", "--porcelain") == ""
    assert "AGENTSYNC_PORT=" in one.read(".env.agentsync")
    assert main.synced("worktree", "remove", "one").endswith("and branch one")


def test_where_git_would_work_elsewhere_no_worktree_is_handed_out(main: Tree, tmp_path: Path) -> None:
    outer = Tree(tmp_path / "outer", main.environ)
    outer.path.mkdir()
    outer.ok("init", "-q", "-b", "main")
    outer.ok("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(main.path), "sub")
    sub = Tree(outer.path / "sub", main.environ)
    for key, value in (("user.name", "Dev"), ("user.email", "dev@example.com"), ("extensions.worktreeConfig", "true")):
        sub.ok("config", key, value)
    sub.ok("checkout", "-q", "-B", "main")
    sub.synced("init", "--yes")
    done = sub.sync("worktree", "add", "one")
    assert done.code == 1, done
    assert "core.worktree is set for all of them" in done.err
    assert sub.ok("branch", "--list", "one") == ""
    assert sub.run("sh", "-c", done.err.strip().splitlines()[-1].strip()).code == 0
    assert sub.ok("rev-parse", "--show-toplevel") == str(sub.path)
    one = added(sub, "one")
    assert one.ok("rev-parse", "--show-toplevel") == str(one.path)
    assert one.path.parent == sub.path.parent / "sub.worktrees"
    assert added(one, "two").path.parent == one.path.parent
    assert "hooks fire" in one.sync("worktree", "add", "three").err


def test_a_worktree_inside_another_is_neither_cleaned_away_nor_committed(main: Tree) -> None:
    before = (main.path / ".git/info/exclude").read_bytes()
    main.ok("worktree", "add", "-q", "-b", "inner", "tools/a b[1]")
    inner = Tree(main.path / "tools/a b[1]", main.environ)
    inner.write("day.txt", "a day of work\n")
    main.ok("clean", "-ffdq")
    assert inner.read("day.txt") == "a day of work\n"
    main.ok("add", "-A")
    assert main.ok("status", "--porcelain") == ""
    inner.ok("worktree", "add", "-q", "-b", "deeper", "deep")
    inner.ok("clean", "-ffdq", "-e", "day.txt")
    assert (inner.path / "deep/f.txt").exists() or (inner.path / "deep/shared.txt").exists()
    main.ok("add", "-f", "tools/a b[1]")
    main.write("more.txt", "x\n")
    main.ok("add", "more.txt")
    done = main.refused("commit", "-qm", "all")
    assert "tools/a b[1] is a worktree of this repository" in done.err
    command = next(line.strip() for line in done.err.splitlines() if "git rm" in line)
    assert main.run("sh", "-c", command).code == 0
    main.ok("commit", "-qm", "all")
    assert main.ok("show", "--name-only", "--format=") == "more.txt"
    assert inner.read("day.txt") == "a day of work\n"
    main.synced("worktree", "remove", "deeper")
    main.synced("worktree", "remove", "inner", "--force")
    assert (main.path / ".git/info/exclude").read_bytes() == before


def test_uninstall_takes_the_exclusions_of_worktrees_away(main: Tree) -> None:
    main.ok("worktree", "add", "-q", "-b", "inner", "inner")
    assert b"/inner/" in (main.path / ".git/info/exclude").read_bytes()
    main.synced("uninstall", "--yes")
    assert not (main.path / ".git/info/exclude").exists(), "it was empty before, and is as if it had not been"


@pytest.mark.parametrize("command", ["status", "lock f.txt", "task next", "sync", "status --json", "worktree list"])
def test_a_command_in_a_folder_that_is_gone_says_so(main: Tree, command: str) -> None:
    one = added(main, "one")
    script = f"cd {one.path} && rm -rf {one.path} && {sys.executable} -m agentsync {command}"
    done = main.run("sh", "-c", script)
    assert done.code == 3, done
    assert f"the folder that this was started in is gone: {one.path}" in done.out + done.err
    assert "Traceback" not in done.err
    if "--json" not in command:
        way_on = done.err.strip().splitlines()[-1].strip()
        assert main.run("sh", "-c", f"{way_on} && agentsync status").code == 0


@pytest.mark.parametrize("how", ["no commits", "unlanded", "removed"])
def test_a_claim_whose_worktree_is_gone_says_so_and_what_frees_it(main: Tree, two: Tree, how: str) -> None:
    main.commit("TASKS.md", "- [ ] **T-1** Write it\n")
    one = added(main, "one")
    one.synced("task", "claim", "T-1")
    if how != "no commits":
        one.commit("a.txt", "a\n")
    if how == "removed":
        main.synced("worktree", "remove", "one")
    else:
        shutil.rmtree(one.path)
    done = two.sync("task", "claim", "T-1")
    assert done.code == 1
    assert ("its worktree was removed" if how == "removed" else f"its worktree {one.path} is not there") in done.err
    for _ in range(2 if how == "unlanded" else 1):
        done = two.sync("task", "claim", "T-1")
        command = done.err.strip().splitlines()[-1].strip()
        assert command in two.sync("task", "show", "T-1").err
        assert main.run("sh", "-c", command).code == 0
    assert two.sync("task", "claim", "T-1").code == 0


def test_a_second_add_does_what_a_killed_or_failed_one_left(main: Tree) -> None:
    configure(main, worktree_setup='["test -e ok && touch ran"]')
    assert main.sync("worktree", "add", "one").code == 0
    main.synced("trust", "--yes")
    done = main.sync("worktree", "add", "one")
    assert done.code == 1
    assert "set-up failed" in done.err
    one = Tree(main.path.parent / "main.worktrees/one", main.environ)
    port = one.read(".env.agentsync")
    one.write("ok", "")
    assert added(main, "one").path == one.path
    assert (one.path / "ran").exists()
    assert one.read(".env.agentsync") == port
    (one.path / "ran").unlink()
    added(main, "one")
    assert not (one.path / "ran").exists(), "what was done is not done again"


def test_a_remote_branch_is_followed_and_only_our_own_branches_are_deleted(main: Tree, tmp_path: Path) -> None:
    main.ok("clone", "-q", "--bare", ".", str(tmp_path / "o.git"))
    main.ok("remote", "add", "origin", str(tmp_path / "o.git"))
    main.ok("branch", "feat")
    main.ok("push", "-q", "origin", "feat")
    main.ok("branch", "-qD", "feat")
    main.commit("b.txt", "b\n")
    one = added(main, "one", "feat")
    assert one.ok("rev-parse", "--abbrev-ref", "@{upstream}") == "origin/feat"
    assert not (one.path / "b.txt").exists()
    assert main.sync("worktree", "add", "two", "feat", "--from", "main").code != 0
    main.ok("branch", "release")
    added(main, "rel", "release")
    assert "agentsync did not make it" in main.sync("worktree", "remove", "rel").err
    assert main.git("rev-parse", "--verify", "release").code == 0


def test_list_says_who_does_what(main: Tree) -> None:
    one = added(main, "one")
    one.synced("lock", "shared.txt")
    one.commit("a.txt", "a\n")
    one.write("b.txt", "b\n")
    rows = json.loads(main.synced("worktree", "list", "--json"))["data"]["worktrees"]
    mine = next(row for row in rows if row["worktree"] == "one")
    assert (mine["agent"], mine["ahead"], mine["behind"], mine["dirty"]) == ("one", 1, 0, True)
    assert mine["locks"] == ["shared.txt"]


# forecast


def clashes(tree: Tree) -> list[tuple[str, str, str]]:
    rows = json.loads(tree.sync("forecast", "--json").out)["data"]["conflicts"]
    return [(row["one"], row["other"], row["paths"][0]["path"]) for row in rows]


def test_commits_and_uncommitted_changes_are_held_against_each_other(text: Tree) -> None:
    one, two = work(text, "one", 3), text.worktree("two")
    edit(two, 3, "two")
    three = text.worktree("three")
    edit(three, 20, "three")
    assert clashes(text) == [("one", "two", "f.txt")]
    assert two.sync("forecast").out.startswith("two and one conflict in f.txt (line 4), since ")
    assert three.synced("forecast") == ""
    two.ok("checkout", "-q", "f.txt")
    assert clashes(text) == []
    edit(text, 3, "base")
    text.ok("commit", "-qam", "base")
    three.ok("commit", "-qam", "three")
    three.ok("merge", "-q", "--no-edit", "main")
    assert clashes(text) == [("one", "base", "f.txt")], "three has base's line too, which is no news"
    assert "agentsync sync" in one.sync("forecast").out


def test_a_forecast_survives_the_loss_of_what_it_keeps(text: Tree) -> None:
    work(text, "one", 3)
    two = text.worktree("two")
    edit(two, 3, "two")
    assert clashes(text) == clashes(text) == [("one", "two", "f.txt")]
    folder = text.path / ".git/agentsync/forecast"
    _forget(str(folder))
    assert not list(folder.glob("*.side"))
    assert clashes(text) == [("one", "two", "f.txt")]
    for file in folder.glob("*.side"):
        file.write_bytes(file.read_bytes()[:-1])
    assert clashes(text) == [("one", "two", "f.txt")]


def test_a_forecast_waits_for_its_turn_and_clears_what_a_killed_one_left(text: Tree) -> None:
    work(text, "one", 3)
    two = text.worktree("two")
    assert clashes(text) == []
    folder = text.path / ".git/agentsync/forecast"
    (folder / "two.index.lock").touch()
    edit(two, 3, "two")
    assert clashes(text) == [("one", "two", "f.txt")]
    with (folder / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        waiting = text.start("forecast", "--json")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1)
    assert b'"f.txt"' in waiting.communicate(timeout=30)[0]


@pytest.mark.torture
def test_forecasts_beside_each_other_and_killed_ones_overlook_nothing(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    killing = random.Random(7)
    for number in range(60):
        for tree in (one, two):
            edit(tree, 3, f"{tree.path.name} {number}")
        running = [text.start("forecast", "--json") for _ in range(3)]
        time.sleep(killing.random() / 4)  # so that the kill hits any moment of the forecast
        running[0].kill()
        for each in running[1:]:
            assert b'"f.txt"' in each.communicate(timeout=60)[0], number
        running[0].communicate()
        assert clashes(text) == [("one", "two", "f.txt")], number
        two.ok("checkout", "-q", "f.txt")
        assert clashes(text) == [], number


def test_an_edit_in_the_second_of_the_checkout_that_keeps_the_size_is_seen(one: Tree, two: Tree) -> None:
    """git tells a file by size and, in most builds, by the second; for the rest it goes by the index's own time."""
    for tree, new in ((one, "ONE\ntwo\nthree\n"), (two, "uno\ntwo\nthree\n")):
        for _ in range(20):
            tree.ok("checkout", "-q", "--", "shared.txt")
            tree.ok("update-index", "--refresh")
            tree.write("shared.txt", new)
            index = tree.ok("rev-parse", "--git-path", "index")
            if int(os.stat(index).st_mtime) == int(os.stat(tree.path / "shared.txt").st_mtime):
                break
            tree.ok("reset", "-q", "--hard")
    time.sleep(1.1)
    assert two.sync("forecast").code == 1


def test_a_forecast_writes_nothing_of_the_users(text: Tree) -> None:
    two = text.worktree("two")
    work(text, "one", 3)
    edit(two, 3, "two")
    two.write("new.txt", "not added\n")
    objects = text.ok("count-objects", "-v")
    index = (text.path / ".git/worktrees/two/index").read_bytes()
    two.sync("forecast")
    assert text.ok("count-objects", "-v") == objects
    assert (text.path / ".git/worktrees/two/index").read_bytes() == index
    assert "?? new.txt" in two.ok("status", "--porcelain")


def test_worktrees_inside_the_main_one_are_no_part_of_it(text: Tree) -> None:
    text.ok("worktree", "add", "-q", ".claude/worktrees/one", "-b", "one")
    inner = Tree(text.path / ".claude/worktrees/one", text.environ)
    edit(inner, 3, "one")
    edit(text, 20, "mine")
    assert clashes(text) == []
    edit(text, 3, "mine too")
    assert clashes(text) == [(".main", "one", "f.txt")]


def test_drivers_count_in_the_forecast(text: Tree) -> None:
    for name in ("one", "two"):
        tree = text.worktree(name)
        tree.write("package.json", tree.read("package.json").replace('"a":', f'"{name}": "^2.0.0",\n    "a":'))
    assert clashes(text) == []


def test_a_commit_that_another_touches_too_is_told_by_itself(text: Tree) -> None:
    two = text.worktree("two")
    edit(two, 3, "two")
    one = text.worktree("one")
    text.sync("forecast")
    two.synced("status", "--new")
    edit(one, 3, "one")
    one.ok("commit", "-qam", "one")
    until = time.monotonic() + 15
    while "conflict in f.txt" not in (said := two.synced("status", "--new")) and time.monotonic() < until:
        time.sleep(0.1)
    assert "two and one conflict in f.txt" in said
    assert "conflict" not in two.synced("status", "--new"), "told once"
    assert "conflicts with two" in text.synced("status")


def test_a_conflict_names_the_definition() -> None:
    merged = b"def first():\n    pass\n\ndef second():\n<<<<<<< a\n    x\n||||||| b\n=======\n    y\n>>>>>>> c\n    z\n"
    assert [(hunk.line, hunk.definition) for hunk in hunks_in(merged)] == [(5, "second")]


def test_since_when_is_kept(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 3)
    first = json.loads(text.sync("forecast", "--json").out)["data"]["conflicts"][0]["since"]
    time.sleep(1.1)
    assert json.loads(text.sync("forecast", "--json").out)["data"]["conflicts"][0]["since"] == first


# contracts and phases


def test_whoever_works_against_an_older_contract_is_told_once(text: Tree) -> None:
    text.commit("api.json", "1\n")
    configure(text, contracts_paths='["api.json"]')
    one = text.worktree("one")
    text.commit("api.json", "2\n", "new field")
    done = one.commit("a.txt", "a\n")
    assert done.code == 0
    assert "contract api.json is newer on main" in done.err
    assert '"new field"' in done.err
    assert "agentsync sync" in done.err
    assert "contract" not in one.commit("b.txt", "b\n").err
    assert "contract api.json is newer on main: agentsync sync" in one.synced("status", "--new")
    one.synced("sync")
    assert "contract" not in one.commit("c.txt", "c\n").err


def test_work_against_an_older_contract_is_refused_where_configured(text: Tree) -> None:
    text.commit("api.json", "1\n")
    configure(text, contracts_paths='["api.json"]', enforce_contracts='"refuse"')
    one = text.worktree("one")
    text.commit("api.json", "2\n")
    one.write("a.txt", "a\n")
    one.ok("add", ".")
    one.refused("commit", "-qm", "a")
    one.refused("commit", "--no-verify", "-qm", "a")
    one.ok("stash", "-q")
    one.synced("sync")
    one.ok("stash", "pop", "-q")
    one.ok("commit", "-qm", "a")


def test_check_names_an_older_contract(text: Tree) -> None:
    text.commit("api.json", "1\n")
    configure(text, contracts_paths='["api.json"]')
    one = work(text, "one", 3)
    text.commit("api.json", "2\n")
    assert "note: contract api.json is newer on main" in one.synced("check")
    configure(text, enforce_contracts='"refuse"')
    assert one.sync("check").code == 1


def test_a_contract_changes_by_itself(text: Tree) -> None:
    configure(text, contracts_paths='["api.json"]')
    one = text.worktree("one")
    one.write("a.txt", "a\n")
    one.write("api.json", "1\n")
    one.ok("add", ".")
    assert "changes in one commit with work that builds on it" in one.git("commit", "-qm", "both").err
    assert "contract" not in one.commit("api.json", "2\n").err


def test_sequential_paths_change_only_in_integration_by_its_agent(text: Tree) -> None:
    configure(text, phases_sequential='["registry.py"]', enforce_phases='"refuse"')
    one, two = text.worktree("one"), text.worktree("two")
    for tree in (one, two):
        tree.write("registry.py", f"NAMES = ['{tree.path.name}']\n")
    done = one.refused("commit", "-qam", "x")
    assert "changes only in phase integration; the phase is parallel" in done.err
    assert text.sync("phase", "integration", "--agent", "one", CLAUDECODE="1").code == 1
    assert text.sync("phase", "integration").code == 2
    assert text.synced("phase", "integration", "--agent", "one").startswith("phase integration by one")
    one.ok("commit", "-qam", "x")
    two.refused("commit", "-qam", "x")
    two.ok("checkout", "-q", ".")
    text.ok("merge", "-q", "--no-edit", "one")
    text.synced("phase", "testing")
    two.ok("merge", "-q", "--no-edit", "main")
    one.ok("commit", "-q", "--amend", "-m", "said better")
    assert text.synced("phase").startswith("phase testing")
    text.write("registry.py", "NAMES = ['a person']\n")
    text.ok("commit", "-qam", "people are never held")


@pytest.mark.parametrize("name", ["warp", ""])
def test_phases_that_are_none(main: Tree, name: str) -> None:
    assert main.sync("phase", name).code == (2 if name else 0)
    assert os.path.exists(main.path)
    assert len(LINES) == 30


def test_remove_looks_everywhere(main: Tree) -> None:
    main.commit(".gitignore", "wt/\n")
    one = added(main, "one")
    one.ok("worktree", "add", "-q", "wt/in", "-b", "in")
    done = main.sync("worktree", "remove", "one")
    assert done.code == 1
    assert "another worktree lies inside" in done.err
    main.ok("worktree", "remove", "--force", str(one.path / "wt/in"))
    main.ok("config", "status.showUntrackedFiles", "no")
    one.write("precious.txt", "x\n")
    assert main.sync("worktree", "remove", "one").code == 1
    (one.path / "precious.txt").unlink()
    main.ok("worktree", "add", "-q", "-f", "../dup", "one")
    assert "another worktree has it checked out" in main.sync("worktree", "remove", str(one.path)).err
    assert main.ok("branch", "--list", "one") != ""
    main.ok("worktree", "add", "-q", "../x", "-b", "y")
    main.ok("worktree", "add", "-q", "../y", "-b", "x")
    assert "names two worktrees" in main.sync("worktree", "remove", "y").err


def test_files_against_folders_and_additions_to_moved_folders_are_foreseen(text: Tree) -> None:
    for number in range(3):
        text.write(f"d/{number}", f"{number}\n" * 20)
    text.ok("add", ".")
    text.ok("commit", "-qm", "d")
    one, two = text.worktree("one"), text.worktree("two")
    one.write("foo", "a file\n")
    two.write("foo/b", "in a folder\n")
    assert [row[:2] for row in clashes(text)] == [("one", "two")]
    (one.path / "foo").unlink()
    one.ok("mv", "d", "e")
    two.write("d/new", "new\n")
    assert [row[:2] for row in clashes(text)] == [("one", "two")]


def test_merges_in_memory_leave_nothing_in_a_worktree(text: Tree) -> None:
    """git lays out the files for a merge driver where it stands, and `git add -A` would take them."""
    text.commit("package.json", '{"dependencies": {"a": "1"}}\n')
    one, two = text.worktree("one"), text.worktree("two")
    for tree, name in ((one, "b"), (two, "c")):
        assert tree.commit("package.json", json.dumps({"dependencies": {"a": "1", name: "1"}}) + "\n").code == 0
    folders = [text.path, one.path, two.path]
    seen: set[str] = set()
    for words in (["forecast", "--all"], ["integrate", "--dry-run", "one", "two"]):
        with one.start(*words) as process:
            while process.poll() is None:
                seen |= {name for folder in folders for name in os.listdir(folder) if "merge_file" in name}
    assert seen == set()


@pytest.mark.parametrize("folder", ["", "docs/"])
def test_the_repositorys_own_attributes_count_in_memory_too(main: Tree, folder: str) -> None:
    main.commit(f"{folder}.gitattributes", "*.txt merge=union\n")
    main.commit(f"{folder}list.txt", "start\n")
    one, two = main.worktree("one"), main.worktree("two")
    one.write(f"{folder}list.txt", "start\none\n")
    two.write(f"{folder}list.txt", "start\ntwo\n")
    assert one.sync("forecast").code == 0


def test_what_still_runs_in_a_removed_worktree_does_not_bring_it_back(main: Tree, one: Tree) -> None:
    """Half a git directory would be neither a worktree nor gone, and its locks would hold."""
    admin = Path(one.ok("rev-parse", "--absolute-git-dir"))
    repo = Repo(str(one.path), str(admin), str(main.path / ".git"), one.environ)
    main.ok("worktree", "remove", "--force", str(one.path))
    write_private(repo, "note", "x")
    assert not note_snapshot(repo.private_dir)
    with pytest.raises((OSError, GitError)):
        in_scratch_folder(repo)
    assert not admin.exists()
