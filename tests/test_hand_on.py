"""A lock handed on is fresh: whoever gets it has the last version, however work lands."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from conftest import Tree

from agentsync.git.repo import Repo
from agentsync.git.trees import edited_tree
from agentsync.locks.model import chain_place
from agentsync.state.store import Change, Snapshot, Store


def change_under_lock(tree: Tree, text: str) -> str:
    tree.synced("lock", "shared.txt")
    tree.write("shared.txt", text)
    tree.ok("commit", "-qam", f"set {text.split()[0]}")
    commit = tree.head()
    tree.synced("unlock", "shared.txt")
    return commit


def test_the_next_holder_must_bring_in_the_last_version(one: Tree, two: Tree) -> None:
    commit = change_under_lock(one, "ONE\ntwo\nthree\n")
    done = two.sync("lock", "shared.txt")
    assert done.code == 1
    assert done.err.strip().splitlines() == [
        "agentsync: shared.txt has a newer version than this branch",
        f"  one@one committed it under its lock: {commit[:12]} in branch one",
        "  git merge one",
    ]
    two.ok("merge", "-q", "one")
    done = two.sync("lock", "shared.txt")
    assert (done.code, done.err) == (0, ""), "nothing is to be told of a change that is here already"


@pytest.mark.parametrize("landing", ["merge", "squash", "rebase"])
def test_landing_moves_the_hand_on_into_base(main: Tree, one: Tree, two: Tree, landing: str) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    main.commit("unrelated.txt", "x\n")
    if landing == "merge":
        main.ok("merge", "-q", "--no-ff", "--no-edit", "one")
    elif landing == "squash":
        main.ok("merge", "-q", "--squash", "one")
        main.ok("commit", "-qm", "squashed")
    else:
        one.ok("rebase", "-q", "main")
        main.ok("merge", "-q", "--ff-only", "one")
    assert main.read("shared.txt").startswith("ONE")
    done = two.sync("lock", "shared.txt")
    assert done.code == 1, done
    assert "git merge main" in done.err
    two.ok("merge", "-q", "--no-edit", "main")
    two.synced("lock", "shared.txt")


def test_a_squash_landing_is_found_though_base_has_moved_on(main: Tree, one: Tree, two: Tree) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    main.ok("merge", "-q", "--squash", "one")
    main.ok("commit", "-qm", "squashed")
    main.write("shared.txt", "ONE\ntwo\nTHREE\n")
    main.ok("commit", "-qam", "and on")
    done = two.sync("lock", "shared.txt")
    assert done.err.strip().splitlines()[-1] == "  git merge main"


def test_a_chain_that_nobody_lacks_is_gone(main: Tree, one: Tree, two: Tree) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    main.ok("merge", "-q", "--no-edit", "one")
    two.ok("merge", "-q", "--no-edit", "main")
    one.synced("status")
    tree = main.ok("--git-dir", str(main.path / ".git/agentsync/store.git"), "ls-tree", "-r", "--name-only", "state")
    assert "chains/" not in tree


def test_a_version_that_no_branch_has_any_more_only_warns(one: Tree, two: Tree) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    one.ok("reset", "-q", "--hard", "HEAD~1")
    done = two.sync("lock", "shared.txt")
    assert done.code == 0, done
    assert "no live branch" in done.err


def test_a_rebased_version_is_still_known(main: Tree, one: Tree, two: Tree) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    main.commit("unrelated.txt", "x\n")
    one.ok("rebase", "-q", "main")
    done = two.sync("lock", "shared.txt")
    assert f"{one.head()[:12]} in branch one" in done.err
    two.ok("merge", "-q", "one")
    two.synced("lock", "shared.txt")


def test_the_grant_names_who_else_touches_the_path(one: Tree, two: Tree) -> None:
    two.write("shared.txt", "uncommitted\n")
    done = one.sync("lock", "shared.txt")
    assert done.code == 0
    assert f"note: shared.txt: uncommitted edits in worktree two ({two.path})" in done.err


def test_unlock_with_uncommitted_edits_is_refused(one: Tree) -> None:
    one.synced("lock", "shared.txt")
    one.write("shared.txt", "half done\n")
    done = one.sync("unlock", "shared.txt")
    assert done.code == 1
    assert "uncommitted edits" in done.err


def test_an_exclusive_path_is_locked_by_its_commit_alone(bare_tree: Tree) -> None:
    bare_tree.synced("init", "--yes")
    settings = bare_tree.read("agentsync.toml").replace("exclusive = []", 'exclusive = ["shared.txt"]')
    bare_tree.write("agentsync.toml", settings)
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    assert one.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    assert "shared.txt" not in one.synced("lock")  # over as soon as the branch had moved
    done = two.commit("shared.txt", "one\ntwo\nTHREE\n")
    assert done.code != 0
    assert "shared.txt has a newer version than this branch" in done.err
    two.ok("reset", "-q", "--hard")
    two.ok("merge", "-q", "one")
    assert two.commit("shared.txt", "ONE\ntwo\nTHREE\n").code == 0


def test_squash_landed_work_merges_clean_with_the_lineage(main: Tree, one: Tree, two: Tree) -> None:
    """Without the chain git has no common version and conflicts: the test fails without the driver."""
    change_under_lock(one, "ONE\ntwo\nthree\n")
    two.ok("merge", "-q", "one")
    change_under_lock(two, "ONE two\ntwo\nthree\n")
    main.ok("merge", "-q", "--squash", "one")
    main.ok("commit", "-qm", "squashed one")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.read("shared.txt") == "ONE two\ntwo\nthree\n"


def test_a_change_of_an_exclusive_path_outside_its_lock_is_named(bare_tree: Tree) -> None:
    one = bare_tree.worktree("one")
    one.write("shared.txt", "before agentsync\n")
    one.ok("commit", "-qam", "stray")
    bare_tree.synced("init", "--yes")
    settings = bare_tree.read("agentsync.toml").replace("exclusive = []", 'exclusive = ["shared.txt"]')
    bare_tree.write("agentsync.toml", settings)
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    two = bare_tree.worktree("two")
    done = two.commit("shared.txt", "two\n")
    assert done.code != 0
    assert "shared.txt was changed outside of its lock" in done.err
    assert done.err.strip().splitlines()[2].strip() == "git merge --autostash one"


def test_a_sha256_repository(tmp_path: Path, bare_tree: Tree) -> None:
    """Ids are 64 digits long there; the store's own stay 40."""
    place = tmp_path / "sha256" / "main"
    place.mkdir(parents=True)
    main = Tree(place, bare_tree.environ)
    main.ok("init", "-q", "-b", "main", "--object-format=sha256")
    main.ok("config", "user.name", "Dev")
    main.ok("config", "user.email", "dev@example.com")
    main.write("shared.txt", "one\ntwo\nthree\n")
    main.synced("init", "--yes")
    main.ok("add", ".")
    main.ok("commit", "-qm", "start")
    one, two = main.worktree("one"), main.worktree("two")
    commit = change_under_lock(one, "ONE\ntwo\nthree\n")
    assert len(commit) == 64
    assert "git merge one" in two.sync("lock", "shared.txt").err
    two.ok("merge", "-q", "one")
    change_under_lock(two, "ONE two\ntwo\nthree\n")
    main.ok("merge", "-q", "--squash", "one")
    main.ok("commit", "-qm", "squashed")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.read("shared.txt") == "ONE two\ntwo\nthree\n"
    repo = Repo(str(main.path), str(main.path / ".git"), str(main.path / ".git"), main.environ)
    assert b"shared.txt" not in repo.git("ls-tree", edited_tree(repo, "HEAD", {b"shared.txt": None})).out


