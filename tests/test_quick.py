"""The quick way of reading the command line knows what click knows, and leaves the rest to it."""

from __future__ import annotations

import click
import pytest
from conftest import Tree

from agentsync.cli.app import LazyGroup
from agentsync.cli.quick import OPTIONS


def command(name: str) -> click.Command:
    group = LazyGroup()
    first, *rest = name.split()
    found = group.get_command(click.Context(group), first)
    for word in rest:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    assert found is not None
    return found


@pytest.mark.parametrize("name", OPTIONS)
def test_quick_options_are_clicks(name: str) -> None:
    known = {flag: str(one.name) for one in command(name).params for flag in one.opts if flag.startswith("--")}
    left_to_click = {"--wait", "--files"}
    assert OPTIONS[name] == {flag: field for flag, field in known.items() if flag not in left_to_click}


@pytest.mark.parametrize(
    "words", [["lock", "--help"], ["lock", "--reason=x", "a.txt"], ["lock", "a.txt", "--wait", "1s"]]
)
def test_what_is_not_plain_goes_to_click(one: Tree, words: list[str]) -> None:
    one.synced(*words)


@pytest.mark.parametrize("words", [["lock", "--nope"], ["lock", "a", "--reason"], ["task", "claim"], ["task", "nope"]])
def test_wrong_words_are_explained(one: Tree, words: list[str]) -> None:
    done = one.sync(*words)
    assert done.code == 2
    assert done.err.startswith("agentsync: ")
    assert done.err.strip().endswith("--help")
