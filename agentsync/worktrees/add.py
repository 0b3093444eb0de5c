"""A worktree for one agent: made, or found as it is, with what it needs to run."""

from __future__ import annotations

import os
import re
import shutil

from agentsync.config.trust import is_trusted
from agentsync.errors import GitError, RefusedError, UsageError
from agentsync.files import read_or_empty, write_whole
from agentsync.git.refs import HEADS, head_of, resolve_ref, worktrees
from agentsync.git.repo import Repo, around
from agentsync.holders.identity import validate_agent
from agentsync.holders.per_clone import hand_out
from agentsync.landing.branches import note_made
from agentsync.landing.room import last_lines, run_command
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.setup.doctor import by_framework, silent_hooks
from agentsync.setup.excludes import ENV_FILE, add_excludes
from agentsync.text import one_line, quoted, shell_word
from agentsync.worktrees.environment import environment, port_of
from agentsync.worktrees.remove import forget

if TYPE_CHECKING:
    from agentsync.config.load import InForce
    from agentsync.git.refs import Worktree

INCLUDE_FILE = ".worktreeinclude"
_SETUP_SECONDS = 1800.0


class Made(NamedTuple):
    """A worktree: its folder, its branch, whether it was there already, what to know, and whether set-up failed."""

    path: str
    branch: str
    existed: bool
    notes: tuple[str, ...] = ()
    failed: bool = False


def main_top(repo: Repo) -> str:
    """The top of the main worktree, or this one's where there is no main one (a bare repository)."""
    return os.path.dirname(repo.common_dir) if os.path.basename(repo.common_dir) == ".git" else repo.top


def place_for(repo: Repo, rules: InForce, name: str) -> str:
    """The folder of a worktree by `[worktree] path`.

    Raises UsageError for a pattern that names something else than `{repo}` and `{name}`.
    """
    top, pattern = main_top(repo), rules.config.text("worktree.path")
    try:
        path = pattern.format(repo=os.path.basename(top), name=name)
    except (KeyError, IndexError, ValueError):
        what = f"worktree.path is {quoted(pattern, 80)}"
        raise UsageError(what, "it may hold {repo} and {name}", "agentsync worktree list") from None
    return os.path.normpath(os.path.join(top, path))


def add_worktree(repo: Repo, rules: InForce, name: str, branch: str, start: str) -> Made:
    """Make a worktree, or find the one of that name and do what is missing there.

    A new branch begins at `start` (any revision), else at the one remote branch of its name, else at base. Raises
    UsageError for a name that cannot be one, RefusedError where the branch is checked out elsewhere or the folder is
    taken, GitError where git says no.
    """
    validate_agent(name, "the worktree's name")
    place, branch = place_for(repo, rules, name), branch or name
    there = next((one for one in worktrees(repo) if os.path.realpath(one.top) == os.path.realpath(place)), None)
    if there and there.present:
        return _found(repo, rules, there, name, branch)
    if there:
        forget(repo, there)
    for one in worktrees(repo):
        if head_of(repo, one.git_dir).branch == HEADS + branch:
            what = f"branch {quoted(branch, 80)} is checked out already"
            if one.present:
                raise RefusedError(what, f"in {one.top}", f"cd {shell_word(one.top)}")
            way_on = f"agentsync worktree remove {shell_word(one.id)}"
            raise RefusedError(what, f"in {one.top}, which is not there now; to give that worktree up:", way_on)
    if os.path.lexists(place) and (not os.path.isdir(place) or os.listdir(place)):
        raise RefusedError(f"{place} is there already, and no worktree", "", f"ls -la {shell_word(place)}")
    exists = bool(resolve_ref(repo, HEADS + branch))
    if exists and start:
        what = f"there is a branch {quoted(branch, 80)} already"
        raise UsageError(what, "--from says where a new one begins", f"agentsync worktree add {shell_word(name)} OTHER")
    words = [place, branch] if exists else _new_branch(repo, rules, branch, place, start)
    try:
        repo.git("worktree", "add", "--quiet", *words)
    except GitError as error:
        typed = f"git worktree add {' '.join(map(shell_word, words))}"
        raise GitError("git worktree add failed", error.why, typed) from None
    if not exists:
        note_made(repo, branch)
    notes, failed = furnish(repo, rules, place, name)
    return Made(place, branch, existed=False, notes=tuple(notes), failed=failed)


def _new_branch(repo: Repo, rules: InForce, branch: str, place: str, start: str) -> list[str]:
    """The words for a branch that begins at a commit, else follows the one remote branch of its name."""
    remote = [ref for ref in repo.lines("for-each-ref", "--format=%(refname)", f"refs/remotes/*/{branch}") if ref]
    if not start and len(remote) == 1:
        return ["--track", "-b", branch, place, remote[0].removeprefix("refs/remotes/")]
    return ["--no-track", "-b", branch, place, start or _base(rules)]


