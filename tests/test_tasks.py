"""Tasks: one holder each, TASKS.md edited byte for byte."""

from __future__ import annotations

import json
import time

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.merging.three_way import Conflict
from agentsync.tasks.grammar import added, decode, encode, find, mark_done, next_id, parse, split_lines
from agentsync.tasks.merge import merge_plans
from agentsync.tasks.rules import available, patterns_overlap

PLAN = """# Tasks

## Phase: parallel

- [ ] **T-001** Rate-limit the login @ada
  - files: `src/auth/**`, `src/limit.py`
  - depends: T-007

- [ ] `T002` [P] Settings page
- [x] **T-007** Session store @bob
- [ ] No id at all
- [-] #12 Cancelled

```
- [ ] **T-999** in a code block
```
"""


def test_reads_what_people_write() -> None:
    tasks = {task.id: task for task in parse(PLAN)}
    assert list(tasks) == ["T-001", "T002", "T-007", "no-id-at-all", "#12"]
    assert tasks["T-001"].files == ("src/auth/**", "src/limit.py")
    assert tasks["T-001"].depends == ("T-007",)
    assert tasks["T-001"].agent == "ada"
    assert tasks["T002"].title == "Settings page"
    assert tasks["T-007"].done
    assert not tasks["#12"].open
    assert tasks["T-001"].phase == "parallel"


@pytest.mark.parametrize(
    ("line", "name", "depends"),
    [
        ("- [ ] T001 [US1] x (depends on T012, T013)", "T001", ("T012", "T013")),
        ("* [/] 1.2 x ⛔ 1.1", "1.2", ("1.1",)),
        ("- [ ] x 🆔 abc", "abc", ()),
        ("1. [ ] x [id:: k9] [dependsOn:: a, b]", "k9", ("a", "b")),
    ],
)
def test_reads_other_tools_lines(line: str, name: str, depends: tuple[str, ...]) -> None:
    task = parse(line)[0]
    assert (task.id, task.depends) == (name, depends)


@given(st.binary(max_size=400) | st.text(alphabet="-*[ ]xX#T01@ab:\r\n\t`\ufeff", max_size=300).map(str.encode))
def test_reading_and_writing_keep_every_byte(data: bytes) -> None:
    text = decode(data)
    assert encode("".join(split_lines(text))) == data
    for task in parse(text):
        if task.open:
            changed = mark_done(text, task, "ada")
            before, after = split_lines(text), split_lines(changed)
            assert [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [task.line]
            assert find(parse(changed), task.id) is not None


def test_ticking_keeps_line_ends_and_bom() -> None:
    text = "\ufeff- [ ] **T-1** One\r\n\r\n- [ ] **T-2** Two"
    assert mark_done(text, parse(text)[0], "ada") == "\ufeff- [x] **T-1** One @ada\r\n\r\n- [ ] **T-2** Two"
    assert mark_done(text, parse(text)[1], "ada").endswith("- [x] **T-2** Two @ada")


def test_added_tasks_stand_apart() -> None:
    text = added("", "T-001", "One", (), ())
    assert added(text, next_id(task.id for task in parse(text)), "Two", ("a/**",), ("T-001",)) == (
        "# Tasks\n\n- [ ] **T-001** One\n\n- [ ] **T-002** Two\n  - files: `a/**`\n  - depends: T-001\n"
    )


def test_a_task_that_a_person_ticks_keeps_its_name() -> None:
    text = mark_done("- [ ] Fix parser\n", parse("- [ ] Fix parser\n")[0], "human:Ann-Smith")
    assert text == "- [x] Fix parser @human:Ann-Smith\n"
    task = parse(text)[0]
    assert (task.id, task.title, task.agent) == ("fix-parser", "Fix parser", "human:Ann-Smith")


def test_added_tasks_have_ids_of_their_own_in_every_worktree(one: Tree, two: Tree) -> None:
    assert one.synced("task", "add", "A") == "T-001"
    assert two.synced("task", "add", "B") == "T-002"
    assert two.sync("task", "add", "C", "--id", "T-001").code == 2
    assert two.sync("task", "add", " ").code == 2
    for tree in (one, two):
        tree.ok("add", "TASKS.md")
        tree.ok("commit", "-qm", "plan")
    two.ok("merge", "-q", "--no-edit", "one")


def test_a_plan_that_is_no_text_or_lies_elsewhere_is_not_written(main: Tree, one: Tree) -> None:
    (one.path / "TASKS.md").write_bytes("- [ ] eins\n".encode("utf-16"))
    assert one.sync("task", "add", "x").code == 1
    assert (one.path / "TASKS.md").read_bytes() == "- [ ] eins\n".encode("utf-16")
    (one.path / "TASKS.md").unlink()
    outside = main.path.parent / "victim"
    outside.write_text("- [ ] theirs\n")
    (one.path / "TASKS.md").symlink_to(outside)
    assert "leads out of this worktree" in one.sync("task", "add", "x").err
    assert outside.read_text() == "- [ ] theirs\n"


def test_next_skips_claimed_waiting_and_overlapping() -> None:
    tasks = parse(
        "- [ ] **T-1** a\n  - files: `src/**`\n- [ ] **T-2** b\n  - depends: T-9\n- [ ] **T-3** c\n- [ ] **T-4** d\n"
    )
    free, waiting = available(tasks, set(), {"t-3": ("ada@one", ("src/app.py",))})
    assert [task.id for task in free] == ["T-4"]
    assert {one.task.id: one.why for one in waiting} == {
        "T-1": "src/** overlaps task t-3 of ada@one",
        "T-2": "waits for T-9",
        "T-3": "claimed by ada@one",
    }


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("src/**", "src/a.py", True),
        ("src", "src/a.py", True),
        ("src/*.py", "src/b.css", False),
        ("src/a*", "src/b*", False),
        ("docs/", "src/", False),
        ("src/**", "src/api/**", True),
    ],
)
def test_scopes(one: str, other: str, expected: bool) -> None:
    assert patterns_overlap(one, other) is expected
    assert patterns_overlap(other, one) is expected


