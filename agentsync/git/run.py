"""The one door to the git program.

`os.posix_spawn` instead of `subprocess`: the latter costs 13 ms to import, the gates' whole budget.
"""

from __future__ import annotations

import os
import select
import time

from agentsync.errors import GitError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `git rev-parse --local-env-vars` of git 2.39 to 2.55, and the quarantine path: what ties a call to one repository.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
_RELOCATING = ("GIT_COMMON_DIR", "GIT_DIR", "GIT_IMPLICIT_WORK_TREE", "GIT_PREFIX", "GIT_WORK_TREE")


class OutOfTimeError(GitError):
    """A gate may not take longer than its deadline."""


_deadline = [0.0]


def set_deadline(seconds: float) -> None:
    """Let every wait of this process end `seconds` from now; gates must never hang a commit."""
    _deadline[0] = time.monotonic() + seconds


def stop_after(seconds: int) -> None:
    """Raise OutOfTimeError in this process `seconds` from now, whatever it does (alarm(2), where there is one)."""
    try:
        import _signal  # `signal` costs 3 ms more

        _signal.signal(_signal.SIGALRM, _out_of_time)
        _signal.alarm(seconds)
    except (ImportError, AttributeError, ValueError):
        return


def _out_of_time(_number: int, _frame: object) -> None:
    raise OutOfTimeError("out of time", "a gate took too long")


def time_left() -> float:
    """Seconds until the deadline, infinite when none is set."""
    return _deadline[0] - time.monotonic() if _deadline[0] else float("inf")


class Result(NamedTuple):
    """What a git process left: exit code and its two streams."""

    code: int
    out: bytes
    err: bytes


