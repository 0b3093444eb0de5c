"""Landed is a state of a branch: by merge, fast-forward, squash or rebase, also after base went on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import LINES, Tree
from test_landing import configure

from agentsync.git.landed import EMPTY, FAST_FORWARD, MERGE, REBASE, SQUASH, Landed, landed, worktree_landed
from agentsync.git.refs import worktrees
from agentsync.git.repo import Repo


def repo_of(tree: Tree) -> Repo:
    return Repo(str(tree.path), str(tree.path / ".git"), str(tree.path / ".git"), tree.environ)


def how(tree: Tree, branch: str, base: str = "main") -> Landed:
    return landed(repo_of(tree), [tree.ok("rev-parse", base)], tree.ok("rev-parse", branch))


def lines_with(**changed: str) -> str:
    """Thirty lines, some of them changed: `l3="x"`."""
    rows = list(LINES)
    for key, text in changed.items():
        rows[int(key[1:])] = text
    return "\n".join(rows) + "\n"


@pytest.fixture
def branch(bare_tree: Tree) -> Tree:
    """Two commits of branch `one` on two files; `main` is checked out."""
    tree = bare_tree
    tree.commit("f.txt", lines_with())
    tree.ok("switch", "-q", "-c", "one")
    tree.commit("f.txt", lines_with(l3="ONE"), "first")
    tree.commit("new.txt", "new\n", "second")
    tree.ok("switch", "-q", "main")
    return tree


def go_on(tree: Tree) -> None:
    """Base changes the same line and removes the other file."""
    tree.commit("f.txt", lines_with(l3="BASE WENT ON"), "on")
    tree.ok("rm", "-q", "new.txt")
    tree.ok("commit", "-qm", "and on")


def squash(tree: Tree) -> None:
    tree.ok("merge", "-q", "--squash", "one")
    tree.ok("commit", "-qm", "one (#1)")


def merged(tree: Tree) -> None:
    tree.ok("merge", "-q", "--no-ff", "--no-edit", "one")


def forwarded(tree: Tree) -> None:
    tree.ok("merge", "-q", "--ff-only", "one")


def rebased(tree: Tree) -> None:
    tree.commit("f.txt", lines_with(l20="BASE"), "elsewhere in the file")
    tree.ok("cherry-pick", "main~1..one")


def squashed_over_other_lines(tree: Tree) -> None:
    tree.commit("f.txt", lines_with(l20="BASE"), "elsewhere in the file")
    squash(tree)


def picked_apart(tree: Tree) -> None:
    tree.ok("checkout", "one", "--", "new.txt")
    tree.ok("commit", "-qm", "one half")
    tree.ok("checkout", "one", "--", "f.txt")
    tree.ok("commit", "-qm", "the other half")


WAYS = [
    (merged, MERGE),
    (forwarded, FAST_FORWARD),
    (squash, SQUASH),
    (squashed_over_other_lines, SQUASH),
    (rebased, REBASE),
    (picked_apart, SQUASH),
]


@pytest.mark.parametrize(("land", "name"), WAYS, ids=[way.__name__ for way, _ in WAYS])
@pytest.mark.parametrize("went_on", [False, True], ids=["at once", "base went on"])
def test_a_branch_has_landed_whichever_way_it_went(branch: Tree, land, name: str, went_on: bool) -> None:
    assert not how(branch, "one").is_landed
    land(branch)
    if went_on:
        go_on(branch)
    found = how(branch, "one").how
    assert found in ({name} if went_on or name != SQUASH else {name, EMPTY})


def test_half_of_a_branch_has_not_landed(branch: Tree) -> None:
    branch.ok("cherry-pick", "one~1")
    assert not how(branch, "one").is_landed
    go = branch.path / "new.txt"
    go.write_text("other\n", encoding="utf-8")
    branch.ok("add", ".")
    branch.ok("commit", "-qm", "the other file, otherwise")
    assert not how(branch, "one").is_landed


def test_work_after_the_landing_has_not_landed(branch: Tree) -> None:
    squash(branch)
    branch.ok("switch", "-q", "one")
    branch.commit("f.txt", lines_with(l3="ONE", l10="MORE"), "more")
    branch.ok("switch", "-q", "main")
    assert how(branch, "one") == Landed()
    assert how(branch, "one~1").how == SQUASH


def test_the_executable_bit_counts(branch: Tree) -> None:
    branch.ok("switch", "-q", "one")
    (branch.path / "new.txt").chmod(0o755)
    branch.ok("commit", "-qam", "executable")
    branch.ok("switch", "-q", "main")
    branch.ok("merge", "-q", "--squash", "one~1")
    branch.ok("commit", "-qm", "without the bit")
    assert not how(branch, "one").is_landed


def test_what_a_merge_of_base_resolved_is_not_taken_for_a_patch_that_base_has(branch: Tree) -> None:
    """All plain commits of the branch are on base; what its merge commit changed is not."""
    branch.ok("cherry-pick", "main..one")
    branch.ok("switch", "-q", "one")
    branch.ok("merge", "-q", "--no-commit", "main~1")
    branch.write("evil.txt", "made in the merge\n")
    branch.ok("add", ".")
    branch.ok("commit", "-qm", "merge")
    branch.ok("switch", "-q", "main")
    assert not how(branch, "one").is_landed


def test_a_deletion_is_not_landed_by_what_base_had_before_the_fork(bare_tree: Tree) -> None:
    """Base's own line had no such file before a merge brought it; the branch from the merged side removes it."""
    bare_tree.ok("switch", "-q", "-c", "side")
    bare_tree.commit("brought.txt", "x\n")
    bare_tree.ok("switch", "-q", "main")
    bare_tree.ok("merge", "-q", "--no-ff", "--no-edit", "side")
    bare_tree.ok("switch", "-q", "-c", "one", "side")
    bare_tree.ok("rm", "-q", "brought.txt")
    bare_tree.ok("commit", "-qm", "remove it")
    bare_tree.ok("switch", "-q", "main")
    assert not how(bare_tree, "one").is_landed