BASE = "# Tasks\n\n- [ ] **T-1** One\n\n- [ ] **T-2** Two\n"


def test_merge_by_id_takes_both_sides() -> None:
    ours = BASE.replace("[ ] **T-1** One", "[x] **T-1** One @ada") + "\n- [ ] **T-3** Three\n"
    theirs = BASE.replace("[ ] **T-2** Two", "[x] **T-2** Two @bob") + "\n- [ ] **T-4** Four\n"
    merged = merge_plans(BASE, ours, theirs)
    assert isinstance(merged, str)
    tasks = {task.id: task for task in parse(merged)}
    assert set(tasks) == {"T-1", "T-2", "T-3", "T-4"}
    assert tasks["T-1"].done
    assert tasks["T-2"].done


def test_merge_done_wins_over_claimed_but_not_over_another() -> None:
    claimed = BASE.replace("One\n", "One @ada\n")
    done = BASE.replace("[ ] **T-1** One", "[x] **T-1** One @ada")
    assert merge_plans(BASE, claimed, done) == done
    assert isinstance(merge_plans(BASE, claimed, done.replace("@ada", "@bob")), Conflict)


def test_merge_leaves_rewordings_to_people() -> None:
    assert isinstance(merge_plans(BASE, BASE.replace("One", "Uno"), BASE.replace("One", "Eins")), Conflict)
    named = BASE.replace("**T-1** ", "")
    assert isinstance(merge_plans(named, named.replace("One", "Uno"), named.replace("One", "Eins")), Conflict)


SECTIONS = (
    "# Tasks\n\n## A\n\n- [ ] **T-1** One\n  - files: `a/**`\n\n  In a second paragraph.\n\n## B\n\nNotes on B.\n"
)


def test_merge_never_parts_a_task_nor_takes_it_to_another_section() -> None:
    mine = SECTIONS.replace("[ ] **T-1** One", "[x] **T-1** One @a")
    other = SECTIONS.replace("## B", "- [ ] **T-2** Two\n\n## B")
    wanted = mine.replace("## B", "- [ ] **T-2** Two\n\n## B")
    assert merge_plans(SECTIONS, mine, other) == merge_plans(SECTIONS, other, mine) == wanted
    sides = [SECTIONS + f"\n- [ ] **T-{number}** New\n" for number in (2, 3)]
    assert merge_plans(SECTIONS, *sides) == sides[0] + "\n- [ ] **T-3** New\n"
    nested = SECTIONS.replace("\n## B", "  - [ ] **T-1.1** First\n\n## B")
    more = nested.replace("First\n", "First\n  - [ ] **T-1.2** Second\n")
    top = nested.replace("\n## B", "\n- [ ] **T-2** Two\n\n## B")
    assert merge_plans(nested, more, top) == more.replace("\n## B", "\n- [ ] **T-2** Two\n\n## B")


