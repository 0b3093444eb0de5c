"""Observers: post-checkout registers and briefs, post-rewrite maps ids. They never fail a git command."""

from __future__ import annotations

import os
import sys

from agentsync.forecast.start import start_forecast
from agentsync.gates.index_gate import DETACHED, FORECAST, LANDING_NOTE, write_verdict
from agentsync.gates.judge import judge_steps
from agentsync.gates.say import tell
from agentsync.gates.takeback import index_equals, note_level
from agentsync.gates.unseen import tell_unseen
from agentsync.git.objects import commits
from agentsync.git.refs import head_of, is_zero
from agentsync.git.repo import read_line
from agentsync.holders.registry import private_file
from agentsync.judging.scene import judged_tip, note_judged
from agentsync.judging.verdict import Transition
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.landing import settle
from agentsync.locks.model import Chain, chain_record, parse_chain
from agentsync.state.paths import CHAINS, from_state
from agentsync.state.store import Change, Snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.judging.scene import Scene
    from agentsync.record import Record


def observe(hook: str, arguments: Sequence[str], scene: Scene) -> None:
    """What a hook that cannot refuse does; the scene has registered the holder already."""
    if hook == "post-checkout":
        _after_checkout(scene, arguments)
    elif hook == "post-rewrite":
        pairs = [line.split()[:2] for line in sys.stdin.buffer.read().decode("ascii", "replace").splitlines()]
        map_rewritten(scene, {pair[0]: pair[1] for pair in pairs if len(pair) == 2})
    elif os.path.exists(private_file(scene.repo, LANDING_NOTE)):
        note = read_line(private_file(scene.repo, LANDING_NOTE))
        os.unlink(private_file(scene.repo, LANDING_NOTE))
        if note == DETACHED and not head_of(scene.repo).branch:
            _grow_chains(scene)
        if note == FORECAST:
            start_forecast(scene.repo)
        else:
            settle(scene.repo, scene.rules.base, scene.store, scene.holder, [b""])


def _grow_chains(scene: Scene) -> None:
    """A commit on a detached HEAD, which the gate admitted, joins the chains of the paths locked here."""
    made = commits(scene.repo, "HEAD", "--max-count=1")
    steps = [Transition(commit.parents, commit.changes, commit.id) for commit in made]
    write_verdict(scene, lambda: judge_steps(scene, steps, ""), judge_steps(scene, steps, ""), "commit, detached")


def _after_checkout(scene: Scene, arguments: Sequence[str]) -> None:
    """In a new worktree git gives zeros as the old commit: what base has needs no judging; show the markers."""
    repo, head = scene.repo, head_of(scene.repo)
    tell_unseen(scene)
    is_new = bool(arguments) and is_zero(arguments[0])
    if is_new or index_equals(repo, head.commit):
        note_level(scene, head.commit)
    unjudged = head.branch and head.commit and not judged_tip(repo, head.branch)
    if unjudged and any(scene.contains(tip, head.commit) for tip in scene.rules.base.commits):
        note_judged(repo, head.branch, head.commit)
    if is_new:
        from agentsync.holders.per_clone import hand_out
        from agentsync.locks.markers import show_all

        hand_out(repo)
        show_all(repo, scene.rules, scene.snapshot)
        if not scene.holder.is_human:
            tell(f"agentsync: this worktree is {scene.holder.key}; who works on what: agentsync status")


def map_rewritten(scene: Scene, new_ids: dict[str, str]) -> None:
    """After an amend or a rebase, chains name the commits that took the old ones' place."""
    if not new_ids or CHAINS not in scene.snapshot.tree(b""):
        return

    def decide(snapshot: Snapshot) -> Change | None:
        records: dict[bytes, Record | None] = {}
        for place, record in snapshot.walk(CHAINS):
            chain = parse_chain(from_state(place), record)
            mapped = _mapped(chain, new_ids)
            if mapped != chain:
                records[place] = chain_record(mapped)
        return Change(f"map {len(new_ids)} rewritten commits", scene.holder.key, records) if records else None

    scene.store.swap(decide)


def _mapped(chain: Chain, new_ids: dict[str, str]) -> Chain:
    versions = tuple(version._replace(commit=new_ids.get(version.commit, version.commit)) for version in chain.versions)
    return chain._replace(versions=versions)
