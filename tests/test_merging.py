"""Format merges: what is surely right merges, everything else stays a conflict, and the output always parses."""

from __future__ import annotations

import json
import os
import signal
import sys
import tomllib

import pytest
from conftest import Tree
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsync.config.schema import defaults
from agentsync.git.merge_file import merge_lines
from agentsync.merging.formats import format_of, merge_format
from agentsync.merging.generated import generator_of
from agentsync.merging.hunks import Merged
from agentsync.merging.three_way import ABSENT, Conflict, ConflictError, merge_values, same


def lines(base: bytes, ours: bytes, theirs: bytes) -> Merged:
    return merge_lines(dict(os.environ), base, ours, theirs)


def answered(path: str, base: str, ours: str, theirs: str) -> str | Conflict | None:
    """What the format answers: a text, a conflict, or None for "not mine"."""
    made = merge_format(path.encode(), base.encode(), ours.encode(), theirs.encode(), lines)
    return made.decode() if isinstance(made, bytes) else made


def merged(path: str, base: str, ours: str, theirs: str) -> str | None:
    made = answered(path, base, ours, theirs)
    return made if isinstance(made, str) else None


def package(**dependencies: str) -> str:
    return json.dumps({"name": "shop", "dependencies": dependencies}, indent=2) + "\n"


values = st.recursive(
    st.one_of(st.integers(0, 3), st.sampled_from(["a", "b", "c"]), st.booleans()),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from("abcd"), inner, max_size=3), st.lists(st.sampled_from("abcd"), unique=True)
    ),
    max_leaves=6,
)
documents = st.dictionaries(st.sampled_from("vwxyz"), values, max_size=4)


@given(documents, documents)
def test_one_side_unchanged_is_the_other(base: object, changed: object) -> None:
    assert same(merge_values(base, changed, base), changed)
    assert same(merge_values(base, base, changed), changed)
    assert same(merge_values(base, changed, changed), changed)


def _as_sets(value: object) -> object:
    if isinstance(value, dict):
        return {key: _as_sets(inner) for key, inner in value.items()}
    return sorted(map(repr, value)) if isinstance(value, list) else value


@given(documents, documents, documents)
def test_sides_swapped_say_the_same(base: object, ours: object, theirs: object) -> None:
    results = []
    for one, two in ((ours, theirs), (theirs, ours)):
        try:
            results.append(_as_sets(merge_values(base, one, two)))
        except ConflictError:
            results.append(ABSENT)
    assert results[0] == results[1]


@settings(max_examples=40)
@given(documents, documents, documents, st.sampled_from([None, 2, 4, "\t"]), st.booleans())
def test_merged_json_parses_and_says_what_was_merged(
    base: object, ours: object, theirs: object, indent: int | str | None, crlf: bool
) -> None:
    texts = [json.dumps(side, indent=indent) + "\n" for side in (base, ours, theirs)]
    if crlf:
        texts = [text.replace("\n", "\r\n") for text in texts]
    try:
        wanted = merge_values(base, ours, theirs)
    except ConflictError:
        return
    made = merged("locales/en.json", *texts)
    assert made is not None
    assert same(json.loads(made), wanted)


tables = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@settings(max_examples=40)
@given(tables, tables, tables)
def test_merged_toml_parses_and_says_what_was_merged(
    base: dict[str, int], ours: dict[str, int], theirs: dict[str, int]
) -> None:
    texts = ["[tool.x] # kept\n" + "".join(f"{key} = {value}\n" for key, value in side.items())
             for side in (base, ours, theirs)]  # fmt: skip
    try:
        wanted = merge_values(base, ours, theirs)
    except ConflictError:
        assert merged("pyproject.toml", *texts) is None
        return
    made = merged("pyproject.toml", *texts)
    assert made is not None
    assert tomllib.loads(made)["tool"]["x"] == wanted
    assert "# kept" in made


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "wanted"),
    [
        ("^1.0.0", "^1.2.0", "^1.4.0", "^1.4.0"),  # two upgrades within a major version
        ("^1.0.0", "~1.2.0", "^1.2.0", "~1.2.0"),  # one narrower than the other
        ("1.0.0", "1.2.0", "1.3.0", "1.3.0"),  # two pins, both forward
        ("^1.0.0", "5.90.2", "^5.80.0", "5.90.2"),  # a pin inside the other's range
        ("^1.0.0", "^2.0.0", "^3.0.0", None),  # nothing satisfies both
        ("^1.0.0", "^2.0.0", "0.9.0", None),
        ("=1.2.3", "=1.2.4", "=1.2.5", "=1.2.5"),
        ("^0.2.0", "^0.3.0", "^0.4.0", None),  # below 1.0 a minor version breaks
        ("^0.3.0", "^0.3.2", "^0.3.4", "^0.3.4"),
        ("^1.0.0", "workspace:*", "^1.1.0", None),
        ("^1.0.0", "^1.2.0-rc.1", "^1.1.0", None),
        ("^1.0.0", "latest", "next", None),
        ("^1.5.0", "<1.6.0", "^1.5.1", None),  # no text says both bounds
        (">=1.0.0", ">=1.2.0 <1.5.0", ">=1.3.0", None),
        (">=1.0.0 <3.0.0", ">=1.2.0 <3.0.0", ">=1.0.0 <2.0.0", None),
        (">=1.0.0", ">=1.2.0 <2.0.0", ">=1.1.0", ">=1.2.0 <2.0.0"),
        ("^1.0.0", "~1.2.0", "~1.3.0", None),  # each side shuts out the other's
        ("~1.1.0", "~1.2.0", "~1.3.0", "~1.3.0"),
        ("^1.5.0", "^1.0.0", ">=1.5.0 <1.8.0", None),  # one loosens, the other narrows
    ],
)
def test_package_json_ranges(base: str, ours: str, theirs: str, wanted: str | None) -> None:
    made = merged("package.json", package(a=base), package(a=ours), package(a=theirs))
    assert (json.loads(made)["dependencies"]["a"] if made else None) == wanted


def test_package_json_keeps_style_and_order() -> None:
    base = '{\n\t"name": "shop",\n\t"dependencies": {\n\t\t"m": "1.0.0"\n\t}\n}'
    ours = base.replace('"m": "1.0.0"', '"a": "1.0.0",\n\t\t"m": "1.0.0"')
    theirs = base.replace('"m": "1.0.0"', '"m": "1.0.0",\n\t\t"z": "2.0.0"').replace('"shop"', '"store"')
    made = merged("web/package.json", base, ours, theirs)
    assert made == (
        '{\n\t"name": "store",\n\t"dependencies": {\n\t\t"a": "1.0.0",\n\t\t"m": "1.0.0",\n\t\t"z": "2.0.0"\n\t}\n}'
    )


