"""A tool call by its shape: the files that it would write, or the command that it would run. Pure.

Tools get new names by the month and keep their shapes: an edit names a path and brings new content, or has a verb that
writes in its name; a command stands under a key that says so. What has neither reads.
"""

from __future__ import annotations

from agentsync.agents.patches import PATCH, diffed_paths, patched_paths
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Keys in lower case, without `_` and `-`.
_PATHS = {
    "filepath", "path", "notebookpath", "targetfile", "absolutepath", "file", "filename", "relativepath", "targetpath",
    "uri", "fileuri", "newpath", "destination", "paths", "files", "filepaths",
}  # fmt: skip
_SOURCES = {"source", "oldpath"}  # changed by a move, and only read by a copy
_CONTENTS = {
    "content", "contents", "filecontent", "filetext", "codecontent", "code", "codeedit", "newstring", "newstr",
    "newtext", "newcontent", "newsource", "replacement", "replacements", "replacementchunks", "edits", "patch", "diff",
    "inserttext", "after", "before", "oldstring", "oldstr", "oldtext",
}  # fmt: skip
_COMMANDS = ("command", "commandline", "cmd", "script", "commands")
_FOLDERS = ("cwd", "workdir", "workingdir", "workingdirectory", "dirpath", "directory")
_PATCHES = {"input", "patch", "patchtext", "patchinput", "diff", "command", "cmd"}
# What says that a path or a command is not one of this machine.
_ELSEWHERE = {"owner", "repo", "repository", "branch", "projectid", "bucket", "container", "containerid", "host"}
# Words of tools' names.
_MOVES = {"move", "rename"}
_WRITES = _MOVES | {
    "edit", "edits", "editor", "multiedit", "notebookedit", "editfiles", "write", "create", "delete", "remove",
    "replace", "patch", "applypatch", "insert", "save", "overwrite", "append", "copy",
}  # fmt: skip
_SHELLS = {"bash", "shell", "powershell", "terminal", "monitor", "execute", "exec"}
# What some editing tools call what they do, under a key that is a command's elsewhere.
_ACTIONS = {"create", "str_replace", "insert", "undo_edit", "strReplace", "append", "write", "delete"}
_READS = "view"
_DEEPEST = 4


class Call(NamedTuple):
    """What a tool call would do: `edits` the paths, or `runs` the command, in `folder` where it names one."""

    edits: bool = False
    paths: tuple[str, ...] = ()
    runs: bool = False
    command: str = ""
    folder: str = ""


def read_call(tool: str, given: object) -> Call:
    """A tool's name (empty where the client gives none) and its arguments as a call."""
    if isinstance(given, str):
        given = {"patch": given} if given.lstrip().startswith(PATCH) else _parsed(given)
    if not isinstance(given, dict):
        return Call()
    words = _words(tool)
    pairs = list(_pairs(given))
    top = {_bare(key): value for key, value in given.items()}
    patched = [*_patched(pairs, words)]
    paths = list(dict.fromkeys([*_named(pairs, words), *patched]))
    if paths and (patched or _is_edit(words, top)) and not words & _SHELLS:
        return Call() if top.get("command") == _READS else Call(edits=True, paths=tuple(paths))
    if _is_command(words, top):
        folder = next((text for key in _FOLDERS for text in _texts(top.get(key))), "")
        return Call(runs=True, command=_script(top), folder=folder)
    return Call()


def _is_edit(words: set[str], top: dict[str, object]) -> bool:
    if top.keys() & _ELSEWHERE:
        return False
    command = top.get("command")
    runs = isinstance(command, str) and command not in (*_ACTIONS, _READS)
    brings = any(key in _CONTENTS and isinstance(value, str | list | dict) for key, value in top.items())
    return bool(words & _WRITES) or (brings and not runs)


def _is_command(words: set[str], top: dict[str, object]) -> bool:
    return any(isinstance(top.get(key), str | list) for key in _COMMANDS) and bool(
        words & _SHELLS or not top.keys() & _ELSEWHERE
    )


def _pairs(value: object, depth: int = 0) -> Iterator[tuple[str, object]]:
    """Each key with its value, in the arguments and in what they hold."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield _bare(key), inner
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for inner in inside if depth < _DEEPEST else ():
        yield from _pairs(inner, depth + 1)


def _named(pairs: Iterable[tuple[str, object]], words: set[str]) -> Iterator[str]:
    keys = _PATHS | _SOURCES if words & _MOVES else _PATHS
    for key, value in pairs:
        for text in _texts(value) if key in keys else ():
            if "://" not in text:
                yield text
            elif text.startswith("file://"):
                from urllib.parse import unquote

                yield unquote(text.removeprefix("file://").removeprefix("localhost"))


def _patched(pairs: Iterable[tuple[str, object]], words: set[str]) -> Iterator[str]:
    """The files of the patches among the arguments; a text about patches, as content, is none."""
    patches = bool(words & {"patch", "applypatch"})
    for key, value in pairs:
        for text in _texts(value) if patches or key in _PATCHES else ():
            if text.lstrip().startswith(PATCH):
                yield from patched_paths(text)
            elif key in ("patch", "diff"):
                yield from diffed_paths(text)


def _texts(value: object) -> list[str]:
    """A text, or the texts in a list."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one]


def _script(top: dict[str, object]) -> str:
    """The command as one text, a line for each of several."""
    key = next(key for key in _COMMANDS if isinstance(top.get(key), str | list))
    value = top[key]
    several = value if key == "commands" and isinstance(value, list) else [{"command": value, "args": top.get("args")}]
    return "\n".join(_line(one) for one in several)


def _line(value: object) -> str:
    """One command as text; `["bash", "-lc", SCRIPT]` is its script."""
    from agentsync.text import shell_word

    if isinstance(value, dict):
        arguments = _texts(value["args"]) if isinstance(value.get("args"), list) else []
        return " ".join([_line(value.get("command")), *map(shell_word, arguments)])
    if not isinstance(value, list):
        return value if isinstance(value, str) else ""
    words = _texts(value)
    if len(words) == 3 and words[1] in ("-c", "-lc"):
        return words[2]
    return " ".join(map(shell_word, words))


def _bare(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _words(name: str) -> set[str]:
    """The words of a tool's name, in lower case: `multi_replace`, `str-replace`, `ApplyPatch`, `developer__shell`."""
    spaced = [" " + char.lower() if char.isupper() else char if char.isalnum() else " " for char in name]
    return {*"".join(spaced).split(), _bare(name)}


def _parsed(text: str) -> object:
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None
