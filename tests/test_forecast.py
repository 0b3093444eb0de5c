"""The forecast says what is so: what could not be merged or read is neither a conflict nor none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from conftest import LINES, Tree
from test_landing import configure, edit, work
from test_worktrees import clashes

from agentsync.git import scratch
from agentsync.git.repo import Repo
from agentsync.git.scratch import in_scratch_folder


def repo_of(tree: Tree) -> Repo:
    return Repo(str(tree.path), str(tree.path / ".git"), str(tree.path / ".git"), tree.environ)


def facts_of(tree: Tree) -> dict[str, list[dict[str, str]]]:
    facts: dict[str, list[dict[str, str]]] = json.loads(tree.sync("forecast", "--json").out)["data"]
    return facts


def scratch_folders(tree: Tree) -> list[Path]:
    return sorted((tree.path / ".git/agentsync-worktree").glob("scratch-*"))


# the scratch folder


def test_threads_that_ask_at_once_all_get_a_folder_that_stays(main: Tree) -> None:
    repo = repo_of(main)
    main.commit(".gitattributes", "*.txt merge=union\n")
    for _ in range(60):
        scratch._known.clear()
        for folder in scratch_folders(main):
            (folder / ".gitattributes").unlink()
            folder.rmdir()
        got: list[str] = []
        gate = threading.Barrier(8)

        def ask(got: list[str] = got, gate: threading.Barrier = gate) -> None:
            gate.wait()
            got.append(in_scratch_folder(repo).top)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 8
        assert [Path(top, ".gitattributes").read_text() for top in got] == ["*.txt merge=union\n"] * 8
        assert len(scratch_folders(main)) == 1


_RACE = """
import os, sys, time
from agentsync.git.repo import Repo
from agentsync.git.scratch import in_scratch_folder
top = sys.argv[1]
repo = Repo(top, top + "/.git", top + "/.git", dict(os.environ))
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(os.path.isdir(in_scratch_folder(repo).top))
"""


def test_processes_that_ask_at_once_all_get_a_folder_that_stays(main: Tree) -> None:
    for _ in range(5):
        for folder in scratch_folders(main):
            folder.rmdir()
        begin = str(time.time() + 0.7)
        argv = [sys.executable, "-c", _RACE, str(main.path), begin]
        running = [subprocess.Popen(argv, env=main.environ, stdout=subprocess.PIPE) for _ in range(4)]
        assert [each.communicate()[0] for each in running] == [b"True\n"] * 4
        assert len(scratch_folders(main)) == 1


def test_old_scratch_folders_are_swept_and_those_in_use_stay(main: Tree) -> None:
    folder = main.path / ".git/agentsync-worktree"
    old, older, used = (folder / name for name in ("scratch-1111", "aside-2222.99", "scratch-3333"))
    for each in (old, older, used):
        each.mkdir(parents=True)
    for each in (old, older):
        os.utime(each, (time.time() - 200_000,) * 2)
    scratch._known.clear()
    top = in_scratch_folder(repo_of(main)).top
    assert {each.name for each in folder.iterdir() if each.is_dir()} == {used.name, Path(top).name}


def test_a_folder_that_was_swept_from_a_process_that_lives_long_is_laid_out_again(main: Tree) -> None:
    repo = repo_of(main)
    first = in_scratch_folder(repo).top
    os.rmdir(first)
    assert os.path.isdir(in_scratch_folder(repo).top)


# what could not be told


def test_a_merge_that_fails_is_told_each_time_and_never_kept(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 3)
    text.ok("status")  # else the forecast reads the copied file anew, and stores the lost blob again
    blob = text.ok("rev-parse", "main:f.txt")
    lost = text.path / ".git/objects" / blob[:2] / blob[2:]
    content = lost.read_bytes()
    lost.unlink()
    for _ in range(2):
        done = text.sync("forecast")
        assert done.code == 1
        assert "one and two could not be merged: " in done.out
        assert " conflict in " not in done.out
    facts = facts_of(text)
    assert [(row["one"], row["other"]) for row in facts["not_merged"]] == [("one", "two")]
    assert "could not be merged with two" in text.synced("status")
    one = Tree(text.path.parent / "one", text.environ)
    assert "one and two could not be merged" in one.synced("status", "--new").replace("two and one", "one and two")
    assert "could not be merged" not in one.synced("status", "--new"), "told once"
    lost.write_bytes(content)
    assert clashes(text) == [("one", "two", "f.txt")]


def test_histories_with_nothing_in_common_are_told(text: Tree) -> None:
    text.ok("worktree", "add", "-q", "--detach", "../pages")
    pages = Tree(text.path.parent / "pages", text.environ)
    pages.ok("switch", "-q", "--orphan", "pages")
    assert facts_of(text)["not_read"] == [{"id": "pages", "why": "it has no commit yet", "expected": True}]
    assert text.sync("forecast").code == 0
    assert pages.commit("f.txt", "other\n").code == 0
    done = text.sync("forecast")
    assert done.code == 1
    assert "pages and main could not be merged: refusing to merge unrelated histories" in done.out


def test_a_worktree_that_cannot_be_read_is_named(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    edit(one, 3, "one")
    admin = text.path / ".git/worktrees"
    head = (admin / "two/HEAD").read_text()
    (admin / "two/HEAD").write_text("")
    done = text.sync("forecast")
    assert done.code == 1
    assert "two: its HEAD names no commit that can be read" in done.out
    (admin / "two/HEAD").write_text(head)
    (admin / "one/index").write_bytes(b"DIRC garbage")
    assert [row["id"] for row in facts_of(text)["not_read"]] == ["one"]
    (admin / "one/index").unlink()
    (admin / "lost").mkdir()
    two.path.rename(text.path.parent / "elsewhere")
    rows = {row["id"]: row["expected"] for row in facts_of(text)["not_read"]}
    assert rows == {"two": True, "lost": False}


def test_base_without_a_commit_is_named_and_worktrees_are_still_held_against_each_other(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 3)
    text.ok("switch", "-q", "--detach")
    text.unhooked("update-ref", "-d", "refs/heads/main")
    done = text.sync("forecast")
    assert "branch main has no commit here" in done.err
    assert "one and two conflict in f.txt" in done.out


def test_a_file_that_cannot_be_read_is_named(text: Tree) -> None:
    one = text.worktree("one")
    (one.path / "inner").mkdir()
    Tree(one.path / "inner", one.environ).ok("init", "-q")
    done = text.sync("forecast")
    assert done.code == 0
    assert "one: not all of its files are looked at: 'inner/' does not have a commit checked out" in done.err


def test_a_folder_that_was_moved_two_ways_is_a_conflict_though_no_file_tells(text: Tree) -> None:
    for number in range(4):
        text.write(f"d/{number}", f"{number}\n" * 20)
    text.ok("add", ".")
    text.ok("commit", "-qm", "d")
    one, two = text.worktree("one"), text.worktree("two")
    for number, target in enumerate(("x", "x", "y", "y")):
        (one.path / target).mkdir(exist_ok=True)
        one.ok("mv", f"d/{number}", f"{target}/{number}")
    assert one.git("commit", "-qm", "split").code == 0
    assert two.commit("d/new", "new\n").code == 0
    done = text.sync("forecast")
    assert done.code == 1, done
    assert "one and two conflict in d" in done.out


# what is no conflict


@pytest.mark.parametrize("name", ["Gemfile.lock", "made/out.txt"])
def test_a_generated_file_alone_is_no_conflict(text: Tree, name: str) -> None:
    configure(text, regenerate_paths='["made/**"]')
    text.commit(name, "\n".join(LINES) + "\n")
    one, two = text.worktree("one"), text.worktree("two")
    for tree, line in ((one, 3), (two, 20)):
        rows = list(LINES)
        rows[line] = tree.path.name
        tree.write(name, "\n".join(rows) + "\n")
        tree.write("new.lock", tree.path.name)
    assert clashes(text) == [("one", "two", "new.lock")]
    (one.path / "new.lock").unlink()
    assert text.sync("forecast").code == 0
    (two.path / name).unlink()
    assert clashes(text) == [("one", "two", name)], "one deletes what the other changes: no tool decides that"


def test_uncommitted_work_on_a_squash_landed_branch_counts_without_its_commits(text: Tree) -> None:
    one, two = work(text, "one", 3), text.worktree("two")
    text.ok("merge", "-q", "--squash", "one")
    text.ok("commit", "-qm", "one (#1)")
    edit(text, 3, "base went on")
    text.ok("commit", "-qam", "base goes on")
    two.ok("merge", "-q", "--no-edit", "main")
    edit(one, 20, "one again")
    assert clashes(text) == []
    edit(two, 20, "two")
    assert clashes(text) == [("one", "two", "f.txt")]
    edit(one, 3, "one against base")
    assert clashes(text) == [("one", "base", "f.txt")]


def test_other_attributes_are_another_merge(text: Tree) -> None:
    work(text, "one", 3)
    work(text, "two", 3)
    assert clashes(text) == [("one", "two", "f.txt")]
    with (text.path / ".git/info/attributes").open("a") as file:
        file.write("f.txt merge=union\n")
    assert clashes(text) == []


# when it is shown


def test_a_conflict_is_shown_only_while_both_sides_are_what_it_was_found_for(text: Tree) -> None:
    one, two = work(text, "one", 3), text.worktree("two")
    edit(two, 3, "two")
    assert text.sync("forecast").code == 1
    shown = "conflicts with two"
    assert shown in text.synced("status")
    two.write("other.txt", "x\n")
    assert shown in text.synced("status"), "nothing about f.txt has changed"
    edit(two, 3, "otherwise")
    assert shown not in text.synced("status")
    edit(two, 3, "two")
    assert shown in text.synced("worktree", "list"), "as it was found again"
    two.ok("checkout", "-q", "f.txt")
    assert shown not in text.synced("worktree", "list")
    edit(two, 3, "two")
    assert shown in text.synced("status")
    one.commit("g.txt", "g\n")
    assert shown not in text.synced("status")


def test_a_conflict_that_was_told_is_no_news_after_another_edit(text: Tree) -> None:
    one, two = work(text, "one", 3), text.worktree("two")
    edit(two, 3, "two")
    text.sync("forecast")
    assert "conflict in f.txt" in two.synced("status", "--new")
    edit(two, 3, "two again")
    assert "conflict" not in two.synced("status", "--new")
    text.sync("forecast")
    assert "conflict" not in two.synced("status", "--new"), "the same conflict"
    two.ok("checkout", "-q", "f.txt")
    text.sync("forecast")
    two.synced("status", "--new")
    edit(two, 3, "two")
    text.sync("forecast")
    assert "conflict in f.txt" in two.synced("status", "--new"), "it was over, and is back"
    assert one.path.exists()


def test_the_first_news_of_a_worktree_speak_of_base(text: Tree) -> None:
    one, fresh = text.worktree("one"), text.worktree("fresh")
    (text.path / ".git/worktrees/one/agentsync-worktree/told").unlink(missing_ok=True)
    text.commit("a.txt", "a\n")
    text.commit("b.txt", "b\n")
    assert "base main has 2 commits that this branch lacks: agentsync sync" in one.synced("status", "--new")
    assert one.synced("status", "--new") == ""
    text.commit("c.txt", "c\n")
    assert "base main moved by 1 commit: agentsync sync" in one.synced("status", "--new")
    fresh.ok("merge", "-q", "--ff-only", "main")
    assert "base" not in fresh.synced("status", "--new")


def test_nothing_found_is_one_line_on_a_terminal(text: Tree) -> None:
    for name in ("one", "two"):
        text.worktree(name)
    assert text.synced("forecast") == ""
    parent, child = pty.openpty()
    argv = [sys.executable, "-m", "agentsync", "forecast"]
    done = subprocess.run(argv, cwd=text.path, env=text.environ, stdout=child, stderr=subprocess.PIPE, check=False)
    os.close(child)
    assert done.returncode == 0
    assert os.read(parent, 1000).decode().strip() == "no conflicts among 3 worktrees"
    os.close(parent)


@pytest.mark.parametrize("kind", ["status", "integrate", "prune", "remove"])
def test_a_worktree_that_cannot_be_read_is_never_clean(text: Tree, kind: str) -> None:
    one = work(text, "one", 3)
    text.ok("merge", "-q", "--no-edit", "one")
    one.commit("more.txt", "x\n") if kind == "integrate" else None
    one.synced("status")
    one.write("precious.txt", "x\n")
    (text.path / ".git/worktrees/one/index").write_bytes(b"DIRC garbage")
    words = {"status": ["status"], "integrate": ["integrate", "--dry-run"], "prune": ["worktree", "prune"],
             "remove": ["worktree", "remove", "one"]}  # fmt: skip
    done = text.sync(*words[kind])
    assert "cannot be read" in done.out + done.err
    assert one.read("precious.txt") == "x\n"
    if kind == "remove":
        done = text.sync("worktree", "remove", "one", "--force")
        assert done.code == 1, "nobody knows what would go"
        assert one.read("precious.txt") == "x\n"


def test_untracked_files_count_whatever_the_user_shows_of_them(text: Tree) -> None:
    one, two = text.worktree("one"), text.worktree("two")
    text.ok("config", "status.showUntrackedFiles", "no")
    assert clashes(text) == []
    one.write("new.txt", "one\n")
    two.write("new.txt", "two\n")
    assert clashes(text) == [("one", "two", "new.txt")]
