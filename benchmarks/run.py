"""`make bench`: what agentsync adds, against hook managers with one no-op hook, in one interleaved run.

Every figure is the median of whole processes, in milliseconds. Variants alternate within each round and the order
turns round every other round, so that a slow moment of the machine hits all alike.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from conftest import Tree, hermetic_environment  # noqa: E402

from agentsync.holders.identity import Holder  # noqa: E402
from agentsync.locks.model import Lock, Target, lock_record  # noqa: E402
from agentsync.state.store import Change, Store  # noqa: E402

NOOP_HOOK = """- id: noop
  name: noop
  entry: noop-hook
  language: python
  always_run: true
  pass_filenames: false
"""
NOOP_PROJECT = """[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "noop-hook"
version = "1"
[project.scripts]
noop-hook = "noop_hook:main"
[tool.setuptools]
py-modules = ["noop_hook"]
"""


class Bench:
    """A scratch folder with one repository a variant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir()
        self.environ = hermetic_environment(home)
        self.environ["PRE_COMMIT_HOME"] = str(folder / "pre-commit")
        self.environ["PREK_HOME"] = str(folder / "prek")

    def repository(self, name: str, files: int = 60) -> Tree:
        place = self.folder / name
        place.mkdir()
        tree = Tree(place, self.environ)
        tree.ok("init", "-q", "-b", "main")
        tree.ok("config", "user.name", "Bench")
        tree.ok("config", "user.email", "bench@example.com")
        tree.ok("config", "gc.auto", "0")
        for number in range(files):
            path = place / f"d{number % 100}" / f"f{number}.txt"
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"{number}\n")
        tree.ok("add", ".")
        tree.ok("commit", "-qm", "start")
        return tree

    def noop_hooks(self) -> str:
        place = self.folder / "noop-hooks"
        place.mkdir()
        tree = Tree(place, self.environ)
        tree.write(".pre-commit-hooks.yaml", NOOP_HOOK)
        tree.write("pyproject.toml", NOOP_PROJECT)
        tree.write("noop_hook.py", "def main():\n    return 0\n")
        tree.ok("init", "-q", "-b", "main")
        tree.ok("add", ".")
        tree.ok("-c", "user.name=b", "-c", "user.email=b@e", "commit", "-qm", "noop")
        return f"repos:\n  - repo: {place}\n    rev: {tree.head()}\n    hooks:\n      - id: noop\n"


def linked(tree: Tree) -> Tree:
    return tree.worktree(tree.path.name + "-linked")


def with_agentsync(tree: Tree, settings: str = "") -> Tree:
    tree.synced("init", "--yes")
    if settings:
        tree.write("agentsync.toml", settings)
    tree.ok("add", ".")
    tree.ok("commit", "-qm", "Add agentsync")
    return tree


def with_framework(tree: Tree, tool: str, config: str) -> Tree:
    tree.write(".pre-commit-config.yaml", config)
    tree.ok("add", ".")
    tree.ok("commit", "-qm", "configure")
    done = tree.run(tool, "install")
    assert done.code == 0, done
    done = tree.run(tool, "run", "--all-files")  # builds the hook's environment
    assert done.code == 0, done
    return tree


