"""A worktree taken away without losing work; what its holder had is free at once."""

from __future__ import annotations

import os
import time

from agentsync.errors import AgentsyncError, RefusedError, UsageError
from agentsync.files import read_or_empty
from agentsync.forecast.cache import reason_of
from agentsync.forecast.run import keep_snapshot
from agentsync.forecast.snapshots import SnapshotStore
from agentsync.git.landed import FAST_FORWARD, MERGE, landed
from agentsync.git.objects import GITLINK
from agentsync.git.refs import HEADS, head_of, worktrees
from agentsync.git.repo import MAIN_WORKTREE, Repo, git_elsewhere
from agentsync.holders.nested import exclude_nested
from agentsync.holders.registry import record_place, registered
from agentsync.landing.branches import made_branches, note_gone
from agentsync.landing.publish import under_way
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.markers import take_away
from agentsync.locks.query import all_locks
from agentsync.migrations.numbers import reserved_by
from agentsync.state.store import Change
from agentsync.tasks.claims import all_claims, claim_record, place_of
from agentsync.text import one_line, quoted, shell_word

if TYPE_CHECKING:
    from agentsync.config.load import Base
    from agentsync.git.refs import Worktree
    from agentsync.git.run import Result
    from agentsync.record import Record
    from agentsync.state.store import Snapshot, Store


class Removed(NamedTuple):
    """What went: the folder, the branch where it had landed (else empty), and what stays, in words."""

    path: str
    deleted_branch: str
    kept: str


def find_worktree(repo: Repo, name: str) -> Worktree:
    """The worktree of a name: git's id of it, its branch, or its folder.

    Raises UsageError where there is none, or two.
    """
    folder = os.path.realpath(name)

    def names(one: Worktree) -> tuple[str, str]:
        return one.id, head_of(repo, one.git_dir).branch.removeprefix(HEADS)

    found = [one for one in worktrees(repo) if name in names(one) or os.path.realpath(one.top) == folder]
    if len(found) > 1:
        places = " and ".join(one.top for one in found[:2])
        way_on = f"agentsync worktree remove {shell_word(found[0].top)}"
        raise UsageError(f"{quoted(name, 80)} names two worktrees", places, way_on)
    if found:
        return found[0]
    raise UsageError(f"there is no worktree {quoted(name, 80)}", "by id, branch or folder", "agentsync worktree list")


def remove_worktree(repo: Repo, base: Base, store: Store, worktree: Worktree, *, force: bool) -> Removed:
    """Remove a worktree; its branch too, where we made it and base has all of it.

    `force` gives up uncommitted changes; commits are never given up. Raises RefusedError where something would be
    lost, or this is the main worktree or the one that we are in.
    """
    require_removable(repo, worktree, force=force)
    _keep_changes(repo, worktree, force=force)
    head = head_of(repo, worktree.git_dir)
    how = landed(repo, base.commits, head.commit).how
    whole = how in (FAST_FORWARD, MERGE)
    # git itself removes none that has submodules, unless forced; what could be lost of those was looked at
    flags = ["--force"] if force or _modules(repo, worktree) else []
    main = Repo(os.path.dirname(repo.common_dir), repo.common_dir, repo.common_dir, repo.environ)
    here = main if os.path.basename(repo.common_dir) == ".git" else repo
    here.git("worktree", "remove", *flags, worktree.top)
    exclude_nested(repo)
    locks = [held.lock for held in all_locks(repo, store.snapshot()) if held.lock.holder.worktree == worktree.id]
    store.swap(lambda snapshot: _freed(repo, snapshot, worktree.id, landed=bool(how)))
    take_away(repo, locks)
    branch = head.branch.removeprefix(HEADS)
    elsewhere = any(head_of(repo, one.git_dir).branch == head.branch for one in worktrees(repo))
    ours = branch in made_branches(repo)
    if branch and whole and head.branch != base.ref and not elsewhere and ours:
        repo.git("update-ref", "-d", head.branch, head.commit)
        note_gone(repo, branch)
        return Removed(worktree.top, branch, "")
    why = "another worktree has it checked out" if elsewhere else "base does not have all of it"
    if how and not elsewhere:
        by_hand = f"git branch {'-d' if whole else '-D'} {shell_word(branch)}"
        why = (
            f"agentsync did not make it ({by_hand})" if whole else f"base has its changes, not its commits ({by_hand})"
        )
    return Removed(worktree.top, "", f"branch {branch} stays: {why}" if branch else "")


