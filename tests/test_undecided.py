"""What no gate could decide passes, stays unjudged whatever comes after it, and is decided at the push and by check."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from conftest import Done, Tree


def undecided_commit(main: Tree, tree: Tree) -> Done:
    """A commit of another's locked path while the state cannot be read."""
    ref = main.path / ".git/agentsync/store.git/refs/heads/state"
    state = ref.read_text()
    tree.write("shared.txt", "sneaked\n")
    ref.write_text("not an id\n")
    done = tree.git("commit", "-qam", "undecided")
    ref.write_text(state)
    return done


@pytest.fixture
def undecided(main: Tree, one: Tree, two: Tree) -> Tree:
    one.synced("lock", "shared.txt")
    assert two.commit("a.txt", "a\n").code == 0
    done = undecided_commit(main, two)
    assert done.code == 0
    assert "could not decide" in done.err
    return two


def test_later_commits_go_on_and_say_so(undecided: Tree) -> None:
    for number in range(2):
        done = undecided.commit("b.txt", f"{number}\n")
        assert done.code == 0
        assert "was not judged" in done.err
        assert "agentsync check" in done.err


def test_a_later_commit_does_not_launder_it(main: Tree, undecided: Tree) -> None:
    main.ok("clone", "-q", "--bare", ".", "../server.git")
    undecided.ok("remote", "add", "origin", "../server.git")
    assert undecided.commit("b.txt", "b\n").code == 0
    undecided.refused("push", "-q", "origin", "HEAD:refs/heads/two")
    done = undecided.sync("check")
    assert done.code == 1
    assert "shared.txt" in done.out + done.err


def test_what_is_decided_is_said_no_more(one: Tree, undecided: Tree) -> None:
    assert undecided.commit("b.txt", "b\n").code == 0
    one.synced("unlock", "shared.txt")
    assert undecided.sync("check").code == 0
    done = undecided.commit("c.txt", "c\n")
    assert done.code == 0
    assert "was not judged" not in done.err
    undecided.ok("commit", "-q", "--amend", "-m", "better words")


def test_a_branch_that_lets_go_of_it_is_judged_again(undecided: Tree) -> None:
    undecided.ok("reset", "-q", "--hard", "HEAD~1")
    done = undecided.commit("b.txt", "b\n")
    assert done.code == 0
    assert "was not judged" not in done.err


def test_a_landing_decides_it_first(main: Tree, one: Tree, undecided: Tree) -> None:
    assert undecided.commit("b.txt", "b\n").code == 0
    for words in (("integrate", "--dry-run", "two"), ("integrate", "two")):
        done = main.sync(*words)
        assert done.code == 1, done
        assert "shared.txt is locked by one@one" in done.out
    assert main.read("shared.txt") != "sneaked\n"
    one.synced("unlock", "shared.txt")
    assert "two  landed" in main.synced("integrate", "two")


def test_a_gate_that_runs_on_and_on_lets_the_commit_pass(one: Tree) -> None:
    script = (
        f"import os, sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from agentsync.gates import main\n"
        "main.GATE_SECONDS = 0.2\n"
        "def run_on(repo):\n    while True: pass\n"
        "main.open_scene = run_on\n"
        "sys.exit(main.run_hook('pre-commit', [], dict(os.environ)))"
    )
    git_dir = one.ok("rev-parse", "--absolute-git-dir")
    done = one.run("timeout", "20", sys.executable, "-I", "-S", "-c", script, GIT_DIR=git_dir)
    assert done.code == 0, done
    assert "could not decide" in done.err
