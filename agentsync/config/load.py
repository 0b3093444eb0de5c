"""Which configuration is in force: base's, so that a branch can neither lack nor loosen it."""

from __future__ import annotations

import os

from agentsync.config.base import Base as Base
from agentsync.config.base import find_base, located
from agentsync.config.schema import FILE, Config, defaults, from_record, parse, to_record
from agentsync.errors import AgentsyncError, ConfigError
from agentsync.git.objects import is_ancestor
from agentsync.git.repo import Repo
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import dump, load, number_of, text_of
from agentsync.text import one_line

if TYPE_CHECKING:
    from agentsync.record import Record


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
    """What tells that git's own configuration, `init`'s copy or the remote's default branch changed."""
    marks = []
    default = os.path.join(repo.common_dir, "refs", "remotes", "origin", "HEAD")
    for path in (os.path.join(repo.common_dir, "config"), init_copy(repo), default):
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
            base = located(repo, text_of(known, "base"), text_of(known, "upstream"))
            if base.commits and text_of(known, "at") == " ".join(base.commits):
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


def in_force_or_last(repo: Repo) -> tuple[InForce, ConfigError | None]:
    """What is in force; where base's configuration cannot be understood, what was before, and what is wrong with it.

    Nobody's work stops for a typo on base.
    """
    try:
        return in_force(repo), None
    except ConfigError as error:
        return InForce(_weighed(repo, find_base(repo)), _last_good(repo)), error


def in_force_with(repo: Repo, base: Base) -> InForce:
    """What is in force where base is said for once.

    Raises ConfigError when its configuration cannot be understood.
    """
    return InForce(_weighed(repo, base), base_config(repo, base))


def _last_good(repo: Repo) -> Config:
    try:
        with open(_cache_path(repo), "rb") as file:
            return from_record(load(file.read()))
    except (OSError, AgentsyncError, KeyError, ValueError):
        config = _from_history(repo, find_base(repo)) or defaults()
    _remember(repo, to_record(config))
    return config


def _from_history(repo: Repo, base: Base) -> Config | None:
    """The newest configuration of base that can be understood, as a clone made since finds it."""
    for commit in repo.lines("rev-list", "--max-count=20", base.newest, "--", FILE, ok=()) if base.newest else ():
        try:
            found = repo.git("cat-file", "blob", f"{commit}:{FILE}").out
            return parse_text(found, FILE)
        except AgentsyncError:
            continue
    return None


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
        of_project = source.startswith("pyproject.toml")
        if of_project and b"agentsync" not in data:
            return None  # whatever is wrong with it is not ours
        text = data.decode()
        tables = tomllib.loads(text)
        if of_project:
            tool = tables.get("tool", {})
            if not isinstance(tool, dict) or "agentsync" not in tool:
                return None
            tables = tool["agentsync"]
        return parse(tables)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source} is not valid TOML", one_line(str(error)), _correct(source)) from error
    except ConfigError as error:
        where = f"{source}, line {line}" if (line := _line_of(text, error.what)) else source
        raise ConfigError(f"{where}: {error.what}", error.why, _correct(source)) from error


def _correct(source: str) -> str:
    return f"correct {source.partition(' of ')[0]}, then: agentsync doctor"


def _line_of(text: str, message: str) -> int:
    """The line that an error speaks of: the one that begins with the last part of a key named in it."""
    for word in message.replace('"', " ").split():
        last = word.rpartition(".")[2]
        for number, line in enumerate(text.splitlines(), 1):
            if last and line.split("=")[0].strip().strip("\"'") in (last, word) and "=" in line:
                return number
    return 0
