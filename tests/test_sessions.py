"""Two sessions of agents in one worktree, and a user's hook that stashes while another worktree's does."""

from __future__ import annotations

import json

import pytest
from clients import edit, shell, start
from conftest import Done, Tree

OTHER = "0192f0c1-aaaa-bbbb-cccc-000000000002"


def hook(tree: Tree, payload: dict[str, object], session: str = "") -> Done:
    """Run Claude Code's hook for one of two sessions."""
    given = {**payload, "session_id": session} if session else payload
    done = tree.run("agentsync-hook", "claude", stdin=json.dumps(given))
    assert done.code == 0, done
    return done


def ended(tree: Tree) -> dict[str, object]:
    return {**start("claude", tree.path), "hook_event_name": "SessionEnd", "source": "", "reason": "exit"}


def test_a_second_session_in_a_worktree_is_told_of_the_first(one: Tree) -> None:
    assert "another session" not in hook(one, start("claude", one.path)).out
    told = hook(one, start("claude", one.path), OTHER).out
    assert "another session (claude, since " in told
    assert "agentsync worktree add NAME" in told
    assert "another session" in hook(one, start("claude", one.path)).out, (
        "the first learns of the second when it begins anew"
    )


@pytest.mark.parametrize("source", ["clear", "resume", "compact"])
def test_a_session_that_takes_the_place_of_another_is_told_nothing(source: str, one: Tree) -> None:
    hook(one, start("claude", one.path))
    assert "another session" not in hook(one, {**start("claude", one.path), "source": source}, OTHER).out


def test_a_session_that_has_ended_is_no_other(one: Tree) -> None:
    hook(one, start("claude", one.path))
    hook(one, ended(one))
    assert "another session" not in hook(one, start("claude", one.path), OTHER).out


def test_a_commit_of_what_another_session_wrote_says_so_and_the_advice_leaves_it_out(one: Tree) -> None:
    one.write("src/app.py", "print('theirs')\n")
    one.write("new file.txt", "theirs\n")
    one.write("shared.txt", "mine\n")
    for path in ("src/app.py", "new file.txt"):
        hook(one, edit("claude", one.path, path, after=True), OTHER)
    hook(one, edit("claude", one.path, "shared.txt", after=True))
    one.ok("add", "-A")
    hook(one, shell("claude", one.path, "git commit -qm mine"))
    done = one.git("commit", "-qm", "mine")
    assert done.code == 0, done
    assert "this commit takes src/app.py, new file.txt, which another session (claude" in done.err
    assert "shared.txt" not in done.err
    advice = next(line.strip() for line in done.err.splitlines() if "git restore" in line)
    assert one.run("sh", "-c", advice).code == 0
    assert one.ok("show", "--format=", "--name-only", "HEAD") == "shared.txt"
    assert one.read("src/app.py") == "print('theirs')\n"
    assert one.ok("status", "--porcelain").split("\n") == ["M src/app.py", '?? "new file.txt"']


def test_a_commit_of_ones_own_work_says_nothing(one: Tree) -> None:
    hook(one, edit("claude", one.path, "src/app.py", after=True), OTHER)
    hook(one, shell("claude", one.path, "git commit -qm mine"))
    assert one.commit("shared.txt", "mine\n").err == ""
    hook(one, shell("claude", one.path, "git commit -qm theirs"), OTHER)
    assert one.commit("src/app.py", "theirs\n").err == ""


def test_a_hook_of_the_users_whose_stash_another_worktree_took_says_so(bare_tree: Tree) -> None:
    """Another worktree pops the stash while this hook runs, as two runs of lint-staged do to each other."""
    folder = bare_tree.path / ".git/hooks"
    folder.mkdir(exist_ok=True)
    mine = folder / "pre-commit"
    mine.write_text(
        "#!/bin/sh\n[ ! -f swap ] || (unset GIT_INDEX_FILE GIT_DIR; git -C ../other stash pop -q)\n", encoding="utf-8"
    )
    mine.chmod(0o755)
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    assert "stash" not in bare_tree.git("commit", "-qm", "Add agentsync").err
    other = bare_tree.worktree("other")
    bare_tree.write("shared.txt", "unsaved\n")
    bare_tree.ok("stash", "-q")
    bare_tree.write("swap", "")
    done = bare_tree.commit("src/app.py", "print('x')\n")
    assert done.code == 0, done
    assert "the stash, which all worktrees share, is not what it was before this hook ran" in done.err
    assert other.read("shared.txt") == "unsaved\n"
    for command in ("git diff", "agentsync rescue"):
        assert command in done.err
        assert bare_tree.run("sh", "-c", command).code == 0
