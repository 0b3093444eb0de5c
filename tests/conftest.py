"""Real git in scratch folders, with an environment that nothing of this machine leaks into."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import fork_server
import pytest
from hypothesis import HealthCheck, settings

from agentsync.holders.tools import agent_variable

# What `make test` tries is the same on each run and on each machine; `make torture` goes on searching.
settings.register_profile("steady", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, print_blob=True)
settings.load_profile("steady")

AGENT_WORDS = ("AGENTSYNC", "CLAUDE", "CODEX", "CURSOR", "GEMINI", "COPILOT", "OPENCODE", "AI_AGENT", "GIT_", "OMX_")


MEMORY = "/dev/shm"
_MEMORY_NEEDED = 3 * 2**30  # bytes


def pytest_configure() -> None:
    """Have temporary folders in memory where there is room: ext4 is slow to make files where many were deleted."""
    try:
        facts = os.statvfs(MEMORY)
    except (AttributeError, OSError):
        return
    if facts.f_bavail * facts.f_frsize > _MEMORY_NEEDED and os.access(MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", MEMORY)


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

    def __init__(self, path: Path, environ: dict[str, str], stage: Stage | None = None) -> None:
        self._path = path
        self._stage = stage
        self.environ = environ

    @property
    def path(self) -> Path:
        """The worktree's folder, laid out by now."""
        if self._stage is not None:
            self._stage.enter()
        return self._path

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

    def sync(self, *words: str, stdin: str = "", **extra: str) -> Done:
        """Run agentsync, whatever comes of it."""
        given = stdin.encode()
        done = fork_server.run([*words], self.path, {**self.environ, **extra}, given)
        if done is None:
            return self.run(sys.executable, "-m", "agentsync", *words, stdin=stdin, **extra)
        code, out, err = done
        return Done(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

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
        place = self._path.parent / name
        argv = ("worktree", "add", "-q", f"../{name}", "-b", name, *words)
        self.step(" ".join([self._path.name, *argv]), lambda: self.ok(*argv))
        return Tree(place, self.environ, self._stage)

    def step(self, name: str, make: Callable[[], object]) -> None:
        """Have what `make` makes; where all before it was such a step too, it is made once and then copied."""
        if self._stage is None:
            make()
        else:
            self._stage.step(name, make)


class Stage:
    """The folder that this process's tests run in, one after another: what was made in it once is put back by copying.

    It is the same folder each time because git and the state keep absolute paths of worktrees. What a test's detached
    processes still do there is ended before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "stage"
        self._kept = folder / "kept"
        self._steps: tuple[str, ...] = ()
        self._waiting = False  # what stands for these steps is not laid out yet
        self.entered = False  # somebody works in it: it is no longer what its steps made

    def clear(self) -> None:
        """Begin again with an empty folder."""
        _end_processes(self.folder)
        self._steps, self._waiting, self.entered = (), True, False

    def step(self, name: str, make: Callable[[], object]) -> None:
        """Have what `make` makes after the steps before it."""
        if self.entered:
            make()
            return
        self._steps = (*self._steps, name)
        kept = self._kept_as(self._steps)
        if kept.exists():
            self._waiting = True
            return
        self._lay_out(self._steps[:-1])
        make()
        _end_processes(self.folder)
        self.entered = False
        shutil.copytree(self.folder, kept, symlinks=True)

    def _kept_as(self, steps: tuple[str, ...]) -> Path:
        return self._kept / hashlib.sha256("\0".join(steps).encode()).hexdigest()[:16]

    def enter(self) -> None:
        """Lay out what the steps made, for whoever works in it from now on."""
        self.lay_out()
        self.entered = True

    def lay_out(self) -> None:
        """Have what the steps made in the folder."""
        self._lay_out(self._steps)

    def _lay_out(self, steps: tuple[str, ...]) -> None:
        if self._waiting:
            made = self.folder.with_name("made")
            if steps:
                shutil.copytree(self._kept_as(steps), made, symlinks=True)
            else:
                (made / "home").mkdir(parents=True)
            while self.folder.exists():  # a process that is just ending may still write into it, or make it again
                left = self.folder.with_name(f"left-{time.monotonic_ns()}")
                self.folder.rename(left)
                shutil.rmtree(left, ignore_errors=True)
            made.rename(self.folder)
        self._waiting = False


def _end_processes(folder: Path) -> None:
    """End what works in a folder, such as a forecast in the background, and what that starts meanwhile."""
    while any(_end_process(proc, folder) for proc in Path("/proc").glob("[0-9]*")):
        time.sleep(0.005)  # until the kernel has ended them


def _end_process(proc: Path, folder: Path) -> bool:
    """Whether a process worked in a folder, and was told to end."""
    try:
        if f"HOME={folder / 'home'}\0" not in (proc / "environ").read_text(errors="replace"):
            return False
        os.kill(int(proc.name), signal.SIGKILL)
    except (OSError, ValueError):
        return False
    return True


@pytest.fixture(scope="session")
def _stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"))


@pytest.fixture
def stage(_stage: Stage, tmp_path: Path) -> Stage:
    """A place for one test."""
    if not Path("/proc/self/environ").exists():
        return Stage(tmp_path)
    _stage.clear()
    return _stage


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Function) -> None:
    """A test begins in a folder that is laid out, whatever it looks at first."""
    if isinstance(made := item.funcargs.get("stage"), Stage):
        made.lay_out()


@pytest.fixture
def bare_tree(stage: Stage) -> Tree:
    """A repository with one commit and no agentsync."""
    tree = Tree(stage.folder / "main", hermetic_environment(stage.folder / "home"), stage)
    stage.step("bare", lambda: _make_bare(tree))
    return tree


def _make_bare(tree: Tree) -> None:
    tree.path.mkdir()
    tree.ok("init", "-q", "-b", "main", "--template=")
    (tree.path / ".git/hooks").mkdir()
    (tree.path / ".git/info").mkdir()
    tree.ok("config", "user.name", "Dev One")
    tree.ok("config", "user.email", "dev@example.com")
    tree.write("shared.txt", "one\ntwo\nthree\n")
    tree.write("src/app.py", "print('hello')\n")
    tree.ok("add", ".")
    tree.ok("commit", "-q", "-m", "start")


@pytest.fixture
def main(bare_tree: Tree, stage: Stage) -> Tree:
    """A repository with agentsync set up and committed; the main worktree is a person's."""

    def make() -> None:
        bare_tree.synced("init", "--yes")
        bare_tree.ok("add", ".")
        bare_tree.ok("commit", "-q", "-m", "Add agentsync")
        somebody_looked(bare_tree)

    stage.step("main", make)
    return bare_tree


def somebody_looked(main: Tree) -> None:
    """Have a forecast that is fresh for a day, so that a commit starts one only where another touches its path."""
    folder = main.path / ".git/agentsync/forecast"
    folder.mkdir(exist_ok=True)
    later = time.time() + 86400
    for name in ("touched", "touched.until"):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (later, later))


LINES = [f"line {number}" for number in range(30)]


@pytest.fixture
def text(main: Tree, stage: Stage) -> Tree:
    """Base with a file of thirty lines, a manifest, a registry and two migrations."""
    stage.step("text", lambda: _make_text(main))
    return main


def _make_text(main: Tree) -> None:
    main.write("f.txt", "\n".join(LINES) + "\n")
    main.write("package.json", '{\n  "name": "x",\n  "dependencies": {\n    "a": "^1.0.0"\n  }\n}\n')
    main.write("registry.py", 'NAMES = [\n    "a",\n]\n')
    main.write("db/migrations/0001_init.sql", "create table a (id int);\n")
    main.write("db/migrations/0002_more.sql", "create table b (id int);\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "a real beginning")


@pytest.fixture
def one(main: Tree) -> Tree:
    """The first agent's worktree."""
    return main.worktree("one")


@pytest.fixture
def two(main: Tree) -> Tree:
    """The second agent's worktree."""
    return main.worktree("two")
