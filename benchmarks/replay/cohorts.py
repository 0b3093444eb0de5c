"""Track B: pull requests that were in flight together, replayed by k scripted agents in real worktrees.

A window is a commit of the main line and the pull requests that had forked from it in the two weeks before and were
still being worked on; each is carried forward to that commit by a three-way merge. Agents take tasks in their order.
One task takes one unit of time: after each quarter a quarter more of its files stands in the worktree, uncommitted, and
an agent with agentsync is told the forecast, as its hook does after an edit; at its end all of it is committed and lands. Everything happens through
git and the agentsync command.

    python benchmarks/replay/cohorts.py CLONES_DIR [--repos click,pytest] [--windows 3] [--k 4]

What an agent does when it is told of a conflict is a parameter, not a finding: `ignore` it; `rebase`, which lets the
other land first and resolves within its own work (EARLY units more); `wait` for the other before it goes on; take
`other` work first. A conflict at the integration is resolved afterwards, for REWORK units more, in every arm.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

REWORK, EARLY = 0.5, 0.1
DAYS = 86400
UNION = [
    "CHANGELOG*",
    "CHANGES*",
    "*.json",
    "requirements*.txt",
    "*.lock",
    "__init__.py",
    "index.*",
    "*.toml",
    "go.mod",
]
REPOS = ("pallets+click", "pytest-dev+pytest", "scrapy+scrapy", "steveyegge+gastown", "karakeep-app+karakeep")


def environment(home: Path) -> dict[str, str]:
    """git that knows nobody's settings, and agents that are nobody's tool."""
    kept = {
        k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "CLAUDE", "CODEX", "AGENTSYNC", "AI_AGENT"))
    }
    names = {
        f"GIT_{who}_{what}": f"{what.lower()}@replay" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    own = {"HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_EDITOR": "true"}
    return {**kept, **names, **own, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


class Place:
    """A folder to run commands in."""

    def __init__(self, path: Path, environ: dict[str, str]) -> None:
        self.path, self.environ = path, environ

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=self.path, env=self.environ, capture_output=True, text=True, errors="replace", check=False
        )

    def git(self, *words: str) -> str:
        done = self.run("git", *words)
        assert done.returncode == 0, (words, done.stderr[-500:])
        return done.stdout.strip()


@dataclass
class Task:
    """One pull request, as a commit on the window's base, and the files that it changes."""

    name: str
    commit: str
    files: list[str]


def windows(clone: Path, count: int, seed: int) -> list[tuple[str, list[tuple[str, str]]]]:
    """Some commits of the main line, each with the heads that were in flight (name, commit)."""
    at = Place(clone, dict(os.environ))
    line = [row.split() for row in at.git("log", "--first-parent", "--format=%H %ct", "HEAD").splitlines()]
    rows = at.git("for-each-ref", "--format=%(objectname) %(committerdate:unix) %(refname)", "refs/pull").splitlines()
    pulls = [
        (name, commit, int(when)) for commit, when, name in (row.split() for row in rows) if name.endswith("/head")
    ]
    found = []
    after = {base: later for (later, _), (base, _) in itertools.pairwise(line)}
    chance = random.Random(seed)
    chance.shuffle(line)
    for base, when in line:
        if len(found) == count:
            break
        if base not in after:
            continue
        near = [one for one in pulls if int(when) <= one[2] <= int(when) + 14 * DAYS]
        if not 6 <= len(near) <= 60:
            continue
        flying = []
        for name, commit, _ in sorted(near):
            fork = at.run("git", "merge-base", base, commit).stdout.strip()
            later = at.run("git", "merge-base", "--is-ancestor", after[base], commit).returncode == 0
            if not fork or fork == commit or later:  # what has merged the main line since is not of this window
                continue
            age = int(when) - int(at.git("log", "-1", "--format=%ct", fork))
            applies = at.run("git", "merge-tree", "--write-tree", base, commit).returncode == 0
            small = len(at.git("diff-tree", "-r", "--name-only", fork, commit).splitlines()) < 60
            if 0 <= age <= 14 * DAYS and applies and small:
                flying.append((name, commit))
        if len(flying) >= 5:
            found.append((base, flying[:10]))
    return found


