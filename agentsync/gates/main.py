"""The entry of every git hook: `git-hook <name> <args>`.

Gates may refuse. A gate that cannot decide lets the commit pass with one line and no receipt; later gates decide
again. Observers never fail a git command.
"""

from __future__ import annotations

import os
import sys

from agentsync.errors import AgentsyncError, NoRepositoryError
from agentsync.gates.index_gate import gate_index
from agentsync.gates.opening import open_scene
from agentsync.gates.recovery import in_rebase
from agentsync.gates.say import tell
from agentsync.git.refs import HEADS
from agentsync.git.repo import from_hook
from agentsync.git.run import judging_environment, set_deadline, stop_after
from agentsync.holders.identity import why_no_person
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agentsync.git.repo import Repo

GATE_SECONDS = 5.0
PUSH_SECONDS = 60.0  # the last gate before others see it; what goes over a network takes its time anyhow
_PATIENCE = 6  # the time is for git's processes; what a gate does itself ends after as many times that
INDEX_GATES = ("pre-commit", "pre-merge-commit", "prepare-commit-msg")
OBSERVERS = ("post-checkout", "post-commit", "post-merge", "post-rewrite")
HOOKS = (*INDEX_GATES, "reference-transaction", "pre-push", *OBSERVERS)


def _gate(hook: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    repo = from_hook(environ)
    if hook == "reference-transaction":
        from agentsync.gates.ref_gate import gate_refs

        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n")
        if arguments[:1] != ["prepared"] or not any(f" {HEADS}" in line for line in lines):
            return 0
        return _decide(repo, lines, lambda: gate_refs(open_scene(repo), lines))
    if hook == "pre-push":
        from agentsync.gates.push_gate import gate_push

        lines = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").split("\n")
        return gate_push(open_scene(repo), arguments, lines)
    if hook == "prepare-commit-msg":
        from agentsync.gates.message import prepare_message

        return prepare_message(open_scene(repo), arguments)
    if in_rebase(repo):
        return 0  # the rebase's result is judged as a whole, by reference-transaction
    return gate_index(open_scene(repo), hook, environ.get("AGENTSYNC_GIT_PID") or str(os.getppid()))


def _decide(repo: Repo, lines: Sequence[str], gate: Callable[[], int]) -> int:
    """The deciding gate; what it cannot decide is noted, for the next gate, the push and the landing."""
    try:
        return gate()
    except NoRepositoryError:
        raise
    except Exception as error:
        from agentsync.gates.ref_gate import parse_moves
        from agentsync.gates.undecided import note_undecided

        note_undecided(repo, [(move.ref, move.new) for move in parse_moves(repo, lines)], str(error))
        raise


def _observe(hook: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    from agentsync.gates.observers import observe

    observe(hook, arguments, open_scene(from_hook(environ)))
    return 0


def run_hook(hook: str, arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run one hook of ours: 0, or 1 from a gate that refuses."""
    if environ.get("AGENTSYNC") == "0":
        why = why_no_person(environ)
        if not why:
            return 0
        if hook in INDEX_GATES:
            tell(f"agentsync: AGENTSYNC=0 is a person's switch; {why}, so it does not count")
    seconds = PUSH_SECONDS if hook == "pre-push" else GATE_SECONDS
    set_deadline(seconds)
    stop_after(int(seconds * _PATIENCE))
    try:
        return (_observe if hook in OBSERVERS else _gate)(hook, arguments, judging_environment(environ))
    except NoRepositoryError:
        return 0
    except AgentsyncError as error:
        why = "; ".join(part for part in (error.what, error.why) if part)
    except Exception as error:  # whatever our own fault is, it must not stop anybody's commit
        why = f"{type(error).__name__}: {error}"
        if environ.get("AGENTSYNC_DEBUG"):
            raise
    tell(f"agentsync: {hook} could not decide, so nothing was checked: {one_line(why)} (agentsync doctor)")
    return 0


REFUSED = 10  # to the shims: any other code but 0 is a crash, which must not stop a commit


def shim_main() -> int:
    """What the shims in hooks/ start; the rest of the command line is never loaded. Its output is out by then."""
    code = REFUSED if run_hook(sys.argv[1], sys.argv[2:], dict(os.environ)) else 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    return code
