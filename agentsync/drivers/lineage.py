"""The merge driver of locked paths: the chain of versions says which side continues which."""

from __future__ import annotations

from agentsync.git.hashing import object_id
from agentsync.git.repo import Repo
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.query import chain_of
from agentsync.locks.rules import built_on, lineage
from agentsync.state.store import Store

if TYPE_CHECKING:
    from agentsync.locks.model import Chain


def by_chain(repo: Repo, path: bytes, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """The side that continues the other by the path's chain, None when the chain does not tell."""
    chain = chain_of(Store(repo.shared_dir, repo.environ).snapshot(), path)
    if chain is None:
        return None
    mine, others, before = (_blob_id(chain, side) for side in (ours, theirs, base))
    had = _had(chain, before)
    result = lineage(chain, mine, others, _had(chain, mine) or had, _had(chain, others) or had)
    return {mine: ours, others: theirs}.get(result.winner) if result.winner is not None else None


def _had(chain: Chain, blob: str) -> list[int]:
    """The positions that a side whose version this is has had."""
    places = [index for index, version in enumerate(chain.versions) if version.blob == blob]
    return list(built_on(chain, places[-1])) if places else []


def _blob_id(chain: Chain, content: bytes) -> str:
    """A content's blob id in the repository's object format, told by the length of the ids in the chain."""
    longest = max((len(version.blob) for version in chain.versions), default=40)
    return object_id(b"blob", content, longest)
