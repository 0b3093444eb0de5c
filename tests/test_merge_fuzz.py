"""Each format against an oracle of its own: every change of a side stands exactly once in the merge, or it conflicts.

The oracles read texts in their own way and know nothing of the merges. `make test` tries a few examples of each
format, `make torture` thousands.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsync.git.merge_file import conflict_text, merge_lines
from agentsync.merging.formats import merge_format
from agentsync.merging.hunks import Merged
from agentsync.merging.three_way import Conflict
from agentsync.tasks.merge import merge_plans

SEARCHING = settings.get_current_profile_name() == "search"
fuzzed = settings(max_examples=400 if SEARCHING else 60)

Facts = Counter[Hashable]


def lines(*sides: bytes) -> Merged:
    return merge_lines(dict(os.environ), *sides)


def judge(read: Callable[[str], Facts], texts: tuple[str, str, str], made: str) -> None:
    """Hold a merge against its three versions: `read` gives the facts of a text, each as often as it stands."""
    before, mine, other, found = (read(text) for text in (*texts, made))
    for fact in {*before, *mine, *other, *found}:
        old, one, two = before[fact], mine[fact], other[fact]
        allowed = {two} if one == old else {one} if two == old else {one, two} if one == two else set()
        assert found[fact] in allowed, f"{fact} stands {found[fact]} times: {old} before, {one} here, {two} there"


def check(path: str, read: Callable[[str], Facts], *texts: str) -> bool:
    """Whether the format merges the three versions; what it merges is judged, what it does not must show."""
    sides = [text.encode() for text in texts]
    made = merge_format(path.encode(), *sides, lines)
    assert made is not None, "these versions are of the format"
    if isinstance(made, Conflict):
        shown = conflict_text(dict(os.environ), (sides[0], sides[1], sides[2]), 7)
        assert b"<<<<<<< ours" in shown
        assert b">>>>>>> theirs" in shown
        return False
    judge(read, (texts[0], texts[1], texts[2]), made.decode())
    return True


NAMES = st.sampled_from("abcdefgh")


@st.composite
def edited(draw: st.DrawFn, rows: st.SearchStrategy[Any], most: int = 7) -> tuple[list[Any], list[Any], list[Any]]:
    """A list and two edits of it: items dropped, put in, put in their place."""
    base = draw(st.lists(rows, max_size=most, unique_by=lambda row: row[0] if isinstance(row, tuple) else row))
    sides = []
    for _ in range(2):
        side = list(base)
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(side)))
            row = draw(rows)
            known = [one[0] if isinstance(one, tuple) else one for one in side]
            key = row[0] if isinstance(row, tuple) else row
            if key in known:
                side[known.index(key)] = row
            elif draw(st.booleans()) or at == len(side):
                side.insert(at, row)
            else:
                del side[at]
        sides.append(side)
    return base, sides[0], sides[1]


# JSON and TOML: a fact is a path with its value; a key that stands twice is a fact that stands twice.


def _members(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return pairs


def json_facts(text: str) -> Facts:
    found: Facts = Counter()

    def walk(path: tuple[str, ...], value: Any) -> None:
        if isinstance(value, list) and all(isinstance(one, tuple) for one in value):
            for key, inner in value:
                walk((*path, key), inner)
        else:
            found[(*path, repr(value))] += 1

    walk((), json.loads(text, object_pairs_hook=_members))
    return found


@fuzzed
@given(edited(st.tuples(NAMES, st.integers(0, 2))), st.sampled_from([2, 4, "\t"]))
def test_json(sides: tuple[list[Any], ...], indent: Any) -> None:
    texts = [json.dumps({"t": dict(side), "z": {"n": 1}}, indent=indent) + "\n" for side in sides]
    check("locales/en.json", json_facts, *texts)


def toml_facts(text: str) -> Facts:
    tomllib.loads(text)  # what stands twice does not parse
    table = ""
    found: Facts = Counter()
    above = ""
    for line in text.splitlines():
        if line.startswith("#"):
            above = line
        elif line.startswith("["):
            table, above = line, ""
            found[(table,)] += 1
        elif "=" in line:
            found[table, line.partition("  #")[0]] += 1
            if above:
                found[table, above] += 1
                assert above.split()[1] == line.split()[0], f"{above} came to {line}"
            above = ""
    return found


TOML_ROWS = st.tuples(NAMES, st.integers(0, 2), st.booleans())


@fuzzed
@given(edited(TOML_ROWS), edited(TOML_ROWS), st.booleans())
def test_toml(first: tuple[list[Any], ...], second: tuple[list[Any], ...], swapped: bool) -> None:
    def text(one: list[Any], two: list[Any]) -> str:
        tables = [
            f"[tool.{name}]\n"
            + "".join((f"# {key} is why\n" if why else "") + f"{key} = {value}\n" for key, value, why in rows)
            for name, rows in (("one", one), ("two", two))
        ]
        return "\n".join(tables)

    check("pyproject.toml", toml_facts, *(text(one, two) for one, two in zip(first, second, strict=True)))


# Requirements: a package stands once, its comment above it, and of two changes the one that both allow.

SPECS: dict[str, set[int]] = {"": {1, 2, 3, 4}, "==1": {1}, "!=4": {1, 2, 3}, ">=2": {2, 3, 4}, ">=2,<4": {2, 3}}


def packages(text: str) -> dict[str, tuple[str, str]]:
    """Each package's specifier, and the comment above it."""
    found: dict[str, tuple[str, str]] = {}
    above = ""
    for line in text.splitlines():
        if line.startswith("#"):
            above = line
            continue
        assert line[:1] not in found, f"{line[:1]} stands twice"
        assert not above or above.split()[1] == line[:1], f"{above} came to {line}"
        found[line[:1]] = (line[1:], above)
        above = ""
    return found


