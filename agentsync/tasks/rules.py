"""The rules of tasks: which may be taken next, whose files overlap. Pure."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from agentsync.tasks.grammar import Task

_WILD = "*?["


def _literal_prefix(pattern: str) -> str:
    cut = min((pattern.index(char) for char in _WILD if char in pattern), default=len(pattern))
    return pattern[:cut]


def _names(pattern: str, path: str) -> bool:
    return matches([pattern], path.encode("utf-8", "surrogateescape"))


def patterns_overlap(one: str, other: str) -> bool:
    """Whether two patterns of `files:` can name the same path; of two with wildcards, whether their starts can."""
    a, b = one.strip("/"), other.strip("/")
    if not a or not b:
        return False
    plain_a, plain_b = not any(c in a for c in _WILD), not any(c in b for c in _WILD)
    if plain_a and plain_b:
        return a == b or a.startswith(b + "/") or b.startswith(a + "/")
    if plain_a or plain_b:
        path, pattern = (a, b) if plain_a else (b, a)
        return _names("/" + pattern, path) or _literal_prefix(pattern).startswith(path + "/")
    start_a, start_b = _literal_prefix(a), _literal_prefix(b)
    return start_a.startswith(start_b) or start_b.startswith(start_a)


def scopes_overlap(one: Sequence[str], other: Sequence[str]) -> str:
    """The first pattern of `one` that can name a path that `other` names too, empty when none can."""
    return next((a for a in one for b in other if patterns_overlap(a, b)), "")


def in_scope(files: Sequence[str], path: bytes) -> bool:
    """Whether a path is inside a task's `files:`."""
    return matches(["/" + item.strip("/") for item in files if not item.startswith("!")], path)


class Waiting(NamedTuple):
    """Why a task is not handed out now."""

    task: Task
    why: str


def available(
    tasks: Sequence[Task], done: Collection[str], claims: Mapping[str, tuple[str, Sequence[str]]]
) -> tuple[list[Task], list[Waiting]]:
    """Which open tasks may be taken, and why the others may not.

    `done` are the ids (lower case) that are met as dependencies; `claims` maps claimed ids (lower case) to their
    holder and files.
    """
    free, waiting = [], []
    for task in tasks:
        if not task.open:
            continue
        claim = claims.get(task.id.lower())
        unmet = [name for name in task.depends if name.lower() not in done]
        if claim:
            waiting.append(Waiting(task, f"claimed by {claim[0]}"))
        elif unmet:
            waiting.append(Waiting(task, f"waits for {', '.join(unmet)}"))
        elif overlap := _overlap(task, claims):
            waiting.append(Waiting(task, overlap))
        else:
            free.append(task)
    return free, waiting


def _overlap(task: Task, claims: Mapping[str, tuple[str, Sequence[str]]]) -> str:
    for name, (holder, files) in claims.items():
        shared = scopes_overlap(task.files, files)
        if shared:
            return f"{shared} overlaps task {name} of {holder}"
    return ""
