"""Records are input: what stands in the state disarms nothing else and names nothing outside of the worktree.

Each reader is asked for what hostile records leave of it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from conftest import Tree, hermetic_environment
from hypothesis import given
from hypothesis import strategies as st

from agentsync.errors import StateError
from agentsync.git.repo import Repo
from agentsync.holders.identity import Holder
from agentsync.holders.registry import record_place, registered
from agentsync.judging.landing import landing_now
from agentsync.locks.model import Lock, Target, lock_record
from agentsync.locks.query import all_locks, chains_in, locks_on
from agentsync.phases.phase import current_phase
from agentsync.record import LONGEST, load
from agentsync.state import store as store_module
from agentsync.state.journal import read_events
from agentsync.state.paths import LOCKS, path_from_text, to_state
from agentsync.state.records import KEPT, capped, fault_of
from agentsync.state.store import Change, Store
from agentsync.tasks.claims import all_claims, taken_line

NOW = int(time.time())
HELD = {"agent": "evil", "worktree": "elsewhere", "since": NOW, "until": NOW + 3600}
LOCK = {**HELD, "lease": 3600, "kind": "command", "target": "f"}
OBJECT = "a" * 40
GOOD = {
    b"agents/evil@elsewhere.toml": {"agent": "evil", "worktree": "elsewhere", "path": "/x", "host": "h", "since": NOW},
    b"locks/f/.lock": LOCK,
    b"locks/.lock": {**LOCK, "target": ""},
    b"locks/@x/.lock": {**LOCK, "target": "./@x"},
    b"locks/%.lock/.lock": {**LOCK, "target": ".lock"},
    b"resources/db.toml": {**LOCK, "target": "@db"},
    b"chains/src/a.py/.chain": {"versions": [f"- {OBJECT}", f"{OBJECT} {OBJECT} apart"], "holder": "a@b",
                                "handed": NOW},
    b"waiters/%020d-evil@elsewhere.toml": {"holder": "evil@elsewhere", "targets": ["f"], "since": 7, "until": NOW + 30,
                                           "pid": 5},
    b"tasks/t-1.toml": {**HELD, "id": "T-1", "lease": 3600, "ref": "refs/heads/x", "files": ["src/"]},
    b"tasks/a%2Fb.toml": {**HELD, "id": "a/b", "lease": 3600},
    b"numbers/db%2Fmigrations/3.toml": {**HELD, "number": "0003", "name": "0003_x.sql"},
    b"numbers/db/1.2.toml": {**HELD, "number": "1_2", "name": "V1_2__x.sql"},
    b"numbers/m/20240101000000.toml": {**HELD, "number": "2024_01_01_000000", "name": "2024_01_01_000000_x.php"},
    b"phase.toml": {"name": "integration", "agent": "evil", "since": NOW, "by": "human:x@.main"},
    b"landing.toml": {"ref": "refs/heads/main", "old": OBJECT, "new": OBJECT, "worktrees": ["x"], "since": NOW,
                      "pid": 5},
}  # fmt: skip
GOOD = {(place % 7 if b"%020d" in place else place): record for place, record in GOOD.items()}
HOSTILE = st.sampled_from(
    [
        *("..", "../x", "../../etc/passwd", "/etc/passwd", ".git/config", "a/.GIT/x", "a/../b", "a//b", "./a", "%00"),
        *("%zz", "a%2F..%2Fb", "\0", "x\ny", "", "@", "@../x", "@a/b", "human:", "a@b", "-x", "a" * 5000, "\x1b[31m"),
        *("refs/heads/../../x", "refs/heads/.lock", "refs/remotes/o/x", "\u0663", "9" * 4400, "\ud7ff", "f", "T-1"),
        *(0, -1, 1 << 31, 1 << 62, 1 << 70, NOW, NOW + 10**9, [], [""], ["../x"], ["- -"], ["- " + OBJECT, "x"], ["%"]),
    ]
)
Made = tuple[bytes, dict[str, str | int | list[str]], set[str]]
records = st.sampled_from(sorted(GOOD)).flatmap(
    lambda place: st.tuples(
        st.just(place) | st.sampled_from(sorted(GOOD)) | st.binary(max_size=20).map(lambda tail: place + tail),
        st.dictionaries(st.sampled_from(sorted(GOOD[place])), HOSTILE, max_size=3).map(
            lambda changes: {**GOOD[place], **changes}
        ),
        st.sets(st.sampled_from(sorted(GOOD[place])), max_size=1),
    )
)


def test_what_we_write_is_believed() -> None:
    assert {place: fault_of(place, record, NOW) for place, record in GOOD.items()} == dict.fromkeys(GOOD, "")


ROOMS = {place.partition(b"/")[0] for place in GOOD}


@given(records)
def test_no_record_raises_or_names_what_lies_outside(made: Made) -> None:
    place, changed, lacking = made
    record = {key: value for key, value in changed.items() if key not in lacking}
    if fault_of(place, record, NOW) or place.partition(b"/")[0] not in ROOMS:
        return
    believed = capped(place, record, NOW)
    until, since = believed.get("until", 0), believed.get("since", 0)
    assert isinstance(until, int)
    assert isinstance(since, int)
    assert until <= NOW + (KEPT if record.get("surface") else LONGEST) + 2 * 86400
    time.localtime(since if not place.startswith(b"waiters") else 0)
    if place.startswith(b"locks/"):
        path = path_from_text(str(record["target"]).removeprefix("./"))
        assert path == b"" or not {b"..", b".git", b"", b"."} & set(path.split(b"/"))
        assert b"\0" not in path
    for key in ("worktree", "name", "number"):
        assert "/" not in str(record.get(key, ""))
    assert ".." not in str(record.get("ref", "")).split("/")


lines = st.text(max_size=80).map(lambda text: f'target = "{text}"\n'.encode("utf-8", "replace"))


@given(st.binary(max_size=200) | lines)
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    try:
        load(data)
    except StateError:
        return


def raw(store: Store, records: dict[bytes, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put bytes into the state, as another's program may."""
    good = store_module.dump
    monkeypatch.setattr(store_module, "dump", lambda one: one["raw"].encode("latin-1") if "raw" in one else good(one))
    rows = {place: {"raw": data.decode("latin-1")} for place, data in records.items()}
    store.swap(lambda _: Change("x", "evil", rows))
    monkeypatch.setattr(store_module, "dump", good)


