"""The gates as hooks of pre-commit or prek, which say by variables what git says by arguments."""

from __future__ import annotations

import os
import sys

from agentsync.errors import AgentsyncError
from agentsync.gates.main import HOOKS, run_hook
from agentsync.gates.say import tell
from agentsync.git.repo import from_hook
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHIM = b"# agentsync shim "


def _runs_natively(hook: str, environ: Mapping[str, str]) -> bool:
    """Whether a shim of ours runs this hook as well, chained or not: then it has decided already."""
    try:
        common = from_hook(environ).common_dir
    except AgentsyncError:
        return False
    names = (hook, hook + ".legacy", hook + ".agentsync-chained")
    folders = (os.path.join(common, "hooks"), os.path.join(common, "agentsync", "hooks"))
    for path in (os.path.join(folder, name) for folder in folders for name in names):
        try:
            with open(path, "rb") as file:
                if _SHIM in file.read(400):
                    return True
        except OSError:
            continue
    return False


def _arguments(hook: str, files: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """The arguments that git gives this hook (pre-commit's documentation, "supported git hooks")."""
    if hook == "post-checkout":
        names = ("PRE_COMMIT_FROM_REF", "PRE_COMMIT_TO_REF", "PRE_COMMIT_CHECKOUT_TYPE")
        return [environ.get(name, "") for name in names]
    if hook == "prepare-commit-msg":
        return [*files[:1], environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE", "")]
    if hook == "pre-push":
        return [environ.get("PRE_COMMIT_REMOTE_NAME", ""), environ.get("PRE_COMMIT_REMOTE_URL", "")]
    return list(files)


def pushed_line(environ: Mapping[str, str]) -> str:
    """What git would write to pre-push of the one ref that the framework tells of, empty when it tells none."""
    local, remote = environ.get("PRE_COMMIT_LOCAL_BRANCH", ""), environ.get("PRE_COMMIT_REMOTE_BRANCH", "")
    new, old = environ.get("PRE_COMMIT_TO_REF", ""), environ.get("PRE_COMMIT_FROM_REF", "")
    return f"{local} {new} {remote} {old}" if local and remote and new else ""


def run_from_framework(words: Sequence[str], environ: dict[str, str]) -> int:
    """`agentsync git-hook <stage> [FILE...]`: 0, or 1 from a gate that refuses."""
    if not words or words[0] not in HOOKS:
        tell(f"agentsync: no such hook: {one_line(words[0]) if words else '(none)'}")
        tell("  one of: " + ", ".join(HOOKS))
        return 2
    hook = words[0]
    if environ.get("PRE_COMMIT") and _runs_natively(hook, environ):
        return 0
    if environ.get("PRE_COMMIT") and hook in ("pre-push", "post-rewrite"):
        line = pushed_line(environ) if hook == "pre-push" else ""
        sys.stdin = _Lines(line)  # the frameworks give hooks no stdin
    return run_hook(hook, _arguments(hook, words[1:], environ), environ)


class _Lines:
    """A stdin that holds what git would have written."""

    def __init__(self, text: str) -> None:
        import io

        self.buffer = io.BytesIO(text.encode("utf-8", "surrogateescape"))
