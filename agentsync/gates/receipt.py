"""Receipts: a gate's word that a commit with just this content passed, so that the next gate need not judge again.

The shims read them too, so the layout is fixed (hooks/reference-transaction, hooks/prepare-commit-msg):
the git process and `plain` or `recheck`; the state; the branch; trailers, one a line; an empty line; then what
`git diff-tree -r --raw --no-abbrev --no-renames --root --always --format=%P` prints of the commit.
"""

from __future__ import annotations

import os

from agentsync.git.repo import Repo
from agentsync.holders.registry import private_file, write_private
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

NONE = "-"
SHIM_LINES = 100  # a longer receipt costs sh more than starting Python


class Receipt(NamedTuple):
    """What a gate judged: `plain` when nothing about it concerns the state, so that sh may compare it."""

    pid: str
    plain: bool
    state: str
    ref: str
    trailers: tuple[str, ...]
    content: str


def content_of(parents: Sequence[str], raw: bytes) -> str:
    """The content of a commit to be, as `git diff-tree` will print it."""
    lines = raw.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n") if raw else []
    return "\n".join([" ".join(parents), *([""] if lines else []), *lines])


def write_receipt(repo: Repo, receipt: Receipt) -> None:
    """Leave a receipt in this worktree."""
    plain = receipt.plain and receipt.content.count("\n") < SHIM_LINES
    head = [
        f"{receipt.pid} {'plain' if plain else 'recheck'}",
        receipt.state or NONE,
        receipt.ref or NONE,
        *receipt.trailers,
        "",
    ]
    write_private(repo, "receipt", "\n".join(head) + "\n" + receipt.content + "\n")


def drop_receipt(repo: Repo) -> None:
    """Make sure that no receipt stands."""
    try:
        os.unlink(private_file(repo, "receipt"))
    except OSError:
        return


def read_receipt(repo: Repo) -> Receipt | None:
    """The receipt in this worktree, if a whole one is there."""
    try:
        with open(private_file(repo, "receipt"), encoding="utf-8", errors="surrogateescape") as file:
            head, _, content = file.read().partition("\n\n")
    except OSError:
        return None
    lines = head.split("\n")
    if len(lines) < 3:
        return None
    pid, _, kind = lines[0].partition(" ")
    return Receipt(
        pid,
        kind == "plain",
        lines[1] if lines[1] != NONE else "",
        lines[2] if lines[2] != NONE else "",
        tuple(lines[3:]),
        content.removesuffix("\n"),
    )
