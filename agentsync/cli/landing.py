"""`sync` and `integrate`: back together."""

from __future__ import annotations

import click

from agentsync.cli.here import Here, open_here
from agentsync.cli.locks import AGENT_OPTION
from agentsync.cli.output import answer, answer_json, narrate
from agentsync.git.refs import HEADS, head_of
from agentsync.landing.hand_back import SYNC, Outcome
from agentsync.landing.in_the_way import shown
from agentsync.landing.integrate import Lander, after_landing, ready_branches
from agentsync.landing.integrate import integrate as land_all
from agentsync.landing.lander import lander
from agentsync.landing.queue import Clash, clashes, place_of
from agentsync.landing.sync import Synced, newest_base, plan_sync
from agentsync.landing.sync import sync as bring_in
from agentsync.lean import TYPE_CHECKING
from agentsync.text import one_line, shell_path, shell_word, show_path

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command(
    short_help="Bring base into this branch, so that it merges by any button.",
    epilog="""\b
Examples:
  agentsync sync --dry-run    what would be merged, renumbered, made anew
  agentsync sync""",
)
@click.option("--dry-run", is_flag=True, help="Only show what it would do.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def sync(dry_run: bool, as_json: bool, agent: str) -> int:
    """Merge base into the branch that is checked out here, as one commit.

    Manifests, changelogs, registries and locked paths merge by what they are; migrations are renumbered after base's;
    package managers' lock files are made anew. What a machine cannot decide is left as git leaves a conflict.
    Exit 1 when something is left.
    """
    here = open_here(agent)
    if dry_run:
        name, tip = newest_base(here.repo, here.rules)
        _, done = plan_sync(here.repo, here.rules, name, tip, head_of(here.repo).commit)
    else:
        done = bring_in(here.repo, here.rules, "" if here.holder.is_human else here.holder.agent)
    if as_json:
        answer_json(_facts(done))
    else:
        _print(here, done, dry_run=dry_run)
    return 0 if done.clean or (dry_run and not done.conflicts) else 1


def _facts(done: Synced) -> dict[str, object]:
    return {
        "merged": done.source,
        "commit": done.commit or None,
        "renumbered": [list(row) for row in done.renumbered],
        "regenerated": [show_path(path) for path in done.regenerated],
        "conflicts": [show_path(path) for path in done.conflicts],
        "submodules": list(done.submodules),
        "merged_as_text": [{"path": show_path(path), "command": command} for path, command in done.kept],
        "left": [{"path": show_path(path), "why": why, "command": command} for path, why, command in done.left],
    }


def _print(here: Here, done: Synced, *, dry_run: bool) -> None:
    branch = head_of(here.repo).branch.removeprefix(HEADS)
    if done.commit:
        answer(f"merged {one_line(done.source, 80)} into {one_line(branch, 80)}: {done.commit[:12]}")
    elif done.clean and not dry_run:
        answer(f"{one_line(branch, 80)} has all of {one_line(done.source, 80)}")
    elif dry_run:
        answer(f"{one_line(done.source, 80)} into {one_line(branch, 80)}:" + (" clean" if done.clean else ""))
    _print_made(done.renumbered, done.regenerated, done.kept)
    for path in done.conflicts:
        answer(f"  {show_path(path)}: {'would conflict' if dry_run else 'conflict, to be merged by hand'}")
    for path, why, command in done.left:
        answer(f"  {show_path(path)}: {why}" + (f": {one_line(command, 200)}" if dry_run and command else ""))
    _print_submodules(done.submodules)
    if dry_run or done.clean:
        return
    for _, _, command in done.left:
        if command:
            narrate(f"  {one_line(command, 300)}")
    names = " ".join(shell_path(path) for path in [*done.conflicts, *(path for path, _, _ in done.left)][:5])
    narrate("the rest is merged and staged; then:")
    narrate(f"  git add {names} && git commit --no-edit")


def _print_made(
    renumbered: Sequence[tuple[str, str]], regenerated: Sequence[bytes], kept: Sequence[tuple[bytes, str]]
) -> None:
    for old, new in renumbered:
        answer(f"  {one_line(old, 120)} -> {one_line(new, 120)}")
    for path in regenerated:
        answer(f"  {show_path(path)}: made anew")
    for path, command in kept:
        narrate(f"  {show_path(path)}: as git merged it, not made anew: its tool is not installed here; where it is:")
        narrate(f"  {one_line(command, 200)}")


def _print_submodules(commands: Sequence[str]) -> None:
    for command in commands:
        narrate("  a submodule could not follow, and the next commit -a would take it back:")
        narrate(f"  {one_line(command, 300)}")


@click.command(
    short_help="Land branches on base, one after another.",
    epilog="""\b
Examples:
  agentsync integrate --dry-run          what would land, in which order
  agentsync integrate agent-1 agent-2
  agentsync integrate                    every agent's finished branch""",
)
@click.argument("branches", nargs=-1, metavar="[BRANCH...]")
@click.option("--dry-run", is_flag=True, help="Only rehearse; no check runs, nothing moves.")
@click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")
@AGENT_OPTION
def integrate(branches: tuple[str, ...], dry_run: bool, as_json: bool, agent: str) -> int:
    """Merge each branch in memory, run the configured check on the result, publish it; then the next.

    Without names: the agents' branches that are ahead of base; one with uncommitted changes or an unfinished task is
    named as not ready. Source branches never move, unless [integrate] publish is "branch". What cannot land is passed
    over and becomes its owner's task.
    Exit 1 when a branch was left.
    """
    here = open_here(agent)
    land = Lander(here.repo, here.store, here.rules, here.holder, narrate if not as_json else _silent)
    with lander(here.repo):
        ready, unready = ([name.removeprefix(HEADS) for name in branches], []) if branches else ready_branches(land)
        outcomes = land_all(land, ready, dry_run=dry_run) + unready
    trouble = "" if dry_run else after_landing(land, outcomes)
    order = [] if land.onto_base else [one.branch for one in outcomes if one.state in ("ready", "would be ready")]
    met = clashes(here.repo, here.rules, order)
    if as_json:
        facts = [_outcome_facts(one) for one in outcomes]
        answer_json({"branches": facts, "order": order, "clashes": _clash_facts(met), "after": trouble or None})
    else:
        _print_outcomes(here, land, outcomes)
        _print_order(order, met)
        if trouble:
            narrate(f"agentsync: {trouble}")
    return 1 if any(one.state == "left" for one in outcomes) else 0


def _silent(_line: str) -> None:
    return None


def _outcome_facts(one: Outcome) -> dict[str, object]:
    return {
        "branch": one.branch,
        "state": one.state,
        "why": one.why or None,
        "next": one.next_command or None,
        "commit": one.commit or None,
        "renumbered": [list(row) for row in one.renumbered],
        "regenerated": [show_path(path) for path in one.regenerated],
        "kept_both": [show_path(path) for path in one.unions],
        "paths": [show_path(path) for path in one.paths],
        "submodules": list(one.submodules),
        "merged_as_text": [{"path": show_path(path), "command": command} for path, command in one.kept],
    }


def _clash_facts(met: Sequence[Clash]) -> list[dict[str, object]]:
    return [
        {
            "branch": one.branch,
            "with": one.earlier,
            "paths": [show_path(path) for path in one.paths],
            "why": one.why or None,
        }
        for one in met
    ]


def _print_order(order: Sequence[str], met: Sequence[Clash]) -> None:
    """In which order pull requests are merged, and which of them must wait for another."""
    if len(order) < 2:
        return
    answer(f"merge them in this order: {', '.join(one_line(name, 80) for name in order)}")
    for one in met:
        later, earlier = one_line(one.branch, 80), one_line(one.earlier, 80)
        if one.why:
            answer(f"  whether {later} conflicts with {earlier} could not be told: {one.why}")
            continue
        answer(f"  {later} conflicts with {earlier} in {shown(one.paths)}")
        narrate(f"  once {earlier} is merged and fetched:")
        narrate(f"  {_sync_in(one.place, one.branch)}")


def _from_here(here: Here, outcome: Outcome) -> str:
    """What to type; what the branch's owner types is typed in its worktree."""
    if outcome.next_command != SYNC:
        return outcome.next_command
    place = place_of(here.repo, outcome.branch)
    return SYNC if place == here.repo.top else _sync_in(place, outcome.branch)


def _sync_in(place: str, branch: str) -> str:
    """The command to bring base into a branch in its worktree, which is made where `place` is empty."""
    folder = shell_word(place) if place else f'"$(agentsync worktree add {shell_word(branch)})"'
    return f"cd {folder} && {SYNC}"


def _print_outcomes(here: Here, land: Lander, outcomes: Sequence[Outcome]) -> None:
    if all(one.state == "not ready" for one in outcomes):
        answer("no branch is ready to land")
    for one in outcomes:
        why = f": {one_line(one.why, 300)}" if one.why else ""
        answer(f"{one_line(one.branch, 80)}  {one.state}{why}" + (f" as {one.commit[:12]}" if one.commit else ""))
        _print_made(one.renumbered, one.regenerated, one.kept)
        for path in one.unions:
            answer(f"  {show_path(path)}: both sides' insertions are kept")
        for line in one.output:
            narrate(f"    {one_line(line, 200)}")
        _print_submodules(one.submodules)
        if one.next_command and one.state in ("left", "not ready"):
            narrate(f"  {one_line(_from_here(here, one), 600)}")
    landed = [one for one in outcomes if one.state in ("landed", "ready")]
    upstream = here.rules.base.upstream.removeprefix("refs/remotes/")
    if landed and upstream:
        remote, _, name = upstream.partition("/")
        if land.onto_base:
            narrate(f"  git push {remote} {shell_word(here.rules.base.name)}:{shell_word(name)}")
        else:
            narrate(f"  git push {remote} {' '.join(shell_word(one.branch) for one in landed)}")