def _keep_changes(repo: Repo, worktree: Worktree, *, force: bool) -> None:
    """Keep uncommitted changes for `rescue` before they go.

    Raises RefusedError where they cannot be kept and would be given up.
    """
    try:
        keep_snapshot(repo, worktree.id)
        newest = next((one for one in SnapshotStore(repo).snapshots() if one.worktree == worktree.id), None)
        if force and worktree.present and newest and newest.left_out:
            what = (
                f"{newest.left_out} of the uncommitted changes of {worktree.top} cannot be kept for `agentsync rescue`"
            )
            why = "they are too large, too many, or a repository of their own; save them elsewhere, or give them up:"
            raise RefusedError(what, why, f"git worktree remove --force {shell_word(worktree.top)}")
    except RefusedError:
        raise
    except (AgentsyncError, OSError) as error:
        if force:
            what = f"the uncommitted changes of {worktree.top} cannot be kept for `agentsync rescue`"
            raise RefusedError(what, reason_of(error), f"git -C {shell_word(worktree.top)} status") from error


def require_removable(repo: Repo, worktree: Worktree, *, force: bool) -> None:
    """Raise RefusedError where something would be lost, or this is the main worktree or the one that we are in."""
    if worktree.id == MAIN_WORKTREE:
        raise RefusedError("the main worktree stays", "only linked worktrees are removed", "agentsync worktree list")
    if worktree.git_dir == repo.git_dir:
        raise RefusedError("this is the worktree that we are in", "go to another, then again", _way_out(repo, worktree))
    if os.path.exists(os.path.join(worktree.git_dir, "locked")):
        what = f"{worktree.top} is locked by git"
        raise RefusedError(what, "somebody wants it kept", f"git worktree unlock {shell_word(worktree.top)}")
    _require_commits_kept(repo, worktree)
    if not worktree.present:
        return
    what, _ = under_way(worktree.git_dir)
    if what and not force:
        raise RefusedError(f"{what} is under way in {worktree.top}", "", f"git -C {shell_word(worktree.top)} status")
    inside = [one.top for one in worktrees(repo) if one.present and one.top.startswith(worktree.top + os.sep)]
    if inside:
        what = f"another worktree lies inside {worktree.top}"
        raise RefusedError(what, inside[0], f"agentsync worktree remove {shell_word(inside[0])}")
    words = ("status", "--porcelain", "-z", "--untracked-files=normal", "--ignore-submodules=none")
    asked = git_elsewhere(repo.environ, worktree.top, *words, ok=())
    if asked.code and not force:
        raise _unreadable(worktree, asked)
    dirty = asked.out
    if dirty and not force:
        count = len([row for row in dirty.split(b"\0") if row])
        first = one_line(dirty.split(b"\0")[0][3:].decode("utf-8", "replace"), 80)
        what = f"{worktree.top} has {count} uncommitted changes, such as {first}"
        way_on = f"agentsync worktree remove {shell_word(worktree.id)} --force"
        raise RefusedError(what, "commit them, or give them up", way_on)


def _unreadable(worktree: Worktree, asked: Result) -> RefusedError:
    """What git cannot read is not clean, and what would go with it is not known."""
    why = one_line(asked.err.decode("utf-8", "replace"), 200)
    return RefusedError(f"{worktree.top} cannot be read", why, f"git -C {shell_word(worktree.top)} status")


def _way_out(repo: Repo, worktree: Worktree) -> str:
    """Where this command works: another worktree; where there is none, as beside a bare repository, git's own."""
    others = [one.top for one in worktrees(repo) if one.present and one.git_dir != worktree.git_dir]
    if others:
        return f"cd {shell_word(others[0])}"
    common = shell_word(repo.common_dir)
    return f"cd {common} && git worktree remove {shell_word(worktree.top)}"


def forget(repo: Repo, worktree: Worktree) -> None:
    """Take a worktree out of git's list whose folder is not there.

    Raises RefusedError where that would lose commits.
    """
    _require_commits_kept(repo, worktree)
    repo.git("worktree", "remove", worktree.top)


def _require_commits_kept(repo: Repo, worktree: Worktree) -> None:
    head = head_of(repo, worktree.git_dir)
    if not head.branch and head.commit and not _reachable(repo, head.commit):
        what = f"{worktree.top} has a detached HEAD with commits that no branch has"
        raise RefusedError(what, "name a branch for them first", f"git branch NAME {head.commit[:12]}")
    for name, git_dir in _modules(repo, worktree).items():
        lost = _unpushed(repo, git_dir)
        if lost:
            what = f"submodule {quoted(name, 80)} of {worktree.top} has {lost.what} that no remote has"
            way_on = f"git --git-dir={shell_word(git_dir)} push origin {lost.commit}:refs/heads/NAME"
            raise RefusedError(what, "they would go with it; push them first, to a branch of any NAME", way_on)


