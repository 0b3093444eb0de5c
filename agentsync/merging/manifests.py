"""Package manifests three ways: package.json, pyproject.toml, Cargo.toml, requirements files, go.mod. Pure.

Each raises ConflictError where a person must choose, NotMineError where a side cannot be read.
"""

from __future__ import annotations

import itertools
import json
import re
import tomllib

import tomlkit
from packaging.utils import canonicalize_name
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AbstractTable, Array

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.merging.comments import keeps_comments
from agentsync.merging.json_text import merge_json
from agentsync.merging.three_way import (
    ABSENT,
    ConflictError,
    NotMineError,
    key_order,
    merge_sets,
    merge_values,
    refuse,
    same,
)
from agentsync.merging.versions import merge_npm, merge_specifiers, merge_version, requirement, requirement_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping, Sequence

    from agentsync.merging.hunks import LineMerge
    from agentsync.merging.three_way import Path, Policy

_NPM_TABLES = (
    "dependencies", "devDependencies", "peerDependencies", "optionalDependencies", "overrides", "resolutions",
    "catalog", "engines",
)  # fmt: skip


_NPM_SETS = (
    "keywords", "files", "workspaces", "packages", "os", "cpu", "bundleDependencies", "bundledDependencies",
    "onlyBuiltDependencies", "trustedDependencies", "sideEffects",
)  # fmt: skip
_PYPROJECT_SETS = (
    "keywords", "classifiers", "dynamic", "extras", "select", "ignore", "extend-select", "extend-ignore", "include",
    "exclude", "extend-exclude", "omit", "markers", "members", "packages",
)  # fmt: skip
_CARGO_SETS = ("features", "keywords", "categories", "members", "default-members", "include", "exclude")


