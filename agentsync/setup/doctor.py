"""`doctor`: does every hook really fire in every worktree, and is what it needs still there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from agentsync.config.base import configured_name, default_branch, find_base, unknown_base
from agentsync.config.load import in_force_or_last
from agentsync.errors import AgentsyncError, DamagedError
from agentsync.files import read_or_empty
from agentsync.gates.unseen import standing_notice
from agentsync.git.hooks_path import SHARED
from agentsync.git.refs import worktrees
from agentsync.git.repo import Repo, git_elsewhere, git_version
from agentsync.git.run import LOCAL_VARIABLES
from agentsync.holders.per_clone import ignored
from agentsync.holders.registry import acting_holder
from agentsync.judging.scene import Scene
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.setup import blocks
from agentsync.setup.clients.install import bare, installed, switched_off
from agentsync.setup.clients.table import COMMAND
from agentsync.setup.drivers import TASKS_LINE, attributes_file, install_drivers
from agentsync.setup.excludes import LINES, add_excludes, exclude_file
from agentsync.setup.hooks import (
    OURS,
    hooks_path_setting,
    install_hooks,
    is_ours,
    own_hooks_path,
    plan_hooks,
    shared_shim,
    shim,
)
from agentsync.setup.review import unsaved_settings
from agentsync.setup.rules import RULES, lacking, spread, template
from agentsync.state.journal import read_events, record_event
from agentsync.state.restore import drop_unfit, read_whole, restore, unfit
from agentsync.state.store import LOST, Store
from agentsync.text import one_line, shell_word, show_path

if TYPE_CHECKING:
    from agentsync.git.refs import Worktree

OLDEST_GIT = (2, 39)
PROBE = "AGENTSYNC_PROBE"  # names the file by which `doctor` asks a hook whether it fires (hooks/shim.sh)


class Check(NamedTuple):
    """One thing looked at: `ok`, `warn` or `bad`, what was found, and what to type."""

    level: str
    what: str
    fix: str = ""


def examine(repo: Repo) -> list[Check]:
    """Every check, in the order in which a cause comes before its effects."""
    checks = [_git(repo), _state(repo), *_config(repo)]
    checks += _installed(repo)
    for worktree in worktrees(repo):
        if worktree.present:
            checks += _worktree(repo, worktree)
    checks.append(_driver(repo))
    checks += _clients(repo)
    checks += _past_the_gates(repo)
    return checks


def _git(repo: Repo) -> Check:
    version = git_version(repo.environ)
    shown = ".".join(str(number) for number in version)
    if version < OLDEST_GIT:
        return Check("bad", f"git {shown} is older than 2.39", "upgrade git")
    return Check("ok", f"git {shown}")


def _state(repo: Repo) -> Check:
    store = Store(repo.shared_dir, repo.environ)
    if store.is_lost():
        what = "state: it was deleted; locks, claims and reservations are gone"
        return Check("bad", what, "take them again: the next agentsync lock starts a new state")
    try:
        count = len([place for place in read_whole(store) if place.startswith(b"agents/")])
        left_out = unfit(store)
    except AgentsyncError as error:
        return Check("bad", f"state: {error.what}: {error.why}", error.next_command)
    if left_out:
        place, why = next(iter(left_out.items()))
        what = f"state: {len(left_out)} records are left out, such as {show_path(place)}: {why}"
        return Check("bad", what, "agentsync doctor --fix")
    week_ago = time.time() - 7 * 86400
    events = [one for one in read_events(repo.shared_dir) if one.get("event") == LOST]
    if events and int(str(events[-1]["time"])) > week_ago:
        what = "state: it was deleted less than a week ago, and began anew: earlier locks and claims are gone"
        return Check("warn", what, "take again what is needed: agentsync lock")
    if not os.access(repo.common_dir, os.W_OK):
        return Check("bad", "state: .git is read-only here", "allow writes to .git in the agent's sandbox")
    return Check("ok", f"state readable, {count} holders registered")


def _config(repo: Repo) -> list[Check]:
    rules, problem = in_force_or_last(repo)
    base = rules.base
    checks = []
    if problem:
        why = f" ({problem.why})" if problem.why else ""
        checks.append(Check("bad", f"{problem.what}{why}; the settings before it stay in force", problem.next_command))
    unborn = not repo.lines("for-each-ref", "--count=1")
    if not base.commits and not unborn:
        error = unknown_base(repo, base)
        return [*checks, Check("bad", f"{error.what} ({error.why})", error.next_command)]
    configured = configured_name(repo)
    if configured and configured != base.name:
        what = f"agentsync.base is {one_line(configured, 80)}, which is not here; base is taken to be {base.name}"
        checks.append(Check("warn", what, f"git config agentsync.base {shell_word(base.name)}"))
    stale = _stale_default(repo, base.remote)
    if stale:
        checks.append(Check("warn", stale, f"git remote set-head {shell_word(base.remote)} --auto"))
    return [*checks, Check("ok", f"base is {base.name}, profile {rules.config.text('profile')}")]


def _stale_default(repo: Repo, remote: str) -> str:
    """What to say where the clone's note of the remote's default branch names one that is gone or was renamed."""
    folder = f"refs/remotes/{remote}/"
    noted = repo.lines("symbolic-ref", "--quiet", f"{folder}HEAD", ok=()) if remote else []
    name = noted[0].removeprefix(folder) if noted else ""
    if not name or default_branch(repo, remote) == name:
        return ""
    return f"{remote}/HEAD names {one_line(name, 80)}, which is not the default branch any more"


def _installed(repo: Repo) -> list[Check]:
    plan = plan_hooks(repo)
    missing = [name for name in OURS if not is_ours(Path(plan.folder) / name)]
    if len(missing) == len(OURS) and by_framework(repo):
        what = "hooks run through pre-commit alone: rebases, fast-forwards and update-ref are not judged"
        return [Check("warn", what, "agentsync init")]
    if len(missing) == len(OURS):
        return [Check("bad", "hooks are not installed", "agentsync init")]
    checks = [Check("bad", f"hook {name} is gone or was replaced", "agentsync doctor --fix") for name in missing]
    for name in OURS:
        path = Path(plan.folder) / name
        previous = os.path.join(plan.previous, name) if plan.previous else ""
        if name not in missing and path.read_bytes() != shim(name, previous):
            checks.append(Check("warn", f"hook {name} is from another agentsync or Python", "agentsync doctor --fix"))
        if name not in missing and not os.access(path, os.X_OK):
            checks.append(Check("bad", f"hook {name} is not executable", "agentsync doctor --fix"))
    if read_or_empty(shared_shim(repo)) != shim(SHARED):
        checks.append(Check("bad", f"{SHARED}, which the hooks read, is gone or changed", "agentsync doctor --fix"))
    return checks or [Check("ok", f"{len(OURS)} hooks installed ({plan.mode})")]


def by_framework(repo: Repo) -> bool:
    """Whether only a framework (pre-commit, prek) runs our hooks, by its configuration."""
    text = read_or_empty(Path(repo.top) / ".pre-commit-config.yaml")
    return b"agentsync-pre-commit" in text and not any(is_ours(Path(plan_hooks(repo).folder) / one) for one in OURS)


def silent_hooks(repo: Repo, top: str) -> list[str]:
    """The hooks that do not reach us in a worktree: run by git, each takes away the file by which it is asked."""
    environ = {key: value for key, value in repo.environ.items() if key not in LOCAL_VARIABLES}
    nonce = os.urandom(16).hex()
    environ[PROBE] = nonce
    folder = Path(repo.shared_dir) / "probe"
    folder.mkdir(parents=True, exist_ok=True)
    silent = []
    for name in OURS:
        question = folder / f"{name}.{nonce}"
        question.touch()
        words = ["prepared"] if name == "reference-transaction" else []
        git_elsewhere(environ, top, "hook", "run", "--ignore-missing", name, "--", *words, ok=())
        if question.exists():
            silent.append(name)
            question.unlink()
    return silent


def _worktree(repo: Repo, worktree: Worktree) -> list[Check]:
    top, own_path = worktree.top, own_hooks_path(repo, worktree.git_dir)
    silent = [] if by_framework(repo) else silent_hooks(repo, top)
    where = one_line(top)
    checks = [Check("bad", f"{where}: {one.lines[0]}", one.lines[-1]) for one in unsaved_settings(top)]
    if by_framework(repo):
        checks.append(Check("ok", f"{where}: hooks run through pre-commit (not probed: it would stash)"))
    elif silent:
        why, fix = "", "agentsync doctor --fix"
        if own_path:
            why = f" (core.hooksPath of this worktree alone is {one_line(own_path)})"
            fix = f"git -C {shell_word(top)} config --worktree --unset-all core.hooksPath"
        elif hooks_path_setting(repo) and plan_hooks(repo).mode == "takeover":
            why = f" (core.hooksPath is {one_line(hooks_path_setting(repo))})"
        checks.append(Check("bad", f"{where}: {', '.join(silent)} never fire{why}", fix))
    else:
        checks.append(Check("ok", f"{where}: all {len(OURS)} hooks fire"))
    checks += _without_ours(repo, worktree)
    block = blocks.find(read_or_empty(Path(top) / RULES).decode("utf-8", "replace"))
    if block is None:
        pass  # said above
    elif block.edited:
        checks.append(Check("warn", f"{where}: the rules in AGENTS.md were changed by hand", "keep, or agentsync init"))
    elif block.body.replace("\r\n", "\n") != template("AGENTS.md"):
        checks.append(Check("warn", f"{where}: the rules in AGENTS.md are from another version", "agentsync init"))
    return checks


def _without_ours(repo: Repo, worktree: Worktree) -> list[Check]:
    """The rules and clients' hooks that a worktree lacks, and how they come there: by a merge, or from us."""
    there = Repo(os.path.realpath(worktree.top), worktree.git_dir, repo.common_dir, repo.environ)
    lacks = lacking(there)
    own = ignored(there, [name for name, _ in lacks])
    merge = f"git -C {shell_word(there.top)} merge {shell_word(find_base(repo).name)}"
    return [
        Check("warn", f"{one_line(there.top)}: {what}", "agentsync doctor --fix" if name in own else merge)
        for name, what in lacks
    ]


