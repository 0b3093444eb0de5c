"""Ways past the gates that somebody tried, and refusals that were wrong: each once, so that it stays closed."""

from __future__ import annotations

import os
import shutil
import time
import zlib
from pathlib import Path

import pytest
from conftest import Done, Tree

from agentsync.config.load import in_force
from agentsync.git.repo import discover
from agentsync.migrations.numbers import reservations
from agentsync.migrations.series import all_series
from agentsync.state.store import Store
from agentsync.tasks.claims import claim_of, is_live


def hold(tree: Tree, path: str = "shared.txt") -> None:
    tree.synced("lock", path)


def test_work_on_an_older_version_is_never_taken_for_newer_than_all(main: Tree, one: Tree, two: Tree) -> None:
    """`hand_on = "warn"` lets two build on a version without the other's; neither side's lines may vanish."""
    text = main.read("agentsync.toml").replace('hand_on = "refuse"', 'hand_on = "warn"')
    assert main.commit("agentsync.toml", text).code == 0
    hold(one)
    assert one.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    one.synced("unlock", "shared.txt")
    two.synced("lock", "shared.txt")
    assert two.commit("shared.txt", "one\ntwo\nTHREE\n").code == 0
    two.synced("unlock", "shared.txt")
    main.ok("merge", "-q", "--no-edit", "one")
    main.git("merge", "-q", "--no-edit", "two")
    merged = main.read("shared.txt")
    assert "ONE" in merged
    assert "THREE" in merged


def test_a_change_made_with_hooks_off_is_not_laundered_by_an_amend(one: Tree, two: Tree) -> None:
    hold(one)
    two.commit("mine.txt", "x\n")
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked")
    two.refused("commit", "-q", "--amend", "-m", "clean")


