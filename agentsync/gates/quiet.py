"""What a commit must touch to concern anybody, left for the shims: where it touches none of it, no Python starts.

`quiet` (read by hooks/shim.sh) names the state and the refs that it was made from; `quiet.base` where base and its
upstream are; `quiet.locks` the locked paths. Patterns become shell patterns that match at least as much. A projection:
whatever is not as it says there, or cannot be said there, means that a gate decides.
"""

from __future__ import annotations

import os

from agentsync.config.load import init_copy
from agentsync.config.schema import FILE as SETTINGS_FILE
from agentsync.gates.judge import MIGRATION_HINTS
from agentsync.git.refs import is_reftable, worktrees
from agentsync.git.repo import private_dir_of, read_line
from agentsync.holders.identity import Holder
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.beside import MOST_WORKTREES, SUFFIX
from agentsync.record import text_of
from agentsync.state.paths import LANDING, LOCK, LOCKS, TASKS, from_state
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo
    from agentsync.judging.scene import Scene
    from agentsync.state.store import Snapshot

FORMAT = "agentsync quiet 1"
NAME = "quiet"
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/@+=,-")
_MOST_FOLDERS = 300  # of the state read for the locks; with more the shims start Python
_MOST_TASKS = 300
_MOST_GLOBS = 200


def leave_quiet(scene: Scene, base_goes_to: str = "") -> None:
    """Write the projection for the state as it is now, where it can be said and does not stand already.

    `base_goes_to` is where base will be when the transaction under way is done; it must not change base's settings.
    """
    repo, state = scene.repo, scene.store.current()
    if is_reftable(repo):
        return
    if scene.snapshot.id != state:  # this gate or another has written since
        scene.snapshot = scene.store.snapshot()
        state = scene.snapshot.id
    base = scene.rules.base
    head = [FORMAT, state or "-", f"{base.ref} {base.upstream or '-'}"]
    at = f"{base_goes_to or _loose(repo, base.ref)} {_loose(repo, base.upstream)}"
    if "ref:" in at or _stands(repo, head, at):
        return
    inputs = (os.path.join(repo.common_dir, "config"), os.path.join(repo.common_dir, "packed-refs"), init_copy(repo))
    newest = max(_changed(path) for path in inputs)
    lines = _lines(scene) if newest < scene.opened else None
    if lines is None:
        _drop(repo)
        return
    globs, locks = lines
    _write(repo, ".locks", "".join(f"{one}\n" for one in (head[1], *locks)), 0)
    _write(repo, ".base", at + "\n", 0)
    text = "\n".join([*head, *globs, f"locks {len(locks)}", "end"]) + "\n"
    _write(repo, "", text, newest)


def _path(repo: Repo, part: str) -> str:
    return os.path.join(repo.shared_dir, NAME + part)


def _loose(repo: Repo, ref: str) -> str:
    return (read_line(os.path.join(repo.common_dir, ref)) if ref else "") or "-"


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def _stands(repo: Repo, head: Sequence[str], at: str) -> bool:
    try:
        with open(_path(repo, ""), encoding="utf-8", errors="replace") as file:
            known = [file.readline().rstrip("\n") for _ in head]
        newest = max(_changed(os.path.join(repo.common_dir, name)) for name in ("config", "packed-refs"))
        return known == list(head) and read_line(_path(repo, ".base")) == at and newest <= _changed(_path(repo, ""))
    except OSError:
        return False


def _drop(repo: Repo) -> None:
    try:
        os.unlink(_path(repo, ""))
    except OSError:
        return


def _write(repo: Repo, part: str, text: str, changed: int) -> None:
    """Write one of the files; `changed` (nanoseconds) becomes its time, so that what is written later is newer."""
    path = _path(repo, part)
    try:
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        if changed:
            os.utime(f"{path}.{os.getpid()}", ns=(changed, changed))
        os.replace(f"{path}.{os.getpid()}", path)
    except OSError:
        return


def _lines(scene: Scene) -> tuple[list[str], list[str]] | None:
    """The lines of the projection and of its locks; None where something cannot be said there."""
    config, snapshot = scene.rules.config, scene.snapshot
    if LANDING in snapshot.tree(b"") or (config.patterns("contracts.paths") and config.level("contracts") != "off"):
        return None
    globs = _globs(scene.rules)
    claims = _claims(scene)
    tops, locks = _tops(scene), _locked(snapshot) if config.level("locks") != "off" else []
    if claims is None or tops is None or locks is None or len(globs) + len(claims) > _MOST_GLOBS:
        return None
    lines = [f"glob {glob}" for glob in globs] + claims + [f"top {top}" for top in tops]
    return [*lines, f"claims {config.level('claims')}"], locks