@fuzzed
@given(edited(st.tuples(NAMES, st.sampled_from(list(SPECS)), st.booleans())))
def test_requirements(sides: tuple[list[Any], ...]) -> None:
    texts = [
        "".join((f"# {key} is why\n" if why else "") + f"{key}{spec}\n" for key, spec, why in side) for side in sides
    ]
    made = merge_format(b"requirements.txt", *(text.encode() for text in texts), lines)
    assert made is not None
    if isinstance(made, Conflict):
        return
    before, mine, other, found = (packages(text) for text in (*texts, made.decode()))
    for name in {*before, *mine, *other, *found}:
        old, one, two = before.get(name), mine.get(name), other.get(name)
        if one in (old, two) or two == old:
            assert found.get(name) == (two if one == old else one), name
            continue
        assert one, "removed here and changed there is a conflict"
        assert two, "changed here and removed there is a conflict"
        assert found[name][0] in (one[0], two[0])
        changed = [side[0] for side in (one, two) if old is None or side[0] != old[0]]
        assert all(SPECS[found[name][0]] <= SPECS[spec] for spec in changed), f"{one} and {two} gave {found[name]}"


# Versions: what the merge lets in, each side lets in, where both narrowed; else it is one side's whole.

VERSIONS = [(major, minor) for major in range(1, 4) for minor in range(4)]
VERSION = st.sampled_from(VERSIONS).map(lambda one: f"{one[0]}.{one[1]}.0")
RANGE = st.one_of(
    st.builds("".join, st.tuples(st.sampled_from(["^", "~", ">=", ""]), VERSION)),
    st.tuples(VERSION, VERSION).filter(lambda one: one[0] < one[1]).map(lambda one: f">={one[0]} <{one[1]}"),
)


def lets_in(text: str) -> set[tuple[int, int]]:
    """The versions that an npm range lets in, read by hand."""
    found = set(VERSIONS)
    for word in text.split():
        mark = re.match(r"[\^~<>=]*", word)
        assert mark is not None
        major, minor, _ = map(int, word[mark.end() :].split("."))
        least = (major, minor)
        allowed = {
            "^": {one for one in VERSIONS if one >= least and one[0] == major},
            ">=": {one for one in VERSIONS if one >= least},
            "<": {one for one in VERSIONS if one < least},
        }
        found &= allowed.get(mark[0], {least})
    return found


@fuzzed
@given(RANGE, RANGE, RANGE)
def test_npm_ranges(base: str, mine: str, other: str) -> None:
    texts = [json.dumps({"dependencies": {"a": side}}) + "\n" for side in (base, mine, other)]
    made = merge_format(b"package.json", *(text.encode() for text in texts), lines)
    if not isinstance(made, bytes):
        return
    chosen = json.loads(made)["dependencies"]["a"]
    assert chosen in (mine, other)
    if base in (mine, other) or mine == other:
        assert chosen == (other if mine == base else mine)
        return
    kinds = {re.sub(r"[\d.]+", "", side) for side in (base, mine, other)}
    upgrade = len(kinds) == 1 and not lets_in(mine) & lets_in(other)
    shut_out = [lets_in(base) - lets_in(side) for side in (mine, other)]
    assert upgrade or not lets_in(chosen) & (shut_out[0] | shut_out[1]), "it lets in what a side shut out"