class Field:
    """A repository of a window's own, with a worktree for each agent."""

    def __init__(self, clone: Path, base: str, folder: Path, k: int, *, ours: bool) -> None:
        home = folder / "home"
        home.mkdir(parents=True)
        self.environ = environment(home)
        self.main = Place(folder / "main", self.environ)
        self.main.path.mkdir()
        self.main.git("init", "-q", "-b", "main")
        (self.main.path / ".git/objects/info/alternates").write_text(f"{clone.resolve() / 'objects'}\n")
        self.main.git("reset", "-q", "--hard", base)
        if ours:
            done = self.main.run("agentsync", "init", "--yes")
            assert done.returncode == 0, done.stderr
            self.main.git("add", "-A", "-f", "agentsync.toml", "AGENTS.md", "CLAUDE.md")
            self.main.git("commit", "-q", "--allow-empty", "-m", "Add agentsync")
        self.agents = []
        for index in range(k):
            self.main.git("worktree", "add", "-q", "--detach", f"../a{index}")
            self.agents.append(Place(folder / f"a{index}", self.environ))

    def tasks(self, heads: list[tuple[str, str]], base: str) -> list[Task]:
        """The heads that apply to the window's base."""
        found = []
        for name, head in heads:
            merged = self.main.run("git", "-c", "merge.renames=true", "merge-tree", "--write-tree", base, head)
            if merged.returncode != 0:
                continue
            tree = merged.stdout.splitlines()[0]
            files = self.main.git("diff-tree", "-r", "--name-only", "--no-renames", base, tree).splitlines()
            if files and len(files) < 60 and not any(name.startswith('"') for name in files):
                commit = self.main.git("commit-tree", tree, "-p", base, "-m", name)
                found.append(Task(name.split("/")[2], commit, files))
        return found


@dataclass
class Agent:
    """What one agent is at."""

    place: Place
    task: Task | None = None
    step: str = "free"
    due: float = 0.0
    began: float = 0.0
    part: int = 0
    told: set[str] = field(default_factory=set)
    behind: bool = False  # told of a conflict with base
    waits_for: str = ""
    shelved: Task | None = None
    wrote_all: bool = False


@dataclass
class Score:
    """What a run came to."""

    tasks: int = 0
    conflicts: int = 0
    resolved_early: int = 0
    makespan: float = 0.0
    waited: float = 0.0


