"""A branch on a branch that landed by squash or by rebase: it merges from its parent's tip, as `rebase --onto` does."""

from __future__ import annotations

import functools

import pytest
from conftest import LINES, Tree
from test_landing import edit

from agentsync.git.repo import around
from agentsync.git.stacks import taken_by


def stack(base: Tree, *names: str) -> list[Tree]:
    """Branches, each on the one before; each changes lines of its parent again, and adds files."""
    found: list[Tree] = []
    for depth, name in enumerate(names):
        found.append(base.worktree(name, *([names[depth - 1]] if depth else [])))
        base.step(f"work of {name}", functools.partial(two_commits, found[-1], name, depth))
    return found


def two_commits(tree: Tree, name: str, depth: int) -> None:
    for number in (3, 4 + depth):
        edit(tree, number, f"{name} {number}")
        tree.write(f"{name}-{number}.txt", f"{name}\n")
        tree.ok("add", ".")
        tree.ok("commit", "-qm", f"{name} {number}")


def land(base: Tree, branch: str, how: str) -> None:
    """As a forge lands it: the branch's own commits as one, or one by one."""
    base.step(f"{branch} lands by {how}", lambda: land_now(base, branch, how))


def land_now(base: Tree, branch: str, how: str) -> None:
    if how == "squash":
        base.ok("merge", "-q", "--squash", branch)
        base.ok("commit", "-qm", f"{branch} (#1)")
        return
    base.ok("cherry-pick", f"main..{branch}", GIT_COMMITTER_DATE="2026-01-03T00:00:00Z")


def onto(tree: Tree, parent: str) -> str:
    """The tree that `git rebase --onto main PARENT` makes of a branch, which stays as it is."""
    branch = tree.ok("branch", "--show-current")
    tree.ok("switch", "-q", "-c", "onto")
    tree.ok("rebase", "-q", "--onto", "main", parent)
    made = tree.ok("rev-parse", "HEAD^{tree}")
    tree.ok("switch", "-q", branch)
    tree.ok("branch", "-D", "-q", "onto")
    return made


