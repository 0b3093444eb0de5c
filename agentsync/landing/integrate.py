"""Land one branch after another: each merged in memory, checked, published; what cannot land goes to its owner."""

from __future__ import annotations

import itertools

from agentsync.config.trust import Configured, require_trusted
from agentsync.errors import AgentsyncError, GitError, RefusedError, UsageError
from agentsync.gates.opening import open_scene
from agentsync.gates.ranges import refused_by_now
from agentsync.gates.ref_gate import owner_of
from agentsync.gates.undecided import undecided_tip
from agentsync.git.landed import FAST_FORWARD, MERGE, landed
from agentsync.git.objects import is_ancestor, merge_base
from agentsync.git.refs import HEADS, head_of, resolve_ref, worktrees
from agentsync.git.repo import git_elsewhere
from agentsync.git.trees import added_conflict_markers, changed_paths, commit_tree
from agentsync.holders.identity import Holder
from agentsync.landing.branches import made_branches
from agentsync.landing.generate import Regenerated, regenerate
from agentsync.landing.hand_back import SYNC, Outcome, holder_of, note, task_of
from agentsync.landing.in_the_way import InTheWayError
from agentsync.landing.publish import MovedError, publish, under_way
from agentsync.landing.rehearse import Rehearsal, rehearse
from agentsync.landing.room import enter_room, last_lines, run_command
from agentsync.landing.signing import commit_merge, require_verified
from agentsync.landing.sync import Synced, message_for, newest_base
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.locks.landing import settle
from agentsync.setup.drivers import install_drivers
from agentsync.tasks.claims import all_claims
from agentsync.text import one_line, quoted, shell_word, show_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agentsync.config.load import InForce
    from agentsync.git.repo import Repo
    from agentsync.state.store import Store

_TRIES = 3  # how often a landing is planned again because base moved


class Lander(NamedTuple):
    """What a landing works with; `tell` narrates its progress."""

    repo: Repo
    store: Store
    rules: InForce
    holder: Holder
    tell: Callable[[str], None]

    @property
    def onto_base(self) -> bool:
        """Whether base itself moves; else each branch, for a pull request."""
        return self.rules.config.text("integrate.publish") == "base"

    @property
    def check(self) -> str:
        """The command that must pass, empty for none.

        Raises UntrustedError where there is one that this user has not approved.
        """
        command = self.rules.config.text("integrate.check")
        return require_trusted(self.repo, Configured("integrate.check", command)) if command else ""


def ready_branches(land: Lander) -> tuple[list[str], list[Outcome]]:
    """The agents' branches that are ahead of base: those that wait to land, oldest first, and those not ready yet."""
    ready: list[tuple[int, str]] = []
    unready: list[Outcome] = []
    claims = all_claims(land.store.snapshot())
    for one in worktrees(land.repo):
        head = head_of(land.repo, one.git_dir)
        holder = holder_of(one.git_dir)
        if not one.present or not head.branch or head.branch == land.rules.base.ref or holder is None:
            continue
        if landed(land.repo, land.rules.base.commits, head.commit).is_landed:
            continue
        name = head.branch.removeprefix(HEADS)
        mine = [claim.id for claim in claims if claim.holder == holder and not claim.done]
        unfinished = [task for task in mine if task != task_of(head.branch)]
        if unfinished:
            unready.append(Outcome(name, "not ready", f"{holder.key} has not finished task {unfinished[0]}"))
        elif why := _uncommitted(land.repo, one.top):
            unready.append(Outcome(name, "not ready", why))
        else:
            ready.append((int(land.repo.git("log", "-1", "--format=%ct", head.commit).out), name))
    return [name for _, name in sorted(ready)], [*unready, *_detached(land), *_without_a_worktree(land)]


