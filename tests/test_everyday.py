"""Everyday operations by people and agents, beside another's lock: what brings no new content to its path passes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import LINES, Stage, Tree


def edit(tree: Tree, line: int, text: str) -> None:
    rows = tree.read("f.txt").splitlines()
    rows[line] = text
    tree.write("f.txt", "\n".join(rows) + "\n")


def amend(tree: Tree, main: Tree) -> None:
    tree.ok("commit", "-q", "--amend", "-m", "better words")


def squash(tree: Tree, main: Tree) -> None:
    tree.ok("reset", "-q", "--soft", "HEAD~2")
    tree.ok("commit", "-qm", "both in one")


def rebase(tree: Tree, main: Tree) -> None:
    tree.ok("rebase", "-q", "main")


def rebase_apply(tree: Tree, main: Tree) -> None:
    tree.ok("rebase", "-q", "--apply", "main")


def merge(tree: Tree, main: Tree) -> None:
    tree.ok("merge", "-q", "--no-edit", "main")


def merge_squash(tree: Tree, main: Tree) -> None:
    tree.ok("merge", "-q", "--squash", "main")
    tree.ok("commit", "-qm", "base, squashed in")


def pick_from_base(tree: Tree, main: Tree) -> None:
    tree.ok("cherry-pick", "main")


def pick_without_commit(tree: Tree, main: Tree) -> None:
    tree.ok("cherry-pick", "-n", "main")
    tree.ok("commit", "-qm", "what base has")


def patch_from_base(tree: Tree, main: Tree) -> None:
    (tree.path.parent / "patch").write_text(main.ok("format-patch", "-1", "--stdout") + "\n")
    tree.ok("am", "-q", "--3way", str(tree.path.parent / "patch"))


def octopus(tree: Tree, main: Tree) -> None:
    main.ok("branch", "side", "main~1")
    tree.ok("merge", "-q", "--no-edit", "main", "side")


def unrelated(tree: Tree, main: Tree) -> None:
    made = tree.ok("commit-tree", "-m", "vendor", EMPTY)
    tree.ok("branch", "vendor", made)
    tree.ok("merge", "-q", "--no-edit", "--allow-unrelated-histories", "vendor")


EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def intent_to_add(tree: Tree, main: Tree) -> None:
    tree.write("planned.txt", "x\n")
    tree.ok("add", "-N", "planned.txt")
    assert tree.commit("other.txt", "x\n").code == 0


def revert_own(tree: Tree, main: Tree) -> None:
    assert tree.commit("own.txt", "x\n").code == 0
    tree.ok("revert", "--no-edit", "HEAD")


def checkout_and_back(tree: Tree, main: Tree) -> None:
    branch = tree.ok("branch", "--show-current")
    tree.ok("switch", "-q", "-c", "elsewhere", "main")
    tree.ok("switch", "-q", branch)
    assert tree.commit("own.txt", "x\n").code == 0


def reset_and_go_on(tree: Tree, main: Tree) -> None:
    tree.ok("reset", "-q", "--hard", "HEAD~1")
    assert tree.commit("own.txt", "x\n").code == 0


OPERATIONS: list[Callable[[Tree, Tree], None]] = [
    amend, squash, rebase, rebase_apply, merge, merge_squash, pick_from_base, pick_without_commit, patch_from_base,
    octopus, unrelated, intent_to_add, revert_own, checkout_and_back, reset_and_go_on,
]  # fmt: skip


@pytest.fixture
def base(main: Tree, stage: Stage) -> Tree:
    """Base with a file of thirty lines."""
    stage.step("everyday", lambda: main.commit("f.txt", "\n".join(LINES) + "\n", "a file of many lines"))
    return main


@pytest.mark.parametrize("changed_before", [True, False], ids=["changed-before", "not-changed"])
@pytest.mark.parametrize("who", ["agent", "person"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__)
def test_nothing_is_refused_that_brings_no_new_content_to_anothers_path(
    base: Tree, stage: Stage, who: str, operation: Callable[[Tree, Tree], None], changed_before: bool
) -> None:
    """Base changed the locked path meanwhile; the branch perhaps did before the lock, elsewhere in the file."""
    holder = base.worktree("holder")
    tree = base.worktree("worker") if who == "agent" else base
    stage.step(f"{who}-{changed_before}", lambda: lock_after_work(base, holder, tree, who, changed_before))
    operation(tree, holder if who == "person" else base)
    assert tree.ok("status", "--porcelain", "--untracked-files=no") in ("", "A planned.txt")


def lock_after_work(base: Tree, holder: Tree, tree: Tree, who: str, changed_before: bool) -> None:
    if who == "person":
        base.ok("switch", "-q", "-c", "worker")
    for number in (3, 5):
        if changed_before:
            edit(tree, number, f"worker {number}")
        tree.write(f"work-{number}.txt", "x\n")
        tree.ok("add", ".")
        tree.ok("commit", "-qm", f"work {number}")
    lander = holder if who == "person" else base
    edit(lander, 20, "landed")
    if who == "person":
        holder.ok("commit", "-qam", "landed")
        holder.unhooked("update-ref", "refs/heads/main", holder.head())
    else:
        base.ok("commit", "-qam", "landed")
        holder.ok("merge", "-q", "--ff-only", "main")
    holder.synced("lock", "f.txt", "planned.txt")
