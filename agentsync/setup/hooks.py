"""Installing the shims: as config hooks where git knows them, else in the hooks folder, chaining what is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agentsync.files import read_or_empty, write_whole
from agentsync.git.hooks_path import MARK, SETTINGS, SHARED, Setting, settings
from agentsync.git.refs import is_reftable
from agentsync.git.repo import Repo, git_version
from agentsync.holders.identity import no_person_in_sh
from agentsync.lean import NamedTuple
from agentsync.setup.resources import HOOKS, LIBRARY
from agentsync.text import shell_word

OURS = (
    "pre-commit",
    "prepare-commit-msg",
    "pre-merge-commit",
    "reference-transaction",
    "post-checkout",
    "post-commit",
    "post-merge",
    "post-rewrite",
    "pre-push",
)
# Hooks that only pass through when our folder takes the place of another (githooks(5)).
OTHERS = (
    "applypatch-msg",
    "commit-msg",
    "fsmonitor-watchman",
    "post-applypatch",
    "post-index-change",
    "pre-applypatch",
    "pre-auto-gc",
    "pre-rebase",
    "push-to-checkout",
    "sendemail-validate",
)
INCLUDE = b"[include] # agentsync: keep it last, so that its hooks are found\n\tpath = agentsync/git-config\n"
CHAINED = ".agentsync-chained"
CONFIG_HOOKS_SINCE = (2, 54)
LOCK_TIMEOUT = "reftable.lockTimeout"  # git-config(1); its default is 100
LOCK_MILLISECONDS = 10_000  # twice what a gate may take
PREVIOUS_KEY = "agentsync.previousHooksPath"


class Plan(NamedTuple):
    """How hooks get installed: `config` (git >= 2.54), `folder` (in the hooks folder) or `takeover`.

    With `takeover` another tool owns `core.hooksPath` (husky does); our folder takes its place and runs that
    tool's hooks first, in every worktree.
    """

    mode: str
    folder: str
    previous: str


def hooks_path_setting(repo: Repo) -> str:
    """`core.hooksPath` as others than agentsync set it for every worktree, empty where nobody does."""
    found = [one.value for one in settings(repo) if one.scope not in ("worktree", "command") and not _is_own(repo, one)]
    return found[-1] if found else ""


def own_hooks_path(repo: Repo, git_dir: str) -> str:
    """`core.hooksPath` of one worktree alone (git-worktree(1), `extensions.worktreeConfig`), empty for none."""
    found = [one.value for one in settings(repo._replace(git_dir=git_dir)) if one.scope == "worktree"]
    return found[-1] if found else ""


def _is_own(repo: Repo, one: Setting) -> bool:
    """Whether the included file of ours sets it, or an older agentsync did in the repository's own file."""
    return os.path.realpath(one.value) == os.path.realpath(os.path.join(repo.shared_dir, "hooks"))


def plan_hooks(repo: Repo) -> Plan:
    """Decide how to install, from git's version and what is configured."""
    own = os.path.join(repo.shared_dir, "hooks")
    configured = hooks_path_setting(repo)
    default = os.path.join(repo.common_dir, "hooks")
    if git_version(repo.environ) >= CONFIG_HOOKS_SINCE:
        return Plan("config", own, "")
    if not configured:
        moved = repo.git("config", "--get", PREVIOUS_KEY, ok=(0, 1)).out.decode("utf-8", "surrogateescape").strip()
        return Plan("takeover", own, moved) if moved else Plan("folder", default, "")
    if configured == os.devnull:  # that is nobody's hooks, but all hooks switched off
        here = [one for one in settings(repo) if one.scope == "local"]
        return Plan("folder", default, "") if here else Plan("takeover", own, "")
    if os.path.realpath(os.path.join(repo.top, configured)) != os.path.realpath(default):
        return Plan("takeover", own, configured)
    return Plan("folder", default, "")