def test_merge_moves_a_task_with_the_side_that_moved_it() -> None:
    base = "# Tasks\n\n## Open\n\n- [ ] **T-1** One\n\n- [ ] **T-2** Two\n\n## Done\n\n- [x] **T-0** Zero\n"
    moved = "# Tasks\n\n## Open\n\n- [ ] **T-2** Two\n\n## Done\n\n- [x] **T-0** Zero\n\n- [x] **T-1** One\n"
    claimed = base.replace("Two\n", "Two @a\n")
    wanted = moved.replace("Two\n", "Two @a\n")
    assert merge_plans(base, claimed, moved) == merge_plans(base, moved, claimed) == wanted
    swapped = "# Tasks\n\n## Open\n\n- [ ] **T-2** Two\n\n- [ ] **T-1** One\n\n## Done\n\n- [x] **T-0** Zero\n"
    assert merge_plans(base, claimed, swapped) == swapped.replace("Two\n", "Two @a\n")


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (SECTIONS.replace("\n## B", "\n- [ ] **T-2** Mine\n\n## B"), SECTIONS + "\n- [ ] **T-2** Yours\n"),
        (SECTIONS.replace("\n## B", "\n- [ ] **T-2** Same\n\n## B"), SECTIONS + "\n- [ ] **T-2** Same\n"),
        (SECTIONS.replace("Notes on B", "New notes on B"), SECTIONS.replace("Notes on B", "Notes upon B")),
        (SECTIONS.replace("## B", "## C"), SECTIONS + "\n- [ ] **T-2** New\n"),
        (SECTIONS.replace("second paragraph", "2nd paragraph"), SECTIONS.replace("second", "other")),
    ],
)
def test_merge_leaves_what_ids_do_not_tell_to_people(mine: str, other: str) -> None:
    for sides in ((mine, other), (other, mine)):
        assert isinstance(merge_plans(SECTIONS, *sides), Conflict)


def test_merge_keeps_line_ends() -> None:
    mine, other = SECTIONS.replace("[ ] **T-1**", "[x] **T-1**"), SECTIONS + "\n- [ ] **T-2** Two\n"
    merged = merge_plans(SECTIONS, mine, other)
    assert isinstance(merged, str)
    crlf = [text.replace("\n", "\r\n") for text in (SECTIONS, mine, other)]
    assert merge_plans(*crlf) == merged.replace("\n", "\r\n")


def test_one_id_for_two_tasks_is_left_in_conflict(main: Tree) -> None:
    main.commit("TASKS.md", SECTIONS)
    main.ok("checkout", "-qb", "side")
    main.commit("TASKS.md", SECTIONS + "\n- [ ] **T-2** Yours\n")
    main.ok("checkout", "-q", "main")
    main.commit("TASKS.md", SECTIONS.replace("\n## B", "\n- [ ] **T-2** Mine\n\n## B"))
    done = main.git("merge", "--no-edit", "side")
    assert done.code == 1
    assert "agentsync: conflict in TASKS.md: the task t-2 stands under two headings" in done.err
    assert "<<<<<<< ours" in main.read("TASKS.md")


def test_what_is_commented_out_is_no_task() -> None:
    text = (
        "<!-- a template:\n- [ ] **T-9** Title\n-->\n- [ ] **T-1** One <!-- soon -->\n- [ ] **T-2** The `<!--` sign\n"
        "<!-- - [ ] **T-8** No -->\n~~~\n```\n- [ ] **T-7** No\n~~~\n- [ ] **T-3** Three\n"
    )
    assert [task.id for task in parse(text)] == ["T-1", "T-2", "T-3"]


