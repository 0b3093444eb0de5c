"""Which branch is base: never the one under judgement; where nobody can tell, that is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Tree

TWICE = "base has 0002_b.sql with this number"


@pytest.fixture
def server(bare_tree: Tree) -> Tree:
    """A repository whose branch `feat` has a number that base took meanwhile; base is `trunk`."""
    bare_tree.write("migrations/0001_a.sql", "create table a (id int);\n")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "a")
    bare_tree.ok("branch", "-m", "trunk")
    bare_tree.ok("switch", "-qc", "feat")
    assert bare_tree.commit("migrations/0002_c.sql", "create table c (id int);\n").code == 0
    bare_tree.ok("switch", "-q", "trunk")
    assert bare_tree.commit("migrations/0002_b.sql", "create table b (id int);\n").code == 0
    return bare_tree


def clone(server: Tree, name: str, *words: str) -> Tree:
    place = server.path.parent / name
    server.ok("clone", "-q", *words, f"file://{server.path}", str(place))
    return Tree(place, server.environ)


@pytest.mark.parametrize("detached", [False, True])
def test_check_of_a_single_branch_is_no_yes(server: Tree, *, detached: bool) -> None:
    ci = clone(server, "ci", "--depth=1", "--branch=feat")
    if detached:
        ci.ok("switch", "-q", "--detach")
        ci.ok("branch", "-D", "feat")
    done = ci.sync("check")
    assert done.code == 2
    *_, command = done.err.strip().splitlines()
    assert command.strip() == "git config agentsync.base main"
    ci.ok("config", "agentsync.base", "trunk")
    done = ci.sync("check")
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].strip().startswith("git fetch --unshallow origin ")
    assert ci.run("sh", "-c", done.err.strip().splitlines()[-1]).code == 0
    done = ci.sync("check")
    assert done.code == 1
    assert TWICE in done.out


def test_check_takes_base_from_its_command_line(server: Tree) -> None:
    ci = clone(server, "ci", "--branch=feat")
    done = ci.sync("check", "--base", "trunk")
    assert (done.code, TWICE in done.out) == (1, True)
    assert ci.sync("check", "--base", "nothing").code == 2


def test_a_clone_knows_the_default_branch_of_its_remote(server: Tree) -> None:
    ci = clone(server, "ci", "--branch=feat", "--origin=upstream")
    done = ci.sync("check")
    assert (done.code, TWICE in done.out) == (1, True)
    ci.ok("update-ref", "-d", "refs/remotes/upstream/trunk")  # the server's branch was deleted, and pruned here
    assert ci.sync("check").code == 2


def test_doctor_and_init_say_that_base_is_not_known(server: Tree) -> None:
    ci = clone(server, "ci", "--depth=1", "--branch=feat")
    done = ci.sync("doctor")
    assert done.code == 1
    assert "BAD  base is not known" in done.out
    done = ci.sync("init", "--yes")
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].strip() == "agentsync init --base main"
    assert ci.git("config", "agentsync.base").code == 1
    ci.ok("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*")
    ci.synced("init", "--yes", "--base", "trunk")
    assert ci.ok("config", "agentsync.base") == "trunk"


def test_a_repository_of_one_branch_and_no_remote_has_that_for_base(bare_tree: Tree) -> None:
    bare_tree.ok("branch", "-m", "trunk")
    bare_tree.synced("init", "--yes")
    assert bare_tree.ok("config", "agentsync.base") == "trunk"


@pytest.mark.parametrize("pruned", [False, True])
def test_a_renamed_base_is_known_by_its_new_name(server: Tree, *, pruned: bool) -> None:
    server.ok("branch", "-m", "trunk", "master")
    r = clone(server, "r", "--branch=master")
    server.ok("branch", "-m", "master", "main")
    r.ok("branch", "-m", "main")
    r.git("fetch", "-q", *(["--prune"] if pruned else []))
    r.ok("branch", "-q", "-u", "origin/main")
    assert "base: main" in r.synced("init", "--dry-run")
    r.synced("init", "--yes")
    r.ok("branch", "-m", "main", "master")
    r.ok("branch", "-m", "master", "main")
    assert r.ok("config", "agentsync.base") == "main"


def test_a_base_that_was_renamed_after_init_is_named_by_doctor(main: Tree, one: Tree) -> None:
    main.ok("config", "agentsync.base", "master")
    main.ok("commit", "-q", "--allow-empty", "-m", "x")
    done = main.sync("doctor")
    assert "agentsync.base is master, which is not here; base is taken to be main" in done.out
    assert "git config agentsync.base main" in done.out
    main.ok("config", "agentsync.base", "develop")
    done = main.sync("doctor")
    assert done.code == 1
    assert 'base is "develop", and there is no such branch' in done.out
    assert one.sync("sync").code == 2


def test_who_is_on_base_hears_that_check_has_nothing_to_judge(main: Tree) -> None:
    done = main.sync("check")
    assert done.code == 0
    assert "main has all of HEAD" in done.err


def test_a_server_that_does_not_know_its_base_refuses_to_say_yes(server: Tree, tmp_path: Path) -> None:
    server.ok("clone", "-q", "--bare", f"file://{server.path}", str(tmp_path / "bare.git"))
    bare = Tree(tmp_path / "bare.git", server.environ)
    old, new = server.ok("rev-parse", "trunk"), server.ok("rev-parse", "feat")
    line = f"{old} {new} refs/heads/trunk\n"
    assert TWICE in bare.sync("check", "--pre-receive", stdin=line).out
    server.ok("clone", "-q", "--bare", f"file://{server.path}", str(tmp_path / "other.git"))
    bare = Tree(tmp_path / "other.git", server.environ)
    bare.ok("symbolic-ref", "HEAD", "refs/heads/gone")
    assert bare.sync("check", "--pre-receive", stdin=line).code == 2
