"""Who is a person: the same answer in Python and in the shims, for each variable of the table."""

from __future__ import annotations

import subprocess

import pytest
from conftest import Tree

from agentsync.holders.identity import Holder, acts_for_an_agent, no_person_in_sh, why_no_person
from agentsync.holders.tools import AGENT_TOOL_VARIABLES, TELLING_VALUES, agent_variable

SET = [(name, "1") for name in AGENT_TOOL_VARIABLES] + [
    (name, begins + " and more") for name, (begins, _) in TELLING_VALUES.items()
]
PEOPLES = [("TERM_PROGRAM", "vscode"), ("TERM_PROGRAM", "iTerm.app"), ("GROK_AGENT", "/home/me/grok"), ("AGENT", ""),
           ("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE"), ("AGENTSYNC_AGENT", "human:ann"), ("AGENTSYNC_AGENT", ""),
           ("GOOSE_PROVIDER", "x"), ("CLINE_API_KEY", "x"), ("EDITOR", "vim")]  # fmt: skip


def in_sh(name: str, value: str) -> bool:
    """What a shim finds."""
    script = f'[ -n "{no_person_in_sh()}" ] && echo agent'
    environ = {"PATH": "/usr/bin:/bin", name: value}
    return subprocess.run(["sh", "-c", script], env=environ, capture_output=True, check=False).stdout == b"agent\n"


@pytest.mark.parametrize(("name", "value"), [*SET, ("AGENTSYNC_AGENT", "bob"), ("AGENTSYNC_AGENT", "humanoid")])
def test_an_agent_is_one_to_python_and_to_the_shims(name: str, value: str) -> None:
    assert acts_for_an_agent({name: value})
    assert in_sh(name, value)


@pytest.mark.parametrize(("name", "value"), PEOPLES)
def test_a_persons_variables_are_not_an_agents(name: str, value: str) -> None:
    assert not acts_for_an_agent({name: value})
    assert not in_sh(name, value)


def test_each_variable_names_its_source() -> None:
    told = {**AGENT_TOOL_VARIABLES, **{name: source for name, (_, source) in TELLING_VALUES.items()}}
    assert all(": " in source for source in told.values())


def test_a_worktree_that_is_an_agents_is_no_persons() -> None:
    assert why_no_person({}, Holder("two", "two")) == "this worktree is an agent's"
    assert why_no_person({}, Holder("human:ann", "main")) == ""
    assert "sets CRUSH" in why_no_person({"CRUSH": "1"}, Holder("human:ann", "main"))
    assert agent_variable({}) == ""


@pytest.mark.parametrize(("name", "value"), [("AGENT", "goose"), ("TERM_PROGRAM", "kiro"), ("AGENTSYNC_AGENT", "bob")])
def test_neither_the_override_nor_the_switch_counts_for_an_agent(name: str, value: str, main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt")
    main.write("shared.txt", "mine\n")
    done = main.refused("commit", "-qam", "x", **{name: value, "AGENTSYNC_ALLOW": "because"})
    assert "does not count\n" in done.err
    assert name in done.err
    done = main.refused("commit", "-qam", "x", **{name: value, "AGENTSYNC": "0"})
    assert "AGENTSYNC=0 is a person's switch" in done.err
    assert name in done.err
    main.refused("commit", "--no-verify", "-qam", "x", **{name: value, "AGENTSYNC": "0"})
    assert main.git("commit", "-qam", "x", AGENTSYNC_ALLOW="because").code == 0


def test_both_count_for_a_person(main: Tree, one: Tree) -> None:
    one.synced("lock", "shared.txt")
    main.write("shared.txt", "mine\n")
    main.ok("commit", "-qam", "x", AGENTSYNC="0", AGENTSYNC_AGENT="human:ann")
    main.write("shared.txt", "mine again\n")
    main.ok("commit", "-qam", "y", AGENTSYNC_ALLOW="because", TERM_PROGRAM="vscode")


def test_the_shims_ask_without_a_process() -> None:
    assert "$(" not in no_person_in_sh()
    assert "`" not in no_person_in_sh()