@pytest.mark.parametrize("broken", ['{"a": 1,}', '{"a": 1, "a": 2}', "<<<<<<< HEAD\n{}", "[1 2]", '{"a": NaN}', ""])
def test_what_is_no_json_is_left_to_git(broken: str) -> None:
    assert merged("package.json", package(a="1.0.0"), broken, package(a="2.0.0")) is None


def test_requirements_by_package() -> None:
    base = "# web\nflask==2.0\nrequests>=2\n"
    ours = "# web\nFlask==2.1\nrequests>=2\nattrs\n"
    theirs = "# web\nflask==2.3\nrequests>=2.5\n"
    assert merged("requirements.txt", base, ours, theirs) is not None
    made = merged("requirements.txt", base, ours, theirs) or ""
    assert sorted(line for line in made.splitlines() if line) == ["# web", "attrs", "flask==2.3", "requests>=2.5"]


def test_a_compiled_requirements_file_is_not_merged() -> None:
    base = "# autogenerated by pip-compile\na==1\n"
    assert merged("requirements.txt", base, base + "b==1\n", base + "c==1\n") is None


def test_go_mod_takes_the_higher_version() -> None:
    base = "module x\n\ngo 1.21\n\nrequire (\n\ta.b/c v1.0.0\n\td.e/f v1.0.0 // indirect\n)\n"
    ours = base.replace("c v1.0.0", "c v1.2.0").replace("go 1.21", "go 1.22")
    theirs = base.replace("c v1.0.0", "c v1.10.0\n\tb.b/b v0.1.0").replace("go 1.21", "go 1.23")
    made = merged("go.mod", base, ours, theirs) or ""
    assert "a.b/c v1.10.0" in made
    assert "go 1.23" in made
    assert made.index("a.b/c") < made.index("b.b/b") < made.index("d.e/f")


def test_lists_are_sets_only_where_the_format_says_so() -> None:
    base = '[project]\ndependencies = ["a>=1", "b"]\nkeywords = ["x"]\n\n[tool.pytest]\naddopts = ["--cov", "x"]\n'
    ours = base.replace('"x"]\n\n', '"x", "y"]\n\n').replace("a>=1", "a>=2")
    theirs = base.replace('"x"]\n\n', '"x", "z"]\n\n').replace("a>=1", "a>=3")
    found = tomllib.loads(merged("pyproject.toml", base, ours, theirs) or "")
    assert found["project"] == {"dependencies": ["a>=3", "b"], "keywords": ["x", "y", "z"]}
    longer = [base.replace('"--cov", "x"', f'"--cov", "x", "{word}", "1"') for word in ("--maxfail", "--durations")]
    assert merged("pyproject.toml", base, *longer) is None
    days = [json.dumps({"days": ["Mo", *more]}) + "\n" for more in ((), ("Di",), ("Mi",))]
    assert merged("locales/de.json", *days) is None


@pytest.mark.parametrize(
    ("mine", "other", "higher"),
    [("v1.0.0-rc.9", "v1.0.0-rc.10", "v1.0.0-rc.10"), ("v1.0.0-rc.1", "v1.0.0", "v1.0.0"),
     ("v1.9.0", "v1.10.0", "v1.10.0"),
     ("v1.0.0-1", "v1.0.0-beta", "v1.0.0-beta")],
)  # fmt: skip
def test_go_mod_versions_have_semvers_order(mine: str, other: str, higher: str) -> None:
    texts = [f"module x\n\ngo 1.21\n\nrequire a.b/c {version}\n" for version in ("v0.1.0", mine, other)]
    for sides in (texts[1:], texts[:0:-1]):
        assert f"a.b/c {higher}\n" in (merged("go.mod", texts[0], *sides) or "")


def test_go_mod_a_candidate_of_go_is_below_its_release() -> None:
    texts = [f"module x\n\ngo {version}\n" for version in ("1.20", "1.22rc1", "1.21.3")]
    assert "go 1.22rc1" in (merged("go.mod", *texts) or "")
    texts = [f"module x\n\ngo {version}\n" for version in ("1.20", "1.22rc1", "1.22")]
    assert "go 1.22\n" in (merged("go.mod", *texts) or "")


@pytest.mark.parametrize(
    ("path", "base", "mine", "other"),
    [
        ("requirements.txt", "django==3.0\n", "# not beyond 3.0: ticket 12\ndjango==3.0\n", "django==3.1\n"),
        ("pyproject.toml", '[project]\nversion = "1"\n', '[project]\n# by release.sh\nversion = "1"\n',
         '[project]\nversion = "2"\n'),
        ("go.mod", "module x\n\nrequire a/b v1.0.0\n", "module x\n\nrequire a/b v1.0.0 // see #12\n",
         "module x\n\nrequire a/b v1.1.0\n"),
    ],
)  # fmt: skip
def test_no_comment_is_lost(path: str, base: str, mine: str, other: str) -> None:
    comment = (set(mine.split("\n")) - set(base.split("\n"))).pop()
    for sides in ((mine, other), (other, mine)):
        made = merged(path, base, *sides)
        assert made is None or comment in made


def test_cargo_features_are_a_set() -> None:
    base = '[package]\nversion = "0.1.0"\n\n[dependencies]\nserde = { version = "1.0", features = ["derive"] }\n'
    ours = base.replace('["derive"]', '["derive", "rc"]').replace("0.1.0", "0.2.0")
    theirs = base.replace('["derive"]', '["derive", "alloc"]').replace("0.1.0", "0.1.1").replace('"1.0"', '"1.1"')
    found = tomllib.loads(merged("Cargo.toml", base, ours, theirs) or "")
    assert found["package"]["version"] == "0.2.0"
    assert sorted(found["dependencies"]["serde"]["features"]) == ["alloc", "derive", "rc"]


CHANGES = "# Changelog\n\n## Unreleased\n\n### Added\n- one\n\n## 1.0\n- first\n"


def test_changelog_entries_of_both() -> None:
    made = merged("CHANGELOG.md", CHANGES, CHANGES.replace("- one\n", "- one\n- two\n"),
                  CHANGES.replace("- one\n", "- one\n- three\n"))  # fmt: skip
    assert made == CHANGES.replace("- one\n", "- one\n- two\n- three\n")


def test_changelog_entry_stays_unreleased_when_base_cuts_a_release() -> None:
    ours = CHANGES.replace("- one\n", "- one\n- two\n")
    theirs = CHANGES.replace(
        "## Unreleased\n\n### Added\n- one\n", "## Unreleased\n\n### Added\n\n## 1.1\n\n### Added\n- one\n"
    )
    made = merged("CHANGELOG.md", CHANGES, ours, theirs) or ""
    assert made.index("- two") < made.index("## 1.1") < made.index("- one")
    assert made.count("- one") == 1


def test_changelog_two_edits_of_an_entry_conflict() -> None:
    assert merged("CHANGELOG.md", CHANGES, CHANGES.replace("one", "won"), CHANGES.replace("one", "ones")) is None


