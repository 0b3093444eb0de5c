"""The wheel: hooks and templates inside, and an installation of it that works on its own."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import Tree

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    words = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(words, check=True, capture_output=True)
    return next(folder.glob("agentsync_hooks-*.whl"))


def test_the_wheel_has_hooks_and_templates(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in ("hooks", "templates"):
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT).as_posix()
            assert path.is_dir() or f"agentsync/_data/{inside}" in names
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_an_installed_wheel_keeps_agents_apart(wheel: Path, bare_tree: Tree, tmp_path: Path) -> None:
    """Both names of the script are there, and the hooks find the library that they were installed from."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    subprocess.run([str(place / "bin/pip"), "install", "--quiet", str(wheel)], check=True, capture_output=True)
    command = str(place / "bin/agentsync-hooks")
    assert bare_tree.run(command, "init", "--yes").code == 0
    assert str(place) in (bare_tree.path / ".git/agentsync/shim.sh").read_text()
    bare_tree.ok("add", ".")
    bare_tree.ok("commit", "-qm", "Add agentsync")
    one, two = bare_tree.worktree("one"), bare_tree.worktree("two")
    assert one.run(str(place / "bin/agentsync"), "lock", "shared.txt").code == 0
    two.write("shared.txt", "x\n")
    two.refused("commit", "-qam", "x")
    assert bare_tree.run(command, "doctor").code == 0