@given(
    st.lists(st.sampled_from(["done1", "done2", "add3", "drop2", "claim1"]), unique=True),
    st.lists(st.sampled_from(["done1", "done2", "add4", "drop2", "claim1"]), unique=True),
)
def test_merge_is_the_same_set_either_way_round(left: list[str], right: list[str]) -> None:
    def edit(edits: list[str]) -> str:
        text = BASE
        for one in edits:
            if one == "add3" or one == "add4":
                text += f"\n- [ ] **T-{one[-1]}** New\n"
            elif one == "drop2":
                text = "".join(line for line in split_lines(text) if "T-2" not in line)
            elif one == "claim1" and "@" not in text.split("T-1")[1].split("\n")[0]:
                text = text.replace("One\n", "One @ada\n")
            elif (task := find(parse(text), f"T-{one[-1]}")) and task.open:
                text = mark_done(text, task, "ada")
        return text

    ours, theirs = edit(left), edit(right)
    one, other = merge_plans(BASE, ours, theirs), merge_plans(BASE, theirs, ours)
    assert isinstance(one, str) == isinstance(other, str)
    if isinstance(one, str) and isinstance(other, str):
        facts = [{(task.id, task.mark, task.agent) for task in parse(text)} for text in (one, other)]
        assert facts[0] == facts[1]


def plan(main: Tree) -> None:
    main.write("TASKS.md", "# Tasks\n\n- [ ] **T-1** One\n  - files: `src/**`\n\n- [ ] **T-2** Two\n")
    main.ok("add", "TASKS.md")
    main.ok("commit", "-qm", "plan")


def test_two_agents_never_get_one_task(main: Tree) -> None:
    plan(main)
    one, two = main.worktree("one"), main.worktree("two")
    assert one.synced("task", "next", "--claim").startswith("T-1  One")
    assert two.synced("task", "next", "--claim").startswith("T-2  Two")
    done = two.sync("task", "claim", "T-1")
    assert done.code == 1
    assert 'task T-1 "One" is claimed by one@one since ' in done.err
    assert done.err.strip().endswith("no other task is free; who has which:\n  agentsync task list")
    main.synced("task", "add", "Three")
    main.ok("add", "TASKS.md")
    main.ok("commit", "-qm", "three")
    done = two.sync("task", "claim", "T-1")
    assert done.err.strip().endswith("take other work:\n  agentsync task next --claim")


def test_a_mark_in_the_plan_is_a_claim(main: Tree) -> None:
    plan(main)
    one, two = main.worktree("one"), main.worktree("two")
    one.write("TASKS.md", one.read("TASKS.md").replace("One", "One @one"))
    one.ok("commit", "-qam", "mine")
    two.write("TASKS.md", two.read("TASKS.md").replace("One", "One @two"))
    done = two.refused("commit", "-qam", "mine too")
    assert 'task T-1 "One" is claimed by one@one' in done.err
    assert "git restore --staged --worktree TASKS.md" in done.err
    assert two.git("commit", "-qanm", "mine too").code != 0


def test_done_ticks_the_plan_and_the_commit_carries_the_task(main: Tree) -> None:
    plan(main)
    one = main.worktree("one")
    one.synced("task", "claim", "T-1")
    one.commit("src/app.py", "x = 1\n")
    assert one.ok("log", "-1", "--format=%(trailers:key=Task,valueonly)") == "T-1"
    assert "ticked in TASKS.md" in one.synced("task", "done")
    assert "- [x] **T-1** One @one" in one.read("TASKS.md")
    one.ok("commit", "-qam", "done")
    two = main.worktree("two")
    assert two.sync("task", "claim", "T-1").code == 1
    main.ok("merge", "-q", "--no-edit", "one")
    assert two.sync("task", "claim", "T-1").code == 1
    assert "done" in two.synced("task", "list").splitlines()[0]


def test_two_plans_merge_by_task(main: Tree) -> None:
    plan(main)
    one, two = main.worktree("one"), main.worktree("two")
    one.synced("task", "claim", "T-1")
    two.synced("task", "claim", "T-2")
    one.synced("task", "done")
    one.ok("commit", "-qam", "one")
    two.synced("task", "done")
    two.ok("commit", "-qam", "two")
    main.ok("merge", "-q", "--no-edit", "one")
    main.ok("merge", "-q", "--no-edit", "two")
    assert main.read("TASKS.md").count("[x]") == 2


