"""The contract rule at the gates: written first, landed first; nobody works against an older one unknowingly."""

from __future__ import annotations

from agentsync.config.patterns import matches
from agentsync.contracts.stale import Newer, newer_contracts
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file, write_private
from agentsync.judging.verdict import Finding, Transition, Verdict
from agentsync.lean import TYPE_CHECKING
from agentsync.text import quoted, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene

_TOLD = "contracts-told"


def judge_contracts(scene: Scene, move: Transition, ref: str) -> Verdict:
    """What an agent's move of its branch should know: a contract is newer in base, or changes beside its users."""
    if scene.holder.is_human or ref == scene.rules.base.ref or len(move.parents) > 1 or not move.parents:
        return Verdict()
    findings = _stale(scene, move, ref) + _beside_work(scene, move, ref)
    return Verdict(tuple(findings))


def _stale(scene: Scene, move: Transition, ref: str) -> list[Finding]:
    brought = {change.path for change in move.changes}
    newer = newer_contracts(scene.repo, scene.rules, move.commit or move.parents[0])
    newer = [one for one in newer if one.path not in brought or move.commit]
    if not newer:
        return []
    mark = f"{ref} {' '.join(one.blob for one in newer)}"
    if scene.rules.config.level("contracts") == "warn":
        if read_line(private_file(scene.repo, _TOLD)) == mark:
            return []
        write_private(scene.repo, _TOLD, mark + "\n")
    return [stale_finding(scene, newer)]


def stale_finding(scene: Scene, newer: Sequence[Newer]) -> Finding:
    """What to say of contracts that base has newer."""
    first, more = newer[0], len(newer) - 1
    words = ("log", "-1", "--format=%h%x00%s%x00%an", first.tip, "--", first.path)
    out = scene.repo.git("--literal-pathspecs", *words).out.decode("utf-8", "replace").strip()
    commit, subject, author = [*out.split("\0"), "", "", ""][:3]
    others = f" and {more} more" if more else ""
    lines = (
        f"contract {show_path(first.path)}{others} is newer on {scene.rules.base.newest_name}: "
        f"{commit} {quoted(subject, 60)} by {quoted(author, 40)}",
        "this branch works against the older one; bring it in first:",
        "agentsync sync",
    )
    return Finding("contracts", lines, first.path)


def _beside_work(scene: Scene, move: Transition, ref: str) -> list[Finding]:
    """A contract that changes together with what builds on it reaches the others too late."""
    patterns = scene.rules.config.patterns("contracts.paths")
    contracts = [change.path for change in move.changes if matches(patterns, change.path)]
    if not contracts or len(contracts) == len(move.changes) or move.commit:
        return []
    lines = (
        f"contract {show_path(contracts[0])} changes in one commit with work that builds on it",
        "written first, landed first: others see it only when it has landed; a commit of its own can:",
        f"agentsync integrate {ref.removeprefix('refs/heads/')}",
    )
    return [Finding("contracts", lines, contracts[0], told=True)]