def shim(name: str, previous: str = "") -> bytes:
    """A shim's text, or that of what they share, with this interpreter, this library and the hook that was here."""
    source = HOOKS / (name if name not in OTHERS else "other")
    text = source.read_text(encoding="utf-8")
    python = os.path.realpath(sys.executable) if not _in_venv() else sys.executable
    for key, value in (("PYTHON", python), ("LIBRARY", str(LIBRARY)), ("PREVIOUS", previous)):
        text = text.replace(f"@{key}@", shell_word(value))
    text = text.replace("@AGENT_TOOL@", no_person_in_sh())
    return text.encode("utf-8", "surrogateescape")


def _in_venv() -> bool:
    return sys.prefix != sys.base_prefix


def is_ours(path: Path) -> bool:
    """Whether a hook file is a shim of ours; a link to one is somebody's."""
    return not path.is_symlink() and MARK in read_or_empty(path)[:400]


def shared_shim(repo: Repo) -> Path:
    """Where the part that all shims read is installed."""
    return Path(repo.shared_dir) / SHARED


def install_hooks(repo: Repo, plan: Plan) -> list[str]:
    """Write the shims, chaining a hook that is there, and return the files and settings touched."""
    folder = Path(plan.folder)
    touched = []
    if read_or_empty(shared_shim(repo)) != shim(SHARED):
        write_whole(shared_shim(repo), shim(SHARED))
        touched.append(str(shared_shim(repo)))
    names = OURS if plan.mode != "takeover" else (*OURS, *OTHERS)
    for name in names:
        target = folder / name
        if os.path.lexists(target) and not is_ours(target):
            _set_aside(target)
        _drop_moved_away(target)
        previous = os.path.join(plan.previous, name) if plan.previous else ""
        if read_or_empty(target) != shim(name, previous) or not os.access(target, os.X_OK):
            write_whole(target, shim(name, previous), 0o755)
            touched.append(str(target))
    if plan.mode == "folder" and hooks_path_setting(repo) == os.devnull:
        repo.git("config", "--unset-all", "core.hooksPath", ok=(0, 5))
        touched.append(f"git config core.hooksPath (was {os.devnull})")
    if plan.mode == "takeover":
        touched += _include_ours(repo, plan)
    elif plan.mode == "folder":
        touched += _exclude_ours(repo)
    touched += _wait_for_tables(repo)
    if plan.mode == "config":
        for name in OURS:
            repo.git("config", f"hook.agentsync-{name}.command", shell_word(str(folder / name)))
            repo.git("config", "--replace-all", f"hook.agentsync-{name}.event", name)
        touched.append("git config hook.agentsync-*")
    return touched


def _wait_for_tables(repo: Repo) -> list[str]:
    """Let git wait for reference tables: there one lock covers all refs, and a gate runs while git has it."""
    if not is_reftable(repo) or repo.git("config", "--get", LOCK_TIMEOUT, ok=(0, 1)).out:
        return []
    repo.git("config", LOCK_TIMEOUT, str(LOCK_MILLISECONDS))
    return [f"git config {LOCK_TIMEOUT} {LOCK_MILLISECONDS}"]


def _include_ours(repo: Repo, plan: Plan) -> list[str]:
    """Let git read a file of ours after all others of the repository: what is set there wins.

    husky sets `core.hooksPath` again at every `npm install`, in `.git/config`; that comes before and stays as it is.
    """
    file = Path(repo.shared_dir) / SETTINGS
    text = b"[core]\n\thooksPath = " + _config_value(plan.folder) + b"\n"
    touched = []
    if read_or_empty(file) != text:
        write_whole(file, text)
        touched.append(str(file))
    if _set_by_an_older_one(repo):
        repo.git("config", "core.hooksPath", plan.previous)
        repo.git("config", "--unset-all", PREVIOUS_KEY, ok=(0, 5))
    config = Path(repo.common_dir) / "config"
    known = read_or_empty(config)
    without = known.replace(INCLUDE, b"")
    wanted = without + (b"" if not without or without.endswith(b"\n") else b"\n") + INCLUDE
    last = known.endswith(INCLUDE) or not _later_sections(known)
    if INCLUDE not in known or not last:
        write_whole(config, wanted)
        touched.append(f"git config include.path (core.hooksPath was {plan.previous or 'not set'})")
    return touched


