"""What Django migrations of one app name of another: all series looked at together. Pure."""

from __future__ import annotations

from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.graph import references, replaced
from agentsync.migrations.rewriting.rewriter import is_numbered

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from agentsync.migrations.graph import Pair
    from agentsync.migrations.series import Series


class Dangling(NamedTuple):
    """A migration (its path) that names one of an app that the app does not have."""

    path: str
    app: str
    name: str


def dangling_references(
    every: Sequence[Series], sources: Mapping[str, bytes], present: Collection[str], read: Callable[[str], bytes]
) -> list[Dangling]:
    """The names in some migrations (path to content) that no app of the tree has.

    `present` are the paths of the tree, `read` gives the content of one. An app that the tree does not have is
    installed from elsewhere, and says nothing.
    """
    by_app: dict[str, list[Series]] = {}
    for series in every:
        by_app.setdefault(series.app, []).append(series)
    found = []
    for path, source in sorted(sources.items()):
        home = next((series for series in every if is_numbered(series, path)), None)
        for pair in references(source) if home else []:
            if not any(_has(series, pair, present, read) for series in by_app.get(pair.first, ())):
                found.append(Dangling(path, pair.first, pair.second))
    return [one for one in found if one.app in by_app]


def _has(series: Series, pair: Pair, present: Collection[str], read: Callable[[str], bytes]) -> bool:
    """Whether an app has a migration of a name, or one that stands for it, or is called otherwise than its folder."""
    if f"{series.folder}/{pair.second}.py" in present:
        return True
    own = {path: read(path) for path in present if is_numbered(series, path)}
    return series.labelled(own).app != pair.first or any(pair.second in replaced(source) for source in own.values())