def _globs(rules: InForce) -> list[str]:
    config = rules.config
    fixed = ["TASKS.md", SETTINGS_FILE, "pyproject.toml", "*" + SUFFIX.decode()]
    if config.level("numbers") != "off":
        fixed += [f"*{_in_any_case(hint.decode())}*" for hint in MIGRATION_HINTS]
        fixed += [f"{above}{start}*[_-]*" for above in ("", "*/") for start in ("[0-9]", "[VURBvurb][0-9]")]
        fixed += [glob for series in config.series for glob in shell_globs("/" + series.path)]
    keys = {"locks": "locks.exclusive", "protected": "protect.paths", "phases": "phases.sequential"}
    found = [
        glob
        for level, key in keys.items()
        if config.level(level) != "off"
        for pattern in config.patterns(key)
        for glob in shell_globs(pattern)
    ]
    return list(dict.fromkeys([*fixed, *found]))


def _in_any_case(word: str) -> str:
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in word)


def shell_globs(pattern: str) -> list[str]:
    """Patterns of the shell's `case` that match all that a gitignore pattern names, and perhaps more.

    There `*` matches slashes too. A negated pattern names nothing.
    """
    if pattern.startswith("!") or not pattern.strip("/ "):
        return []
    body = pattern.rstrip("/ ")
    anchored = "/" in body
    glob = _superset(body.lstrip("/"))
    ways = [glob] if anchored else [glob, f"*/{glob}"]
    return [end for way in ways for end in (way, f"{way}/*")]


def _superset(body: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(body):
        char = body[at]
        at += 1
        if char == "*":
            while body[at : at + 1] == "*":
                at += 1
            if body[at : at + 1] == "/" and body[max(at - 2, 0) : at] == "**":
                at += 1  # `**/` may name no folder at all
            out.append("*")
        elif char == "?":
            out.append("?")
        elif char in _PLAIN:
            out.append(char)
        else:  # classes, escapes, what is not plain
            out.append("*")
            if char == "[":
                break
            at += char == "\\"
    glob = "".join(out)
    return glob if not body.count("[") else glob.rstrip("*") + "*"


def _claims(scene: Scene) -> list[str] | None:
    """Whose task is which, and the files of others' tasks."""
    snapshot, config = scene.snapshot, scene.rules.config
    if TASKS not in snapshot.tree(b""):
        return []
    if len(snapshot.tree(TASKS)) > _MOST_TASKS:
        return None
    from agentsync.tasks.claims import all_claims  # only where there are any

    lines: list[str] = []
    tasks: set[str] = set()
    for claim in all_claims(snapshot):
        key = claim.holder.key
        lines.append(f"claimed {key}")
        if not claim.done and key not in tasks:
            tasks.add(key)
            lines.append(f"task {key} {one_line(claim.id)}")
        if not claim.done and config.level("scope") != "off":
            globs = [glob for pattern in claim.files for glob in shell_globs(pattern)]
            lines += [f"scope {claim.holder.worktree} {glob}" for glob in globs]
    return list(dict.fromkeys(lines))


def _tops(scene: Scene) -> list[str] | None:
    """Where hand-made markers may stand."""
    config = scene.rules.config
    if config.text("locks.markers") == "off" or config.level("locks") == "off":
        return []
    used = [
        one.top for one in worktrees(scene.repo) if os.path.exists(os.path.join(private_dir_of(one.git_dir), "alive"))
    ]
    plain = all(top == one_line(top, len(top) + 1) for top in used)
    return used if plain and len(used) <= MOST_WORKTREES else None


def _locked(snapshot: Snapshot) -> list[str] | None:
    """The locked paths (`=path`), whose each is (`KEY =path`), and the folders above them (`^path`)."""
    found: list[str] = []
    for place in _places(snapshot):
        if place is None:
            return None
        path = from_state(place).decode("utf-8", "surrogateescape")
        if "\n" in path:
            return None
        found += [f"={path}", f"{_key_of(snapshot, place)} ={path}"]
        while "/" in path:
            path = path.rpartition("/")[0]
            found.append(f"^{path}")
    return list(dict.fromkeys(found))


def _key_of(snapshot: Snapshot, place: bytes) -> str:
    """Whose lock it is; another kind than one taken by command is never a holder's own here."""
    record = snapshot.get(place) or {}
    holder = Holder(text_of(record, "agent"), text_of(record, "worktree"))
    return holder.key if text_of(record, "kind") == "command" and " " not in holder.key else ""


def _places(snapshot: Snapshot) -> Iterator[bytes | None]:
    """The records of locks, by their names alone; None where there are too many folders to read."""
    left, read = [LOCKS], 0
    while left:
        folder = left.pop()
        read += 1
        if read > _MOST_FOLDERS:
            yield None
            return
        for name, (is_folder, _) in snapshot.tree(folder).items():
            if is_folder:
                left.append(folder + b"/" + name)
            elif name == LOCK:
                yield folder + b"/" + name