def test_changelog_entries_keep_all_their_lines() -> None:
    more = {
        "thanks": ("- A\n  Thanks to @alice.\n", "- B\n  Thanks to @alice.\n"),
        "nested": ("- A\n  - docs\n  - tests\n", "- B\n  - docs\n"),
        "fenced": ("- A\n\n```sh\n# run\nrun x\n```\n", "- B\n\n```sh\n# run\nrun y\n```\n"),
    }
    for mine, other in more.values():
        made = merged("CHANGELOG.md", CHANGES, CHANGES.replace("- one\n", "- one\n" + mine),
                      CHANGES.replace("- one\n", "- one\n" + other)) or ""  # fmt: skip
        assert made == CHANGES.replace("- one\n", "- one\n" + mine + other)


def test_changelog_an_entry_that_one_side_moved_and_the_other_changed_conflicts() -> None:
    cut = CHANGES.replace(
        "## Unreleased\n\n### Added\n- one\n", "## Unreleased\n\n### Added\n\n## 1.1\n\n### Added\n- one\n"
    )
    changed = CHANGES.replace("- one\n", "- won\n")
    assert merged("CHANGELOG.md", CHANGES, cut, changed) is None
    assert merged("CHANGELOG.md", CHANGES, changed, CHANGES.replace("- one\n", "")) is None


URLS = "from . import views\n\nurlpatterns = [\n    path('a', views.a),\n    path('z', views.z),\n]\n"


def test_registry_keeps_both_insertions() -> None:
    ours = URLS.replace("    path('z'", "    path('m', views.m),\n    path('z'")
    theirs = URLS.replace("    path('z'", "    path('n', views.n),\n    path('z'")
    made = merged("shop/urls.py", URLS, ours, theirs) or ""
    assert made.index("'m'") < made.index("'n'")


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ("    path('m', views.m),\n", "    path('m', views.n),\n"),  # the same route
        ("    path('m', views.m)\n", "    path('n', views.n),\n"),  # no comma
        ("    path('m',\n", "    path('n', views.n),\n"),  # cut in half
    ],
)
def test_registry_refuses_what_is_not_sure(mine: str, other: str) -> None:
    at = "    path('z'"
    assert merged("urls.py", URLS, URLS.replace(at, mine + at), URLS.replace(at, other + at)) is None


@pytest.mark.parametrize(
    ("path", "mine", "theirs"),
    [
        ("p/__init__.py", b"from p.one import Thing as T\n", b"from p.two import Other as T\n"),
        ("p/__init__.py", b"from .a import A, helper\n", b"from .b import helper, B\n"),
        ("src/index.ts", b'export { A, shared } from "./a"\n', b'export { B, type shared } from "./b"\n'),
        ("urls.py", b're_path(r"^x", one)\n', b're_path(r"^x", two)\n'),
    ],
)
def test_what_both_name_alike_is_never_kept_twice(path: str, mine: bytes, theirs: bytes) -> None:
    base = b"import os\n\nos.name\n"
    sides = (base, b"import os\n" + mine + b"\nos.name\n", b"import os\n" + theirs + b"\nos.name\n")
    assert isinstance(merge_format(path.encode(), *sides, lines), Conflict)


@pytest.mark.parametrize(
    ("path", "mine", "theirs"),
    [
        ("src/mod.rs", '#[cfg(feature = "net")]\npub mod a;\n', '#[cfg(feature = "net")]\npub mod b;\n'),
        ("app/routes.py", "@login\ndef a(): ...\n", "@login\ndef b(): ...\n"),
        ("app/routes.ts", "// @ts-ignore\nexport class A {}\n", "// @ts-ignore\nexport class B {}\n"),
    ],
)
def test_what_speaks_of_the_next_line_stays_with_it(path: str, mine: str, theirs: str) -> None:
    start = {"rs": "pub mod z;\n", "py": "import os\n", "ts": "import { add } from 'x';\n"}[path[-2:]]
    assert merged(path, start, start + mine, start + theirs) == start + mine + theirs


@pytest.mark.parametrize("line", ['#[cfg(feature = "x")]', "/// what it is", "#[derive(Debug)]"])
def test_an_insertion_that_speaks_of_what_follows_is_a_conflict(line: str) -> None:
    base = "pub mod a;\npub mod old;\n"
    mine, other = (base.replace("pub mod old", f"{more}\npub mod old") for more in (line, "pub mod new;"))
    assert merged("src/lib.rs", base, mine, other) is None
    assert merged("src/lib.rs", base, other, mine) is None


def test_a_reordered_list_of_maps_is_a_conflict() -> None:
    source = "[[tool.poetry.source]]\nname = '{0}'\nurl = '{1}'\n"
    base = source.format("pypi", "p") + source.format("corp", "c")
    assert merged("pyproject.toml", base, base.replace("'c'", "'d'"), source.format("corp", "c") +
                  source.format("pypi", "p")) is None  # fmt: skip


def test_registry_refuses_a_hunk_with_a_base_part() -> None:
    assert merged("urls.py", URLS, URLS.replace("views.z", "views.y"), URLS.replace("views.z", "views.x")) is None


def test_schema_rb_takes_the_newest_version_and_both_tables() -> None:
    tables = [f'  create_table "{name}" do |t|\n    t.string "x"\n  end\n\n' for name in ("alpha", "omega")]
    base = "ActiveRecord::Schema[7.0].define(version: 2025_01_01_000000) do\n" + "".join(tables) + "end\n"
    table = '  create_table "{0}" do |t|\n    t.string "{0}_x"\n  end\n\n'
    ours = base.replace("01_01_000000", "02_01_000000").replace(
        '  create_table "omega', table.format("beta") + '  create_table "omega'
    )
    theirs = base.replace("01_01_000000", "03_01_000000").replace(
        'create_table "alpha" do |t|\n', 'create_table "alpha" do |t|\n    t.integer "n"\n'
    )
    made = merged("db/schema.rb", base, ours, theirs) or ""
    assert "2025_03_01_000000" in made
    assert '"beta"' in made
    assert 't.integer "n"' in made


@pytest.mark.parametrize("path", ["package.json", "a/b/package.json", "src/app/routes.ts", "web/locales/de/a.json",
                                  "requirements/dev.txt", "CHANGELOG.md", "docs/changes.rst", "src/app.py",
                                  ".github/workflows/ci.yml"])  # fmt: skip
def test_formats_by_path(path: str) -> None:
    assert format_of(path.encode()) is not None


@pytest.mark.parametrize("path", ["tsconfig.json", "src/app.c", "README.md", "package-lock.json", "data/en.json"])
def test_other_files_are_left_to_git(path: str) -> None:
    assert format_of(path.encode()) is None


def _two_branches(main: Tree, name: str, base: str, ours: str, theirs: str) -> None:
    main.commit(name, base)
    main.ok("checkout", "-q", "-b", "side")
    main.commit(name, theirs)
    main.ok("checkout", "-q", "main")
    main.commit(name, ours)


