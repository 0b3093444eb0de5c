"""The layouts of migration tools: how a file is named, what orders it, what a runner does with a late one. Pure.

Patterns and behaviours are those of the tools' own sources and documentation.
"""

from __future__ import annotations

import re
import time

from agentsync.lean import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from agentsync.config.schema import SeriesSetting


class Layout(NamedTuple):
    """One tool's way.

    `pattern` matches a file's name (a folder's, for `folders`) with groups `n` (number) and perhaps `kind` (up or
    down); `where` must be found in the series' folder name (with a slash before and after). `stamp` is the number
    of digits of a time stamp, 0 for counters. `late` is what the runner does with a number older than one it ran.
    """

    name: str
    pattern: str
    where: str = ""
    folders: bool = False
    stamp: int = 0
    width: int = 0
    template: str = "{n}_{slug}.sql"
    down: str = ""
    checksum: bool = False
    late: str = "late"
    graph: str = ""
    candidate: str = r"\.sql$"


LAYOUTS = (
    Layout("django", r"^(?P<n>\d{4,})_\w+\.py$", r"/(\w+_)?migrations/$", width=4, template="{n}_{slug}.py",
           graph="django", candidate=r"^\d.*\.py$"),
    Layout("alembic", r"^(?!__init__|\.#)(?P<n>[0-9a-zA-Z]+)_?.*\.py$", r"/versions/$", template="{n}_{slug}.py",
           graph="alembic", candidate=r"^\0"),
    Layout("rails", r"\A(?P<n>[0-9]+)_[_a-z0-9]*\.?[_a-z0-9]*\.rb\Z", r"/db/(\w+_)?migrate/$", stamp=14,
           template="{n}_{slug}.rb", candidate=r"\.rb$"),
    Layout("laravel", r"^(?P<n>\d{4}_\d\d_\d\d_\d{6})_\w+\.php$", r"/database/migrations/", stamp=17,
           template="{n}_{slug}.php", candidate=r"\.php$"),
    Layout("flyway", r"^[VU](?P<n>\d+(?:[._]\d+)*)__.+\.(sql|java|kt)$", "", template="V{n}__{slug}.sql",
           checksum=True, late="error", candidate=r"^[VUvu]\d.*\.(sql|java|kt)$"),
    Layout("prisma", r"^(?P<n>\d{14})_\w+$", r"/prisma/(\w+/)*migrations/$", folders=True, stamp=14,
           template="{n}_{slug}/migration.sql", checksum=True, candidate=r"^\0"),
    Layout("diesel", r"^(?P<n>[\d-]+)_\w+$", "", folders=True, stamp=17, template="{n}_{slug}/up.sql", down="down.sql",
           candidate=r"^\w"),
    Layout("drizzle", r"^(?P<n>\d{4})_\w+\.sql$", width=4, late="skipped"),
    Layout("atlas", r"^(?P<n>\d+)(_.*)?\.sql$", stamp=14, checksum=True, late="error"),
    Layout("typeorm", r"^(?P<n>\d{13})-[\w-]+\.[jt]s$", stamp=13, template="{n}-{slug}.ts", candidate=r"^\d.*\.[jt]s$"),
    Layout("liquibase", r"^(?P<n>\d{3,})[_-].*\.(xml|ya?ml|json)$", r"/(changelogs?|liquibase)/",
           template="{n}_{slug}.xml", candidate=r"^\d.*\.(xml|ya?ml|json)$"),
    Layout("knex", r"^(?P<n>\d{14})_[\w-]+\.[cm]?[jt]s$", "", stamp=14, template="{n}_{slug}.js",
           candidate=r"^\d.*\.[cm]?[jt]s$"),
    Layout("ecto", r"^(?P<n>\d+)_.+\.exs$", "", stamp=14, template="{n}_{slug}.exs", candidate=r"\.exs$"),
    Layout("supabase", r"^(?P<n>[0-9]+)_.*\.sql$", r"/supabase/migrations/$", stamp=14, late="error"),
    Layout("golang-migrate", r"^(?P<n>[0-9]+)_.*\.(?P<kind>down|up)\..*$", "", template="{n}_{slug}.up.sql",
           down=".down.", late="skipped", candidate=r"\.(up|down)\.\w+$|^\d+_.*\.sql$"),
    Layout("goose", r"^(?P<n>\d+)_.*\.(sql|go)$", "", late="error", candidate=r"^\d.*\.(sql|go)$"),
    Layout("dbmate", r"^(?P<n>\d+)[^/]*\.sql$", r"/db/migrations/$", stamp=14, late="late"),
    Layout("sqlx", r"^(?P<n>\d+)_.*?(?P<kind>\.up|\.down)?\.sql$", "", checksum=True, late="late"),
    Layout("generic", r"^(?P<n>\d+)[_.-].*$", "", late="unknown", candidate=r"^\d"),
)  # fmt: skip
BY_NAME = {layout.name: layout for layout in LAYOUTS}
_FOLDER_HINT = re.compile(r"/(migrations?|migrate|versions|changelog)(/|$)|^/?db/", re.IGNORECASE)


class Numbered(NamedTuple):
    """A migration's number as it is ordered (parts of a version, compared as numbers) and as it is written."""

    key: tuple[int, ...]
    text: str
    kind: str


