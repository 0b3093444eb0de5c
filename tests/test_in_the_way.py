"""What stands where a landing or a sync would write: what git has no copy of is not lost, and a held index waits."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest
from conftest import LINES, Tree
from test_landing import edit, work

from agentsync.git.refs import worktrees
from agentsync.git.repo import around
from agentsync.landing.follow import follow_merging

PRECIOUS = "the only copy\n"
ALLOW = ("-c", "protocol.file.allow=always")


def replaced(base: Tree, shape: str) -> str:
    """Let the branch `one` change what `conf` is; the name of the ignored file that would be in the way of it."""
    base.step(f"conf: {shape}", lambda: replace(base, shape))
    return {"file to folder": "conf-file", "the same name": "new.local"}.get(shape, "conf/deep/secrets.local")


def replace(base: Tree, shape: str) -> None:
    base.write(".gitignore", "*.local\n/conf-file\n")
    base.write("conf/x.txt", "x\n")
    base.ok("add", ".")
    base.ok("commit", "-qm", "a folder")
    one = base.worktree("one")
    if shape.startswith("folder"):
        one.ok("rm", "-qr", "conf")
    if shape == "folder to file":
        one.write("conf", "one file now\n")
    elif shape == "folder to link":
        (one.path / "conf").symlink_to("f.txt")
    elif shape == "folder to submodule":
        base.ok(*ALLOW, "clone", "-q", ".", "../inner")
        one.ok(*ALLOW, "submodule", "--quiet", "add", "../inner", "conf")
    elif shape == "file to folder":
        one.write("conf-file/x", "x\n")
        one.ok("add", "-f", "conf-file/x")
    elif shape == "the same name":
        one.write("new.local", "from one\n")
        one.ok("add", "-f", "new.local")
    one.ok("add", ".")
    one.ok("commit", "-qm", shape)


SHAPES = ["folder to file", "folder to link", "folder to submodule", "file to folder", "the same name"]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("how", ["integrate", "sync", "sync, with a conflict"])
def test_no_ignored_file_is_destroyed_and_the_command_to_type_helps(text: Tree, shape: str, how: str) -> None:
    name = replaced(text, shape)
    text.ok("branch", "two")
    if how == "integrate":
        here, words = text, ("integrate", "one")
    else:
        text.ok("merge", "-q", "--no-edit", "one")
        here, words = Tree(text.path.parent / "two", text.environ), ("sync",)
        text.ok("worktree", "add", "-q", "../two", "two")
        here.commit("other.txt", "x\n")
        if how != "sync":
            for tree in (here, text):
                edit(tree, 3, f"of {tree.path.name}")
                tree.ok("commit", "-qam", "line 3")
    here.write(name, PRECIOUS)
    before = here.head()
    done = here.sync(*words)
    if shape == "folder to submodule":  # git makes no folder empty for one
        assert here.read(name) == PRECIOUS
        return
    assert done.code == 1, done
    assert f"git does not track are in the way: {name}" in done.out + done.err
    assert here.read(name) == PRECIOUS
    assert here.head() == before
    assert here.ok("status", "--porcelain") == ""
    command = done.err.strip().splitlines()[-1].strip()
    assert here.run("sh", "-c", command).code == 0
    kept = [path for path in here.path.parent.iterdir() if path.name.startswith(here.path.name + ".")]
    assert [path.read_text() for path in kept if path.is_file()] == [PRECIOUS]
    again = here.sync(*words)
    assert "in the way" not in again.out + again.err
    assert again.code == (1 if how == "sync, with a conflict" else 0), again


def test_a_repository_inside_a_folder_that_goes_is_in_the_way(text: Tree) -> None:
    replaced(text, "folder to file")
    text.ok("init", "-q", "conf/clone.local")
    Tree(text.path / "conf/clone.local", {**text.environ, "GIT_AUTHOR_NAME": "x"}).write("work.txt", "x\n")
    done = text.sync("integrate", "one")
    assert "in the way: conf/clone.local" in done.out
    assert (text.path / "conf/clone.local/work.txt").exists()


@pytest.mark.parametrize("becomes", ["a file", "a folder", "a folder with the same in it"])
def test_a_submodule_that_is_checked_out_is_not_written_over(text: Tree, becomes: str) -> None:
    text.ok(*ALLOW, "clone", "-q", ".", "../inner")
    text.ok(*ALLOW, "submodule", "--quiet", "add", "../inner", "vendor")
    text.ok("commit", "-qm", "submodule")
    one = text.worktree("one")
    one.ok("rm", "-q", "vendor")
    mine = "work in the submodule\n"
    same = "same" in becomes
    one.write("vendor" if becomes == "a file" else "vendor/f.txt", mine if same else "of our own\n")
    one.ok("add", ".")
    one.ok("commit", "-qm", "no submodule any more")
    text.write("vendor/f.txt", mine)
    done = text.sync("integrate", "one")
    assert done.code == 1, done
    assert "vendor" in done.out
    assert text.read("vendor/f.txt") == mine
    assert text.ok("rev-parse", "HEAD:vendor"), "nothing moved"


def test_names_that_differ_in_case_only(text: Tree) -> None:
    """Where the file system does not tell case apart, the file that is renamed stands at its new name already."""
    text.ok("config", "core.ignorecase", "true")
    one = text.worktree("one")
    one.ok("mv", "-f", "f.txt", "F.txt")
    one.ok("commit", "-qm", "case")
    (text.path / "F.txt").write_text("as f.txt would answer there, edited\n")
    assert "does not track" not in text.sync("integrate", "one").out
    text.ok("config", "core.ignorecase", "false")
    assert "does not track are in the way: F.txt" in text.sync("integrate", "one").out


@pytest.mark.parametrize("where", ["base", "branch"])
def test_an_index_that_is_held_for_a_moment_is_waited_for(text: Tree, where: str) -> None:
    one = work(text, "one", 3)
    text.commit("other.txt", "x\n")
    lock = text.path / ".git/index.lock" if where == "base" else text.path / ".git/worktrees/one/index.lock"
    lock.write_text("")
    timer = threading.Timer(1, lock.unlink)
    timer.start()
    done = text.sync("integrate", "one") if where == "base" else one.sync("sync")
    timer.join()
    assert done.code == 0, done
    assert text.ok("status", "--porcelain") == one.ok("status", "--porcelain") == ""


def test_an_index_that_stays_held_is_named_and_nothing_moves(text: Tree) -> None:
    work(text, "one", 3)
    lock = text.path / ".git/index.lock"
    lock.write_text("")
    before, begun = text.head(), time.monotonic()
    done = text.sync("integrate", "one")
    assert time.monotonic() - begun < 30
    assert done.code == 1
    assert f"another git holds the index of {text.path}" in done.out
    assert f"ls -l {lock}" in done.err
    assert text.head() == before
    assert lock.exists(), "it may be a person's, whose editor is open"
    lock.unlink()
    assert "one  landed" in text.synced("integrate", "one")


# a landing that was killed, and edits since


def cut_short(base: Tree, branch: str) -> tuple[bytes, ...]:
    """Move base to a branch and let its files follow, as the next command does after a kill."""
    old, new = base.head(), base.ok("rev-parse", branch)
    base.unhooked("update-ref", "refs/heads/main", new, old)
    repo = around(base.environ, str(base.path))
    assert repo
    return follow_merging(repo, worktrees(repo)[0], old, new)


@pytest.mark.parametrize("mode", [0o755, 0o644, 0o600, 0o700])
def test_edits_are_merged_and_the_permissions_stay(text: Tree, mode: int) -> None:
    (text.path / "f.txt").chmod(mode)
    text.git("commit", "-qam", "mode")
    work(text, "one", 3)
    edit(text, 20, "mine")
    (text.path / "f.txt").chmod(mode)
    assert cut_short(text, "one") == ()
    assert text.read("f.txt").splitlines() == [*LINES[:3], "one", *LINES[4:20], "mine", *LINES[21:]]
    assert (text.path / "f.txt").stat().st_mode & 0o777 == mode
    assert not list(text.path.glob("*.agentsync"))


def test_a_mode_that_landed_comes_with_it(text: Tree) -> None:
    one = text.worktree("one")
    edit(one, 3, "one")
    (one.path / "f.txt").chmod(0o755)
    one.ok("commit", "-qam", "executable")
    edit(text, 20, "mine")
    cut_short(text, "one")
    assert os.access(text.path / "f.txt", os.X_OK)
    assert text.ok("diff", "--summary") == ""


def test_line_ends_that_git_converts_are_no_edits(text: Tree) -> None:
    text.write(".gitattributes", "f.txt eol=crlf\n")
    text.ok("add", ".")
    text.ok("commit", "-qm", "crlf")
    one = text.worktree("one")
    lines = one.path.joinpath("f.txt").read_bytes().split(b"\r\n")
    one.path.joinpath("f.txt").write_bytes(b"\r\n".join([*lines[:3], b"one", *lines[4:]]))
    one.ok("commit", "-qam", "one")
    (text.path / "f.txt").unlink()
    text.ok("checkout", "f.txt")
    mine = text.path.joinpath("f.txt").read_bytes().replace(b"line 20\r\n", b"mine\r\n")
    text.path.joinpath("f.txt").write_bytes(mine)
    cut_short(text, "one")
    assert text.path.joinpath("f.txt").read_bytes() == mine.replace(b"line 3\r\n", b"one\r\n")


@pytest.mark.parametrize("case", ["binary", "link", "deleted here", "deleted there", "ignored", "folder"])
def test_what_is_no_text_to_merge_stays_as_it_stands(text: Tree, case: str) -> None:
    (text.path / "b.bin").write_bytes(b"\0\1")
    (text.path / "link").symlink_to("f.txt")
    text.ok("add", ".")
    text.ok("commit", "-qm", "more kinds")
    one = text.worktree("one")
    name = {"binary": "b.bin", "link": "link", "ignored": "new.local", "folder": "new.local"}.get(case, "f.txt")
    there, here = one.path / name, text.path / name
    for place, word in ((there, "there"), (here, "here")):
        if case == f"deleted {word}":
            place.unlink()
        elif case == "binary":
            place.write_bytes(b"\0" + word.encode())
        elif case == "link":
            place.unlink()
            place.symlink_to(word)
        elif case == "folder" and word == "here":
            place.mkdir()
            (place / "precious").write_text("x")
        else:
            place.write_text(word)
        if place is there:
            one.ok("add", "-A", "-f", ".")
            one.ok("commit", "-qm", "there")
    before = standing(here)
    assert cut_short(text, "one") == (name.encode(),)
    assert standing(here) == before


def standing(path: Path) -> object:
    if path.is_symlink():
        return os.readlink(path)
    if path.is_dir():
        return sorted(one.name for one in path.iterdir())
    return path.read_bytes() if path.exists() else None


def test_a_submodule_in_a_landing_that_was_cut_short(text: Tree) -> None:
    text.ok(*ALLOW, "clone", "-q", ".", "../inner")
    one = text.worktree("one")
    one.ok(*ALLOW, "submodule", "--quiet", "add", "../inner", "vendor")
    edit(one, 3, "one")
    one.ok("commit", "-qam", "submodule")
    edit(text, 20, "mine")
    assert cut_short(text, "one") == (b"vendor",)
    assert "mine" in text.read("f.txt")
    assert "one" in text.read("f.txt")
    done = subprocess.run(["git", "fsck"], cwd=text.path, env=text.environ, capture_output=True, check=False)
    assert done.returncode == 0
