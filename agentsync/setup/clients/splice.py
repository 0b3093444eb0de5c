"""JSON settings of somebody else's, changed by splicing text: every byte that is not ours stays. Pure.

All of it raises ValueError for what is not strict JSON, such as a file with comments, or not of the expected shape.
"""

from __future__ import annotations

import functools
import json

from agentsync.lean import TYPE_CHECKING
from agentsync.merging.json_text import Member, Node, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NEW = "{}\n"


@functools.lru_cache(maxsize=2)  # each step asks for the same text's places several times
def parsed(text: str) -> Node:
    """The document's value; its `at` and `end` are places in `text`."""
    before, node, _ = parse_json(text.encode("utf-8", "surrogateescape"))
    if not isinstance(node.value, dict):
        raise ValueError("it is no object")
    if not text.startswith(before + node.text):
        raise ValueError("it begins with a byte order mark")
    return node


def put(text: str, keys: Sequence[str], value: object) -> str:
    """The text with `value` at `keys`, where nothing stands there; what lies between is made."""
    node, level = parsed(text), 1
    for index, key in enumerate(keys):
        if not isinstance(node.value, dict):
            raise ValueError(f"{keys[index - 1]} is no object")
        member = next((one for one in node.members if one.key == key), None)
        if member is None:
            inner = value
            for outer in reversed(keys[index + 1 :]):
                inner = {outer: inner}
            return _insert(text, node, json.dumps(key) + ": " + _rendered(text, inner, level), level)
        node, level = member.value, level + 1
    return text


def append(text: str, keys: Sequence[str], item: object) -> str:
    """The text with `item` at the end of the list at `keys`, which is made where there is none."""
    with_list = put(text, keys, [])
    node, level = parsed(with_list), 1
    for key in keys:
        node, level = next(one.value for one in node.members if one.key == key), level + 1
    if not isinstance(node.value, list):
        raise ValueError(f"{keys[-1]} is no list")
    return _insert(with_list, node, _rendered(with_list, item, level), level)


def _insert(text: str, container: Node, rendered: str, level: int) -> str:
    if container.members:
        at = container.members[-1].value.end
        return text[:at] + "," + container.gap + rendered + text[at:]
    line, unit = _style(text)
    inside = line + unit * level + rendered + line + unit * (level - 1) if line else rendered
    return text[: container.at + 1] + inside + text[container.end - 1 :]


def _style(text: str) -> tuple[str, str]:
    """The line end and the indent of one level; both empty where the document stands on one line."""
    root = parsed(text)
    if root.members and "\n" not in root.lead:
        return "", ""
    line = "\r\n" if "\r\n" in text else "\n"
    return line, root.lead.rpartition("\n")[2] if root.members else "  "


def _rendered(text: str, value: object, level: int) -> str:
    line, unit = _style(text)
    if not line:
        return json.dumps(value, ensure_ascii=False)
    dumped = json.dumps(value, ensure_ascii=False, indent=unit)
    return dumped.replace("\n", line + unit * level)


def take_out(text: str, ours: Callable[[object], bool]) -> str:
    """The text without the list items and members whose value is ours, and without what is empty for it."""
    while (place := _first(parsed(text), ours)) is not None:
        container, index = place
        text = _cut(text, container, index)
        text = _without_empty(text, container.at)
    return text


def _first(node: Node, ours: Callable[[object], bool]) -> tuple[Node, int] | None:
    for index, member in enumerate(node.members):
        if ours(member.value.value):
            return node, index
        found = _first(member.value, ours)
        if found:
            return found
    return None


def _cut(text: str, container: Node, index: int) -> str:
    members = container.members
    if len(members) == 1:
        return text[: container.at + 1] + text[container.end - 1 :]
    if index:
        return text[: members[index - 1].value.end] + text[members[index].value.end :]
    return text[: _start(members[0])] + text[_start(members[1]) :]


def _start(member: Member) -> int:
    return member.value.at - len(member.head)


def _without_empty(text: str, at: int) -> str:
    """Take out the container that begins at `at` if nothing is left in it, and so on outwards."""
    path = _path_to(parsed(text), at)
    while len(path) > 1 and not path[-1][0].members:
        container, index = path[-2][0], path[-2][1]
        text = _cut(text, container, index)
        path = _path_to(parsed(text), container.at)
    return text


def _path_to(node: Node, at: int) -> list[tuple[Node, int]]:
    """The containers down to the one that begins at `at`, each with the place of the next in it."""
    if node.at == at:
        return [(node, 0)]
    for index, member in enumerate(node.members):
        if member.value.at <= at < member.value.end:
            return [(node, index), *_path_to(member.value, at)]
    return []
