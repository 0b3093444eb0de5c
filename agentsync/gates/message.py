"""prepare-commit-msg: the index gate's check where it did not run, and an agent's trailers."""

from __future__ import annotations

import os

from agentsync.gates.index_gate import gate_index
from agentsync.gates.receipt import read_receipt
from agentsync.gates.recovery import in_rebase, is_replay
from agentsync.gates.say import OVERRIDE, override_reason
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene


def prepare_message(scene: Scene, arguments: Sequence[str]) -> int:
    """Judge the index unless the receipt of this very git process stands; then add trailers.

    Not to a message still to be written in an editor: left empty it must stay empty, for git to stop there.
    """
    repo = scene.repo
    if in_rebase(repo):
        return 0
    git_pid = repo.environ.get("AGENTSYNC_GIT_PID") or str(os.getppid())
    receipt = read_receipt(repo)
    if receipt is None or receipt.pid != git_pid:
        code = gate_index(scene, "prepare-commit-msg", git_pid)
        if code:
            return code
        receipt = read_receipt(repo)
    trailers = list(receipt.trailers) if receipt and not is_replay(repo) else []
    reason = override_reason(scene)
    if reason:
        trailers.append(f"{OVERRIDE}: {reason}")
    if trailers and takes_trailers(arguments):
        add_trailers(scene, arguments[0], trailers, commented=arguments[1] != "message")
    return 0


def takes_trailers(arguments: Sequence[str]) -> bool:
    """Whether the message is written already: git must still see one to be edited, or a template, as it left it."""
    return len(arguments) > 1 and arguments[1] not in ("", "template")


def add_trailers(scene: Scene, message_file: str, trailers: Sequence[str], *, commented: bool) -> None:
    """Put trailers into a message, each once; an empty one stays empty, and so does one of comments, where they go."""
    with open(message_file, "rb") as file:
        message = file.read()
    if not any(line.strip() and not (commented and line.startswith(b"#")) for line in message.split(b"\n")):
        return
    # without its end of line git would take the subject for a trailer
    whole = message if message.endswith(b"\n") else message + b"\n"
    options = [word for trailer in trailers for word in ("--trailer", trailer)]
    words = ("interpret-trailers", "--if-exists", "addIfDifferent", *options)
    with_trailers = scene.repo.git(*words, stdin=whole).out
    aside = f"{message_file}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(with_trailers)
    os.replace(aside, message_file)
