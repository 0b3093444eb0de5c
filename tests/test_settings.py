"""A typo in the settings is refused at the commit that makes it; where it got onto base, nobody's work stops."""

from __future__ import annotations

import pytest
from conftest import Tree

TYPO = 'unknown key "locks.exclusve"'


def with_typo(tree: Tree) -> None:
    tree.write("agentsync.toml", tree.read("agentsync.toml").replace("exclusive = ", "exclusve = "))


@pytest.mark.parametrize("who", ["person", "agent"])
def test_a_typo_is_refused_at_its_commit_and_named_before(main: Tree, one: Tree, who: str) -> None:
    tree = main if who == "person" else one
    with_typo(tree)
    for command in ("doctor", "check"):
        done = tree.sync(command)
        assert done.code == 1, done
        assert TYPO in done.out
    done = tree.refused("commit", "-qam", "typo")
    assert TYPO in done.err
    assert "did you mean locks.exclusive?" in done.err
    assert "git restore --staged agentsync.toml" in done.err
    tree.ok("add", "agentsync.toml")
    assert tree.run("sh", "-c", "git restore --staged agentsync.toml").code == 0
    tree.ok("checkout", "-q", "agentsync.toml")
    assert tree.commit("a.txt", "a\n").code == 0


def test_a_typo_in_pyproject_is_refused_where_that_has_the_settings(main: Tree) -> None:
    main.write("pyproject.toml", "[tool.agentsync.locks]\nexclusve = []\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "not in force beside agentsync.toml")
    main.ok("rm", "-q", "agentsync.toml")
    main.ok("commit", "-qm", "one file for all")
    main.write("pyproject.toml", "[tool.agentsync.locks]\nexclusve = [1]\n")
    assert TYPO in main.refused("commit", "-qam", "typo").err
    main.write("pyproject.toml", "[tool.other\n")
    main.ok("commit", "-qam", "not ours")
    assert main.sync("doctor").code == 0


def test_a_typo_on_base_leaves_the_settings_before_it_in_force(main: Tree, one: Tree, two: Tree) -> None:
    main.write("agentsync.toml", '[protect]\npaths = ["secret.txt"]\n')
    main.ok("commit", "-qam", "protect")
    assert one.commit("secret.txt", "x\n").code != 0
    main.write("agentsync.toml", '[protect]\npathz = ["secret.txt"]\n')
    main.unhooked("commit", "-qam", "typo")
    for words in (["lock", "f"], ["status"], ["task", "list"], ["migration", "list"], ["trust", "--dry-run"]):
        done = two.sync(*words)
        assert done.code == 0, done
        assert 'unknown key "protect.pathz"; the settings before it stay in force' in done.err
    assert one.git("commit", "-qm", "still").code != 0
    (main.path / ".git/agentsync/config.cache").unlink()
    assert one.git("commit", "-qm", "still, in a clone that never knew them").code != 0
    assert 'agentsync.toml of main, line 2: unknown key "protect.pathz"' in main.sync("doctor").out
    done = main.sync("check", "--range", "HEAD~1..HEAD")
    assert done.code == 1
    assert 'unknown key "protect.pathz"' in done.out


def test_what_base_has_already_is_not_refused_again(main: Tree, one: Tree) -> None:
    with_typo(main)
    main.unhooked("commit", "-qam", "typo")
    one.ok("merge", "-q", "--no-edit", "main")
    assert one.commit("a.txt", "a\n").code == 0
    main.ok("reset", "-q", "--soft", "HEAD~1", AGENTSYNC_ALLOW="repair")
    main.ok("checkout", "-q", "HEAD", "--", "agentsync.toml")
