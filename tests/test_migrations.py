"""Migration numbers: detected layouts, one holder each, in order onto base."""

from __future__ import annotations

import json

import pytest
from conftest import Stage, Tree

from agentsync.migrations.graph import Node, alembic_node, dangling, django_node, heads
from agentsync.migrations.layouts import BY_NAME, detect, next_text, number_in

DJANGO = "from django.db import migrations\n\n\nclass Migration(migrations.Migration):\n    dependencies = [{deps}]\n"

LAYOUTS = {
    "django": ("shop/migrations", ["__init__.py", "0001_initial.py", "0002_more.py"], [], ["manage.py"]),
    "alembic": ("alembic/versions", ["1a2b3c_first.py"], [], ["env.py"]),
    "rails": ("db/migrate", ["20250101000000_create_users.rb"], [], []),
    "laravel": ("database/migrations", ["2025_01_01_000000_create_users_table.php"], [], []),
    "flyway": ("src/main/resources/db/migration", ["V1__init.sql", "V2_1__x.sql"], [], []),
    "prisma": ("prisma/migrations", ["migration_lock.toml"], ["20250101000000_init"], []),
    "knex": ("migrations", ["20250101000000_a.js", "20250102000000_b.js"], [], []),
    "golang-migrate": ("migrations", ["000001_a.up.sql", "000001_a.down.sql"], [], []),
    "goose": ("migrations", ["00001_a.sql", "00002_b.go"], [], ["goose"]),
    "dbmate": ("db/migrations", ["20250101000000_a.sql"], [], []),
    "sqlx": ("migrations", ["20250101000000_a.sql", "20250102000000_b.sql"], [], ["Cargo.toml"]),
    "diesel": ("migrations", [], ["2025-01-01-000000_a"], ["diesel.toml"]),
    "supabase": ("supabase/migrations", ["20250101000000_a.sql"], [], []),
    "ecto": ("priv/repo/migrations", ["20250101000000_a.exs", "20250102000000_b.exs"], [], []),
    "generic": ("ops/migrations", ["001_a.sh", "002_b.sh"], [], []),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_detected(name: str) -> None:
    folder, files, subfolders, markers = LAYOUTS[name]
    found = detect(folder, files, subfolders, markers)
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    ("layout", "name", "key"),
    [
        ("flyway", "V118_1__x.sql", (118, 1)),
        ("flyway", "V1.10.0__x.sql", (1, 10)),
        ("flyway", "V365_remove.sql", None),
        ("django", "0007_x.py", (7,)),
        ("laravel", "2025_01_02_030405_x.php", (20250102030405,)),
        ("diesel", "2025-01-02-030405_x", (20250102030405,)),
        ("golang-migrate", "088_x.up.sql", (88,)),
        ("rails", "20250101000000_create_users.rb", (20250101000000,)),
        ("rails", "create_users.rb", None),
    ],
)
def test_numbers_are_read_as_the_runner_does(layout: str, name: str, key: tuple[int, ...] | None) -> None:
    found = number_in(BY_NAME[layout], name)
    assert (found.key if found else None) == key


@pytest.mark.parametrize(
    ("layout", "names", "expected"),
    [
        ("django", ["0001_a.py", "0009_b.py"], "0010"),
        ("golang-migrate", ["000001_a.up.sql"], "000002"),
        ("flyway", ["V9__a.sql", "V10__b.sql"], "11"),
        ("generic", [], "1"),
    ],
)
def test_the_next_number_keeps_the_width(layout: str, names: list[str], expected: str) -> None:
    taken = [number for name in names if (number := number_in(BY_NAME[layout], name))]
    assert next_text(BY_NAME[layout], taken) == expected


def test_a_stamp_is_never_older_than_the_newest() -> None:
    layout = BY_NAME["rails"]
    newest = number_in(layout, "29990101000000_x.rb")
    assert newest is not None
    assert next_text(layout, [newest]) == "29990101000001"


def test_graphs() -> None:
    first = django_node("shop", "0001_a", DJANGO.format(deps="('auth', '0001_initial')").encode())
    second = django_node("shop", "0002_b", DJANGO.format(deps="('shop', '0001_a')").encode())
    third = django_node("shop", "0002_c", DJANGO.format(deps="('shop', '0001_x')").encode())
    assert first is not None
    assert second is not None
    assert third is not None
    nodes = {node.name: node for node in (first, second, third)}
    assert heads(nodes) == ["0002_b", "0002_c"]
    assert dangling(nodes) == [("0002_c", "0001_x")]
    assert alembic_node(b"revision: str = 'b'\ndown_revision = ('a', 'c')\n") == Node("b", ("a", "c"))
    assert alembic_node(b"not python (") is None


