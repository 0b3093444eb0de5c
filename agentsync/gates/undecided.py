"""What a gate could not decide in its time: it passed, stays unjudged, is said so, and costs later commits nothing."""

from __future__ import annotations

import os

from agentsync.git.repo import read_line
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.git.repo import Repo

_FOLDER = "undecided"  # beside the state: a file a branch, its first line the tip that passed, then why


def _file(repo: Repo, ref: str) -> str:
    return os.path.join(repo.shared_dir, _FOLDER, ref)


def note_undecided(repo: Repo, moves: Sequence[tuple[str, str]], why: str) -> None:
    """Note branches and the tips that they got though no gate could decide."""
    for ref, new in moves:
        path = _file(repo, ref)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(f"{path}.{os.getpid()}", "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(f"{new}\n{one_line(why)}\n")
            os.replace(f"{path}.{os.getpid()}", path)
        except OSError:
            return


def undecided_tip(repo: Repo, ref: str) -> str:
    """The tip of a branch up to which nothing could be decided, empty where all is."""
    return read_line(_file(repo, ref)) if ref else ""


def why_undecided(repo: Repo, ref: str) -> str:
    """Why no gate could decide, as it was noted first."""
    try:
        with open(_file(repo, ref), encoding="utf-8", errors="surrogateescape") as file:
            return file.read().partition("\n")[2].strip()
    except OSError:
        return ""


def undecided_tips(repo: Repo, ref: str) -> list[str]:
    """The same as a list: what later commits need not try again."""
    tip = undecided_tip(repo, ref)
    return [tip] if tip else []


def undecided_line(repo: Repo, ref: str) -> str:
    """What to say of it, empty where all is decided."""
    tip = undecided_tip(repo, ref)
    name = one_line(ref.removeprefix("refs/heads/"), 100)
    return f"{name} up to {tip[:12]} was not judged, no gate could decide in its time: agentsync check" if tip else ""


def decided(repo: Repo, ref: str) -> None:
    """All of a branch is judged now."""
    try:
        os.unlink(_file(repo, ref))
    except OSError:
        return
