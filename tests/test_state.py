"""The store: one winner, whatever is killed when."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest
from conftest import hermetic_environment
from hypothesis import given
from hypothesis import strategies as st

from agentsync.errors import StateError
from agentsync.record import dump, load
from agentsync.state.journal import journal_end, read_events, record_event
from agentsync.state.paths import CHAIN, LOCK, from_state, path_from_text, path_to_text, to_state
from agentsync.state.store import REF, Change, Store

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.from_regex(r"[a-z_]{1,10}", fullmatch=True)
values = texts | st.integers(-(2**60), 2**60) | st.lists(texts, max_size=4)
components = st.binary(min_size=1, max_size=12).filter(lambda b: b"/" not in b and b"\0" not in b) | st.sampled_from(
    [b".lock", b".chain", b"%.lock", b"%%.chain", b"a b", b"-x", b"\xff\n"]
)


@given(st.dictionaries(keys, values, max_size=6))
def test_records_are_toml_and_come_back(record: dict[str, str | int | list[str]]) -> None:
    data = dump(record)
    assert load(data) == record
    assert tomllib.loads(data.decode()) == record


@given(st.lists(components, min_size=1, max_size=5))
def test_any_path_has_a_place_of_its_own(parts: list[bytes]) -> None:
    path = b"/".join(parts)
    for leaf in (LOCK, CHAIN):
        place = to_state(b"locks", path, leaf)
        assert from_state(place) == path
        assert place.split(b"/")[1:-1].count(leaf) == 0
    assert path_from_text(path_to_text(path)) == path


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "agentsync"


def store_at(shared: Path) -> Store:
    return Store(str(shared), hermetic_environment(shared.parent))


def put(store: Store, place: bytes, who: str) -> bool:
    """Take a place if it is free; whether this call took it."""
    got = []

    def decide(snapshot):
        got.clear()
        if snapshot.get(place):
            return None
        got.append(True)
        return Change(f"take {who}", who, {place: {"agent": who}})

    store.swap(decide)
    return bool(got)


def test_records_come_back_and_go(shared: Path) -> None:
    store = store_at(shared)
    assert store.snapshot().get(b"held/a/.lock") is None
    assert put(store, b"held/a/.lock", "ada")
    assert not put(store, b"held/a/.lock", "bob")
    assert put(store, b"held/a/b/.lock", "bob")
    assert [place for place, _ in store.snapshot().walk(b"held")] == [b"held/a/.lock", b"held/a/b/.lock"]
    store.swap(lambda _: Change("drop", "ada", {b"held/a/.lock": None, b"held/a/b/.lock": None}))
    assert list(store.snapshot().walk(b"held")) == []
    assert subprocess.run(["git", f"--git-dir={store.path}", "fsck", "--strict"], check=False).returncode == 0


def test_many_records_at_once_are_one_pack(shared: Path) -> None:
    store = store_at(shared)
    records = {b"held/%d/.lock" % number: {"agent": "a" * number} for number in range(1000)}
    store.swap(lambda _: Change("take many", "ada", records))
    assert dict(store.snapshot().walk(b"held")) == records
    git = ["git", f"--git-dir={store.path}"]
    assert subprocess.run([*git, "fsck", "--strict"], check=False).returncode == 0
    loose = subprocess.run([*git, "count-objects"], check=True, capture_output=True).stdout
    assert int(loose.split()[0]) < 10


def test_a_refusal_writes_nothing(shared: Path) -> None:
    store = store_at(shared)
    put(store, b"x.toml", "ada")
    before = store.current()

    def refuse(_snapshot: object) -> Change:
        raise StateError("no")

    with pytest.raises(StateError):
        store.swap(refuse)
    assert store.current() == before


def test_a_newer_state_is_left_alone(shared: Path) -> None:
    store = store_at(shared)
    put(store, b"x.toml", "ada")
    store.swap(lambda _: Change("future", "ada", {b"version.toml": {"version": 99}}))
    before = store.current()
    with pytest.raises(StateError, match="newer agentsync"):
        put(store, b"y.toml", "ada")
    assert store.current() == before


def test_a_stale_ref_lock_is_cleared(shared: Path) -> None:
    store = store_at(shared)
    put(store, b"x.toml", "ada")
    (Path(store.path) / (REF + ".lock")).write_text("")
    assert put(store, b"y.toml", "ada")


def test_damage_is_one_clear_error(shared: Path) -> None:
    store = store_at(shared)
    put(store, b"x.toml", "ada")
    commit = store.current()
    loose = Path(store.path) / "objects" / commit[:2] / commit[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"garbage")
    with pytest.raises(StateError, match="damaged"):
        store.snapshot()


def test_a_deleted_store_starts_anew(shared: Path) -> None:
    import shutil

    store = store_at(shared)
    put(store, b"x.toml", "ada")
    shutil.rmtree(store.path)
    assert store.snapshot().id == ""
    assert put(store, b"x.toml", "bob")


def test_many_changes_leave_little_for_gc(shared: Path) -> None:
    store = store_at(shared)
    for number in range(1200):
        store.swap(lambda _, n=number: Change(f"change {n}", "ada", {b"d/%d.toml" % (n % 7): {"n": n}}))
    objects = Path(store.path) / "objects"
    assert len(list((objects / "17").iterdir())) < 27
    assert len(list((objects / "pack").glob("*.pack"))) < 50
    assert store.snapshot().get(b"d/0.toml") is not None


def _racer(shared: str, me: int, resources: int, results: str) -> None:
    store = Store(shared, hermetic_environment(Path(shared).parent))
    order = list(range(resources))
    random.Random(me).shuffle(order)
    won = [number for number in order if put(store, b"held/%d/.lock" % number, f"p{me}")]
    Path(results, f"{me}").write_text(" ".join(map(str, won)))


def test_eight_processes_never_share_a_lock(shared: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    context = multiprocessing.get_context("spawn")
    racers = [context.Process(target=_racer, args=(str(shared), me, 60, str(results))) for me in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    won = [word for file in results.iterdir() for word in file.read_text().split()]
    assert sorted(won, key=int) == [str(number) for number in range(60)]


VICTIM = """
import os, sys
from agentsync.state.store import Change, Store
store = Store(sys.argv[1], dict(os.environ))
acknowledged = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for number in range(10_000):
    place = b"k/%s/%d.toml" % (sys.argv[3].encode(), number)
    store.swap(lambda _: Change("k", "victim", {place: {"n": number}}))
    os.write(acknowledged, place + b"\\n")