def _driver(repo: Repo) -> Check:
    text = read_or_empty(attributes_file(repo)).decode("utf-8", "replace")
    excluded = read_or_empty(exclude_file(repo)).decode("utf-8", "replace").splitlines()
    if TASKS_LINE not in text or not set(LINES) <= set(excluded):
        return Check("warn", "merge drivers or ignored markers are missing", "agentsync doctor --fix")
    return Check("ok", "merge drivers installed")


def _clients(repo: Repo) -> list[Check]:
    """Agents' settings: are our entries there once and as they are now, and is what they call to be found."""
    found = installed(repo)
    checks = []
    for one in bare(repo):
        again = f"agentsync init --agents {one.client.name}"
        checks.append(Check("warn", f"{one.client.name}: nothing of ours is in {one.path} any more", again))
    for one in found:
        if one.changes:
            again = f"agentsync init --agents {one.client.name}"
            checks.append(Check("warn", f"{one.client.name}: {one.path} is from another version", again))
        elif switched_off(one):
            what = f"{one.client.name}: disableAllHooks in {one.path} switches its hooks off"
            checks.append(Check("warn", what, "take that key out"))
        elif one.left:
            what = f"{one.client.name}: {one.path} sets this otherwise: {one_line(one.left, 100)}"
            checks.append(Check("warn", what, "keep yours, or change it there"))
        else:
            note = f" ({one.client.note})" if one.client.note else ""
            checks.append(Check("ok", f"{one.client.name}: {one.path}{note}"))
        if one.client.file in ignored(repo, [one.client.file]):
            what = f"{one.client.name}: git ignores {one.client.file}, so only worktrees of this clone have it"
            checks.append(Check("warn", what, f"git add -f {shell_word(one.client.file)}"))
    if any(one.client.hooks for one in found) and not shutil.which(COMMAND, path=repo.environ.get("PATH")):
        checks.append(
            Check("bad", f"{COMMAND} is not on PATH: agents' hooks allow everything", "pipx install agentsync-hooks")
        )
    return checks


