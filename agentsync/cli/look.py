"""`status`, `log` and `check`."""

from __future__ import annotations

import sys

import click

from agentsync.cli.here import Here, noting, open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate, table
from agentsync.config.base import find_base, unknown_base
from agentsync.config.load import in_force_with
from agentsync.errors import UsageError
from agentsync.forecast.start import snapshot_if_due
from agentsync.git.objects import is_ancestor
from agentsync.git.refs import is_zero
from agentsync.git.repo import git_elsewhere
from agentsync.judging.scene import Scene
from agentsync.landing.hand_back import settle_hand_backs
from agentsync.locks.landing import settle
from agentsync.locks.markers import marker_lock
from agentsync.locks.model import Target
from agentsync.locks.query import all_locks, chain_of, locks_on
from agentsync.locks.say import holding
from agentsync.locks.targets import repo_path
from agentsync.locks.touching import touching
from agentsync.news import news
from agentsync.overview import overview, screen_row
from agentsync.phases.phase import current_phase
from agentsync.setup.audit import audit
from agentsync.setup.review import NOT_JUDGED, review, unsaved_settings
from agentsync.state.restore import unfit
from agentsync.tasks.claims import live_claims
from agentsync.text import one_line, quoted, shell_path, show_path, show_time


@click.command(
    short_help="Who works where, on what, holding what.",
    epilog="""\b
Examples:
  agentsync status               one screen
  agentsync status src/app.py    who touches it, uncommitted too
  agentsync status --new         what concerns this worktree since it was last told""",
)
@click.argument("path", default="", metavar="[PATH]")
@click.option("--new", "only_new", is_flag=True, help="Only what is new for this worktree; prints nothing if nothing.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def status(path: str, only_new: bool, as_json: bool, agent: str) -> int:
    """Who works where, on what, holding what."""
    here = open_here(agent, reads=True)
    if only_new:
        snapshot_if_due(here.repo)
        for line in news(Scene(here.repo, here.store, here.rules, here.holder)):
            answer(line)
        return 0
    if path:
        return _path_status(here, repo_path(here.repo, path, here.folder), as_json=as_json)
    noting(lambda: settle(here.repo, here.rules.base, here.store, here.holder, [b""]), reads=True)
    noting(lambda: settle_hand_backs(here.repo, here.store, here.rules.base, here.holder), reads=True)
    return _screen(here, as_json=as_json)


def _screen(here: Here, *, as_json: bool) -> int:
    snapshot = here.store.snapshot()
    left_out = len(unfit(here.store))
    if left_out:
        narrate(f"agentsync: warning: {left_out} records of the state cannot be believed: agentsync doctor --fix")
    facts = overview(here.repo, here.rules, snapshot)
    if as_json:
        answer_json({"base": here.rules.base.name, "phase": current_phase(snapshot).name, "left_out": left_out,
                     "worktrees": [fact._asdict() for fact in facts]})  # fmt: skip
        return 0
    base = here.rules.base
    shown = base.name if base.newest_name == base.name else f"{base.name} (at {base.newest_name})"
    if not base.name:
        shown = "unknown (git config agentsync.base main)"
    held = sum(one.live for one in all_locks(here.repo, snapshot))
    claims = sum(not claim.done for claim in live_claims(here.repo, base, snapshot))
    phase = current_phase(snapshot)
    answer(f"base {shown}, {held} locks, {claims} claims" + (f", phase {phase.name}" if phase.since else ""))
    for line in table([screen_row(fact) for fact in facts]):
        answer(line)
    return 0


def _path_status(here: Here, path: bytes, *, as_json: bool) -> int:
    snapshot = here.store.snapshot()
    held = [one for one in locks_on(here.repo, snapshot, Target(path)) if one.live]
    if not held and here.rules.config.text("locks.markers") != "off":
        by_hand = marker_lock(here.repo, path, here.rules.config.number("locks.lease"))
        held = [by_hand] if by_hand and by_hand.live else []
    touches = touching(here.repo, here.rules.base, path, everywhere=True)
    chain = chain_of(snapshot, path)
    claims = [claim for claim in live_claims(here.repo, here.rules.base, snapshot) if _about(claim.files, path)]
    if as_json:
        answer_json(
            {"path": show_path(path), "locks": [holding(one) for one in held],
             "worktrees": [{"worktree": one.worktree.id, "uncommitted": one.uncommitted, "commit": one.commit or None}
                           for one in touches],
             "tasks": [claim.id for claim in claims]}
        )  # fmt: skip
        return 0
    for one in held:
        answer(f"locked by {holding(one)}")
    for touch in touches:
        own = " (this one)" if touch.worktree.git_dir == here.repo.git_dir else ""
        what = "uncommitted edits" if touch.uncommitted else f"unlanded commit {touch.commit[:12]}"
        hunks = _hunks(here, touch.worktree.top, path)
        answer(f"worktree {one_line(touch.worktree.id, 60)}{own}: {what}{hunks}")
    for claim in claims:
        answer(f"task {claim.id} of {claim.holder.key} names it")
    if chain:
        answer(f"last version under a lock: {chain.last.commit[:12]} by {one_line(chain.holder, 60)}"
               + (", landed" if chain.landed else ""))  # fmt: skip
    if not (held or touches or claims or chain):
        narrate(f"{show_path(path) or '.'}: nobody touches it")
        narrate(f"  agentsync lock {shell_path(path or b'.')}")
    return 0


def _about(files: tuple[str, ...], path: bytes) -> bool:
    from agentsync.tasks.rules import in_scope

    return bool(files) and in_scope(files, path)


def _hunks(here: Here, top: str, path: bytes) -> str:
    """Which lines of a path a worktree changes against base, as text."""
    from unidiff.errors import UnidiffParseError
    from unidiff.patch import PatchSet

    if not here.rules.base.commits or not path:
        return ""
    merge_base = git_elsewhere(here.repo.environ, top, "merge-base", here.rules.base.newest, "HEAD", ok=()).out
    words = ("--literal-pathspecs", "diff", "--no-color", "--no-ext-diff", merge_base.decode().strip() or "HEAD", "--")
    diff = git_elsewhere(here.repo.environ, top, *words, path, ok=()).out
    try:
        patch = PatchSet(diff.decode("utf-8", "replace"))
    except UnidiffParseError:
        return ""
    spans = [
        f"{hunk.source_start}-{hunk.source_start + max(hunk.source_length, 1) - 1}" for one in patch for hunk in one
    ]
    return f", base lines {', '.join(spans[:6])}" if spans else ""


@click.command(short_help="What happened.")
@click.option("--refused", is_flag=True, help="Only what was refused, or would have been.")
@click.option("-n", "--max-count", "count", default=30, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def log(refused: bool, count: int, as_json: bool) -> int:
    """The state's history and the journal, newest first."""
    here = open_here(register=False)
    events = audit(here.repo, count, refused_only=refused)
    if as_json:
        answer_json({"events": [event._asdict() for event in events]})
        return 0
    if not events:
        narrate("nothing has happened yet")
    for event in events:
        answer(f"{show_time(event.time)}  {event.who or '-'}  {event.kind}: {event.what}")
    return 0


@click.command(
    short_help="Judge a range by its trees, in CI or on a git server.",
    epilog="""\b
Examples:
  agentsync check                             this branch, as merged into base now
  agentsync check --range origin/main..HEAD
  agentsync check --pre-receive               in a server's pre-receive hook, reading its lines""",
)
@click.option("--range", "span", default="", metavar="A..B", help="Which commits (else base...HEAD).")
@click.option("--base", "name", default="", metavar="BRANCH", help="The branch to land on (else as configured).")
@click.option("--pre-receive", is_flag=True, help="Judge the updates of base on standard input.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
def check(span: str, name: str, pre_receive: bool, as_json: bool) -> int:
    """Numbers, landed migrations, settings, TASKS.md, contracts and overrides, by what the tree shows.

    Locks and claims too, in a clone where agents work: only there they are known.
    Exit 1 when something is wrong, 2 where nobody can tell which branch is base.
    """
    here = _with_base(open_here(register=False, bare=pre_receive), name, span)
    reviews = [
        review(here.repo, here.rules, here.holder, a, b) for a, b in _ranges(here, span, pre_receive=pre_receive)
    ]
    findings = [finding for one in reviews for finding in one.findings]
    if not span and not pre_receive:
        known = {finding.lines[0] for finding in findings}
        findings += [one for one in unsaved_settings(here.repo.top) if one.lines[0] not in known]
    overrides = [line for one in reviews for line in one.overrides]
    blind = not all(one.with_state for one in reviews)
    if as_json:
        rows = [{"rule": one.rule, "path": show_path(one.path), "lines": list(one.lines)} for one in findings]
        answer_json({"findings": rows, "overrides": overrides, "not_judged": NOT_JUDGED if blind else None})
    else:
        for finding in findings:
            answer(f"{'note' if finding.told else 'wrong'}: {finding.lines[0]}")
            for line in finding.lines[1:]:
                answer(f"  {line}")
        for line in overrides:
            answer(f"override: {line}")
        if blind:
            narrate(f"note: {NOT_JUDGED}")
    return 1 if any(not finding.told for finding in findings) else 0


def _with_base(here: Here, name: str, span: str) -> Here:
    """The surroundings with the base that the command line names; a range's start stands for one that is not known."""
    if name:
        return here._replace(rules=in_force_with(here.repo, find_base(here.repo, name)))
    start = span.partition("..")[0]
    if here.rules.base.commits or not start:
        return here
    out = here.repo.git("rev-parse", "--verify", "--quiet", f"{start}^{{commit}}", ok=()).out
    return here._replace(rules=in_force_with(here.repo, here.rules.base._replace(commit=out.decode().strip())))


def _ranges(here: Here, span: str, *, pre_receive: bool) -> list[tuple[str, str]]:
    base = here.rules.base
    if pre_receive:
        rows = [line.split(" ", 2) for line in sys.stdin.read().splitlines()]
        if not base.commits and here.repo.lines("for-each-ref", "--count=1", "refs/heads"):
            raise unknown_base(here.repo, base)
        mine = [row for row in rows if len(row) == 3 and row[2] == base.ref]
        return [(old, new) for old, new, _ in mine if not is_zero(old) and not is_zero(new)]
    if span:
        start, dots, end = span.partition("..")
        if not dots or not start:
            raise UsageError(
                f"{quoted(span, 80)} is no range", "two revisions with '..'", "agentsync check --range main..HEAD"
            )
        return [(start, end.lstrip(".") or "HEAD")]
    if not base.commits:
        raise unknown_base(here.repo, base)
    if is_ancestor(here.repo, "HEAD", base.newest):
        known = one_line(base.newest_name, 80)
        first = here.repo.git("rev-parse", "--verify", "--quiet", "HEAD~1", ok=()).code != 0
        narrate(f"note: {known} has all of HEAD, so there is nothing to judge" + ("" if first else "; a range of it:"))
        if not first:
            narrate("  agentsync check --range HEAD~1..HEAD")
    return [(base.newest, "HEAD")]
