"""Whether base has all that a branch brought: the one place that knows, for every command that asks.

A branch has landed where base has its tip; or base's history since the fork had its content at all paths that it
changed, as a squash leaves it; or has the same patches, as a rebase leaves them; or merging it changes nothing. It
stays landed when base goes on.
"""

from __future__ import annotations

import os

from agentsync.errors import GitError
from agentsync.files import read_or_empty, write_whole
from agentsync.git.objects import commits, merge_base, tree_changes
from agentsync.git.refs import head_of
from agentsync.git.repo import git_elsewhere
from agentsync.git.trees import changed_paths, merge_trees
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agentsync.git.objects import Change
    from agentsync.git.refs import Worktree
    from agentsync.git.repo import Repo

FAST_FORWARD, MERGE, SQUASH, REBASE, EMPTY = "fast-forward", "merge", "squash", "rebase", "empty"
_OWN_WORK = ("commit", "cherry-pick", "revert", "am")  # how reflog messages of a commit of one's own begin
_MOST_NAMED = 100_000  # bytes of paths on one command line
_MOST_TRIED = 10  # commits of base that are tried as the squash
_MOST_KEPT = 2000  # answers


class Landed(NamedTuple):
    """How a branch landed, empty where it has not; `why` it could not be told, where that is so.

    `fast-forward`: its tip is on base's own line, which is also so for a branch that never had a commit of its own.
    `empty`: all its commits together, or merged into base, change nothing.
    """

    how: str = ""
    why: str = ""

    @property
    def is_landed(self) -> bool:
        """Whether base has all of it, for sure."""
        return bool(self.how)

    @property
    def is_unknown(self) -> bool:
        """Whether git could not tell."""
        return bool(self.why)


def landed(repo: Repo, tips: Sequence[str], commit: str) -> Landed:
    """Whether base, which is at `tips` (here and as last fetched: either counts), has all that `commit` brought.

    An answer is remembered by the commits; that it could not be told never is.
    """
    if not commit or not tips:
        return Landed()
    kept = _kept(repo)
    key = " ".join([commit, *tips])
    if key in kept:
        return Landed(kept[key])
    why = ""
    for tip in tips:
        try:
            how = _how(repo, tip, commit)
        except (GitError, OSError) as error:
            why = error.why if isinstance(error, GitError) else str(error)
            continue
        if how:
            _keep(repo, key, how)
            return Landed(how)
    if not why:
        _keep(repo, key, "")
    return Landed("", why)


def worktree_landed(repo: Repo, tips: Sequence[str], worktree: Worktree) -> Landed:
    """The same for what a worktree has checked out; one where nothing was committed yet has nothing to land."""
    found = landed(repo, tips, head_of(repo, worktree.git_dir).commit)
    return Landed() if found.how == FAST_FORWARD and not has_worked(repo, worktree) else found


def has_worked(repo: Repo, worktree: Worktree) -> bool:
    """Whether something was committed to what a worktree has checked out, by the reflog of its branch or HEAD."""
    branch = head_of(repo, worktree.git_dir).branch
    words = (f"--git-dir={worktree.git_dir}", "log", "-g", "--format=%gs", branch or "HEAD", "--")
    lines = git_elsewhere(repo.environ, repo.common_dir, *words, ok=()).out.decode("utf-8", "replace").splitlines()
    if not branch:  # only since it was detached there
        lines = lines[: next((at for at, line in enumerate(lines) if line.startswith("checkout:")), len(lines))]
    return any(line.startswith(_OWN_WORK) for line in lines)


def _how(repo: Repo, tip: str, commit: str) -> str:
    if repo.git("merge-base", "--is-ancestor", commit, tip, ok=(0, 1)).code == 0:
        return FAST_FORWARD if _on_own_line(repo, tip, commit) else MERGE
    fork = merge_base(repo, tip, commit)
    if not fork:
        if os.path.exists(os.path.join(repo.common_dir, "shallow")):
            raise GitError("no merge base", "this clone is shallow, and their history ends before they meet")
        return ""
    changes = tree_changes(repo, fork, commit)
    return _by_content(repo, tip, fork, commit, changes) if changes else EMPTY


def _by_content(repo: Repo, tip: str, fork: str, commit: str, changes: Sequence[Change]) -> str:
    paths = _limit(change.path for change in changes)
    in_history, candidates = _in_history(repo, tip, fork, commit, changes, paths)
    if in_history:
        return SQUASH
    if _same_patches(repo, tip, commit, paths):
        return REBASE
    if adds_nothing(repo, tip, commit):
        return EMPTY
    return SQUASH if any(adds_nothing(repo, one, commit) for one in candidates) else ""


def _limit(paths: Iterable[bytes]) -> list[bytes]:
    """The paths as a limit for git, none where they are too many for a command line."""
    found = sorted(paths)
    return found if sum(map(len, found)) < _MOST_NAMED else []


def _on_own_line(repo: Repo, tip: str, commit: str) -> bool:
    """Whether a commit that base has is one of its first parents, and not what a merge brought in."""
    if tip == commit:
        return True
    rows = repo.lines("rev-list", "--first-parent", "--parents", tip, f"^{commit}")
    return rows[-1].split(" ")[1:2] == [commit] if rows else False


def _in_history(
    repo: Repo, tip: str, fork: str, commit: str, changes: Sequence[Change], paths: Sequence[bytes]
) -> tuple[bool, list[str]]:
    """Whether base once had the branch's content at all paths that it changed; else the commits that may be its squash.

    Base's own line is walked backwards, knowing at each commit which of the paths differ. What brought all that still
    differed, and only then, can be the squash of a branch whose content base had changed elsewhere before.
    """
    wanted = {change.path: (change.new_mode, change.new) for change in changes}
    differing = {change.path for change in tree_changes(repo, tip, commit, paths) if change.path in wanted}
    candidates = []
    for one in reversed(commits(repo, "--first-parent", tip, f"^{fork}", paths=paths)):
        if not differing:
            return True, []
        touched = {change.path: (change.old_mode, change.old) for change in one.changes if change.path in wanted}
        for path, before in touched.items():
            (differing.discard if before == wanted[path] else differing.add)(path)
        if touched and differing <= touched.keys():
            candidates.append(one.id)
    return False, candidates[-_MOST_TRIED:]


def _same_patches(repo: Repo, tip: str, commit: str, paths: Sequence[bytes]) -> bool:
    """Whether base has a commit with the same patch for each of the branch's; a merge is never the same as another."""
    words = ("--right-only", "--cherry-pick", "--max-count=1", f"{tip}...{commit}", "--")
    return not repo.git("--literal-pathspecs", "rev-list", *words, *paths).out


def adds_nothing(repo: Repo, base: str, commit: str) -> bool:
    """Whether a commit merged into base would change nothing there. Raises GitError where git cannot merge them."""
    merged = merge_trees(repo, base, commit)
    return merged.clean and not changed_paths(repo, base, merged.tree)


def _file(repo: Repo) -> str:
    return os.path.join(repo.shared_dir, "landed.json")


def _kept(repo: Repo) -> dict[str, str]:
    import json  # only where somebody asks

    try:
        known = json.loads(read_or_empty(_file(repo)) or b"{}")
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and all(isinstance(how, str) for how in known.values()) else {}


def _keep(repo: Repo, key: str, how: str) -> None:
    """Remember an answer; a lost one is found again."""
    import json

    if not os.path.isdir(repo.shared_dir):
        return
    rows = [*_kept(repo).items(), (key, how)][-_MOST_KEPT:]
    try:
        write_whole(_file(repo), json.dumps(dict(rows)).encode())
    except OSError:
        return
