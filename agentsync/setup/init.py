"""`init`: hooks for every worktree of this clone, and the files that the repository should have."""

from __future__ import annotations

import os
from pathlib import Path

import tomli_w

from agentsync.config.base import find_base, unknown_base
from agentsync.config.load import init_copy, parse_text
from agentsync.config.schema import FILE, SETTINGS
from agentsync.errors import UsageError
from agentsync.files import write_whole
from agentsync.git.arrivals import begin
from agentsync.git.refs import HEADS, head_of
from agentsync.git.repo import Repo
from agentsync.holders.per_clone import ignored
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.migrations.series import all_series, show_series
from agentsync.setup.clients.install import Planned, detected, plan, write
from agentsync.setup.clients.table import FAZM
from agentsync.setup.drivers import install_drivers
from agentsync.setup.excludes import LINES, add_excludes, exclude_file
from agentsync.setup.hooks import Plan, install_hooks, plan_hooks
from agentsync.setup.rules import RULES, rules_files, spread, write_rules
from agentsync.text import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agentsync.config.load import Base

# What is worth suggesting as exclusive, where it exists: files in which two edits seldom fit together.
EXCLUSIVE_HINTS = ("package.json", "pyproject.toml", "Cargo.toml", "go.mod", "docker-compose.yml", "schema.prisma")
REGENERATE_HINTS = (
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "uv.lock",
    "poetry.lock",
    "Cargo.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
)


_SETTINGS = "the settings, each with a comment"


class Found(NamedTuple):
    """What `init` sees in a repository before it touches anything."""

    base: Base
    hooks: Plan
    has_config: bool
    series: tuple[str, ...]
    beside: tuple[str, ...]
    clients: tuple[Planned, ...] = ()


class Step(NamedTuple):
    """One file that `init` touches, and why; `committed` files belong to the repository."""

    path: str
    why: str
    committed: bool = False


def look(repo: Repo, base_name: str, agents: Sequence[str] | None = None) -> Found:
    """See what is there; `agents` names the clients to set up, None those that are detected."""
    base = _base_for(repo, base_name)
    tools = {
        "pre-commit": ".pre-commit-config.yaml",
        "lefthook": "lefthook.yml",
        "husky": ".husky",
    }
    beside = tuple(name for name, path in tools.items() if os.path.lexists(os.path.join(repo.top, path)))
    has_config = bool(base.commit) and repo.git("cat-file", "-e", f"{base.commit}:{FILE}", ok=()).code == 0
    from agentsync.config.load import InForce
    from agentsync.config.schema import defaults

    series = tuple(show_series(one) for one in all_series(repo, InForce(base, defaults())))
    names = agents if agents is not None else [] if has_config else detected(repo)
    return Found(base, plan_hooks(repo), has_config, series, beside, tuple(plan(repo, names)))


def _base_for(repo: Repo, name: str) -> Base:
    """The base to write down.

    Raises UsageError where it is not here, or nobody can tell which branch it is.
    """
    base = find_base(repo, name)
    if name and not base.commits:
        what = f"there is no branch {quoted(name, 80)}"
        raise UsageError(what, "base is a branch here, or one that was fetched", "git branch --all")
    if base.commits:
        return base
    branches = repo.lines("for-each-ref", "--count=2", "--format=%(refname)", "refs/heads")
    only = branches or [head_of(repo).branch]
    shared = repo.lines("for-each-ref", "--count=1", "refs/remotes")
    if len(only) == 1 and only[0] and not shared and not repo.lines("remote"):
        return find_base(repo, only[0].removeprefix(HEADS))
    if base.name and not branches:
        return base
    error = unknown_base(repo, base)
    raise UsageError(error.what, error.why, "agentsync init --base main")