def test_what_git_cannot_tell_is_an_answer_of_its_own_and_is_not_kept(branch: Tree) -> None:
    (branch.path / ".git/agentsync").mkdir()
    tree_id = branch.ok("rev-parse", "one^{tree}")
    lost = branch.path / ".git/objects" / tree_id[:2] / tree_id[2:]
    content = lost.read_bytes()
    lost.chmod(0o644)
    lost.unlink()
    found = how(branch, "one")
    assert not found.is_landed
    assert found.is_unknown
    assert not (branch.path / ".git/agentsync/landed.json").exists()
    lost.write_bytes(content)
    assert how(branch, "one") == Landed()
    squash(branch)
    assert how(branch, "one").is_landed, "what was kept was about another base"


def test_a_shallow_clone_cannot_tell(branch: Tree, tmp_path: Path) -> None:
    squash(branch)
    branch.ok("clone", "-q", "--depth", "1", "--no-single-branch", f"file://{branch.path}", str(tmp_path / "s"))
    shallow = Tree(tmp_path / "s", branch.environ)
    found = how(shallow, "origin/one", "origin/main")
    assert not found.is_landed
    assert "shallow" in found.why


def test_a_worktree_where_nothing_was_committed_has_not_landed(main: Tree) -> None:
    fresh, one = main.worktree("fresh"), main.worktree("one")
    one.commit("a.txt", "a\n")
    main.ok("merge", "-q", "--ff-only", "one")
    fresh.ok("merge", "-q", "--ff-only", "main")
    repo, tips = repo_of(main), [main.head()]
    found = {each.id: worktree_landed(repo, tips, each).how for each in worktrees(repo)}
    assert (found["fresh"], found["one"]) == ("", FAST_FORWARD)


def rows_of(main: Tree) -> dict[str, dict[str, object]]:
    rows = json.loads(main.synced("worktree", "list", "--json"))["data"]["worktrees"]
    return {row["worktree"]: row for row in rows}


