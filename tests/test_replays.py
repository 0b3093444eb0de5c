"""What repeats a judged change, and what only looks like it; the cost does not grow with the history."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from conftest import Tree

from agentsync.gates.opening import open_scene
from agentsync.git.objects import changes_between
from agentsync.git.repo import discover
from agentsync.git.run import judging_environment


def both(main: Tree, one: Tree, two: Tree, name: str, content: bytes) -> None:
    (main.path / name).write_bytes(content)
    main.ok("add", name)
    main.ok("commit", "-qm", f"add {name}")
    for tree in (one, two):
        tree.ok("merge", "-q", "--ff-only", "main")


BINARY = (b"\0\1\2" * 50, b"\0\3\4" * 50, b"\0\5\6" * 50)
CARRIAGE_RETURNS = (b"a\rb\rc\r", b"a\rb\rC\r", b"a\rB\rc\r")
PLUS_SIGNS = (b"int f(){\n}\n", b"int f(){\n++i;\n}\n", b"int f(){\n++everything;\n}\n")
MINUS_SIGNS = (b"-- a\n-- b\n-- c\n", b"-- a\n-- c\n", b"-- a\n-- b\n")
NO_END = (b"a\nb", b"a\nb\n", b"a\nb\nc")


@pytest.mark.parametrize(
    "versions",
    [BINARY, CARRIAGE_RETURNS, PLUS_SIGNS, MINUS_SIGNS, NO_END],
    ids=["binary", "cr", "plus", "minus", "end"],
)
def test_a_change_that_git_shows_alike_is_not_the_holders(
    main: Tree, one: Tree, two: Tree, versions: tuple[bytes, bytes, bytes]
) -> None:
    before, holders, strangers = versions
    both(main, one, two, "file", before)
    one.synced("lock", "file")
    (one.path / "file").write_bytes(holders)
    one.ok("commit", "-qam", "the holder's")
    (two.path / "file").write_bytes(strangers)
    two.refused("commit", "-qam", "another's")


def test_a_submodule_at_another_commit_is_not_the_holders(main: Tree, one: Tree, two: Tree, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    library = Tree(tmp_path / "lib", main.environ)
    library.ok("init", "-q", "-b", "main")
    for name in ("user.name", "user.email"):
        library.ok("config", name, "x")
    commits = []
    for number in range(3):
        library.ok("commit", "-q", "--allow-empty", "-m", str(number))
        commits.append(library.head())
    entry = "160000,{},sub"
    main.ok("update-index", "--add", "--cacheinfo", entry.format(commits[0]))
    main.ok("commit", "-qm", "a submodule")
    for tree in (one, two):
        tree.ok("merge", "-q", "--ff-only", "main")
    one.synced("lock", "sub")
    one.ok("update-index", "--cacheinfo", entry.format(commits[1]))
    one.ok("commit", "-qm", "the holder's")
    two.ok("update-index", "--cacheinfo", entry.format(commits[2]))
    two.refused("commit", "-qm", "another's")


def test_the_same_edit_with_another_mode_is_not_the_same(main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "one\nTWO\nthree\n")
    two.ok("commit", "-qam", "before the lock")
    one.synced("lock", "shared.txt")
    two.ok("reset", "-q", "--soft", "HEAD~1")
    two.ok("update-index", "--chmod=+x", "shared.txt")
    two.refused("commit", "-qm", "again, and executable")
    two.ok("update-index", "--chmod=-x", "shared.txt")
    two.ok("commit", "-qm", "again")


def test_an_empty_patch_equals_nothing(main: Tree, one: Tree, two: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    both(main, one, two, "file", BINARY[0])
    (two.path / "file").write_bytes(BINARY[1])
    two.ok("commit", "-qam", "binary")
    monkeypatch.chdir(two.path)
    repo = discover(judging_environment(two.environ))
    pair = (two.head(), main.head())
    found = changes_between(repo, [pair], patches=True)[pair]
    assert [one.change.path for one in found] == [b"file"]
    assert found[0].patch is None


def history_of(main: Tree, branch: str, count: int) -> None:
    """A branch with many commits, each of which changes one line of `hot.txt`; no hook sees them made."""
    lines = [str(number) for number in range(400)]
    script = ["feature done"]
    for number in range(count):
        lines[number % 400] = f"entry {number}"
        data = "\n".join(lines) + "\n"
        script.append(f"commit refs/heads/{branch}\ncommitter B <b@x> {1796000000 + number} +0000\ndata 1\nx")
        script += [f"from {main.head()}"] if not number else []
        script.append(f"M 100644 inline hot.txt\ndata {len(data)}\n{data}")
    done = subprocess.run(["git", "fast-import", "--quiet"], input="\n".join([*script, "done", ""]).encode(),
                          cwd=main.path, env=main.environ, check=False, capture_output=True)  # fmt: skip
    assert done.returncode == 0, done


@pytest.mark.parametrize("count", [40, 1000])
def test_many_judged_changes_of_one_file_are_decided(main: Tree, one: Tree, two: Tree, count: int) -> None:
    both(main, one, two, "hot.txt", "".join(f"{number}\n" for number in range(400)).encode())
    busy = main.worktree("busy")
    busy.unhooked("checkout", "-q", "--detach")
    history_of(main, "busy", count)
    busy.ok("switch", "-q", "busy", "--discard-changes")
    judged = main.path / ".git/agentsync/judged/refs/heads"
    judged.mkdir(parents=True, exist_ok=True)
    (judged / "busy.tip").write_text(main.ok("rev-parse", "busy") + "\n")
    one.synced("lock", "hot.txt")
    two.write("hot.txt", two.read("hot.txt").replace("\n200\n", "\ntwo was here\n"))
    done = two.refused("commit", "-qam", "another's")
    assert "could not decide" not in done.err


def test_a_gates_processes_do_not_grow_with_what_was_judged(
    main: Tree, one: Tree, two: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question of replay, asked with few and with many judged changes: the same number of git processes."""
    from agentsync.gates import judge
    from agentsync.git import run
    from agentsync.git.objects import tree_changes
    from agentsync.judging.verdict import Transition

    both(main, one, two, "hot.txt", "".join(f"{number}\n" for number in range(400)).encode())
    one.synced("lock", "hot.txt")
    two.write("hot.txt", two.read("hot.txt").replace("\n200\n", "\ntwo was here\n"))
    two.unhooked("commit", "-qam", "another's")
    started = [0]
    spawn = run.spawn

    def counting(*given: object, **named: object) -> object:
        started[-1] += 1
        return spawn(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "spawn", counting)
    monkeypatch.chdir(two.path)
    for count in (10, 300):
        history_of(main, f"busy{count}", count)
        judged = main.path / ".git/agentsync/judged/refs/heads"
        judged.mkdir(parents=True, exist_ok=True)
        (judged / f"busy{count}.tip").write_text(main.ok("rev-parse", f"busy{count}") + "\n")
        scene = open_scene(discover(judging_environment({**os.environ, **two.environ})))
        changes = tree_changes(scene.repo, two.head() + "^", two.head())
        step = Transition((two.ok("rev-parse", "HEAD^"),), changes, two.head())
        started.append(0)
        assert judge.judge_steps(scene, [step], "refs/heads/two").findings
    assert started[2] <= started[1] < 12


def test_a_rebase_over_a_path_that_another_has_locked_is_decided(main: Tree, one: Tree, two: Tree) -> None:
    both(main, one, two, "hot.txt", "".join(f"{number}\n" for number in range(40)).encode())
    for number in range(12):
        two.write("hot.txt", two.read("hot.txt").replace(f"\n{number + 10}\n", f"\ntwo {number}\n"))
        two.ok("commit", "-qam", f"work {number}")
    tips = main.path / ".git/agentsync/judged/refs/heads"
    for number in range(200):
        made = main.ok("commit-tree", "-p", "main", "-m", str(number), "main^{tree}")
        (tips / f"agent-{number}.tip").write_text(made + "\n")
    main.commit("z.txt", "z\n")
    one.synced("lock", "hot.txt")
    done = two.git("rebase", "-q", "main")
    assert done.code == 0, done
    assert "could not decide" not in done.err
    done = two.commit("n.txt", "n\n")
    assert done.code == 0
    assert "could not decide" not in done.err
