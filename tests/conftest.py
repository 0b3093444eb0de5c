"""Real git in scratch folders, with an environment that nothing of this machine leaks into."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from agentsync.holders.tools import agent_variable

# What `make test` tries is the same on each run and on each machine; `make torture` goes on searching.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, print_blob=True)
settings.load_profile("steady")

AGENT_WORDS = ("AGENTSYNC", "CLAUDE", "CODEX", "CURSOR", "GEMINI", "COPILOT", "OPENCODE", "AI_AGENT", "GIT_", "OMX_")


def hermetic_environment(home: Path) -> dict[str, str]:
    """An environment in which git knows nobody's configuration and no agent's tool is seen."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(AGENT_WORDS)}
    kept = {key: value for key, value in kept.items() if not agent_variable({key: value})}
    return {
        **kept,
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_EDITOR": "true",
        "GIT_MERGE_AUTOEDIT": "no",
        "GIT_ALLOW_PROTOCOL": "file",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def config_hooks() -> bool:
    """Whether this git runs hooks from its configuration (2.54 and newer), so that no hooks folder can shadow them."""
    words = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()
    return tuple(int(word) for word in words[2].split(".")[:2]) >= (2, 54)


class Done:
    """What a command left."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"exit {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


class Tree:
    """One worktree to run commands in."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.path = path
        self.environ = environ

    def run(self, *words: str | bytes, stdin: str = "", **extra: str) -> Done:
        done = subprocess.run(
            words, cwd=self.path, env={**self.environ, **extra}, input=stdin.encode(), capture_output=True, check=False
        )
        return Done(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    def git(self, *words: str | bytes, **extra: str) -> Done:
        """Run git, whatever comes of it."""
        return self.run("git", *words, **extra)

    def unhooked(self, *words: str) -> str:
        """Run git with hooks switched off, as an agent may."""
        names = ("pre-commit", "prepare-commit-msg", "reference-transaction", "post-commit")
        off = [word for name in names for word in ("-c", f"hook.agentsync-{name}.enabled=false")]
        return self.ok("-c", "core.hooksPath=/dev/null", *off, *words)

    def shims(self) -> Path:
        """Where the installed shims are."""
        return self.path / (".git/agentsync/hooks" if config_hooks() else ".git/hooks")

    def ok(self, *words: str | bytes, **extra: str) -> str:
        """Run git, which must succeed and say nothing of ours; its output."""
        done = self.git(*words, **extra)
        assert done.code == 0, done
        return done.out.strip()

    def refused(self, *words: str | bytes, **extra: str) -> Done:
        """Run git, which a gate of ours must refuse."""
        done = self.git(*words, **extra)
        assert done.code != 0, done
        assert "agentsync: refused:" in done.err, done
        return done

    def sync(self, *words: str, **extra: str) -> Done:
        """Run agentsync, whatever comes of it."""
        return self.run(sys.executable, "-m", "agentsync", *words, **extra)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start agentsync in a process group of its own, and go on."""
        argv = [sys.executable, "-m", "agentsync", *words]
        pipe = subprocess.PIPE
        return subprocess.Popen(argv, cwd=self.path, env=self.environ, stdout=pipe, stderr=pipe, start_new_session=True)

    def synced(self, *words: str, **extra: str) -> str:
        """Run agentsync, which must succeed; its output."""
        done = self.sync(*words, **extra)
        assert done.code == 0, done
        return done.out.strip()

    def write(self, name: str, text: str) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def commit(self, name: str, text: str, message: str = "work", *words: str, **extra: str) -> Done:
        """Write a file and commit it, whatever comes of it."""
        self.write(name, text)
        self.ok("add", "--", name)
        return self.git("commit", "-q", "-m", message, *words, **extra)

    def head(self) -> str:
        return self.ok("rev-parse", "HEAD")

    def worktree(self, name: str, *words: str) -> Tree:
        """A linked worktree on a branch of its own."""
        place = self.path.parent / name
        self.ok("worktree", "add", "-q", str(place), "-b", name, *words)
        return Tree(place, self.environ)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories to copy: making one costs some thirty processes, copying it none."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "home").mkdir()
    environ = hermetic_environment(folder / "home")
    place = folder / "bare"
    place.mkdir()
    tree = Tree(place, environ)
    tree.ok("init", "-q", "-b", "main")
    tree.ok("config", "user.name", "Dev One")
    tree.ok("config", "user.email", "dev@example.com")
    tree.write("shared.txt", "one\ntwo\nthree\n")
    tree.write("src/app.py", "print('hello')\n")
    tree.ok("add", ".")
    tree.ok("commit", "-q", "-m", "start")
    shutil.copytree(place, folder / "main", symlinks=True)
    tree = Tree(folder / "main", environ)
    tree.synced("init", "--yes")
    tree.ok("add", ".")
    tree.ok("commit", "-q", "-m", "Add agentsync")
    for name in ("quiet", "quiet.base", "quiet.locks"):  # they name this folder
        (tree.path / ".git/agentsync" / name).unlink(missing_ok=True)
    return folder


def copied(prepared: Path, name: str, tmp_path: Path) -> Tree:
    """One of the prepared repositories, moved to a test's own folder."""
    (tmp_path / "home").mkdir()
    shutil.copytree(prepared / name, tmp_path / "main", symlinks=True)
    return Tree(tmp_path / "main", hermetic_environment(tmp_path / "home"))


@pytest.fixture
def bare_tree(prepared: Path, tmp_path: Path) -> Tree:
    """A repository with one commit and no agentsync."""
    return copied(prepared, "bare", tmp_path)


@pytest.fixture
def main(prepared: Path, tmp_path: Path) -> Tree:
    """A repository with agentsync set up and committed; the main worktree is a person's."""
    return copied(prepared, "main", tmp_path)


LINES = [f"line {number}" for number in range(30)]


@pytest.fixture
def text(main: Tree) -> Tree:
    """Base with a file of thirty lines, a manifest, a registry and two migrations."""
    main.write("f.txt", "\n".join(LINES) + "\n")
    main.write("package.json", '{\n  "name": "x",\n  "dependencies": {\n    "a": "^1.0.0"\n  }\n}\n')
    main.write("registry.py", 'NAMES = [\n    "a",\n]\n')
    main.write("db/migrations/0001_init.sql", "create table a (id int);\n")
    main.write("db/migrations/0002_more.sql", "create table b (id int);\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "a real beginning")
    return main


@pytest.fixture
def one(main: Tree) -> Tree:
    """The first agent's worktree."""
    return main.worktree("one")


@pytest.fixture
def two(main: Tree) -> Tree:
    """The second agent's worktree."""
    return main.worktree("two")
