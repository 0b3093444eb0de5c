"""OMX teams (oh-my-codex): their workers run with the gates on, and their tasks can be read into TASKS.md."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.tasks.grammar import parse
from agentsync.tasks.omx import merged, parsed


def task(number: int, **extra: object) -> dict[str, object]:
    """A task file's content, of the documented shape."""
    return {"id": str(number), "subject": f"Part {number}", "description": "long\ntext", "status": "pending",
            "role": "executor", "blocked_by": [], "depends_on": [], "filePaths": [f"src/p{number}.py"],
            "domains": ["api"], "version": 1, "created_at": "2026-11-24T10:00:00.000Z", **extra}  # fmt: skip


def team(main: Tree, name: str, *tasks: dict[str, object]) -> None:
    for one in tasks:
        main.write(f".omx/state/team/{name}/tasks/task-{one['id']}.json", json.dumps(one))


def test_a_teams_tasks_are_read_once_and_ticked_when_completed(main: Tree) -> None:
    claim = {"owner": "worker-1", "token": "0192-uuid", "leased_until": "2026-11-24T10:15:00.000Z"}
    team(main, "alpha", task(1, status="in_progress", owner="worker-1", claim=claim), task(2, depends_on=["1"]))
    main.write(".omx/state/team/alpha/tasks/task-3.json", "{ half")
    main.write(".omx/state/team/alpha/tasks/notes.json", "{}")
    assert main.synced("task", "import").split() == ["OMX-1", "OMX-2"]
    text = main.read("TASKS.md")
    assert "- [ ] **OMX-2** Part 2\n  - files: `src/p2.py`\n  - depends: OMX-1\n" in text
    assert main.synced("task", "import") == ""
    assert main.read("TASKS.md") == text
    team(main, "alpha", task(1, status="completed", owner="worker-1"))
    assert main.synced("task", "import") == "OMX-1"
    assert "- [x] **OMX-1** Part 1 @worker-1\n" in main.read("TASKS.md")
    assert (main.path / ".omx/state/team/alpha/tasks/task-1.json").exists()


def test_which_team_must_be_clear(main: Tree) -> None:
    assert main.sync("task", "import").code == 2
    team(main, "alpha", task(1))
    team(main, "beta", task(1))
    done = main.sync("task", "import")
    assert done.code == 2
    assert "alpha, beta" in done.err
    assert main.synced("task", "import", "--team", "beta") == "OMX-1"
    assert main.sync("task", "import", "--team", "../beta").code == 2


def test_a_worker_reads_the_plan_of_the_main_checkout(main: Tree) -> None:
    team(main, "alpha", task(1))
    main.ok("worktree", "add", "-q", ".omx/team/alpha/worktrees/worker-1", "-b", "alpha/worker-1")
    worker = Tree(main.path / ".omx/team/alpha/worktrees/worker-1", main.environ)
    assert worker.synced("task", "import") == "OMX-1"


def test_a_teams_checkpoints_pass_unless_they_touch_what_is_locked(main: Tree, two: Tree) -> None:
    """The runtime commits by itself, with --no-verify."""
    main.ok("worktree", "add", "-q", ".omx/team/alpha/worktrees/worker-1", "-b", "alpha/worker-1")
    worker = Tree(main.path / ".omx/team/alpha/worktrees/worker-1", main.environ)
    worker.write("src/new.py", "x = 1\n")
    worker.ok("add", "-A")
    tool = {"OMX_TEAM_WORKER": "alpha/worker-1"}
    worker.ok("commit", "-q", "--no-verify", "-m", "omx(team): auto-checkpoint worker-1 [1]", **tool)
    two.synced("lock", "shared.txt")
    worker.write("shared.txt", "worker\n")
    worker.ok("add", "-A")
    done = worker.refused("commit", "-q", "--no-verify", "-m", "omx(team): auto-checkpoint worker-1 [2]", **tool)
    assert "shared.txt is locked by two@two" in done.err
    assert "conflict" not in worker.sync("forecast").out
    assert main.synced("status").count("worker-1") >= 1


KEYS = ["id", "subject", "status", "filePaths", "depends_on", "blocked_by", "owner"]
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
)


@given(st.dictionaries(st.sampled_from(KEYS), values))
def test_whatever_stands_there_makes_at_most_one_task(record: dict[str, object]) -> None:
    one = parsed(record)
    if one is None:
        return
    text, changed = merged("# Tasks\n", [one])
    assert changed == [one.id]
    assert [found.id for found in parse(text)] == [one.id]
    assert merged(text, [one]) == (text, [])


def test_the_documents_say_what_is_read() -> None:
    page = (Path(__file__).parent.parent / "docs/agents/omx.md").read_text()
    assert "agentsync task import" in page