def test_git_merge_uses_the_driver(main: Tree) -> None:
    ours, theirs = package(a="1.0.0", m="1.0.0"), package(m="1.0.0", z="1.0.0")
    _two_branches(main, "package.json", package(m="1.0.0"), ours, theirs)
    main.ok("merge", "-q", "--no-edit", "side")
    assert list(json.loads(main.read("package.json"))["dependencies"]) == ["a", "m", "z"]


def test_a_generated_file_stays_in_conflict_with_ours(main: Tree) -> None:
    _two_branches(main, "uv.lock", "1\n", "2\n", "3\n")
    done = main.git("merge", "-q", "--no-edit", "side")
    assert done.code == 1
    assert "uv lock && git add uv.lock" in done.err
    assert main.read("uv.lock") == "2\n"
    assert main.ok("diff", "--name-only", "--diff-filter=U") == "uv.lock"


@pytest.mark.parametrize("damage", ["exit 1", "exit 127", "kill -9 $$", "echo broken >&2; exit 3"])
def test_a_broken_driver_ends_in_gits_own_conflict(main: Tree, damage: str) -> None:
    wrapper = main.path / ".git" / "agentsync" / "merge-driver"
    fake = main.path.parent / "python-that-fails"
    fake.write_text(f"#!/bin/sh\n{damage}\n")
    fake.chmod(0o755)
    rows = [f"python={fake}" if row.startswith("python=") else row for row in wrapper.read_text().splitlines()]
    wrapper.write_text("\n".join(rows) + "\n")
    _two_branches(main, "package.json", package(m="1.0.0"), package(m="2.0.0"), package(m="3.0.0"))
    assert main.git("merge", "-q", "--no-edit", "side").code == 1
    found = main.read("package.json")
    assert all(part in found for part in ("2.0.0", "3.0.0", "<<<<<<<", ">>>>>>>"))


def test_a_driver_that_is_gone_ends_in_gits_own_conflict(main: Tree) -> None:
    (main.path / ".git/agentsync/merge-driver").unlink()
    _two_branches(main, "package.json", package(m="1.0.0"), package(m="2.0.0"), package(m="3.0.0"))
    assert main.git("merge", "-q", "--no-edit", "side").code == 1
    found = main.read("package.json")
    assert all(part in found for part in ("2.0.0", "3.0.0", "<<<<<<<", ">>>>>>>"))


def test_a_slow_driver_is_ended_and_an_unknown_one_gives_up(main: Tree) -> None:
    for name in ("base", "ours", "theirs"):
        main.write(name, name)
    code = (
        "import sys, time, agentsync.drivers.main as m; m.SECONDS = 1; "
        "m.DRIVERS['formats'] = lambda *_: time.sleep(30); sys.exit(m.main(sys.argv[1:]))"
    )
    slow = main.run(sys.executable, "-c", code, "formats", "base", "ours", "theirs", "7", "package.json")
    assert slow.code == -signal.SIGALRM
    assert main.run(sys.executable, "-c", code, "of-tomorrow", "base", "ours", "theirs", "7", "x").code == 1
    assert main.read("ours") == "ours"


@pytest.mark.parametrize(("script", "clean"), [('cp "$3" "$6"', True), ("exit 1", False), ("sleep 60", False)])
def test_mergiraf_merges_source_files_where_it_is_there(main: Tree, script: str, clean: bool) -> None:
    folder = main.path.parent / "bin"
    folder.mkdir()
    (folder / "mergiraf").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "mergiraf").chmod(0o755)
    path = {"PATH": f"{folder}:{main.environ['PATH']}"}
    main.synced("init", "--yes", **path)
    assert main.ok("check-attr", "merge", "a/b.py").endswith(": agentsync-source")
    assert main.ok("check-attr", "merge", "a/__init__.py").endswith(": agentsync-formats")
    _two_branches(main, "deep.py", "x = 1\n", "x = 2\n", "x = 3\n")
    assert (main.git("merge", "-q", "--no-edit", "side", **path).code == 0) == clean
    assert ("<<<<<<<" in main.read("deep.py")) != clean


def test_the_repositorys_own_merge_attribute_wins(bare_tree: Tree) -> None:
    bare_tree.commit(".gitattributes", "CHANGELOG.md merge=union\n")
    bare_tree.commit("CHANGELOG.md", CHANGES)
    bare_tree.synced("init", "--yes")
    assert bare_tree.ok("check-attr", "merge", "CHANGELOG.md").endswith(": union")
    assert bare_tree.ok("check-attr", "merge", "package.json").endswith(": agentsync-formats")


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "wanted"),
    [
        (">=1", ">=1,<2", ">=1.5", None),  # no text says both bounds
        (">=1,<2", ">=1", ">=1,<2,!=1.5", None),  # one drops a bound, the other adds one
        (">=1,<3", ">=2,<3", ">=1.5,<3", ">=2,<3"),
        (">=1", "==1.4", ">=1.2", "==1.4"),  # a pin inside the other's range
        ("==1.0", "==1.4", ">=1.0", None),  # one pins, the other ends pinning
        ("==1.0", "==1.4", "==1.5", "==1.5"),
        ("==1.4", "==1.3", "==1.5", None),
        (">=1", "==1.4", "==1.5", None),
    ],
)
def test_specifiers_keep_every_bound_that_a_side_set(base: str, ours: str, theirs: str, wanted: str | None) -> None:
    texts = [f'[project]\ndependencies = ["a{side}"]\n' for side in (base, ours, theirs)]
    assert merged("pyproject.toml", *texts) == (wanted and f'[project]\ndependencies = ["a{wanted}"]\n')


@pytest.mark.parametrize(
    ("base", "mine", "other"),
    [
        ("x\n", "x\nfoo[bar]>=2\n", "foo<2\nx\n"),
        ("x\n", 'x\nfoo>=2; python_version>"3.9"\n', "foo<2\nx\n"),
        ("foo>=1\nx\n", "foo[bar]>=1\nx\n", "x\n"),
        ("foo @ git+https://h/foo@v1\nx\n", "foo @ git+https://h/foo@v2\nx\n", "foo @ git+https://h/foo@v3\nx\n"),
        ("git+https://h/foo@v1\n\nx\n", "git+https://h/foo@v2\n\nx\n", "\nx\ngit+https://h/foo@v3\n"),
        ("x\n", "x\nfoo==1\n", "git+https://h/y@v3#egg=foo\nx\n"),
        ("x\n", "x\n--index-url https://a\n", "--index-url https://b\nx\n"),
    ],
)
def test_requirements_of_one_package_come_from_one_side(base: str, mine: str, other: str) -> None:
    for sides in ((mine, other), (other, mine)):
        assert isinstance(answered("requirements.txt", base, *sides), Conflict)


