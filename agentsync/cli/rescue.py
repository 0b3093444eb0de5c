"""`rescue`: uncommitted work that a reset, a clean, a dropped stash or a crash took."""

from __future__ import annotations

import os
import sys

import click

from agentsync.cli.here import Here, open_here
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.errors import RefusedError, UsageError
from agentsync.forecast.restore import SAME, chosen, content_of, find_snapshot, states
from agentsync.forecast.restore import restore as write_back
from agentsync.forecast.snapshots import Snapshot, SnapshotStore
from agentsync.git.repo import MAIN_WORKTREE
from agentsync.lean import TYPE_CHECKING
from agentsync.locks.targets import repo_path
from agentsync.text import one_line, shell_path, show_path, show_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MOST_NAMED = 3


@click.group(
    invoke_without_command=True,
    short_help="Uncommitted work that was lost: list, show, restore.",
    epilog="""\b
Examples:
  agentsync rescue                           what is kept, newest first
  agentsync rescue show 3f2a91c              its files, and how they stand now
  agentsync rescue show 3f2a91c src/app.py   one file's content
  agentsync rescue restore 3f2a91c           write back what overwrites nothing unsaved
  agentsync rescue restore 3f2a91c src""",
)
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@click.pass_context
def rescue(context: click.Context, as_json: bool) -> int:
    """Snapshots of uncommitted work, kept for 7 days: what `git reset --hard`, `clean`, `stash drop` or a crash took.

    A forecast keeps each worktree's uncommitted changes, untracked files too; so do the agents' edit hook and `status
    --new` where the last snapshot is older than ten minutes, and `worktree remove`. Ignored files are in none.
    """
    if context.invoked_subcommand:
        return 0
    here = open_here(register=False)
    found = SnapshotStore(here.repo).snapshots()
    compared = states(here.repo, found)
    if as_json:
        answer_json({"snapshots": [_facts(one, compared[one.id]) for one in found]})
        return 0
    for line in table([_row(one, compared[one.id]) for one in found]):
        answer(line)
    if not found:
        narrate("nothing is kept: no uncommitted changes were seen in the last 7 days")
    return 0


def _facts(one: Snapshot, compared: Mapping[bytes, str]) -> dict[str, object]:
    files = [{"path": show_path(file.path), "deleted": not file.blob, "now": compared[file.path]} for file in one.files]
    return {**one._asdict(), "files": files, "differs": sum(state != SAME for state in compared.values())}


def _row(one: Snapshot, compared: Mapping[bytes, str]) -> tuple[str, ...]:
    names = ", ".join(show_path(file.path) for file in one.files[:_MOST_NAMED])
    more = f" and {len(one.files) - _MOST_NAMED} more" if len(one.files) > _MOST_NAMED else ""
    differing = [path for path, state in compared.items() if state != SAME]
    now = f"{len(differing)} of {len(one.files)} not so now" if differing else "as it is now"
    where = "the main worktree" if one.worktree == MAIN_WORKTREE else one_line(one.worktree, 40)
    return (one.id[:10], where, show_time(one.time), now, names + more)


@rescue.command(
    epilog="""\b
Examples:
  agentsync rescue show 3f2a91c
  agentsync rescue show 3f2a91c src/app.py > /tmp/app.py"""
)
@click.argument("name", metavar="ID")
@click.argument("path", default="", metavar="[PATH]")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def show(name: str, path: str, as_json: bool) -> int:
    """A snapshot's files and how each stands now; with a path, the content of that file."""
    here = open_here(register=False)
    store = SnapshotStore(here.repo)
    found = find_snapshot(store, name)
    if path:
        return _show_content(here, store, found, repo_path(here.repo, path, here.folder))
    compared = states(here.repo, [found])[found.id]
    if as_json:
        answer_json(_facts(found, compared))
        return 0
    branch = one_line(found.branch.removeprefix("refs/heads/"), 60) or "(detached)"
    answer(f"{found.id[:10]} of {one_line(found.top, 200)}, {show_time(found.time)}, on {branch} at {found.head[:12]}")
    for line in table([(f"  {show_path(file.path)}", _shown(file.blob, compared[file.path])) for file in found.files]):
        answer(line)
    if found.left_out:
        answer(f"  {found.left_out} more were too large or too many, and are not in it")
    narrate(f"  agentsync rescue restore {found.id[:10]}")
    return 0


def _shown(blob: str, state: str) -> str:
    now = {SAME: "as it is now", "differs": "differs now", "missing": "not there now"}.get(state, f"{state} now")
    return now if blob else f"deleted then, {now}"


def _show_content(here: Here, store: SnapshotStore, found: Snapshot, path: bytes) -> int:
    file = next((one for one in chosen(found, [path]) if one.path == path), None)
    if file is None:
        raise UsageError(
            f"{show_path(path)} is a folder", "one file is shown", f"agentsync rescue show {found.id[:10]}"
        )
    if not file.blob:
        raise RefusedError(f"{show_path(path)} was deleted then", "there is no content", "agentsync rescue")
    sys.stdout.buffer.write(content_of(here.repo, store, file))
    sys.stdout.buffer.flush()
    return 0


@rescue.command(
    epilog="""\b
Examples:
  agentsync rescue restore 3f2a91c
  agentsync rescue restore 3f2a91c src/app.py tests"""
)
@click.argument("name", metavar="ID")
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def restore(name: str, paths: tuple[str, ...], as_json: bool) -> int:
    """Write a snapshot's files into this worktree, where there is none or what stands there is HEAD's.

    Nothing unsaved is overwritten and nothing deleted: such a file is named. Exit 1 when one was left.
    """
    here = open_here(register=False)
    store = SnapshotStore(here.repo)
    found = find_snapshot(store, name)
    done = write_back(here.repo, store, found, [repo_path(here.repo, word, here.folder) for word in paths])
    if as_json:
        left = [{"path": show_path(path), "why": why} for path, why in done.left]
        facts = {"restored": _names(done.written), "same": _names(done.same), "left": left}
        answer_json({**facts, "deleted_then": _names(done.there_again)})
        return 1 if left else 0
    for path in done.written:
        answer(f"restored {show_path(path)}")
    for path in done.same:
        answer(f"{show_path(path)} is so already")
    for path in done.there_again:
        answer(f"{show_path(path)} was deleted then, and stays")
    for path, why in done.left:
        answer(f"left {show_path(path)}: {why}")
    readable = [path for path, _ in done.left if any(file.path == path and file.blob for file in found.files)]
    if readable:
        word = shell_path(os.path.relpath(os.path.join(os.fsencode(here.repo.top), readable[0]),
                                          os.fsencode(here.folder)))  # fmt: skip
        narrate("  to have its content beside what stands there:")
        narrate(f"  agentsync rescue show {found.id[:10]} {word} > {word}.rescued")
    return 1 if done.left else 0


def _names(paths: Sequence[bytes]) -> list[str]:
    return [show_path(path) for path in paths]