def _detached(land: Lander) -> list[Outcome]:
    """The worktrees with commits that no branch has, with the command that gives them one."""
    found = []
    for one in worktrees(land.repo):
        head = head_of(land.repo, one.git_dir)
        if not one.present or head.branch or not head.commit or under_way(one.git_dir)[0]:
            continue
        count = land.repo.lines("rev-list", "--count", head.commit, "--not", "--branches", "--remotes")[0]
        if count == "0":
            continue
        name = next(name for name in _names(one.id) if not resolve_ref(land.repo, HEADS + name))
        why = f"{one_line(one.top, 200)} has {count} commits that no branch has; to give them one"
        found.append(Outcome(one.id, "not ready", why, f"git -C {shell_word(one.top)} switch -c {shell_word(name)}"))
    return found


def _names(worktree: str) -> Iterator[str]:
    """Names for a worktree's branch, the plainest first."""
    yield worktree
    yield from (f"{worktree}-{number}" for number in itertools.count(2))


def _uncommitted(repo: Repo, top: str) -> str:
    """What uncommitted changes keep a branch from landing, empty for none; that git cannot tell keeps it too."""
    asked = git_elsewhere(repo.environ, top, "status", "--porcelain", "--untracked-files=normal", ok=())
    if asked.code:
        return f"{one_line(top, 200)} cannot be read: {one_line(asked.err.decode('utf-8', 'replace'), 200)}"
    return f"uncommitted changes in {one_line(top, 200)}" if asked.out else ""


def _without_a_worktree(land: Lander) -> list[Outcome]:
    """The branches of agents that no worktree has any more before they landed: named, or they would be forgotten."""
    out = {head_of(land.repo, one.git_dir).branch for one in worktrees(land.repo)}
    base = land.rules.base
    why = "no worktree has it checked out; to land it: agentsync integrate"
    return [
        Outcome(name, "not ready", f"{why} {shell_word(name)}")
        for name, tip in sorted(_agents_branches(land.repo).items())
        if HEADS + name not in (*out, base.ref) and not landed(land.repo, base.commits, tip).is_landed
    ]


def _agents_branches(repo: Repo) -> dict[str, str]:
    """The branches that `worktree add` made, or whose last commit is an agent's, with their tips."""
    trailer = "%(contents:trailers:key=Agent,valueonly,separator=%2C)"
    rows = [
        line.split(" ", 2) for line in repo.lines("for-each-ref", f"--format=%(refname) %(objectname) {trailer}", HEADS)
    ]
    made = made_branches(repo)
    names = {ref.removeprefix(HEADS): (tip, agent) for ref, tip, agent in rows}
    return {name: tip for name, (tip, agent) in names.items() if agent.strip() or name in made}


def integrate(land: Lander, branches: Sequence[str], *, dry_run: bool) -> list[Outcome]:
    """Land branches in their order; a branch that cannot land is passed over.

    Raises UsageError for a branch that does not exist, UntrustedError for a check nobody approved, RefusedError
    where base diverged from its upstream.
    """
    for name in branches:
        if not resolve_ref(land.repo, HEADS + name):
            raise UsageError(f"there is no branch {quoted(name, 80)}", "a local branch lands", "git branch --list")
        if HEADS + name == land.rules.base.ref:
            raise UsageError(f"{quoted(name, 80)} is base itself", "other branches land on it", "agentsync status")
    check = "" if dry_run else land.check
    install_drivers(land.repo)
    _, tip = newest_base(land.repo, land.rules)
    outcomes = []
    for name in branches:
        land.tell(f"{name}: merging")
        outcome, after = _one(land, name, tip, check, dry_run=dry_run)
        outcomes.append(outcome)
        if land.onto_base:
            tip = after
        if not dry_run:
            note(land.repo, land.store, land.holder, outcome)
            if land.onto_base and outcome.state == "landed":
                settle(land.repo, _fresh(land).rules.base, land.store, land.holder, [b""])
    return outcomes