def tree_of(tree: Tree) -> str:
    return tree.ok("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("how", ["squash", "rebase"])
@pytest.mark.parametrize("moved", ["as it was", "before", "after", "its own lines, after"])
@pytest.mark.parametrize("parent", ["stays", "is gone"])
def test_a_child_of_a_landed_parent(text: Tree, how: str, moved: str, parent: str) -> None:
    _, child = stack(text, "one", "two")
    if moved == "before":
        edit(text, 20, "base, before")
        text.ok("commit", "-qam", "before")
    land(text, "one", how)
    if moved != "as it was":
        edit(text, 5 if "own" in moved else 25, "base, after")
        text.ok("commit", "-qam", "after")
    if "own" in moved:  # what base went on to is no reason to bring the parent's back
        edit(text, 29, "base, again")
        text.write("one-4.txt", "changed on base\n")
        text.ok("commit", "-qam", "again")
    if how == "rebase" or "own" not in moved:
        wanted = onto(child, "one") if "own" not in moved else ""
    if parent == "is gone":
        text.ok("worktree", "remove", "--force", "../one")
        text.ok("branch", "-q", "-D", "one")
    if "own" in moved:  # base and the child changed one line, truly
        done = child.sync("sync")
        assert "f.txt: conflict" in done.out
        conflict = child.read("f.txt")
        assert conflict.count("<<<<<<<") == 1
        assert "one 3" not in conflict
        assert child.read("one-4.txt") == "changed on base\n"
        assert child.ok("rev-parse", "MERGE_HEAD") == text.head()
        child.write("f.txt", "\n".join(LINES) + "\n")
        child.ok("add", "f.txt")
        child.ok("commit", "-q", "--no-edit")
        assert child.ok("log", "-1", "--format=%s") == "Merge main into two"
        assert child.ok("rev-parse", "HEAD^2") == text.head()
        return
    child.synced("sync")
    assert tree_of(child) == wanted
    assert child.ok("rev-parse", "HEAD^2") == text.head(), "nothing else is recorded than base"
    plain = text.git("merge-tree", "--write-tree", "main", "two")
    assert plain.code == 0, "a forge's button merges it"
    assert "two  landed" in text.synced("integrate", "two")
    assert tree_of(text) == wanted


@pytest.mark.parametrize("how", ["squash", "rebase"])
@pytest.mark.parametrize("synced", [True, False])
def test_three_deep_one_after_another(text: Tree, how: str, synced: bool) -> None:
    _, two, three = stack(text, "one", "two", "three")
    land(text, "one", how)
    text.commit("other.txt", "x\n")
    if synced:
        two.synced("sync")
        text.ok("merge", "-q", "--squash", "two")
        text.ok("commit", "-qm", "two (#2)")
    else:
        two.ok("rebase", "-q", "--onto", "main", "one")
        land(text, "two", how)
    old = three.ok("rev-parse", "HEAD~2")
    wanted = onto(three, old)
    three.synced("sync")
    assert tree_of(three) == wanted
    assert three.read("f.txt").splitlines()[3:7] == ["three 3", "one 4", "two 5", "three 6"]


def test_a_parent_that_grew_in_review_before_it_landed(text: Tree) -> None:
    parent, child = stack(text, "one", "two")
    edit(parent, 12, "as the reviewer wants it")
    parent.write("one-4.txt", "as the reviewer wants it\n")
    parent.ok("commit", "-qam", "review")
    old = child.ok("merge-base", "one", "two")
    land(text, "one", "squash")
    wanted = onto(child, old)
    child.synced("sync")
    assert tree_of(child) == wanted
    assert "as the reviewer wants it" in child.read("f.txt")


def test_base_went_on_between_two_commits_that_it_took_one_by_one(text: Tree) -> None:
    parent = text.worktree("one")
    for number in (10, 20):
        edit(parent, number, f"one {number}")
        parent.ok("commit", "-qam", f"one {number}")
    child = text.worktree("two", "one")
    edit(child, 20, "two 20")
    child.ok("commit", "-qam", "two 20")
    text.ok("cherry-pick", "one~1", GIT_COMMITTER_DATE="2026-01-03T00:00:00Z")
    edit(text, 10, "base went on")
    text.ok("commit", "-qam", "between")
    text.ok("cherry-pick", "one", GIT_COMMITTER_DATE="2026-01-03T00:00:00Z")
    wanted = onto(child, "one")
    child.synced("sync")
    assert tree_of(child) == wanted
    assert child.read("f.txt").splitlines()[10] == "base went on"


def test_base_took_a_commit_in_pieces_and_went_on_meanwhile(text: Tree) -> None:
    parent = text.worktree("one")
    edit(parent, 3, "one 3")
    parent.write("one.txt", "one\n")
    parent.ok("add", ".")
    parent.ok("commit", "-qm", "one")
    child = text.worktree("two", "one")
    child.commit("two.txt", "two\n")
    text.ok("checkout", "one", "--", "f.txt")
    text.ok("commit", "-qm", "a piece")
    edit(text, 3, "base went on")
    text.ok("commit", "-qam", "between")
    text.ok("checkout", "one", "--", "one.txt")
    text.ok("commit", "-qm", "the other piece")
    child.synced("sync")
    assert child.read("f.txt").splitlines()[3] == "base went on"
    assert child.read("two.txt") == "two\n"


def test_what_base_took_and_took_back_stays_away(text: Tree) -> None:
    _, child = stack(text, "one", "two")
    land(text, "one", "squash")
    text.ok("revert", "--no-edit", "HEAD")
    child.sync("sync")
    assert not (child.path / "one-4.txt").exists()
    assert (child.path / "two-5.txt").exists()


def test_the_rehearsal_and_the_landing_see_it_too(text: Tree) -> None:
    _, child = stack(text, "one", "two")
    land(text, "one", "squash")
    assert child.synced("sync", "--dry-run") == "main into two: clean"
    assert "two  would land" in text.synced("integrate", "--dry-run", "two")
    wanted = onto(child, "one")
    assert "two  landed" in text.synced("integrate", "two")
    assert tree_of(text) == wanted


@pytest.mark.parametrize("case", ["nothing in common", "one line both", "fresh", "merged"])
def test_no_other_branch_is_taken_for_such_a_child(text: Tree, case: str) -> None:
    one, two = stack(text, "one", "two")
    if case == "nothing in common":
        text.commit("other.txt", "x\n")
    elif case == "one line both":
        edit(text, 3, "base's own")
        text.ok("commit", "-qam", "other")
    elif case == "merged":
        text.ok("merge", "-q", "--no-ff", "--no-edit", "one")
    repo = around(text.environ, str(two.path))
    assert repo
    assert taken_by(repo, text.head(), two.head()) == ""
    assert taken_by(repo, text.head(), one.head()) == ""