def _steady(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        **environ,
        "GIT_NO_REPLACE_OBJECTS": "1",  # a replaced commit would be judged by what stands in for it
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


def scrubbed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what would tie a git call to the repository that a hook runs for."""
    return _steady({name: value for name, value in environ.items() if name not in LOCAL_VARIABLES})


def handed_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` for calls about the repository that git handed us: its index and quarantine stay."""
    return _steady({name: value for name, value in environ.items() if name not in _RELOCATING})


# What a gate takes over of the caller's git variables: where objects and the index are, who commits, which files
# hold the user's configuration. All else (`-c`, GIT_CONFIG_*, pathspec modes, external diffs, grafts, traces) would
# let whoever is judged decide how the judge's git reads and prints (git(1), "Environment Variables").
_HANDED_OVER = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_NOSYSTEM",
    "GIT_CONFIG_SYSTEM",
    "GIT_DIR",
    "GIT_EXEC_PATH",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_QUARANTINE_PATH",
    "GIT_REFLOG_ACTION",  # tells which command runs, for what a refusal prints
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
_NO_FILE = os.path.join(os.devnull, "none")  # git warns of an empty one
_HANDED_OVER_PREFIXES = ("GIT_AUTHOR_", "GIT_COMMITTER_")
# git-config(1): what changes how the plumbing that a gate reads compares and prints; also what a file sets.
FIXED_CONFIGURATION = (
    ("color.ui", "false"),
    ("core.attributesFile", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.quotePath", "true"),
    ("diff.algorithm", "myers"),
    ("diff.context", "3"),
    ("diff.ignoreSubmodules", "none"),
    ("diff.indentHeuristic", "false"),
    ("diff.interHunkContext", "0"),
    ("diff.mnemonicPrefix", "false"),
    ("diff.noPrefix", "false"),
    ("diff.orderFile", os.devnull),
    ("diff.relative", "false"),
    ("diff.renames", "false"),
    ("diff.submodule", "short"),
    ("diff.suppressBlankEmpty", "false"),
    ("i18n.commitEncoding", "UTF-8"),
    ("i18n.logOutputEncoding", "UTF-8"),
    ("merge.conflictStyle", "merge"),
    ("rerere.enabled", "false"),
)


def judging_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` as a gate's git gets it: nothing that the caller set decides what that git answers."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_") or name in _HANDED_OVER or name.startswith(_HANDED_OVER_PREFIXES)
    }
    fixed = {"GIT_CONFIG_COUNT": str(len(FIXED_CONFIGURATION)), "GIT_GRAFT_FILE": _NO_FILE}
    fixed |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}  # in a partial clone git would go and fetch
    for index, (key, value) in enumerate(FIXED_CONFIGURATION):
        fixed |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    return {**kept, **fixed}


def find_git(environ: Mapping[str, str]) -> str:
    """The git program's path; git puts its own folder first on a hook's PATH.

    Raises GitError where there is none.
    """
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        candidate = os.path.join(folder, "git")
        if folder and os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            return candidate
    raise GitError("git is not on PATH", "agentsync keeps its state with git", "install git 2.39 or newer")


def spawn(argv: Sequence[str | bytes], environ: Mapping[str, str], keep_fd: int = -1) -> tuple[int, int, int, int]:
    """Start `argv` and return (pid, its stdin, its stdout, its stderr); `keep_fd` is inherited."""
    in_read, in_write = os.pipe()
    out_read, out_write = os.pipe()
    err_read, err_write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, in_read, 0),
        (os.POSIX_SPAWN_DUP2, out_write, 1),
        (os.POSIX_SPAWN_DUP2, err_write, 2),
    ]
    if keep_fd >= 0:
        os.set_inheritable(keep_fd, True)  # noqa: FBT003 (the standard library's signature)
    try:
        pid = os.posix_spawn(argv[0], list(argv), environ, file_actions=actions)
    finally:
        for fd in (in_read, out_write, err_write):
            os.close(fd)
    return pid, in_write, out_read, err_read


def _converse(fd_in: int, fd_out: int, fd_err: int, stdin: bytes) -> tuple[bytes, bytes]:
    streams: dict[int, list[bytes]] = {fd_out: [], fd_err: []}
    poll = select.poll()
    for fd in streams:
        poll.register(fd, select.POLLIN | select.POLLHUP)
    left = memoryview(stdin)
    if left:
        os.set_blocking(fd_in, False)
        poll.register(fd_in, select.POLLOUT)
    else:
        os.close(fd_in)
    open_fds = set(streams)
    while open_fds:
        left_ms = time_left() * 1000
        if left_ms <= 0:
            raise OutOfTimeError("out of time", "git took too long")
        for fd, _ in poll.poll(None if left_ms == float("inf") else left_ms):
            if fd in streams:
                chunk = os.read(fd, 1 << 20)
                if chunk:
                    streams[fd].append(chunk)
                else:
                    poll.unregister(fd)
                    open_fds.discard(fd)
                    os.close(fd)
                continue
            try:
                left = left[os.write(fd, left[: 1 << 16]) :]
            except BrokenPipeError:
                left = left[len(left) :]
            if not left:
                poll.unregister(fd)
                os.close(fd)
    return b"".join(streams[fd_out]), b"".join(streams[fd_err])


def run_git(
    arguments: Sequence[str | bytes],
    environ: Mapping[str, str],
    *,
    stdin: bytes = b"",
    ok: Sequence[int] = (0,),
    keep_fd: int = -1,
) -> Result:
    """Run git once and wait for it.

    Raises GitError when it ends with a code that is not in `ok` (an empty `ok` takes any).
    """
    pid, fd_in, fd_out, fd_err = spawn([find_git(environ), *arguments], environ, keep_fd)
    try:
        out, err = _converse(fd_in, fd_out, fd_err, stdin)
    except OutOfTimeError:
        os.kill(pid, 15)
        raise
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if ok and code not in ok:
        words = [w if isinstance(w, str) else os.fsdecode(w) for w in arguments]
        pairs = zip(["", *words], words, strict=False)
        verb = next((w for before, w in pairs if before not in ("-C", "-c") and not w.startswith("-")), "git")
        lines = err.decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"]
        raise GitError(f"git {verb} failed", one_line(lines[-1]))
    return Result(code, out, err)