# go.mod: a module stands once, at the higher version.


def module(rows: list[Any]) -> str:
    body = "".join(
        f"\tm/{name} v1.{minor}.0{' // indirect' if indirect else ''}\n" for name, minor, indirect in sorted(rows)
    )
    return f"module x\n\ngo 1.21\n\nrequire (\n\tm/0 v1.0.0\n{body}\tm/z v1.0.0\n)\n"


@fuzzed
@given(edited(st.tuples(NAMES, st.integers(0, 12), st.booleans())))
def test_go_mod(sides: tuple[list[Any], ...]) -> None:
    texts = [module(side) for side in sides]
    made = merge_format(b"go.mod", *(text.encode() for text in texts), lines)
    assert made is not None
    if isinstance(made, Conflict):
        return
    rows = re.findall(r"^\tm/(\w) v1\.(\d+)\.0( // indirect)?$", made.decode(), re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows}) == made.count(b"\tm/")
    before, mine, other = ({name: (minor, indirect) for name, minor, indirect in side} for side in sides)
    found = {name: (int(minor), bool(indirect)) for name, minor, indirect in rows if name not in "0z"}
    for name in {*before, *mine, *other}:
        old, one, two = before.get(name), mine.get(name), other.get(name)
        if one in (old, two) or two == old:
            assert found.get(name) == (two if one == old else one), name
        else:
            assert one, "removed here and changed there is a conflict"
            assert two, "changed here and removed there is a conflict"
            assert found[name][0] == max(one[0], two[0])
            assert found[name][1] in (one[1], two[1])


# Changelogs: a fact is an entry under its headings.

ENTRY = st.tuples(st.sampled_from("mnopqrst"), st.sampled_from(["", "\n  more", "\n\n  more"]))


def changelog_facts(text: str) -> Facts:
    found: Facts = Counter()
    release = section = entry = ""
    for line in [*text.splitlines(), "- "]:
        if entry and (line.startswith(("- ", "#"))):
            found[release, section, entry] += 1
            entry = ""
        if line.startswith("## "):
            release, section = line, ""
        elif line.startswith("### "):
            section = line
        elif line.startswith("- "):
            entry = line
        elif entry and line.strip():
            entry += line
    return found


@fuzzed
@given(edited(ENTRY, 4), edited(ENTRY, 4), st.sampled_from(["", "ours", "theirs"]), st.booleans())
def test_changelogs(added: tuple[list[Any], ...], fixed: tuple[list[Any], ...], cut: str, renamed: bool) -> None:
    def text(which: int, released: bool) -> str:
        body = "".join(
            f"\n### {title}\n\n" + "".join(f"- {word} {title}{more}\n" for word, more in rows)
            for title, rows in (("Added", added[which]), ("Fixed", fixed[which]))
            if rows
        )
        head = "## 1.1\n" if released and renamed else "## Unreleased\n\n## 1.1\n" if released else "## Unreleased\n"
        return f"# Changes\n\n{head}{body}\n## 1.0\n\n- start\n"

    texts = [text(0, False), text(1, cut == "ours"), text(2, cut == "theirs")]
    check("CHANGELOG.md", changelog_facts, *texts)


# schema.rb: a fact is a column, index or table with all that is said of it; each name stands once.

COLUMN = st.tuples(NAMES, st.sampled_from(["string", "integer"]))


def schema_facts(text: str) -> Facts:
    found: Facts = Counter()
    table = ""
    names: Counter[tuple[str, str]] = Counter()
    for line in text.splitlines()[1:]:
        if opened := re.match(r'  create_table "(\w+)"', line):
            table = opened[1]
            found[table] += 1
        elif column := re.match(r'    t\.\w+ "(\w+)"', line):
            names[table, column[1]] += 1
            found[table, line] += 1
    assert all(times == 1 for times in names.values()), "one column twice"
    return found