def test_a_vendored_manifest_is_nobodys() -> None:
    sides = [f"module x\n\nrequire a/b {version}\n" for version in ("v1.0.0", "v1.1.0", "v1.2.0")]
    assert answered("vendor/x/go.mod", *sides) is None
    assert answered("x/go.mod", *sides)
    assert format_of(b"web/node_modules/x/package.json") is None
    assert generator_of(b"vendor/x/go.sum", defaults()) is None
    assert generator_of(b"x/go.sum", defaults()) is not None


@pytest.mark.parametrize("path", ["package.json", "pyproject.toml", "requirements.txt", "go.mod", "CHANGELOG.md"])
def test_line_ends_stay_as_they_are(path: str) -> None:
    texts = {
        "package.json": [package(m="1.0.0"), package(a="1.0.0", m="1.0.0"), package(m="1.0.0", z="1.0.0")],
        "pyproject.toml": [f"[a]\nx = 1\n{more}" for more in ("", "y = 2\n", "z = 3\n")],
        "requirements.txt": ["m==1\n", "m==1\ny==2\n", "m==1\nz==2\n"],
        "go.mod": [f"module x\n\nrequire (\n\ta/b v1.{n}.0\n\tc/d v1.0.0\n)\n" for n in range(3)],
        "CHANGELOG.md": [CHANGES, *(CHANGES.replace("- one\n", f"- one\n- {word}\n") for word in ("two", "three"))],
    }[path]
    both = merged(path, *texts)
    assert both
    crlf = [text.replace("\n", "\r\n") for text in texts]
    assert merged(path, *crlf) == both.replace("\n", "\r\n")
    assert merged(path, texts[0], texts[1], crlf[2]) == both.replace("\n", "\r\n"), "theirs changed the ends"
    assert merged(path, crlf[0], texts[1], crlf[2]) == both


def test_a_comment_never_moves_to_another_key() -> None:
    base = "attrs\n\ndjango==3.0\n"
    mine = base.replace("django", "# not beyond 3: see the ticket\ndjango")
    other = base.replace("django", "celery\ndjango")
    for sides in ((mine, other), (other, mine)):
        made = merged("requirements.txt", base, *sides)
        assert made is None or "# not beyond 3: see the ticket\ndjango" in made
    base = "[a]\nx = 1\n\n[b]\nx = 1\n"
    mine, other = base.replace("[b]\n", "[b]\n# why\n"), base.replace("[b]\n", "[b]\nw = 2\n")
    for sides in ((mine, other), (other, mine)):
        made = merged("pyproject.toml", base, *sides)
        assert made is None or "# why\nx" in made


def test_the_order_of_conditions_in_package_json_is_a_persons() -> None:
    def exports(**conditions: str) -> str:
        return json.dumps({"exports": {".": conditions, "./x": "./x.js"}}, indent=2) + "\n"

    base = exports(default="./a.js")
    one, two = exports(browser="./b.js", default="./a.js"), exports(node="./n.js", default="./a.js")
    assert isinstance(answered("package.json", base, one, two), Conflict)
    more = [base.replace('"./x":', f'"./{name}": "./{name}.js",\n    "./x":') for name in "yz"]
    assert merged("package.json", base, *more)


def test_a_list_whose_order_counts_merges_item_by_item() -> None:
    def words(items: str) -> str:
        return json.dumps({"args": items.split()}) + "\n"

    sides = {"x b c d e": "a b c d y", "x a b c d e": "a b c d e x", "a x c d e": "a b y d e"}
    made = [merged("messages/a.json", words("a b c d e"), words(one), words(two)) for one, two in sides.items()]
    assert made == [words("x b c d y"), None, None]


_TABLES = "[a]\nx = 1\n\n[b]\ny = 2\n\n[c]\nz = 3\n"
_MODULE = "require a/b v1.0.0\n\nrequire c/d v1.0.0\n\nrequire e/f v1.0.0\n"


@pytest.mark.parametrize(
    ("path", "base", "mine", "other"),
    [
        ("package.json", package(a="1", b="1", c="1"), package(n="1", a="1", b="1", c="1"),
         package(a="1", b="1", c="1", n="2")),
        ("pyproject.toml", _TABLES, "[n]\nk = 1\n\n" + _TABLES, _TABLES + "\n[n]\nk = 2\n"),
        ("go.mod", _MODULE, "replace g/h => ../g\n\n" + _MODULE, _MODULE + "\nreplace g/h => ../h\n"),
        ("requirements.txt", "a\nb\nc\n", "z<2\na\nb\nc\n", "a\nb\nc\nz>2\n"),
    ],
)  # fmt: skip
def test_a_conflict_that_gits_lines_do_not_see_is_left_with_markers(
    main: Tree, path: str, base: str, mine: str, other: str
) -> None:
    assert lines(base.encode(), mine.encode(), other.encode()).clean, "else git sees it by itself"
    _two_branches(main, path, base, mine, other)
    done = main.git("merge", "--no-edit", "side")
    assert done.code == 1
    assert f"agentsync: conflict in {path}: " in done.err
    found = main.read(path)
    assert "<<<<<<< ours" in found
    assert ">>>>>>> theirs" in found
    assert main.ok("diff", "--name-only", "--diff-filter=U") == path


def test_an_ancestor_that_is_itself_a_conflict_is_no_reason_to_believe_the_lines() -> None:
    broken = '<<<<<<< ours\n{\n  "a": 1,\n=======\n{\n  "a": 2,\n>>>>>>> theirs\n  "b": 1,\n  "c": 1,\n  "d": 1\n}\n'
    mine = '{\n  "a": 3,\n  "b": 1,\n  "c": 1,\n  "d": 1\n}\n'
    assert answered("messages/a.json", broken, mine, mine.replace('"d": 1', '"d": 2')) == mine.replace(
        '"d": 1', '"d": 2'
    )
    twice = mine.replace('"d": 1', '"d": 1,\n  "e": 1')
    other = mine.replace('"b": 1', '"e": 2,\n  "b": 1')
    assert isinstance(answered("messages/a.json", broken, twice, other), Conflict)


def _dump(version: int, *rows: str, outside: str = "") -> str:
    table = "".join(f"    {row}\n" for row in rows)
    head = f"ActiveRecord::Schema[7.1].define(version: 2024_0{version}_01_000000) do\n"
    return f'{head}  create_table "users", force: :cascade do |t|\n{table}  end\n\n{outside}end\n'


