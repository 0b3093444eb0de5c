"""gitignore patterns: read as git reads them, in linear time."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from conftest import hermetic_environment
from hypothesis import given, settings
from hypothesis import strategies as st

from agentsync.config.patterns import matches

PIECES = [
    *("*", "**", "***", "?", "/", "**/", "/**", "/**/", "\\", "\\/", "[", "]", "!", "^", "-", "#", " ", "\\ ", "[!a]"),
    *("[a-c]", "[^b]", "[]a]", "[!]a]", "[a-]", "[-a]", "[\\]]", "[b-\\d]", "[[]", "[[:", "[[:alpha:]", "[[:digit:]]*"),
    *("[[:alpha:]]", "[[:punct:]]", "[[:nope:]]", "[[:space:][:upper:]]", "[:alpha:]", "[[::]]", "[[:]]", "[a/b]"),
    *("a", "b", "c", "ab", "A", "0", ".", ".sql", "é", "a/", "b/", "c/", "ab/", "*.sql", "x\\", "\\*", "\\!", "\\#"),
]
patterns = st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join), min_size=1, max_size=4)
names = st.text("aabbc A0.-]!#é\\[*é~\t", min_size=1, max_size=5).filter(lambda name: name not in (".", "..", ".git"))
paths = st.lists(st.lists(names, min_size=1, max_size=4).map("/".join), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("patterns")
    subprocess.run(["git", "init", "-q", str(folder)], check=True, env=hermetic_environment(folder))
    return folder


def ignored_by_git(folder: Path, lines: list[str], asked: list[str]) -> set[str]:
    (folder / "excludes").write_bytes("".join(f"{line}\n" for line in lines).encode())
    words = ["git", "-c", f"core.excludesFile={folder}/excludes"]
    done = subprocess.run(
        [*words, "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=folder,
        env=hermetic_environment(folder),
        input="\0".join(asked).encode(),
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return {path.decode() for path in done.stdout.split(b"\0") if path}


@settings(max_examples=300)
@given(patterns, paths)
def test_patterns_name_what_git_ignores(scratch: Path, lines: list[str], asked: list[str]) -> None:
    ours = {path for path in asked if matches(lines, path.encode())}
    assert ours == ignored_by_git(scratch, lines, asked)


@pytest.mark.parametrize(
    ("lines", "named", "others"),
    [
        (["[[:digit:]]*.sql"], ["0001_init.sql", "db/1.sql"], ["init.sql"]),
        (["[[:alpha:]]/"], ["a/x", "y/b/x"], ["a", "1/x"]),
        (["/a"], ["a", "a/b"], ["b/a"]),
        (["a/b"], ["a/b", "a/b/c"], ["x/a/b"]),
        (["a/**/b"], ["a/b", "a/x/b", "a/x/y/b"], ["a/xb", "b"]),
        (["a/**"], ["a/b", "a/b/c"], ["a", "b/a"]),
        (["**/b"], ["b", "a/b"], ["ab"]),
        (["x/a**/b"], ["x/ab", "x/a/y/b"], ["x/cb"]),
        (["*.sql", "!keep.sql"], ["a.sql"], ["keep.sql", "a/keep.sql"]),
        (["a/", "!a/keep"], ["a/keep"], ["a"]),
        (["a  "], ["a"], ["a  "]),
        (["a\\ "], ["a "], ["a"]),
        (["\\!a", "\\#b"], ["!a", "#b"], ["a", "b"]),
        (["#a"], [], ["#a", "a"]),
        (["a\\"], [], ["a", "a\\"]),
        (["[", "a[b"], [], ["[", "a[b"]),
        (["A"], ["A"], ["a"]),
        (["?"], ["a"], ["é", "ab"]),
    ],
)
def test_what_each_form_names(scratch: Path, lines: list[str], named: list[str], others: list[str]) -> None:
    assert [path for path in (*named, *others) if matches(lines, path.encode())] == named
    assert ignored_by_git(scratch, lines, [*named, *others]) == set(named)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 40 + "*b", "a" * 4000),
        ("*?" * 40 + "[b]", "a" * 4000),
        ("**/x/" * 40 + "z", "/".join(["x"] * 2000)),
        ("**/*a*b/" * 20 + "**", "/".join(["aaab"] * 1000 + ["aaa"] * 1000)),
        ("[" * 5000, "a" * 4000),
    ],
)
def test_a_pattern_costs_at_most_its_length_times_the_paths(pattern: str, path: str) -> None:
    start = time.process_time()
    matches([pattern], path.encode())
    assert time.process_time() - start < 1.5


def test_a_thousand_patterns_on_twenty_thousand_paths() -> None:
    lines = [f"/src/part{number}/**/gen_*.py" for number in range(600)] + [f"*.kind{number}" for number in range(399)]
    asked = [b"src/part%d/a/b/file_%d.py" % (number % 100, number) for number in range(20_000)]
    start = time.process_time()
    assert not any(matches([*lines, "[x]/*?"], path) for path in asked)
    assert time.process_time() - start < 4
