"""Promise 1 at the command line: processes that race, and processes that are killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest
from conftest import Tree


def together(trees: Sequence[Tree], *words: str) -> list[tuple[int, str]]:
    """Run one agentsync command in each worktree at once; exit codes and answers."""
    running = [tree.start(*words) for tree in trees]
    return [(one.wait(), out.decode()) for one, (out, _) in ((one, one.communicate()) for one in running)]


@pytest.fixture
def crowd(main: Tree) -> list[Tree]:
    main.write("TASKS.md", "".join(f"- [ ] **T-{number}** task {number}\n\n" for number in range(20)))
    for number in (1, 2):
        main.write(f"db/migrations/00{number}_m.sql", "x\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "plan")
    return [main.worktree(f"a{number}") for number in range(8)]


def test_one_lock_has_one_winner(crowd: list[Tree]) -> None:
    codes = [code for code, _ in together(crowd, "lock", "shared.txt")]
    assert sorted(codes) == [0] + [1] * 7


def test_overlapping_sets_have_one_winner(crowd: list[Tree]) -> None:
    codes = [code for code, _ in together(crowd, "lock", "src", "@db", "shared.txt")]
    assert sorted(codes) == [0] + [1] * 7
    assert len(crowd[0].synced("lock").splitlines()) == 3


def test_eight_agents_get_eight_tasks(crowd: list[Tree]) -> None:
    answers = together(crowd, "task", "next", "--claim")
    assert [code for code, _ in answers] == [0] * 8
    assert len({answer.split()[0] for _, answer in answers}) == 8


def test_eight_agents_get_eight_numbers(crowd: list[Tree]) -> None:
    answers = together(crowd, "migration", "next", "same_name")
    assert [code for code, _ in answers] == [0] * 8
    assert len({answer for _, answer in answers}) == 8


def kill_commits(crowd: list[Tree], rounds: int) -> None:
    """Kill commits, hooks and all, at random moments; then git and the state are whole and go on."""
    chance = random.Random(11)
    one = crowd[0]
    one.synced("lock", "shared.txt")
    for number in range(rounds):
        one.write("shared.txt", f"{number}\n")
        one.ok("add", "-A")
        victim = subprocess.Popen(
            ["git", "commit", "-qm", f"round {number}"],
            cwd=one.path,
            env=one.environ,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.random() * 0.12)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        for name in ("index.lock", "HEAD.lock"):  # git's own leavings, which git itself tells people to remove
            (one.path.parent / "main/.git/worktrees/a0" / name).unlink(missing_ok=True)
        (one.path.parent / "main/.git/refs/heads/a0.lock").unlink(missing_ok=True)
        assert crowd[1].sync("lock", "shared.txt").code == 1, "a held lock was granted twice"
    assert one.commit("shared.txt", "last\n").code == 0
    one.ok("fsck", "--strict")
    one.ok("--git-dir", str(one.path.parent / "main/.git/agentsync/store.git"), "fsck")
    one.synced("unlock", "shared.txt")
    crowd[1].ok("merge", "-q", "a0")
    crowd[1].synced("lock", "shared.txt")


def test_killed_commits_harm_nothing(crowd: list[Tree]) -> None:
    kill_commits(crowd, 15)


@pytest.mark.torture
def test_killed_commits_harm_nothing_in_hundreds_of_runs(crowd: list[Tree]) -> None:
    kill_commits(crowd, 300)


def test_a_lost_turn_does_not_hang_a_commit(main: Tree, one: Tree) -> None:
    """Somebody holds the writers' turn for ever: the gate passes in time, with one line."""
    one.synced("lock", "shared.txt")
    hold = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(1, flush=True); time.sleep(60)"
    )
    turn = str(main.path / ".git/agentsync/turn.lock")
    holder = subprocess.Popen([sys.executable, "-c", hold, turn], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    try:
        start = time.monotonic()
        done = one.commit("shared.txt", "x\n")
        assert done.code == 0
        assert "could not decide, so nothing was checked: out of time" in done.err
        assert time.monotonic() - start < 20
    finally:
        holder.kill()
        holder.communicate()