@pytest.fixture
def after_squash(text: Tree) -> tuple[Tree, Tree, Tree]:
    """Branch one is squash-landed, and base goes on in the same line; branch two has work of its own."""
    one, two = text.worktree("one"), text.worktree("two")
    for tree, line in ((one, 3), (two, 20)):
        rows = list(LINES)
        rows[line] = tree.path.name
        assert tree.commit("f.txt", "\n".join(rows) + "\n", f"work of {tree.path.name}").code == 0
    text.ok("merge", "-q", "--squash", "one")
    text.ok("commit", "-qm", "one (#1)")
    rows = text.read("f.txt").splitlines()
    rows[3] = "base went on"
    assert text.commit("f.txt", "\n".join(rows) + "\n", "base goes on").code == 0
    return text, one, two


def test_all_commands_agree_that_a_branch_has_landed(after_squash: tuple[Tree, Tree, Tree]) -> None:
    main, one, _ = after_squash
    rows = rows_of(main)
    assert (rows["one"]["landed"], rows["two"]["landed"], rows[".main"]["landed"]) == (SQUASH, None, None)
    assert [line for line in main.synced("status").splitlines() if "landed (squash)" in line]
    assert main.sync("forecast").code == 0, "a side of which base has all is no side"
    done = main.synced("integrate", "--dry-run", "one")
    assert "one  nothing to land" in done
    assert "one" not in [line.split()[0] for line in main.sync("integrate", "--dry-run").out.splitlines()]
    done = main.sync("worktree", "remove", "one")
    assert done.code == 0, done
    assert "base has its changes, not its commits (git branch -D one)" in done.err
    assert not one.path.exists()


def test_a_landed_branch_is_none_that_waits_to_land(after_squash: tuple[Tree, Tree, Tree]) -> None:
    main, one, two = after_squash
    main.commit("TASKS.md", "- [ ] **T-1** First\n\n- [ ] **T-2** Second\n")
    configure(main, tasks_limit="1")
    done = two.sync("task", "next")
    assert "1 branches wait to land" in done.err
    main.ok("merge", "-q", "--squash", "two")
    main.ok("commit", "-qm", "two (#2)")
    assert one.synced("task", "next").startswith("T-1")


# worktree prune


def test_prune_removes_what_has_landed_and_is_clean_and_nothing_else(after_squash: tuple[Tree, Tree, Tree]) -> None:
    main, one, two = after_squash
    for name in ("forward", "dirty", "detached", "busy", "fresh"):
        tree = Tree(Path(main.synced("worktree", "add", name)), main.environ)
        if name != "fresh":
            tree.commit(f"{name}.txt", "x\n")
            main.ok("merge", "-q", "--no-edit", name)
    trees = {name: Tree(main.path.parent / "main.worktrees" / name, main.environ) for name in
             ("forward", "dirty", "detached", "busy", "fresh")}  # fmt: skip
    trees["dirty"].write("untracked.txt", "x\n")
    trees["detached"].ok("switch", "-q", "--detach")
    trees["detached"].commit("more.txt", "x\n")
    trees["busy"].synced("task", "claim", "LIN-1", "--files", "x")
    shown = one.synced("worktree", "prune", "--dry-run")
    assert f"would remove {trees['forward'].path}" in shown
    assert all(tree.path.exists() for tree in trees.values())
    out = one.synced("worktree", "prune").splitlines()
    assert f"removed {trees['forward'].path} and branch forward" in out
    kept = {line.split(":")[0].removeprefix("kept "): line.split(": ", 1)[1] for line in out if line.startswith("kept")}
    assert kept["one"] == "you are in it"
    assert "has not landed on main" in kept["two"]
    assert "uncommitted changes, such as untracked.txt" in kept["dirty"]
    assert "no branch has" in kept["detached"]
    assert kept["busy"] == "its task LIN-1 is not done"
    assert kept["fresh"] == "nothing was committed in it yet"
    assert len(kept) == 6
    assert not trees["forward"].path.exists()
    assert all(tree.path.exists() for name, tree in trees.items() if name != "forward")
    rows = json.loads(main.synced("worktree", "prune", "--json"))["data"]["worktrees"]
    assert {row["worktree"] for row in rows if row["removed"]} == {"one"}
    assert not one.path.exists()
    assert main.ok("branch", "--list", "one") != "", "base has its changes, not its commits"
    assert two.path.exists()