def _later_sections(config: bytes) -> bool:
    """Whether a section that could set `core.hooksPath` comes after ours."""
    after = config.partition(INCLUDE)[2].lower()
    return b"[core" in after or b"[include" in after


def _exclude_ours(repo: Repo) -> list[str]:
    config = Path(repo.common_dir) / "config"
    known = read_or_empty(config)
    (Path(repo.shared_dir) / SETTINGS).unlink(missing_ok=True)
    if INCLUDE not in known:
        return []
    write_whole(config, known.replace(INCLUDE, b""))
    return ["git config include.path"]


def _config_value(text: str) -> bytes:
    """A value as git-config(1) reads it back."""
    return b'"' + os.fsencode(text).replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _set_by_an_older_one(repo: Repo) -> bool:
    config = os.path.join(repo.common_dir, "config")
    out = repo.git("config", "--file", config, "--type=path", "--get", "core.hooksPath", ok=()).out
    value = out.decode("utf-8", "surrogateescape").strip()
    return bool(value) and os.path.realpath(value) == os.path.realpath(os.path.join(repo.shared_dir, "hooks"))


def _set_aside(target: Path) -> None:
    """Give a hook the name under which its shim runs it; a link to another hook goes on leading to that one."""
    chained = target.with_name(target.name + CHAINED)
    leads_to = os.path.join(target.parent, os.readlink(target)) if target.is_symlink() else ""
    beside = os.path.realpath(os.path.dirname(leads_to)) == os.path.realpath(target.parent)
    if leads_to and beside and os.path.basename(leads_to) in (*OURS, *OTHERS):
        chained.unlink(missing_ok=True)
        chained.symlink_to(os.readlink(target) + CHAINED)
        target.unlink()
    else:
        target.rename(chained)


def _put_back(chained: Path) -> None:
    target = chained.with_name(chained.name.removesuffix(CHAINED))
    if chained.is_symlink() and os.readlink(chained).endswith(CHAINED):
        target.symlink_to(os.readlink(chained).removesuffix(CHAINED))
        chained.unlink()
    else:
        chained.rename(target)


def _drop_moved_away(target: Path) -> list[str]:
    """Delete shims of ours that lefthook (`.old`, where it stops if that is taken) or pre-commit moved aside."""
    found = [path for end in (".old", ".legacy") if is_ours(path := target.with_name(target.name + end))]
    for path in found:
        path.unlink()
    return [str(path) for path in found]


def remove_hooks(repo: Repo) -> list[str]:
    """Take the shims away and put back what was there, byte for byte; return what was touched."""
    touched = []
    previous = repo.git("config", "--get", PREVIOUS_KEY, ok=(0, 1)).out.decode("utf-8", "surrogateescape").strip()
    own = Path(repo.shared_dir) / "hooks"
    touched += _exclude_ours(repo)
    if _set_by_an_older_one(repo):
        repo.git("config", "--file", os.path.join(repo.common_dir, "config"), "--unset-all", "core.hooksPath")
        if previous and hooks_path_setting(repo) != previous:  # else it was the user's for all, and is again
            repo.git("config", "core.hooksPath", previous)
        touched.append(f"git config core.hooksPath = {previous}")
    if previous:
        repo.git("config", "--unset-all", PREVIOUS_KEY, ok=(0, 5))
    repo.git("config", "--unset-all", LOCK_TIMEOUT, f"^{LOCK_MILLISECONDS}$", ok=(0, 5))
    shared_shim(repo).unlink(missing_ok=True)
    for folder in (Path(repo.common_dir) / "hooks", own):
        for name in (*OURS, *OTHERS):
            target = folder / name
            if is_ours(target):
                target.unlink()
                touched.append(str(target))
            touched += _drop_moved_away(target)
            chained = target.with_name(name + CHAINED)
            if os.path.lexists(chained) and not os.path.lexists(target):
                _put_back(chained)
    for name in OURS:
        if repo.git("config", "--remove-section", f"hook.agentsync-{name}", ok=()).code == 0:
            touched.append(f"git config hook.agentsync-{name}")
    return touched
