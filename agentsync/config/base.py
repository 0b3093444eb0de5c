"""Which branch is base: where work lands. Never the branch under judgement for want of a better one."""

from __future__ import annotations

import os

from agentsync.errors import UsageError
from agentsync.git.arrivals import is_kept, upstream_as_given
from agentsync.git.objects import is_ancestor
from agentsync.git.refs import HEADS, head_of, resolve_ref
from agentsync.git.repo import Repo
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import NamedTuple
from agentsync.text import quoted, shell_word

REMOTES = "refs/remotes/"
_USUAL = ("main", "master")


class Base(NamedTuple):
    """The base branch: full refs and the commits they are at; empty where there is none.

    `ahead`: the local branch has all of its upstream, and more.
    """

    ref: str
    commit: str
    upstream: str
    upstream_commit: str
    ahead: bool = False

    @property
    def name(self) -> str:
        """The short name, such as `main`; empty where nobody can tell which branch it is."""
        return self.ref.removeprefix(HEADS)

    @property
    def commits(self) -> list[str]:
        """Where base is, here and as last fetched; where they diverged, either counts."""
        return list(dict.fromkeys(commit for commit in (self.commit, self.upstream_commit) if commit))

    @property
    def newest(self) -> str:
        """Where base is, by whichever of the two has moved on; the upstream where they diverged, empty for neither."""
        return self.commit if self.ahead or not self.upstream_commit else self.upstream_commit

    @property
    def newest_name(self) -> str:
        """What to merge to have all of base."""
        local = self.newest == self.commit
        return self.name if local else self.upstream.removeprefix(REMOTES)

    @property
    def remote(self) -> str:
        """The remote of base's upstream, empty without one."""
        parts = self.upstream.split("/")
        return parts[2] if len(parts) > 3 else ""


UNKNOWN = Base(HEADS, "", "", "")


def find_base(repo: Repo, name: str = "") -> Base:
    """The base of that name, else the configured one, else the remote's default branch, else main or master.

    UNKNOWN where none of these tells: the current branch would be held against itself.
    """
    settings = _git_settings(repo)
    remote = _remote_of(settings)
    named = _located(repo, settings, name or settings.get("agentsync.base", ""))
    if name or named.commits:
        return named
    found = _detected(repo, remote)
    renamed = {named.name, found} == set(_USUAL)  # any other name that somebody gave is not second-guessed
    return _located(repo, settings, found) if found and (renamed or not named.name) else named


def configured_name(repo: Repo) -> str:
    """What `agentsync.base` says in git's configuration."""
    return _git_settings(repo).get("agentsync.base", "")


def located(repo: Repo, ref: str, upstream: str) -> Base:
    """Base by its refs, with where they are now.

    A tracking ref that was moved here by hand must not decide what base has, nor its settings.
    """
    commit = resolve_ref(repo, ref)
    at = resolve_ref(repo, upstream) if upstream else ""
    if at and at != commit and is_kept(repo):
        at = upstream_as_given(repo, upstream, at) or (at if commit and is_ancestor(repo, at, commit) else "")
    return Base(ref, commit, upstream, at)


def _located(repo: Repo, settings: dict[str, str], name: str) -> Base:
    if not name:
        return UNKNOWN
    remote = settings.get(f"branch.{name}.remote", "")
    merge = settings.get(f"branch.{name}.merge", "").removeprefix(HEADS)
    upstream = f"{REMOTES}{remote}/{merge}" if remote not in ("", ".") and merge else ""
    other = f"{REMOTES}{_remote_of(settings)}/{name}"
    if not upstream and resolve_ref(repo, other):
        upstream = other
    return located(repo, HEADS + name, upstream)


def _remote_of(settings: dict[str, str]) -> str:
    """`origin`, or the only other remote."""
    names = [key.removeprefix("remote.").removesuffix(".url") for key in settings if key.startswith("remote.")]
    return names[0] if len(names) == 1 else "origin"


def _detected(repo: Repo, remote: str) -> str:
    default = default_branch(repo, remote)
    if default:
        return default
    head = head_of(repo)
    if repo.top == repo.git_dir and head.commit:  # a server's repository: nobody works in it, so HEAD is its default
        return head.branch.removeprefix(HEADS)
    places = (HEADS, f"{REMOTES}{remote}/")
    return next((name for name in _USUAL if any(resolve_ref(repo, place + name) for place in places)), "")


def default_branch(repo: Repo, remote: str) -> str:
    """The remote's default branch as the clone knows it; empty where that is gone, or has another name by now.

    A clone is not told when the server renames master to main: `<remote>/HEAD` goes on naming master.
    """
    folder = f"{REMOTES}{remote}/"
    out = repo.git("symbolic-ref", "--quiet", f"{folder}HEAD", ok=()).out
    name = out.decode("utf-8", "surrogateescape").strip().removeprefix(folder)
    tip = resolve_ref(repo, folder + name) if name else ""
    if not tip:
        return ""
    for other in _USUAL if name in _USUAL else ():
        newer = resolve_ref(repo, folder + other) if other != name else ""
        lacks_old = not resolve_ref(repo, HEADS + name) and bool(resolve_ref(repo, HEADS + other))
        if newer and (lacks_old or (newer != tip and is_ancestor(repo, tip, newer))):
            return other
    return name


def _git_settings(repo: Repo) -> dict[str, str]:
    pattern = r"^(agentsync\.base|branch\..*\.(remote|merge)|remote\..*\.url)$"
    words = (f"--git-dir={repo.git_dir}", "config", "--null", "--get-regexp", pattern)
    # from the files alone: what `git -c` says counts for one command, and must not decide what base is
    out = run_git(words, scrubbed_environment(repo.environ), ok=(0, 1)).out.decode("utf-8", "surrogateescape")
    rows = [row.partition("\n") for row in out.split("\0") if row]
    return {key: value for key, _, value in rows}


def unknown_base(repo: Repo, base: Base) -> UsageError:
    """What to say where a command needs base, and has no commit of it: how to name it, or how to fetch it."""
    remote = base.remote or _remote_of(_git_settings(repo))
    if base.name and (base.upstream or f"remote.{remote}.url" in _git_settings(repo)):
        spec = f"+{HEADS}{base.name}:{REMOTES}{remote}/{base.name}"
        deepen = "--unshallow " if os.path.exists(os.path.join(repo.common_dir, "shallow")) else ""
        return UsageError(
            f"base is {quoted(base.name, 60)}, and this clone has no commit of it",
            "it was never fetched; where the branch has another name: git config agentsync.base NAME",
            f"git fetch {deepen}{shell_word(remote)} {shell_word(spec)}",
        )
    if base.name:
        return UsageError(
            f"base is {quoted(base.name, 60)}, and there is no such branch",
            "the branch that work lands on may have another name (git branch --all)",
            "git config agentsync.base main",
        )
    return UsageError(
        "base is not known: which branch does work land on?",
        "this clone has no default branch of a remote, no main and no master; name it, for example main",
        "git config agentsync.base main",
    )