def number_in(layout: Layout, name: str) -> Numbered | None:
    """The number in a migration's name, None for a name that the runner would ignore.

    Flyway's `V118_1__x` is 118.1; leading zeros and trailing zero parts do not count.
    """
    match = re.match(layout.pattern, name)
    if not match:
        return None
    text = match["n"]
    if layout.graph == "alembic":
        return Numbered((), text, "")
    if layout.name == "flyway":
        parts = [int(part) for part in re.split(r"[._]", text)]
        while len(parts) > 1 and parts[-1] == 0:
            parts.pop()
    else:
        parts = [int(re.sub(r"\D", "", text) or 0)]
    kind = (match.groupdict().get("kind") or "").strip(".")
    return Numbered(tuple(parts), text, kind if layout.name != "flyway" else name[0].replace("V", ""))


def is_candidate(layout: Layout, name: str) -> bool:
    """Whether a name looks as if it were meant as a migration of this layout."""
    return bool(re.search(layout.candidate, name))


def detect(folder: str, files: Sequence[str], subfolders: Sequence[str], markers: Collection[str]) -> Layout | None:
    """The layout of the migrations in a folder, None when it holds none.

    `markers` are file names that stand in the repository's top, beside the folder and in it: `alembic.ini`,
    `env.py`, `Cargo.toml`, `diesel.toml`, `go.mod` and the like.
    """
    where = f"/{folder}/"
    for layout in LAYOUTS:
        names = subfolders if layout.folders else files
        if layout.where and not re.search(layout.where, where):
            continue
        if not _fits(layout, where, [name for name in names if number_in(layout, name)], files, markers):
            continue
        return layout
    return None


_NEEDED_MARKERS = {
    "alembic": ("env.py", "alembic.ini"),
    "django": ("__init__.py",),
    "diesel": ("diesel.toml",),
    "sqlx": ("Cargo.toml",),
    "drizzle": ("_journal.json",),
    "atlas": ("atlas.sum",),
}


def _fits(layout: Layout, where: str, named: Sequence[str], files: Sequence[str], markers: Collection[str]) -> bool:
    needed = _NEEDED_MARKERS.get(layout.name)
    if needed and not any(marker in markers or marker in files for marker in needed):
        return False
    if not named:
        return False
    if layout.name == "goose" and not any(name.endswith(".go") for name in named) and "goose" not in markers:
        return False
    if layout.where or layout.name in ("flyway", "diesel", "golang-migrate", "drizzle", "atlas"):
        return True
    return bool(_FOLDER_HINT.search(where)) and (len(named) >= 2 or layout.name != "generic")


def configured(setting: SeriesSetting) -> Layout:
    """The layout that a `[[migrations]]` table describes."""
    layout = BY_NAME.get(setting.layout, BY_NAME["generic"])
    changes: dict[str, object] = {}
    if setting.pattern:
        changes["pattern"] = setting.pattern
    if setting.width:
        changes["width"] = setting.width
    if setting.checksum:
        changes["checksum"] = True
    if setting.pair and not layout.down:
        changes |= {"down": ".down.", "template": "{n}_{slug}.up.sql"}
    return layout._replace(**changes)  # type: ignore[arg-type]  # a NamedTuple's own method takes its fields' types


def stamp_now(digits: int) -> str:
    """The time (UTC) as a stamp of so many digits: 10 is Unix time, 13 milliseconds, 14 and 17 calendar time."""
    now = time.time()
    if digits == 10:
        return str(int(now))
    if digits == 13:
        return str(int(now * 1000))
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(now))


def is_stamp(text: str) -> bool:
    """Whether a written number is a time stamp rather than a counter."""
    digits = re.sub(r"\D", "", text)
    return len(digits) >= 10


def next_text(layout: Layout, taken: Sequence[Numbered]) -> str:
    """The next free number, written as the series writes it."""
    newest = max(taken, key=lambda one: one.key, default=None)
    stamped = is_stamp(newest.text) if newest else bool(layout.stamp)
    if not stamped:
        width = max(layout.width, len(newest.text) if newest and len(newest.key) == 1 else 0)
        return str((newest.key[0] if newest else 0) + 1).zfill(width)
    digits = len(re.sub(r"\D", "", newest.text)) if newest else 14
    number = max(int(stamp_now(digits)), newest.key[0] + 1 if newest else 0)
    return written(str(number), newest.text if newest else "", layout)


def written(digits: str, example: str, layout: Layout) -> str:
    """Digits with the separators that the series uses: Laravel's underscores, Diesel's dashes."""
    if layout.name == "laravel":
        return f"{digits[:4]}_{digits[4:6]}_{digits[6:8]}_{digits[8:]}"
    if "-" in example or (layout.name == "diesel" and not example):
        return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}-{digits[8:]}"
    return digits


def slug_of(name: str) -> str:
    """A migration's name as part of a file name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "change"


_LONGEST_SLUG = 100  # a file name has 255 bytes, and tools put their own words around


def paths_for(layout: Layout, folder: str, number: str, name: str, *, pair: bool) -> list[str]:
    """The files to create for a new migration."""
    first = layout.template.format(n=number, slug=slug_of(name)[:_LONGEST_SLUG])
    found = [first]
    if layout.folders and layout.down and pair:
        found.append(first.rpartition("/")[0] + "/" + layout.down)
    elif layout.down and pair:
        found.append(first.replace(".up.", layout.down))
    return [f"{folder}/{one}" if folder else one for one in found]