def _one(land: Lander, name: str, tip: str, check: str, *, dry_run: bool) -> tuple[Outcome, str]:
    """One branch on top of `tip`; its outcome, and what the next one lands on."""
    for _ in range(_TRIES):
        try:
            return _try(land, name, tip, check, dry_run=dry_run)
        except MovedError:
            land.tell(f"{name}: a branch moved meanwhile, planning again")
            _, tip = newest_base(land.repo, _fresh(land).rules)
        except RefusedError as error:
            why = "; ".join(part for part in (error.what, error.why) if part)
            owners = not isinstance(error, InTheWayError)
            return Outcome(name, "left", why, error.next_command, owners=owners), tip
        except GitError as error:
            return Outcome(name, "left", f"{error.what}: {error.why}", error.next_command), tip
    return Outcome(name, "left", "base kept moving", "agentsync integrate " + name), tip


def _fresh(land: Lander) -> Lander:
    base = land.rules.base
    now = base._replace(
        commit=resolve_ref(land.repo, base.ref),
        upstream_commit=resolve_ref(land.repo, base.upstream) if base.upstream else "",
    )
    return land._replace(rules=land.rules._replace(base=now))


def _try(land: Lander, name: str, tip: str, check: str, *, dry_run: bool) -> tuple[Outcome, str]:
    branch = resolve_ref(land.repo, HEADS + name)
    how = landed(land.repo, [tip], branch).how
    if how:
        whole = how in (FAST_FORWARD, MERGE)
        why = "base has all of it" if whole else "base has all that it changes"
        return Outcome(name, "nothing to land", why), tip
    if not merge_base(land.repo, tip, branch):
        return Outcome(name, "left", "it has no history in common with base", "git log --oneline " + name), tip
    brought, whose = (branch, name) if land.onto_base else (tip, land.rules.base.newest_name)
    if not is_ancestor(land.repo, brought, tip if land.onto_base else branch):
        require_verified(land.repo, whose, brought)
    rehearsal = rehearse(land.repo, land.rules, tip, branch, onto_base=land.onto_base)
    if not check and not dry_run:
        rehearsal = rehearsal.without_unions(land.repo)
    known = _refused(land, name, branch) or _without_landing(land, name, tip, rehearsal)
    if known:
        return known, tip
    if dry_run:
        left = [f"{show_path(one.path)} is made anew: {one.maker.command or '?'}" for one in rehearsal.stale]
        merged = commit_tree(land.repo, rehearsal.tree, [tip, branch], f"Merge branch '{name}'\n")
        state = "would land" if land.onto_base else "would be ready"
        shown = Outcome(name, state, "; ".join(left), "", "", rehearsal.renumbered, (), rehearsal.unions)
        return shown, merged
    made = regenerate(land.repo, rehearsal.tree, rehearsal.stale)
    if made.left:
        path, why, command = made.left[0]
        paths = tuple(path for path, _, _ in made.left)
        return Outcome(name, "left", f"{show_path(path)} is not made anew: {why}", command, paths=paths), tip
    return _land(land, name, (tip, branch), rehearsal._replace(tree=made.tree), check, made)


def _refused(land: Lander, name: str, tip: str) -> Outcome | None:
    """What becomes of a branch with commits that no gate could decide in its time, where a rule refuses them."""
    if not undecided_tip(land.repo, HEADS + name):
        return None
    scene = open_scene(land.repo)
    owner = owner_of(scene, HEADS + name)
    scene.holder = owner or scene.holder
    refused = refused_by_now(scene, HEADS + name, tip)
    if not refused:
        return None
    what, *_, command = refused[0].lines
    return Outcome(name, "left", what, command, paths=(refused[0].path,))


def _without_landing(land: Lander, name: str, tip: str, rehearsal: Rehearsal) -> Outcome | None:
    """What becomes of a branch by its rehearsal alone; None where it goes on to land."""
    if rehearsal.conflicts:
        return _conflicting(name, rehearsal)
    if not rehearsal.stale and not changed_paths(land.repo, tip, rehearsal.tree):
        return Outcome(name, "nothing to land", "base has all that it changes")
    marked = tuple(added_conflict_markers(land.repo, tip, rehearsal.tree))
    if marked:
        shown = f"git diff --check {shell_word(f'{land.rules.base.newest_name}...{name}')}"
        return Outcome(name, "left", f"conflict markers in {_listed(marked)}", shown, paths=marked)
    return None