@pytest.fixture
def goose(main: Tree, stage: Stage) -> Tree:
    def make() -> None:
        for number in (1, 2):
            main.write(f"db/migrations/0000{number}_m.sql", "-- +goose Up\n")
        main.ok("add", ".")
        main.ok("commit", "-qm", "migrations")

    stage.step("goose", make)
    return main


def test_two_agents_get_two_numbers(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.synced("migration", "next", "Add users") == "db/migrations/00003_add_users.sql"
    assert two.synced("migration", "next", "add_orders") == "db/migrations/00004_add_orders.sql"


def test_a_number_that_another_has_is_refused_with_the_move_to_type(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.commit("db/migrations/00003_users.sql", "-- +goose Up\n").code == 0
    done = two.commit("db/migrations/00003_orders.sql", "-- +goose Up\n")
    assert done.code != 0
    lines = done.err.strip().splitlines()
    assert lines[0].startswith("agentsync: refused: migration db/migrations/00003_orders.sql: ")
    assert lines[-1] == "  git mv db/migrations/00003_orders.sql db/migrations/00004_orders.sql"
    assert two.git("commit", "-qnm", "x").code != 0
    two.ok("mv", "db/migrations/00003_orders.sql", "db/migrations/00004_orders.sql")
    two.ok("commit", "-qm", "orders")


def test_a_number_of_base_is_refused(goose: Tree) -> None:
    one = goose.worktree("one")
    done = one.commit("db/migrations/00002_again.sql", "-- +goose Up\n")
    assert done.code != 0
    assert "base has 00002_m.sql with this number" in done.err


def test_history_is_grandfathered(goose: Tree) -> None:
    goose.write("db/migrations/00002_twin.sql", "-- +goose Up\n")
    goose.ok("add", ".")
    goose.ok("commit", "-qm", "an old duplicate", AGENTSYNC_ALLOW="history")
    one = goose.worktree("one")
    assert one.commit("db/migrations/00003_new.sql", "-- +goose Up\n").code == 0


def test_out_of_order_does_not_get_onto_base(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.commit("db/migrations/00003_users.sql", "-- +goose Up\n").code == 0
    assert two.commit("db/migrations/00004_orders.sql", "-- +goose Up\n").code == 0
    goose.ok("merge", "-q", "--no-edit", "two")
    done = goose.git("merge", "-q", "--no-edit", "one")
    assert done.code != 0
    assert "base has newer ones, and goose stops" in done.err
    goose.ok("merge", "--abort")
    checked = one.sync("check")
    assert checked.code == 1
    assert "00003_users.sql" in checked.out


def test_bringing_base_in_is_never_refused(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.commit("db/migrations/00003_users.sql", "-- +goose Up\n").code == 0
    goose.ok("merge", "-q", "--no-edit", "one")
    two.commit("b.txt", "b\n")
    two.ok("merge", "-q", "--no-edit", "main")
    assert two.commit("db/migrations/00004_orders.sql", "-- +goose Up\n").code == 0


def test_a_name_that_the_runner_ignores_is_refused(main: Tree) -> None:
    for number in (1, 2):
        main.write(f"db/migration/V{number}__m.sql", "select 1;\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "migrations")
    one = main.worktree("one")
    done = one.commit("db/migration/V3_users.sql", "select 1;\n")
    assert done.code != 0
    assert "flyway would ignore a file of this name" in done.err
    done = one.commit("db/migration/V1__m.sql", "select 2;\n")
    assert "has landed already" in done.err


def test_a_missing_down_file_is_refused(main: Tree) -> None:
    for kind in ("up", "down"):
        main.write(f"migrations/000001_a.{kind}.sql", "select 1;\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "migrations")
    one = main.worktree("one")
    assert one.synced("migration", "next", "b").splitlines() == [
        "migrations/000002_b.up.sql",
        "migrations/000002_b.down.sql",
    ]
    done = one.commit("migrations/000002_b.up.sql", "select 1;\n")
    assert done.code != 0
    assert "its down file is missing: write migrations/000002_b.down.sql" in done.err
    assert "golang-migrate would ignore" in one.commit("migrations/000003_c.sql", "select 1;\n").err


def test_a_folder_that_the_runner_ignores_and_one_without_its_down_file_are_refused(main: Tree) -> None:
    main.write("diesel.toml", "")
    for name in ("up.sql", "down.sql"):
        main.write(f"migrations/2025-01-01-000000_a/{name}", "select 1;\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "diesel")
    one, two = main.worktree("one"), main.worktree("two")
    assert "diesel would ignore" in one.commit("migrations/users/up.sql", "select 1;\n").err
    done = two.commit("migrations/2025-01-02-000000_b/up.sql", "select 1;\n")
    assert "git add migrations/2025-01-02-000000_b/down.sql" in done.err
    assert two.commit("migrations/2025-01-02-000000_b/down.sql", "select 1;\n").code == 0


ALEMBIC = "revision = '{0}'\ndown_revision = {1!r}\n"


def test_no_revision_id_gets_onto_base_twice(main: Tree) -> None:
    main.write("db/env.py", "")
    main.write("db/versions/aaa_a.py", ALEMBIC.format("aaa", None))
    main.write("db/versions/bbb_b.py", ALEMBIC.format("bbb", "aaa"))
    main.ok("add", ".")
    main.ok("commit", "-qm", "alembic")
    one, two, three = (main.worktree(name) for name in ("one", "two", "three"))
    done = one.commit("db/versions/bbb_other.py", ALEMBIC.format("bbb", "aaa"))
    assert "bbb_b.py has the revision id bbb too" in done.err
    one.ok("rm", "-qf", "db/versions/bbb_other.py")
    assert "aaa_a.py has the revision id aaa too" in one.commit("db/versions/c.py", ALEMBIC.format("aaa", "bbb")).err
    assert two.commit("db/versions/ccc_one.py", ALEMBIC.format("ccc", "bbb")).code == 0
    assert three.commit("db/versions/ccc_two.py", ALEMBIC.format("ccc", "bbb")).code == 0
    main.ok("merge", "-q", "--no-edit", "two")
    assert "has the revision id ccc too" in main.refused("merge", "-q", "--no-edit", "three").err


def test_an_app_whose_label_is_not_its_folders_name(main: Tree) -> None:
    main.write("images/migrations/__init__.py", "")
    main.write("images/migrations/0001_initial.py", DJANGO.format(deps="('auth', '0001_initial')"))
    main.ok("add", ".")
    main.ok("commit", "-qm", "django")
    assert main.commit("images/migrations/0002_b.py", DJANGO.format(deps="('shopimages', '0001_initial')")).code == 0
    one, two = main.worktree("one"), main.worktree("two")
    for tree in (one, two):
        path = tree.synced("migration", "next", tree.path.name)
        assert tree.commit(path, DJANGO.format(deps="('auth', '0001_initial'), ('shopimages', '0002_b')")).code == 0
    main.ok("merge", "-q", "--no-edit", "one")
    two.synced("sync")
    text = two.read("images/migrations/0004_two.py")
    assert text == DJANGO.format(deps="('auth', '0001_initial'), ('shopimages', '0003_one')")
    main.ok("merge", "-q", "--no-edit", "two")


@pytest.mark.parametrize(
    "setting",
    ['layout = "generic"\npattern = "("', 'layout = "generic"\npattern = "x"', 'layout = "nope"', 'path = "../ops"'],
)  # fmt: skip
def test_a_setting_that_reads_no_migration_is_an_error(main: Tree, setting: str) -> None:
    path = "" if "path" in setting else 'path = "ops"\n'
    main.write("agentsync.toml", main.read("agentsync.toml") + f"\n[[migrations]]\n{path}{setting}\n")
    main.ok("add", ".")
    assert "migrations." in main.refused("commit", "-qm", "config").err
    assert main.sync("migration", "list").code == 0


def test_two_heads_do_not_get_onto_base(main: Tree) -> None:
    main.write("shop/__init__.py", "")
    main.write("shop/migrations/__init__.py", "")
    main.write("shop/migrations/0001_initial.py", DJANGO.format(deps=""))
    main.ok("add", ".")
    main.ok("commit", "-qm", "django")
    one, two = main.worktree("one"), main.worktree("two")
    one.commit("shop/migrations/0002_a.py", DJANGO.format(deps="('shop', '0001_initial')"))
    assert two.synced("migration", "next", "b") == "shop/migrations/0003_b.py"
    two.commit("shop/migrations/0003_b.py", DJANGO.format(deps="('shop', '0001_initial')"))
    main.ok("merge", "-q", "--no-edit", "one")
    done = main.git("merge", "-q", "--no-edit", "two")
    assert done.code != 0
    assert "the series would have 2 heads" in done.err


def test_next_sees_uncommitted_files_elsewhere(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    one.write("db/migrations/00003_users.sql", "-- +goose Up\n")
    assert two.synced("migration", "next", "orders") == "db/migrations/00004_orders.sql"


def test_anothers_unlanded_migrations_may_be_merged_and_built_upon(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.commit("db/migrations/00003_users.sql", "-- +goose Up\n").code == 0
    for way in ("--no-ff", "--ff"):
        two.ok("merge", "-q", "--no-edit", way, "one")
    assert two.commit("db/migrations/00004_orders.sql", "-- +goose Up\n").code == 0
    goose.ok("merge", "-q", "--no-edit", "two")
    goose.ok("merge", "-q", "--no-edit", "one")
    assert goose.sync("migration", "check").code == 0


def test_what_others_reserved_is_no_gap_and_frees_itself(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.synced("migration", "next", "x").endswith("00003_x.sql")
    path = two.synced("migration", "next", "y")
    assert path.endswith("00004_y.sql")
    assert two.commit(path, "-- +goose Up\n").code == 0
    goose.commit("b.txt", "b\n")
    two.synced("sync")
    assert (two.path / path).exists()
    assert "two  landed" in goose.synced("integrate", "two")
    assert one.commit("db/migrations/00003_x.sql", "-- +goose Up\n").code == 0
    one.synced("sync")
    assert (one.path / "db/migrations/00005_x.sql").exists()
    three = goose.worktree("three")
    three.synced("migration", "next", "z")
    goose.synced("worktree", "remove", "three")
    assert "_z.sql" not in one.synced("migration", "list")


def drizzle_tags(tree: Tree, *tags: str) -> None:
    entries = [
        {"idx": number, "version": "7", "when": 1700000000000 + number, "tag": tag, "breakpoints": True}
        for number, tag in enumerate(tags)
    ]
    tree.write("drizzle/meta/_journal.json", json.dumps({"version": "7", "entries": entries}, indent=2))


def drizzle_migration(tree: Tree, number: str, name: str, after: str, tables: list[str]) -> None:
    tree.write(f"drizzle/{number}_{name}.sql", f"create table {name} (id int);\n")
    facts = {"id": f"id-{name}", "prevId": after, "version": "7", "tables": {table: {} for table in tables}}
    tree.write(f"drizzle/meta/{number}_snapshot.json", json.dumps(facts, indent=2))


@pytest.fixture
def drizzle(main: Tree) -> Tree:
    """Base with one drizzle migration, the worktree `one` with a second, and `two` with another of that number."""
    drizzle_migration(main, "0000", "init", "none", ["init"])
    drizzle_tags(main, "0000_init")
    main.ok("add", ".")
    main.ok("commit", "-qm", "init")
    for agent, name in (("one", "orders"), ("two", "users")):
        tree = main.worktree(agent)
        drizzle_migration(tree, "0001", name, "id-init", ["init", name])
        drizzle_tags(tree, "0000_init", f"0001_{name}")
        tree.ok("add", ".")
    Tree(main.path.parent / "one", main.environ).ok("commit", "-qm", "orders")
    return Tree(main.path.parent / "two", main.environ)


@pytest.mark.parametrize("typed", ["all of it", "the last command", "git mv alone, then the next refusal"])
def test_a_number_that_a_journal_names_is_moved_whole(drizzle: Tree, main: Tree, typed: str) -> None:
    command = drizzle.refused("commit", "-qm", "users").err.strip().splitlines()[-1].strip()
    first, _, second = command.partition(" && ")
    assert first == "git mv drizzle/0001_users.sql drizzle/0002_users.sql"
    assert second == "agentsync migration renumber"
    if typed == "all of it":
        assert drizzle.run("sh", "-c", command).code == 0
    elif typed == "the last command":
        assert drizzle.run("sh", "-c", second).code == 0
    else:
        assert drizzle.run("sh", "-c", first).code == 0
        done = drizzle.refused("commit", "-qm", "users")
        assert "the journal names it, and it is not there" in done.err
        assert drizzle.run("sh", "-c", done.err.strip().splitlines()[-1]).code == 0
    assert drizzle.synced("migration", "renumber", "--dry-run") == ""
    drizzle.ok("commit", "-qm", "users")
    main.synced("integrate", "one")
    drizzle.synced("sync")
    journal = json.loads(drizzle.read("drizzle/meta/_journal.json"))
    assert [entry["tag"] for entry in journal["entries"]] == ["0000_init", "0001_orders", "0002_users"]
    assert json.loads(drizzle.read("drizzle/meta/0002_snapshot.json"))["prevId"] == "id-orders"
    assert drizzle.ok("status", "--porcelain") == ""


def test_two_refusals_at_once_get_two_numbers(goose: Tree) -> None:
    one, two = goose.worktree("one"), goose.worktree("two")
    for number in (3, 4):
        assert one.commit(f"db/migrations/0000{number}_users.sql", "-- +goose Up\n").code == 0
        two.write(f"db/migrations/0000{number}_orders.sql", "-- +goose Up\n")
    two.ok("add", ".")
    commands = [line for line in two.refused("commit", "-qm", "x").err.splitlines() if "git mv" in line]
    assert len(commands) == 2
    for command in commands:
        assert two.run("sh", "-c", command).code == 0
    two.ok("commit", "-qm", "x")
    assert two.ok("ls-files", "db/migrations/*_orders.sql").split() == [
        "db/migrations/00005_orders.sql",
        "db/migrations/00006_orders.sql",
    ]


def test_a_refused_number_before_a_free_one_moves_both(goose: Tree) -> None:
    """Moved alone, it would run after the one that builds on it."""
    one, two = goose.worktree("one"), goose.worktree("two")
    assert one.commit("db/migrations/00003_users.sql", "-- +goose Up\n").code == 0
    two.write("db/migrations/00003_first.sql", "-- +goose Up\n-- first\n")
    two.write("db/migrations/00004_second.sql", "-- +goose Up\n-- second\n")
    two.ok("add", ".")
    command = two.refused("commit", "-qm", "x").err.strip().splitlines()[-1]
    assert command.strip() == "agentsync migration renumber"
    assert two.run("sh", "-c", command).code == 0
    two.ok("commit", "-qm", "x")
    assert "db/migrations/00004_first.sql" in two.ok("ls-files")
    assert "db/migrations/00005_second.sql" in two.ok("ls-files")


def test_a_pair_gets_one_number(main: Tree) -> None:
    for kind in ("up", "down"):
        main.write(f"db/migrations/0001_a.{kind}.sql", "--\n")
    main.ok("add", ".")
    main.ok("commit", "-qm", "a")
    one = main.worktree("one")
    for kind in ("up", "down"):
        one.write(f"db/migrations/0001_b.{kind}.sql", "--\n")
    one.ok("add", ".")
    commands = [line for line in one.refused("commit", "-qm", "b").err.splitlines() if "git mv" in line]
    for command in commands:
        assert one.run("sh", "-c", command).code == 0
    one.ok("commit", "-qm", "b")
    assert one.ok("ls-files", "db/migrations/*_b.*").split() == [
        "db/migrations/0002_b.down.sql",
        "db/migrations/0002_b.up.sql",
    ]
    assert one.run("sh", "-c", "agentsync migration next add_users | xargs touch").code == 0
    assert (one.path / "db/migrations/0003_add_users.down.sql").exists()


def test_changes_that_are_not_staged_stop_a_renumbering(drizzle: Tree) -> None:
    drizzle.refused("commit", "-qm", "users")
    before = drizzle.read("drizzle/0001_users.sql") + "-- more\n"
    drizzle.write("drizzle/0001_users.sql", before)
    done = drizzle.sync("migration", "renumber")
    assert done.code == 1
    assert "changes that are not staged are in the way" in done.err
    assert drizzle.read("drizzle/0001_users.sql") == before
    assert drizzle.run("sh", "-c", done.err.strip().splitlines()[-1]).code == 0
    drizzle.synced("migration", "renumber")
    assert drizzle.read("drizzle/0002_users.sql") == before


def test_the_path_of_a_migration_that_is_a_folder_can_be_made(main: Tree) -> None:
    main.write("prisma/migrations/20260101000000_a/migration.sql", "--\n")
    main.write("prisma/migrations/migration_lock.toml", 'provider = "postgresql"\n')
    main.ok("add", ".")
    main.ok("commit", "-qm", "a")
    assert main.run("sh", "-c", 'touch "$(agentsync migration next add_users)"').code == 0
    assert len(list((main.path / "prisma/migrations").glob("*_add_users/migration.sql"))) == 1


def test_check_says_why_a_sync_would_stop(drizzle: Tree) -> None:
    drizzle_tags(drizzle, "0000_init")
    drizzle.ok("add", ".")
    drizzle.unhooked("commit", "-qm", "without its line in the journal")
    done = drizzle.sync("migration", "check")
    assert done.code == 1
    assert "_journal.json of the branch does not name 0001_users" in done.out
