"""Promise 1 at the command line: processes that race, and processes that are killed."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import pytest
from conftest import Tree

from agentsync.config.load import in_force
from agentsync.gates.index_gate import write_verdict
from agentsync.gates.judge import judge_move, judge_steps, split
from agentsync.git.objects import STAGED, parse_raw
from agentsync.git.refs import head_of
from agentsync.git.repo import around
from agentsync.holders.identity import Holder
from agentsync.holders.machine import machine_record, process_record
from agentsync.holders.registry import acting_holder, record_place
from agentsync.judging.scene import Scene
from agentsync.judging.verdict import Transition, Verdict, joined
from agentsync.landing.mend import mend
from agentsync.locks.query import all_locks
from agentsync.state.paths import LANDING
from agentsync.state.store import Change, Snapshot, Store
from agentsync.tasks.claims import all_claims


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


@pytest.mark.parametrize("racing", ["exclusive", "marked"])
def test_of_two_commits_that_were_judged_on_one_state_one_is_written(main: Tree, racing: str) -> None:
    """Each gate saw that nobody has it; whose write comes second is judged again."""
    main.write("agentsync.toml", '[locks]\nexclusive = ["shared.txt"]\n')
    main.write("TASKS.md", "- [ ] **T-1** One\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "exclusive")
    trees = [main.worktree(name) for name in ("one", "two")]
    for tree in trees:
        tree.synced("status")
        text = f"- [ ] **T-1** One @{tree.path.name}\n" if racing == "marked" else tree.path.name
        tree.write("TASKS.md" if racing == "marked" else "shared.txt", text)
        tree.ok("add", ".")
    scenes = [scene_of(tree) for tree in trees]
    judges = [judge_of(scene) for scene in scenes]
    firsts = [judge() for judge in judges]
    assert all(
        first.records and not split(scene, first.findings)[0] for scene, first in zip(scenes, firsts, strict=True)
    )
    last = [write_verdict(*row, "commit") for row in zip(scenes, judges, firsts, strict=True)]
    refused = [bool(split(scene, verdict.findings)[0]) for scene, verdict in zip(scenes, last, strict=True)]
    assert refused == [False, True]
    snapshot = scenes[0].store.snapshot()
    holders = [one.lock.holder for one in all_locks(scenes[0].repo, snapshot)] + [
        claim.holder for claim in all_claims(snapshot)
    ]
    assert [holder.agent for holder in holders] == ["one"]


def scene_of(tree: Tree) -> Scene:
    repo = around(tree.environ, str(tree.path))
    assert repo is not None
    return Scene(repo, Store(repo.shared_dir, repo.environ), in_force(repo), acting_holder(repo))


def judge_of(scene: Scene) -> Callable[[], Verdict]:
    head = head_of(scene.repo)
    changes = parse_raw(scene.repo.git("diff-index", "--cached", *STAGED, head.commit).out.splitlines())
    step = Transition((head.commit,), changes)
    return lambda: joined([judge_steps(scene, [step], head.branch), judge_move(scene, step, head.branch, "")])


def test_a_lander_that_was_killed_takes_only_its_own_locks_with_it(main: Tree) -> None:
    """A lock file of git that is older than the landing is somebody's."""
    repo, author = around(main.environ, str(main.path)), "human:x@.main"
    assert repo is not None
    store = Store(repo.shared_dir, repo.environ)
    head = main.head()
    record = {"ref": "refs/heads/main", "old": head, "new": "f" * 40, "worktrees": [".main"],
              "since": int(time.time()) - 60, "pid": 2**30, "space": process_record()["space"],
              **machine_record()}  # fmt: skip
    store.swap(lambda _: Change("landing", author, {LANDING: record}))
    older, newer = main.path / ".git/HEAD.lock", main.path / ".git/index.lock"
    for lock, age in ((older, 120), (newer, 30)):
        lock.write_text("")
        os.utime(lock, (time.time() - age, time.time() - age))
    mend(repo, store, author)
    assert older.exists()
    assert not newer.exists()
    older.unlink()


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_lock_ends_with_its_worktree_only_where_that_can_be_seen(
    main: Tree, one: Tree, two: Tree, elsewhere: bool
) -> None:
    """From another machine, or a container, a live worktree only looks as if it were gone."""
    one.synced("lock", "shared.txt")
    if elsewhere:
        store = Store(str(main.path / ".git/agentsync"), main.environ)
        place = record_place(Holder("one", "one"))

        def move(snapshot: Snapshot) -> Change:
            known = snapshot.get(place)
            assert known is not None
            return Change("elsewhere", "test", {place: {**known, "host": "another"}})

        store.swap(move)
    shutil.rmtree(one.path)
    main.ok("worktree", "prune")
    assert two.sync("lock", "shared.txt").code == int(elsewhere)
