"""Commands that destroy what another worktree has not committed; the stash, which all worktrees share."""

from __future__ import annotations

import shutil

import pytest
from clients import shell
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st
from test_agents import allowed, hook

from agentsync.agents.shell.commands import commands_of
from agentsync.agents.shell.dangers import Surroundings, dangers_in
from agentsync.agents.shell.elsewhere import Tree as Place
from agentsync.agents.shell.elsewhere import reaches

PLACES = (
    Place(".main", "main", "/r", "/r/.git"),
    Place("a", "a", "/w/a", "/r/.git/worktrees/a"),
    Place("b", "feature/b", "/w/b", "/r/.git/worktrees/b"),
    Place("in", "in", "/r/.claude/worktrees/in", "/r/.git/worktrees/in"),
)


def reached(script: str, folder: str = "/w/a", own: str = "/w/a") -> set[str]:
    """The worktrees that a script reaches into."""
    found = reaches(commands_of(script, folder), own, lambda: PLACES, lambda path: path, "/home/me")
    return {one.tree.id for one in found}


DESTROYS = {
    "git -C /w/b reset --hard": "b",
    "git -C ../b reset HEAD~1": "b",
    "git -C .. -C b checkout -- .": "b",
    "git -C /w/b/src checkout -- .": "b",
    "git -C /r restore .": ".main",
    "git -C /r clean -fdx": ".main",
    "git -C /r switch -c x": ".main",
    "git -C /w/b stash": "b",
    "git -C /w/b stash pop": "b",
    "git -C /w/b stash drop": "b",
    "git -C /w/b rm -r .": "b",
    "git -C /w/b merge --abort": "b",
    "git -C /w/b rebase --abort": "b",
    "git -C /w/b cherry-pick --skip": "b",
    "git -C /w/b read-tree -u --reset HEAD": "b",
    "git -C /w/b checkout-index -fa": "b",
    "git -C /w/b bisect start": "b",
    "git -C /w/b submodule update --force": "b",
    "cd /w/b && git checkout -- .": "b",
    "cd ../b; git clean -fd": "b",
    "(cd ../b && git reset --hard)": "b",
    "pushd /w/b && git restore . && popd": "b",
    "cd /r && cd .claude/worktrees/in && git reset --hard": "in",
    "env -C /w/b git reset --hard": "b",
    "env GIT_DIR=/r/.git/worktrees/b GIT_WORK_TREE=/w/b git reset --hard": "b",
    "GIT_DIR=/r/.git git reset --hard": ".main",
    "GIT_WORK_TREE=/w/b git checkout -f": "b",
    "export GIT_DIR=/w/b/.git; git reset --hard": "b",
    "git --git-dir=/r/.git --work-tree=/r reset --hard": ".main",
    "git --git-dir /w/b/.git reset --hard": "b",
    "git --work-tree=../b checkout -f": "b",
    "sh -c 'cd /w/b && git reset --hard'": "b",
    "bash -c \"git -C /w/b clean -fd\"": "b",
    "bash <<'E'\ncd /w/b\ngit reset --hard\nE": "b",
    "echo x | xargs git -C /w/b checkout --": "b",
    "git -C /w/b ls-files -m | xargs git -C /w/b checkout --": "b",
    "find /w/b -type f | xargs rm -f": "b",
    "find ../b -type f -print0 | xargs -0 rm": "b",
    "echo /w/b | xargs rm -rf": "b",
    "echo /w/b | xargs -I{} git -C {} reset --hard": "b",
    "find /w/b -maxdepth 0 | xargs -I{} sh -c 'cd {} && git clean -fd'": "b",
    "env GIT_DIR=/r/.git/worktrees/b sh -c 'git reset --hard'": "b",
    "GIT_WORK_TREE=/w/b bash -c 'git checkout -f'": "b",
    "rm -rf /r/.git/worktrees/b": "b",
    "rm -f /r/.git/worktrees/b/index": "b",
    "timeout 5 git -C /w/b reset --hard": "b",
    "sudo rm -rf /w/b": "b",
    "git -c alias.nuke='reset --hard' -C /w/b nuke": "b",
    "git -c alias.nuke='!git -C /w/b reset --hard' nuke": "b",
    "git worktree remove --force /w/b": "b",
    "git worktree remove -f ../b": "b",
    "git worktree remove -ff b": "b",
    "git -C /r worktree remove --force ../w/b": "b",
    "git -C / worktree remove --force w/b": "b",
    "agentsync worktree remove --force b": "b",
    "agentsync worktree remove feature/b --force": "b",
    "python3 -m agentsync worktree remove --force b": "b",
    "rm -rf /w/b": "b",
    "rm -r -f ../b": "b",
    "rm --recursive ../b/": "b",
    "\\rm -rf ../b": "b",
    "/bin/rm -rf ../b": "b",
    "rm -rf ../b/*": "b",
    "rm ../b/*": "b",
    "rm -rf ../b/src/*": "b",
    "rm -rf ../{b,c}": "b",
    "rm -rf ../b*": "b",
    "rm -rf ../*": "b",
    "rm -rf ..": "b",
    "rm -rf /r": ".main in",
    "rm -rf /r/.claude": "in",
    "rm -rf /r/.claude/worktrees/*": "in",
    "mv ../b /tmp/x": "b",
    "mv /w/b/src .": "b",
    "mv -t /tmp ../b": "b",
    "find ../b -delete": "b",
    "find ../b -name '*.py' -delete": "b",
    "find .. -type f -exec rm {} +": "b",
    "cd ../b && find . -delete": "b",
    "cd ../b && find -delete": "b",
    "npx rimraf ../b": "b",
    "trash ../b": "b",
    "rsync -a --delete src/ ../b": "b",
    "rsync -a ./ ../b": "b",
    "cp -r . ../b": "b",
    "cp -rT src ../b": "b",
}  # fmt: skip