@given(st.lists(records, min_size=1, max_size=12))
def test_readers_go_on_with_the_rest(tmp_path_factory: pytest.TempPathFactory, made: list[Made]) -> None:
    folder = tmp_path_factory.mktemp("state")
    store = Store(str(folder / "agentsync"), hermetic_environment(folder))
    repo = Repo(str(folder), str(folder), str(folder), {})
    rows = {b"locks/good/.lock": {**LOCK, "target": "good"}}
    for place, record, lacking in made:
        parts = place.split(b"/")
        if all(parts) and b"." not in parts and b".." not in parts and b"\0" not in place:
            rows[place] = {key: value for key, value in record.items() if key not in lacking}
    folders = {place.rpartition(b"/")[0] for place in rows}
    rows = {place: one for place, one in rows.items() if place not in folders and not any(
        place.startswith(other + b"/") for other in rows)}  # fmt: skip
    try:
        store.swap(lambda _: Change("x", "evil", rows))
    except (StateError, UnicodeEncodeError):
        return
    snapshot = store.snapshot()
    assert [one.lock.holder.agent for one in locks_on(repo, snapshot, Target(b"good")) if one.lock.target.name]
    all_locks(repo, snapshot)
    [chain.last for chain in chains_in(snapshot, b"")]
    [taken_line(claim) for claim in all_claims(snapshot)]
    registered(snapshot)
    current_phase(snapshot)
    landing = landing_now(snapshot)
    assert landing is None or landing.under_way in (True, False)


