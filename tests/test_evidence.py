"""What vouches for a commit, and what the one who made it could have written."""

from __future__ import annotations

import pytest
from conftest import Tree


@pytest.fixture
def server(main: Tree) -> Tree:
    """A server that main was pushed to and is fetched from."""
    main.ok("clone", "-q", "--bare", ".", "../server.git")
    main.ok("remote", "add", "origin", "../server.git")
    main.ok("fetch", "-q")
    main.ok("branch", "-q", "--set-upstream-to=origin/main")
    return Tree(main.path.parent / "server.git", main.environ)


def sneaked(tree: Tree) -> str:
    """A commit of a locked path that no ref has."""
    tree.write("shared.txt", "sneaked\n")
    tree.ok("add", "shared.txt")
    made = tree.ok("commit-tree", "-p", "HEAD", "-m", "sneaked", tree.ok("write-tree"))
    tree.ok("restore", "--staged", "--worktree", "shared.txt")
    return made


def test_ones_own_unverified_push_comes_back_and_vouches_for_nothing(server: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    two.ok("push", "-q", "--no-verify", str(server.path), f"{made}:refs/heads/z")
    two.ok("fetch", "-q")
    assert two.ok("rev-parse", "origin/z") == made
    two.refused("merge", "-q", "--ff-only", "origin/z")


def test_a_fetch_that_brings_what_was_here_in_a_pack_vouches_for_nothing(server: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    two.ok("push", "-q", "--no-verify", str(server.path), f"{made}:refs/heads/z")
    two.ok("tag", "keep", made)
    two.ok("repack", "-adq")
    two.ok("tag", "-d", "keep")
    a_colleague_pushes(server, "other.txt")  # so that the fetch brings a pack at all
    two.ok("-c", "fetch.unpackLimit=1", "fetch", "-q")
    assert two.ok("rev-parse", "origin/z") == made
    two.refused("merge", "-q", "--ff-only", "origin/z")


def a_colleague_pushes(server: Tree, name: str) -> None:
    """A branch `colleague` on the server, pushed from another clone, with a commit of one file."""
    colleague = Tree(server.path.parent / "colleague", server.environ)
    server.ok("clone", "-q", str(server.path), str(colleague.path))
    colleague.write(name, "a colleague's\n")
    colleague.ok("add", name)
    colleague.ok("-c", "user.name=c", "-c", "user.email=c@c", "commit", "-qm", "elsewhere")
    colleague.ok("push", "-q", "origin", "HEAD:colleague")


@pytest.mark.parametrize("limit", ["1", "1000"])
def test_what_a_fetch_brings_in_a_pack_or_loose_is_vouched_for(server: Tree, one: Tree, two: Tree, limit: str) -> None:
    a_colleague_pushes(server, "shared.txt")
    one.synced("lock", "shared.txt")
    two.ok("-c", f"fetch.unpackLimit={limit}", "fetch", "-q")
    two.ok("merge", "-q", "--ff-only", "origin/colleague")


@pytest.mark.parametrize("message", ["fetch origin: fast-forward", "pull", "clone: from x"])
def test_a_reflog_message_vouches_for_nothing(server: Tree, one: Tree, two: Tree, message: str) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    two.ok("update-ref", "-m", message, "refs/remotes/origin/z", made)
    two.refused("merge", "-q", "--ff-only", "origin/z")


def test_a_commit_made_while_the_ref_is_moved_came_from_nowhere(server: Tree, one: Tree, two: Tree) -> None:
    """Its object is as young as one that a fetch brings."""
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "sneaked\n")
    two.ok("add", "shared.txt")
    made = "echo update refs/remotes/origin/fetch $(git commit-tree -p HEAD -m x $(git write-tree))"
    done = two.run("sh", "-c", f"{made} | git update-ref --stdin")
    assert done.code == 0, done
    two.ok("restore", "--staged", "--worktree", "shared.txt")
    two.refused("merge", "-q", "--ff-only", "origin/fetch")


def test_bases_upstream_moved_by_hand_is_not_what_base_has(server: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    two.ok("update-ref", "-m", "fetch origin", "refs/remotes/origin/main", made)
    two.refused("merge", "-q", "--ff-only", "origin/main")


def test_bases_upstream_moved_by_hand_brings_no_settings(server: Tree, main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    text = two.read("agentsync.toml").replace('# locks = ""', 'locks = "off"')
    assert text != two.read("agentsync.toml")
    two.write("agentsync.toml", text)
    two.ok("add", "agentsync.toml")
    made = two.ok("commit-tree", "-p", "HEAD", "-m", "off", two.ok("write-tree"))
    two.ok("restore", "--staged", "--worktree", "agentsync.toml")
    two.ok("update-ref", "refs/remotes/origin/main", made)
    two.write("shared.txt", "two's\n")
    two.refused("commit", "-qam", "x")


def test_what_a_colleague_pushed_is_vouched_for_by_the_fetch(server: Tree, main: Tree, one: Tree, two: Tree) -> None:
    main.ok("clone", "-q", str(server.path), "../colleague")
    colleague = Tree(main.path.parent / "colleague", main.environ)
    colleague.ok("switch", "-q", "-c", "feature")
    colleague.write("shared.txt", "a colleague's\n")
    colleague.ok("-c", "user.name=c", "-c", "user.email=c@c", "commit", "-qam", "elsewhere")
    colleague.ok("push", "-q", "origin", "feature")
    one.synced("lock", "shared.txt")
    two.ok("fetch", "-q", "--all")
    two.ok("merge", "-q", "--ff-only", "origin/feature")
    assert two.commit("b.txt", "b\n").code == 0


def test_a_branch_from_before_agentsync_is_known_by_a_record_and_not_by_a_date(bare_tree: Tree) -> None:
    old = bare_tree.worktree("old")
    old.write("shared.txt", "old\n")
    old.ok("commit", "-qam", "before agentsync")
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    one = bare_tree.worktree("one")
    one.synced("lock", "shared.txt")
    old.ok("commit", "-q", "--amend", "-m", "better words")
    old.unhooked("checkout", "-q", "-B", "sneaky", "main")
    old.write("shared.txt", "sneaked\n")
    old.unhooked("commit", "-qam", "dated back")
    old.refused("commit", "-q", "--amend", "-m", "again", GIT_COMMITTER_DATE="2001-01-01T00:00:00Z")


def test_a_configuration_given_to_one_command_decides_nothing(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    for setting in ("i18n.logOutputEncoding=UTF-16", "diff.ignoreSubmodules=all", "core.quotePath=false",
                    "color.ui=always", "log.showSignature=true", "diff.external=true"):  # fmt: skip
        two.refused("-c", setting, "merge", "-q", "--ff-only", made)
        two.ok("reset", "-q", "--merge")
    (two.path.parent / "evil").write_text("[i18n]\n\tlogOutputEncoding = UTF-16\n[color]\n\tui = always\n")
    for variable, value in (
        ("GIT_CONFIG_GLOBAL", str(two.path.parent / "evil")),
        ("GIT_EXTERNAL_DIFF", "true"),
        ("GIT_LITERAL_PATHSPECS", "1"),
        ("LC_ALL", "de_DE.UTF-8"),
        ("GIT_DIFF_OPTS", "-u0"),
    ):
        two.refused("merge", "-q", "--ff-only", made, **{variable: value})
        two.ok("reset", "-q", "--merge")


def test_a_replaced_commit_is_judged_as_it_is(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    innocent = two.ok("commit-tree", "-p", "HEAD", "-m", "innocent", "HEAD^{tree}")
    two.ok("replace", made, innocent)
    two.refused("merge", "-q", "--ff-only", made)


@pytest.mark.parametrize("ref", ["z", "gitfetch"])
def test_what_is_fetched_from_elsewhere_vouches_for_nothing(server: Tree, one: Tree, two: Tree, ref: str) -> None:
    """Whatever ref it is put under; a fetch from the server itself goes on to vouch."""
    one.synced("lock", "shared.txt")
    two.ok("clone", "-q", str(server.path), "../elsewhere")
    elsewhere = Tree(two.path.parent / "elsewhere", {**two.environ, "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@y"})
    elsewhere.ok("config", "user.name", "x")
    elsewhere.ok("config", "user.email", "x@y")
    assert elsewhere.commit("shared.txt", "sneaked\n").code == 0
    two.ok("fetch", "-q", "../elsewhere", f"HEAD:refs/remotes/origin/{ref}")
    two.refused("merge", "-q", "--ff-only", f"origin/{ref}")
    assert elsewhere.commit("reviewed.txt", "x\n").code == 0
    elsewhere.ok("push", "-q", "origin", "HEAD:refs/heads/reviewed")
    two.ok("fetch", "-q", "--no-tags", "origin")
    two.ok("merge", "-q", "--ff-only", "origin/reviewed")


def test_a_gate_fetches_nothing_in_a_partial_clone(server: Tree, main: Tree) -> None:
    server.ok("config", "uploadpack.allowFilter", "true")
    server.ok("config", "uploadpack.allowAnySHA1InWant", "true")
    for number in range(3):
        assert main.commit("shared.txt", f"{number}\n").code == 0
    main.ok("push", "-q", "origin", "main")
    main.ok("clone", "-q", "--filter=blob:none", f"file://{server.path}", "../partial")
    partial = Tree(main.path.parent / "partial", main.environ)
    for key, value in (("user.name", "x"), ("user.email", "x@y")):
        partial.ok("config", key, value)
    partial.synced("init", "--yes")
    one, two = partial.worktree("p1"), partial.worktree("p2", "HEAD~2")
    one.synced("lock", "shared.txt")
    assert two.commit("own.txt", "x\n").code == 0
    two.write("shared.txt", "two's\n")
    missing = partial.ok("rev-list", "--objects", "--all", "--missing=print").count("\n?")
    two.git("commit", "-qam", "x")
    after = partial.ok("rev-list", "--objects", "--all", "--missing=print").count("\n?")
    assert missing == after > 0
