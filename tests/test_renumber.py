"""Renumbering as laws: twice is once, nothing lost, nothing landed touched, the order is for numbers only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from conftest import Tree
from hypothesis import given
from hypothesis import strategies as st

from agentsync.errors import RefusedError
from agentsync.migrations.layouts import LAYOUTS
from agentsync.migrations.plan import make_plan, merged_tree
from agentsync.migrations.rewriting.rewriter import Trees
from agentsync.migrations.series import Series

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SLUGS = st.lists(st.sampled_from(["users", "orders", "items", "tags", "stock", "notes"]), max_size=3, unique=True)


def layout(name: str) -> Series:
    return Series("db/migrations", next(one for one in LAYOUTS if one.name == name))


def goose(numbers: dict[int, str], who: str) -> dict[str, str]:
    return {
        f"db/migrations/{number:05}_{slug}_{who}.sql": f"-- +goose Up\ncreate table {slug}_{who} ();"
        for number, slug in numbers.items()
    }


def django(names: list[tuple[int, str]], after: str, who: str) -> dict[str, str]:
    found = {}
    for number, slug in names:
        pair = f'("shop", "{after}")' if after else ""
        stem = f"{number:04}_{slug}_{who}"
        head = f"class Migration:\n    dependencies = [{pair}]\n"
        found[f"shop/migrations/{stem}.py"] = head + f"    operations = ['{stem}']\n"
        after = stem
    return found


def trees(base: dict[str, str], fork: dict[str, str], branch: dict[str, str]) -> Trees:
    """Trees in which a content is its own blob id."""
    return Trees(base, fork, branch, lambda blob: blob.encode())


def contents(merged: dict[str, str | bytes]) -> dict[str, str]:
    return {path: one.decode() if isinstance(one, bytes) else one for path, one in merged.items()}


def landed(series: Series, base: dict[str, str], fork: dict[str, str], branch: dict[str, str]) -> dict[str, str]:
    sides = trees(base, fork, branch)
    return contents(merged_tree(sides, make_plan(series, sides, NOW)))


@given(st.integers(1, 4), SLUGS, SLUGS)
def test_numbers_follow_base_nothing_is_lost_and_twice_is_once(start: int, ours: list[str], theirs: list[str]) -> None:
    series = layout("goose")
    fork = goose({n: f"init{n}" for n in range(1, start + 1)}, "x")
    base = fork | goose({start + 1 + i: slug for i, slug in enumerate(ours)}, "a")
    branch = fork | goose({start + 1 + i: slug for i, slug in enumerate(theirs)}, "b")
    merged = landed(series, base, fork, branch)
    assert all(merged[path] == base[path] for path in base)
    brought = [branch[path] for path in branch if path not in fork]
    assert sorted(merged.values()) == sorted([*base.values(), *brought])
    numbers = sorted(int(path[14:19]) for path in merged)
    assert numbers == list(range(1, len(merged) + 1))
    again = trees(base, base, merged)
    assert not make_plan(series, again, NOW)


@given(SLUGS, SLUGS)
def test_the_order_of_landing_matters_to_numbers_only(ours: list[str], theirs: list[str]) -> None:
    series = layout("goose")
    fork = goose({1: "init"}, "x")
    one = fork | goose({2 + i: slug for i, slug in enumerate(ours)}, "a")
    two = fork | goose({2 + i: slug for i, slug in enumerate(theirs)}, "b")
    first = landed(series, landed(series, fork, fork, one), fork, two)
    second = landed(series, landed(series, fork, fork, two), fork, one)
    assert sorted(first.values()) == sorted(second.values())
    assert sorted(path[14:19] for path in first) == sorted(path[14:19] for path in second)


@given(SLUGS, SLUGS)
def test_a_django_chain_stays_one_chain(ours: list[str], theirs: list[str]) -> None:
    series = Series("shop/migrations", next(one for one in LAYOUTS if one.name == "django"))
    fork = {"shop/migrations/__init__.py": ""} | django([(1, "initial")], "", "x")
    root = "0001_initial_x"
    base = fork | django([(2 + i, slug) for i, slug in enumerate(ours)], root, "a")
    branch = fork | django([(2 + i, slug) for i, slug in enumerate(theirs)], root, "b")
    merged = landed(series, base, fork, branch)
    assert all(merged[path] == base[path] for path in base)
    stems = {path.rpartition("/")[2][:-3] for path in merged} - {"__init__"}
    parents = [text.split('"shop", "')[1].split('"')[0] for text in merged.values() if '"shop", "' in text]
    assert len(stems) == 1 + len(ours) + len(theirs)
    assert set(parents) <= stems
    assert len(parents) == len(set(parents)) == len(stems) - 1, "one line, no fork"
    assert not make_plan(series, trees(base, base, merged), NOW)


def test_what_has_landed_never_changes() -> None:
    series = layout("goose")
    fork = goose({1: "init", 2: "users", 3: "orders"}, "x")
    path = "db/migrations/00002_users_x.sql"
    branch = fork | {path: "-- +goose Up\nanother;"} | goose({4: "tags"}, "b")
    sides = trees(fork | goose({4: "stock"}, "a"), fork, branch)
    plan = make_plan(series, sides, NOW)
    assert plan.moves == {"db/migrations/00004_tags_b.sql": "db/migrations/00005_tags_b.sql"}
    assert path not in plan.writes


def test_the_same_migration_landed_under_another_number_is_left_out_and_a_like_one_is_a_persons() -> None:
    series = layout("goose")
    fork = goose({1: "init"}, "x")
    base = (
        fork | goose({2: "stock"}, "a") | {"db/migrations/00003_tags.sql": "create table tags (id int, name text);\n"}
    )
    same = fork | {"db/migrations/00002_tags.sql": "-- ours\ncreate table tags (id int, name text);\n"}
    assert landed(series, base, fork, same) == base
    like = fork | {"db/migrations/00002_tags.sql": "create table tags (id int, title text);\n"}
    with pytest.raises(RefusedError, match="need a person"):
        make_plan(series, trees(base, fork, like), NOW)


def test_a_yaml_master_includes_what_moved() -> None:
    series = Series("db/changelog/changes", next(one for one in LAYOUTS if one.name == "liquibase"))
    change = "databaseChangeLog:\n- changeSet:\n    id: {0}\n    author: x\n    changes: [{1}]\n"
    include = "- include:\n    file: changes/{0}\n    relativeToChangelogFile: true\n"
    master = "db/changelog/master.yaml"
    fork = {f"{series.folder}/001-a.yaml": change.format("001", "a"),
            master: "databaseChangeLog:\n" + include.format("001-a.yaml")}  # fmt: skip
    base, branch = (
        {**fork, f"{series.folder}/002-{name}.yaml": change.format("002", name),
         master: fork[master] + include.format(f"002-{name}.yaml")}
        for name in ("b", "c")
    )  # fmt: skip
    merged = landed(series, base, fork, branch)
    assert merged[master] == base[master] + include.format("003-c.yaml")
    assert merged[f"{series.folder}/003-c.yaml"] == change.format("003", "c")


def test_a_yaml_include_between_others_moves_whole() -> None:
    series = Series("db/changelog", next(one for one in LAYOUTS if one.name == "liquibase"))
    include = "- include:\n    file: db/changelog/{0}\n"
    first, last, head = include.format("001-a.yaml"), include.format("002-b.yaml"), "databaseChangeLog:\n"
    master = "db/changelog/master.yaml"
    fork = {"db/changelog/001-a.yaml": "a\n", "db/changelog/002-b.yaml": "b\n", master: head + first + last}
    base = {**fork, "db/changelog/003-t.yaml": "t\n", master: head + first + last + include.format("003-t.yaml")}
    branch = {**fork, "db/changelog/003-m.yaml": "m\n", master: head + first + include.format("003-m.yaml") + last}
    assert landed(series, base, fork, branch)[master] == base[master] + include.format("004-m.yaml")


def test_dumps_and_imports_name_what_moved(main: Tree) -> None:
    row = "('{0}'),\n"
    rows = "".join(row.format(f"202301{day:02}000000") for day in range(1, 9)) + row.format("20240101000000")
    main.write("db/migrate/20240101000000_a.rb", "class A; end\n")
    main.write("db/structure.sql", "INSERT INTO schema_migrations VALUES\n" + rows)
    main.write("shop/__init__.py", "")
    main.write("shop/migrations/__init__.py", "")
    main.write("shop/migrations/0001_a.py", "class Migration:\n    dependencies = []\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "series")
    one, two = main.worktree("one"), main.worktree("two")
    for tree, stamp in ((one, "20240301000000"), (two, "20240201000000")):
        name = tree.path.name
        tree.write(f"db/migrate/{stamp}_{name}.rb", f"class {name.title()}; end\n")
        head, first, *rest = tree.read("db/structure.sql").splitlines(keepends=True)
        lines = [first, row.format(stamp), *rest] if tree is two else [first, *rest, row.format(stamp)]
        tree.write("db/structure.sql", "".join([head, *lines]))
        tree.write(f"shop/migrations/0002_{name}.py", "class Migration:\n    dependencies = [('shop', '0001_a')]\n")
        tree.write(f"test_{name}.py", f"import_module('shop.migrations.0002_{name}')\n")
        tree.ok("add", ".")
        tree.unhooked("commit", "-qm", name)
    main.ok("merge", "-q", "--no-edit", "one")
    two.sync("sync")
    assert two.read("test_two.py") == "import_module('shop.migrations.0003_two')\n"
    stamp = next(path.name[:14] for path in (two.path / "db/migrate").glob("*_two.rb"))
    assert stamp > "20240301000000"
    assert row.format(stamp) in two.read("db/structure.sql")
    assert "20240201000000" not in two.read("db/structure.sql")


def alembic(**graph: str | None) -> dict[str, str]:
    return {
        f"db/versions/{name}_x.py": f"revision = {name!r}\ndown_revision = {after!r}\n\n\nmark = {name!r}\n"
        for name, after in graph.items()
    }


def _downs(merged: dict[str, str]) -> dict[str, str]:
    rows = {path.rpartition("/")[2].split("_")[0]: text.splitlines()[1] for path, text in merged.items()}
    return {name: row.partition(" = ")[2].strip("'\"") for name, row in rows.items()}


def test_alembic_lines_stay_apart() -> None:
    series = Series("db/versions", next(one for one in LAYOUTS if one.name == "alembic"))
    fork = {"a1": None, "b1": None}
    both = landed(
        series, alembic(**fork, a2="a1", b2="b1"), alembic(**fork), alembic(**fork, ma="a1", mb="b1", mc="mb")
    )
    assert _downs(both) == {"a1": "None", "b1": "None", "a2": "a1", "b2": "b1", "ma": "a2", "mb": "b2", "mc": "mb"}
    one = landed(series, alembic(**fork, a2="a1"), alembic(**fork), alembic(**fork, ma="a1", mb="b1"))
    assert _downs(one) == {"a1": "None", "b1": "None", "a2": "a1", "ma": "a2", "mb": "b1"}


def test_an_alembic_revision_that_begins_a_line_is_a_persons() -> None:
    series = Series("db/versions", next(one for one in LAYOUTS if one.name == "alembic"))
    sides = trees(alembic(a1=None, a2="a1"), alembic(a1=None), alembic(a1=None, n1=None))
    with pytest.raises(RefusedError, match="need a person") as caught:
        make_plan(series, sides, NOW)
    assert "begins a line of its own" in str(caught.value.why)


def test_a_landed_file_is_never_written_even_if_the_branch_has_one_of_its_name() -> None:
    series = Series("db/versions", next(one for one in LAYOUTS if one.name == "alembic"))
    fork = alembic(a1=None)
    path = "db/versions/new_x.py"
    base = fork | {path: "revision = 'a2'\ndown_revision = 'a1'\n"}
    branch = fork | {path: "revision = 'm2'\ndown_revision = 'a1'\n"}
    with pytest.raises(RefusedError, match="need a person") as caught:
        make_plan(series, trees(base, fork, branch), NOW)
    assert "which has landed, would change" in str(caught.value.why)


def test_what_a_tool_reads_in_a_comment_makes_two_migrations_of_one_text() -> None:
    series = layout("goose")
    fork = goose({1: "init"}, "x")
    up, down = "-- +goose Up\n", "-- +goose Down\n"
    rows = ["create table a ();\n", "create table b ();\n"]
    base = fork | goose({2: "stock"}, "a") | {"db/migrations/00003_tags.sql": up + rows[0] + down + rows[1]}
    branch = fork | {"db/migrations/00002_tags.sql": up + rows[0] + rows[1] + down}
    with pytest.raises(RefusedError, match="need a person"):
        make_plan(series, trees(base, fork, branch), NOW)


_OPERATION = "import migrations\n\n\nclass Migration:\n    dependencies = [{1}]\n    operations = [{0}]\n"
_FIELD = 'migrations.AddField(model_name="{0}", name="note", field=models.TextField())'


def test_operations_decide_whether_a_django_migration_is_one_that_landed() -> None:
    series = Series("shop/migrations", next(one for one in LAYOUTS if one.name == "django"))
    fork = {"shop/migrations/0001_a.py": _OPERATION.format("", "")}
    after = ("('shop', '0001_a')", "('shop', '0002_b')")
    base = fork | {"shop/migrations/0002_b.py": _OPERATION.format(_FIELD.format("cart"), after[0]),
                   "shop/migrations/0003_note.py": _OPERATION.format(_FIELD.format("order"), after[1])}  # fmt: skip
    same = "# Generated by another Django\n" + _OPERATION.format(_FIELD.format("order"), after[0]).replace('"', "'")
    other = _OPERATION.format(_FIELD.format("item"), after[0])
    like = _OPERATION.format(_FIELD.format("order").replace("TextField()", "TextField(null=True)"), after[0])
    name = "shop/migrations/0002_note.py"
    assert landed(series, base, fork, fork | {name: same}) == base
    assert "shop/migrations/0004_note.py" in landed(series, base, fork, fork | {name: other})
    with pytest.raises(RefusedError, match="need a person"):
        make_plan(series, trees(base, fork, fork | {name: like}), NOW)


def _app(tree: Tree, app: str, stem: str, *after: str) -> str:
    pairs = "".join(f"        ('{one.partition('.')[0]}', '{one.partition('.')[2]}'),\n" for one in after)
    tree.write(f"{app}/__init__.py", "")
    tree.write(f"{app}/migrations/__init__.py", "")
    name = f"{app}/migrations/{stem}.py"
    tree.write(name, f"class Migration:\n    dependencies = [\n{pairs}    ]\n    operations = ['{app} {stem}']\n")
    return name


def _three_apps(main: Tree) -> Tree:
    for app in ("aaa", "bbb", "ccc"):
        _app(main, app, "0001_initial")
    main.ok("add", ".")
    main.ok("commit", "-qm", "apps")
    one = main.worktree("one")
    _app(one, "aaa", "0002_mine", "aaa.0001_initial")
    _app(one, "bbb", "0002_mine", "bbb.0001_initial", "aaa.0002_mine", "ccc.0002_mine")
    _app(one, "ccc", "0002_mine", "ccc.0001_initial")
    one.ok("add", ".")
    one.ok("commit", "-qm", "mine")
    return one


def test_migrations_of_several_apps_that_name_each_other_move_together(main: Tree) -> None:
    one = _three_apps(main)
    for app in ("aaa", "bbb", "ccc"):
        _app(main, app, "0002_base", f"{app}.0001_initial")
    main.ok("add", ".")
    main.ok("commit", "-qm", "base")
    one.synced("sync")
    moved = one.read("bbb/migrations/0003_mine.py")
    assert [f"('{app}', '{name}')" in moved for app, name in (
        ("aaa", "0003_mine"), ("bbb", "0002_base"), ("ccc", "0003_mine"), ("aaa", "0002_mine"), ("ccc", "0002_mine")
    )] == [True, True, True, False, False]  # fmt: skip
    assert one.sync("check").code == 0


def test_a_migration_that_another_app_names_and_that_is_gone_is_seen(main: Tree) -> None:
    one = _three_apps(main)
    one.ok("mv", "aaa/migrations/0002_mine.py", "aaa/migrations/0002_renamed.py")
    done = one.refused("commit", "-qm", "rename")
    assert "bbb/migrations/0002_mine.py: it names 0002_mine of aaa, which is not there" in done.err
    one.unhooked("commit", "-qm", "rename")
    checked = one.sync("check")
    assert checked.code == 1
    assert "it names 0002_mine of aaa, which is not there" in checked.out + checked.err
    fixed = one.read("bbb/migrations/0002_mine.py").replace("('aaa', '0002_mine')", "('aaa', '0002_renamed')")
    one.write("bbb/migrations/0002_mine.py", fixed)
    one.ok("commit", "-qam", "follow")
    assert one.sync("check").code == 0


@pytest.mark.parametrize("moving", [True, False])
def test_a_sync_that_would_leave_a_name_that_is_gone_stops(main: Tree, moving: bool) -> None:
    for app in ("aaa", "ccc"):
        _app(main, app, "0001_initial")
    main.ok("add", ".")
    main.ok("commit", "-qm", "apps")
    one = main.worktree("one")
    _app(one, "aaa", "0002_mine", "aaa.0001_initial", "ccc.0001_initial")
    one.ok("add", ".")
    one.ok("commit", "-qm", "mine")
    main.ok("mv", "ccc/migrations/0001_initial.py", "ccc/migrations/0001_first.py")
    if moving:
        _app(main, "aaa", "0002_base", "aaa.0001_initial")
    main.ok("add", ".")
    main.unhooked("commit", "-qm", "renamed on base")
    done = one.sync("sync")
    assert done.code == 1
    assert "would name ccc.0001_initial, which is not there" in done.err
    assert one.ok("status", "--porcelain") == ""


def test_a_django_migration_that_would_lose_what_it_came_after_is_a_persons() -> None:
    """Base itself has two heads, and the branch built on both: whatever it goes behind, one is lost."""
    series = Series("shop/migrations", next(one for one in LAYOUTS if one.name == "django"))

    def migration(stem: str, *after: str) -> dict[str, str]:
        pairs = ", ".join(f"('shop', '{one}')" for one in after)
        return {f"shop/migrations/{stem}.py": _OPERATION.format(f"Run('{stem[5:]}')", pairs)}

    fork = migration("0001_a")
    base = fork | migration("0002_audit", "0001_a") | migration("0002_list", "0001_a")
    branch = fork | migration("0002_audit", "0001_a") | migration("0003_list", "0002_audit")
    branch |= migration("0004_mine", "0003_list")
    with pytest.raises(RefusedError, match="need a person") as caught:
        make_plan(series, trees(base, fork, branch), NOW)
    assert "would no longer come after 0002_audit" in str(caught.value.why)
