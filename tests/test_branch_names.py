"""A branch is the same whatever it is called and wherever it is checked out just now."""

from __future__ import annotations

from conftest import Tree


def sneaked(tree: Tree) -> str:
    tree.write("shared.txt", "sneaked\n")
    tree.ok("add", "shared.txt")
    made = tree.ok("commit-tree", "-p", "HEAD", "-m", "sneaked", tree.ok("write-tree"))
    tree.ok("restore", "--staged", "--worktree", "shared.txt")
    return made


def test_a_worktree_is_somebodys_whatever_its_name(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    main.worktree("agentsync-room")
    two.refused("update-ref", "refs/heads/agentsync-room", sneaked(two))


def test_a_symbolic_branch_is_the_branch_that_it_stands_for(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    made = sneaked(two)
    two.ok("symbolic-ref", "refs/heads/alias", "refs/heads/two")
    two.refused("update-ref", "refs/heads/alias", made)
    two.ok("symbolic-ref", "HEAD", "refs/heads/alias")
    two.refused("update-ref", "refs/heads/two", made)


def test_a_branch_left_for_a_moment_is_still_an_agents(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    assert two.commit("b.txt", "b\n").code == 0
    made = sneaked(two)
    two.ok("switch", "-q", "-c", "other")
    two.refused("checkout", "-q", "-B", "two", made)
    two.refused("branch", "-f", "two", made)
    one.refused("fetch", "-q", ".", f"{made}:two", AGENTSYNC_AGENT="three")


def test_a_branch_renamed_is_judged_at_its_next_commit(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    two.ok("branch", "evil", sneaked(two))
    two.ok("switch", "-q", "-c", "moment")
    two.git("branch", "-M", "evil", "two")
    two.git("switch", "-q", "two")
    if two.read("shared.txt") == "sneaked\n":
        two.write("b.txt", "b\n")
        two.ok("add", "b.txt")
        two.refused("commit", "-qm", "b")


def test_a_main_worktree_with_its_git_directory_elsewhere_is_known(main: Tree) -> None:
    parent = main.path.parent
    (parent / "elsewhere").mkdir()
    main.ok("clone", "-q", "--separate-git-dir", str(parent / "elsewhere/r"), ".", "../apart")
    apart = Tree(parent / "apart", main.environ)
    apart.ok("config", "user.name", "x")
    apart.ok("config", "user.email", "x@x")
    apart.ok("remote", "remove", "origin")
    apart.synced("init", "--yes")
    apart.commit("x.txt", "x\n")
    apart.ok("worktree", "add", "-q", "../apart-one", "-b", "one")
    apart.write("shared.txt", "edited\n")
    done = Tree(parent / "apart-one", main.environ).sync("lock", "shared.txt")
    assert "uncommitted edits" in done.out + done.err