def test_an_exclusive_paths_chain_ends_too(bare_tree: Tree) -> None:
    """Nobody unlocks an exclusive path by hand, so its chain must end by landing alone."""
    bare_tree.synced("init", "--yes")
    settings = bare_tree.read("agentsync.toml").replace("exclusive = []", 'exclusive = ["shared.txt"]')
    bare_tree.write("agentsync.toml", settings)
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    one = bare_tree.worktree("one")
    assert one.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    bare_tree.ok("merge", "-q", "--no-edit", "one")
    bare_tree.synced("status")
    store = str(bare_tree.path / ".git/agentsync/store.git")
    assert "chains/" not in bare_tree.ok("--git-dir", store, "ls-tree", "-r", "--name-only", "state")
    assert one.commit("shared.txt", "ONE two\ntwo\nthree\n").code == 0


@pytest.mark.parametrize(("days", "code"), [(6.9, 1), (7.1, 0)])
def test_a_hand_on_of_more_than_seven_days_only_warns(main: Tree, one: Tree, two: Tree, days: float, code: int) -> None:
    change_under_lock(one, "ONE\ntwo\nthree\n")
    store = Store(str(main.path / ".git/agentsync"), main.environ)
    place = chain_place(b"shared.txt")

    def age(snapshot: Snapshot) -> Change:
        known = snapshot.get(place)
        assert known is not None
        return Change("age", "test", {place: {**known, "handed": int(time.time() - days * 86400)}})

    store.swap(age)
    done = two.sync("lock", "shared.txt")
    assert done.code == code
    assert "has a newer version than this branch" in done.err
