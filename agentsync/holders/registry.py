"""Which holders there are, in which worktree, and when each was last seen."""

from __future__ import annotations

import os
import time

from agentsync.git.arrivals import begin
from agentsync.git.refs import head_of, last_branch_file
from agentsync.git.repo import MAIN_WORKTREE, Repo, admin_dir_of, make_private_dir, private_dir_of, read_line
from agentsync.holders.identity import Holder, agent_name
from agentsync.holders.machine import Machine, machine_of, machine_record, this_machine
from agentsync.lean import TYPE_CHECKING, NamedTuple
from agentsync.record import number_of, text_of
from agentsync.state.records import AGENTS
from agentsync.state.store import Change, Snapshot, Store

if TYPE_CHECKING:
    from agentsync.record import Record


class Registered(NamedTuple):
    """A holder as the state knows it."""

    holder: Holder
    path: str
    machine: Machine
    since: int


def private_file(repo: Repo, name: str) -> str:
    """A file of this worktree's own that is a projection: it may vanish at any time."""
    return os.path.join(repo.private_dir, name)


def write_private(repo: Repo, name: str, text: str) -> None:
    """Write such a file whole; one that cannot be written is done without."""
    target = private_file(repo, name)
    aside = f"{target}.{os.getpid()}"
    try:
        make_private_dir(repo.private_dir)
        with open(aside, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
        os.replace(aside, target)
    except OSError:
        return


def _user_name(repo: Repo) -> str:
    known = repo.environ.get("GIT_AUTHOR_NAME") or read_line(private_file(repo, "user"))
    if known:
        return known
    name = repo.git("config", "--get", "user.name", ok=()).out.decode("utf-8", "replace").strip()
    name = name or repo.environ.get("USER", "")
    write_private(repo, "user", name + "\n")
    return name


def acting_holder(repo: Repo, option: str = "") -> Holder:
    """Who runs this command or hook.

    Raises UsageError for a name that cannot be one.
    """
    environ = repo.environ
    named = option or environ.get("AGENTSYNC_AGENT") or repo.worktree_id != MAIN_WORKTREE
    return Holder(
        agent_name(option, environ, repo.worktree_id, "" if named else _user_name(repo)),
        repo.worktree_id,
    )


def record_place(holder: Holder) -> bytes:
    """Where the state keeps a holder."""
    return AGENTS + b"/" + holder.key.encode("utf-8", "replace") + b".toml"


def check_in(repo: Repo, store: Store, holder: Holder) -> None:
    """Register the holder if the state does not know it in this worktree, and note that it is alive.

    A notice in the worktree's own folder saves the look at the state.
    """
    notice = f"{holder.key} {repo.top}"
    if not store.current():
        begin(repo)
    if read_line(private_file(repo, "holder")) != notice or not store.current():
        store.swap(lambda snapshot: _registration(snapshot, repo, holder))
        write_private(repo, "holder", notice + "\n")
        _exclude_nested(repo)
    touch_alive(repo)
    branch = head_of(repo).branch
    if branch and read_line(last_branch_file(repo.private_dir)) != branch:
        write_private(repo, "branch", branch + "\n")


def _exclude_nested(repo: Repo) -> None:
    """A new worktree may lie inside another; what cannot be written is done without."""
    if repo.worktree_id == MAIN_WORKTREE:
        return
    from agentsync.holders.nested import exclude_nested  # once for each worktree

    try:
        exclude_nested(repo)
    except OSError:
        return


def register_beside(store: Store, repo: Repo, holder: Holder) -> None:
    """Register a holder that only names this worktree and does not work in it: who works here stays who it is."""
    store.swap(lambda snapshot: _registration(snapshot, repo, holder))


def _registration(snapshot: Snapshot, repo: Repo, holder: Holder) -> Change | None:
    place = record_place(holder)
    known = snapshot.get(place)
    if known and text_of(known, "path") == repo.top and machine_of(known) == this_machine():
        return None
    record: Record = {
        "agent": holder.agent,
        "worktree": holder.worktree,
        "path": repo.top,
        **machine_record(),
        "since": int(time.time()),
    }
    return Change(f"register {holder.key}", holder.key, {place: record})


def touch_alive(repo: Repo) -> None:
    """Note that this worktree's holder is alive; no transaction."""
    path = private_file(repo, "alive")
    try:
        os.utime(path)
    except FileNotFoundError:
        write_private(repo, "alive", "")
    except OSError:
        return


def last_seen(common_dir: str, worktree: str) -> float:
    """When a worktree's holder last ran something of ours, in epoch seconds; 0 when unknown."""
    try:
        return os.stat(os.path.join(private_dir_of(admin_dir_of(common_dir, worktree)), "alive")).st_mtime
    except OSError:
        return 0.0


def registered(snapshot: Snapshot) -> list[Registered]:
    """Every holder that the state knows."""
    return [_parse(record) for _, record in snapshot.walk(AGENTS)]


def registration_of(snapshot: Snapshot, holder: Holder) -> Registered | None:
    """One holder as the state knows it."""
    record = snapshot.get(record_place(holder))
    return _parse(record) if record else None


def _parse(record: Record) -> Registered:
    return Registered(
        Holder(text_of(record, "agent"), text_of(record, "worktree")),
        text_of(record, "path"),
        machine_of(record),
        number_of(record, "since"),
    )


def is_gone(common_dir: str, known: Registered | None) -> bool:
    """Whether a holder's worktree was removed for sure: folder and administrative folder gone, on this boot.

    In a container a live worktree's folder may only look missing; then the lease decides.
    """
    if known is None or known.machine != this_machine():
        return False
    admin = admin_dir_of(common_dir, known.holder.worktree)
    return not os.path.exists(known.path) and not os.path.exists(admin)