def test_a_bad_record_disarms_nobody_and_is_told_and_taken_out(
    main: Tree, one: Tree, two: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    one.synced("lock", "shared.txt")
    store = Store(str(main.path / ".git/agentsync"), main.environ)
    names = (b"locks/zzz/.lock", b"tasks/zzz.toml", b"waiters/zzz.toml", b"agents/zzz.toml",
             b"chains/shared.txt/.chain", b"numbers/x/1.toml", b"resources/x.toml", b"phase.toml",
             b"landing.toml")  # fmt: skip
    raw(store, dict.fromkeys(names, b"target = oops\n"), monkeypatch)
    two.write("shared.txt", "two's\n")
    assert "could not decide" not in two.refused("commit", "-qam", "x").err
    assert "9 records of the state cannot be believed: agentsync doctor --fix" in two.sync("status").err
    assert json.loads(two.synced("status", "--json"))["data"]["left_out"] == 9
    done = main.sync("doctor")
    assert done.code == 1
    assert "9 records are left out" in done.out
    fixed = main.sync("doctor", "--fix")
    assert fixed.code == 0, fixed
    dropped = [event for event in read_events(str(main.path / ".git/agentsync")) if event["event"] == "dropped"]
    assert {str(event["place"]) for event in dropped} == {name.decode() for name in names}
    two.refused("commit", "-qam", "x")


@pytest.mark.parametrize("target", ["../victim/key", "/etc/passwd", "link/key", "link/deeper/key"])
def test_nothing_is_written_outside_of_the_worktree(main: Tree, target: str) -> None:
    victim = main.path.parent / "victim"
    (victim / "deeper").mkdir(parents=True)
    for folder in (victim, victim / "deeper"):
        (folder / "key").write_text("key\n")
    os.symlink(victim, main.path / "link")
    main.ok("add", ".")
    main.ok("commit", "-qm", "link")
    lock = {**LOCK, "target": target}
    place = to_state(LOCKS, target.encode(), b".lock")
    store = Store(str(main.path / ".git/agentsync"), main.environ)
    store.swap(lambda _: Change("x", "evil", {place: lock}))
    one = main.worktree("one")
    one.synced("lock", "shared.txt")
    main.synced("lock", "src")
    main.synced("unlock", "src")
    assert [path.name for path in sorted(victim.rglob("*"))] == ["deeper", "key", "key"]


def test_no_lease_is_longer_than_any_may_be(main: Tree, one: Tree) -> None:
    """A lock until the year 9999 ends when its own lease, cut to the longest, has run since it began."""
    store = Store(str(main.path / ".git/agentsync"), main.environ)
    old = Lock(Target(b"shared.txt"), Holder("evil", "elsewhere"), NOW - LONGEST - 90000, (1 << 34) - 1, (1 << 34) - 1)
    store.swap(lambda _: Change("x", "evil", {old.target.place: lock_record(old)}))
    one.synced("lock", "shared.txt")
    done = one.sync("lock", "--for", "60d", "src")
    assert done.code == 2
    assert "30d" in done.err


def test_a_landing_that_names_another_folder_deletes_nothing(main: Tree, tmp_path: Path) -> None:
    lock = tmp_path / "precious.lock"
    lock.write_text("x")
    os.utime(lock, (NOW - 50, NOW - 50))
    store = Store(str(main.path / ".git/agentsync"), main.environ)
    record = {"ref": os.path.relpath(lock.with_suffix(""), main.path / ".git"), "old": OBJECT, "new": OBJECT,
              "worktrees": [".main"], "since": NOW - 100, "pid": 1 << 30}  # fmt: skip
    store.swap(lambda _: Change("x", "evil", {b"landing.toml": record}))
    main.synced("status")
    assert lock.exists()


def test_agents_are_where_their_names_say() -> None:
    for agent, worktree in (("main", ".main"), ("human:Ada-Lovelace", ".main"), ("ägent", "wörk tree"), ("a", "x@y")):
        holder = Holder(agent, worktree)
        record = {"agent": agent, "worktree": worktree, "path": "/p"}
        assert fault_of(record_place(holder), record, NOW) == ""
