"""Contracts: interfaces that others build on. Which of them base has newer than a branch."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.git.objects import blob_at, cat_file, merge_base
from agentsync.git.trees import changed_paths
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo


class Newer(NamedTuple):
    """A contract whose version in base (`blob`, empty when it is gone) a branch lacks, and base's tip that has it."""

    path: bytes
    blob: str
    tip: str


def newer_contracts(repo: Repo, rules: InForce, commit: str, tips: Sequence[str] = ()) -> list[Newer]:
    """The contracts that changed in base (or at other `tips`) since `commit` left it, and that it has otherwise."""
    patterns = rules.config.patterns("contracts.paths")
    if not patterns or not commit:
        return []
    found: dict[bytes, Newer] = {}
    with cat_file(repo) as cat:
        for tip in tips or rules.base.commits:
            fork = merge_base(repo, tip, commit)
            if fork in ("", tip):
                continue
            for path in sorted(changed_paths(repo, fork, tip)):
                if matches(patterns, path):
                    now = blob_at(cat, repo, tip, path)
                    if now != blob_at(cat, repo, commit, path):
                        found[path] = Newer(path, now, tip)
    return list(found.values())
