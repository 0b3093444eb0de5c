"""Bring base into a branch, so that it lands by any forge's button: lineage, drivers, renumbering, generated files."""

from __future__ import annotations

import os
from contextlib import nullcontext

from agentsync.config.base import unknown_base
from agentsync.errors import GitError, RefusedError, UsageError
from agentsync.files import write_whole
from agentsync.git.objects import is_ancestor
from agentsync.git.refs import HEADS, head_of
from agentsync.git.repo import Repo
from agentsync.git.trees import merge_trees
from agentsync.landing.follow import follow_submodules
from agentsync.landing.generate import regenerate
from agentsync.landing.in_the_way import patiently, shown, untracked_in_the_way, ways_out
from agentsync.landing.lander import lander
from agentsync.landing.publish import refusal_in, under_way
from agentsync.landing.rehearse import Rehearsal, rehearse
from agentsync.landing.signing import commit_merge, require_verified
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.setup.drivers import install_drivers
from agentsync.text import one_line, shell_path, shell_word, unquote_c

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.config.load import InForce
    from agentsync.git.trees import Entry


class Synced(NamedTuple):
    """What a sync did (or would do): the name of what was merged, the new commit (empty: nothing to do), and how.

    `submodules`: what to type for those that could not follow. `kept`: generated files that stay as git merged them,
    since their tool is not installed here, with its command.
    """

    source: str
    commit: str
    renumbered: tuple[tuple[str, str], ...] = ()
    regenerated: tuple[bytes, ...] = ()
    conflicts: tuple[bytes, ...] = ()
    left: tuple[tuple[bytes, str, str], ...] = ()
    submodules: tuple[str, ...] = ()
    kept: tuple[tuple[bytes, str], ...] = ()

    @property
    def clean(self) -> bool:
        """Whether nothing is left to a person."""
        return not self.conflicts and not self.left


def newest_base(repo: Repo, rules: InForce) -> tuple[str, str]:
    """The name and commit of base that has all of it, local and upstream.

    Raises UsageError where base is not known or not here, RefusedError where the two have diverged.
    """
    tips = rules.base.commits
    if not tips:
        raise unknown_base(repo, rules.base)
    if len(tips) == 1 or is_ancestor(repo, tips[0], tips[1]):
        return rules.base.newest_name, tips[-1]
    if is_ancestor(repo, tips[1], tips[0]):
        return rules.base.name, tips[0]
    upstream = rules.base.upstream.removeprefix("refs/remotes/")
    raise RefusedError(
        f"{rules.base.name} and {upstream} have diverged",
        "bring them together first, in the worktree of base",
        f"git merge {upstream}",
    )


def plan_sync(repo: Repo, rules: InForce, name: str, tip: str, head: str) -> tuple[Rehearsal, Synced]:
    """What bringing `tip` into `head` would do; nothing is changed."""
    rehearsal = rehearse(repo, rules, tip, head, onto_base=False).without_unions(repo)
    paths = tuple(one.path for one in rehearsal.conflicts)
    left = tuple((one.path, "it is made anew", one.maker.command) for one in rehearsal.stale)
    return rehearsal, Synced(name, "", rehearsal.renumbered, (), paths, left)


def sync(repo: Repo, rules: InForce, agent: str) -> Synced:
    """Merge base into the branch that is checked out here, as one commit.

    What a machine cannot decide is left in the work tree as git leaves a merge, everything else of it done.
    Raises UsageError for a detached HEAD, RefusedError where an operation is under way, changes are in the way or
    a gate says no, GitError for unrelated histories and missing objects.
    """
    head = head_of(repo)
    if not head.branch or not head.commit:
        raise UsageError("no branch is checked out here", "base is brought into a branch", "git switch BRANCH")
    what, how = under_way(repo.git_dir)
    if what:
        raise RefusedError(f"{what} is under way here", "finish it, or end it", how)
    name, tip = newest_base(repo, rules)
    if not is_ancestor(repo, tip, head.commit):
        require_verified(repo, name, tip)
    install_drivers(repo)
    if head.commit != tip and is_ancestor(repo, head.commit, tip):  # nothing of its own: a merge would say nothing
        _fast_forward(repo, tip)
        return Synced(name, tip, submodules=follow_submodules(repo, repo.top, head.commit, tip))
    rehearsal, planned = plan_sync(repo, rules, name, tip, head.commit)
    contained = is_ancestor(repo, tip, head.commit)
    if contained and not rehearsal.renumbered:
        return Synced(name, "")
    branch = head.branch.removeprefix(HEADS)
    if rehearsal.conflicts:
        return _leave_to_a_person(repo, (name, tip), branch, rehearsal, planned)
    with lander(repo, wait=True) if rehearsal.stale else nullcontext():
        made = regenerate(repo, rehearsal.tree, rehearsal.stale)
    if made.left:
        return _leave_to_a_person(
            repo, (name, tip), branch, rehearsal._replace(tree=made.tree), planned._replace(left=made.left)
        )
    done = planned._replace(regenerated=made.made, left=(), kept=made.kept)
    parents = [head.commit] if contained else [head.commit, tip]
    commit = commit_merge(repo, made.tree, parents, message_for(name, branch, done, agent))
    _fast_forward(repo, commit)
    return done._replace(commit=commit, submodules=follow_submodules(repo, repo.top, head.commit, commit))


