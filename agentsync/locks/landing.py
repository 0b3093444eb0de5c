"""When a chain's last version reached base, and what the next holder must have because of it."""

from __future__ import annotations

from agentsync.git.objects import commits, is_ancestor
from agentsync.git.refs import head_of, worktrees
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.model import Chain, chain_record
from agentsync.locks.query import chains_in
from agentsync.locks.rules import HAND_ON_DAYS
from agentsync.state.store import Change, Snapshot, Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agentsync.config.load import Base
    from agentsync.git.repo import Repo
    from agentsync.holders.identity import Holder
    from agentsync.record import Record


def landed_as(repo: Repo, base: Base, chain: Chain) -> str:
    """The commit of base that has the chain's last version, empty when it has not landed.

    By ancestry; else by content, as a squash or a rebase leaves it; else because merging it would change nothing.
    """
    last = chain.last
    for tip in base.commits:
        if is_ancestor(repo, last.commit, tip):
            return last.commit
    if repo.git("cat-file", "-e", last.commit, ok=()).code != 0:
        return ""
    for tip in base.commits:
        for commit in reversed(commits(repo, tip, "--not", last.commit, paths=[chain.path])):
            if any(change.new == last.blob for change in commit.changes):
                return commit.id
        if _merging_changes_nothing(repo, tip, chain):
            return tip
    return ""


def _merging_changes_nothing(repo: Repo, tip: str, chain: Chain) -> bool:
    from agentsync.git.scratch import with_attributes_of  # seldom needed

    words = ("merge-tree", "--write-tree", "--no-messages", tip, chain.last.commit)
    merged = with_attributes_of(repo, tip).git(*words, ok=())
    if merged.code != 0:
        return False
    tree = merged.out.decode().split("\n", 1)[0]
    return _same_at(repo, tree, tip, chain.path) and not _same_at(repo, chain.last.commit + "^", tip, chain.path)


def _same_at(repo: Repo, one: str, other: str, path: bytes) -> bool:
    return repo.git("--literal-pathspecs", "diff-tree", "--quiet", one, other, "--", path, ok=()).code == 0


def _lacking(repo: Repo, commit: str) -> bool:
    """Whether some worktree that is there still works without `commit`."""
    heads = [head_of(repo, worktree.git_dir).commit for worktree in worktrees(repo) if worktree.present]
    return any(not is_ancestor(repo, commit, head) for head in dict.fromkeys(heads) if head)


def settled(repo: Repo, base: Base, chains: Sequence[Chain]) -> dict[bytes, Record | None]:
    """The records that landings change: a hand-on now points into base; a chain that nobody lacks is gone."""
    records: dict[bytes, Record | None] = {}
    for chain in chains:
        landed = chain.landed or landed_as(repo, base, chain)
        if not landed:
            continue
        if not _lacking(repo, landed):
            records[chain.place] = None
        elif landed != chain.landed:
            records[chain.place] = chain_record(chain._replace(landed=landed))
    return records


def settle(repo: Repo, base: Base, store: Store, holder: Holder, paths: Sequence[bytes]) -> None:
    """Note in the state which of the chains at and below `paths` have landed."""

    def decide(snapshot: Snapshot) -> Change | None:
        chains = [chain for path in paths for chain in chains_in(snapshot, path)]
        records = settled(repo, base, chains)
        return Change(f"settle {len(records)} landed chains", holder.key, records) if records else None

    if any(chains_in(store.snapshot(), path) for path in paths):
        store.swap(decide)


class Missing(NamedTuple):
    """A version that a holder lacks: bring in `branch` (may be empty), which has `commit`.

    `soft`: only worth a warning, since no live branch has the commit or it is old.
    """

    path: bytes
    commit: str
    branch: str
    holder: str
    soft: bool


def missing_version(repo: Repo, base: Base, chain: Chain, head: str, now: float) -> Missing | None:
    """What a worktree at `head` lacks of a chain before it may continue it; None when it has the last version."""
    if head and _has_last_version(repo, chain, head):
        return None
    commit = chain.landed or chain.last.commit
    if chain.landed:
        here = bool(base.commit) and is_ancestor(repo, commit, base.commit)
        return Missing(chain.path, commit, base.name if here else base.newest_name, chain.holder, soft=False)
    branch = _branch_with(repo, commit)
    old = bool(chain.handed) and now - chain.handed > HAND_ON_DAYS * 86400
    return Missing(chain.path, commit, branch, chain.holder, soft=old or not branch)


def _has_last_version(repo: Repo, chain: Chain, head: str) -> bool:
    if any(is_ancestor(repo, commit, head) for commit in (chain.last.commit, chain.landed) if commit):
        return True
    history = commits(repo, head, f"^{chain.versions[0].commit}", paths=[chain.path])
    return any(change.new == chain.last.blob for commit in history for change in commit.changes)


def _branch_with(repo: Repo, commit: str) -> str:
    """What to merge for a commit: a branch that has it, local ones first, else a worktree's detached HEAD; or empty."""
    found = repo.git(
        "for-each-ref", f"--contains={commit}", "--format=%(refname:short)", "refs/heads", "refs/remotes", ok=()
    )
    names = found.out.decode("utf-8", "surrogateescape").split("\n") if found.code == 0 else []
    if names and names[0]:
        return names[0]
    heads = [head_of(repo, worktree.git_dir).commit for worktree in worktrees(repo) if worktree.present]
    return next((head for head in dict.fromkeys(heads) if head and is_ancestor(repo, commit, head)), "")
