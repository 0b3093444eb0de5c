"""Other work is offered only where a task is free, whoever prints the refusal."""

from __future__ import annotations

import pytest
from clients import edit
from conftest import Tree
from test_agents import hook

from agentsync.errors import OTHER_WORK
from agentsync.locks.say import without_other_work

PLANS = {
    "no plan": "",
    "nothing open": "# Tasks\n\n- [x] **T-1** One\n",
    "another waits": "# Tasks\n\n- [ ] **T-1** One\n  - depends: T-2\n\n- [x] **T-2** Two\n",
    "twice": "# Tasks\n\n- [ ] **T-1** One\n\n- [ ] **T-1** Two\n",
    "for a desktop": "# Tasks\n\n- [ ] **T-1** One\n  - surface: desktop\n",
}


def refusals(one: Tree, two: Tree) -> dict[str, str]:
    """What each door says of a path that another has."""
    two.write("shared.txt", "two\n")
    said = {
        "command": two.sync("lock", "shared.txt").err,
        "waiting": two.sync("lock", "shared.txt", "--wait", "1s").err,
        "json": two.sync("lock", "shared.txt", "--json").out,
        "gate": two.refused("commit", "-qam", "x").err,
        "client": hook(two, "claude", edit("claude", two.path, "shared.txt")).err,
    }
    two.ok("checkout", "shared.txt")
    return said


@pytest.mark.parametrize("plan", ["no plan", "nothing open", "twice", "for a desktop"])
def test_no_task_is_offered_where_none_is_free(plan: str, main: Tree, one: Tree, two: Tree) -> None:
    if PLANS[plan]:
        main.commit("TASKS.md", PLANS[plan])
    assert two.sync("task", "next").code == 1
    one.synced("lock", "shared.txt")
    for door, said in refusals(one, two).items():
        assert "task next" not in said, (door, said)
        assert "other work" not in said, (door, said)
        assert "is locked by one@one" in said, (door, said)
        assert "agentsync lock shared.txt --wait" in said or door == "waiting", (door, said)


def test_a_task_is_offered_where_one_is_free(main: Tree, one: Tree, two: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n")
    one.synced("lock", "shared.txt")
    for door, said in refusals(one, two).items():
        assert OTHER_WORK in said or door == "json", (door, said)
    assert two.synced("task", "next", "--claim").startswith("T-1")
    for door, said in refusals(one, two).items():
        assert OTHER_WORK not in said, (door, said)


def test_a_done_task_leads_to_another_or_to_the_list(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [x] **T-1** One\n")
    done = one.sync("task", "claim", "T-1")
    assert done.err.splitlines()[1:] == ["  no other task is free; who has which:", "  agentsync task list"]
    assert one.sync("task", "list").code == 0


@pytest.mark.parametrize(("lines", "fitting"), [
    (["a", "wait for it, or take other work:", "wait", OTHER_WORK], ["a", "wait for it:", "wait"]),
    (["a", "take other work:", OTHER_WORK], ["a", "no other task is free; who has which:", "agentsync task list"]),
    (["a", "ask a person; else take other work:", OTHER_WORK], ["a", "ask a person"]),
    (["a", "take that back, or take other work:", "git x", OTHER_WORK], ["a", "take that back:", "git x"]),
    (["a", "b", "agentsync status"], ["a", "b", "agentsync status"]),
])  # fmt: skip
def test_the_offer_is_left_out_whole(lines: list[str], fitting: list[str]) -> None:
    assert list(without_other_work(lines)) == fitting
