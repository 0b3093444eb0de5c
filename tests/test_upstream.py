"""Work that lands through a server: pull requests, squash-merged into a protected base."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Tree


@pytest.fixture
def server(bare_tree: Tree) -> Tree:
    """A clone that stands for the forge: what it pushes is what a merge button did."""
    up = bare_tree.path.parent / "up.git"
    bare_tree.ok("init", "-q", "--bare", "-b", "main", str(up))
    bare_tree.ok("remote", "add", "origin", str(up))
    bare_tree.ok("push", "-q", "-u", "origin", "main")
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    bare_tree.ok("push", "-q")
    place = bare_tree.path.parent / "server"
    bare_tree.ok("clone", "-q", str(up), str(place))
    tree = Tree(place, bare_tree.environ)
    tree.ok("config", "user.name", "Forge")
    tree.ok("config", "user.email", "forge@example.com")
    return tree


def squash(server: Tree, branch: str) -> None:
    server.ok("fetch", "-q", "origin")
    server.ok("pull", "-q", "--ff-only", "origin", "main")
    server.ok("merge", "-q", "--squash", f"origin/{branch}")
    server.ok("commit", "-qm", f"{branch} (#1)")
    server.ok("push", "-q", "origin", "main")


def test_init_is_gentle_where_base_has_an_upstream(bare_tree: Tree, server: Tree) -> None:
    assert 'hand_on = "warn"' in bare_tree.read("agentsync.toml")


def test_squash_landed_work_is_the_hand_on_and_merges_clean(bare_tree: Tree, server: Tree) -> None:
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    one.write("shared.txt", "ONE\ntwo\nthree\n")
    one.ok("commit", "-qam", "one")
    one.synced("unlock", "shared.txt")
    one.ok("push", "-q", "origin", "one")
    squash(server, "one")
    two.ok("fetch", "-q", "origin")
    done = two.sync("lock", "shared.txt")
    assert done.code == 0, done
    assert "git merge origin/main" in done.err
    two.ok("merge", "-q", "origin/main")
    two.write("shared.txt", "ONE\ntwo\nTHREE\n")
    two.ok("commit", "-qam", "two")
    two.synced("unlock", "shared.txt")
    two.ok("push", "-q", "origin", "two")
    squash(server, "two")
    bare_tree.ok("pull", "-q", "--ff-only")
    one.ok("fetch", "-q", "origin")
    one.ok("rebase", "-q", "origin/main")
    assert one.read("shared.txt") == "ONE\ntwo\nTHREE\n"


def test_what_the_server_landed_is_pulled_whoever_holds_what(bare_tree: Tree, server: Tree) -> None:
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    server.ok("pull", "-q", "--ff-only", "origin", "main")
    server.commit("shared.txt", "from the server\n")
    server.commit("server.txt", "s\n")
    server.ok("push", "-q", "origin", "main")
    bare_tree.ok("pull", "-q", "--ff-only")
    two.commit("b.txt", "b\n")
    two.ok("pull", "-q", "--rebase", "origin", "main")
    one.ok("pull", "-q", "--no-rebase", "--no-edit", "origin", "main")


def test_a_reviewers_fetch_of_anything_passes(bare_tree: Tree, server: Tree) -> None:
    one = bare_tree.worktree("one")
    one.synced("lock", "shared.txt")
    server.ok("switch", "-q", "-c", "contribution")
    server.commit("shared.txt", "theirs\n")
    server.ok("push", "-q", "origin", "contribution")
    bare_tree.ok("fetch", "-q", "origin", "contribution:review")
    bare_tree.ok("switch", "-q", "review")
    bare_tree.ok("switch", "-q", "main")


def test_a_clone_that_has_the_settings_needs_hooks_only(bare_tree: Tree, server: Tree, tmp_path: Path) -> None:
    done = server.sync("init", "--yes")
    assert done.code == 0
    assert "agentsync.toml" not in done.out
    assert server.ok("status", "--porcelain") == ""
    assert server.sync("doctor").code == 0


def test_a_push_of_unjudged_work_is_refused(bare_tree: Tree, server: Tree) -> None:
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked")
    two.refused("push", "-q", "origin", "two")


def test_a_holder_hears_of_an_override_on_its_path(main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt")
    one.synced("status", "--new")
    main.commit("shared.txt", "by a person\n", AGENTSYNC_ALLOW="release today")
    said = one.synced("status", "--new")
    assert "shared.txt, which you have locked, was changed by human:" in said
    assert '"release today"' in said
    assert "shared.txt" not in one.synced("status", "--new")


def test_base_has_not_moved_for_who_has_it(main: Tree) -> None:
    one = main.worktree("one")
    for tree in (main, one):
        tree.synced("status", "--new")
    main.commit("b.txt", "b\n")
    assert main.synced("status", "--new") == ""
    one.synced("sync")
    assert one.synced("status", "--new") == ""


def test_news(bare_tree: Tree, server: Tree) -> None:
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    two.synced("status", "--new")
    assert two.synced("status", "--new") == ""
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")
    assert "shared.txt, which this worktree edits, is locked by one@one" in two.synced("status", "--new")
    two.ok("checkout", "-q", ".")
    two.write("shared.txt", "y\n")
    two.refused("commit", "-qam", "y")
    one.synced("unlock", "shared.txt")
    server.ok("pull", "-q", "--ff-only", "origin", "main")
    server.commit("s.txt", "s\n")
    server.ok("push", "-q", "origin", "main")
    two.ok("fetch", "-q", "origin")
    assert two.synced("status", "--new").splitlines() == [
        "base main moved by 1 commit: agentsync sync",
        "lock freed: shared.txt",
    ]
    assert two.synced("status", "--new") == ""
    one.synced("lock", "shared.txt")
    two.refused("commit", "-qam", "z")
    two.synced("status", "--new")
    one.synced("unlock", "shared.txt")
    two.synced("lock", "shared.txt")
    assert two.synced("status", "--new") == "", "who has it by now need not hear that it is free"
