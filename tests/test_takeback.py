"""Nothing landed is taken back unseen: a person is told, an agent refused, and one command keeps the newer version."""

from __future__ import annotations

import itertools
import time

import pytest
from conftest import Done, Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.git.objects import Change
from agentsync.judging.takeback import Past, TakenBack, dropped_by_merge, on_purpose, others, taken_back


def advice(done: Done, start: str) -> str:
    """The command that a refusal prints."""
    return next(line.strip() for line in done.err.splitlines() if line.strip().startswith(start))


def type_it(tree: Tree, command: str) -> None:
    done = tree.run("sh", "-c", command)
    assert done.code == 0, done


def land(main: Tree) -> None:
    main.write("landed.py", "def fix(): pass\n")
    main.write("shared.txt", "one\ntwo\nthree\nlanded\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "landed by another")


def test_a_stale_squash_by_a_soft_reset_is_refused_and_the_printed_command_keeps_what_landed(
    main: Tree, one: Tree
) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    one.ok("reset", "-q", "--soft", "main")
    done = one.refused("commit", "-qm", "squashed")
    assert "landed by another" in done.err
    type_it(one, advice(done, "git restore"))
    one.ok("commit", "-qm", "squashed")
    assert one.read("landed.py") == "def fix(): pass\n"
    assert one.ok("diff", "--name-only", "main", "HEAD") == "feature.py"


def test_many_paths_taken_back_are_named_by_a_file(main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    for number in range(12):
        main.write(f"landed {number}.txt", f"{number}\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "landed by another")
    one.ok("reset", "-q", "--soft", "main")
    done = one.refused("commit", "-qm", "squashed")
    type_it(one, advice(done, "git restore"))
    one.ok("commit", "-qm", "squashed")
    assert one.ok("diff", "--name-only", "main", "HEAD") == "feature.py"


def test_a_person_is_told_and_not_refused(main: Tree, one: Tree) -> None:
    main.ok("switch", "-q", "-c", "mine")
    main.commit("feature.py", "f\n")
    assert one.commit("landed.py", "x\n").code == 0
    main.unhooked("update-ref", "refs/heads/main", one.head())
    main.ok("reset", "-q", "--soft", "main")
    done = main.git("commit", "-qm", "squashed")
    assert done.code == 0
    assert "warning: landed.py would go back" in done.err


def test_a_branch_checked_out_twice_does_not_take_the_others_work_back(main: Tree, one: Tree) -> None:
    place = main.path.parent / "again"
    main.ok("worktree", "add", "-q", "--force", str(place), "one")
    again = Tree(place, main.environ)
    assert again.commit("theirs.txt", "theirs\n", "by the other").code == 0
    one.write("mine.txt", "mine\n")
    one.ok("add", "mine.txt")
    done = one.refused("commit", "-qm", "mine")
    assert "theirs.txt would go back" in done.err
    type_it(one, advice(done, "git restore"))
    one.ok("commit", "-qm", "mine")
    assert one.ok("ls-files", "theirs.txt", "mine.txt").splitlines() == ["mine.txt", "theirs.txt"]


def test_base_going_backwards_is_refused_to_an_agent_by_whatever_command(main: Tree, one: Tree) -> None:
    land(main)
    tip = main.head()
    main.ok("switch", "-q", "--detach")
    for words in (("branch", "-f", "main", "main~1"), ("update-ref", "refs/heads/main", f"{tip}~1")):
        done = one.refused(*words)
        assert "main loses" in done.err
        assert main.ok("rev-parse", "main") == tip
    one.refused("checkout", "-q", "-B", "main", CLAUDECODE="1")
    assert main.ok("rev-parse", "main") == tip


def test_base_made_anew_goes_on_from_where_it_was(main: Tree, one: Tree) -> None:
    land(main)
    tip = main.head()
    main.ok("switch", "-q", "--detach")
    one.ok("branch", "-q", "-D", "main")
    done = one.refused("branch", "main", f"{tip}~1")
    assert "main loses" in done.err
    type_it(one, advice(done, "git branch"))
    assert one.ok("rev-parse", "main") == tip


def test_base_going_backwards_past_the_gates_is_told_once_in_every_worktree(main: Tree, one: Tree, two: Tree) -> None:
    assert two.commit("a.txt", "two's\n").code == 0
    land(main)
    assert one.commit("a.txt", "one's\n").code == 0
    tip = main.head()
    main.unhooked("reset", "-q", "--hard", "HEAD~1")
    for tree in (one, two):
        done = tree.commit("b.txt", tree.path.name)
        assert "main was moved past the gates" in done.err
        assert "landed by another" in done.err
        shown = tree.run("sh", "-c", advice(done, "git log -p"))
        assert "landed.py" in shown.out
        assert "past the gates" not in tree.commit("c.txt", tree.path.name).err
    main.ok("merge", "-q", "--ff-only", tip)
    assert "past the gates" not in main.sync("doctor").out


def test_a_person_who_takes_back_his_own_commit_raises_no_alarm(main: Tree, one: Tree) -> None:
    land(main)
    assert one.commit("a.txt", "one's\n").code == 0
    main.ok("reset", "-q", "--hard", "HEAD~1")
    assert "past the gates" not in one.commit("b.txt", "b\n").err
    land(main)
    assert one.commit("c.txt", "c\n").code == 0
    main.write("landed.py", "def fix(): return 1\n")
    main.unhooked("commit", "-qa", "--amend", "-m", "amended by a tool without hooks")
    assert "past the gates" not in one.commit("d.txt", "d\n").err


def test_a_stale_squash_is_refused_however_much_landed_since(main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    grow(main, 1200)
    one.ok("reset", "-q", "--soft", "main")
    done = one.refused("commit", "-qm", "squashed")
    assert "landed by another" in done.err


def grow(main: Tree, count: int) -> None:
    """Commits on main, made at once."""
    lines = ["feature done"]
    for number in range(count):
        stamp = f"committer Other <other@x> {int(time.time())} +0000"
        parent = [] if number else ["from refs/heads/main^0"]
        lines += ["commit refs/heads/main", stamp, "data 1", "x", *parent]
        lines += ["M 100644 inline log.txt", f"data {len(str(number))}", str(number)]
    done = main.run("git", "fast-import", "--quiet", stdin="\n".join([*lines, "done", ""]))
    assert done.code == 0, done
    main.ok("reset", "-q", "--hard")


def test_what_is_printed_of_a_branch_elsewhere_touches_no_file_here(main: Tree, one: Tree, two: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    two.ok("merge", "-q", "--ff-only", "main")
    made = one.ok("commit-tree", "-p", "main", "-m", "squashed", "one^{tree}")
    done = two.refused("update-ref", "refs/heads/one", made)
    assert "git restore" not in done.err
    shown = two.run("sh", "-c", advice(done, "git diff"))
    assert "-landed" in shown.out
    assert two.ok("status", "--porcelain") == ""


def test_a_symbolic_name_of_base_goes_backwards_no_more_than_base(main: Tree, one: Tree) -> None:
    land(main)
    tip = main.head()
    main.ok("switch", "-q", "--detach")
    main.ok("symbolic-ref", "refs/heads/trunk", "refs/heads/main")
    one.refused("update-ref", "refs/heads/trunk", f"{tip}~1")
    assert main.ok("rev-parse", "main") == tip


def test_a_squash_made_by_plumbing_is_refused_too(main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    made = one.ok("commit-tree", "-p", "main", "-m", "squashed", "one^{tree}")
    one.refused("update-ref", "refs/heads/one", made)


def test_a_merge_that_keeps_ours_is_refused_to_an_agent(main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    one.refused("merge", "-q", "-s", "ours", "--no-edit", "main")


def test_what_a_branch_does_on_purpose_passes(main: Tree, one: Tree) -> None:
    land(main)
    one.ok("merge", "-q", "--ff-only", "main")
    one.ok("revert", "--no-edit", "HEAD")  # a revert names what it reverts
    assert one.commit("own.txt", "1\n").code == 0
    assert one.commit("own.txt", "2\n").code == 0
    one.ok("checkout", "-q", "HEAD~1", "--", "own.txt")
    one.ok("commit", "-qm", "back to my own")
    one.ok("reset", "-q", "--soft", "HEAD~3")
    one.ok("commit", "-qm", "my own, squashed")
    one.ok("reset", "-q", "--hard", "HEAD~1")
    main.commit("more.txt", "more\n")
    one.ok("rebase", "-q", "main")
    one.ok("rm", "-q", "src/app.py")
    one.ok("commit", "-qm", "removed on purpose")
    one.ok("commit", "-q", "--amend", "-m", "removed on purpose, better said")


def test_a_rebase_of_a_branch_that_went_back_on_purpose_passes(main: Tree, one: Tree) -> None:
    land(main)
    one.ok("merge", "-q", "--ff-only", "main")
    one.ok("rm", "-q", "landed.py")
    one.ok("commit", "-qm", "not needed any more")
    main.commit("more.txt", "more\n")
    one.ok("rebase", "-q", "main")
    assert not (one.path / "landed.py").exists()


def test_what_an_index_was_not_level_with_lands_never_silently(main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    land(main)
    made = one.ok("commit-tree", "-p", "main", "-m", "squashed", "one^{tree}")
    one.unhooked("update-ref", "refs/heads/one", made)
    done = one.sync("integrate")
    assert main.ok("show", "main:landed.py"), "it stays on base"
    assert "landed.py" in done.out + done.err


def blob(number: int) -> str:
    return f"{number:040x}" if number else ""


def change(path: bytes, before: int, after: int) -> Change:
    modes = ["100644" if number else "000000" for number in (before, after)]
    return Change(path, *modes, blob(before), blob(after))


VERSIONS = st.lists(st.integers(0, 5), min_size=2, max_size=8)


@given(VERSIONS, st.integers(0, 5))
def test_only_a_version_left_behind_is_taken_back(versions: list[int], goal: int) -> None:
    """Against the plain reading: the goal stood before, stands no more, and something came after it."""
    path = b"p"
    steps = [(a, b) for a, b in itertools.pairwise(versions) if a != b]
    history = [Past(f"{index:040x}", [change(path, a, b)]) for index, (a, b) in enumerate(steps)][::-1]
    now = versions[-1]
    found = taken_back([change(path, now, goal)], history)
    stood_before = goal in [a for a, _ in steps] and goal != now
    assert bool(found) == stood_before


def test_a_message_that_names_a_commit_goes_back_on_purpose() -> None:
    taken = TakenBack(b"p", ("a" * 40,))
    side = Past("c" * 40, [change(b"p", 1, 2)])  # what a merge brought
    assert on_purpose(f'Revert "x"\n\nThis reverts commit {"a" * 40}.\n', taken, [])
    assert on_purpose(f'Revert "x"\n\nThis reverts commit {"a" * 12}.\n', taken, [])
    assert on_purpose(f'Revert "x"\n\nThis reverts commit {"c" * 40}.\n', taken, [side])
    other = Past("b" * 40, [change(b"q", 1, 2)])
    assert not on_purpose(f'Revert "x"\n\nThis reverts commit {"b" * 40}.\n', taken, [side, other])
    assert on_purpose(f'Revert "x"\n\nThis reverts commit {"b" * 40}.\n', taken, [side]), "from long before"
    assert not on_purpose("This reverts commit a.", taken, [])


def test_ones_own_versions_are_ones_own() -> None:
    taken = [TakenBack(b"p", ("1", "2")), TakenBack(b"q", ("2",))]
    assert others(taken, {"1": "one", "2": "one"}, "one") == []
    assert others(taken, {"1": "two", "2": "one"}, "one") == taken[:1]


def test_a_merge_drops_what_one_side_alone_did() -> None:
    assert dropped_by_merge({b"a": "1", b"c": "1"}, {b"b": "1", b"c": "2"}, {b"a": "1", b"c": "1"}) == [b"b"]


STALE = {
    "mixed reset": ["git reset -q main", "git add -A", "git commit -qm squashed"],
    "switch with a stale index": ["git reset -q --soft main", "git switch -q -c other", "git commit -qm squashed"],
    "a commit of one path first": ["git reset -q --soft main", "git commit -qm f feature.py", "git commit -qm rest"],
    "detached": [
        "git checkout -q --detach", "git reset -q --soft main", "git commit -qm squashed", "git switch -q -C one",
    ],
    "a stale commit made elsewhere": [
        "made=$(git commit-tree -p main -m stale HEAD^{tree})",
        "git reset -q --hard main", "git merge -q --ff-only $made",
    ],
    "octopus": ["git branch side HEAD~1", "git merge -q -s ours --no-edit main side"],
}  # fmt: skip


@pytest.mark.parametrize("how", STALE)
def test_no_way_of_making_a_stale_commit_takes_back_what_landed(how: str, main: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    assert one.commit("more.py", "f\n").code == 0
    land(main)
    before = main.head()
    done = one.run("sh", "-c", " && ".join(STALE[how]))
    assert done.code != 0, done
    assert "agentsync: refused:" in done.err
    assert "landed.py" in done.err + done.out or "shared.txt" in done.err
    assert main.head() == before


def test_unstaged_edits_are_put_on_top_of_the_newer_version(text: Tree, one: Tree) -> None:
    assert one.commit("feature.py", "f\n").code == 0
    lines = text.read("f.txt").splitlines()
    text.commit("f.txt", "\n".join(["landed", *lines[1:]]) + "\n", "landed by another")
    one.write("f.txt", "\n".join([*lines[:-1], "unsaved"]) + "\n")
    one.ok("reset", "-q", "--soft", "main")
    done = one.refused("commit", "-qm", "squashed")
    type_it(one, advice(done, "git diff"))
    kept = one.read("f.txt").splitlines()
    assert (kept[0], kept[-1]) == ("landed", "unsaved")


def test_an_amend_of_ones_own_going_back_is_not_refused(main: Tree, one: Tree) -> None:
    land(main)
    one.ok("merge", "-q", "--ff-only", "main")
    one.ok("revert", "-n", "HEAD")
    assert one.git("commit", "-qm", "Undo it: it breaks the build").code == 0
    one.write("new.txt", "x\n")
    one.ok("add", "new.txt")
    one.ok("commit", "-q", "--amend", "--no-edit")