def commit_once(tree: Tree, number: int) -> float:
    path = tree.path / "d1" / "f1.txt"
    path.write_text(f"{number} {random.random()}\n")
    tree.ok("add", "d1/f1.txt")
    start = time.perf_counter()
    done = subprocess.run(["git", "commit", "-q", "-m", "m"], cwd=tree.path, env=tree.environ, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    taken = time.perf_counter() - start
    assert done.returncode == 0, done.stderr
    return taken * 1000


def interleaved(trees: dict[str, Tree], rounds: int) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(rounds + 2):
        names = list(trees) if number % 2 else list(reversed(trees))
        for name in names:
            taken = commit_once(trees[name], number)
            if number >= 2:
                figures[name].append(taken)
    return figures


def report(title: str, figures: dict[str, list[float]], bare: str, unit: str) -> None:
    base = statistics.median(figures[bare])
    one = statistics.median(figures[unit]) - base if unit else 0.0
    print(f"\n### {title}\n")
    print("| variant | median ms | p25-p75 | added ms | against prek |\n|---|---|---|---|---|")
    for name, values in figures.items():
        low, middle, high = statistics.quantiles(values, n=4)
        added = middle - base
        ratio = f"{added / one:.2f}" if one else ""
        print(f"| {name} | {middle:.1f} | {low:.1f}-{high:.1f} | {added:+.1f} | {ratio} |", flush=True)


def commits(bench: Bench, rounds: int) -> None:
    noop = bench.noop_hooks()
    trees = {"no hooks": bench.repository("none")}
    trees["agentsync"] = with_agentsync(bench.repository("agentsync"))
    locked = with_agentsync(bench.repository("locked"))
    locked.synced("lock", "d1/f1.txt")
    trees["agentsync, locked path"] = locked
    trees["prek, no-op python hook"] = with_framework(bench.repository("prek-repo"), "prek", noop)
    trees["pre-commit, no-op python hook"] = with_framework(bench.repository("pc-repo"), "pre-commit", noop)
    report(
        "One-file commit, main worktree (a person)", interleaved(trees, rounds), "no hooks", "prek, no-op python hook"
    )
    places = {name: linked(tree) for name, tree in trees.items()}
    locked.synced("unlock", "--all")
    held = places["agentsync, locked path"]
    held.ok("merge", "-q", "main")
    held.synced("lock", "d1/f1.txt")
    report("One-file commit, linked worktree (an agent)", interleaved(places, rounds), "no hooks",
           "prek, no-op python hook")  # fmt: skip


def scale(bench: Bench, rounds: int, quick: bool) -> None:
    size = 10 if quick else 1
    trees = {}
    small_bare = bench.repository("s-none")
    trees["no hooks"] = linked(small_bare)
    trees["agentsync"] = linked(with_agentsync(bench.repository("s-small")))
    many = with_agentsync(bench.repository("s-locks"))
    store = Store(str(many.path / ".git/agentsync"), many.environ)
    now = int(time.time())
    records = {}
    for number in range(10_000 // size):
        lock = Lock(Target(b"d%d/other%d.txt" % (number % 100, number)), Holder("x", "x"), now, now + 9999, 9999)
        records[lock.target.place] = lock_record(lock)
    store.swap(lambda _: Change("many locks", "bench", records))
    trees[f"agentsync, {10_000 // size} locks"] = linked(many)
    branches = with_agentsync(bench.repository("s-branches"))
    head = branches.head()
    lines = "".join(f"create refs/heads/b{number} {head}\n" for number in range(1000 // size))
    branches.run("git", "-c", "core.hooksPath=/dev/null", "update-ref", "--stdin", stdin=lines)
    trees[f"agentsync, {1000 // size} branches"] = linked(branches)
    worktrees = with_agentsync(bench.repository("s-worktrees", files=3))
    for number in range(1000 // size):
        worktrees.ok("-c", "core.hooksPath=/dev/null", "worktree", "add", "-q", "--detach",
                     str(bench.folder / "many" / f"w{number}"))  # fmt: skip
    trees[f"agentsync, {1000 // size} worktrees"] = linked(worktrees)
    large = bench.repository("s-large", files=100_000 // size)
    trees[f"no hooks, {100_000 // size} files"] = linked(large)
    empty = bench.repository("s-large-hook", 100_000 // size)
    empty.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 0\n")
    (empty.path / ".git/hooks/pre-commit").chmod(0o755)
    trees[f"an empty sh hook, {100_000 // size} files"] = linked(empty)
    trees[f"agentsync, {100_000 // size} files"] = linked(with_agentsync(bench.repository("s-large2", 100_000 // size)))
    report("Scale: one-file commit in a linked worktree", interleaved(trees, rounds), "no hooks", "")


STAGES = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-rewrite", "reference-transaction",
          "post-checkout", "post-merge", "pre-merge-commit")  # fmt: skip
MANY = 100


def with_empty_hooks(tree: Tree) -> Tree:
    """The least that hooks can cost: each stage of ours as a shell script that leaves at once."""
    for name in STAGES:
        hook = tree.path / ".git/hooks" / name
        hook.write_text("#!/bin/sh\nexit 0\n")
        hook.chmod(0o755)
    return tree


def timed(tree: Tree, *words: str) -> float:
    start = time.perf_counter()
    done = subprocess.run(["git", *words], cwd=tree.path, env=tree.environ, capture_output=True, check=False)
    taken = (time.perf_counter() - start) * 1000
    assert done.returncode == 0, done.stderr
    return taken


def hundred(tree: Tree, count: int) -> tuple[Tree, list[str]]:
    """A worktree with a branch of many commits to one file, base one commit ahead, and the commits as patches."""
    worker = tree.worktree(tree.path.name + "-worker")
    for number in range(count):
        worker.write("d1/f1.txt", "".join(f"{line}\n" for line in range(number + 1)))
        worker.ok("commit", "-qam", f"work {number}")
    worker.ok("tag", "top")
    tree.write("landed.txt", "x\n")
    tree.ok("add", ".")
    tree.ok("commit", "-qm", "base goes on")
    patches = worker.ok("format-patch", "-o", str(tree.path.parent / f"{tree.path.name}-patches"), "main").splitlines()
    return worker, patches


def operations(worker: Tree, patches: list[str]) -> dict[str, float]:
    """How long each of the usual ways takes to bring many commits onto base."""
    found = {}
    for name, words, start in (
        ("rebase", ("rebase", "-q", "main"), "top"),
        ("rebase --apply", ("rebase", "-q", "--apply", "main"), "top"),
        ("cherry-pick", ("cherry-pick", "main..top"), "main"),
        ("am", ("am", "-q", *patches), "main"),
        ("merge --no-ff", ("merge", "-q", "--no-ff", "--no-edit", "top"), "main"),
    ):
        worker.unhooked("checkout", "-q", "--force", "-B", worker.path.name, start)
        worker.git("commit", "-q", "--allow-empty", "-m", "level")  # a gate has seen where the branch is
        worker.unhooked("reset", "-q", "--hard", start)
        found[name] = timed(worker, *words)
    return found


def many_commits(bench: Bench, rounds: int) -> None:
    trees = {
        "no hooks": bench.repository("m-none"),
        "empty sh hooks": with_empty_hooks(bench.repository("m-empty")),
        "agentsync": with_agentsync(bench.repository("m-agentsync")),
        "agentsync, locked path": with_agentsync(bench.repository("m-locked")),
    }
    ready = {name: hundred(tree, MANY) for name, tree in trees.items()}
    ready["agentsync, locked path"][0].synced("lock", "d1/f1.txt")
    figures: dict[str, dict[str, list[float]]] = {name: {} for name in ready}
    for number in range(rounds):
        for name in ready if number % 2 else reversed(ready):
            for operation, taken in operations(*ready[name]).items():
                figures[name].setdefault(operation, []).append(taken)
    print(f"\n### {MANY} commits at once, linked worktree (an agent)\n\n| operation | " + " | ".join(figures) + " |")
    print("|---|" + "---|" * len(figures))
    for operation in figures["no hooks"]:
        bare = statistics.median(figures["no hooks"][operation])
        cells = []
        for name in figures:
            middle = statistics.median(figures[name][operation])
            cells.append(f"{middle:.0f} ms, {middle / bare:.2f}")
        print(f"| {operation} | " + " | ".join(cells) + " |", flush=True)


def from_server(bench: Bench, rounds: int, quick: bool) -> None:
    """What a fetch of many branches costs, and a fast-forward over many commits that upstream has."""
    size = 10 if quick else 1
    server = bench.repository("f-server")
    head = server.head()
    server.run("git", "update-ref", "--stdin",
               stdin="".join(f"create refs/heads/b{number} {head}\n" for number in range(1000 // size)))  # fmt: skip
    script = ["feature done"]
    for number in range(15_000 // size):
        begin = f"from {head}\n" if not number else ""
        script.append(f"commit refs/heads/long\ncommitter B <b@x> {1796000000 + number} +0000\ndata 1\nx\n{begin}"
                      f"M 100644 inline long/f{number % 500}.txt\ndata {len(str(number))}\n{number}")  # fmt: skip
    server.run("git", "fast-import", "--quiet", stdin="\n".join([*script, "done", ""]))
    figures: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for name, prepare in (("no hooks", lambda tree: tree), ("empty sh hooks", with_empty_hooks),
                              ("agentsync", with_agentsync)):  # fmt: skip
            place = bench.folder / f"f-{name.split(' ')[0]}-{number}"
            server.ok("clone", "-q", "--single-branch", "--branch", "main", str(server.path), str(place))
            tree = Tree(place, bench.environ)
            tree.ok("config", "user.name", "Bench")
            tree.ok("config", "user.email", "bench@example.com")
            prepare(tree)
            tree.ok("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
            row = figures.setdefault(name, {})
            row.setdefault(f"fetch of {1000 // size} branches", []).append(timed(tree, "fetch", "-q", "origin"))
            worker = tree.worktree(place.name + "-worker")
            words = ("merge", "-q", "--no-edit") if name == "agentsync" else ("merge", "-q", "--ff-only")
            tree.unhooked("update-ref", "refs/remotes/origin/main", "origin/long")
            row.setdefault(f"merge of {15_000 // size} commits of upstream", []).append(
                timed(worker, *words, "origin/long")
            )
            shutil.rmtree(place, ignore_errors=True)  # a forecast in the background may write there
            shutil.rmtree(worker.path, ignore_errors=True)
    print("\n### What comes from the server\n\n| operation | " + " | ".join(figures) + " |")
    print("|---|" + "---|" * len(figures))
    for operation in figures["no hooks"]:
        bare = statistics.median(figures["no hooks"][operation])
        middles = [statistics.median(figures[name][operation]) for name in figures]
        print(f"| {operation} | " + " | ".join(f"{one:.0f} ms, {one / bare:.2f}" for one in middles) + " |", flush=True)


def processes(bench: Bench, rounds: int) -> None:
    tree = with_agentsync(bench.repository("commands"))
    tree.write("TASKS.md", "".join(f"- [ ] **T-{n}** task {n}\n\n" for n in range(200)))
    tree.ok("add", ".")
    tree.ok("commit", "-qm", "plan")
    for number in range(19):
        tree.worktree(f"c{number}")
    place = tree.worktree("commands-agent")
    script = str(Path(sys.executable).parent / "agentsync")
    words = {
        "python -I -c pass": [[sys.executable, "-I", "-c", "pass"]] * 2,
        "agentsync lock PATH": [[script, "lock", "d1/f1.txt"], [script, "unlock", "d1/f1.txt"]],
        "agentsync lock (list)": [[script, "lock"]] * 2,
        "agentsync task claim ID": [[script, "task", "claim", "T-1"], [script, "task", "release", "T-1"]],
    }
    payloads = {name: json.dumps(payload).encode() for name, payload in hook_payloads(place).items()}
    words |= {name: [[f"{script}-hook", "claude"]] * 2 for name in payloads}
    figures: dict[str, list[float]] = {name: [] for name in words}
    for number in range(rounds + 2):
        for name, (timed, after) in words.items():
            given = payloads.get(name, b"")
            start = time.perf_counter()
            done = subprocess.run(
                timed, cwd=place.path, env=place.environ, input=given, capture_output=True, check=False
            )
            taken = (time.perf_counter() - start) * 1000
            assert done.returncode == 0, done
            if number >= 2:
                figures[name].append(taken)
            subprocess.run(after, cwd=place.path, env=place.environ, input=given, capture_output=True, check=False)
    base = statistics.median(figures["python -I -c pass"])
    print(
        "\n### Commands as processes, 20 worktrees\n\n| command | median ms | against python -I -c pass |\n|---|---|---|"
    )
    for name, values in figures.items():
        print(f"| {name} | {statistics.median(values):.1f} | {statistics.median(values) / base:.2f} |", flush=True)


def hook_payloads(place: Tree) -> dict[str, dict[str, object]]:
    """What a client's hook gets before an edit that nothing speaks against, after it, and before a command."""
    edit = {"cwd": str(place.path), "tool_name": "Edit", "tool_input": {"file_path": str(place.path / "d2/f2.txt")}}
    shell = {
        "cwd": str(place.path),
        "tool_name": "Bash",
        "tool_input": {"command": "git add -A && git commit -m 'x y'"},
    }
    return {
        "agentsync-hook, allowed edit": {"hook_event_name": "PreToolUse", **edit},
        "agentsync-hook, after the edit": {"hook_event_name": "PostToolUse", **edit},
        "agentsync-hook, allowed command": {"hook_event_name": "PreToolUse", **shell},
    }


def forecasts(bench: Bench, quick: bool) -> None:
    """Twenty worktrees, each with a commit and uncommitted changes, some of them in the same files."""
    count = 20_000 // (10 if quick else 1)
    tree = with_agentsync(bench.repository("forecast", files=count))
    script = str(Path(sys.executable).parent / "agentsync")
    names = sorted(tree.ok("ls-files").splitlines())[:200]
    for number in range(20):
        place = tree.worktree(f"f{number}")
        place.write(names[number * 3], f"committed by {number}\n")
        place.ok("commit", "-qam", "work")
        place.write(names[number * 3 + 1], "not committed\n")
        place.write(names[150 + number % 10], f"one of ten that two have: {number}\n")

    def once() -> float:
        start = time.perf_counter()
        subprocess.run([script, "forecast"], cwd=tree.path, env=tree.environ, capture_output=True, check=False)
        return time.perf_counter() - start

    cold = []
    for _ in range(5):
        shutil.rmtree(tree.path / ".git/agentsync/forecast", ignore_errors=True)
        cold.append(once())
    warm = [once() for _ in range(11)]
    print(f"\n### Forecast: 20 dirty worktrees, {count} files\n\n| | median s |\n|---|---|")
    print(f"| cold | {statistics.median(cold):.2f} |\n| nothing moved | {statistics.median(warm):.2f} |", flush=True)


def contend(shared: str, me: int, results: str) -> None:
    store = Store(shared, dict(os.environ))
    order = list(range(200))
    random.Random(me).shuffle(order)
    won = 0
    for number in order:
        place = b"locks/f%d/.lock" % number
        got: list[bool] = []

        def decide(snapshot, place=place, got=got):
            got.clear()
            if snapshot.get(place):
                return None
            got.append(True)
            return Change("lock", f"p{me}", {place: {"agent": f"p{me}"}})

        store.swap(decide)
        won += bool(got)
    Path(results, str(me)).write_text(str(won))


def contention(bench: Bench) -> None:
    shared, results = str(bench.folder / "contended"), bench.folder / "results"
    results.mkdir()
    Store(shared, bench.environ).swap(lambda _: Change("start", "bench", {b"a.toml": {"x": 1}}))
    racers = [multiprocessing.Process(target=contend, args=(shared, me, str(results))) for me in range(8)]
    start = time.perf_counter()
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    taken = time.perf_counter() - start
    granted = sum(int(file.read_text()) for file in results.iterdir())
    print(
        f"\n### 8 processes on 200 contended locks\n\n{granted} grants, {granted - 200} double, {granted / taken:.0f}/s"
    )


def machine() -> str:
    model = next((line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())  # fmt: skip
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.strip()
    tools = [subprocess.run([tool, "--version"], capture_output=True, text=True, check=True,
                            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}).stdout.strip()
             for tool in ("prek", "pre-commit")]  # fmt: skip
    return f"{model}, {os.cpu_count()} cores; {git}; Python {platform.python_version()}; {'; '.join(tools)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--quick", action="store_true", help="a tenth of the scale")
    parser.add_argument(
        "--only", choices=["commits", "many", "server", "scale", "processes", "forecasts", "contention"]
    )
    options = parser.parse_args()
    print(machine())
    folder = Path(tempfile.mkdtemp(prefix="agentsync-bench-"))
    try:
        bench = Bench(folder)
        if options.only in (None, "commits"):
            commits(bench, options.rounds)
        if options.only in (None, "many"):
            many_commits(bench, max(3, options.rounds // 6))
        if options.only in (None, "server"):
            from_server(bench, max(3, options.rounds // 10), options.quick)
        if options.only in (None, "scale"):
            scale(bench, max(11, options.rounds // 2), options.quick)
        if options.only in (None, "processes"):
            processes(bench, options.rounds)
        if options.only in (None, "forecasts"):
            forecasts(bench, options.quick)
        if options.only in (None, "contention"):
            contention(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
