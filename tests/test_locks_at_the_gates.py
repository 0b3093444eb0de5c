"""What a lock stops, whatever git command is used, and what it must not stop."""

from __future__ import annotations

import pytest
from conftest import Tree


def hold(tree: Tree, path: str = "shared.txt") -> None:
    tree.synced("lock", path, "--reason", "moving things")


def test_a_refusal_says_what_who_until_when_and_what_to_type(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    hold(one)
    two.write("shared.txt", "two's\n")
    done = two.refused("commit", "-qam", "x")
    lines = done.err.strip().splitlines()
    assert lines[0].startswith("agentsync: refused: shared.txt is locked by one@one, since ")
    assert "until " in lines[0]
    assert lines[0].endswith('reason "moving things"')
    assert lines[1:] == [
        "  wait for it, or take other work:",
        "  agentsync lock shared.txt --wait",
        "  agentsync task next --claim",
    ]


@pytest.mark.parametrize(
    "words", [["commit", "-qam", "x"], ["commit", "-qanm", "x"], ["commit", "-qm", "x", "shared.txt"]]
)
def test_no_form_of_commit_gets_past_a_lock(one: Tree, two: Tree, words: list[str]) -> None:
    hold(one)
    before = two.head()
    two.write("shared.txt", "two's\n")
    two.refused(*words)
    assert two.head() == before
    assert two.read("shared.txt") == "two's\n"


def test_a_commit_that_leaves_the_locked_path_out_passes(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "not this one\n")
    two.ok("add", "shared.txt")
    two.write("other.txt", "this one\n")
    two.ok("add", "other.txt")
    two.ok("commit", "-qm", "partial", "--", "other.txt")


def test_plumbing_is_no_way_round(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "two's\n")
    two.ok("add", "shared.txt")
    tree = two.ok("write-tree")
    commit = two.ok("commit-tree", tree, "-p", "HEAD", "-m", "sneaked")
    two.refused("update-ref", "refs/heads/two", commit)
    two.refused("reset", "-q", "--soft", commit)
    two.refused("push", "-q", ".", f"{commit}:refs/heads/one")


def test_an_amend_is_judged_like_a_commit(one: Tree, two: Tree) -> None:
    two.commit("mine.txt", "x\n")
    hold(one)
    two.write("shared.txt", "two's\n")
    two.refused("commit", "-qa", "--amend", "--no-edit")
    two.refused("commit", "-qa", "--amend", "--no-edit", "--no-verify")
    two.ok("commit", "-q", "--amend", "-m", "only the words", "--", "mine.txt")


def test_deleting_and_renaming_need_the_lock_too(one: Tree, two: Tree) -> None:
    hold(one)
    two.ok("rm", "-q", "shared.txt")
    two.refused("commit", "-qm", "gone")
    two.ok("reset", "-q", "--hard")
    two.ok("mv", "shared.txt", "moved.txt")
    two.refused("commit", "-qm", "moved")


def test_a_locked_folder_covers_what_is_inside(one: Tree, two: Tree) -> None:
    hold(one, "src")
    done = two.commit("src/new.py", "x = 1\n")
    assert done.code == 1
    assert "src is locked by one@one" in done.err


def test_a_fast_forward_brings_only_judged_work(main: Tree, one: Tree, two: Tree) -> None:
    stray = main.worktree("stray")
    stray.commit("shared.txt", "stray\n", "x", AGENTSYNC="0")
    hold(one)
    done = two.refused("merge", "-q", "--ff-only", "stray")
    assert "git reset --merge" in done.err
    two.ok("reset", "-q", "--merge")
    assert two.read("shared.txt") == "one\ntwo\nthree\n"


def test_cherry_picks_of_others_changes_to_a_locked_path_are_refused(main: Tree, one: Tree, two: Tree) -> None:
    main.ok("switch", "-q", "-c", "side")
    main.write("shared.txt", "side\n")
    main.unhooked("commit", "-qam", "side")
    main.ok("switch", "-q", "main")
    hold(one)
    before = two.head()
    assert "shared.txt is locked by one@one" in two.refused("cherry-pick", "side").err
    assert two.head() == before
    two.git("cherry-pick", "--abort")
    assert "shared.txt is locked by one@one" in two.refused("merge", "-q", "--ff-only", "side").err
    assert two.head() == before


def test_the_holder_merges_pulls_and_rebases_freely(main: Tree, one: Tree, two: Tree) -> None:
    two.commit("b.txt", "b\n")
    hold(one)
    assert one.commit("shared.txt", "one's\ntwo\nthree\n").code == 0
    assert main.commit("base.txt", "base\n").code == 0
    one.ok("rebase", "-q", "main")
    one.ok("merge", "-q", "--no-edit", "two")
    one.ok("commit", "-q", "--amend", "-m", "other words")
    one.ok("stash", "list")


def test_others_may_merge_what_the_holder_committed(one: Tree, two: Tree) -> None:
    hold(one)
    assert one.commit("shared.txt", "one's\ntwo\nthree\n").code == 0
    two.commit("b.txt", "b\n")
    two.ok("merge", "-q", "--no-edit", "one")
    assert two.read("shared.txt") == "one's\ntwo\nthree\n"


def test_base_with_the_holders_work_reaches_everybody(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    one.commit("shared.txt", "one's\ntwo\nthree\n")
    main.ok("merge", "-q", "--no-ff", "--no-edit", "one")
    two.commit("b.txt", "b\n")
    two.ok("rebase", "-q", "main")
    assert two.read("shared.txt") == "one's\ntwo\nthree\n"


def test_own_earlier_changes_survive_a_rebase_while_another_holds_the_lock(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\ntwo\nTHREE\n")
    two.ok("commit", "-qam", "before the lock")
    hold(one)
    main.commit("base.txt", "base\n")
    two.ok("rebase", "-q", "main")
    two.ok("commit", "-q", "--amend", "-m", "other words")


def test_everyday_commands_are_left_alone(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    two.commit("b.txt", "1\n")
    two.commit("b.txt", "2\n")
    two.write("b.txt", "dirty\n")
    two.ok("stash", "push", "-q")
    two.ok("stash", "pop", "-q")
    two.ok("reset", "-q", "--hard", "HEAD~1")
    two.ok("bisect", "start", "HEAD", "HEAD~1")
    two.ok("bisect", "reset")
    two.ok("branch", "copy")
    two.ok("branch", "-D", "copy")
    two.ok("switch", "-q", "-c", "another")
    two.ok("switch", "-q", "two")
    two.ok("gc", "-q")
    two.ok("pack-refs", "--all")
    assert two.commit("b.txt", "3\n").code == 0


def test_a_person_overrides_with_a_reason_that_is_written_down(main: Tree, one: Tree) -> None:
    hold(one)
    main.write("shared.txt", "person\n")
    done = main.refused("commit", "-qam", "x")
    assert "AGENTSYNC_ALLOW='why' git commit" in done.err
    assert main.git("commit", "-qam", "urgent", AGENTSYNC_ALLOW="production is down").code == 0
    assert "Agentsync-Allow: production is down" in main.ok("log", "-1", "--format=%B")
    assert main.synced("log").count("override: reason production is down") == 1
    two = main.synced("check", "--range", "HEAD~1..HEAD")
    assert "production is down" in two


def test_an_agent_has_no_override(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "two's\n")
    assert "this worktree is an agent's" in two.refused("commit", "-qam", "x", AGENTSYNC_ALLOW="please").err
    done = two.refused("commit", "-qam", "x", AGENTSYNC_ALLOW="please", CLAUDECODE="1")
    assert "does not count" in done.err


def test_a_merge_of_others_work_names_no_agent(main: Tree, one: Tree, two: Tree) -> None:
    for tree in (one, two):
        tree.commit(f"{tree.path.name}.txt", "x\n")
    two.ok("merge", "-q", "--no-edit", "one")
    assert "Agent:" not in two.ok("log", "-1", "--format=%B")


def test_trailers_name_the_agent_once(one: Tree) -> None:
    one.commit("a.txt", "1\n")
    assert one.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"
    one.ok("commit", "-q", "--amend", "--no-edit")
    assert one.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"


def test_a_gate_touches_no_unstaged_change(one: Tree) -> None:
    one.write("shared.txt", "unstaged\n")
    one.commit("a.txt", "1\n")
    assert one.read("shared.txt") == "unstaged\n"
    assert one.ok("status", "--porcelain") == "M shared.txt"


def test_a_worktrees_lock_ends_when_the_worktree_is_removed(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    main.ok("worktree", "remove", "--force", str(one.path))
    assert two.commit("shared.txt", "two's\n").code == 0


def test_hooks_switched_off_are_noticed_at_the_next_commit(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked")
    done = two.commit("b.txt", "b\n")
    assert done.code != 0
    assert "shared.txt is locked by one@one" in done.err


def test_a_person_is_not_blocked_for_not_being_an_agent(main: Tree) -> None:
    assert main.commit("new.txt", "x\n").code == 0
    assert main.ok("log", "-1", "--format=%(trailers)") == ""


@pytest.mark.parametrize("name", ["../x", "a/b", "\x1b[2J", "human:boss", "x" * 200])
def test_no_name_gets_past_a_gate(one: Tree, two: Tree, name: str) -> None:
    hold(one)
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x", AGENTSYNC_AGENT=name, CLAUDECODE="1")
    two.refused("commit", "-qanm", "x", AGENTSYNC_AGENT=name, CLAUDECODE="1")


def test_work_judged_before_the_lock_lands_while_it_is_held(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\ntwo\nTHREE\n")
    two.ok("commit", "-qam", "before the lock")
    done = one.sync("lock", "shared.txt")
    assert "unlanded commit" in done.err
    main.ok("merge", "-q", "--no-edit", "two")


def test_a_root_commit_on_anothers_path_is_refused(one: Tree, two: Tree) -> None:
    hold(one)
    two.ok("checkout", "-q", "--orphan", "apart")
    two.write("shared.txt", "evil\n")
    done = two.refused("commit", "-qam", "no parents")
    assert "could not decide" not in done.err


def test_thousands_of_files_of_base_under_anothers_lock_are_merged(main: Tree, one: Tree, two: Tree) -> None:
    """One process reads their modes, not one each."""
    two.commit("own.txt", "x\n")
    for number in range(3000):
        main.write(f"many/{number}.txt", f"{number}\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "many files")
    one.ok("merge", "-q", "--ff-only", "main")
    one.synced("lock", "many")
    two.ok("merge", "-q", "--no-edit", "main")


@pytest.mark.parametrize("how", ["subtree add", "read-tree"])
def test_a_history_of_its_own_may_have_a_locked_path_at_its_root(how: str, main: Tree, one: Tree, two: Tree) -> None:
    """A path in it names another file, until a merge brings it here under this name."""
    one.synced("lock", "shared.txt")
    other = library(main)
    before = two.head()
    if how == "subtree add":
        if "subtree" not in two.git("subtree", "-h").out + two.git("subtree", "-h").err:
            pytest.skip("git-subtree is not installed")
        two.ok("update-index", "-q", "--refresh")
        assert two.git("subtree", "add", "-q", "--prefix=vendor", str(other.path), "HEAD").code == 0
    else:
        two.ok("fetch", "-q", str(other.path), "HEAD")
        two.ok("merge", "-q", "-s", "ours", "--no-commit", "--allow-unrelated-histories", "FETCH_HEAD")
        two.ok("read-tree", "--prefix=vendor/", "-u", "FETCH_HEAD")
        two.ok("commit", "-qm", "the library")
    assert two.ok("diff", "--name-only", before, "HEAD") == "vendor/more.txt\nvendor/shared.txt"
    other_tip = other.head()
    # nothing of it vouches for that content under the locked name
    two.ok("checkout", other_tip, "--", "shared.txt")
    two.refused("commit", "-qm", "a version of it")
    two.ok("reset", "-q", "--hard")
    done = two.git("cherry-pick", other_tip)
    assert "shared.txt is locked" in done.err
    assert two.ok("diff", "--name-only", before, "HEAD") == "vendor/more.txt\nvendor/shared.txt"


def test_a_merge_of_a_history_of_its_own_changes_no_locked_path(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    other = library(main)
    two.ok("fetch", "-q", str(other.path), "HEAD")
    done = two.git("merge", "-q", "--no-edit", "-X", "theirs", "--allow-unrelated-histories", "FETCH_HEAD")
    assert done.code != 0
    assert "shared.txt is locked" in done.err


def library(main: Tree) -> Tree:
    """Another repository, with a file of the same name."""
    main.ok("init", "-q", "../library")
    other = Tree(main.path.parent / "library", main.environ)
    other.ok("config", "user.name", "Library")
    other.ok("config", "user.email", "library@example.com")
    assert other.commit("shared.txt", main.read("shared.txt")).code == 0
    assert other.commit("more.txt", "more\n").code == 0
    assert other.commit("shared.txt", main.read("shared.txt") + "the library's\n").code == 0
    return other


def test_thousands_of_files_below_ones_lock_are_decided(main: Tree, one: Tree, two: Tree) -> None:
    names = [f"many/{number}.txt" for number in range(3000)]
    for name in names:
        main.write(name, "1\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "many")
    one.ok("merge", "-q", "--ff-only", "main")
    one.synced("lock", "many")
    assert two.commit("a.txt", "a\n").code == 0
    two.ok("merge", "-q", "--no-edit", "main")
    for name in names:
        one.write(name, "2\n")
    one.ok("commit", "-qam", "all of them")
    chains = main.ok("--git-dir=.git/agentsync/store.git", "ls-tree", "-r", "--name-only", "state", "chains/many")
    assert len(chains.splitlines()) == 3000
