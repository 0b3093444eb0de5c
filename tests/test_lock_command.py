"""The lock command: what words name, who waits for whom, what is printed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.config.patterns import matches
from agentsync.errors import StateError
from agentsync.holders.identity import Holder
from agentsync.locks.attributes import attribute_line
from agentsync.locks.model import Chain, Lock, Target, Version, chain_record, lock_record, parse_chain, parse_lock
from agentsync.locks.rules import lineage, overlaps, passes_by_content, position
from agentsync.state.turn import Turn


def test_one_path_however_it_is_written(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "src/app.py")
    (two.path / "link").symlink_to(two.path / "src")
    words = ["src/app.py", "./src/../src/app.py", str(two.path / "src" / "app.py"), "link/app.py", "src", "src/", "."]
    for word in words:
        done = two.sync("lock", word)
        assert done.code == 1, (word, done)
        assert "src/app.py is locked by one@one" in done.err, word


@pytest.mark.parametrize("word", ["../elsewhere", "/etc/passwd", ".git/config", "", "../one/shared.txt"])
def test_words_that_name_no_path_here(one: Tree, two: Tree, word: str) -> None:
    before = two.synced("lock", "--json")
    done = two.sync("lock", word)
    assert done.code == 2
    assert done.err.startswith("agentsync: ")
    assert "Traceback" not in done.err
    assert two.synced("lock", "--json") == before


@pytest.mark.parametrize(
    "name", [b"sp ace.txt", b"quo'te\".txt", b"new\nline.txt", b"-dash.txt", b"\xff\xfe.bin", b"x/.lock/y"]
)
def test_any_path_can_be_locked(one: Tree, two: Tree, name: bytes) -> None:
    for tree in (one, two):
        path = os.path.join(os.fsencode(tree.path), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_text(str(tree.path))
    done = one.run(sys.executable, "-m", "agentsync", "lock", "--", name)
    assert done.code == 0, done
    two.ok("add", "-A")
    done = two.refused("commit", "-qm", "x")
    assert all(char.isprintable() or char == "\n" for char in done.err)
    done = one.run(sys.executable, "-m", "agentsync", "unlock", "--", name)
    assert done.code == 1  # uncommitted here


def test_a_path_of_4000_bytes(one: Tree) -> None:
    long = "/".join(["d" * 200] * 20)
    done = one.sync("lock", long)
    assert done.code in (0, 2), done
    assert "Traceback" not in done.err


def test_resources_and_all_or_nothing(one: Tree, two: Tree) -> None:
    one.synced("lock", "@staging-db")
    done = two.sync("lock", "free.txt", "@staging-db")
    assert done.code == 1
    assert "@staging-db is locked by one@one" in done.err
    assert "free.txt" not in two.synced("lock")
    two.write("@odd", "x")
    two.synced("lock", "./@odd")
    assert "./@odd" in two.synced("lock", "--json")


def test_hostile_text_is_one_tame_line(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt", "--reason", 'evil\x1b[31m"\nsecond line' + "x" * 500)
    done = two.sync("lock", "shared.txt")
    assert "\x1b" not in done.err
    assert len(done.err.splitlines()) == 3
    assert max(len(line) for line in done.err.splitlines()) < 400


@pytest.mark.parametrize("name", ["a/b", "..", "a\nb", "-x", "", "x" * 65, "human:me"])
def test_agent_names_that_cannot_be(one: Tree, name: str) -> None:
    done = one.sync("lock", "shared.txt", f"--agent={name}", CLAUDECODE="1")
    assert done.code == (2 if name else 0), done


def suspend_out_of_turn(main: Tree, process: subprocess.Popen[bytes]) -> None:
    """Stop a process at a moment when it does not hold the turn of writing."""
    while True:
        process.send_signal(signal.SIGSTOP)
        with (main.path / ".git/agentsync/turn.lock").open() as turn:
            try:
                fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                process.send_signal(signal.SIGCONT)
                time.sleep(0.01)
            else:
                return


def test_a_suspended_writer_holds_others_up_but_not_for_ever(
    main: Tree, one: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.synced("lock", "shared.txt")
    with (main.path / ".git/agentsync/turn.lock").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        monkeypatch.setattr("agentsync.state.turn.PATIENCE", 0.1)
        with pytest.raises(StateError, match="writing the shared state"), Turn(turn.name):
            pass
        done = one.commit("shared.txt", "while somebody holds the turn\n")
    assert done.code == 0


def await_in_line(main: Tree, count: int) -> None:
    """Until so many wait."""
    store = str(main.path / ".git/agentsync/store.git")
    while main.ok("--git-dir", store, "ls-tree", "-r", "--name-only", "state").count("waiters/") < count:
        time.sleep(0.05)  # asked again until they stand there


def test_waiting_is_first_come_first_served(main: Tree, one: Tree, two: Tree) -> None:
    three = main.worktree("three")
    one.synced("lock", "shared.txt")
    words = ["lock", "shared.txt", "--wait", "60s"]
    first = two.start(*words)
    await_in_line(main, 1)
    second = three.start(*words)
    await_in_line(main, 2)
    for process in (first, second):
        suspend_out_of_turn(main, process)
    one.synced("unlock", "shared.txt")
    pusher = main.sync("lock", "shared.txt")
    assert pusher.code == 1
    assert "two@two waits for shared.txt already" in pusher.err
    second.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert second.poll() is None
    first.send_signal(signal.SIGCONT)
    assert first.wait(30) == 0
    assert second.poll() is None
    assert "shared.txt" in two.synced("lock")
    two.synced("unlock", "shared.txt")
    assert second.wait(30) == 0
    for process in (first, second):
        process.communicate()


def test_a_waiter_that_was_killed_is_out_of_the_line_at_once(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    waiter = two.start("lock", "shared.txt", "--wait", "60s")
    await_in_line(main, 1)
    waiter.kill()
    waiter.communicate()
    one.synced("unlock", "shared.txt")
    assert main.worktree("three").synced("lock", "shared.txt").startswith("locked shared.txt")


def test_waiting_too_long_is_exit_4(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    done = two.sync("lock", "shared.txt", "--wait", "1s")
    assert done.code == 4
    assert "still locked after 1s" in done.err


def age(tree: Tree, worktree: str, seconds: int) -> None:
    """Let a worktree's last sign of life be long ago."""
    alive = tree.path.parent / "main/.git/worktrees" / worktree / "agentsync-worktree/alive"
    then = time.time() - seconds
    os.utime(alive, (then, then))