"""


def kill_rounds(shared: Path, rounds: int) -> None:
    """Kill writers at random moments; then the state reads whole, and nothing acknowledged is lost."""
    acknowledged = shared.parent / "acknowledged"
    environ = hermetic_environment(shared.parent)
    chance = random.Random(7)
    put(store_at(shared), b"start.toml", "ada")
    for number in range(rounds):
        words = [sys.executable, "-c", VICTIM, str(shared), str(acknowledged), str(number)]
        victim = subprocess.Popen(words, env=environ, start_new_session=True)
        time.sleep(0.1 + chance.random() * 0.15)
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
        store = store_at(shared)
        assert put(store, b"after/%d.toml" % number, "ada")
    snapshot = store_at(shared).snapshot()
    missing = [line for line in acknowledged.read_bytes().split() if snapshot.get(line) is None]
    assert missing == []
    done = subprocess.run(["git", f"--git-dir={store_at(shared).path}", "fsck"], check=False, capture_output=True)
    assert done.returncode == 0


def test_killed_writers_lose_nothing_acknowledged(shared: Path) -> None:
    kill_rounds(shared, 25)


@pytest.mark.torture
def test_killed_writers_lose_nothing_acknowledged_in_hundreds_of_runs(shared: Path) -> None:
    kill_rounds(shared, 400)


def test_the_journal_is_read_in_stretches_without_a_gap_or_a_repeat(tmp_path: Path) -> None:
    ends = [0]
    for number in range(3):
        record_event(str(tmp_path), "wait", number=number)
        ends.append(journal_end(str(tmp_path)))
    stretches = [[event["number"] for event in read_events(str(tmp_path), *pair)] for pair in pairwise(ends)]
    assert stretches == [[0], [1], [2]]
    assert len(list(read_events(str(tmp_path), ends[1]))) == 2
