"""Every setting of `agentsync.toml`: its name, type, default and the comment that `init` writes. Pure."""

from __future__ import annotations

from agentsync.errors import ConfigError
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import LONGEST
from agentsync.text import parse_duration, quoted, show_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agentsync.record import Record, Value

FILE = "agentsync.toml"
PROJECT = "pyproject.toml"  # where FILE is not there, its table [tool.agentsync]


class Setting(NamedTuple):
    """One key: `kind` is `choice`, `duration`, `count`, `flag`, `text` or `patterns`."""

    key: str
    kind: str
    default: str | int | list[str]
    comment: str
    choices: tuple[str, ...] = ()


_LEVELS = ("off", "warn", "refuse")

SETTINGS = (
    Setting("profile", "choice", "pair", "how much refuses: solo warns, pair is the default, team adds claims",
            ("solo", "pair", "team")),
    Setting("locks.lease", "duration", "2h", "a lock outlives its holder's last sign of life by this much"),
    Setting("locks.exclusive", "patterns", [], "gitignore patterns: editing one of these takes its lock by itself"),
    Setting("locks.hand_on", "choice", "refuse", "taking a lock without its last version here: refuse or warn",
            ("refuse", "warn")),
    Setting("locks.markers", "choice", "explicit", "put <path>.agent-lock beside a locked path: explicit or off",
            ("explicit", "off")),
    Setting("protect.paths", "patterns", [], "gitignore patterns that agents may never change, people may"),
    Setting("regenerate.paths", "patterns", [], "gitignore patterns of generated files, which are never locked"),
    Setting("regenerate.commands", "patterns", [], '"PATTERN: COMMAND" for generated files, where no tool is known'),
    Setting("contracts.paths", "patterns", [], "gitignore patterns of interfaces that others build on: landed first"),
    Setting("phases.sequential", "patterns", [], "gitignore patterns that change in phase integration only"),
    Setting("worktree.path", "text", "../{repo}.worktrees/{name}", "where `worktree add` makes them, from the top"),
    Setting("worktree.setup", "patterns", [], "commands that `worktree add` runs in a new worktree, once trusted"),
    Setting("integrate.publish", "choice", "base", "what a landing moves: base, or the branch for a pull request",
            ("base", "branch")),
    Setting("integrate.check", "text", "", "the command that must pass before anything lands, once trusted"),
    Setting("integrate.timeout", "duration", "30m", "the check is ended and has failed after this"),
    Setting("integrate.after", "text", "", "a command to run after a landing, once trusted"),
    Setting("tasks.limit", "count", 0, "hand out no task while this many branches wait to land; 0 means no limit"),
    Setting("tasks.lease", "duration", "8h", "a claim outlives its holder's last sign of life by this much"),
    Setting("enforce.locks", "choice", "", "another's lock: off, warn or refuse", _LEVELS),
    Setting("enforce.numbers", "choice", "", "migration numbers: off, warn or refuse", _LEVELS),
    Setting("enforce.protected", "choice", "", "protected paths: off, warn or refuse", _LEVELS),
    Setting("enforce.takeback", "choice", "", "paths set back to versions left behind: off, warn or refuse", _LEVELS),
    Setting("enforce.claims", "choice", "", "an agent's commit without a claimed task: off, warn or refuse", _LEVELS),
    Setting("enforce.scope", "choice", "", "work inside the files of another's task: off, warn or refuse", _LEVELS),
    Setting("enforce.phases", "choice", "", "sequential paths out of their phase: off, warn or refuse", _LEVELS),
    Setting("enforce.contracts", "choice", "", "work against an older contract: off, warn or refuse", _LEVELS),
)  # fmt: skip

_RULES = ("locks", "numbers", "protected", "takeback", "claims", "scope", "phases", "contracts")
PROFILES: dict[str, dict[str, str]] = {
    "solo": dict(zip(_RULES, ("warn", "warn", "warn", "warn", "off", "warn", "off", "warn"), strict=True)),
    "pair": dict(zip(_RULES, ("refuse", "refuse", "refuse", "refuse", "warn", "warn", "off", "warn"), strict=True)),
    "team": dict(
        zip(_RULES, ("refuse", "refuse", "refuse", "refuse", "refuse", "warn", "refuse", "warn"), strict=True)
    ),
}
SERIES_KEYS = {
    "path": "text",
    "layout": "text",
    "width": "count",
    "pattern": "text",
    "pair": "flag",
    "checksum": "flag",
}


LAYOUT_NAMES = (
    "django", "alembic", "rails", "laravel", "flyway", "prisma", "diesel", "drizzle", "atlas", "typeorm", "liquibase",
    "knex", "ecto", "supabase", "golang-migrate", "goose", "dbmate", "sqlx", "generic",
)  # fmt: skip


class SeriesSetting(NamedTuple):
    """One `[[migrations]]` table; 0 and empty mean: as detected."""

    path: str
    layout: str = ""
    width: int = 0
    pattern: str = ""
    pair: bool = False
    checksum: bool = False


class Config(NamedTuple):
    """The settings in force, durations in seconds."""

    values: Mapping[str, Value]
    series: tuple[SeriesSetting, ...] = ()

    def text(self, key: str) -> str:
        """A choice or text."""
        value = self.values[key]
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int:
        """A count, or a duration in seconds."""
        value = self.values[key]
        return value if isinstance(value, int) else 0

    def patterns(self, key: str) -> list[str]:
        """A list of gitignore patterns."""
        value = self.values[key]
        return value if isinstance(value, list) else []

    def level(self, rule: str) -> str:
        """`off`, `warn` or `refuse` for a rule: its own setting, else the profile's."""
        return self.text(f"enforce.{rule}") or PROFILES[self.text("profile")][rule]