def steps(repo: Repo, found: Found) -> list[Step]:
    """Every file that `init` will touch."""
    hooks = {
        "config": "9 hooks, run by git config hook.agentsync-* beside any other",
        "folder": "9 hooks; one that is there already runs too",
        "takeover": f"9 hooks, by core.hooksPath; those of {found.hooks.previous} run too",
    }
    common = [
        Step(found.hooks.folder, hooks[found.hooks.mode]),
        Step(os.path.join(repo.common_dir, "config"), f"agentsync.base = {found.base.name}; merge drivers"),
        Step(str(exclude_file(repo)), f"ignores {' and '.join(LINES)}"),
        Step(os.path.join(repo.common_dir, "info", "attributes"), "TASKS.md merges by task"),
    ]
    clients = [
        Step(os.path.relpath(one.path, repo.top) if one.client is not FAZM else str(one.path),
             f"{one.client.name} asks before it edits" if one.client.hooks else f"{one.client.name}'s settings",
             committed=one.client is not FAZM)
        for one in found.clients if one.changes
    ]  # fmt: skip
    rules = [
        Step(name, "rules for agents, in a block of its own" if name == RULES else f"imports {RULES}", committed=True)
        for name in rules_files(repo, [one.client.name for one in found.clients])
    ]
    own = set(ignored(repo, [step.path for step in (*rules, *clients) if not os.path.isabs(step.path)]))
    if found.has_config:
        rules = [step for step in rules if step.path in own]
    files = [*rules, *clients] if found.has_config else [Step(FILE, _SETTINGS, committed=True), *rules, *clients]
    return common + [
        step._replace(why=f"{step.why}; git ignores it, so each worktree gets its own", committed=False)
        if step.path in own else step for step in files
    ]  # fmt: skip


def config_text(repo: Repo, found: Found) -> str:
    """`agentsync.toml` with what was detected, a comment above each setting."""
    chosen: dict[str, object] = {}
    tracked = {line.rpartition("/")[2] for line in repo.lines("ls-files")}
    chosen["locks.hand_on"] = "warn" if found.base.upstream else "refuse"
    chosen["integrate.publish"] = "branch" if found.base.upstream else "base"
    chosen["regenerate.paths"] = [name for name in REGENERATE_HINTS if name in tracked]
    hints = [name for name in EXCLUSIVE_HINTS if name in tracked]
    lines = [
        f"# agentsync: what keeps agents apart in this repository. Gates read this file from {found.base.name}.",
        "",
    ]
    table = ""
    for setting in SETTINGS:
        above, _, name = setting.key.rpartition(".")
        if above != table:
            lines += ["", f"[{above}]"]
            table = above
        lines.append(f"# {setting.comment}")
        if setting.key == "locks.exclusive" and hints:
            lines.append(f"# worth a thought here: {', '.join(hints)}")
        value = chosen.get(setting.key, setting.default)
        line = " ".join(part.strip() for part in tomli_w.dumps({name: value}).splitlines())
        line = line.replace("[ ", "[").replace(", ]", "]")
        lines.append(f"# {line}" if value == "" else line)
    if found.series:
        lines += ["", "# Migrations found (detected again each time; a [[migrations]] table overrides):"]
        lines += [f"#   {one}" for one in found.series]
    return "\n".join(lines) + "\n"


def apply(repo: Repo, found: Found) -> list[str]:
    """Do what `steps` says; doing it again changes nothing. Returns the committed files."""
    begin(repo)
    install_hooks(repo, found.hooks)
    repo.git("config", "agentsync.base", found.base.name)
    add_excludes(repo)
    install_drivers(repo)
    write(repo, found.clients)
    top = os.path.join(os.path.realpath(repo.top), "")
    places = [os.path.realpath(one.path) for one in found.clients if one.changes]
    clients = [place.removeprefix(top) for place in places if place.startswith(top)]
    if not found.has_config:
        config = Path(repo.top) / FILE
        if not config.exists():
            write_whole(config, config_text(repo, found).encode())
        text = config.read_bytes()
        parse_text(text, FILE)
        write_whole(Path(init_copy(repo)), text)
        rules = rules_files(repo, [one.client.name for one in found.clients])
        for name in rules:
            write_rules(repo, name)
        clients = [FILE, *rules, *clients]
    spread(repo)
    return clients


def summary(found: Found) -> Mapping[str, object]:
    """What was seen, for `--json`."""
    return {
        "base": found.base.name,
        "upstream": found.base.upstream,
        "hooks": found.hooks.mode,
        "migrations": list(found.series),
        "beside": list(found.beside),
        "agents": [one.client.name for one in found.clients],
    }
