"""What sh decides alone: never more than a gate would let pass, and without Python where nobody is concerned."""

from __future__ import annotations

import subprocess

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.config.patterns import matches
from agentsync.gates.quiet import shell_globs
from agentsync.locks.beside import HEADER

PIECES = st.sampled_from(["a", "b", "ab", "*", "**", "?", "[ab]", "a*", "*.b", "/", "\\*", "!", " "])
PATTERNS = st.lists(PIECES, min_size=1, max_size=6).map("".join)
NAMES = st.lists(st.sampled_from(["a", "b", "ab", "a.b", "ba"]), min_size=1, max_size=4).map("/".join)


@given(st.lists(st.tuples(PATTERNS, NAMES), min_size=1, max_size=20))
def test_shell_patterns_match_all_that_git_patterns_name(rows: list[tuple[str, str]]) -> None:
    """Asked of the shell itself; it may match more, never less."""
    named = [(pattern, name) for pattern, name in rows if matches([pattern], name.encode())]
    script = []
    for pattern, name in named:
        globs = shell_globs(pattern)
        script.append("found=")
        for glob in globs:
            script.append(f"IFS= read -r glob <<'END'\n{glob}\nEND\ncase {name} in $glob) found=1 ;; esac")
        script.append('echo "$found"')
    done = subprocess.run(["sh", "-c", "\n".join(script)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1"] * len(named), named


def python_starts(tree: Tree, *words: str, **extra: str) -> int:
    """How often a git command starts Python, by a Python that counts."""
    log = tree.path.parent / "starts"
    log.unlink(missing_ok=True)
    done = tree.git(*words, **extra, AGENTSYNC_COUNT=str(log))
    assert done.code == 0, done
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def counted(main: Tree) -> Tree:
    """Base whose hooks count each start of Python."""
    shim = main.path / ".git/agentsync/shim.sh"
    text = shim.read_text()
    counted = text.replace(
        "    python=", '    [ -z "${AGENTSYNC_COUNT-}" ] || echo x >>"$AGENTSYNC_COUNT"\n    python=', 1
    )
    assert counted != text
    shim.write_text(counted)
    return main


@pytest.fixture
def settled(counted: Tree) -> Tree:
    """An agent's worktree in which a gate has left what matters."""
    one = counted.worktree("one")
    assert one.commit("first.txt", "1\n").code == 0
    counted.synced("forecast")
    assert one.commit("second.txt", "2\n").code == 0
    return one


def test_a_commit_that_concerns_nobody_starts_no_python_and_gets_its_trailers(settled: Tree) -> None:
    settled.write("a.txt", "a\n")
    settled.ok("add", "a.txt")
    assert python_starts(settled, "commit", "-qm", "quiet") == 0
    assert settled.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"


def test_picks_and_patches_that_concern_nobody_start_no_python(counted: Tree, settled: Tree) -> None:
    counted.ok("switch", "-q", "-c", "source")
    for number in range(3):
        counted.write(f"picked-{number}.txt", "x\n")
        counted.ok("add", ".")
        counted.unhooked("commit", "-qm", f"pick {number}")  # else it would be noted that two touch these paths
    patches = counted.ok("format-patch", "-3", "-o", str(counted.path.parent / "patches")).splitlines()
    counted.ok("switch", "-q", "main")
    assert settled.commit("third.txt", "3\n").code == 0
    assert python_starts(settled, "cherry-pick", "source~3..source") == 0
    settled.ok("reset", "-q", "--hard", "HEAD~3")
    assert settled.commit("fourth.txt", "4\n").code == 0
    assert python_starts(settled, "am", "-q", *patches) == 0
    assert settled.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "", "it is another's work"


def test_python_starts_once_for_picks_after_a_reset_that_no_hook_saw(counted: Tree, settled: Tree) -> None:
    start = settled.head()
    settled.ok("switch", "-q", "-c", "source")
    for number in range(4):
        assert settled.commit(f"picked{number}.txt", "1\n").code == 0
    settled.ok("switch", "-q", "one")
    assert settled.commit("more.txt", "1\n").code == 0
    settled.unhooked("reset", "-q", "--hard", start)
    assert python_starts(settled, "cherry-pick", f"{start}..source") <= 2


def test_no_python_starts_while_a_rebase_is_under_way(counted: Tree, settled: Tree) -> None:
    for number in range(5):
        assert settled.commit(f"work-{number}.txt", "x\n").code == 0
    counted.commit("landed.txt", "x\n")
    assert python_starts(settled, "rebase", "-q", "main") <= 2, "the end of it is judged, and a checkout noted"


@pytest.mark.parametrize(
    "words",
    [("lock", "held.txt"), ("lock", "folder"), ("lock", "@resource")],
    ids=["file", "folder", "resource"],
)
def test_the_state_says_what_is_concerned(counted: Tree, settled: Tree, words: tuple[str, ...]) -> None:
    two = counted.worktree("two")
    two.synced(*words)
    for _ in range(2):
        assert settled.commit("other.txt", f"{words}{_}\n").code == 0  # the first one writes the projection anew
    settled.write("other.txt", "again\n")
    assert python_starts(settled, "commit", "-qam", "quiet") == 0
    path = {"held.txt": "held.txt", "folder": "folder/deep/x.txt"}.get(words[1])
    if path:
        settled.write(path, "x\n")
        settled.ok("add", path)
        settled.refused("commit", "-qm", "another's")


def test_a_lock_on_something_inside_what_changes_is_seen(counted: Tree, settled: Tree) -> None:
    counted.worktree("two").synced("lock", "deep/er/file.txt")
    assert settled.commit("other.txt", "x\n").code == 0
    assert settled.commit("other.txt", "y\n").code == 0
    settled.write("deep", "a file where a folder is locked\n")
    settled.ok("add", "deep")
    settled.refused("commit", "-qm", "another's")


def test_sh_knows_the_marker_files_of_agentsync_by_their_first_line(main: Tree) -> None:
    assert f"= '{HEADER}' ]" in (main.path / ".git/agentsync/shim.sh").read_text()


def test_a_marker_made_by_hand_is_seen(counted: Tree, settled: Tree) -> None:
    two = counted.worktree("two")
    two.synced("status")
    assert settled.commit("other.txt", "x\n").code == 0
    assert settled.commit("other.txt", "y\n").code == 0
    two.write("shared.txt.agent-lock", "two\n")
    settled.write("shared.txt", "mine\n")
    settled.refused("commit", "-qam", "another's")


def test_a_commit_under_ones_own_lock_starts_python_once_and_its_chain_grows(counted: Tree, settled: Tree) -> None:
    """Nothing is judged before the commit is made: the branch's move decides, and writes the chain."""
    settled.synced("lock", "shared.txt")
    assert settled.commit("shared.txt", "1\n").code == 0
    for number in range(2, 4):
        settled.write("shared.txt", f"{number}\n")
        settled.ok("add", "shared.txt")
        assert python_starts(settled, "commit", "-qm", f"version {number}") == 1
        assert settled.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"
    settled.synced("unlock", "shared.txt")
    done = counted.worktree("two").sync("lock", "shared.txt")
    assert settled.head()[:10] in done.err, "the chain's last version is this commit's"


def test_a_persons_commits_to_base_under_his_own_lock_start_python_once(counted: Tree) -> None:
    counted.synced("lock", "shared.txt")
    assert counted.commit("shared.txt", "1\n").code == 0
    for number in range(3):
        counted.write("shared.txt", f"more {number}\n")
        counted.ok("add", "shared.txt")
        assert python_starts(counted, "commit", "-qm", "mine") == 1
    counted.write("agentsync.toml", counted.read("agentsync.toml") + "# another line\n")
    counted.ok("commit", "-qam", "settings")
    counted.write("shared.txt", "last\n")
    counted.ok("add", "shared.txt")
    assert python_starts(counted, "commit", "-qm", "after the settings moved") == 2


def test_a_commit_under_ones_own_lock_and_on_anothers_path_is_refused_before_it_is_made(
    counted: Tree, settled: Tree
) -> None:
    settled.synced("lock", "shared.txt")
    assert settled.commit("shared.txt", "1\n").code == 0
    counted.worktree("two").synced("lock", "src/app.py")
    for _ in range(2):
        assert settled.commit("shared.txt", f"{_}\n").code == 0
    settled.write("src/app.py", "x\n")
    settled.write("shared.txt", "x\n")
    done = settled.refused("commit", "-qam", "both", GIT_TRACE="1")
    assert "src/app.py is locked by two@two" in done.err
    assert "reference-transaction prepared" not in done.err


def test_settings_that_change_are_seen(counted: Tree, settled: Tree) -> None:
    before, rest = counted.read("agentsync.toml").split("[protect]")
    counted.write("agentsync.toml", before + "[protect]" + rest.replace("paths = []", 'paths = ["shared.txt"]', 1))
    done = counted.git("commit", "-qam", "protect")
    assert done.code == 0, done
    settled.write("shared.txt", "mine\n")
    settled.refused("commit", "-qam", "protected")


def test_who_acts_is_seen(settled: Tree) -> None:
    settled.write("a.txt", "a\n")
    settled.ok("add", "a.txt")
    assert python_starts(settled, "commit", "-qm", "x", AGENTSYNC_AGENT="another") > 0
    assert settled.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "another"


def test_a_receipt_is_for_what_the_gate_saw(settled: Tree) -> None:
    """A commit of other content by the same command is judged again."""
    settled.write("a.txt", "a\n")
    settled.ok("add", "a.txt")
    settled.ok("commit", "-qm", "x")
    receipt = next((settled.path.parent / "main/.git/worktrees").glob("one/agentsync-worktree/receipt"))
    assert "a.txt" in receipt.read_text()
    settled.write("shared.txt", "other\n")
    settled.ok("add", "shared.txt")
    made = settled.ok("commit-tree", "-p", "HEAD", "-m", "x", settled.ok("write-tree"))
    assert python_starts(settled, "update-ref", "refs/heads/one", made) in (0, 1)
    assert settled.ok("rev-parse", "one") == made


def test_a_receipt_of_a_commit_that_was_given_up_vouches_for_no_other(counted: Tree, settled: Tree) -> None:
    two = counted.worktree("two")
    two.synced("status")
    settled.write("shared.txt", "mine\n")
    settled.ok("add", "shared.txt")
    assert settled.git("commit", GIT_EDITOR="false").code != 0
    two.write("shared.txt.agent-lock", "two\n")
    made = settled.ok("commit-tree", "-p", "HEAD", "-m", "x", settled.ok("write-tree"))
    settled.refused("merge", "-q", "--ff-only", made)


def test_a_subject_that_begins_with_a_number_sign_gets_trailers(settled: Tree) -> None:
    settled.commit("a.txt", "a\n", "#12 repair")
    assert settled.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"


@pytest.mark.parametrize("name", ["Migrations/0003_x.py", "cql/003_x.up.cql", "src/schema/V3__x.java"])
def test_whatever_may_be_a_migration_is_judged(name: str, settled: Tree) -> None:
    settled.write(name, "x\n")
    settled.ok("add", name)
    assert python_starts(settled, "commit", "-qm", "x") > 0