def _base(rules: InForce) -> str:
    if not rules.base.commits:
        raise UsageError("base has no commit yet", "a worktree begins at one", "git commit --allow-empty -m start")
    return rules.base.newest


def _found(repo: Repo, rules: InForce, there: Worktree, name: str, branch: str) -> Made:
    now = head_of(repo, there.git_dir).branch.removeprefix(HEADS)
    note = f"it is there already, on {now or 'a detached HEAD'}" if now != branch else "it is there already"
    if set(_steps(rules)) <= _done(there.top):
        return Made(there.top, now, existed=True, notes=(note,))
    notes, failed = furnish(repo, rules, there.top, name)
    return Made(there.top, now, existed=True, notes=(note, *notes), failed=failed)


def _steps(rules: InForce) -> list[str]:
    """What a worktree needs: its files, and each set-up command."""
    return [ENV_FILE, *rules.config.patterns("worktree.setup")]


def _done(place: str) -> set[str]:
    """The steps that were done in a worktree; a killed `worktree add` leaves some to the next."""
    return set(read_or_empty(_done_file(place)).decode("utf-8", "replace").split("\0"))


def _done_file(place: str) -> str:
    inside = around({}, place)
    return os.path.join(inside.private_dir if inside else place, "furnished")


def furnish(repo: Repo, rules: InForce, place: str, name: str) -> tuple[list[str], bool]:
    """Copy what is ignored but needed, give it a port and a database name, run set-up, prove the hooks.

    What was done before is not done again. Returns notes, and whether a set-up command failed.
    """
    done = _done(place)
    notes = [] if ENV_FILE in done else _files(repo, place, name)
    done.add(ENV_FILE)
    failed = False
    for command in rules.config.patterns("worktree.setup"):
        if command not in done:
            note, ran = _set_up(repo, place, command)
            notes.append(note)
            failed = failed or ran is False
            done |= {command} if ran else set()
    write_whole(_done_file(place), "\0".join(sorted(done)).encode())
    silent = [] if by_framework(repo) else silent_hooks(repo, place)
    notes.append(f"hooks that do not fire here: {', '.join(silent)} (agentsync doctor)" if silent else "hooks fire")
    return notes, failed


def _files(repo: Repo, place: str, name: str) -> list[str]:
    notes = []
    inside = around({**repo.environ}, place)
    copied = [*copy_included(repo, place), *(hand_out(inside) if inside else ())]
    if copied:
        shown = ", ".join(one_line(path, 60) for path in copied[:5])
        notes.append(f"copied {shown}" + (f" and {len(copied) - 5} more" if len(copied) > 5 else ""))
    add_excludes(repo)
    port = port_of(name, _ports(repo))
    write_whole(os.path.join(place, ENV_FILE), environment(name, port).encode())
    return [*notes, f"port {port}, in {ENV_FILE}"]


def _ports(repo: Repo) -> frozenset[int]:
    texts = [read_or_empty(os.path.join(one.top, ENV_FILE)) for one in worktrees(repo)]
    return frozenset(int(port) for text in texts for port in re.findall(rb"^AGENTSYNC_PORT=(\d+)$", text, re.MULTILINE))


def _set_up(repo: Repo, place: str, command: str) -> tuple[str, bool | None]:
    """What became of a set-up command in words, and whether it passed; None where it was not run."""
    shown = one_line(command, 80)
    if not is_trusted(repo, command):
        return f"not run, since nobody approved it (agentsync trust, then this again): {shown}", None
    ran = run_command(repo, command, place, _SETUP_SECONDS)
    if ran.passed:
        return f"ran {shown}", True
    tail = "; ".join(one_line(line, 100) for line in last_lines(ran.log, 2))
    return f"set-up failed, {ran.why}: {shown}: {tail}", False


def copy_included(repo: Repo, place: str) -> list[str]:
    """Copy the main worktree's ignored files that `.worktreeinclude` (else `.env*`) names; what is there stays."""
    top = main_top(repo)
    include = os.path.join(top, INCLUDE_FILE)
    chosen = f"--exclude-from={include}" if os.path.exists(include) else "--exclude=.env*"
    inside = Repo(top, repo.common_dir, repo.common_dir, repo.environ)
    named = inside.git("ls-files", "--others", "--ignored", "-z", chosen).out
    ignored = inside.git("check-ignore", "-z", "--stdin", stdin=named, ok=(0, 1)).out if named else b""
    copied = []
    for path in filter(None, ignored.split(b"\0")):
        name = os.fsdecode(path)
        source, target = os.path.join(top, name), os.path.join(place, name)
        if name == ENV_FILE or os.path.lexists(target) or os.path.isdir(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
        copied.append(name)
    return copied