def message_for(name: str, branch: str, done: Synced, agent: str) -> str:
    """The message of the merge commit: git's own subject, and what was done beside the merge."""
    lines = [f"Merge {name} into {branch}" if name != branch else f"Renumber migrations of {branch}", ""]
    lines += [f"Renumbered: {one_line(old, 200)} -> {one_line(new, 200)}" for old, new in done.renumbered]
    lines += [f"Made anew: {one_line(os.fsdecode(path), 200)}" for path in done.regenerated]
    if agent:
        lines += ["", f"Agent: {agent}"] if len(lines) > 2 else [f"Agent: {agent}"]
    return "\n".join(lines) + "\n"


def _fast_forward(repo: Repo, commit: str) -> None:
    """Move the branch, its index and its files to a commit made for it."""
    _require_nothing_untracked(repo, commit)
    words = ("merge", "--ff-only", "--no-autostash", "--no-verify-signatures", "--quiet", commit)  # verified before
    done = patiently(lambda: repo.git(*words, ok=()), repo.top)
    if done.code == 0:
        return
    said = done.err.decode("utf-8", "replace")
    refused = refusal_in(said)
    if refused:
        # git has moved the files before the gate could say no; what else is staged stays
        repo.git("read-tree", "-m", "-u", commit, "HEAD", ok=())
        raise refused
    files = [line.strip() for line in done.err.splitlines() if line.startswith(b"\t")]
    if files:
        raise _local_changes(repo, [unquote_c(file) for file in files])
    raise GitError("git merge failed", one_line(said.strip().splitlines()[-1] if said.strip() else ""))


def _require_nothing_untracked(repo: Repo, tree: str) -> None:
    untracked = untracked_in_the_way(repo, repo.top, "HEAD", tree)
    if untracked:
        what = f"files that git does not track are in the way: {shown(untracked)}"
        raise RefusedError(what, "nothing moved; take them away first", ways_out(repo.top, untracked))


def _local_changes(repo: Repo, paths: Sequence[bytes]) -> RefusedError:
    what = f"local changes are in the way: {shown(paths)}"
    names = " ".join(shell_path(path) for path in paths)
    git = f"git -C {shell_word(repo.top)}"
    way_on = f"{git} add -- {names} && {git} commit -m 'Work before sync' -- {names}"
    return RefusedError(what, "nothing moved; commit them first", way_on)


def _leave_to_a_person(repo: Repo, base: tuple[str, str], branch: str, rehearsal: Rehearsal, planned: Synced) -> Synced:
    """Begin git's own merge with base (its name and commit), with all done in it that a machine is sure of."""
    name, tip = base
    open_paths = {one.path for one in rehearsal.conflicts} | {path for path, _, _ in planned.left}
    edits = {path: edit for path, edit in rehearsal.edits.items() if path not in open_paths}
    _require_clean(repo, list(edits))
    _, theirs = rehearsal.sides
    _require_nothing_untracked(repo, merge_trees(repo, "HEAD", theirs).tree)
    subject = message_for(name, branch, planned, "").splitlines()[0]
    words = ("merge", "--no-commit", "--no-ff", "--no-autostash", "--no-verify-signatures", "-m", subject, theirs)
    started = patiently(lambda: repo.git(*words, ok=()), repo.top)
    if not os.path.exists(os.path.join(repo.git_dir, "MERGE_HEAD")):
        said = started.err.decode("utf-8", "replace").strip().splitlines() or [""]
        raise RefusedError(f"{name} cannot be merged here", one_line("; ".join(said[-3:]), 300), "git status")
    if theirs != tip:  # what is recorded is a merge with base itself
        write_whole(os.path.join(repo.git_dir, "MERGE_HEAD"), f"{tip}\n".encode())
    _stage(repo, edits)
    return planned


def _require_clean(repo: Repo, paths: Sequence[bytes]) -> None:
    """Refuse where something uncommitted stands at a path that will be written, or where one will be moved to."""
    if not paths:
        return
    words = ("status", "--porcelain", "-z", "--untracked-files=all", "--ignored", "--ignore-submodules=none")
    found = repo.git("--literal-pathspecs", *words, "--", *paths).out
    rows = [row for row in found.split(b"\0") if row[2:3] == b" "]
    ignored = [row[3:] for row in rows if row.startswith(b"!!")]
    if ignored:
        what = f"files that git does not track are in the way: {shown(ignored)}"
        raise RefusedError(what, "nothing moved; take them away first", ways_out(repo.top, ignored))
    if rows:
        raise _local_changes(repo, [row[3:] for row in rows])


def _stage(repo: Repo, edits: Mapping[bytes, Entry | None]) -> None:
    """Put paths into the index and the work tree of a merge under way."""
    gone = [path for path, edit in edits.items() if edit is None]
    kept = {path: edit for path, edit in edits.items() if edit is not None}
    if gone:
        repo.git("--literal-pathspecs", "rm", "-q", "-f", "--ignore-unmatch", "--", *gone)
    rows = b"".join(f"{edit.mode} {edit.id}\t".encode() + path + b"\0" for path, edit in kept.items())
    if rows:
        names = b"\0".join(kept)
        repo.git("update-index", "--force-remove", "-z", "--stdin", stdin=names)
        repo.git("update-index", "-z", "--index-info", stdin=rows)
        repo.git("checkout-index", "-f", "-z", "--stdin", stdin=names)
