"""The shape of the code: imports only go down, and a commit loads only what it must."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Tree

from agentsync.config.document import json_schema, settings_page

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "agentsync"
DOCUMENTS = [ROOT / "README.md", ROOT / "templates" / "AGENTS.md", *sorted((ROOT / "docs").rglob("*.md"))]
ORDER = [
    {"lean", "errors", "text", "record", "files"},
    {"config.patterns", "config.schema"},
    {"merging"},
    {"git"},
    {"state"},
    {"holders"},
    {"config"},
    {"judging"},
    {"locks"},
    {"tasks", "migrations", "contracts", "phases", "forecast"},
    {"gates"},
    {"drivers"},
    {"setup"},
    {"worktrees", "landing"},
    {"news", "overview"},
    {"agents", "mcp"},
    {"cli"},
]
# Heavy modules that no plain commit may load (measured: 2 to 95 ms each).
HEAVY = {
    *("re", "enum", "json", "subprocess", "pathlib", "argparse", "typing", "collections", "dataclasses", "tomllib"),
    *("logging", "shutil", "tempfile", "hashlib", "functools", "contextlib", "click", "git", "unidiff", "tomli_w"),
}


def rank(module: str) -> int:
    """Where a module stands in the order; the most specific name decides."""
    name = module.removeprefix("agentsync.")
    for candidate in (name, name.split(".")[0]):
        for index, level in enumerate(ORDER):
            if candidate in level:
                return index
    return -1


def imports_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("agentsync."):
            found.add(node.module)
    return found


def modules() -> list[tuple[str, Path]]:
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts), path)
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    ]


@pytest.mark.parametrize(("module", "path"), modules(), ids=[module for module, _ in modules()])
def test_imports_only_go_down(module: str, path: Path) -> None:
    assert rank(module) >= 0, f"{module} has no place in the order"
    upward = [one for one in imports_of(path) if rank(one) > rank(module)]
    assert upward == []


def loaded_by(code: str) -> set[str]:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["agentsync.gates.main", "agentsync.locks.gate", "agentsync.gates.ref_gate",
                                    "agentsync.tasks.gate", "agentsync.locks.grant", "agentsync.agents.moments",
                                    "agentsync.agents.shell.dangers"])  # fmt: skip
def test_the_gates_load_nothing_heavy(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY == set()


@pytest.mark.parametrize("held", [False, True])
def test_a_commit_loads_nothing_heavy(main: Tree, one: Tree, two: Tree, held: bool) -> None:
    """What the rules import when they run is seen only in a run."""
    one.synced("lock", "src")
    two.synced("lock", "shared.txt")
    two.write("shared.txt" if held else "a.txt", "x\n")
    two.ok("add", ".")
    git_dir = two.ok("rev-parse", "--absolute-git-dir")
    run = (
        "import os; from agentsync.gates.main import run_hook; assert run_hook('pre-commit', [], dict(os.environ)) == 0"
    )
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); {run}; print(*sys.modules)"
    done = two.run(sys.executable, "-I", "-S", "-c", script, GIT_DIR=git_dir, GIT_INDEX_FILE=f"{git_dir}/index")
    assert done.code == 0, done
    assert "could not decide" not in done.err
    assert set(done.out.split()) & HEAVY == set()


def test_only_one_module_starts_git() -> None:
    starters = [
        module
        for module, path in modules()
        if "posix_spawn(" in path.read_text() or "import subprocess" in path.read_text()
    ]
    others = [
        "agentsync.cli.demo",
        "agentsync.drivers.structure",
        "agentsync.forecast.start",
        "agentsync.landing.room",
    ]  # none of them starts git
    assert [name for name in starters if name not in others] == ["agentsync.git.run"]


def test_every_ref_write_names_the_old_value() -> None:
    writes = [line.strip() for _, path in modules() for line in path.read_text().splitlines() if '"update-ref"' in line]
    assert sorted(writes) == [
        'done = repo.git(*patience, "update-ref", "-m", "agentsync: landing", ref, new, old, ok=())',
        'repo.git("update-ref", "-d", head.branch, head.commit)',
        'return store.git("update-ref", REF, commit, "", ok=()).code == 0',
        'said = self.git("update-ref", REF, mine, snapshot.id, keep_fd=turn_fd, ok=())',
        'self.git("update-ref", "-d", REFS + commit, commit)',
        'self.git("update-ref", REFS + commit, commit, "")',
    ]


def test_documents_point_at_what_is_there() -> None:
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} points at {target}"


def test_documents_name_commands_that_exist() -> None:
    from agentsync.cli.app import COMMANDS

    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for name in re.findall(r"(?:^|`|\$\(|  )agentsync ([a-z-]+)", text, re.MULTILINE):
            assert name in {*COMMANDS, "git-hook"}, f"{document.name}: agentsync {name}"


@pytest.mark.parametrize(
    ("name", "made"), [("configuration.md", settings_page), ("agentsync.schema.json", json_schema)]
)
def test_generated_documents_are_up_to_date(name: str, made: Callable[[], str]) -> None:
    """Written anew by: UPDATE_DOCS=1 pytest tests/test_structure.py"""
    path = ROOT / "docs" / name
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(made(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made()