@fuzzed
@given(edited(COLUMN), edited(COLUMN, 4), st.lists(st.sampled_from(["alpha", "beta"]), unique=True))
def test_schema_dumps(users: tuple[list[Any], ...], orders: tuple[list[Any], ...], more: list[str]) -> None:
    def table(name: str, rows: list[Any]) -> str:
        return (
            f'  create_table "{name}" do |t|\n' + "".join(f'    t.{kind} "{key}"\n' for key, kind in rows) + "  end\n\n"
        )

    texts = []
    for which in range(3):
        tables = {"orders": orders[which], "users": users[which]} | (
            {more[which - 1]: [("x", "string")]} if 0 < which <= len(more) else {}
        )
        body = "".join(table(name, rows) for name, rows in sorted(tables.items()))
        texts.append(f"ActiveRecord::Schema[7.1].define(version: 2024_0{which + 1}_01_000000) do\n{body}end\n")
    check("db/schema.rb", schema_facts, *texts)


# Registries: a fact is a line; where both insert at one place, either order must mean the same.

REGISTERED = st.sampled_from(
    [
        "    path('a/', v.a),",
        "    path('b/', v.b),",
        "    path('<slug:p>/', v.p),",
        "    path('c/', include('c')),",
        "    path('c/d/', v.d),",
    ]
)


def first_match(routes: list[str], address: str) -> str:
    for route in routes:
        pattern = re.escape(re.findall(r"'([^']*)'", route)[0]).replace("<slug:p>", r"[\w-]+")
        if re.match(pattern + ("" if "include" in route else "$"), address):
            return route
    return ""


@fuzzed
@given(edited(REGISTERED, 4))
def test_registries(sides: tuple[list[str], ...]) -> None:
    texts = ["urlpatterns = [\n" + "".join(f"{row}\n" for row in side) + "]\n" for side in sides]
    made = merge_format(b"urls.py", *(text.encode() for text in texts), lines)
    if not isinstance(made, bytes):
        return
    judge(lambda text: Counter(re.findall(r"    path.*", text)), (texts[0], texts[1], texts[2]), made.decode())
    found = re.findall(r"    path.*", made.decode())
    if any([row for row in side if row in sides[0]] != sides[0] for side in sides[1:]):
        return  # only for insertions is the answer that of a side
    for address in ("a/", "b/", "c/", "c/d/"):
        asked = [first_match(side, address) for side in (*sides, found)]
        changed = {one for one in asked[1:3] if one != asked[0]}
        assert asked[3] in (changed or {asked[0]}), f"{address} leads to {asked[3]}"


# Imports: a fact is a name with where it is from; no name comes to stand for two things.

WRITTEN: dict[str, tuple[Callable[[str, list[str]], str], str]] = {
    "src/app.py": (lambda source, names: f"from {source} import {', '.join(names)}\n", r"from (\w) import (.*)"),
    "src/app.ts": (
        lambda source, names: f'import {{ {", ".join(names)} }} from "{source}";\n',
        r"import \{ (?P<names>.*) \} from \"(?P<source>\w)\";",
    ),
    "src/app.rs": (
        lambda source, names: (
            f"use {source}::{{{', '.join(names)}}};\n" if names[1:] else f"use {source}::{names[0]};\n"
        ),
        r"use (\w)::\{?([\w, ]+)\}?;",
    ),
}
IMPORTED = st.tuples(NAMES, st.lists(st.sampled_from("pqrstuvw"), min_size=1, max_size=3, unique=True).map(sorted))


@fuzzed
@given(edited(IMPORTED, 4), st.sampled_from(list(WRITTEN)), st.booleans())
def test_imports(sides: tuple[list[Any], ...], path: str, in_order: bool) -> None:
    write, pattern = WRITTEN[path]

    def read(text: str) -> Facts:
        found: Facts = Counter()
        for match in re.finditer(pattern, text):
            named = match.groupdict()
            for name in (named.get("names") or match[2]).split(", "):
                found[named.get("source") or match[1], name] += 1
        return found

    texts = ["".join(write(*row) for row in (sorted(side) if in_order else side)) + "\n" for side in sides]
    if lines(*(text.encode() for text in texts)).hunks and check(path, read, *texts):
        made = merge_format(path.encode(), *(text.encode() for text in texts), lines)
        assert isinstance(made, bytes)
        mine, other, found = (Counter(name for _, name in read(text)) for text in (*texts[1:], made.decode()))
        assert all(times <= max(mine[name], other[name]) for name, times in found.items()), "a name for two things"
        if in_order:
            sources = [source for source, _ in read(made.decode())]
            assert sources == sorted(sources)


