"""What base took of a branch's history by squash or rebase, as of a stack's parent: the merge goes on from there.

A squash leaves no ancestry, so git merges the child from where the parent began, and every line that the child
changed again conflicts with itself. `git rebase --onto base parent` would not; neither does a merge with a commit that
has base's tree, and base and the parent's tip as its parents.
"""

from __future__ import annotations

from agentsync.errors import GitError
from agentsync.git.landed import adds_nothing
from agentsync.git.objects import commits, is_ancestor, merge_base, tree_changes
from agentsync.git.trees import commit_tree
from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from agentsync.git.repo import Repo

_MOST = 20  # own commits, branches, and commits of base that are tried by merging
_MOST_CHERRIES = 1000  # commits of base whose patches are compared
_MOST_LIMITS = 500  # paths that a command line may name

_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "agentsync"), ("EMAIL", "agentsync"), ("DATE", "@0 +0000"))
}


def base_as_taken(repo: Repo, base: str, branch: str) -> str:
    """What to merge a branch with: base, or a commit of its tree that says what base took of the branch already.

    Raises GitError where objects are missing.
    """
    try:
        taken = taken_by(repo, base, branch)
    except GitError as error:
        raise GitError(error.what, error.why, "git fsck --connectivity-only") from None
    if not taken:
        return base
    tree = repo.git("rev-parse", "--verify", base + "^{tree}").out.decode().strip()
    nobody = repo._replace(environ={**repo.environ, **_NOBODY})  # the same commit whoever asks, and when
    return commit_tree(nobody, tree, [base, taken], "Base, and what it took by squash or rebase\n")


class _Base(NamedTuple):
    """Base since a branch began: its commits, newest first, and the versions that each path had."""

    tip: str
    ids: tuple[str, ...]
    paths: tuple[frozenset[bytes], ...]
    versions: dict[bytes, set[tuple[str, str]]]


def taken_by(repo: Repo, base: str, branch: str) -> str:
    """The newest commit of a branch's own whose changes base has all of, without its history; empty for none."""
    fork = merge_base(repo, base, branch)
    if not fork or fork in (base, branch):
        return ""
    own = repo.lines("rev-list", "--first-parent", branch, "--not", base)
    changed = [change.path for change in tree_changes(repo, fork, branch)]
    since = _since(repo, base, branch, changed)
    if not own or not changed or not since.ids:
        return ""
    found = [commit for commit in own[:_MOST] if _has_taken(repo, since, commit)][:1]
    found += [_same_patches(repo, since, own)]
    if not found[0] or found[0] != own[0]:
        found += _parents(repo, since, branch, own[-1])
    return next((commit for commit in own if commit in found), "")


def _since(repo: Repo, base: str, branch: str, changed: list[bytes]) -> _Base:
    found = commits(repo, base, "--not", branch, paths=changed if len(changed) <= _MOST_LIMITS else ())
    versions: dict[bytes, set[tuple[str, str]]] = {}
    for commit in found:
        for change in commit.changes:
            versions.setdefault(change.path, set()).add((change.new_mode, change.new))
    paths = tuple(frozenset(change.path for change in commit.changes) for commit in reversed(found))
    return _Base(base, tuple(commit.id for commit in reversed(found)), paths, versions)


def _has_taken(repo: Repo, base: _Base, commit: str) -> bool:
    """Whether base took a commit with all before it: it had the content, or merging it changed nothing at a time."""
    fork = merge_base(repo, base.tip, commit)
    changes = tree_changes(repo, fork, commit) if fork else []
    if not changes or any(change.path not in base.versions for change in changes):
        return False
    if all((change.new_mode, change.new) in base.versions[change.path] for change in changes):
        return True
    paths = {change.path for change in changes}
    tried = [one for one, touched in zip(base.ids, base.paths, strict=True) if touched & paths]
    return any(adds_nothing(repo, one, commit) for one in tried[:_MOST])


def _same_patches(repo: Repo, base: _Base, own: list[str]) -> str:
    """The last of a branch's commits that base has as a patch each, as a rebase leaves them; empty for none."""
    if len(base.ids) > _MOST_CHERRIES:
        return ""
    marks = [line.split(" ") for line in repo.lines("cherry", base.tip, own[0])]
    known = {commit for mark, commit in marks if mark == "-"}
    last = ""
    for commit in reversed(own):
        if commit not in known:
            break
        last = commit
    return last


def _parents(repo: Repo, base: _Base, branch: str, oldest: str) -> list[str]:
    """Where this branch left others that began with it, grew on, and are in base by now."""
    words = ("--format=%(objectname)", f"--contains={oldest}", "refs/heads", "refs/remotes")
    tips = list(dict.fromkeys(repo.lines("for-each-ref", *words)))
    others = [
        tip for tip in tips if tip and not is_ancestor(repo, tip, branch) and not is_ancestor(repo, tip, base.tip)
    ]
    return [merge_base(repo, tip, branch) for tip in others[:_MOST] if _landed(repo, base, branch, tip)]


def _landed(repo: Repo, base: _Base, branch: str, tip: str) -> bool:
    changed = [change.path for change in tree_changes(repo, merge_base(repo, base.tip, tip) or tip, tip)]
    return bool(changed) and _has_taken(repo, _since(repo, base.tip, branch, changed), tip)