def merge_package_json(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """package.json: dependencies by range, `version` by height, the rest by key."""
    for table in ("exports", "imports"):
        _require_one_order(table, *(_table_of(side, table) for side in (base, ours, theirs)))
    return merge_json(base, ours, theirs, lines, _package_policy)


def _table_of(text: bytes, table: str) -> object:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value.get(table) if isinstance(value, dict) else None


def _require_one_order(table: str, base: object, ours: object, theirs: object) -> None:
    """Refuse two changes of one map of conditions: the first that applies wins, so the order of its keys counts."""
    maps = [side if isinstance(side, dict) else {} for side in (base, ours, theirs)]
    texts = [json.dumps(side) for side in (base, ours, theirs)]
    if len(set(texts)) < 3:
        return
    if any(not key.startswith((".", "#")) for side in maps for key in side):
        raise ConflictError(f"both change the conditions of {table}, whose order counts")
    for key in {key for side in maps for key in side}:
        _require_one_order(f"{table}.{key}", *(side.get(key) for side in maps))


def _package_policy(path: Path, base: object, ours: object, theirs: object) -> object:
    if ABSENT in (ours, theirs):
        return refuse(path, base, ours, theirs)
    if path and path[-1] in _NPM_SETS and isinstance(ours, list):
        return merge_sets(path, base, ours, theirs)
    if path and path[0] in _NPM_TABLES:
        return merge_npm(base, ours, theirs)
    if path == ("version",):
        return merge_version(base, ours, theirs)
    return refuse(path, base, ours, theirs)


def merge_pyproject(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """pyproject.toml: PEP 508 lists by name, the rest by key."""
    return _merge_toml(base, ours, theirs, lines, _pyproject_policy)


def merge_cargo(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """Cargo.toml: dependencies by range, features as a set, the rest by key."""
    return _merge_toml(base, ours, theirs, lines, _cargo_policy)


def _pyproject_policy(path: Path, base: object, ours: object, theirs: object) -> object:
    if path and (path[-1] in _PYPROJECT_SETS or "per-file-ignores" in path) and isinstance(ours, list):
        return merge_sets(path, base, ours, theirs)
    of_packages = any("depend" in part or part == "requires" for part in path)
    if of_packages and isinstance(ours, list) and isinstance(theirs, list) and isinstance(base, (list, type(ABSENT))):
        return _merge_requirement_lists(path, base if isinstance(base, list) else [], ours, theirs)
    if path and path[-1] in ("version", "current_version") and ABSENT not in (ours, theirs):
        return merge_version(base, ours, theirs)
    if "dependencies" in path and all(isinstance(side, str) for side in (ours, theirs)):
        return merge_npm(base, ours, theirs)  # Poetry's carets and tildes are npm's
    return refuse(path, base, ours, theirs)


def _cargo_policy(path: Path, base: object, ours: object, theirs: object) -> object:
    if ABSENT in (ours, theirs):
        return refuse(path, base, ours, theirs)
    if path and (path[-1] in _CARGO_SETS or path[0] == "features") and isinstance(ours, list):
        return merge_sets(path, base, ours, theirs)
    if path == ("package", "version"):
        return merge_version(base, ours, theirs)
    if any(part.endswith("dependencies") for part in path):
        texts = [side for side in (base, ours, theirs) if isinstance(side, str)]
        if len(texts) >= 2 and isinstance(ours, str) and isinstance(theirs, str):
            carets = {_caret(text): text for text in texts}
            before = _caret(base) if isinstance(base, str) else base
            return carets[merge_npm(before, _caret(ours), _caret(theirs))]
    return refuse(path, base, ours, theirs)


def _caret(text: str) -> str:
    """Cargo's bare versions mean a caret."""
    return "^" + text if text[:1].isdigit() else text


def _merge_requirement_lists(
    path: Path, base: Sequence[object], ours: Sequence[object], theirs: Sequence[object]
) -> object:
    keyed = [_by_requirement(side) for side in (base, ours, theirs)]
    if any(side is None for side in keyed):
        return refuse(path, base, ours, theirs)
    before, mine, other = (side or {} for side in keyed)
    _require_one_say(before, mine, other)
    merged = []
    for key in key_order(list(before), list(mine), list(other)):
        value = merge_values(before.get(key, ABSENT), mine.get(key, ABSENT), other.get(key, ABSENT), _one_requirement)
        if value is not ABSENT:
            merged.append(value)
    return merged


def _require_one_say(before: Mapping[str, str], mine: Mapping[str, str], other: Mapping[str, str]) -> None:
    """Refuse two changes of what is said of one package by several lines, or under new extras or another marker."""
    for name in {_name_in(key) for side in (before, mine, other) for key in side}:
        said = [{key: line for key, line in side.items() if _name_in(key) == name} for side in (before, mine, other)]
        changed_twice = said[1] not in (said[0], said[2]) and said[2] != said[0]
        if changed_twice and len({key for side in said for key in side}) > 1:
            raise ConflictError(f"{name}: {', '.join(said[1].values())} here, {', '.join(said[2].values())} there")


def _name_in(key: str) -> str:
    return re.split(r"[\[@]", key)[0]


def _by_requirement(items: Sequence[object]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for item in items:
        parsed = requirement(item) if isinstance(item, str) else None
        if parsed is None or requirement_key(parsed) in found:
            return None
        found[requirement_key(parsed)] = str(item)
    return found


def _one_requirement(path: Path, base: object, ours: object, theirs: object) -> object:
    """Two changed lines about one package: the one whose specifiers are right for both."""
    sides = [requirement(side) if isinstance(side, str) else None for side in (ours, theirs)]
    if sides[0] is None or sides[1] is None or sides[0].url or sides[1].url:
        return refuse(path, base, ours, theirs)
    old = requirement(base) if isinstance(base, str) else None
    texts = [str(side.specifier) for side in sides if side]
    chosen = merge_specifiers(str(old.specifier) if old else None, texts[0], texts[1])
    return ours if chosen == texts[0] else theirs


def _merge_toml(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge, policy: Policy) -> bytes:
    try:
        mine, other = (tomllib.loads(side.decode()) for side in (ours, theirs))
    except ValueError as error:
        raise NotMineError(f"not TOML: {error}") from error
    try:
        old = tomllib.loads(base.decode())
    except ValueError:
        return lines(base, ours, theirs).checked(_is_toml)
    merged = merge_values(old, mine, other, policy)
    assert isinstance(merged, dict)  # noqa: S101 (three maps merge to a map)
    for text in itertools.chain(lines(base, ours, theirs).readings(), _spliced(ours, theirs, merged)):
        if _says(text, merged) and keeps_comments(text, base, ours, theirs):
            return text
    raise ConflictError("no text says what was merged, with every comment")


def _is_toml(text: bytes) -> bool:
    try:
        tomllib.loads(text.decode())
    except ValueError:
        return False
    return True


def _says(text: bytes, merged: object) -> bool:
    return _is_toml(text) and same(tomllib.loads(text.decode()), merged)


def _spliced(ours: bytes, theirs: bytes, merged: Mapping[str, object]) -> Iterator[bytes]:
    """Ours with what the merge changes written into it."""
    try:
        document, source = tomlkit.parse(ours.decode()), tomlkit.parse(theirs.decode())
        _write_table(document, merged, source)
        yield tomlkit.dumps(document).encode()
    except (TOMLKitError, TypeError, ValueError):
        return


def _write_table(
    table: MutableMapping[str, object], wanted: Mapping[str, object], source: Mapping[str, object]
) -> None:
    """Change a tomlkit table to the wanted values, with theirs' own text (comments too) for what is new."""
    for key in [key for key in table if key not in wanted]:
        del table[key]
    for key, value in wanted.items():
        known = table.get(key, ABSENT)
        plain = known.unwrap() if hasattr(known, "unwrap") else known
        if known is not ABSENT and same(plain, value):
            continue
        inner = source.get(key, ABSENT)
        if isinstance(known, AbstractTable) and isinstance(value, dict):
            _write_table(known, value, inner if isinstance(inner, AbstractTable) else {})
        elif isinstance(known, Array) and isinstance(value, list):
            _write_array(known, value)
        else:
            theirs = inner.unwrap() if hasattr(inner, "unwrap") else inner
            table[key] = inner if inner is not ABSENT and same(theirs, value) else value


def _write_array(array: Array, wanted: list[object]) -> None:
    for index in range(len(array) - 1, -1, -1):
        if not any(same(_plain(array[index]), item) for item in wanted):
            del array[index]
    for index, item in enumerate(wanted):
        if index >= len(array) or not same(_plain(array[index]), item):
            array.insert(index, item)


def _plain(value: object) -> object:
    return value.unwrap() if hasattr(value, "unwrap") else value


class _Block(NamedTuple):
    """A requirement with its continuation lines and the comments above it, or other lines (empty key)."""

    key: str
    line: str
    text: str


def merge_requirements(base: bytes, ours: bytes, theirs: bytes, lines: LineMerge) -> bytes:
    """requirements.txt: line by line by package; in a compiled file, which its tool makes, only as git merges it."""
    try:
        texts = [side.decode("utf-8") for side in (base, ours, theirs)]
    except UnicodeDecodeError as error:
        raise NotMineError(str(error)) from error
    sides = [_requirement_blocks(text) for text in texts]
    keyed = [{block.key: block for block in side} for side in sides]
    if any(len(known) != len(side) for known, side in zip(keyed[1:], sides[1:], strict=True)):
        raise NotMineError("a package stands twice")
    _require_one_say(*({key: block.line for key, block in known.items() if key} for known in keyed))
    compiled = any("--hash=" in text or "autogenerated by" in text for text in texts)
    merged = []
    for key in key_order(*(list(known) for known in keyed)):
        block = _merge_blocks(*(known.get(key) for known in keyed), compiled=compiled)
        if block is not None:
            merged.append(block)
    spliced = "".join(
        block.text if block.text.endswith("\n") or block is merged[-1] else block.text + "\n" for block in merged
    ).encode()
    said = sorted((block.key, block.line) for block in merged if block.key)
    read = lines(base, ours, theirs)
    for text in filter(None, [read.clean]) if compiled else itertools.chain(read.readings(), [spliced]):
        blocks = _requirement_blocks(text.decode("utf-8", "replace"))
        found = sorted((block.key, block.line) for block in blocks if block.key)
        if found == said and keeps_comments(text, base, ours, theirs):
            return text
    raise ConflictError("no text says what was merged, with every comment")


def _merge_blocks(base: _Block | None, ours: _Block | None, theirs: _Block | None, *, compiled: bool) -> _Block | None:
    texts = [block.text.strip() if block else None for block in (base, ours, theirs)]
    if texts[1] == texts[2] or texts[2] == texts[0]:
        return ours
    if texts[1] == texts[0]:
        return theirs
    if ours is None or theirs is None or (compiled and ours.line != theirs.line):
        raise ConflictError(f"{texts[1]} here, {texts[2]} there")
    if ours.line == theirs.line or not ours.line:
        return ours  # whose comments, the reading shows
    chosen = _one_requirement((), base.line if base else ABSENT, ours.line, theirs.line)
    return ours if chosen == ours.line else theirs


def _requirement_blocks(text: str) -> list[_Block]:
    blocks: list[_Block] = []
    pending = ""
    lines = text.splitlines(keepends=True)
    index = 0
    while index < len(lines):
        line = lines[index]
        while line.rstrip().endswith("\\") and index + 1 < len(lines):
            index += 1
            line += lines[index]
        index += 1
        bare = re.sub(r"(^|\s)#.*", "", line).strip()
        if not bare:
            pending += line
            continue
        blocks.append(_Block(_line_key(bare), bare, pending + line))
        pending = ""
    return [*blocks, _Block("", "", pending)] if pending else blocks


_SEVERAL = ("-r", "--requirement", "-c", "--constraint", "-f", "--find-links", "--extra-index-url", "--trusted-host")


def _line_key(bare: str) -> str:
    """What a line is about: a package, the place it comes from without the version there, or an option of pip."""
    parsed = requirement(re.split(r"\s+--hash=|\s*\\\n", bare)[0].strip())
    if parsed:
        return requirement_key(parsed)
    if egg := re.search(r"[#&]egg=([\w.-]+)", bare):
        return f"{canonicalize_name(egg[1])}@"
    option = re.split(r"[\s=]", bare)[0]
    if not bare.startswith("-") or option in ("-e", "--editable"):
        return "=" + re.sub(r"(\.git)?(@[^/@]*)?(#.*)?$", "", bare)
    return "=" + (bare if option in _SEVERAL else option)
