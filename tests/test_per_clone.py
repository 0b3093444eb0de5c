"""Rules and clients' hooks that git ignores: both ways are offered, and each worktree of the clone has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import Tree

IGNORES = {
    "a client's folder": (".claude/\n", [".claude/settings.json"]),
    "one rules file": ("CLAUDE.md\n", ["CLAUDE.md"]),
    "all of it": (".claude\n/AGENTS.md\n/CLAUDE.md\n", ["AGENTS.md", "CLAUDE.md", ".claude/settings.json"]),
    "nothing": ("build/\n", []),
}
OURS = ["AGENTS.md", "CLAUDE.md", ".claude/settings.json"]


def commands(said: str) -> list[str]:
    return [line.strip() for line in said.splitlines() if "git add" in line]


def ignoring(tree: Tree, what: str) -> tuple[list[str], list[str]]:
    """A repository that ignores some of ours: what is ignored, and the commands that `init` prints."""
    rules, names = IGNORES[what]
    tree.commit(".gitignore", rules)
    done = tree.sync("init", "--yes", "--agents", "claude")
    assert done.code == 0, done
    assert (f"git ignores {', '.join(names)}:" in done.err) is bool(names)
    return names, commands(done.err)


def has_ours(top: Path) -> bool:
    words = {
        "AGENTS.md": "agentsync:begin",
        "CLAUDE.md": "@AGENTS.md",
        ".claude/settings.json": "agentsync-hook claude",
    }
    return all(word in (top / name).read_text() for name, word in words.items() if (top / name).exists())


@pytest.mark.parametrize("what", IGNORES)
def test_each_command_that_init_prints_works_as_printed(what: str, bare_tree: Tree) -> None:
    names, printed = ignoring(bare_tree, what)
    assert len(printed) == (2 if names else 1)
    for command in printed:
        done = bare_tree.run("sh", "-c", command)
        assert done.code == 0, (command, done)
    assert bare_tree.ok("status", "--porcelain") == ""
    assert set(OURS) <= set(bare_tree.ok("ls-files").splitlines())


@pytest.mark.parametrize("what", IGNORES)
@pytest.mark.parametrize("made", ["git", "agentsync"])
def test_worktrees_have_them_uncommitted(made: str, what: str, bare_tree: Tree) -> None:
    _, printed = ignoring(bare_tree, what)
    assert bare_tree.run("sh", "-c", printed[0]).code == 0
    if made == "git":
        there = bare_tree.worktree("there")
    else:
        there = Tree(Path(bare_tree.synced("worktree", "add", "there")), bare_tree.environ)
    assert all((there.path / name).exists() for name in OURS)
    assert has_ours(there.path)
    assert there.ok("status", "--porcelain") == ""


def test_init_gives_them_to_worktrees_that_are_there_and_to_a_clone_that_has_the_settings(bare_tree: Tree) -> None:
    bare_tree.commit(".gitignore", IGNORES["all of it"][0])
    old = bare_tree.worktree("old")
    old.write("AGENTS.md", "# Mine\n")
    bare_tree.synced("init", "--yes", "--agents", "claude")
    assert has_ours(old.path)
    assert old.read("AGENTS.md").startswith("# Mine\n")
    bare_tree.ok("add", "agentsync.toml")
    bare_tree.ok("commit", "-qm", "settings")
    place = bare_tree.path.parent / "clone"
    bare_tree.ok("clone", "-q", str(bare_tree.path), str(place))
    clone = Tree(place, bare_tree.environ)
    clone.synced("init", "--yes", "--agents", "claude")
    assert has_ours(clone.path)
    assert (clone.path / "AGENTS.md").exists()


def test_doctor_says_so_and_its_commands_mend_it(bare_tree: Tree) -> None:
    _, printed = ignoring(bare_tree, "all of it")
    bare_tree.run("sh", "-c", printed[0])
    there = bare_tree.worktree("there")
    shown = bare_tree.synced("doctor")
    assert "warn claude: git ignores .claude/settings.json, so only worktrees of this clone have it" in shown
    assert "has no rules" not in shown
    for name in OURS:
        (there.path / name).unlink()
    shown = bare_tree.synced("doctor")
    assert f"warn {there.path}: its AGENTS.md has no rules for agents\n     agentsync doctor --fix" in shown
    assert f"warn {there.path}: no hook of claude is in its .claude/settings.json\n     agentsync doctor --fix" in shown
    shown = bare_tree.synced("doctor", "--fix")
    assert "has no rules" not in shown
    assert "no hook of claude" not in shown
    assert has_ours(there.path)


def test_a_worktree_of_before_gets_what_is_committed_by_the_merge_that_doctor_names(bare_tree: Tree) -> None:
    old = bare_tree.worktree("old")
    bare_tree.synced("init", "--yes", "--agents", "claude")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "agentsync")
    shown = bare_tree.synced("doctor")
    command = f"git -C {old.path} merge main"
    assert f"warn {old.path}: its AGENTS.md has no rules for agents\n     {command}" in shown
    assert bare_tree.run("sh", "-c", command).code == 0
    assert "warn" not in bare_tree.synced("doctor")


def test_uninstall_takes_them_out_of_every_worktree(bare_tree: Tree) -> None:
    bare_tree.write(".claude/settings.json", '{"model":   "x"}')
    ignoring(bare_tree, "all of it")
    bare_tree.ok("add", "agentsync.toml")
    bare_tree.ok("commit", "-qm", "settings")
    there, mine = bare_tree.worktree("there"), bare_tree.worktree("mine")
    mine.write("AGENTS.md", mine.read("AGENTS.md") + "\nmine\n")
    bare_tree.synced("uninstall", "--yes")
    assert bare_tree.read(".claude/settings.json") == '{"model":   "x"}'
    assert not any((there.path / name).exists() for name in OURS)
    assert mine.read("AGENTS.md").endswith("\nmine\n")
    assert "agentsync:begin" not in mine.read("AGENTS.md")


def test_a_branch_that_ignores_them_no_more_gets_no_stray_files(bare_tree: Tree) -> None:
    _, printed = ignoring(bare_tree, "all of it")
    bare_tree.run("sh", "-c", printed[0])
    bare_tree.ok("checkout", "-qb", "shares")
    bare_tree.commit(".gitignore", "build/\n")
    bare_tree.ok("checkout", "-q", "main")
    place = bare_tree.path.parent / "shares"
    bare_tree.ok("worktree", "add", "-q", str(place), "shares")
    assert Tree(place, bare_tree.environ).ok("status", "--porcelain") == ""


def test_a_folder_that_is_a_symlink_is_left_to_its_owner(bare_tree: Tree) -> None:
    shared = bare_tree.path.parent / "shared"
    shared.mkdir()
    (bare_tree.path / ".claude").symlink_to(shared)
    bare_tree.commit(".gitignore", ".claude\nCLAUDE.md\n")
    done = bare_tree.sync("init", "--yes", "--agents", "claude")
    assert done.code == 0, done
    for command in commands(done.err):
        assert bare_tree.run("sh", "-c", command).code == 0, command
    shutil.rmtree(shared)
    assert bare_tree.sync("doctor").code in (0, 1)
