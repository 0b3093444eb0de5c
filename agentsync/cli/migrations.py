"""`migration`: numbers that no two branches share."""

from __future__ import annotations

import os

import click

from agentsync.cli.here import Here, open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import RefusedError, UsageError
from agentsync.git.objects import is_ancestor
from agentsync.git.refs import head_of
from agentsync.landing.sync import newest_base, sync
from agentsync.migrations.numbers import reservations, reserve_next
from agentsync.migrations.renumber import renumbering, told
from agentsync.migrations.rules import problems
from agentsync.migrations.series import Series, all_series, base_paths, elsewhere, paths_in, show_series
from agentsync.migrations.staged import renumber_staged
from agentsync.text import one_line, shell_word


@click.group(short_help="Migration numbers that no two branches share.")
def migration() -> None:
    """Migration numbers: reserved in the shared state, checked by the gates."""


def _series(here: Here, words: tuple[str, ...]) -> tuple[Series, str]:
    """The series and the name that the words mean: `[SERIES] NAME`."""
    known = all_series(here.repo, here.rules)
    if not known:
        raise UsageError(
            "no migrations found here",
            'name their directory in agentsync.toml: [[migrations]] path = "db/migrations"',
        )
    if len(words) == 1:
        if len(known) > 1:
            names = ", ".join(one.folder for one in known[:5])
            raise UsageError(
                "which series?",
                f"there are {len(known)}: {names}",
                f"agentsync migration next {shell_word(known[0].folder)} NAME",
            )
        return known[0], words[0]
    wanted = words[0].rstrip("/")
    matching = [one for one in known if one.folder == wanted] or [
        one for one in known if wanted in one.folder.split("/")
    ]
    if len(matching) != 1:
        names = ", ".join(one.folder for one in (matching or known)[:5])
        raise UsageError(f"no one series is {shell_word(wanted)}", f"there are: {names}", "agentsync migration list")
    return matching[0], words[1]


@migration.command("next")
@click.argument("words", nargs=-1, required=True, metavar="[SERIES] NAME")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def next_(words: tuple[str, ...], as_json: bool, agent: str) -> int:
    """Reserve the next free number and print the path to create.

    \b
    Example:
      touch "$(agentsync migration next add_users)"
      agentsync migration next add_users | xargs touch     a pair of up and down files
    """
    if len(words) > 2:
        raise UsageError("too many words", "a series and a name", "agentsync migration next db/migrate add_users")
    here = open_here(agent)
    series, name = _series(here, words)
    paths = reserve_next(here.repo, here.store, here.rules, here.holder, series, name)
    for path in paths:  # a layout of folders has one for each migration, and no tool makes it
        os.makedirs(os.path.dirname(os.path.join(here.repo.top, path)), exist_ok=True)
    if as_json:
        answer_json({"series": series.folder, "layout": series.layout.name, "paths": paths})
        return 0
    for path in paths:
        answer(path)
    return 0


@migration.command("list")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def list_(as_json: bool, agent: str) -> int:
    """Every series: its newest number on base, and what is reserved or on its way elsewhere."""
    here = open_here(agent, register=False)
    snapshot = here.store.snapshot()
    found = []
    rows = []
    for series in all_series(here.repo, here.rules):
        landed = series.migrations(base_paths(here.repo, here.rules, series.folder))
        newest = max(landed.values(), key=lambda one: one.key, default=None)
        rows.append((show_series(series), f"{len(landed)} on base", f"newest {newest.text}" if newest else "empty"))
        reserved = reservations(here.repo, here.rules, snapshot, series)
        rows += [("  " + one.name, "reserved", one.holder.key) for one in reserved]
        others = elsewhere(here.repo, series, committed_only=False)
        away = {name: where for name, (_, where) in others.items() if name not in landed}
        rows += [("  " + name, "on its way", f"worktree {where}") for name, where in sorted(away.items())]
        found.append({"series": series.folder, "layout": series.layout.name, "newest": newest.text if newest else None,
                      "reserved": [one._asdict() for one in reserved], "elsewhere": away})  # fmt: skip
    if as_json:
        answer_json({"series": found})
        return 0
    if not rows:
        narrate("no migrations found")
    for line in table(rows):
        answer(line)
    return 0


@migration.command()
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def check(as_json: bool, agent: str) -> int:
    """This branch's migrations held against base as it is now; exit 1 when one would not run."""
    here = open_here(agent, register=False)
    found = []
    for series in all_series(here.repo, here.rules):
        base = base_paths(here.repo, here.rules, series.folder)
        brought = {series.name_of(path) for path in set(paths_in(here.repo, "HEAD", series.folder)) - base} - {""}
        wrong = problems(series.layout, brought, series.migrations(base), {}, landing=True)
        found += [(f"{series.folder}/{one.name}", one.why) for one in wrong]
    found += _no_plan(here) if not found else []
    if as_json:
        answer_json({"problems": [{"path": path, "why": why} for path, why in found]})
    else:
        for path, why in found:
            answer(f"{path}: {why}")
    return 1 if found else 0


def _no_plan(here: Here) -> list[tuple[str, str]]:
    """Why `sync` would stop at the migrations, though their numbers are right."""
    try:
        _, tip = newest_base(here.repo, here.rules)
        renumbering(here.repo, here.rules, tip, head_of(here.repo).commit, landing=False)
    except RefusedError as error:
        return [(error.what, error.why)]
    return []


@migration.command()
@click.option("--dry-run", is_flag=True, help="Only show what would move.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def renumber(dry_run: bool, as_json: bool, agent: str) -> int:
    """Let this branch's migrations follow base's: files, pairs, dependencies, and what names them elsewhere.

    What is staged is renumbered in the index and the work tree, to be committed; what is committed, in a commit.
    Planned on the merge with base and verified there; landed migrations never change. Where base is not merged here
    yet, `agentsync sync` does both in one step. Doing it again changes nothing.
    """
    here = open_here(agent)
    name, tip = newest_base(here.repo, here.rules)
    head = head_of(here.repo).commit
    rows = renumber_staged(here.repo, here.rules, tip, dry_run=dry_run)
    staged = bool(rows)
    rows = rows or told(renumbering(here.repo, here.rules, tip, head, landing=False))
    if as_json and dry_run:
        answer_json({"base": name, "moves": [list(row) for row in rows]})
        return 0
    if rows and not staged and not dry_run:
        if not is_ancestor(here.repo, tip, head):
            what = f"this branch lacks some of {one_line(name, 80)}, which its migrations must follow"
            raise RefusedError(what, "bring it in, which renumbers too", "agentsync sync")
        sync(here.repo, here.rules, "" if here.holder.is_human else here.holder.agent)
    if as_json:
        answer_json({"base": name, "moves": [list(row) for row in rows]})
        return 0
    for old, new in rows:
        answer(f"{one_line(old, 200)} -> {one_line(new, 200)}")
    if not rows:
        narrate(f"the migrations follow {one_line(name, 80)}'s as they are")
    return 0
