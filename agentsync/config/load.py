"""Which configuration is in force: base's, so that a branch can neither lack nor loosen it."""

from __future__ import annotations

import os

from agentsync.config.schema import FILE, Config, defaults, from_record, parse, to_record
from agentsync.errors import AgentsyncError, ConfigError
from agentsync.git.arrivals import upstream_as_given
from agentsync.git.objects import is_ancestor
from agentsync.git.refs import HEADS, resolve_ref
from agentsync.git.repo import Repo
from agentsync.git.run import run_git, scrubbed_environment
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import dump, load, number_of, text_of
from agentsync.text import one_line

if TYPE_CHECKING:
    from agentsync.record import Record


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
        """The short name, such as `main`."""
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
        return self.name if local else self.upstream.removeprefix("refs/remotes/")

    @property
    def remote(self) -> str:
        """The remote of base's upstream, empty without one."""
        parts = self.upstream.split("/")
        return parts[2] if len(parts) > 3 else ""


class InForce(NamedTuple):
    """What gates and commands go by."""

    base: Base
    config: Config


def _cache_path(repo: Repo) -> str:
    return os.path.join(repo.shared_dir, "config.cache")


def init_copy(repo: Repo) -> str:
    """`init`'s copy of the configuration, in force until base has one."""
    return os.path.join(repo.shared_dir, FILE)


def _stamp(repo: Repo) -> str:
    """What tells that git's own configuration or `init`'s copy changed."""
    marks = []
    for path in (os.path.join(repo.common_dir, "config"), init_copy(repo)):
        try:
            facts = os.stat(path)
            marks.append(f"{facts.st_mtime_ns}.{facts.st_size}")
        except OSError:
            marks.append("-")
    return " ".join(marks)


def in_force(repo: Repo) -> InForce:
    """Base and its configuration, from the cache where nothing moved, or nothing that matters.

    Raises ConfigError when base's configuration cannot be understood.
    """
    stamp = _stamp(repo)
    known: Record = {}
    try:
        with open(_cache_path(repo), "rb") as file:
            known = load(file.read())
        if text_of(known, "stamp") == stamp:
            base = _at_now(repo, text_of(known, "base"), text_of(known, "upstream"))
            if text_of(known, "at") == " ".join(base.commits):
                return InForce(base._replace(ahead=bool(number_of(known, "ahead"))), from_record(known))
            base = _weighed(repo, base)
            files = _files(repo, _config_commit(base))
            if files and files == text_of(known, "files"):
                _remember(repo, {**known, "at": " ".join(base.commits), "ahead": int(base.ahead)})
                return InForce(base, from_record(known))
    except (OSError, AgentsyncError, KeyError, ValueError):
        pass  # a cache that cannot be read is made anew
    base = _weighed(repo, find_base(repo))
    config = base_config(repo, base)
    places: Record = {"stamp": stamp, "base": base.ref, "upstream": base.upstream, "at": " ".join(base.commits)}
    places["ahead"] = int(base.ahead)
    _remember(repo, {**places, "files": _files(repo, _config_commit(base)), **to_record(config)})
    return InForce(base, config)


def last_in_force(repo: Repo) -> InForce:
    """What was in force before base's configuration broke, else the defaults: for gates, which must go on."""
    try:
        with open(_cache_path(repo), "rb") as file:
            config = from_record(load(file.read()))
    except (OSError, AgentsyncError, KeyError, ValueError):
        config = defaults()
    return InForce(find_base(repo), config)


def _at_now(repo: Repo, ref: str, upstream: str) -> Base:
    commit = resolve_ref(repo, ref)
    at = resolve_ref(repo, upstream) if upstream else ""
    if at and at != commit:  # a ref that was moved here by hand must not decide what base has, nor its settings
        at = upstream_as_given(repo, upstream, at) or (at if commit and is_ancestor(repo, at, commit) else "")
    return Base(ref, commit, upstream, at)


def _weighed(repo: Repo, base: Base) -> Base:
    """Base with `ahead` asked of git."""
    if not base.commit or base.upstream_commit in ("", base.commit):
        return base
    return base._replace(ahead=is_ancestor(repo, base.upstream_commit, base.commit))


def _config_commit(base: Base) -> str:
    """The commit whose configuration counts: the upstream's unless the local branch contains it."""
    return base.newest