LEAVES = r"""
git reset --hard
git checkout -- .
git clean -fd
git -C /w/a reset --hard
cd src && git restore .
rm -rf *
rm -rf build /tmp/x
rm -rf ./b
rm ../b
rm -f ../*.log
git -C /w/b status
git -C /w/b diff HEAD~1
git -C /w/b log --oneline
git -C /w/b show HEAD:a.txt
git -C /w/b stash list
git -C /w/b stash show -p
git -C /w/b branch
git -C /w/b fetch
git -C /w/b rev-parse HEAD
git -C /w/b clean -n
git -C /w/b clean -fdn .
git -C /w/b clean -fd --dry-run
git -C /w/b apply --check x.patch
git -C /w/b reset --help
git worktree remove ../b
git worktree remove --force ../a
git worktree list
git worktree prune
agentsync worktree remove b
cat ../b/a.txt
cp ../b/a.txt .
cp -r ../b/src .
cp ../b/* .
rsync -an ./ ../b
grep -r x /w/b
find ../b -name '*.py'
find ../b -name '*.py' | xargs grep x
ls ../b | head
diff -r . ../b
tar -C ../b -cf x.tar .
cd ../b && ls && git log
rm -rf /elsewhere/b
rm -rf $X
rm -rf "$X/b"
git -C "$X" reset --hard
cd $X && git reset --hard
echo git -C /w/b reset --hard
git commit -m 'git -C /w/b reset --hard'
git clean -ffdx
""".strip().splitlines()


@pytest.mark.parametrize(("script", "ids"), DESTROYS.items())
def test_what_is_destroyed_elsewhere_is_seen(script: str, ids: str) -> None:
    assert set(ids.split()) <= reached(script)


@pytest.mark.parametrize("script", LEAVES)
def test_what_reads_or_stays_here_is_let_through(script: str) -> None:
    assert reached(script) == set()


def test_worktrees_inside_of_the_one_that_is_cleaned_are_reached() -> None:
    assert reached("git clean -ffdx", "/r", "/r") == {"in"}
    assert reached("git clean -ff -d", "/r", "/r") == {"in"}
    assert reached("git clean -fdx", "/r", "/r") == set()
    assert reached("rm -rf .claude", "/r", "/r") == {"in"}
    assert reached("rm -rf ~/../../w/b") == {"b"}
    assert reached("git -C /w/b reset --hard", "/w/b", "/w/b") == set()


def test_no_worktrees_are_asked_for_where_nothing_is_looked_for() -> None:
    def never() -> tuple[Place, ...]:
        raise AssertionError

    assert reaches(commands_of("git status && ls", "/w/a"), "/w/a", never, str, "") == []


@given(st.text(alphabet="git -C/w/brm{},*;&|'\"\n$()resthad", max_size=80))
def test_any_text_is_read(text: str) -> None:
    reached(text)


def refused(tree: Tree, command: str) -> str:
    done = hook(tree, "claude", shell("claude", tree.path, command))
    assert done.code == 2, (command, done)
    return done.err


@pytest.mark.parametrize("command", ["git -C {} reset --hard", "cd {} && git checkout -- .", "git -C {} restore .",
                                     "git -C {} clean -fdx", "rm -rf {}", "mv {} /tmp/gone", "find {} -delete",
                                     "git worktree remove --force {}", "GIT_DIR={}/.git git reset --hard"])  # fmt: skip
def test_another_worktrees_work_is_not_destroyed(command: str, main: Tree, one: Tree, two: Tree) -> None:
    two.write("shared.txt", "two's unsaved work\n")
    main.write("shared.txt", "a person's unsaved work\n")
    said = refused(one, command.format(two.path))
    assert "would destroy what is not committed in worktree two (branch two)" in said
    assert "agentsync worktree remove two" in said or f"git -C {two.path} status --short" in said
    assert "main worktree" in refused(one, command.format(main.path)) or "worktree remove" in command
    for reading in (f"git -C {two.path} status", f"git -C {two.path} diff", f"cat {two.path}/shared.txt"):
        assert allowed(hook(one, "claude", shell("claude", one.path, reading)))
    assert two.ok("status", "--short") == "M shared.txt"


