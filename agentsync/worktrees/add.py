"""A worktree for one agent: made, or found as it is, with what it needs to run."""

from __future__ import annotations

import os
import re
import shutil

from agentsync.config.trust import is_trusted
from agentsync.errors import GitError, RefusedError, UsageError
from agentsync.files import read_or_empty, write_whole
from agentsync.git.refs import HEADS, head_of, resolve_ref, worktrees
from agentsync.git.repo import MAIN_WORKTREE, Repo, around, git_elsewhere
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
    if os.path.basename(repo.common_dir) == ".git":
        return os.path.dirname(repo.common_dir)
    # a submodule's git directory lies elsewhere, and says where its work tree is
    words = (f"--git-dir={repo.common_dir}", "rev-parse", "--show-toplevel")
    top = git_elsewhere(repo.environ, repo.common_dir, *words, ok=()).out.decode("utf-8", "surrogateescape").strip()
    return top if top and os.path.lexists(os.path.join(top, ".git")) else repo.top


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

    A name that can only be a branch's, such as `feature/login`, names the branch, and the worktree after it. One that
    another tool made is found by git's id of it, its branch or its folder, wherever it is. A new branch begins at
    `start` (any revision), else at the one remote branch of its name, else at base. Raises UsageError for a name that
    cannot be one, RefusedError where the branch is checked out elsewhere or the folder is taken, GitError where git
    says no, or works elsewhere than in the worktree.
    """
    theirs = None if branch else _by_another_tool(repo, rules, name)
    if theirs:
        return _found(repo, rules, theirs, theirs.id, head_of(repo, theirs.git_dir).branch.removeprefix(HEADS))
    name, branch = _names(repo, name, branch)
    place = place_for(repo, rules, name)
    there = next((one for one in worktrees(repo) if os.path.realpath(one.top) == os.path.realpath(place)), None)
    if there and there.present:
        return _found(repo, rules, there, name, branch)
    if there:
        forget(repo, there)
    _require_free(repo, place, branch)
    exists = bool(resolve_ref(repo, HEADS + branch))
    if exists and start:
        what = f"there is a branch {quoted(branch, 80)} already"
        raise UsageError(what, "--from says where a new one begins", f"agentsync worktree add {shell_word(name)} OTHER")
    _require_own_folders(repo)
    words = [place, branch] if exists else _new_branch(repo, rules, branch, place, start)
    notes = _made_by_git(repo, place, branch, words)
    if not exists:
        note_made(repo, branch)
    more, failed = furnish(repo, rules, place, name)
    return Made(place, branch, existed=False, notes=(*notes, *more), failed=failed)


def _by_another_tool(repo: Repo, rules: InForce, name: str) -> Worktree | None:
    """The worktree of a name, a branch or a folder that stands elsewhere than those that are made here do."""
    linked = [one for one in worktrees(repo) if one.present and one.id != MAIN_WORKTREE]
    folder = os.path.realpath(name)
    found = [one for one in linked if os.path.realpath(one.top) == folder]
    found += [one for one in linked if name in (one.id, head_of(repo, one.git_dir).branch.removeprefix(HEADS))]
    ours = [one for one in found[:1] if os.path.realpath(place_for(repo, rules, one.id)) == os.path.realpath(one.top)]
    return found[0] if found and not ours else None


def flat_name(branch: str) -> str:
    """A branch's name as a folder's and an agent's."""
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in branch).strip("-.") or branch


def _names(repo: Repo, name: str, branch: str) -> tuple[str, str]:
    """The worktree's name and its branch.

    Raises UsageError where one cannot be, RefusedError where the folder of the name has another branch.
    """
    flat = name if branch else flat_name(name)
    is_branch = repo.git("check-ref-format", "--branch", branch or name, ok=()).code == 0
    if flat == name or not is_branch:
        validate_agent(name, "the worktree's name")
        if not is_branch:
            what = f"{quoted(branch or name, 80)} cannot be a branch's name"
            raise UsageError(what, "git check-ref-format says what can", "git help check-ref-format")
        return name, branch or name
    for one in worktrees(repo):
        now = head_of(repo, one.git_dir).branch.removeprefix(HEADS)
        if one.id == flat and now != name:
            what = f"worktree {flat} is there already, on {quoted(now, 80) if now else 'a detached HEAD'}"
            way_on = f"agentsync worktree add {shell_word(flat + '-2')} {shell_word(name)}"
            raise RefusedError(what, f"in {one.top}; to make another for {quoted(name, 80)}", way_on)
    return validate_agent(flat, "the worktree's name"), name