_EMAIL, _MADE = 't.string "email"', 't.datetime "created_at", null: false'


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ((_EMAIL, 't.string "status"', _MADE), (_EMAIL, 't.integer "status"', _MADE)),
        ((_EMAIL, 't.string "status"', _MADE), (_EMAIL, _MADE, 't.integer "status"')),
        (('t.index ["a"], name: "i"', _EMAIL, _MADE), (_EMAIL, _MADE, 't.index ["b"], name: "i"')),
        (('t.text "email"', _MADE), ('t.string "email", null: false', _MADE)),
        ((_MADE,), ('t.text "email"', _MADE)),
    ],
)
def test_schema_rb_has_no_column_or_index_twice(mine: tuple[str, ...], other: tuple[str, ...]) -> None:
    for sides in ((mine, other), (other, mine)):
        texts = (_dump(2, *sides[0]), _dump(3, *sides[1]))
        assert isinstance(answered("db/schema.rb", _dump(1, _EMAIL, _MADE), *texts), Conflict)


def test_schema_rb_keeps_what_both_added() -> None:
    mine, other = _dump(2, _EMAIL, 't.string "nick"', _MADE), _dump(3, _EMAIL, 't.integer "age"', _MADE)
    wanted = _dump(3, _EMAIL, 't.string "nick"', 't.integer "age"', _MADE)
    assert merged("db/schema.rb", _dump(1, _EMAIL, _MADE), mine, other) == wanted
    same = _dump(2, _EMAIL, 't.string "nick"', _MADE)
    assert merged("db/schema.rb", _dump(1, _EMAIL, _MADE), same, same.replace("_02_", "_03_")) == same.replace(
        "_02_", "_03_"
    )
    keys = [f'  add_foreign_key "{table}", "users"\n' for table in ("orders", "carts")]
    texts = [_dump(2, _EMAIL, outside=key) for key in keys]
    assert merged("db/schema.rb", _dump(1, _EMAIL), *texts) == _dump(2, _EMAIL, outside=keys[1] + keys[0])


def test_a_schema_rb_that_has_a_column_twice_is_left_to_git() -> None:
    sides = [_dump(number, _EMAIL, _EMAIL, _MADE) for number in (1, 2, 3)]
    assert answered("db/schema.rb", *sides) is None


_ROUTES_RB = 'Rails.application.routes.draw do\n  root "home#index"\n{0}end\n'
_ROUTER = 'const router = Router();\n\nrouter.get("/", home);\n{0}\nmodule.exports = router;\n'


@pytest.mark.parametrize(
    ("path", "text", "mine", "other"),
    [
        ("urls.py", "urlpatterns = [\n    path('', views.home),\n{0}]\n", "    path('<slug:page>/', views.page),\n",
         "    path('about/', views.about),\n"),
        ("urls.py", "urlpatterns = [\n    path('', views.home),\n{0}]\n", "    path('shop/', include('shop.urls')),\n",
         "    path('shop/about/', views.about),\n"),
        ("urls.py", "urlpatterns = [\n    path('x', views.home),\n{0}]\n", "    path('', include('shop.urls')),\n",
         "    path('about/', views.about),\n"),
        ("config/routes.rb", _ROUTES_RB, '  get "*path", to: "pages#show"\n', '  get "about", to: "home#about"\n'),
        ("config/routes.rb", _ROUTES_RB, "  resources :users\n", '  get "users/me", to: "users#me"\n'),
        ("routes.js", _ROUTER, "router.use(requireAuth);\n", 'router.get("/public", pub);\n'),
        ("routes.js", _ROUTER, 'router.get("/:page", show);\n', 'router.get("/about", about);\n'),
        ("p/__init__.py", 'MIDDLEWARE = [\n    "a.A",\n{0}]\n', '    "x.X",\n', '    "b.B",\n'),
        ("p/__init__.py", "import os\n{0}", "DEBUG = True\nsetup()\n", 'teardown()\nX = os.environ["X"]\n'),
        ("p/__init__.py", "import os\n{0}", "register(One)\n", "register(Two)\n"),
        ("routes.py", "from app import api\n\n\n{0}", "@api.get('/items/{{id}}')\ndef one(): ...\n",
         "@api.get('/items/new')\ndef new(): ...\n"),
    ],
)  # fmt: skip
def test_what_comes_first_is_a_persons(path: str, text: str, mine: str, other: str) -> None:
    sides = [text.format(side.format()) for side in ("", mine, other)]
    assert isinstance(answered(path, *sides), Conflict)


@pytest.mark.parametrize(
    ("path", "text", "mine", "other"),
    [
        ("urls.py", "urlpatterns = [\n    path('', views.home),\n{0}]\n", "    path('shop/', include('shop.urls')),\n",
         "    path('about/', views.about),\n"),
        ("config/routes.rb", _ROUTES_RB, "  resources :users\n", "  resources :orders\n"),
        ("routes.js", _ROUTER, 'router.get("/users/:id", show);\n', 'router.get("/orders", list);\n'),
        ("p/__init__.py", "import os\n{0}", "from p.a import A\n", "from p.b import B\n"),
        ("p/__init__.py", "import os\n\n__all__ = [\n    'm',\n{0}]\n", "    'z',\n", "    'b',\n"),
        ("p/__init__.py", "import os\n{0}", "DEBUG = True\n", "LIMIT = 3\n"),
        ("registry.py", "THINGS = {{\n    'm': M,\n{0}}}\n", "    'z': Z,\n", "    'b': B,\n"),
        ("src/lib.rs", "pub mod m;\n{0}", "pub mod x;\n", "pub mod b;\n"),
    ],
)  # fmt: skip
def test_what_may_stand_in_either_order_merges(path: str, text: str, mine: str, other: str) -> None:
    sides = [text.format(side) for side in ("", mine, other)]
    assert merged(path, *sides) == text.format(mine + other)


def test_a_name_that_both_declare_far_apart_is_a_conflict() -> None:
    base = "pub mod a;\npub mod b;\npub mod c;\npub mod d;\n"
    assert (
        answered("src/lib.rs", base, "pub mod x;\n" + base, base + "pub mod y;\n") == f"pub mod x;\n{base}pub mod y;\n"
    )
    assert isinstance(answered("src/lib.rs", base, "pub mod x;\n" + base, base + "pub mod x;\n"), Conflict)
    base = "x = 1\ny = 2\nz = [\n    1,\n    2,\n    3,\n]\n"
    mine, other = (
        base.replace("z = [\n", "z = (\n").replace("]\n", ")\n"),
        base.replace("    2,\n", "    2, 4]\nw = [\n"),
    )
    assert isinstance(answered("p/__init__.py", base, mine, other), Conflict), "it parses no more"


RELEASES = "# Changelog\n\n## [Unreleased]\n\n### Fixed\n\n- one\n- two\n\n## [1.0.0]\n\n- start\n"
_CUT = {
    "a heading put in": RELEASES.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [1.1.0] - 2026-01-01\n"),
    "the heading renamed": RELEASES.replace("## [Unreleased]", "## [1.1.0] - 2026-01-01"),
}


