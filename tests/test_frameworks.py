"""The gates under pre-commit and prek, with and without `agentsync init`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import Tree

ROOT = Path(__file__).parent.parent
STAGES = re.findall(r"^- id: agentsync-(\S+)$", (ROOT / ".pre-commit-hooks.yaml").read_text(), re.MULTILINE)


def configure(tree: Tree, tool: str) -> None:
    """The manifest's hooks as local ones, so that no environment needs building."""
    hooks = "".join(
        f"      - id: agentsync-{stage}\n        name: {stage}\n        language: system\n"
        f"        entry: {sys.executable} -m agentsync git-hook {stage}\n        stages: [{stage}]\n"
        f"        always_run: true\n        pass_filenames: {str(stage == 'prepare-commit-msg').lower()}\n"
        for stage in STAGES
    )
    tree.write(".pre-commit-config.yaml", f"repos:\n  - repo: local\n    hooks:\n{hooks}")
    tree.ok("add", ".pre-commit-config.yaml")
    kinds = [word for stage in STAGES for word in ("--hook-type", stage)]
    done = tree.run(tool, "install", *kinds)
    assert done.code == 0, done
    tree.ok("commit", "-qm", "configure")


def test_the_manifest_has_every_stage_that_the_frameworks_know() -> None:
    assert set(STAGES) == {"pre-commit", "prepare-commit-msg", "pre-merge-commit", "pre-push", "post-checkout",
                           "post-commit", "post-merge", "post-rewrite"}  # fmt: skip


@pytest.mark.parametrize("tool", ["pre-commit", "prek"])
def test_without_init_the_stages_enforce(bare_tree: Tree, tool: str) -> None:
    bare_tree.environ["PRE_COMMIT_HOME"] = bare_tree.environ["PREK_HOME"] = str(bare_tree.path.parent / "cache")
    configure(bare_tree, tool)
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    done = two.git("commit", "-qam", "x")
    assert done.code != 0
    assert "shared.txt is locked by one@one" in done.err + done.out
    done = two.git("commit", "-qanm", "x")
    assert done.code != 0, done
    two.ok("restore", "shared.txt")
    assert one.commit("a.txt", "a\n").code == 0
    assert one.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)") == "one"


@pytest.mark.parametrize("first", ["init", "framework"])
def test_both_at_once_check_once(bare_tree: Tree, first: str) -> None:
    bare_tree.environ["PREK_HOME"] = str(bare_tree.path.parent / "cache")
    if first == "framework":
        configure(bare_tree, "prek")
    bare_tree.synced("init", "--yes")
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    if first == "init":
        configure(bare_tree, "prek")
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    one.synced("lock", "shared.txt")
    two.write("shared.txt", "x\n")
    done = two.git("commit", "-qam", "x")
    assert done.code != 0
    assert (done.err + done.out).count("agentsync: refused:") == 1
    assert two.synced("log", "--refused").count("refused") == 1
    two.ok("restore", "shared.txt")
    two.commit("b.txt", "b\n")
    assert two.ok("log", "-1", "--format=%(trailers:key=Agent,valueonly)").split() == ["two"]