def _require_free(repo: Repo, place: str, branch: str) -> None:
    for one in worktrees(repo):
        if head_of(repo, one.git_dir).branch == HEADS + branch:
            what = f"branch {quoted(branch, 80)} is checked out already"
            if one.present:
                raise RefusedError(what, f"in {one.top}", f"cd {shell_word(one.top)}")
            way_on = f"agentsync worktree remove {shell_word(one.id)}"
            raise RefusedError(what, f"in {one.top}, which is not there now; to give that worktree up:", way_on)
    if os.path.lexists(place) and (not os.path.isdir(place) or os.listdir(place)):
        raise RefusedError(f"{place} is there already, and no worktree", "", f"ls -la {shell_word(place)}")


def _require_own_folders(repo: Repo) -> None:
    """Refuse where git takes every worktree for the main one's folder (git-worktree(1), CONFIGURATION FILE).

    That is so where the repository is a submodule, or was made with `--separate-git-dir`, and something has switched
    `extensions.worktreeConfig` on without moving `core.worktree`.
    """
    common = os.path.join(repo.common_dir, "config")

    def setting(key: str, *kind: str) -> str:
        words = ("config", "--file", common, *kind, "--get", key)
        said = git_elsewhere(repo.environ, repo.common_dir, *words, ok=()).out
        return said.decode("utf-8", "surrogateescape").strip()

    folder = setting("core.worktree")
    if folder and setting("extensions.worktreeConfig", "--type=bool") == "true":
        own = shell_word(os.path.join(repo.common_dir, "config.worktree"))
        way_on = (
            f"git config --file {own} core.worktree {shell_word(folder)}"
            f" && git config --file {shell_word(common)} --unset core.worktree"
        )
        what = "git would work in the main worktree from every other: core.worktree is set for all of them"
        raise RefusedError(what, "extensions.worktreeConfig is on; the setting belongs to the main one alone", way_on)


def _made_by_git(repo: Repo, place: str, branch: str, words: list[str]) -> list[str]:
    """Let git make a worktree; a hook of the user's that failed afterwards is a note, and no worktree the less.

    Raises GitError where there is none then, or git works elsewhere in it.
    """
    done = repo.git("worktree", "add", "--quiet", *words, ok=())
    said = [line for line in done.err.decode("utf-8", "replace").splitlines() if line.strip()]
    made = next((one for one in worktrees(repo) if os.path.realpath(one.top) == os.path.realpath(place)), None)
    if made is None or not made.present or head_of(repo, made.git_dir).branch != HEADS + branch:
        typed = f"git worktree add {' '.join(map(shell_word, words))}"
        raise GitError("git worktree add failed", one_line(said[-1] if said else ""), typed)
    top = git_elsewhere(repo.environ, place, "rev-parse", "--show-toplevel", ok=())
    if os.path.realpath(top.out.decode("utf-8", "surrogateescape").strip() or ".") != os.path.realpath(place):
        why = f"git works in {one_line(top.out.decode('utf-8', 'replace').strip(), 200) or 'no work tree'} from there"
        raise GitError(f"{place} was made, but is no worktree", why, "git config --show-origin --get core.worktree")
    if done.code == 0:
        return []
    if git_elsewhere(repo.environ, place, "diff-index", "--cached", "--quiet", "HEAD", ok=()).code != 0:
        why = one_line(said[-1] if said else f"exit code {done.code}")
        raise GitError("git worktree add was cut short", why, f"git -C {shell_word(place)} status")
    theirs = [line for line in said if not line.startswith("agentsync: ")]  # ours runs after it
    return [f"the post-checkout hook failed: {one_line(theirs[-1] if theirs else f'exit code {done.code}', 160)}"]


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
    return [*notes, _hooks(repo, place)], failed


def _hooks(repo: Repo, place: str) -> str:
    if by_framework(repo):
        return "hooks run through pre-commit, and were not tried: it would stash"
    silent = silent_hooks(repo, place)
    return f"hooks that do not fire here: {', '.join(silent)} (agentsync doctor)" if silent else "hooks fire"


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
