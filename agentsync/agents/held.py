"""What an agent still holds: named at the start of a session, and once when it stops."""

from __future__ import annotations

from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.query import all_locks
from agentsync.locks.say import show_target, target_word
from agentsync.tasks.claims import all_claims
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from agentsync.judging.scene import Scene
    from agentsync.locks.model import Lock
    from agentsync.tasks.claims import Claim

_NAMED = "held-named"


def held_by(scene: Scene) -> tuple[list[Lock], list[Claim]]:
    """The live locks that this holder took, by command or by an edit, and its claims that are not done."""
    snapshot = scene.store.snapshot()
    locks = [
        one.lock
        for one in all_locks(scene.repo, snapshot)
        if one.live and one.lock.holder == scene.holder and one.lock.kind in ("command", "exclusive")
    ]
    claims = [claim for claim in all_claims(snapshot) if claim.holder == scene.holder and not claim.done]
    return locks, claims


def held_lines(scene: Scene) -> list[str]:
    """What is held, a line each kind."""
    locks, claims = held_by(scene)
    lines = []
    if locks:
        more = f" and {len(locks) - 5} more" if len(locks) > 5 else ""
        lines.append(f"it holds the lock of {', '.join(show_target(lock.target) for lock in locks[:5])}{more}")
    lines += [f"its task is {one_line(claim.id, 60)} {quoted(claim.title, 80)}" for claim in claims[:3]]
    return lines


def reminder(scene: Scene) -> list[str]:
    """What is still held, with what gives it back; once for the same things."""
    locks, claims = held_by(scene)
    key = " ".join([*(lock.target.text for lock in locks), *(claim.id for claim in claims)])
    key = one_line(key, 1000)
    if read_line(private_file(scene.repo, _NAMED)) == key:
        return []
    write_private(scene.repo, _NAMED, key + "\n")
    if not key:
        return []
    lines = ["agentsync: still held here; others wait for what is not given back"]
    if locks:
        lines.append(f"  agentsync unlock {' '.join(target_word(lock.target) for lock in locks[:5])}")
    for claim in claims[:3]:
        word = shell_word(claim.id)
        lines.append(f"  agentsync task done {word}    and commit; or, unfinished: agentsync task release {word}")
    return [*lines, "  nothing to do if the work goes on later; this is said once"]
