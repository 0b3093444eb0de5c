"""Bad input: one clear line, the next command, the exit code of its kind; nothing written, nothing lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from conftest import Tree


@pytest.mark.parametrize(
    "data",
    [
        b"# Tasks\r\n\r\n- [ ] **T-1** One\r\n\r\n- [ ] **T-2** Two\r\n",
        b"\xef\xbb\xbf- [ ] **T-1** One\n",
        b"- [ ] **T-1** One",
        b"caf\xe9 \xff\n- [ ] **T-1** One\n",
    ],
    ids=["crlf", "bom", "no newline", "not utf-8"],
)
def test_plans_of_every_make(main: Tree, data: bytes) -> None:
    (main.path / "TASKS.md").write_bytes(data)
    main.ok("add", ".")
    main.ok("commit", "-qm", "plan")
    one = main.worktree("one")
    assert one.synced("task", "next", "--claim").startswith("T-1  One")
    one.synced("task", "done")
    expected = data.replace(b"[ ] **T-1** One", b"[x] **T-1** One @one")
    assert (one.path / "TASKS.md").read_bytes() == expected
    one.ok("commit", "-qam", "done")


def test_a_submodules_paths_are_its_own(main: Tree) -> None:
    other = main.path.parent / "other"
    main.ok("init", "-q", str(other))
    inner = Tree(other, main.environ)
    inner.ok("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-q", "--allow-empty", "-m", "x")
    main.ok("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "sub")
    main.write("sub/a.txt", "a\n")
    done = main.sync("lock", "sub/a.txt")
    assert done.code == 2
    assert done.err.strip().splitlines()[-1].strip() == "cd sub && agentsync lock a.txt"
    main.synced("lock", "sub")


def test_a_range_before_the_first_commit_is_no_shallow_clone(bare_tree: Tree) -> None:
    bare_tree.synced("init", "--yes")
    assert "HEAD~1" not in bare_tree.sync("check").err
    done = bare_tree.sync("check", "--range", "HEAD~1..HEAD")
    assert done.code == 2
    assert "shallow" not in done.err
    assert bare_tree.ok(*done.err.strip().splitlines()[-1].split()[1:])


def test_a_shallow_clone_says_what_to_fetch(main: Tree, tmp_path: Path) -> None:
    main.commit("a.txt", "a\n")
    main.ok("clone", "-q", "--depth=1", f"file://{main.path}", str(tmp_path / "shallow"))
    shallow = Tree(tmp_path / "shallow", main.environ)
    done = shallow.sync("check", "--range", "HEAD~1..HEAD")
    assert done.code == 2
    assert "git fetch --unshallow" in done.err
    shallow.ok("config", "user.name", "x")
    shallow.ok("config", "user.email", "x@y")
    shallow.synced("init", "--yes")
    assert shallow.commit("b.txt", "b\n").code == 0


@pytest.mark.parametrize("damage", ["object", "ref", "deleted"])
def test_a_damaged_state_blocks_nobody(main: Tree, one: Tree, damage: str) -> None:
    one.synced("lock", "shared.txt")
    store = main.path / ".git/agentsync/store.git"
    if damage == "object":
        for path in store.glob("objects/??/*"):
            path.chmod(0o644)
            path.write_bytes(b"damaged")
    elif damage == "ref":
        (store / "refs/heads/state").write_text("not an id\n")
    else:
        import shutil

        shutil.rmtree(store)
    done = one.sync("lock", "other.txt")
    assert "Traceback" not in done.err
    if damage != "deleted":
        assert done.code == 1
        assert "the shared state is damaged" in done.err
        assert one.commit("a.txt", "a\n").code == 0
        assert main.sync("doctor").code == 1
    else:
        assert done.code == 0


def test_twenty_thousand_staged_files(one: Tree, two: Tree) -> None:
    one.synced("lock", "shared.txt")
    for number in range(20_000):
        folder = two.path / "many" / str(number % 100)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"{number}\n")
    two.ok("add", ".")
    done = two.git("commit", "-qm", "many")
    assert done.code == 0
    assert "could not decide" not in done.err
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qa", "--amend", "--no-edit")


@pytest.mark.parametrize("name", [b"sp ace", b"quo\"te'", b"new\nline", b"-dash", b"\xff\xfe", b".lock", b"x.chain"])
def test_hostile_paths_pass_the_gates(one: Tree, two: Tree, name: bytes) -> None:
    """Committed under a lock, they grow a chain, and the next holder is told of the version that it lacks."""
    path = os.path.join(os.fsencode(one.path), b"dir", name)
    os.makedirs(os.path.dirname(path))
    Path(os.fsdecode(path)).write_text("1\n")
    words = [sys.executable, "-m", "agentsync", "lock", "--", b"dir/" + name]
    assert one.run(*words).code == 0
    one.ok("add", "-A")
    one.ok("commit", "-qm", "x")
    one.synced("unlock", "--all")
    done = two.run(*words)
    assert done.code == 1, done
    assert "has a newer version than this branch" in done.err
    assert "git merge one" in done.err
    two.ok("merge", "-q", "one")
    assert two.run(*words).code == 0


def test_two_versions_of_agentsync_in_one_repository(main: Tree, one: Tree) -> None:
    """A state that a newer agentsync wrote: gates pass with one line, commands say what to upgrade."""
    from agentsync.state.store import Change, Store

    store = Store(str(main.path / ".git/agentsync"), main.environ)
    store.swap(lambda _: Change("future", "future", {b"version.toml": {"version": 99}}))
    done = one.sync("lock", "shared.txt")
    assert done.code == 1
    assert "written by a newer agentsync" in done.err
    done = one.commit("a.txt", "a\n")
    assert done.code == 0
    assert "newer agentsync" in done.err


def test_no_space_left(main: Tree, one: Tree) -> None:
    """The nearest to a full disk that needs no mount: a limit on file size of 0."""
    one.synced("status")
    script = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); import signal; "
    script += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.argv = ['agentsync', 'lock', 'shared.txt']; "
    script += "runpy.run_module('agentsync', run_name='__main__')"
    done = one.run(sys.executable, "-c", script)
    assert done.code == 1, done
    assert "the shared state cannot be written" in done.err
    assert "Traceback" not in done.err
    assert one.synced("lock") == ""