@pytest.mark.parametrize("cut", _CUT)
@pytest.mark.parametrize(
    "mine",
    [
        RELEASES.replace("- two\n", "- two\n- mine\n"),
        RELEASES.replace("- one\n", "- mine\n- one\n"),
        RELEASES.replace("### Fixed", "### Added\n\n- mine\n\n### Fixed"),
    ],
)
def test_an_entry_is_never_under_a_release_that_is_out(cut: str, mine: str) -> None:
    for sides in ((mine, _CUT[cut]), (_CUT[cut], mine)):
        made = merged("CHANGELOG.md", RELEASES, *sides) or ""
        order = [
            made.index(word) for word in ("## [Unreleased]", "- mine", "## [1.1.0]", "- one", "- two", "## [1.0.0]")
        ]
        assert order == sorted(order), made
        assert made.count("### Fixed\n") == (2 if "### Added" not in mine else 1)


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (RELEASES.replace("- two", "- two, better"), _CUT["a heading put in"]),  # an entry edited and released
        (RELEASES.replace("### Fixed", "### Bugs"), RELEASES.replace("- two\n", "- two\n- mine\n")),
        (RELEASES.replace("## [1.0.0]", "## [1.0.1]"), RELEASES.replace("- start\n", "- start\n- forgotten\n")),
        (RELEASES.replace("- two\n", ""), RELEASES.replace("- two", "- two, better")),
    ],
)
def test_a_changelog_entry_or_heading_changed_twice_is_a_conflict(mine: str, other: str) -> None:
    for sides in ((mine, other), (other, mine)):
        assert isinstance(answered("CHANGELOG.md", RELEASES, *sides), Conflict)


def test_an_entry_never_comes_under_the_other_sides_entry() -> None:
    mine, other = (
        RELEASES.replace("- two\n", "- two\n- mine\n"),
        RELEASES.replace("- two\n", "- two\n  and its details\n"),
    )
    for sides in ((mine, other), (other, mine)):
        assert merged("CHANGELOG.md", RELEASES, *sides) == RELEASES.replace(
            "- two\n", "- two\n  and its details\n- mine\n"
        )


def test_links_of_a_changelog_merge_one_by_one() -> None:
    links = RELEASES + "\n[Unreleased]: https://h/compare/v1.0.0...HEAD\n[1.0.0]: https://h/v1.0.0\n"
    mine = links.replace("v1.0.0...HEAD\n", "v1.1.0...HEAD\n[1.1.0]: https://h/v1.1.0\n")
    other = links.replace("https://h/v1.0.0\n", "https://h/releases/v1.0.0\n")
    made = merged("CHANGELOG.md", links, mine, other) or ""
    assert made.endswith("v1.1.0...HEAD\n[1.1.0]: https://h/v1.1.0\n[1.0.0]: https://h/releases/v1.0.0\n")


IMPORTS = {
    "app.py": ("import os\n\nprint(os, one, two)\n", "import re\n", "import sys\n", "import os\n"),
    "app.ts": ('import { a } from "./a";\n\na();\n', 'import b from "./b";\n', 'import { c } from "./c";\n',
               'import { a } from "./a";\n'),
    "app.rs": ("use std::fmt;\n\nfn a() {}\n", "use std::fs;\n", "use std::io;\n", "use std::fmt;\n"),
    "App.java": ("import a.A;\n\nclass App {}\n", "import b.B;\n", "import c.C;\n", "import a.A;\n"),
    "app.go": ('package a\n\nimport (\n\t"fmt"\n)\n', '\t"io"\n', '\t"os"\n', '\t"fmt"\n'),
}  # fmt: skip


@pytest.mark.parametrize("path", list(IMPORTS))
def test_imports_are_a_set(path: str) -> None:
    base, mine, other, at = IMPORTS[path]
    both = base.replace(at, at + mine + other)
    for one, two in ((mine, other), (other, mine)):
        assert merged(f"src/{path}", base, base.replace(at, at + one), base.replace(at, at + two)) == both
    assert merged(f"src/{path}", base, base.replace(at, mine), base.replace(at, at + other)) in (
        base.replace(at, mine + other), None)  # fmt: skip


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "wanted"),
    [
        ("a.py", "from m import b\n", "from m import b, c\n", "from m import a, b\n", "from m import a, b, c\n"),
        ("a.py", "from m import a, b, c\n", "from m import b, c\n", "from m import a, b, c, d\n",
         "from m import b, c, d\n"),
        ("a.py", "from m import (\n    b,\n)\n", "from m import (\n    a,\n    b,\n)\n",
         "from m import (\n    B,\n    b,\n)\n", "from m import (\n    B,\n    a,\n    b,\n)\n"),
        ("a.py", "import a\n", "import b\n", "import a\nimport c\n", "import b\nimport c\n"),
        ("a.py", "import z\nimport a\n", "import z\nimport a\nimport c\n", "import z\nimport a\nimport b\n",
         "import z\nimport a\nimport c\nimport b\n"),
        ("a.py", "import os\n\nfrom b import x\n", "import re\n\nfrom b import x\nfrom c import y\n",
         "import os\nimport sys\n\nfrom b import z\n", "import re\nimport sys\n\nfrom b import z\nfrom c import y\n"),
        ("a.py", "import a\nimport c\n\nimport x\n", "import c\nimport d\n\nimport w\nimport x\n",
         "import a\nimport b\nimport c\n\nimport x\nimport y\n",
         "import b\nimport c\nimport d\n\nimport w\nimport x\nimport y\n"),
        ("a.tsx", 'import R, { b } from "r";\n', 'import R, { a, b } from "r";\n',
         'import R, { b, type C } from "r";\n', 'import R, { a, b, type C } from "r";\n'),
        ("a.rs", "use m::A;\n", "use m::{A, B};\n", "use m::{A, C};\n", "use m::{A, B, C};\n"),
        ("a.rs", "use m::{A, B};\n", "use m::{A, B, C};\n", "use m::{A, B, n::{self, D}};\n", None),
        ("A.java", "import a.A;\n\nimport static b.B.c;\n", "import a.A;\nimport a.D;\n\nimport static b.B.c;\n",
         "import a.B;\n\nimport static b.B.c;\n", "import a.B;\nimport a.D;\n\nimport static b.B.c;\n"),
    ],
)  # fmt: skip
def test_imports_change_on_both_sides(path: str, base: str, ours: str, theirs: str, wanted: str | None) -> None:
    body = "\nclass X {}\n" if path.endswith(".java") else "\n"
    made = merged(path, base + body, ours + body, theirs + body)
    assert made == (None if wanted is None else wanted + body)


