"""Where a file lies that an agent is about to write: in which worktree, or among what is guarded."""

from __future__ import annotations

import os

from agentsync.git.refs import HEADS, head_of, worktrees
from agentsync.git.repo import MAIN_WORKTREE, Repo, around, git_elsewhere
from agentsync.git.run import LOCAL_VARIABLES
from agentsync.judging.verdict import Finding
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line, quoted, shell_path, shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.agents.shell.commands import Command
    from agentsync.agents.shell.elsewhere import Reach

_LONGEST = 4096  # PATH_MAX of Linux


class Place(NamedTuple):
    """A file: the worktree that it lies in and its path there; `full` is absolute, its folder without symlinks."""

    repo: Repo
    path: bytes
    full: str


def agents_environment(environ: Mapping[str, str], dialect: str) -> dict[str, str]:
    """The hook's environment without what ties git to one repository; that an agent acts is certain here."""
    free = {key: value for key, value in environ.items() if key not in LOCAL_VARIABLES}
    return {"AI_AGENT": dialect, **free}


def place_of(environ: Mapping[str, str], folder: str, word: str) -> Place | None:
    """The place that `word` names, seen from `folder`; None outside of every repository with agentsync."""
    if not word or "\0" in word or len(word) > _LONGEST or not (folder or os.path.isabs(word)):
        return None
    parent, leaf = os.path.split(os.path.normpath(os.path.join(folder, os.path.expanduser(word))))
    full = os.path.join(os.path.realpath(parent), leaf)
    repo = around(environ, os.path.dirname(full))
    whole = os.path.lexists(os.path.join(full, ".git"))  # a worktree's top: what would be written in it is not known
    if repo is None or not leaf or whole or not os.path.isdir(repo.shared_dir):
        return None
    return Place(repo, os.fsencode(full[len(repo.top) :].lstrip(os.sep)), full)


def guarded_folders(repo: Repo) -> tuple[str, ...]:
    """What no agent writes: the shared state and git's hooks."""
    return (repo.shared_dir, os.path.join(repo.common_dir, "hooks"))


def guarded_finding(repo: Repo, word: str, folder: str) -> Finding | None:
    """A refusal for a file among what is guarded."""
    if "\0" in word or len(word) > _LONGEST:
        return None
    full = os.path.realpath(os.path.join(folder, os.path.expanduser(word)))
    if not any(full == place or full.startswith(place + os.sep) for place in guarded_folders(repo)):
        return None
    from agentsync.agents.shell.dangers import guarded

    return Finding("elsewhere", tuple(guarded(word)))


def elsewhere_finding(own: Repo, place: Place) -> Finding | None:
    """A refusal for a write from a linked worktree into another one of the same repository.

    Agents in a worktree write by absolute path into the main checkout; from there nobody strays into a linked one.
    """
    other = place.repo
    if other.common_dir != own.common_dir or other.top == own.top or own.worktree_id == MAIN_WORKTREE:
        return None
    if place.path.startswith(b".omx/"):
        return None  # where the leader of an OMX team keeps what its workers write
    if git_elsewhere(own.environ, other.top, "check-ignore", "-q", "--", place.path, ok=()).code == 0:
        return None  # what is shared on purpose, such as node_modules
    branch = head_of(other).branch.removeprefix(HEADS)
    lines = (
        f"{quoted(place.full, 200)} lies in {_shown(other.worktree_id, branch)}",
        f"this agent works in {own.top}; the same file here is:",
        shell_path(os.path.join(os.fsencode(own.top), place.path)),
    )
    return Finding("elsewhere", lines, place.path)


def _shown(worktree_id: str, branch: str) -> str:
    name = "the main worktree" if worktree_id == MAIN_WORKTREE else f"worktree {one_line(worktree_id, 60)}"
    return name + (f" (branch {one_line(branch, 100)})" if branch else "")


def destroying_findings(own: Repo, commands: Sequence[Command]) -> list[Finding]:
    """Refusals for commands that destroy what is not committed in other worktrees.

    From a linked worktree there is nothing to set back in another one. The main one's agent may clean up what nobody
    would miss: there it counts whether something is not committed.
    """
    from agentsync.agents.shell.elsewhere import Tree, reaches

    def trees() -> list[Tree]:
        found = [(one, head_of(own, one.git_dir).branch.removeprefix(HEADS)) for one in worktrees(own) if one.present]
        return [Tree(one.id, branch, os.path.realpath(one.top), os.path.realpath(one.git_dir)) for one, branch in found]

    findings = []
    for reach in reaches(commands, own.top, trees, os.path.realpath, own.environ.get("HOME", "")):
        place = None if reach.whole else place_of(own.environ, "", reach.path)
        if own.worktree_id == MAIN_WORKTREE:
            findings += [_destroying_finding(own, reach)] if _has_unsaved(own, reach) else []
        elif place is None:
            findings.append(_destroying_finding(own, reach))
        elif (finding := elsewhere_finding(own, place)) is not None:
            findings.append(finding)
    return findings


def _has_unsaved(own: Repo, reach: Reach) -> bool:
    """Whether something is not committed where a command reaches; also where git cannot tell."""
    words = ("-c", "core.fsmonitor=false", "status", "--porcelain", "--ignore-submodules=none", "--", reach.path)
    done = git_elsewhere(own.environ, reach.tree.top, *words, ok=())
    return done.code != 0 or bool(done.out)


def _destroying_finding(own: Repo, reach: Reach) -> Finding:
    from agentsync.agents.shell.elsewhere import GIT

    name = _shown(reach.tree.id, reach.tree.branch)
    top, linked = shell_word(reach.tree.top), reach.tree.id != MAIN_WORKTREE
    lines = (
        f"{one_line(reach.what, 60)} would destroy what is not committed in {name}",
        f"it belongs to who works there, and this agent works in {own.top}; to see what it is:",
        f"git -C {top} status --short",
    )
    if reach.kind != GIT and reach.whole and linked:
        why = "a worktree is given up by the command that keeps what is not committed:"
        lines = (lines[0], why, f"agentsync worktree remove {shell_word(reach.tree.id)}")
    return Finding("elsewhere", lines)