def test_a_refusal_for_an_earlier_commit_names_it_and_how_to_drop_it(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked in")
    sneaked = two.head()
    two.write("b.txt", "b\n")
    two.ok("add", "b.txt")
    done = two.refused("commit", "-qm", "b")
    assert f'commit {sneaked[:12]} "sneaked in" brought it' in done.err
    command = next(line.strip() for line in done.err.splitlines() if "git rebase --autostash --onto" in line)
    two.ok(*command.split()[1:])
    two.ok("commit", "-qm", "b")


def test_putting_an_old_version_back_by_a_merge_needs_the_lock(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    assert one.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    main.ok("merge", "-q", "--no-edit", "one")
    two.commit("b.txt", "b\n")
    two.ok("merge", "-q", "--no-commit", "--no-ff", "main")
    two.ok("checkout", "-q", "HEAD", "--", "shared.txt")
    two.refused("commit", "-qm", "merge, as if")
    two.ok("merge", "--abort")
    main.ok("merge", "-q", "--no-commit", "--no-ff", "two")
    main.write("shared.txt", "one\ntwo\nthree\n")
    main.refused("commit", "-qam", "takes it back", CLAUDECODE="1")


def test_a_pick_of_what_no_gate_saw_does_not_vouch_for_itself(main: Tree, one: Tree, two: Tree) -> None:
    main.ok("switch", "-q", "-c", "side")
    main.write("shared.txt", "side\n")
    main.unhooked("commit", "-qam", "side")
    main.ok("switch", "-q", "main")
    hold(one)
    two.commit("b.txt", "b\n")
    two.refused("cherry-pick", "side")


def test_an_executable_bit_or_a_link_is_a_change_of_the_locked_path(one: Tree, two: Tree) -> None:
    hold(one)
    two.ok("update-index", "--chmod=+x", "shared.txt")
    two.refused("commit", "-qm", "mode")


def test_a_merge_that_git_makes_by_itself_edits_nothing(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\ntwo\nTHREE\n")
    two.ok("commit", "-qam", "before the lock")
    hold(one)
    assert one.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    main.ok("merge", "-q", "--no-edit", "one")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.read("shared.txt") == "ONE\ntwo\nTHREE\n"


def test_two_commits_squashed_into_one_pass_while_another_holds_the_lock(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("first.txt", "1\n")
    for text in ("ONE\ntwo\nthree\n", "ONE\nTWO\nthree\n"):
        two.write("shared.txt", text)
        two.ok("commit", "-qam", text[:3])
    hold(one)
    two.ok("reset", "-q", "--soft", "HEAD~2")
    two.ok("commit", "-qm", "both")


def test_a_commit_on_a_detached_head_joins_the_chain(main: Tree, one: Tree, two: Tree) -> None:
    one.ok("switch", "-q", "--detach")
    hold(one)
    assert one.commit("shared.txt", "detached\ntwo\nthree\n").code == 0
    one.synced("unlock", "shared.txt")
    done = two.sync("lock", "shared.txt")
    assert done.code == 1
    assert one.head()[:12] in done.err


def test_a_merges_subject_stays_its_subject(main: Tree, one: Tree) -> None:
    main.commit("base.txt", "1\n")
    one.commit("a.txt", "a\n")
    one.ok("merge", "-q", "--no-edit", "main")
    assert one.ok("log", "-1", "--format=%s") == "Merge branch 'main' into one"
    assert one.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "", "it is a merge of others' work"


def test_an_empty_message_stays_empty(one: Tree) -> None:
    one.write("a.txt", "a\n")
    one.ok("add", "a.txt")
    one.ok("commit", "-q", "--allow-empty-message", "-m", "")
    assert one.ok("log", "-1", "--format=%B") == ""


def test_a_lock_on_a_folder_names_the_staged_file(one: Tree, two: Tree) -> None:
    hold(one, "src")
    done = two.commit("src/new.py", "x = 1\n")
    assert "that covers src/new.py; to leave it out: git restore --staged src/new.py" in done.err


def test_a_refused_commit_after_a_stash_tells_nobody_to_reset(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "precious\n")
    two.ok("stash", "-q")
    two.ok("stash", "pop", "-q")
    assert "reset" not in two.refused("commit", "-qam", "x").err


def test_a_path_deeper_than_pythons_stack_is_judged_as_any_other(one: Tree, two: Tree) -> None:
    hold(one)
    blob = two.ok("hash-object", "-w", "shared.txt")
    two.ok("update-index", "--add", "--cacheinfo", f"100644,{blob},{'d/' * 1500}x")
    two.write("shared.txt", "sneaked\n")
    two.ok("add", "shared.txt")
    assert "is locked by one@one" in two.refused("commit", "-qm", "x").err
    assert one.synced("lock", "d/" * 1500 + "x").startswith("locked ")
    assert "d/d/d" in two.refused("commit", "-qm", "x").err
    assert one.synced("lock").count("since") == 2


def test_a_refused_revert_says_how_to_get_out(one: Tree, two: Tree) -> None:
    for text in ("two's\n", "two's own\n"):
        two.write("shared.txt", text)
        two.ok("commit", "-qam", "mine")
    hold(one)
    done = two.refused("revert", "--no-edit", "HEAD")
    assert "git reset --merge" in done.err
    two.ok("reset", "-q", "--merge")
    assert two.ok("status", "--porcelain") == ""


def test_a_refused_merge_says_how_to_get_out(main: Tree, one: Tree, two: Tree) -> None:
    stray = main.worktree("stray")
    stray.write("shared.txt", "stray\n")
    stray.unhooked("commit", "-qam", "stray")
    hold(one)
    two.commit("b.txt", "b\n")
    done = two.refused("merge", "-q", "--no-edit", "stray")
    assert "git merge --abort" in done.err
    two.ok("merge", "--abort")


def test_a_broken_configuration_on_base_leaves_the_one_before_in_force(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    two.commit("b.txt", "b\n")
    assert main.commit("agentsync.toml", "[locks\n").code == 1, "a gate refuses it where it is made"
    main.unhooked("commit", "-qm", "past the gates")
    two.write("shared.txt", "two's\n")
    done = two.refused("commit", "-qam", "x")
    assert "stay in force" in done.err
    done = two.sync("status")
    assert done.code == 0
    assert "stay in force" in done.err


def test_a_state_that_is_no_state_is_an_error_and_not_an_empty_one(main: Tree, one: Tree) -> None:
    hold(one)
    ref = main.path / ".git/agentsync/store.git/refs/heads/state"
    ref.write_text("")
    done = one.sync("lock")
    assert done.code == 1
    assert "the shared state is damaged" in done.err
    assert "BAD" in main.sync("doctor").out


def test_a_packed_state_is_read(main: Tree, one: Tree) -> None:
    hold(one)
    main.ok("--git-dir=.git/agentsync/store.git", "pack-refs", "--all")
    assert "shared.txt" in one.synced("lock")


def test_doctor_says_that_the_state_was_deleted(main: Tree, one: Tree) -> None:
    hold(one)
    (main.path / ".git/agentsync/store.git").rename(main.path / "elsewhere")
    assert "BAD  state: it was deleted" in main.sync("doctor").out


def test_going_back_on_base_is_no_edit_of_a_landed_migration(main: Tree) -> None:
    main.commit("sql/V1__a.sql", "select 1;\n")
    main.commit("sql/V2__b.sql", "select 2;\n")
    main.ok("reset", "-q", "--hard", "HEAD~1")


def test_a_django_merge_migration_lands_whatever_its_number(main: Tree) -> None:
    def migration(name: str, *after: str) -> None:
        rows = ", ".join(f'("shop", "{one}")' for one in after)
        text = f"class Migration:\n    dependencies = [{rows}]\n    operations = []\n"
        main.write(f"shop/migrations/{name}.py", text)

    main.write("shop/migrations/__init__.py", "")
    migration("0001_initial")
    main.ok("add", ".")
    main.ok("commit", "-qm", "first")
    one = main.worktree("one")
    migration("0002_a", "0001_initial")
    main.ok("add", ".")
    main.ok("commit", "-qm", "a")
    migration("0005_far", "0002_a")
    main.ok("add", ".")
    main.ok("commit", "-qm", "far")
    one.ok("merge", "-q", "--no-edit", "main")
    text = 'class Migration:\n    dependencies = [("shop", "0005_far")]\n    operations = []\n'
    assert one.commit("shop/migrations/0003_b.py", text).code == 0
    main.ok("merge", "-q", "--no-edit", "one")


def test_next_passes_over_what_base_shows_as_done(main: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n\n- [ ] **T-2** Two\n")
    two = main.worktree("two")
    main.commit("TASKS.md", "# Tasks\n\n- [x] **T-1** One\n\n- [ ] **T-2** Two\n")
    assert two.synced("task", "next").startswith("T-2")


def test_uninstall_is_a_persons_and_asks(main: Tree) -> None:
    assert main.sync("uninstall", "--yes", CLAUDECODE="1").code == 1
    assert main.sync("uninstall").code == 2
    assert "hooks fire" in main.synced("doctor")


def test_unlocking_anothers_path_says_whose_it_is_first(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "edited\n")
    assert "locked by one@one" in two.sync("unlock", "shared.txt").err


def test_a_commit_that_fails_after_the_gate_holds_its_task_and_number_for_minutes_only(
    main: Tree, one: Tree, two: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n\n- [ ] **T-2** Two\n")
    main.commit("sql/V1__a.sql", "select 1;\n")
    for tree in (one, two):
        tree.ok("merge", "-q", "--ff-only", "main")
    hook = main.path / ".git/hooks/commit-msg"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    one.write("TASKS.md", one.read("TASKS.md").replace("One", "One @one"))
    assert one.commit("sql/V2__b.sql", "select 2;\n", "x", "-a").code == 1
    hook.unlink()
    assert "by one@one" in two.sync("task", "claim", "T-1").err
    assert "V3__" in two.synced("migration", "next", "sql", "c")

    monkeypatch.chdir(two.path)
    repo = discover(two.environ)
    rules, snapshot = in_force(repo), Store(repo.shared_dir, repo.environ).snapshot()
    claim, series = claim_of(snapshot, "T-1"), all_series(repo, rules, "HEAD")[0]
    assert claim is not None
    assert is_live(repo, rules.base, snapshot, claim)
    assert "V2__b.sql" in {reserved.name for reserved in reservations(repo, rules, snapshot, series)}
    later = time.time() + 700
    monkeypatch.setattr("time.time", lambda: later)
    assert not is_live(repo, rules.base, snapshot, claim)
    assert "V2__b.sql" not in {reserved.name for reserved in reservations(repo, rules, snapshot, series)}
    one.ok("commit", "-qam", "x")
    assert is_live(repo, rules.base, snapshot, claim)
    assert "V2__b.sql" in {reserved.name for reserved in reservations(repo, rules, snapshot, series)}


def test_a_push_without_checks_does_not_launder_a_commit(main: Tree, one: Tree, two: Tree) -> None:
    main.ok("clone", "-q", "--bare", ".", "../server.git")
    main.ok("remote", "add", "origin", "../server.git")
    main.ok("fetch", "-q")
    main.ok("branch", "-q", "--set-upstream-to=origin/main")
    hold(one)
    two.write("shared.txt", "sneaked\n")
    two.unhooked("commit", "-qam", "sneaked in")
    two.ok("push", "-q", "--no-verify", "origin", "HEAD:refs/heads/e2")
    two.write("b.txt", "b\n")
    two.ok("add", "b.txt")
    two.refused("commit", "-qm", "b")


def test_what_the_server_gave_is_not_refused(main: Tree, one: Tree, two: Tree) -> None:
    main.ok("clone", "-q", "--bare", ".", "../server.git")
    main.ok("clone", "-q", "../server.git", "../colleague")
    colleague = Tree(main.path.parent / "colleague", main.environ)
    colleague.ok("switch", "-q", "-c", "feature")
    colleague.write("shared.txt", "a colleague's\n")
    colleague.ok("-c", "user.name=c", "-c", "user.email=c@c", "commit", "-qam", "elsewhere")
    colleague.ok("push", "-q", "origin", "feature")
    main.ok("remote", "add", "origin", "../server.git")
    main.ok("fetch", "-q")
    main.ok("branch", "-q", "--set-upstream-to=origin/main")
    hold(one)
    two.ok("switch", "-q", "feature")
    assert two.commit("b.txt", "b\n").code == 0


def test_an_agent_cannot_switch_the_gates_off_by_variable(one: Tree, two: Tree) -> None:
    hold(one)
    two.write("shared.txt", "two's\n")
    done = two.refused("commit", "-qam", "x", AGENTSYNC="0", CLAUDECODE="1")
    assert "a person's switch" in done.err
    two.refused("commit", "--no-verify", "-qam", "x", AGENTSYNC="0", CLAUDECODE="1")


def test_a_refused_reset_says_how_to_get_out(one: Tree, two: Tree) -> None:
    tree = two.ok("rev-parse", "HEAD^{tree}")
    two.write("shared.txt", "two's\n")
    two.ok("add", ".")
    changed = two.ok("write-tree")
    assert tree != changed
    two.ok("reset", "-q", "--hard")
    commit = two.ok("commit-tree", changed, "-p", "HEAD", "-m", "x")
    hold(one)
    done = two.refused("reset", "-q", "--hard", commit)
    assert "git reset --merge" in done.err
    two.ok("reset", "-q", "--merge")
    assert two.ok("status", "--porcelain") == ""


def test_a_number_asked_for_twice_is_the_same(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("sql/V1__a.sql", "select 1;\n")
    one.ok("merge", "-q", "--ff-only", "main")
    first = one.synced("migration", "next", "sql", "users")
    assert one.synced("migration", "next", "sql", "users") == first
    assert two.synced("migration", "next", "sql", "users") != first
    one.write(first, "select 2;\n")
    assert one.synced("migration", "next", "sql", "users") != first


def test_tasks_that_landed_after_the_branch_began_are_known_to_it(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    assert one.synced("task", "next", "--claim").startswith("T-1")
    assert one.synced("task", "add", "Another") == "T-002"


def test_the_task_to_claim_is_one_that_is_free(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n\n- [ ] **T-2** Two\n")
    for tree in (one, two):
        done = tree.git("merge", "-q", "--ff-only", "main")
        assert "no claimed task" not in done.err
    one.synced("task", "claim", "T-1")
    assert "agentsync task claim T-2" in two.commit("b.txt", "b\n").err


def test_a_new_worktree_is_told_who_it_is(main: Tree) -> None:
    done = main.git("worktree", "add", "-q", "../new", "-b", "new")
    assert "this worktree is new@new" in done.err


def stash_away(tree: Tree, branch: str) -> None:
    """A commit with a change of shared.txt that no gate saw, on a branch that is nobody's."""
    tree.write("shared.txt", "evil\n")
    tree.ok("stash", "-q")
    tree.ok("branch", branch, "stash@{0}")


def lands(main: Tree, tree: Tree) -> None:
    """The holder changes a line of the locked path and lands it, still holding the lock."""
    hold(tree)
    tree.write("shared.txt", "ONE\ntwo\nthree\n")
    tree.ok("commit", "-qam", "holder")
    main.ok("merge", "-q", "--no-edit", "one")


def test_a_stash_made_a_branch_is_not_laundered_by_an_amend(one: Tree, two: Tree) -> None:
    hold(one)
    stash_away(two, "evil")
    two.ok("switch", "-q", "evil")
    two.refused("commit", "-q", "--amend", "-m", "x")


def test_writing_to_the_holders_branch_does_not_borrow_its_lock(one: Tree, two: Tree) -> None:
    hold(one)
    stash_away(two, "evil")
    two.refused("fetch", "-q", "-u", ".", "+evil:one")
    one.ok("switch", "-q", "--detach")
    two.refused("branch", "-f", "one", "evil")


def test_a_merge_that_keeps_ours_does_not_take_landed_work_away(main: Tree, one: Tree, two: Tree) -> None:
    lands(main, one)
    two.commit("b.txt", "b\n")
    two.refused("merge", "-q", "--no-edit", "-s", "ours", "main")


def test_an_old_version_is_old_also_for_one_made_outside_the_chain(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\ntwo\nthree\nmore\n\n\n\nTWO\n")
    two.ok("commit", "-qam", "before the lock")
    hold(one)
    one.write("shared.txt", "ONE\ntwo\nthree\n")
    one.ok("commit", "-qam", "holder")
    main.ok("merge", "-q", "--no-edit", "one")
    two.git("merge", "-q", "--no-edit", "-X", "ours", "main")
    two.ok("checkout", "-q", "main~1", "--", "shared.txt")
    two.refused("commit", "-qm", "undo")


def test_thousands_of_files_in_anothers_folder_are_refused_in_time(one: Tree, two: Tree) -> None:
    hold(one, "gen")
    for number in range(2500):
        two.write(f"gen/f{number}", f"{number}\n")
    two.ok("add", "gen")
    two.refused("commit", "-qm", "big")


def test_a_finished_task_lands_by_squash_and_pick_whoever_does_it(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    for tree in (one, two):
        tree.ok("merge", "-q", "--ff-only", "main")
    one.synced("task", "claim", "T-1")
    one.synced("task", "done", "T-1")
    one.ok("commit", "-qam", "done")
    two.ok("cherry-pick", "one")
    main.ok("merge", "-q", "--squash", "one", CLAUDECODE="1")
    main.ok("commit", "-qm", "squash", CLAUDECODE="1")


def test_what_base_has_now_may_be_brought_by_any_way(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("shared.txt", "one\ntwo\nLANDED\n")
    hold(one)
    two.commit("b.txt", "b\n")
    two.ok("merge", "-q", "--squash", "main")
    two.ok("commit", "-qm", "squash")
    three = main.worktree("three", "main~1")
    three.ok("checkout", "main", "--", "shared.txt")
    three.ok("commit", "-qm", "checkout")


def test_work_from_before_the_lock_is_rebased_beside_landed_lines(main: Tree, one: Tree, two: Tree) -> None:
    lines = [f"line {number}" for number in range(12)]
    main.commit("shared.txt", "\n".join(lines) + "\n")
    for tree in (one, two):
        tree.ok("merge", "-q", "--ff-only", "main")
    two.write("shared.txt", "\n".join([*lines[:6], "TWO", *lines[7:]]) + "\n")
    two.ok("commit", "-qam", "before the lock")
    hold(one)
    one.write("shared.txt", "\n".join([*lines[:4], "HOLDER", *lines[5:]]) + "\n")
    one.ok("commit", "-qam", "holder")
    main.ok("merge", "-q", "--no-edit", "one")
    two.ok("rebase", "-q", "main")


def test_a_state_that_was_deleted_is_told_at_the_next_commit(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    (main.path / ".git/agentsync/store.git").rename(main.path.parent / "gone")
    assert "the shared state was deleted" in two.commit("b.txt", "b\n").err
    assert "it was deleted less than a week ago" in main.sync("doctor").out


def test_a_damaged_state_is_set_aside_by_doctor(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    shutil.rmtree(main.path / ".git/agentsync/store.git/objects")
    (main.path / ".git/agentsync/store.git/objects").mkdir()
    assert "agentsync doctor --fix" in main.sync("doctor").out
    main.sync("doctor", "--fix")
    hold(two)


@pytest.mark.parametrize("damage", ["record", "ref", "no ref", "HEAD"])
def test_a_damaged_state_goes_back_to_the_newest_that_can_be_read(
    main: Tree, one: Tree, two: Tree, damage: str
) -> None:
    hold(one)
    two.synced("lock", "other.txt")
    store = main.path / ".git/agentsync/store.git"
    if damage == "record":
        blob = main.ok("--git-dir", str(store), "rev-parse", "state:locks/other.txt/.lock")
        path = store / "objects" / blob[:2] / blob[2:]
        path.chmod(0o644)
        path.write_bytes(zlib.compress(b"blob 10\0not toml ["))
    elif damage == "ref":
        (store / "refs/heads/state").write_text("not an id\n")
    elif damage == "no ref":
        (store / "refs/heads/state").unlink()
    else:
        (store / "HEAD").unlink()
        main.sync("doctor", "--fix")
        (store / "HEAD").unlink()
    if damage == "record":  # one record is left out, and the rest goes on
        two.write("shared.txt", "two's\n")
        two.refused("commit", "-qam", "another's")
    else:
        done = two.sync("lock", "other.txt")
        assert done.code == 1
        assert "agentsync doctor --fix" in done.err
    assert main.sync("doctor").code == 1
    main.sync("doctor", "--fix")
    assert main.sync("doctor").code == 0
    listed = main.synced("lock")
    assert "shared.txt" in listed
    assert ("other.txt" in listed) == (damage != "record")


def test_what_a_gate_let_pass_under_a_lock_is_in_the_chain_when_the_lock_is_given_back(
    main: Tree, one: Tree, two: Tree
) -> None:
    hold(one)
    one.write("shared.txt", "one's\n")
    one.unhooked("commit", "-qam", "no gate saw it")
    one.synced("unlock", "shared.txt")
    done = two.sync("lock", "shared.txt")
    assert "has a newer version than this branch" in done.err
    main.ok("merge", "-q", "--no-edit", "one")


def test_a_lock_given_back_hands_its_version_on_whatever_else_was_committed(main: Tree, one: Tree, two: Tree) -> None:
    hold(one)
    two.synced("lock", "other.txt")
    for name in ("shared.txt", "other.txt"):
        two.write(name, "two's\n")
        two.ok("add", name)
        two.unhooked("commit", "-qm", name)
    done = two.sync("unlock", "other.txt")
    assert (done.code, done.err) == (0, "")
    assert "has a newer version than this branch" in one.sync("lock", "other.txt").err
    assert "is locked by one@one" in two.refused("commit", "-q", "--allow-empty", "-m", "next").err


def test_two_hand_made_markers_have_one_winner(main: Tree, one: Tree, two: Tree) -> None:
    one.write("shared.txt.agent-lock", "one\n")
    two.write("shared.txt.agent-lock", "two\n")
    assert one.commit("shared.txt", "one's\n").code == 0
    two.write("shared.txt", "two's\n")
    assert "is locked by one@one" in two.refused("commit", "-qam", "x").err
    assert "one@one" in two.synced("status", "shared.txt")
    assert two.sync("unlock", "shared.txt").code == 1
    assert one.synced("unlock", "shared.txt") == "unlocked shared.txt"
    assert not (two.path / "shared.txt.agent-lock").exists()


def test_a_mode_change_of_anothers_path_is_refused_before_the_commit(one: Tree, two: Tree) -> None:
    hold(one)
    (two.path / "shared.txt").chmod(0o755)
    two.ok("add", "shared.txt")
    done = two.run("git", "hook", "run", "pre-commit")
    assert done.code == 1
    assert "is locked by one@one" in done.err


def test_ids_that_stand_twice_stop_only_those_tasks(main: Tree, one: Tree) -> None:
    one.write("TASKS.md", "- [ ] **T-1** One\n\n- [ ] **T-1** Again\n\n- [ ] **T-2** Two\n")
    assert "T-2" in one.synced("task", "list")
    assert one.synced("task", "next").startswith("T-2")
    assert "grep -n -i -e T-1 TASKS.md" in one.sync("task", "claim", "T-1").err
    assert "t-1  stands more than once" in one.sync("task", "check").out


def rename_onto_base(main: Tree, one: Tree) -> Done:
    """Put a branch with a change of the path that `one` holds in base's place, by a rename."""
    hold(one)
    main.ok("switch", "-q", "-c", "evil")
    main.write("shared.txt", "sneaked\n")
    main.unhooked("commit", "-qam", "sneaked in")
    return main.git("branch", "-M", "evil", "main")


def test_a_branch_renamed_onto_base_is_noticed_in_every_worktree(main: Tree, one: Tree, two: Tree) -> None:
    """git runs no hook for a rename, so nothing can refuse it; whoever meets it next is told, once."""
    assert one.commit("a.txt", "a\n").code == 0
    if rename_onto_base(main, one).code:
        return  # a git that asks the hooks
    for tree in (one, two, main):
        done = tree.commit("b.txt", tree.path.name)
        assert done.code == 0
        assert "main was moved past the gates" in done.err
        assert "shared.txt is locked" in done.err
        assert "past the gates" not in tree.commit("c.txt", tree.path.name).err
    new = main.git("worktree", "add", "-q", "../three", "-b", "three")
    assert "main was moved past the gates" in new.err
    assert "past the gates" in main.sync("doctor").out


def test_the_notice_of_what_base_took_past_the_gates_ages(main: Tree, one: Tree, two: Tree) -> None:
    assert one.commit("a.txt", "a\n").code == 0
    if rename_onto_base(main, one).code:
        return  # a git that asks the hooks
    assert "past the gates" in one.commit("b.txt", "b\n").err
    notice, days = main.path / ".git/agentsync/unseen", 6.9 * 86400
    os.utime(notice, (time.time() - days, time.time() - days))
    assert "past the gates" in main.sync("doctor").out
    days = 7.1 * 86400
    os.utime(notice, (time.time() - days, time.time() - days))
    assert "past the gates" not in main.sync("doctor").out
    assert "past the gates" not in two.commit("b.txt", "two's\n").err


def test_a_branch_renamed_onto_base_is_judged_again_at_the_push(
    main: Tree, one: Tree, two: Tree, tmp_path: Path
) -> None:
    one.ok("init", "-q", "--bare", str(tmp_path / "origin.git"))
    main.ok("remote", "add", "origin", str(tmp_path / "origin.git"))
    main.ok("push", "-q", "-u", "origin", "main")
    assert one.commit("a.txt", "a\n").code == 0
    if rename_onto_base(main, one).code:
        return
    assert main.commit("c.txt", "c\n").code == 0
    main.refused("push", "-q", "origin", "main")
    main.ok("push", "-q", "--no-verify", "origin", "main")
    assert "past the gates" not in main.sync("doctor").out


def test_base_moved_by_a_tool_without_hooks_is_no_alarm(main: Tree, one: Tree) -> None:
    assert one.commit("a.txt", "a\n").code == 0
    hold(one)
    main.write("other.txt", "other\n")
    main.ok("add", "other.txt")
    main.unhooked("commit", "-qm", "another tool's")
    assert "past the gates" not in one.commit("b.txt", "b\n").err
    assert "past the gates" not in main.sync("doctor").out


def test_attributes_in_a_worktree_decide_nothing_of_what_a_gate_merges(main: Tree, one: Tree, two: Tree) -> None:
    assert two.commit("shared.txt", "ONE\ntwo\nthree\n").code == 0
    assert main.commit("shared.txt", "one\ntwo\nTHREE\n").code == 0
    one.ok("merge", "-q", "--ff-only", "main")
    one.synced("lock", "shared.txt")
    two.ok("config", "merge.evil.driver", "echo evil >%A")
    assert two.commit(".gitattributes", "shared.txt merge=evil\n").code == 0
    two.refused("merge", "-q", "--no-edit", "main")
    two.git("merge", "--abort")
    two.ok("config", "--unset", "merge.evil.driver")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.read("shared.txt") == "ONE\ntwo\nTHREE\n"


def test_attributes_that_base_has_count_where_a_gate_merges(main: Tree, one: Tree, two: Tree) -> None:
    main.write("src/.gitattributes", "*.txt merge=union\n")
    main.write("src/list.txt", "start\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "a list")
    two.ok("merge", "-q", "--ff-only", "main")
    assert two.commit("src/list.txt", "start\ntwo's\n").code == 0
    assert main.commit("src/list.txt", "start\nmain's\n").code == 0
    one.ok("merge", "-q", "--ff-only", "main")
    one.synced("lock", "src/list.txt")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.read("src/list.txt") == "start\ntwo's\nmain's\n"