class _Lost(NamedTuple):
    """What would go with a submodule: commits, or a stash, and the one that has the others."""

    what: str
    commit: str


def _unpushed(repo: Repo, git_dir: str) -> _Lost | None:
    """What a submodule has that it did not get from its remote: in branches, HEADs, tags of its own, and stashes."""

    def git(*words: str) -> list[str]:
        done = git_elsewhere(repo.environ, repo.common_dir, f"--git-dir={git_dir}", *words)
        return done.out.decode("utf-8", "replace").splitlines()

    made = _made_here(git_dir)
    tags = git("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/tags")
    got = [name for name, *ids in map(str.split, tags) if not made & set(ids)]
    known = ["--not", "--remotes", *got, "--ignore-missing", *_fetched_ids(git_dir)]
    has_stash = git("for-each-ref", "refs/stash")
    for stash in git("rev-list", "--walk-reflogs", "refs/stash", "--") if has_stash else []:
        if git("rev-list", "--max-count=1", stash, *known):
            return _Lost("a stash", stash)
    found = git("rev-list", "--max-count=1", "--all", *known)
    return _Lost("commits", found[0]) if found else None


def _made_here(git_dir: str) -> set[str]:
    """The commits that were made in a submodule, by its HEAD's log: a tag on one of them did not come from a remote."""
    rows = [row.partition(b"\t") for row in read_or_empty(os.path.join(git_dir, "logs", "HEAD")).splitlines()]
    made = (b"commit", b"merge", b"cherry-pick", b"revert", b"rebase", b"am")
    return {facts.split()[1].decode() for facts, _, what in rows if what.startswith(made) and len(facts.split()) > 1}


def _fetched_ids(git_dir: str) -> list[str]:
    """What a submodule got from its remote that no ref of it may name: the last fetch, a shallow clone's ends."""
    texts = [
        read_or_empty(os.path.join(git_dir, name)).decode("ascii", "replace") for name in ("FETCH_HEAD", "shallow")
    ]
    words = [line.split()[0] for text in texts for line in text.splitlines() if line.split()]
    return [word for word in words if len(word) >= 40 and word.isalnum()]


def _modules(repo: Repo, worktree: Worktree) -> dict[str, str]:
    """The submodules that would go with a linked worktree: name or path to git directory.

    They live in its own git directory, or, as older ones and fresh ones do, in the work tree.
    """
    top = os.path.join(worktree.git_dir, "modules")
    found = {}
    for folder, folders, files in os.walk(top):
        if "HEAD" in files and "objects" in folders:
            found[os.path.relpath(folder, top)] = folder
            folders[:] = [name for name in folders if name == "modules"]
    if not worktree.present:
        return found
    asked = git_elsewhere(repo.environ, worktree.top, "ls-files", "--stage", "-z", ok=())
    if asked.code:
        raise _unreadable(worktree, asked)
    for row in asked.out.split(b"\0"):
        if row.startswith(GITLINK.encode()):
            path = os.fsdecode(row.partition(b"\t")[2])
            inside = os.path.join(worktree.top, path, ".git")
            found |= {path: inside} if os.path.isdir(inside) else {}
    return found


def _reachable(repo: Repo, commit: str) -> bool:
    return bool(repo.git("for-each-ref", f"--contains={commit}", "--count=1", ok=()).out)


def _freed(repo: Repo, snapshot: Snapshot, worktree_id: str, *, landed: bool) -> Change | None:
    """Its locks and registration end; its claims too, unless unlanded commits go on standing for them."""
    gone = [record_place(known.holder) for known in registered(snapshot) if known.holder.worktree == worktree_id]
    gone += reserved_by(snapshot, worktree_id)
    gone += [held.lock.target.place for held in all_locks(repo, snapshot) if held.lock.holder.worktree == worktree_id]
    records: dict[bytes, Record | None] = dict.fromkeys(gone)
    for claim in all_claims(snapshot):
        if claim.holder.worktree == worktree_id:  # its lease is over; unlanded commits go on standing for it
            over = claim_record(claim._replace(until=int(time.time())))
            records[place_of(claim.id)] = None if landed else over
    return Change(f"worktree {worktree_id} removed", "agentsync", records) if records else None
