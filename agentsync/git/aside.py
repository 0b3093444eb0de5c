"""Merges in memory stand aside: git lays out a driver's files where it stands, and `git add -A` would take them."""

from __future__ import annotations

import os

from agentsync.git.hashing import object_id
from agentsync.git.repo import Repo

_made: dict[str, str] = {}


def aside(repo: Repo) -> Repo:
    """The repository seen from a folder of ours that holds nothing but the worktree's attributes.

    Merges read them from the work tree only (merge-ort of git 2.39 to 2.55), so they stand there as they stand here.
    """
    if repo.top not in _made:
        _made[repo.top] = _laid_out(repo)
    return repo._replace(top=_made[repo.top])


def _laid_out(repo: Repo) -> str:
    """A folder with a copy of each tracked `.gitattributes`; its name tells what is in it."""
    names = repo.git("ls-files", "-z", "--", ":(glob)**/.gitattributes").out.split(b"\0")
    texts = {name: text for name in names if name and (text := _read(os.path.join(os.fsencode(repo.top), name)))}
    digest = object_id(b"blob", b"".join(name + b"\0" + text + b"\0" for name, text in sorted(texts.items())))
    folder = os.path.join(repo.private_dir, f"aside-{digest[:16]}")
    if not os.path.isdir(folder):
        making = f"{folder}.{os.getpid()}"
        os.makedirs(making, exist_ok=True)
        for name, text in texts.items():
            place = os.path.join(os.fsencode(making), name)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "wb") as file:
                file.write(text)
        try:
            os.rename(making, folder)
        except OSError:  # another process was first: the same is in it
            return making
    return folder


def _read(path: bytes) -> bytes:
    """A regular file's content; git follows no symlinked `.gitattributes`."""
    if os.path.islink(path):
        return b""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