def test_the_commands_that_are_printed_do_what_is_said(one: Tree, two: Tree) -> None:
    two.write("shared.txt", "unsaved\n")
    shown = refused(one, f"git -C {two.path} reset --hard").splitlines()[-1].strip()
    assert one.run("sh", "-c", shown).out == " M shared.txt\n"
    shown = refused(one, f"rm -rf {two.path}").splitlines()[-1].strip()
    done = one.run("sh", "-c", shown)
    assert done.code == 1, "it keeps what is not committed"
    assert two.read("shared.txt") == "unsaved\n"
    two.ok("checkout", "shared.txt")
    assert one.run("sh", "-c", shown).code == 0
    assert not two.path.exists()


def test_the_main_worktrees_agent_may_clean_up_what_nobody_would_miss(main: Tree, one: Tree) -> None:
    for command in (f"git worktree remove --force {one.path}", f"rm -rf {one.path}", f"git -C {one.path} reset --hard"):
        assert allowed(hook(main, "claude", shell("claude", main.path, command)))
        one.write("new.txt", "unsaved\n")
        assert "not committed in worktree one" in refused(main, command)
        (one.path / "new.txt").unlink()
    one.write("src/app.py", "unsaved\n")
    assert "not committed" in refused(main, f"rm -rf {one.path}/src")
    assert allowed(hook(main, "claude", shell("claude", main.path, f"rm -rf {one.path}/shared.txt")))
    shutil.rmtree(main.path / ".git/worktrees/one/refs", ignore_errors=True)
    (main.path / ".git/worktrees/one/index").write_text("damaged")
    assert "not committed" in refused(main, f"git -C {one.path} reset --hard"), "git cannot tell"


def test_what_is_ignored_in_another_worktree_may_go(one: Tree, two: Tree) -> None:
    two.run("sh", "-c", "echo node_modules >> $(git rev-parse --git-common-dir)/info/exclude")
    two.write("node_modules/.cache/x", "x")
    for command in (f"rm -rf {two.path}/node_modules", f"rm -rf {two.path}/node_modules/.cache/*"):
        assert allowed(hook(one, "claude", shell("claude", one.path, command)))
    assert "lies in worktree two" in refused(one, f"rm -rf {two.path}/src/*")


SHARED = Surroundings("main", "one", (), shared=True)
STASHES = ["git stash", "git stash -u", "git stash push -m x", "git stash -m x", "git stash save x", "git stash -- a",
           "git stash pop", "git stash pop stash@{1}", "git stash apply", "git stash apply stash@{0}",
           "git stash drop", "git stash clear", "git stash branch x", "git stash store x",
           "git stash && git merge main && git stash pop"]  # fmt: skip
STASH_READS = [
    "git stash list",
    "git stash show -p",
    "git stash create",
    "git stash apply 0123abcd",
    'git stash apply "$id"',
    "git stash apply --index 0123abcd0123abcd",
    "git merge --autostash main",
]


@pytest.mark.parametrize("command", STASHES)
def test_the_stash_is_no_agents_where_there_are_other_worktrees(command: str) -> None:
    found = dangers_in(command, "/r", lambda _: SHARED)
    assert "one stack for all worktrees" in found[0].what
    assert "git stash pop" not in found[0].command
    assert dangers_in(command, "/r", lambda _: SHARED._replace(shared=False)) == []


@pytest.mark.parametrize("command", STASH_READS)
def test_what_leaves_the_stash_as_it_is_passes(command: str) -> None:
    assert dangers_in(command, "/r", lambda _: SHARED) == []


def test_the_way_round_the_stash_works(main: Tree, one: Tree) -> None:
    one.write("shared.txt", "mine\n")
    one.write("new.txt", "mine\n")
    assert one.run("sh", "-c", refused(one, "git stash").splitlines()[-1]).code == 0
    assert one.ok("status", "--short") == "?? new.txt"
    assert one.run("sh", "-c", refused(one, "git stash -u").splitlines()[-1]).code == 0
    assert one.ok("status", "--short") == ""
    one.write("new.txt", "again\n")
    mine = one.ok("stash", "create")
    one.ok("stash", "store", "-m", "mine", mine)
    one.ok("checkout", "new.txt")
    assert one.run("sh", "-c", refused(one, "git stash pop").splitlines()[-1]).out.strip() == f"{mine} mine"
    assert allowed(hook(one, "claude", shell("claude", one.path, f"git stash apply {mine}")))


def test_alone_in_a_clone_the_stash_is_ones_own(main: Tree) -> None:
    assert allowed(hook(main, "claude", shell("claude", main.path, "git stash")))