def _past_the_gates(repo: Repo) -> list[Check]:
    """What base took that no gate saw."""
    try:
        scene = Scene(repo, Store(repo.shared_dir, repo.environ), in_force_or_last(repo)[0], acting_holder(repo))
        notice = standing_notice(scene)
    except AgentsyncError:  # said above already
        return []
    return [Check("warn", "; ".join(notice.lines[:-1]), notice.lines[-1])] if notice else []


def mend(repo: Repo) -> list[str]:
    """Install again what `examine` finds missing, set a damaged state aside; return what was touched."""
    touched = [*install_hooks(repo, plan_hooks(repo)), *_set_damaged_state_aside(repo), *_drop_unfit(repo)]
    install_drivers(repo)
    add_excludes(repo)
    return touched + spread(repo)


def _drop_unfit(repo: Repo) -> list[str]:
    """Take out of the state what is left out by all who read it; each has a line in the journal."""
    store = Store(repo.shared_dir, repo.environ)
    try:
        author = acting_holder(repo).key
        dropped = drop_unfit(store, author) if unfit(store) else {}
    except AgentsyncError:  # examined, and said, right after
        return []
    for place, why in dropped.items():
        record_event(repo.shared_dir, "dropped", holder=author, place=show_path(place), why=why)
    return [f"the state: {show_path(place)} is out ({why})" for place, why in dropped.items()]


def _set_damaged_state_aside(repo: Repo) -> list[str]:
    """Let a new state begin where the old one cannot be read; what is left of that stays beside it."""
    store = Store(repo.shared_dir, repo.environ)
    try:
        read_whole(store)
    except DamagedError:
        back_to = restore(store)
        if back_to:
            return [f"state: back to {back_to[:12]}, the newest that can be read"]
        aside = f"{store.path}.damaged-{int(time.time())}"
        os.rename(store.path, aside)
        return [aside]
    except AgentsyncError:  # of a newer version, or not to be read by us: not ours to move
        pass
    return []
