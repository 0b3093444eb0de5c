"""`rescue`: uncommitted work that git or a crash took, had back for real; nothing unsaved is overwritten."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from conftest import LINES, Tree
from test_landing import edit

from agentsync.forecast import snapshots
from agentsync.forecast.restore import files_now
from agentsync.forecast.snapshots import SavedFile, Snapshot, SnapshotStore, is_inside
from agentsync.git.repo import Repo


def listed(tree: Tree) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(tree.synced("rescue", "--json"))["data"]["snapshots"]
    return rows


def newest(tree: Tree) -> str:
    return str(listed(tree)[0]["id"])[:10]


@pytest.fixture
def dirty(text: Tree) -> Tree:
    """Worktree one with an edit, a new file, an executable, a link and a deleted file, kept by a forecast."""
    one = text.worktree("one")
    edit(one, 3, "PRECIOUS")
    one.write("new/deep file.txt", "untracked\n")
    one.write("run.sh", "#!/bin/sh\n")
    (one.path / "run.sh").chmod(0o755)
    (one.path / "link").symlink_to("run.sh")
    (one.path / "registry.py").unlink()
    assert text.sync("forecast").code == 0
    return one


def assert_had_back(one: Tree) -> None:
    done = one.sync("rescue", "restore", newest(one))
    assert done.code == 0, done
    assert "PRECIOUS" in one.read("f.txt")
    assert one.read("new/deep file.txt") == "untracked\n"
    assert os.access(one.path / "run.sh", os.X_OK)
    assert os.readlink(one.path / "link") == "run.sh"
    assert listed(one)[0]["differs"] == (1 if (one.path / "registry.py").exists() else 0)


def reset_hard(one: Tree) -> None:
    one.ok("add", ".")
    one.ok("reset", "-q", "--hard")


def clean(one: Tree) -> None:
    one.ok("checkout", "-q", "--", ".")
    one.ok("clean", "-qffdx")


def stash_drop(one: Tree) -> None:
    one.ok("stash", "push", "-q", "--include-untracked")
    one.ok("stash", "drop", "-q")


def crash(one: Tree) -> None:
    """What a machine leaves that lost power: empty files, and none."""
    (one.path / "f.txt").write_bytes(b"")
    shutil.rmtree(one.path / "new")
    (one.path / "run.sh").write_bytes(b"")


@pytest.mark.parametrize("lose", [reset_hard, clean, stash_drop, crash])
def test_what_was_lost_is_had_back_also_after_gc(dirty: Tree, lose) -> None:
    lose(dirty)
    dirty.ok("reflog", "expire", "--expire=now", "--all")
    dirty.ok("gc", "-q", "--prune=now")
    assert listed(dirty)[0]["differs"] != 0
    assert_had_back(dirty)


def test_a_removed_worktree_leaves_its_changes(dirty: Tree, text: Tree) -> None:
    (dirty.path / "later.txt").write_text("after the forecast\n", encoding="utf-8")
    text.synced("worktree", "remove", "one", "--force")
    assert not dirty.path.exists()
    text.ok("branch", "-qD", "one")
    text.ok("gc", "-q", "--prune=now")
    row = listed(text)[0]
    assert row["worktree"] == "one"
    text.synced("rescue", "restore", newest(text), "later.txt", "new")
    assert text.read("later.txt") == "after the forecast\n"
    assert text.read("new/deep file.txt") == "untracked\n"
    assert "PRECIOUS" not in text.read("f.txt"), "not asked for"


def test_work_that_cannot_be_kept_is_not_given_up(dirty: Tree, text: Tree) -> None:
    store = text.path / ".git/agentsync/rescue.git"
    shutil.rmtree(store)
    store.write_text("in the way", encoding="utf-8")
    dirty.write("later.txt", "x\n")
    done = text.sync("worktree", "remove", "one", "--force")
    assert done.code == 1
    assert "cannot be kept" in done.err
    assert dirty.read("later.txt") == "x\n"


def test_nothing_unsaved_is_overwritten_and_nothing_deleted(dirty: Tree) -> None:
    name = newest(dirty)
    reset_hard(dirty)
    edit(dirty, 3, "UNSAVED")
    dirty.write("new/deep file.txt", "another untracked\n")
    dirty.write("run.sh", "staged\n")
    dirty.ok("add", "run.sh")
    done = dirty.sync("rescue", "restore", name)
    assert done.code == 1
    for path in ("f.txt", "new/deep file.txt", "run.sh"):
        assert f"left {path}: it has unsaved changes" in done.out
    assert "UNSAVED" in dirty.read("f.txt")
    assert dirty.read("new/deep file.txt") == "another untracked\n"
    assert dirty.read("run.sh") == "staged\n"
    assert (dirty.path / "link").is_symlink()
    assert "registry.py was deleted then, and stays" in done.out
    assert (dirty.path / "registry.py").exists()
    command = done.err.strip().splitlines()[-1].strip()
    assert dirty.run("sh", "-c", command).code == 0, "the printed command works as printed"
    assert "PRECIOUS" in dirty.read("f.txt.rescued")


def test_nothing_is_written_through_a_link_or_over_a_folder(dirty: Tree, tmp_path: Path) -> None:
    name = newest(dirty)
    reset_hard(dirty)
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.rmtree(dirty.path / "new", ignore_errors=True)
    (dirty.path / "new").symlink_to(outside)
    (dirty.path / "run.sh").mkdir()
    done = dirty.sync("rescue", "restore", name)
    assert "left new/deep file.txt: a file or a link stands where its folder would be" in done.out
    assert "left run.sh: a folder stands there" in done.out
    assert list(outside.iterdir()) == []


def test_show_tells_how_each_file_stands_now(dirty: Tree) -> None:
    name = newest(dirty)
    assert f"{name}  one  " in dirty.synced("rescue")
    assert "as it is now" in dirty.synced("rescue")
    edit(dirty, 20, "more")
    (dirty.path / "run.sh").chmod(0o644)
    (dirty.path / "link").unlink()
    said = dirty.synced("rescue", "show", name)
    states = {line.split("  ")[1]: line.rpartition("  ")[2].strip() for line in said.splitlines()[1:]}
    assert states == {
        "f.txt": "differs now", "link": "not there now", "new/deep file.txt": "as it is now",
        "registry.py": "deleted then, as it is now", "run.sh": "differs now",
    }  # fmt: skip
    inner = Tree(dirty.path / "new", dirty.environ)
    assert inner.synced("rescue", "show", name, "deep file.txt") == "untracked"
    assert dirty.sync("rescue", "show", name, "new").code == 2
    assert dirty.sync("rescue", "show", name, "nowhere").code == 2
    assert dirty.sync("rescue", "show", "0000").code == 2
    assert dirty.sync("rescue", "restore", "").code == 2


def test_ignored_files_are_in_no_snapshot_and_clean_worktrees_have_none(text: Tree) -> None:
    one = text.worktree("one")
    text.write(".git/info/exclude", text.read(".git/info/exclude") + "*.log\n")
    one.write("a.log", "x\n")
    text.sync("forecast")
    assert listed(text) == []
    one.write("a.txt", "x\n")
    text.sync("forecast")
    text.sync("forecast")
    assert [[file["path"] for file in row["files"]] for row in listed(text)] == [["a.txt"]], "once, for one change"


def test_files_come_back_as_a_checkout_writes_them(text: Tree) -> None:
    text.commit(".gitattributes", "*.crlf text eol=crlf\n")
    text.write("a.crlf", "one\r\n")
    text.sync("forecast")
    (text.path / "a.crlf").unlink()
    text.synced("rescue", "restore", newest(text))
    assert (text.path / "a.crlf").read_bytes() == b"one\r\n"


def test_names_that_are_hard(text: Tree) -> None:
    for name in ('"quoted".txt', "-dash.txt", "new\nline.txt", "ünï.txt", ":(top)x"):
        text.write(name, name)
    (Path(os.fsdecode(os.fsencode(str(text.path)) + b"/bad\xff.txt"))).write_text("bytes", encoding="utf-8")
    before = {path: path.read_bytes() for path in text.path.iterdir() if path.is_file()}
    text.sync("forecast")
    text.ok("clean", "-qfd")
    assert text.sync("rescue", "restore", newest(text)).code == 0
    assert {path: path.read_bytes() for path in text.path.iterdir() if path.is_file()} == before


def wait_for_snapshots(tree: Tree, count: int) -> None:
    until = time.monotonic() + 30
    while len(listed(tree)) < count and time.monotonic() < until:
        time.sleep(0.1)
    assert len(listed(tree)) == count


def test_status_new_and_the_edit_hook_start_a_snapshot_when_the_last_is_old(text: Tree) -> None:
    one = text.worktree("one")
    one.write("a.txt", "1\n")
    text.sync("forecast")
    payload = json.dumps({"hook_event_name": "PostToolUse", "tool_name": "Edit", "cwd": str(one.path),
                          "tool_input": {"file_path": str(one.path / "a.txt")}})  # fmt: skip
    stamp = text.path / ".git/worktrees/one/agentsync-worktree/snapshot"

    def hook() -> None:
        program = str(Path(one.environ["PATH"].split(os.pathsep)[0]) / "agentsync-hook")
        assert one.run(program, "claude", stdin=payload).code == 0

    def look() -> None:
        one.synced("status", "--new")

    for number, ask in ((2, look), (3, hook)):
        one.write("a.txt", f"{number}\n")
        hook()
        look()
        time.sleep(0.7)
        assert len(listed(one)) == number - 1, "the last one is not ten minutes old"
        os.utime(stamp, (time.time() - 601,) * 2)
        ask()
        wait_for_snapshots(one, number)


def store_of(tree: Tree) -> tuple[Repo, SnapshotStore]:
    repo = Repo(str(tree.path), str(tree.path / ".git"), str(tree.path / ".git"), tree.environ)
    return repo, SnapshotStore(repo)


def keep_some(tree: Tree, count: int, age: float = 0, size: int = 10) -> None:
    repo, store = store_of(tree)
    store.require(40)
    for number in range(count):
        blob = tree.run("git", "hash-object", "-w", "--stdin", stdin=f"{number} {os.urandom(size).hex()}").out.strip()
        when = int(time.time() - age) - count + number
        store.write(Snapshot("", "x", "/x", "", "", when, (SavedFile(b"a", "100644", blob),)), repo)


def test_a_worktree_has_fifty_and_all_are_a_week_old_at_most(text: Tree) -> None:
    keep_some(text, 55)
    keep_some(text, 3, age=8 * 86400)
    _, store = store_of(text)
    newest_ids = [one.id for one in store.snapshots()][:50]
    store.expire()
    assert [one.id for one in store.snapshots()] == newest_ids
    refs = store.git("for-each-ref").out.splitlines()
    assert len(refs) == 50
    packs = list((Path(store.objects) / "pack").glob("*.pack"))
    assert len(packs) == 1, "packed now and then"
    assert store.git("fsck", "--strict").code == 0


def test_the_store_stays_below_its_size_and_the_oldest_go_first(text: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_some(text, 12, size=50_000)
    _, store = store_of(text)
    ids = [one.id for one in store.snapshots()]
    monkeypatch.setattr(snapshots, "MOST_BYTES", 400_000)
    store.expire()
    left = [one.id for one in store.snapshots()]
    assert 0 < len(left) < 12
    assert left == ids[: len(left)]
    assert store._size() <= 400_000


def test_large_files_are_left_out_and_said(text: Tree) -> None:
    with (text.path / "large.bin").open("wb") as file:
        file.truncate(51 << 20)
    text.write("small.txt", "x\n")
    done = text.sync("forecast")
    assert "large.bin is larger than 50 MB" in done.err
    assert [[file["path"] for file in row["files"]] for row in listed(text)] == [["small.txt"]]


def test_snapshots_of_one_second_stand_in_the_order_of_their_making(text: Tree) -> None:
    keep_some(text, 6)
    _, store = store_of(text)
    made = [(one.time, one.nanosecond) for one in store.snapshots()]
    assert made == sorted(made, reverse=True)
    assert len(set(made)) == len(made)


def test_a_killed_snapshot_hinders_no_later_one(text: Tree) -> None:
    for number in range(6):
        text.write("a.txt", f"{number}\n")
        running = text.start("forecast")
        time.sleep(0.15 + number * 0.05)
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()
    text.write("a.txt", "last\n")
    assert text.sync("forecast").code == 0
    (text.path / "a.txt").unlink()
    text.synced("rescue", "restore", newest(text))
    assert text.read("a.txt") == "last\n"


def test_locks_that_a_killed_git_left_hinder_no_snapshot(text: Tree) -> None:
    keep_some(text, 2)
    _, store = store_of(text)
    first = store.snapshots()[-1].id
    ref = next(line for line in store.git("for-each-ref", "--format=%(refname)").out.decode().split() if first in line)
    for name in ("snapshot.index.lock", "packed-refs.lock", f"{ref}.lock"):
        Path(store.path, name).write_bytes(b"")
    text.write("a.txt", "last\n")
    assert text.sync("forecast").code == 0
    assert len(listed(text)) == 3
    store.git("update-ref", "-d", ref)


def test_a_record_that_leads_out_of_the_worktree_is_none(text: Tree) -> None:
    for path in (b"../x", b"/x", b".git/config", b"a/.GIT/x", b"a//b", b""):
        assert not is_inside(path)
    assert is_inside(b"a/.gitignore")
    repo, store = store_of(text)
    keep_some(text, 1)
    blob = text.ok("rev-parse", "HEAD:f.txt")
    store.write(Snapshot("", "x", "/x", "", "", int(time.time()), (SavedFile(b"../out", "100644", blob),)), repo)
    assert len(store.snapshots()) == 1
    assert LINES
    assert files_now(repo, repo.top, [b"f.txt"])[b"f.txt"].blob == blob


def test_a_worktree_with_what_cannot_be_kept_is_not_removed_even_by_force(main: Tree, one: Tree) -> None:
    one.ok("init", "-q", "nested")
    nested = Tree(one.path / "nested", one.environ)
    for key, value in (("user.name", "x"), ("user.email", "x@y")):
        nested.ok("config", key, value)
    assert nested.commit("p.txt", "the only copy\n").code == 0
    done = main.sync("worktree", "remove", "one", "--force")
    assert done.code == 1
    assert "1 of the uncommitted changes" in done.err
    assert nested.read("p.txt") == "the only copy\n"
    command = done.err.strip().splitlines()[-1].strip()
    assert command.startswith("git worktree remove --force ")
    assert main.run("sh", "-c", command).code == 0