def _files(repo: Repo, commit: str) -> str:
    """The ids of the files that may hold the configuration in a commit."""
    if not commit:
        return ""
    out = repo.git("ls-tree", "--full-tree", commit, FILE, "pyproject.toml").out
    return out.decode("utf-8", "replace").replace("\n", " ").replace("\t", " ")


def _remember(repo: Repo, facts: Record) -> None:
    aside = f"{_cache_path(repo)}.{os.getpid()}"
    try:
        os.makedirs(repo.shared_dir, exist_ok=True)
        with open(aside, "wb") as file:
            file.write(dump(facts))
        os.replace(aside, _cache_path(repo))
    except OSError:
        return


def find_base(repo: Repo) -> Base:
    """The configured base, else the upstream's default branch, else main or master, else the current branch."""
    settings = _git_settings(repo)
    name = settings.get("agentsync.base", "")
    if not name:
        default = repo.git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD", ok=()).out.decode().strip()
        name = default.removeprefix("refs/remotes/origin/")
    if not name:
        name = next((n for n in ("main", "master") if resolve_ref(repo, HEADS + n)), "")
    if not name:
        current = repo.git("symbolic-ref", "--quiet", "HEAD", ok=()).out.decode("utf-8", "surrogateescape").strip()
        name = current.removeprefix(HEADS) or "main"
    remote = settings.get(f"branch.{name}.remote", "")
    merge = settings.get(f"branch.{name}.merge", "").removeprefix(HEADS)
    upstream = f"refs/remotes/{remote}/{merge}" if remote not in ("", ".") and merge else ""
    if not upstream and resolve_ref(repo, f"refs/remotes/origin/{name}"):
        upstream = f"refs/remotes/origin/{name}"
    return _at_now(repo, HEADS + name, upstream)


def _git_settings(repo: Repo) -> dict[str, str]:
    pattern = r"^(agentsync\.base|branch\..*\.(remote|merge))$"
    words = (f"--git-dir={repo.git_dir}", "config", "--null", "--get-regexp", pattern)
    # from the files alone: what `git -c` says counts for one command, and must not decide what base is
    out = run_git(words, scrubbed_environment(repo.environ), ok=(0, 1)).out.decode("utf-8", "surrogateescape")
    rows = [row.partition("\n") for row in out.split("\0") if row]
    return {key: value for key, _, value in rows}


def base_config(repo: Repo, base: Base) -> Config:
    """The configuration that base has: the upstream's unless the local branch contains it."""
    holder = _config_commit(_weighed(repo, base))
    for name in (FILE, "pyproject.toml"):
        found = repo.git("cat-file", "blob", f"{holder}:{name}", ok=()) if holder else None
        if found is not None and found.code == 0:
            config = parse_text(found.out, f"{name} of {base.name}")
            if config is not None:
                return config
    try:
        with open(init_copy(repo), "rb") as file:
            return parse_text(file.read(), init_copy(repo)) or defaults()
    except OSError:
        return defaults()


def parse_text(data: bytes, source: str) -> Config | None:
    """The settings in a file's content; None for a pyproject.toml that has no `[tool.agentsync]`.

    Raises ConfigError that names the file and, where it can be told, the line.
    """
    import tomllib  # 17 ms, so only when the configuration changed

    try:
        text = data.decode()
        tables = tomllib.loads(text)
        if source.startswith("pyproject.toml"):
            tool = tables.get("tool", {})
            if not isinstance(tool, dict) or "agentsync" not in tool:
                return None
            tables = tool["agentsync"]
        return parse(tables)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML", one_line(str(error)), f"mend {FILE}") from error
    except ConfigError as error:
        where = f"{source}, line {line}" if (line := _line_of(text, error.what)) else source
        raise ConfigError(f"{where}: {error.what}", error.why, f"mend {FILE}") from error


def _line_of(text: str, message: str) -> int:
    """The line that an error speaks of: the one that begins with the last part of a key named in it."""
    for word in message.replace('"', " ").split():
        last = word.rpartition(".")[2]
        for number, line in enumerate(text.splitlines(), 1):
            if last and line.split("=")[0].strip().strip("\"'") in (last, word) and "=" in line:
                return number
    return 0