@pytest.mark.parametrize(
    ("path", "mine", "other"),
    [
        ("a.py", "from __future__ import annotations\n", "import re\n"),
        ("a.py", "from m import *\n", "import re\n"),
        ("a.py", "import re  # noqa\n", "import sys\n"),
        ("a.py", "# why\nimport re\n", "import sys\n"),
        ("a.py", "from a import x\n", "from b import x\n"),
        ("a.py", "import a as x\n", "import b as x\n"),
        ("a.py", "try:\n    import re\nexcept ImportError:\n    re = None\n", "import sys\n"),
        ("a.py", "import re\nx = 1\n", "import sys\n"),
        ("a.ts", 'import "./x.css";\n', 'import { b } from "./b";\n'),
        ("a.ts", 'import x from "./a";\n', 'import { x } from "./b";\n'),
        ("a.ts", 'const b = require("b");\n', 'import { c } from "./c";\n'),
        ("a.rs", "mod b;\n", "use m::A;\n"),
        ("a.rs", "#[macro_use]\nextern crate log;\n", "use m::A;\n"),
        ("a.rs", "#[cfg(test)]\nuse m::B;\n", "use m::A;\n"),
        ("A.java", "import a.Date;\n", "import b.Date;\n"),
    ],
)
def test_imports_that_are_not_sure_are_a_conflict(path: str, mine: str, other: str) -> None:
    base = {"py": "import os\n", "ts": 'import { a } from "./a";\n', "rs": "use std::fmt;\n"}.get(
        path[-2:], "import a.A;\n")  # fmt: skip
    for one, two in ((mine, other), (other, mine)):
        assert merged(path, f"{base}\n", f"{base}{one}\n", f"{base}{two}\n") is None


@pytest.mark.parametrize("above", ['TEXT = """\n', "# only on Linux\n", "@given\n"])
def test_imports_under_what_may_mean_them_are_a_conflict(above: str) -> None:
    end = '"""\n' if '"""' in above else ""
    base, mine, other = (f"{above}import os\n{more}{end}" for more in ("", "import re\n", "import sys\n"))
    mine, other = mine.replace("import os\n", ""), other.replace("import os\n", "")
    assert merged("a.py", base, mine, other) is None


def test_imports_that_the_merge_uses_are_not_taken_out() -> None:
    base = "import a\nimport b\n\n\ndef one():\n    return b\n\n\ndef two():\n    return 2\n"
    ours = base.replace("import b\n", "import c\n").replace("return b", "return 1")
    theirs = base.replace("import b\n", "import b\nimport d\n")
    assert merged("x.py", base, ours, theirs) == base.replace("import b\n", "import c\nimport d\n").replace(
        "return b", "return 1")  # fmt: skip
    assert merged("x.py", base, ours, theirs.replace("return 2", "return b")) is None


def test_imports_for_what_the_other_side_took_out_are_a_conflict() -> None:
    base = "import a\n\n\ndef one():\n    return 1\n\n\ndef two():\n    return b\n"
    ours = base.replace("import a\n", "import a\nimport b\n")
    theirs = base.replace("import a\n", "import a\nimport c\n")
    assert merged("x.py", base, ours, theirs) is not None
    assert merged("x.py", base, ours, theirs.replace("return b", "return c")) is None


@pytest.mark.parametrize(
    ("mine", "other"), [("import q\n", "import q\n"), ("from m import a, b\n", "from m import c, d\n")]
)
def test_imports_that_the_sides_put_at_two_places_are_a_conflict(mine: str, other: str) -> None:
    base = "import os\n\n\nx = 1\n\n\ny = 2\n"
    ours = base.replace("import os\n", "import os\nimport re\n") + mine
    assert merged("x.py", base, ours, base.replace("import os\n", f"import os\n{other}")) is None


def test_imports_from_where_the_other_side_moved_them_away_are_a_conflict() -> None:
    base = "from old.one import a\n\n"
    assert merged("x.py", base, "from new.one import a\n\n", base[:-1] + "from old.two import b\n\n") is None


@pytest.mark.parametrize(
    ("path", "base", "ours", "theirs", "wanted"),
    [
        ("VERSION", "1.2.3\n", "1.2.4\n", "1.3.0\n", "1.3.0\n"),
        ("p/__init__.py", '__version__ = "2.0.dev"\n', '__version__ = "2.0"\n', '__version__ = "2.1.dev"\n',
         '__version__ = "2.1.dev"\n'),
        ("build.gradle", "a 'b:c:1.0.9'\n", "a 'b:c:1.0.10'\n", "a 'b:c:1.0.11'\n", "a 'b:c:1.0.11'\n"),
        ("build.gradle", "a 'b:c:1.0.9'\n", "a 'b:c:2.0.0'\n", "a 'b:c:1.0.11'\n", None),  # a major version
        ("build.gradle", "a 'b:c:0.1.0'\n", "a 'b:c:0.2.0'\n", "a 'b:c:0.3.0'\n", None),
        ("VERSION", "1.2.3\n", "1.2.2\n", "1.3.0\n", None),  # one lowers it
        ("VERSION", "1.2.3\n", "1.2.4\n", "1.3.0-final\n", None),
        ("settings.py", "WAIT = 0.5\n", "WAIT = 0.7\n", "WAIT = 0.9\n", None),  # no version
        ("settings.py", "HOST = '10.0.0.1'\n", "HOST = '10.0.0.2'\n", "HOST = '10.0.0.3'\n", None),
        ("tox.ini", "a==1.0.0\nb==1.0.0\n", "a==1.1.0\nb==1.2.0\n", "a==1.2.0\nb==1.1.0\n", "a==1.2.0\nb==1.2.0\n"),
        ("tox.ini", "a==1.0.0\nb==1.0.0\n", "a==1.1.0\nb==1.0.0\n", "a==1.0.0\nb==1.1.0\n", None),  # two lines
        ("setup.py", "version='1.0', a='1.0'\n", "version='1.1', a='1.3'\n", "version='1.2', a='1.2'\n", None),
        (".pre-commit-config.yaml", "rev: v1.0.0\n", "rev: v1.1.0 # x\n", "rev: v1.2.0\n", None),
    ],
)  # fmt: skip
def test_of_two_versions_the_higher(path: str, base: str, ours: str, theirs: str, wanted: str | None) -> None:
    assert merged(path, base, ours, theirs) == wanted
    assert merged(path, base, theirs, ours) == wanted


def test_source_files_merge_clean_without_python_and_their_imports_with_it(main: Tree) -> None:
    base = "import os\n" + "\n" * 9 + "x = os\n"
    _two_branches(main, "app.py", base, base.replace("os\n", "os\nimport re\n", 1), base.replace("x =", "y ="))
    assert main.git("merge", "-q", "--no-edit", "side").code == 0
    assert main.read("app.py") == base.replace("os\n", "os\nimport re\n", 1).replace("x =", "y =")
    main.ok("branch", "-D", "side")
    _two_branches(
        main, "more.py", base, base.replace("os\n", "os\nimport re\n", 1), base.replace("os\n", "os\nimport sys\n", 1)
    )
    assert main.git("merge", "-q", "--no-edit", "side").code == 0
    assert main.read("more.py").startswith("import os\nimport re\nimport sys\n\n")
    assert not [name for name in main.ok("status", "--porcelain").splitlines() if name]
