"""Promises 1 and 2, attacked: any interleaving of lock, edit, commit, unlock and landings by four agents.

A path that is only edited under its lock never conflicts, and no version of it is lost, landed by merge, squash
or rebase in any order.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from conftest import Tree, hermetic_environment
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

AGENTS = ("ada", "bob", "cyd", "dan")
agents = st.sampled_from(AGENTS)
moves = st.one_of(
    st.tuples(st.just("edit"), agents),
    st.tuples(st.just("edit"), agents),
    st.tuples(st.just("unlock"), agents),
    st.tuples(st.just("sync"), agents),
    st.tuples(st.sampled_from(["merge", "squash", "rebase"]), agents),
)


class World:
    """A repository with four agents, and what must be true of its one contended file."""

    def __init__(self, folder: Path) -> None:
        home, place = folder / "home", folder / "main"
        home.mkdir()
        place.mkdir()
        self.main = Tree(place, hermetic_environment(home))
        self.main.ok("init", "-q", "-b", "main")
        self.main.ok("config", "user.name", "Dev")
        self.main.ok("config", "user.email", "dev@example.com")
        self.main.write("hot.txt", "version 0\n")
        self.main.ok("add", ".")
        self.main.ok("commit", "-qm", "start")
        self.main.synced("init", "--yes")
        self.main.ok("add", ".")
        self.main.ok("commit", "-qm", "Add agentsync")
        self.trees = {name: self.main.worktree(name) for name in AGENTS}
        self.version = 0
        self.owner = ""

    def edit(self, name: str) -> None:
        """Take the lock, bring in what the grant asks for, make the next version."""
        tree = self.trees[name]
        done = tree.sync("lock", "hot.txt")
        if done.code and "is locked by" in done.err:
            assert self.owner not in ("", name), done
            tree.write("hot.txt", "intruder\n")
            tree.refused("commit", "-qam", "intrude")
            tree.ok("checkout", "-q", "hot.txt")
            return
        if done.code:
            assert "has a newer version" in done.err, done
            tree.ok(*done.err.strip().splitlines()[-1].split()[1:], "-q", "--no-edit")
            done = tree.sync("lock", "hot.txt")
        assert done.code == 0, done
        assert self.owner in ("", name), f"{name} got a lock that {self.owner} holds"
        assert tree.read("hot.txt") == f"version {self.version}\n", "the lock was not fresh"
        self.owner = name
        self.version += 1
        tree.write("hot.txt", f"version {self.version}\n")
        tree.ok("commit", "-qam", f"version {self.version}")

    def unlock(self, name: str) -> None:
        if self.owner == name:
            self.trees[name].synced("unlock", "hot.txt")
            self.owner = ""

    def sync(self, name: str) -> None:
        before = self.number(self.trees[name])
        self.trees[name].ok("merge", "-q", "--no-edit", "main")
        assert self.number(self.trees[name]) >= before, "a merge of base went back to an older version"

    def land(self, name: str, way: str) -> None:
        tree = self.trees[name]
        before = max(self.number(tree), self.number(self.main))
        if way == "merge":
            self.main.ok("merge", "-q", "--no-ff", "--no-edit", name)
        elif way == "squash":
            self.main.ok("merge", "-q", "--squash", name)
            self.main.ok("commit", "-q", "--allow-empty", "-m", f"squash {name}")
        else:
            tree.ok("rebase", "-q", "main")
            self.main.ok("merge", "-q", "--ff-only", name)
        assert self.number(self.main) == before, f"landing {name} by {way} lost a version"

    @staticmethod
    def number(tree: Tree) -> int:
        return int(tree.read("hot.txt").split()[1])


def play(steps: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        world = World(Path(folder))
        for what, name in steps:
            if what in ("merge", "squash", "rebase"):
                world.land(name, what)
            else:
                getattr(world, what)(name)
        for name in AGENTS:
            world.unlock(name)
            world.land(name, "merge")
        assert World.number(world.main) == world.version


@settings(max_examples=6, phases=[Phase.explicit, Phase.generate])
@given(st.lists(moves, min_size=4, max_size=12))
def test_no_interleaving_conflicts_or_loses_a_version(steps: list[tuple[str, str]]) -> None:
    play(steps)


@pytest.mark.torture
@settings(max_examples=150)
@given(st.lists(moves, min_size=4, max_size=20))
def test_no_interleaving_conflicts_or_loses_a_version_at_length(steps: list[tuple[str, str]]) -> None:
    play(steps)


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
def test_hand_on_landed_in_every_way(way: str) -> None:
    play([("edit", "ada"), ("unlock", "ada"), ("edit", "bob"), (way, "ada"), ("edit", "bob"), ("unlock", "bob"),
          ("edit", "cyd"), (way, "bob"), ("sync", "cyd"), (way, "cyd"), ("sync", "ada"), (way, "ada")])  # fmt: skip
