"""The rule for the settings themselves: a file that cannot be understood is refused at the commit that brings it.

On base it would leave everybody with the settings before it.
"""

from __future__ import annotations

from agentsync.config.load import parse_text
from agentsync.config.schema import FILE, PROJECT
from agentsync.errors import ConfigError
from agentsync.judging.verdict import Finding, Transition, Verdict, firm
from agentsync.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from agentsync.judging.scene import Scene


def judge_settings(scene: Scene, move: Transition, tree: str) -> Verdict:
    """Judge the settings that a move brings; `tree` is its result, empty for the index.

    What another parent or base has already is not brought by it.
    """
    found = []
    for change in move.changes:
        name = change.path.decode("utf-8", "replace")
        if name not in (FILE, PROJECT) or not change.new or change.new == change.old:
            continue
        if name == PROJECT and scene.cat.id_of(f"{tree}:{FILE}".encode()):
            continue  # not in force beside agentsync.toml
        known = [scene.blob(commit, change.path) for commit in (*move.parents[1:], *scene.rules.base.commits)]
        problem = None if change.new in known else settings_problem(name, scene.content(change.new))
        if problem:
            found.append(_finding(scene, name, problem))
    return Verdict(tuple(found))


def settings_problem(name: str, content: bytes) -> ConfigError | None:
    """What is wrong with the settings in a file of that name."""
    try:
        parse_text(content, name)
    except ConfigError as error:
        return error
    return None


def _finding(scene: Scene, name: str, problem: ConfigError) -> Finding:
    way = "correct it and git add it, or leave it out of this commit:"
    why = f"{problem.why}; {way}" if problem.why else way
    return Finding(
        "settings", (problem.what, why, f"git restore --staged {name}"), name.encode(), level=firm(scene.rules.config)
    )