def test_a_duplicate_id_is_one_clear_error(main: Tree) -> None:
    main.write("TASKS.md", "- [ ] T-1 a\n- [ ] T-1 b\n")
    done = main.sync("task", "claim", "T-1")
    assert done.code == 2
    assert 'TASKS.md has "T-1" more than once' in done.err


def test_work_in_anothers_files_is_told(main: Tree) -> None:
    plan(main)
    one, two = main.worktree("one"), main.worktree("two")
    one.synced("task", "claim", "T-1")
    done = two.commit("src/app.py", "x = 2\n")
    assert done.code == 0
    assert "src/app.py is in the files of task T-1" in done.err


@pytest.mark.parametrize("way", ["--ff", "--no-ff"])
def test_merging_anothers_finished_task_is_not_marking_it(main: Tree, way: str) -> None:
    plan(main)
    one, two = main.worktree("one"), main.worktree("two")
    one.synced("task", "claim", "T-1")
    one.commit("src/app.py", "x = 1\n")
    one.synced("task", "done")
    one.ok("commit", "-qam", "done")
    two.ok("merge", "-q", "--no-edit", way, "one")


def test_what_a_task_took_is_kept_and_stands_in_the_trailers(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** Limits\n\n- [ ] **T-2** More\n")
    one.ok("merge", "-q", "main")
    one.synced("task", "claim", "T-1")
    assert one.sync("task", "done", "--tokens", "many").code == 2
    assert one.sync("task", "done", "--cost", "1,5").code == 2
    one.synced("task", "done", "--tokens", "120000", "--cost", "$0.85")
    one.ok("commit", "-qam", "Limits")
    keys = ("Task", "Tokens", "Cost")
    trailers = [one.ok("log", "-1", f"--format=%(trailers:key={key},valueonly)") for key in keys]
    assert trailers == ["T-1", "120000", "0.85 USD"]
    one.synced("task", "claim", "T-2")
    one.commit("a.txt", "a\n")
    assert one.ok("log", "-1", "--format=%(trailers:key=Tokens,valueonly)") == ""


def test_the_stop_reads_what_the_transcript_says(main: Tree, one: Tree) -> None:
    main.commit("TASKS.md", "# Tasks\n\n- [ ] **T-1** Limits\n")
    one.ok("merge", "-q", "main")
    one.synced("task", "claim", "T-1")
    when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + 5))
    usage = {"input_tokens": 1000, "output_tokens": 34}
    row = {"type": "assistant", "timestamp": when, "message": {"id": "m1", "usage": usage}}
    transcript = one.path.parent / "t.jsonl"
    transcript.write_text(json.dumps(row) + "\n")
    payload = {"hook_event_name": "Stop", "cwd": str(one.path), "transcript_path": str(transcript)}
    one.run("agentsync-hook", "claude", stdin=json.dumps(payload))
    assert json.loads(one.synced("task", "show", "T-1", "--json"))["data"]["claim"]["tokens"] == 1034
    second = one.path.parent / "t2.jsonl"
    second.write_text(json.dumps(row) + "\n")
    one.run("agentsync-hook", "claude", stdin=json.dumps({**payload, "transcript_path": str(second)}))
    assert json.loads(one.synced("task", "show", "T-1", "--json"))["data"]["claim"]["tokens"] == 2068


def test_a_task_of_another_surface_is_not_handed_to_those_who_edit_files(main: Tree, one: Tree) -> None:
    main.commit(
        "TASKS.md",
        "# Tasks\n\n- [ ] **T-1** Ask the bank\n  - surface: desktop\n\n- [ ] **T-2** Limits\n  - depends: T-1\n",
    )
    one.ok("merge", "-q", "main")
    assert one.sync("task", "next").code == 1
    assert one.synced("task", "next", "--claim", "--surface", "desktop").startswith("T-1")
    one.synced("task", "done", "T-1")
    assert one.ok("status", "--porcelain") == "", "there is nothing to commit"
    claim = json.loads(one.synced("task", "show", "T-1", "--json"))["data"]["claim"]
    assert claim["until"] > time.time() + 300 * 86400, "no branch has it, so nothing else keeps it from being given out"
    assert one.synced("task", "next").startswith("T-2")