class Run:
    """One window under one arm."""

    def __init__(self, field_: Field, tasks: list[Task], arm: str, reaction: str) -> None:
        self.field, self.arm, self.reaction = field_, arm, reaction
        self.backlog = collections.deque(tasks)
        self.agents = [Agent(place) for place in field_.agents]
        self.landed: set[str] = set()
        self.score = Score(tasks=len(tasks))
        self.now = 0.0
        self.clash = self._oracle(tasks) if arm == "oracle" else {}
        if arm == "union":
            info = field_.main.path / ".git/info"
            info.mkdir(exist_ok=True)
            (info / "attributes").write_text("".join(f"{pattern} merge=union\n" for pattern in UNION))

    def _oracle(self, tasks: list[Task]) -> dict[tuple[str, str], bool]:
        return {
            (one.name, other.name): self.field.main.run("git", "merge-tree", "--write-tree", one.commit, other.commit).returncode != 0
            for one in tasks for other in tasks if one is not other
        }  # fmt: skip

    def play(self) -> Score:
        for _ in range(10000):
            for agent in self.agents:
                if agent.step == "free":
                    self._take(agent)
            busy = [agent for agent in self.agents if agent.step not in ("free", "waiting")]
            if not busy:
                break
            agent = min(busy, key=lambda one: one.due)
            self.now = max(self.now, agent.due)
            {"work": self._work, "end": self._end, "land": self._land, "rework": self._land_by_force}[agent.step](agent)
        assert not self.backlog, "everything must land"
        self.score.makespan = self.now
        return self.score

    def _take(self, agent: Agent) -> None:
        for _ in range(len(self.backlog)):
            task = self.backlog.popleft()
            if self._may_start(agent, task):
                self._start(agent, task)
                return
            self.backlog.append(task)

    def _may_start(self, agent: Agent, task: Task) -> bool:
        active = [one.task for one in self.agents if one.task]
        if self.arm == "oracle":
            return not any(self.clash[task.name, other.name] for other in active)
        if self.arm == "file locks":
            self._on_base(agent, task)
            return agent.place.run("agentsync", "lock", "--", *task.files).returncode == 0
        return True

    def _on_base(self, agent: Agent, task: Task) -> None:
        agent.place.git("checkout", "-q", "--force", "--detach", "main")
        agent.place.git("clean", "-fdq")
        agent.place.git("checkout", "-q", "-B", f"t{task.name}", "main")

    def _start(self, agent: Agent, task: Task) -> None:
        if self.arm != "file locks":
            self._on_base(agent, task)
        agent.task, agent.step, agent.began, agent.due = task, "work", self.now, self.now + 0.25
        agent.told, agent.part, agent.behind, agent.wrote_all = set(), 0, False, False

    def _write(self, agent: Agent, files: list[str]) -> None:
        """The task's files as its author left them, on the version that stands here."""
        task = agent.task
        assert task is not None
        picked = agent.place.run("git", "cherry-pick", "--no-commit", "-X", "theirs", task.commit)
        if picked.returncode != 0:  # what one side deleted: the author's version stands
            for name in task.files:
                if agent.place.run("git", "checkout", "-q", task.commit, "--", name).returncode != 0:
                    agent.place.run("git", "rm", "-q", "-f", "--ignore-unmatch", "--", name)
        agent.place.run("git", "cherry-pick", "--quit")
        rest = [name for name in task.files if name not in files]
        agent.place.git("reset", "-q")
        for name in rest:
            if agent.place.run("git", "checkout", "-q", "HEAD", "--", name).returncode != 0:
                (agent.place.path / name).unlink(missing_ok=True)

    def _work(self, agent: Agent) -> None:
        task = agent.task
        assert task is not None
        agent.part += 1
        agent.step, agent.due = "end" if agent.part == 3 else "work", agent.due + 0.25
        if self.arm == "agentsync":
            self._write(agent, task.files[: -(-len(task.files) * agent.part // 4)])
            self._react(agent)

    def _react(self, agent: Agent) -> None:
        """Ask, and do what the reaction says about each worktree that conflicts; only the later one gives way."""
        done = agent.place.run("agentsync", "forecast", "--json")
        names = {one.place.path.name: one for one in self.agents}
        for row in json.loads(done.stdout)["data"]["conflicts"]:
            if "base" in (row["one"], row["other"]) and self.reaction != "ignore":
                for name in {row["one"], row["other"]} & names.keys():
                    names[name].behind = True
                continue
            other = names.get(row["other"] if row["one"] == agent.place.path.name else row["one"])
            if other is None or other.task is None or self.reaction == "ignore":
                continue
            later, earlier = (agent, other) if agent.began >= other.began else (other, agent)
            if later.step in ("work", "end") and earlier.task and earlier.waits_for != later.task.name:
                later.told.add(earlier.task.name)
        if agent.told - self.landed and self.reaction in ("wait", "other"):
            agent.waits_for = sorted(agent.told - self.landed)[0]
            if self.reaction == "other" and self.backlog and agent.shelved is None:
                agent.shelved, agent.task = agent.task, None
                agent.waits_for, agent.step = "", "free"
                return
            agent.due -= self.now  # what is left of it
            agent.step = "waiting"
            self.score.waited -= self.now

    def _end(self, agent: Agent) -> None:
        task = agent.task
        assert task is not None
        if self.arm == "agentsync" and not agent.wrote_all:  # the hook after the last edit tells, as after any
            agent.wrote_all = True
            self._write(agent, task.files)
            self._react(agent)
            if agent.step != "end":
                return
        waits = agent.told - self.landed
        if (
            self.arm == "agentsync"
            and self.reaction == "rebase"
            and waits & {one.task.name for one in self.agents if one.task}
        ):
            agent.waits_for, agent.step, agent.due = sorted(waits)[0], "waiting", 0.0
            self.score.waited -= self.now
            return
        agent.place.git("reset", "-q", "--hard")
        agent.place.git("clean", "-fdq")
        early = bool(agent.told & self.landed) or agent.behind
        if early:
            agent.place.git("merge", "-q", "--ff-only", "main")
        self._write(agent, task.files)
        agent.place.git("add", "-A")
        done = agent.place.run("git", "commit", "-q", "--allow-empty", "-m", f"task {task.name}")
        assert done.returncode == 0, done.stderr[-800:]
        if early:
            self.score.resolved_early += 1
            if agent.behind or self.reaction == "rebase":
                agent.step, agent.due = "land", self.now + EARLY
                return
        self._land(agent)

    def _land(self, agent: Agent) -> None:
        if self._integrates(agent):
            self._landed(agent)
        else:
            self.score.conflicts += 1
            agent.step, agent.due = "rework", self.now + REWORK

    def _integrates(self, agent: Agent) -> bool:
        branch = f"t{agent.task.name}"
        if self.arm == "agentsync":
            done = self.field.main.run("agentsync", "integrate", branch)
            if os.environ.get("REPLAY_SHOW") and done.returncode:
                print(done.stdout, done.stderr, file=sys.stderr)
            return done.returncode == 0
        done = self.field.main.run("git", "merge", "-q", "--no-edit", branch)
        if done.returncode != 0:
            self.field.main.run("git", "merge", "--abort")
            self.field.main.git("reset", "-q", "--hard")
        return done.returncode == 0

    def _land_by_force(self, agent: Agent) -> None:
        """The agent has resolved by hand: its version on base as it is now."""
        agent.place.git("reset", "-q", "--hard")
        agent.place.git("checkout", "-q", "-B", f"t{agent.task.name}", "main")
        self._write(agent, agent.task.files)
        agent.place.git("add", "-A")
        agent.place.git("commit", "-q", "--allow-empty", "-m", f"task {agent.task.name}, by hand")
        if self._integrates(agent):
            self._landed(agent)
        else:
            agent.due = self.now + REWORK

    def _landed(self, agent: Agent) -> None:
        task = agent.task
        self.landed.add(task.name)
        if self.arm == "file locks":
            agent.place.run("agentsync", "unlock", "--all")
        agent.task, agent.step = None, "free"
        if agent.shelved:
            agent.task, agent.shelved = agent.shelved, None
            agent.place.git("checkout", "-q", "--force", "-B", f"t{agent.task.name}", "main")
            agent.told, agent.behind, agent.part, agent.wrote_all = set(), False, 2, False
            agent.step, agent.due = "work", self.now + 0.25
        for other in self.agents:
            if other.step == "waiting" and other.waits_for == task.name:
                self.score.waited += self.now
                other.step, other.waits_for = "end" if other.part == 3 else "work", ""
                other.due += self.now


def tables(totals: dict, arms: list[tuple[str, str]], ks: list[int]) -> list[str]:
    """The tables of all windows so far."""
    lines = []
    for k in ks:
        naive = totals[k, "naive", ""].makespan or 1
        lines += [f"\n### k = {k}\n", "| arm | when told | tasks | conflicts at integration | resolved early | makespan | against naive |",
                  "|---|---|---|---|---|---|---|"]  # fmt: skip
        for arm, reaction in arms:
            one = totals[k, arm, reaction]
            share, longer = 100 * one.conflicts / max(1, one.tasks), 100 * one.makespan / naive - 100
            lines.append(f"| {arm} | {reaction or '-'} | {one.tasks} | {one.conflicts} ({share:.1f} %) | {one.resolved_early} | "
                         f"{one.makespan:.1f} | {longer:+.1f} % |")  # fmt: skip
    return lines


def main() -> None:
    """Print the tables, again after each window."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path)
    parser.add_argument("--repos", default=",".join(REPOS))
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--k", default="2,4,8")
    parser.add_argument("--arms", default="", help="such as naive,oracle,agentsync:rebase (else all)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    arms = [("naive", ""), ("union", ""), ("file locks", ""), ("agentsync", "rebase"), ("agentsync", "wait"),
            ("agentsync", "other"), ("agentsync", "ignore"), ("oracle", "")]  # fmt: skip
    if options.arms:
        arms = [(arm, reaction) for arm, _, reaction in (word.partition(":") for word in options.arms.split(","))]
    totals: dict[tuple[int, str, str], Score] = collections.defaultdict(Score)
    for name in options.repos.split(","):
        clone = options.clones / name / "repo"
        for base, heads in windows(clone, options.windows, options.seed):
            for k in map(int, options.k.split(",")):
                for arm, reaction in arms:
                    with tempfile.TemporaryDirectory() as folder:
                        ours = arm in ("agentsync", "file locks")
                        there = Field(clone, base, Path(folder) / "f", k, ours=ours)
                        score = Run(there, there.tasks(heads, base), arm, reaction).play()
                    total = totals[k, arm, reaction]
                    total.tasks += score.tasks
                    total.conflicts += score.conflicts
                    total.resolved_early += score.resolved_early
                    total.makespan += score.makespan
                    total.waited += score.waited
            print(f"{name} {base[:10]}: {len(heads)} heads", file=sys.stderr, flush=True)
            print("\n".join(tables(totals, arms, list(map(int, options.k.split(","))))), flush=True)


if __name__ == "__main__":
    main()