def _conflicting(name: str, rehearsal: Rehearsal) -> Outcome:
    paths = tuple(one.path for one in rehearsal.conflicts)
    return Outcome(name, "left", f"conflicts with base in {_listed(paths)}", SYNC, paths=paths)


def _listed(paths: Sequence[bytes]) -> str:
    return ", ".join(show_path(path) for path in paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def _land(
    land: Lander, name: str, commits: tuple[str, str], rehearsal: Rehearsal, check: str, made: Regenerated
) -> tuple[Outcome, str]:
    tip, branch = commits
    base_name = land.rules.base.name
    facts = Synced(name, "", rehearsal.renumbered, made.made)
    agent = "" if land.holder.is_human else land.holder.agent
    if land.onto_base:
        parents, text = [tip, branch], message_for(name, base_name, facts, agent)
    else:
        parents, text = [branch, tip], message_for(base_name, name, facts, agent)
    complete = not land.onto_base and not rehearsal.renumbered and not made.made and is_ancestor(land.repo, tip, branch)
    commit = branch if complete else commit_merge(land.repo, rehearsal.tree, parents, text)
    if check:
        land.tell(f"{name}: checking ({one_line(check, 60)})")
        seconds = float(land.rules.config.number("integrate.timeout"))
        ran = run_command(land.repo, check, enter_room(land.repo, commit), seconds)
        if not ran.passed:
            why = f"the check failed on the merge with base: {ran.why}"
            return Outcome(name, "left", why, f"less {ran.log}", output=tuple(last_lines(ran.log))), tip
    ref, old = (land.rules.base.ref, tip) if land.onto_base else (HEADS + name, branch)
    if land.onto_base and resolve_ref(land.repo, ref) != tip:
        _catch_up(land, ref, tip)
    if complete:
        return Outcome(name, "ready", "it has all of base"), tip
    land.tell(f"{name}: publishing")
    behind = publish(land.repo, land.store, land.holder.key, ref, (old, commit))
    state = "landed" if land.onto_base else "ready"
    done = Outcome(name, state, "", "", commit, rehearsal.renumbered, made.made, rehearsal.unions)
    return done._replace(submodules=behind, kept=made.kept), commit


def _catch_up(land: Lander, ref: str, tip: str) -> None:
    """Local base first goes to where its upstream is, so that a landing is only what it lands."""
    here = resolve_ref(land.repo, ref)
    if not here or not is_ancestor(land.repo, here, tip):
        raise MovedError(f"{ref.removeprefix(HEADS)} moved meanwhile")
    publish(land.repo, land.store, land.holder.key, ref, (here, tip))


def after_landing(land: Lander, outcomes: Sequence[Outcome]) -> str:
    """Run `[integrate] after`, once trusted, where something landed or became ready; what went wrong, else empty.

    What it starts in the background goes on, such as an agent; it may land itself, so nobody may be landing any more.
    """
    command = land.rules.config.text("integrate.after")
    landed = [one for one in outcomes if one.state in ("landed", "ready") and one.commit]
    if not command or not landed:
        return ""
    try:
        require_trusted(land.repo, Configured("integrate.after", command))
    except AgentsyncError as error:
        return f"{error.what} ({error.next_command})"
    extra = {"AGENTSYNC_LANDED": " ".join(one.branch for one in landed), "AGENTSYNC_COMMIT": landed[-1].commit}
    seconds = float(land.rules.config.number("integrate.timeout"))
    ran = run_command(land.repo, command, land.repo.top, seconds, extra, ends_all=False)
    return "" if ran.passed else f"[integrate] after: {ran.why}, see {ran.log}"