def test_an_expired_lock_may_be_taken_and_the_late_holder_is_told(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt", "--for", "1s")
    time.sleep(1.2)
    age(one, "one", 10)
    two.synced("lock", "shared.txt")
    one.write("shared.txt", "late\n")
    done = one.refused("commit", "-qam", "late")
    assert "your lock ended" in done.err
    assert "two@two took it" in done.err
    assert "take-over" in two.synced("log")


def test_a_sign_of_life_keeps_a_lock(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt", "--for", "3s")
    time.sleep(2)
    one.commit("a.txt", "a\n")
    time.sleep(2)
    assert two.sync("lock", "shared.txt").code == 1


def test_forcing_is_a_persons_and_is_written_down(main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt")
    assert main.sync("unlock", "shared.txt", "--force").code == 2
    assert main.sync("unlock", "shared.txt", "--force", "--reason", "x", CLAUDECODE="1").code == 1
    two = main.worktree("two")
    assert two.sync("unlock", "shared.txt", "--force", "--reason", "x").code == 1, "a linked worktree is an agent's"
    main.synced("unlock", "shared.txt", "--force", "--reason", "agent crashed")
    assert "agent crashed" in main.synced("log")


def test_markers_tell_in_every_worktree_and_deleting_one_never_unlocks(main: Tree, one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt", "--reason", "why not")
    for tree in (main, one, two):
        assert "holder: one@one" in tree.read("shared.txt.agent-lock")
        assert tree.ok("status", "--porcelain") == ""
    (two.path / "shared.txt.agent-lock").unlink()
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")
    two.ok("checkout", "-q", ".")
    one.synced("unlock", "shared.txt")
    assert not (main.path / "shared.txt.agent-lock").exists()


def test_a_hand_made_marker_locks_and_deleting_it_unlocks(one: Tree, two: Tree) -> None:
    one.write("shared.txt.agent-lock", "one\n")
    two.write("shared.txt", "x\n")
    done = two.refused("commit", "-qam", "x")
    assert "shared.txt is locked by one@one" in done.err
    assert two.sync("lock", "shared.txt").code == 1
    (one.path / "shared.txt.agent-lock").unlink()
    two.ok("commit", "-qam", "x")


def test_a_staged_marker_is_refused(one: Tree) -> None:
    one.write("shared.txt.agent-lock", "one\n")
    one.ok("add", "-f", "shared.txt.agent-lock")
    done = one.refused("commit", "-qm", "x")
    assert done.err.strip().splitlines()[2] == "  git rm --cached -- shared.txt.agent-lock"


def test_json_has_one_envelope(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    data = json.loads(two.synced("lock", "--json"))
    assert (data["schema"], data["ok"]) == (1, True)
    assert data["data"]["locks"][0]["agent"] == "one"
    refused = two.sync("lock", "shared.txt", "--json")
    assert refused.code == 1
    assert json.loads(refused.out)["ok"] is False


paths = st.lists(st.sampled_from(["a", "b", "c.py", "d d", "x*y"]), min_size=1, max_size=4).map("/".join)


@given(paths, paths)
def test_overlap_is_symmetric_and_prefix_wise(one: str, other: str) -> None:
    a, b = one.encode(), other.encode()
    assert overlaps(a, b) == overlaps(b, a)
    assert overlaps(a, a + b"/" + b)
    assert overlaps(b"", a)


ids = st.integers(0, 9).map(lambda n: f"{n:040x}")


@given(st.lists(st.tuples(ids, ids), min_size=1, max_size=6), ids, ids)
def test_records_of_locks_and_chains_come_back(versions: list[tuple[str, str]], blob: str, commit: str) -> None:
    chain = Chain(b"a/b", tuple(Version(*version) for version in versions), "ada@x", 5, commit)
    assert parse_chain(b"a/b", chain_record(chain)) == chain
    for target in (Target(b"a\xff/%b"), Target(b"@x"), Target(b"@x", is_resource=True)):
        lock = Lock(target, Holder("ada", "x"), 1, 2, 3, reason=blob)
        assert parse_lock(lock_record(lock)) == lock


@given(st.lists(ids, min_size=1, max_size=6), ids, ids)
def test_content_passes_only_forward_in_the_chain(blobs: list[str], old: str, new: str) -> None:
    chain = Chain(b"a", tuple(Version(blob, blob) for blob in blobs))
    newest = max((place for place, blob in enumerate(blobs) if blob == new), default=-1)
    passes = passes_by_content(new, [old], chain, lambda _: True)
    if new == old:
        assert passes
    elif old in blobs:
        assert passes == (newest > position(chain, old, lambda _: True))
    else:  # outside the chain, with all of it in its history: everything in it is old
        assert not passes or len(blobs) == 1
    if new != old and old not in blobs:
        assert passes_by_content(new, [old], chain, lambda _: False) == (newest >= 0)


@given(st.lists(ids, min_size=1, max_size=6, unique=True), st.data())
def test_lineage_prefers_the_later_version_either_way_round(blobs: list[str], data: st.DataObject) -> None:
    chain = Chain(b"a", tuple(Version(blob, blob) for blob in blobs))
    i, j = data.draw(st.integers(0, len(blobs) - 1)), data.draw(st.integers(0, len(blobs) - 1))
    one = lineage(chain, blobs[i], blobs[j], range(i + 1), range(j + 1))
    other = lineage(chain, blobs[j], blobs[i], range(j + 1), range(i + 1))
    assert one.winner == other.winner == blobs[max(i, j)]
    assert one.base == blobs[min(i, j)]


PATTERNS = ["*.py", "src/", "/src/*.py", "**/x", "a/**", "a/**/b", "!src/keep.py", "doc?.txt", "[ab].md", "src/**/t*"]
SAMPLES = ["x.py", "src/a.py", "src/keep.py", "src/sub/b.py", "a/b", "a/c/b", "x", "deep/x", "doc1.txt", "a.md",
           "c.md", "src/t1", "src/q/t2", "src", "a"]  # fmt: skip


@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True))
def test_patterns_mean_what_git_says(patterns: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True, env={**os.environ, "GIT_CONFIG_GLOBAL": os.devnull})
        Path(folder, ".git/info/exclude").write_text("\n".join(patterns) + "\n")
        asked = "\n".join(SAMPLES)
        done = subprocess.run(["git", "-C", folder, "check-ignore", "--no-index", "--stdin"], input=asked,
                              capture_output=True, text=True, check=False)  # fmt: skip
        ignored = set(done.stdout.splitlines())
    assert {path for path in SAMPLES if matches(patterns, path.encode())} == ignored


def test_attribute_lines_name_just_their_path() -> None:
    assert attribute_line(b"a b*.txt") == b'"/a b\\\\*.txt" merge=agentsync-lineage'
    assert attribute_line(b"new\nline") == b""


def test_no_marker_where_a_gitignore_takes_it_back(main: Tree, one: Tree, two: Tree) -> None:
    two.write(".gitignore", "!*.agent-lock\n")
    one.synced("lock", "shared.txt")
    assert (main.path / "shared.txt.agent-lock").exists()
    assert not (two.path / "shared.txt.agent-lock").exists()


def test_a_lock_in_a_clone_without_hooks_says_so(main: Tree) -> None:
    assert "no hook of agentsync" not in main.sync("lock", "shared.txt").err
    main.synced("unlock", "shared.txt")
    main.synced("uninstall", "--yes")
    done = main.sync("lock", "shared.txt")
    assert done.code == 0
    assert "no hook of agentsync is installed" in done.err
    assert "agentsync init" in done.err