# Version numbers: where both sides raised one, the higher, and everything else as the side that changed it.

NUMBER = st.tuples(st.integers(0, 2), st.integers(0, 11), st.integers(0, 11))


@fuzzed
@given(st.lists(st.tuples(NUMBER, NUMBER, NUMBER, st.booleans()), min_size=1, max_size=3))
def test_version_lines(rows: list[Any]) -> None:
    def text(which: int) -> str:
        return "".join(
            f"{'version' if own else 'a'} = {'.'.join(map(str, numbers[which]))}\n" for *numbers, own in rows
        )

    made = merge_format(b"setup.cfg", *(text(which).encode() for which in range(3)), lines)
    if not isinstance(made, bytes):
        return
    found = [tuple(map(int, row.split(" = ")[1].split("."))) for row in made.decode().splitlines()]
    for (old, mine, other, own), kept in zip(rows, found, strict=True):
        if old in (mine, other) or mine == other:
            assert kept == (other if mine == old else mine)
            continue
        assert kept == max(mine, other)
        assert min(mine, other) >= old, "one side lowered it"
        assert own or mine[: 1 + (not mine[0])] == other[: 1 + (not mine[0])], "a version that may break"


# TASKS.md: a fact is a task with all its lines, under its heading.


def task_facts(text: str) -> Facts:
    found: Facts = Counter()
    heading = task = ""
    names: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("#"):
            heading, task = line, ""
        elif line.startswith("- ["):
            task = line.split("**")[1]
            names[task] += 1
        elif line.startswith("  "):
            assert task, f"{line!r} belongs to no task"
        elif line:
            task = ""
        if line:
            found[heading, task, line] += 1
    assert all(times == 1 for times in names.values()), "one id twice"
    return found


TASK = st.tuples(
    st.integers(1, 8), st.sampled_from(["One", "Two"]), st.sampled_from(["", "  - files: `a`\n", "\n  More.\n"])
)


@fuzzed
@given(
    edited(TASK, 4),
    edited(TASK.map(lambda one: (one[0] + 10, *one[1:])), 4),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_plans(first: tuple[list[Any], ...], second: tuple[list[Any], ...], notes: list[bool]) -> None:
    def rows(tasks: list[Any]) -> str:
        return "".join(f"\n- [ ] **T-{number}** {title}\n{more}" for number, title, more in tasks)

    texts = [
        f"# Tasks\n\n## A\n{rows(one)}\n## B\n{chr(10) + 'Notes on B.' + chr(10) if note else ''}{rows(two)}"
        for one, two, note in zip(first, second, notes, strict=True)
    ]
    made = merge_plans(*texts)
    assert made is not None
    if isinstance(made, str):
        judge(task_facts, (texts[0], texts[1], texts[2]), made)
        swapped = merge_plans(texts[0], texts[2], texts[1])
        assert isinstance(swapped, str)
        assert task_facts(swapped) == task_facts(made)


@pytest.mark.parametrize("path", ["package.json", "pyproject.toml", "TASKS.md", "CHANGELOG.md", "db/schema.rb"])
def test_the_oracles_see_what_is_wrong(path: str) -> None:
    """A merge that drops or doubles a change does not pass."""
    wrong = {
        "package.json": (json_facts, '{"a": 1}', '{"a": 1, "b": 2}', '{"a": 1, "b": 2, "b": 2}'),
        "pyproject.toml": (toml_facts, "[t]\na = 1\n", "[t]\na = 1\nb = 2\n", "[t]\na = 1\n"),
        "TASKS.md": (task_facts, "## A\n## B\n", "## A\n- [ ] **T-1** x\n## B\n", "## A\n## B\n- [ ] **T-1** x\n"),
        "CHANGELOG.md": (
            changelog_facts,
            "## U\n- a\n## 1\n- z\n",
            "## U\n- a\n- b\n## 1\n- z\n",
            "## U\n- a\n## 1\n- b\n- z\n",
        ),
        "db/schema.rb": (schema_facts, "x\n", 'x\n  create_table "a" do |t|\n', "x\n"),
    }[path]
    read, base, mine, made = wrong
    with pytest.raises(AssertionError):
        judge(read, (base, mine, base), made)
