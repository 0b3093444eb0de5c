"""init, doctor, uninstall: beside what was there, provably firing, and gone without a trace."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from conftest import Tree, config_hooks

HOOK = '#!/bin/sh\necho "theirs: $0 $*" >>"$(git rev-parse --git-common-dir)/theirs.log"\n'


def everything(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file's content and mode, but for git's own index, logs and objects."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not name.startswith(
            ("objects", "logs", "index", "COMMIT_EDITMSG", "ORIG_HEAD", "packed-refs")
        ):
            found[name] = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mode)
    return found


def give_hook(tree: Tree, folder: str = ".git/hooks", name: str = "pre-commit", text: str = HOOK) -> None:
    tree.write(f"{folder}/{name}", text)
    (tree.path / folder / name).chmod(0o755)


def test_init_names_each_file_it_touches_and_dry_run_touches_none(bare_tree: Tree) -> None:
    before = everything(bare_tree.path)
    dry = bare_tree.synced("init", "--dry-run")
    assert everything(bare_tree.path).keys() - {".git/agentsync/config.cache"} == before.keys()
    done = bare_tree.synced("init", "--yes")
    assert dry.replace("would touch", "touches") == done
    assert "touches AGENTS.md: rules for agents" in done
    assert bare_tree.read("CLAUDE.md").count("@AGENTS.md") == 1


def test_init_twice_is_init_once(main: Tree) -> None:
    main.synced("init", "--yes")  # the repository was moved here, and its settings name where it was
    before = everything(main.path)
    main.synced("init", "--yes")
    after = everything(main.path)
    changed = {name for name in before if before[name] != after.get(name)}
    assert {name for name in changed if "agentsync-worktree" not in name and "config.cache" not in name} == set()


def test_init_keeps_what_instruction_files_say(bare_tree: Tree) -> None:
    bare_tree.write("AGENTS.md", "# Ours\r\n\r\nBe kind.\r\n")
    bare_tree.synced("init", "--yes")
    text = (bare_tree.path / "AGENTS.md").read_bytes()
    assert text.startswith(b"# Ours\r\n\r\nBe kind.\r\n\r\n<!-- agentsync:begin")
    assert b"\n" not in text.replace(b"\r\n", b"")


def test_uninstall_restores_what_was_there(bare_tree: Tree) -> None:
    give_hook(bare_tree)
    give_hook(bare_tree, name="commit-msg")
    before = everything(bare_tree.path / ".git")
    bare_tree.synced("init", "--yes")
    one = bare_tree.worktree("one")
    one.synced("lock", "shared.txt")
    bare_tree.ok("worktree", "remove", "--force", str(one.path))
    bare_tree.ok("branch", "-D", "one")
    said = bare_tree.synced("uninstall", "--yes")
    assert "left for a commit of yours: agentsync.toml" in said
    after = everything(bare_tree.path / ".git")
    strip = {"config"}  # git leaves an empty section's blank lines to taste
    assert {k: v for k, v in after.items() if k not in strip} == {k: v for k, v in before.items() if k not in strip}
    assert "agentsync" not in bare_tree.read(".git/config")
    assert bare_tree.read("agentsync.toml")


def test_a_hook_that_was_there_still_runs_and_still_decides(bare_tree: Tree) -> None:
    give_hook(bare_tree)
    bare_tree.synced("init", "--yes")
    one = bare_tree.worktree("one")
    assert one.commit("a.txt", "a\n").code == 0
    assert "theirs:" in bare_tree.read(".git/theirs.log")
    kept = "pre-commit" if config_hooks() else "pre-commit.agentsync-chained"
    give_hook(bare_tree, name=kept, text="#!/bin/sh\necho no >&2\nexit 1\n")
    done = one.commit("b.txt", "b\n")
    assert done.code == 1
    assert done.err.strip() == "no"


def test_a_chained_reference_transaction_gets_its_lines(bare_tree: Tree) -> None:
    give_hook(bare_tree, name="reference-transaction",
              text='#!/bin/sh\ncat >>"$(git rev-parse --git-common-dir)/theirs.log"\n')  # fmt: skip
    bare_tree.synced("init", "--yes")
    one = bare_tree.worktree("one")
    assert one.commit("a.txt", "a\n").code == 0
    assert f"{one.head()} refs/heads/one" in bare_tree.read(".git/theirs.log")


def test_beside_husky_hooks_fire_in_every_worktree(bare_tree: Tree) -> None:
    """husky owns core.hooksPath, relative, and its folder is missing in linked worktrees."""
    give_hook(bare_tree, ".husky/_")
    bare_tree.write(".gitignore", ".husky/_\n")
    bare_tree.ok("config", "core.hooksPath", ".husky/_")
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    assert "theirs:" in bare_tree.read(".git/theirs.log")
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")
    assert bare_tree.sync("doctor").code == 0
    bare_tree.ok("config", "core.hooksPath", ".husky/_")  # what `npm install` does
    assert "never fire" not in bare_tree.sync("doctor").out, "what is set in the file of ours wins"
    two.refused("commit", "-qam", "x")
    assert bare_tree.sync("doctor", "--fix").code == 0
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.ok("config", "core.hooksPath") == ".husky/_"


def test_doctor_proves_that_hooks_fire_in_each_worktree(main: Tree, one: Tree) -> None:
    done = main.sync("doctor")
    assert done.code == 0, done
    assert f"{one.path}: all 9 hooks fire" in done.out
    (main.shims() / "reference-transaction").chmod(0o644)
    done = main.sync("doctor")
    assert done.code == 1
    assert f"BAD  {one.path}: reference-transaction never fire" in done.out
    assert main.sync("doctor", "--fix").code == 0


def test_doctor_sees_rules_that_a_branch_lacks(bare_tree: Tree) -> None:
    bare_tree.ok("branch", "old")
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    bare_tree.ok("worktree", "add", "-q", str(bare_tree.path.parent / "old"), "old")
    assert "old: its AGENTS.md has no rules for agents" in bare_tree.sync("doctor").out


def shared_shim(main: Tree) -> Path:
    """What all shims read."""
    return main.path / ".git/agentsync/shim.sh"


def test_a_crashing_gate_lets_the_commit_pass_with_one_line(main: Tree, one: Tree) -> None:
    one.synced("lock", "a.txt")  # else no Python would be started
    shim = shared_shim(main)
    shim.write_text(shim.read_text().replace("from agentsync.gates.main", "from agentsync.gates.gone"))
    done = one.commit("a.txt", "a\n")
    assert done.code == 0
    assert "agentsync: pre-commit failed, so nothing was checked" in done.err


def without_library(main: Tree) -> None:
    lines = shared_shim(main).read_text().split("\n")
    changed = ["    library=/nowhere" if line.startswith("    library=") else line for line in lines]
    assert changed != lines
    shared_shim(main).write_text("\n".join(changed))


def test_a_missing_agentsync_lets_the_commit_pass_with_one_line(main: Tree, one: Tree) -> None:
    one.synced("lock", "a.txt")
    without_library(main)
    one.write("a.txt", "a\n")
    one.ok("add", "a.txt")
    done = one.git("commit", "-qm", "work", PATH="/usr/bin:/bin")
    assert done.code == 0
    assert "cannot start, so nothing was checked" in done.err


def test_a_library_that_is_gone_gives_way_to_agentsync_on_the_path(main: Tree, one: Tree, two: Tree) -> None:
    """In a container the paths are others."""
    one.synced("lock", "shared.txt")
    without_library(main)
    two.write("shared.txt", "two's\n")
    two.refused("commit", "-qam", "x")


def test_configuration_comes_from_base_and_cannot_be_loosened_on_a_branch(main: Tree, one: Tree, two: Tree) -> None:
    two.write("agentsync.toml", two.read("agentsync.toml").replace('profile = "pair"', 'profile = "solo"'))
    two.ok("commit", "-qam", "loosen")
    (main.path / ".git/agentsync/config.cache").unlink()
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('profil = "pair"', 'unknown key "profil"'),
        ('profile = "pears"', "profile must be one of"),
        ("profile = [", "not valid TOML"),
        ('[locks]\nlease = "soon"', "locks.lease must be a duration"),
    ],
)
def test_a_wrong_configuration_is_one_clear_error_and_blocks_nobody(main: Tree, line: str, says: str) -> None:
    main.write("agentsync.toml", line + "\n")
    main.ok("commit", "-qam", "wrong", AGENTSYNC="0")
    done = main.sync("status")
    assert done.code == 0
    assert says in done.err
    assert "agentsync.toml of main" in done.err
    assert main.sync("doctor").code == 1
    one = main.worktree("one")
    done = one.commit("a.txt", "a\n")
    assert done.code == 0
    assert "the settings before it stay in force" in done.err


def test_two_worktrees_of_one_folder_name_are_two_holders(main: Tree) -> None:
    for parent in ("x", "y"):
        main.ok("worktree", "add", "-q", str(main.path.parent / parent / "repo"), "-b", parent)
    first = Tree(main.path.parent / "x" / "repo", main.environ)
    second = Tree(main.path.parent / "y" / "repo", main.environ)
    first.synced("lock", "shared.txt")
    second.write("shared.txt", "x\n")
    second.refused("commit", "-qam", "x")


def test_switched_off_is_journalled(main: Tree, one: Tree) -> None:
    one.commit("a.txt", "a\n", "off", AGENTSYNC="0")
    assert "switched-off" in main.synced("log")


def test_outside_a_repository(tmp_path: Path, bare_tree: Tree) -> None:
    outside = Tree(tmp_path, bare_tree.environ)
    done = outside.sync("status")
    assert done.code == 3
    assert done.err.startswith("agentsync: not inside a git repository\n")
    bare_tree.ok("init", "-q", "--bare", str(tmp_path / "bare.git"))
    done = Tree(tmp_path / "bare.git", bare_tree.environ).sync("lock", "x")
    assert done.code == 3


def test_an_unborn_branch_and_no_user_name(tmp_path: Path, bare_tree: Tree) -> None:
    place = tmp_path / "empty"
    place.mkdir()
    tree = Tree(place, bare_tree.environ)
    tree.ok("init", "-q", "-b", "main")
    tree.synced("init", "--yes")
    tree.synced("lock", "a.txt")
    tree.ok("add", ".")
    tree.ok("-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "first")
    assert tree.sync("doctor").code == 0


def test_detached_head_is_fine(main: Tree, one: Tree) -> None:
    one.ok("switch", "-q", "--detach")
    assert one.commit("a.txt", "a\n").code == 0
    assert "(detached)" in one.synced("status")


def test_help_of_every_command_loads(bare_tree: Tree) -> None:
    from agentsync.cli.app import COMMANDS

    listed = bare_tree.synced("--help")
    for name in COMMANDS:
        assert f"  {name}" in listed
        assert bare_tree.synced(name, "--help").startswith("Usage: agentsync")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_git_folder_is_one_clear_error(main: Tree) -> None:
    (main.path / ".git/agentsync").chmod(0o500)
    try:
        done = main.sync("lock", "shared.txt")
        assert done.code == 1
        assert "cannot be written" in done.err
    finally:
        (main.path / ".git/agentsync").chmod(0o700)


def test_ignored_files_are_as_they_were_after_uninstall(bare_tree: Tree) -> None:
    exclude = bare_tree.path / ".git/info/exclude"
    exclude.parent.mkdir(exist_ok=True)
    exclude.write_bytes(b"*.tmp\nno end of line")
    bare_tree.synced("init", "--yes")
    bare_tree.synced("uninstall", "--yes")
    assert exclude.read_bytes() == b"*.tmp\nno end of line"


def test_a_hook_that_is_a_link_to_another_is_chained_and_put_back(bare_tree: Tree) -> None:
    hooks = bare_tree.path / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    (hooks / "pre-commit").write_text('#!/bin/sh\necho "$(basename "$0")" >> ran\n')
    (hooks / "pre-commit").chmod(0o755)
    (hooks / "post-merge").symlink_to("./pre-commit")
    bare_tree.synced("init", "--yes")
    assert bare_tree.sync("doctor").code == 0
    bare_tree.run("git", "hook", "run", "pre-commit")
    bare_tree.run("git", "hook", "run", "post-merge")
    assert len(bare_tree.read("ran").splitlines()) == 2
    bare_tree.synced("uninstall", "--yes")
    assert os.readlink(hooks / "post-merge") == "./pre-commit"
    assert "basename" in (hooks / "pre-commit").read_text()


def test_a_hooks_path_of_one_worktree_or_of_the_user_is_left_where_it_is(bare_tree: Tree, tmp_path: Path) -> None:
    bare_tree.synced("init", "--yes")
    one = bare_tree.worktree("one")
    bare_tree.ok("config", "extensions.worktreeConfig", "true")
    one.ok("config", "--worktree", "core.hooksPath", "/dev/null")
    assert "config --worktree --unset-all core.hooksPath" in bare_tree.sync("doctor", "--fix").out
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.git("config", "--local", "core.hooksPath").code == 1
    (tmp_path / "gitconfig").write_text("[core]\n\thooksPath = /nowhere\n")
    user = {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}
    bare_tree.synced("init", "--yes", **user)
    bare_tree.synced("uninstall", "--yes", **user)
    assert bare_tree.git("config", "--local", "core.hooksPath").code == 1


def test_hooks_that_were_switched_off_come_back_and_stay_so_after_uninstall(bare_tree: Tree) -> None:
    bare_tree.synced("init", "--yes")
    bare_tree.ok("config", "core.hooksPath", "/dev/null")
    bare_tree.sync("doctor", "--fix")
    assert bare_tree.sync("doctor").code == 0
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.git("config", "core.hooksPath").code == 1


def test_a_users_hook_that_fails_is_no_reason_to_do_less(bare_tree: Tree) -> None:
    bare_tree.write(".git/hooks/post-checkout", "#!/bin/sh\nexit 3\n")
    (bare_tree.path / ".git/hooks/post-checkout").chmod(0o755)
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    place = bare_tree.path.parent / "one"
    done = bare_tree.git("worktree", "add", "-q", str(place), "-b", "one")
    assert done.code == 3, "it stays the user's answer"
    assert "this worktree is one@one" in done.err


def silent(main: Tree) -> None:
    """What husky leaves in a clone whose hooks were in the usual folder."""
    main.ok("config", "core.hooksPath", ".husky/_")


@pytest.mark.skipif(config_hooks(), reason="config hooks stand whoever owns the path")
def test_where_git_runs_no_hook_every_command_says_so_and_the_printed_one_repairs(main: Tree, one: Tree) -> None:
    commands = ("status", "lock", "lock README.md", "task list", "forecast", "sync", "check", "worktree list")
    for words in commands:
        assert "nothing is enforced here" not in one.sync(*words.split()).err
    silent(main)
    for words in commands:
        assert "nothing is enforced here" in one.sync(*words.split()).err, words
    payload = json.dumps({"hook_event_name": "SessionStart", "cwd": str(one.path)})
    told = one.run("agentsync-hook", "claude", stdin=payload)
    assert "nothing is enforced here" in told.out
    main.synced("doctor", "--fix")
    for words in commands:
        assert "nothing is enforced here" not in one.sync(*words.split()).err
