"""Where git looks for hooks in a worktree, asked of git itself; the answer is kept while the settings stand."""

from __future__ import annotations

import os

from agentsync.git.repo import Repo, make_private_dir, read_line
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = b"# agentsync shim "
SHARED = "shim.sh"  # in our shared folder, where hooks are installed
SETTINGS = "git-config"  # in our shared folder: what `.git/config` includes at its end
DECIDING = "reference-transaction"
_CACHE = "hooks-looked"


class Setting(NamedTuple):
    """One `core.hooksPath`: git's name of its scope (git-config(1), `--show-scope`), the file, the value."""

    scope: str
    origin: str
    value: str


def settings(repo: Repo) -> list[Setting]:
    """Every `core.hooksPath` that holds in this worktree, with includes followed; the last one wins."""
    words = [f"--git-dir={repo.git_dir}", "config", "--show-scope", "--show-origin", "--null", "--type=path"]
    out = run_git([*words, "--get-all", "core.hooksPath"], scrubbed_environment(repo.environ), ok=(0, 1)).out
    fields = out.decode("utf-8", "surrogateescape").split("\0")
    rows = zip(fields[::3], fields[1::3], fields[2::3], strict=False)
    return [Setting(scope, origin.removeprefix("file:"), value) for scope, origin, value in rows]


def hooks_folder(repo: Repo) -> str:
    """The folder in which git looks for hooks when it works in this worktree."""
    words = ["-C", repo.top, f"--git-dir={repo.git_dir}", f"--work-tree={repo.top}", "rev-parse", "--git-path", "hooks"]
    out = run_git(words, scrubbed_environment(repo.environ)).out.decode("utf-8", "surrogateescape").removesuffix("\n")
    return os.path.join(repo.top, out)


def is_shim(path: str) -> bool:
    """Whether a hook file is a shim of ours that git can run."""
    try:
        with open(path, "rb") as file:
            return MARK in file.read(400) and os.access(path, os.X_OK)
    except OSError:
        return False


def why_silent(repo: Repo) -> str:
    """Why git runs no hook of ours in this worktree, empty where it does. Costs a few stats where nothing changed.

    Where agentsync is not installed at all, hooks may run through a framework; nothing is said then.
    """
    if not os.path.exists(os.path.join(repo.shared_dir, SHARED)):
        return ""
    stamp = _stamp(repo)
    cache = os.path.join(repo.private_dir, _CACHE)
    known, _, why = read_line(cache).partition(" ")
    if known == stamp:
        return why
    why = _looked(repo)
    try:
        make_private_dir(repo.private_dir)
        with open(f"{cache}.{os.getpid()}", "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(f"{stamp} {why}\n")
        os.replace(f"{cache}.{os.getpid()}", cache)
    except OSError:
        pass
    return why


def silent_line(repo: Repo) -> str:
    """One line for whoever works in a worktree where git runs no hook of ours; empty where it does."""
    why = why_silent(repo)
    return f"nothing is enforced here: {one_line(why)}: agentsync doctor --fix" if why else ""


def _looked(repo: Repo) -> str:
    folder = hooks_folder(repo)
    if is_shim(os.path.join(folder, DECIDING)):
        return ""
    words = [f"--git-dir={repo.git_dir}", "config", "--get", f"hook.agentsync-{DECIDING}.command"]
    by_settings = run_git(words, scrubbed_environment(repo.environ), ok=(0, 1)).out  # git >= 2.54
    if by_settings.strip() and is_shim(os.path.join(repo.shared_dir, "hooks", DECIDING)):
        return ""
    shown = folder.replace("\n", " ")
    return f"git looks for hooks in {shown}, and agentsync's are not there"


def _stamp(repo: Repo) -> str:
    """What tells that git's configuration, or the shims, changed."""
    home = repo.environ.get("HOME", "")
    own_config = repo.environ.get("GIT_CONFIG_GLOBAL", "")
    user = [own_config] if own_config else [
        os.path.join(home, ".gitconfig"),
        os.path.join(repo.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "git", "config"),
    ]  # fmt: skip
    files: Sequence[str] = (
        os.path.join(repo.common_dir, "config"),
        os.path.join(repo.git_dir, "config.worktree"),
        os.path.join(repo.shared_dir, SETTINGS),
        os.path.join(repo.shared_dir, "hooks", DECIDING),
        os.path.join(repo.common_dir, "hooks", DECIDING),
        *user,
    )
    return "-".join(_mark(path) for path in files)


def _mark(path: str) -> str:
    try:
        facts = os.stat(path)
    except OSError:
        return ""
    return f"{facts.st_ctime_ns:x}.{facts.st_size:x}"