def _problem(key: str, value: object, wanted: str) -> ConfigError:
    return ConfigError(f"{key} must be {wanted}", f"it is {quoted(repr(value), 80)}")


def check_value(setting: Setting, value: object) -> Value:
    """`value` as the setting keeps it, durations in seconds.

    Raises ConfigError where it does not fit.
    """
    if setting.kind == "choice":
        if value in setting.choices or value == "":
            return str(value)
        raise _problem(setting.key, value, "one of " + ", ".join(f'"{choice}"' for choice in setting.choices))
    if setting.kind == "text":
        if isinstance(value, str) and "\n" not in value:
            return value
        raise _problem(setting.key, value, "one line of text")
    if setting.kind == "count":
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        raise _problem(setting.key, value, "a whole number, 0 or more")
    if setting.kind == "duration":
        try:
            seconds = value if isinstance(value, int) and value is not True else parse_duration(str(value))
        except ValueError:
            raise _problem(setting.key, value, 'a duration such as "90s", "15m" or "2h"') from None
        if setting.key.endswith(".lease") and seconds > LONGEST:
            raise _problem(setting.key, value, f"at most {show_duration(LONGEST)}")
        return seconds
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [str(item) for item in value]
    raise _problem(setting.key, value, "a list of patterns in quotes")


def defaults() -> Config:
    """The settings of a repository that has none."""
    return Config({setting.key: check_value(setting, setting.default) for setting in SETTINGS})


def flatten(tables: Mapping[str, object], above: str = "") -> dict[str, object]:
    """Nested tables as dotted keys; `[[migrations]]` stays a list."""
    flat: dict[str, object] = {}
    for key, value in tables.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{above}{key}."))
        else:
            flat[above + key] = value
    return flat


def _series(tables: object) -> tuple[SeriesSetting, ...]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise _problem("migrations", tables, "a list of [[migrations]] tables")
    found = []
    for table in tables:
        for key, value in table.items():
            kind = SERIES_KEYS.get(key)
            if kind is None:
                raise ConfigError(f"unknown key migrations.{key}", "known: " + ", ".join(SERIES_KEYS))
            wanted = {"text": str, "count": int, "flag": bool}[kind]
            if type(value) is not wanted:
                raise _problem(
                    f"migrations.{key}", value, {"text": "text", "count": "a number", "flag": "true or false"}[kind]
                )
        if not table.get("path"):
            raise ConfigError("a [[migrations]] table needs a path", "the folder, from the top of the repository")
        found.append(_checked(SeriesSetting(**{**table, "path": str(table["path"]).strip("/")})))
    return tuple(found)


def _checked(series: SeriesSetting) -> SeriesSetting:
    """Raise ConfigError where the migrations could not be read by it."""
    import re  # gates read the cache, and do without it

    if ".." in series.path.split("/"):
        raise _problem("migrations.path", series.path, "a folder inside of the repository, from its top")
    if series.layout not in ("", *LAYOUT_NAMES):
        raise _problem("migrations.layout", series.layout, "one of " + ", ".join(LAYOUT_NAMES))
    try:
        names = re.compile(series.pattern).groupindex if series.pattern else {"n": 1}
    except re.error as error:
        raise _problem("migrations.pattern", series.pattern, f"a regular expression ({error})") from None
    if "n" not in names:
        raise _problem("migrations.pattern", series.pattern, "a regular expression with the number as (?P<n>...)")
    return series


def parse(tables: Mapping[str, object]) -> Config:
    """The settings in parsed TOML, defaults filled in.

    Raises ConfigError for unknown keys (naming the nearest) and wrong types.
    """
    known = {setting.key: setting for setting in SETTINGS}
    values: dict[str, Value] = dict(defaults().values)
    series: tuple[SeriesSetting, ...] = ()
    for key, value in flatten(tables).items():
        if key == "migrations":
            series = _series(value)
        elif key in known:
            values[key] = check_value(known[key], value)
        else:
            raise ConfigError(f"unknown key {quoted(key, 80)}", _nearest(key, list(known)))
    return Config(values, series)


def _nearest(key: str, known: list[str]) -> str:
    import difflib  # only for an error

    close = difflib.get_close_matches(key, known, 1, 0.5)
    return f"did you mean {close[0]}?" if close else "known keys: " + ", ".join(known)


def to_record(config: Config) -> Record:
    """The settings as one flat record, for the cache that gates read."""
    record: Record = {key.replace(".", "_"): value for key, value in config.values.items()}
    for index, series in enumerate(config.series):
        record[f"series_{index}"] = [str(value) for value in series._asdict().values()]
    return record


def from_record(record: Record) -> Config:
    """The reverse of `to_record`."""
    values = {setting.key: record[setting.key.replace(".", "_")] for setting in SETTINGS}
    series = []
    for key, row in record.items():
        if key.startswith("series_") and isinstance(row, list):
            path, layout, width, pattern, pair, checksum = row
            series.append(SeriesSetting(path, layout, int(width), pattern, pair == "True", checksum == "True"))
    return Config(values, tuple(series))
