"""The journal: durable, gap-free, chained, honest about a failing disk, and never silently empty."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardcore.ids import CredentialKey, DeviceId, TapKey
from cardcore.journal import (
    START,
    Body,
    Decided,
    DeviceEvent,
    Intent,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    Stamp,
    Verdict,
    authentic,
    first_break,
)
from reader_daemon.store.host import host_fingerprint
from reader_daemon.store.journal_db import JournalSettings, JournalStore
from reader_daemon.store.journal_schema import JournalDamagedError, JournalKeys
from reader_daemon.store.sqlite_file import FaultKind, StoreFault, StoreUnusableError, connect
from tests.reader_daemon.virtual_time import CountingIds

KEYS = JournalKeys(DeviceId(UUID(int=7)), b"k" * 32)
CARD = CredentialKey("wiegand:26-01234580")
DAY_MS = 86_400_000


def stamp(at_ms: int = 1_000) -> Stamp:
    return Stamp(at_ms, 5, "boot")


def intent(place: str = "till-1", credential: CredentialKey = CARD) -> Intent:
    return Intent("t", Purpose.TILL, place, "t01", credential, stamp(), 1)


def served(tap_seq: int, *, offline: bool = True, amount: int = 1200) -> Outcome:
    return Outcome(tap_seq, OutcomeKind.SERVED, Verdict(True, "charged", 1, offline, amount), stamp())  # noqa: FBT003


def note(at_ms: int = 1_000) -> DeviceEvent:
    return DeviceEvent("noted", "", "", stamp(at_ms))


class FailingConnection(sqlite3.Connection):
    """A connection whose Nth statement fails."""

    fail_at = 0
    """Counts down; 1 fails the next statement. 0 = healthy."""
    message = "disk I/O error"
    after_doing = False
    """Whether the statement is executed before its failure is told: a commit that is unknown."""

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        cls = FailingConnection
        if cls.fail_at:
            cls.fail_at -= 1
            if cls.fail_at == 0:
                if cls.after_doing:
                    super().execute(sql, *parameters)  # type: ignore[arg-type]
                raise sqlite3.OperationalError(cls.message)
        return super().execute(sql, *parameters)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def healthy() -> None:
    FailingConnection.fail_at = 0
    FailingConnection.message = "disk I/O error"
    FailingConnection.after_doing = False


def failing(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=FailingConnection)


def make(directory: Path, ids_from: int = 1, host: str = "here", **changes: object) -> JournalStore:
    settings = JournalSettings(directory / "journal.db", KEYS, host, **changes)  # type: ignore[arg-type]
    return JournalStore(settings, CountingIds(ids_from), microseconds=lambda: 0, connecting=failing)


def opened(directory: Path, ids_from: int = 1, host: str = "here", **changes: object) -> JournalStore:
    store = make(directory, ids_from, host, **changes)
    store.open(1_000)
    return store


def append(store: JournalStore, body: Body) -> Record:
    record = store.append(body)
    assert isinstance(record, Record), record
    return record


def records(store: JournalStore, epoch: int | None = None) -> tuple[Record, ...]:
    found = store.records_after(epoch or store.epoch, 0, 10_000, 10**9)
    assert isinstance(found, tuple)
    return found


def test_records_are_numbered_from_one_chained_and_survive_a_restart(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(5):
        append(store, note())
    epoch, head = store.epoch, store.head
    store.close()
    again = opened(tmp_path, ids_from=50)
    assert (again.epoch, again.head) == (epoch, head)
    found = (*records(again), append(again, note()))
    assert [record.seq for record in found] == [1, 2, 3, 4, 5, 6]
    assert first_break(START, found) is None
    assert all(authentic(record, TapKey(KEYS.device, epoch, record.seq), KEYS.record_key) for record in found)


def test_every_commit_waits_for_the_disk(tmp_path: Path) -> None:
    store = opened(tmp_path)
    connection = store._live()
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


def test_a_file_system_without_wal_is_refused(tmp_path: Path) -> None:
    class NoWal(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            return super().execute("SELECT 'delete'" if "journal_mode" in sql else sql, *parameters)  # type: ignore[arg-type]

    settings = JournalSettings(tmp_path / "journal.db", KEYS, "here")
    store = JournalStore(
        settings,
        CountingIds(),
        microseconds=lambda: 0,
        connecting=lambda path: sqlite3.connect(path, isolation_level=None, factory=NoWal),
    )
    with pytest.raises(StoreUnusableError, match="local disk"):
        store.open(1)


def test_an_open_tap_is_known_after_a_cut_and_its_grant_with_it(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first = append(store, intent())
    second = append(store, intent())
    verdict = Verdict(granted=True, reason="granted", policy_version=1, offline=False)
    append(store, Decided(second.seq, verdict, stamp()))
    store.close()
    again = opened(tmp_path, ids_from=50)
    assert [(tap.seq, tap.verdict) for tap in again.open_taps()] == [(first.seq, None), (second.seq, verdict)]
    append(again, Outcome(first.seq, OutcomeKind.NOT_CONFIRMED, verdict, stamp()))
    assert [tap.seq for tap in again.open_taps()] == [second.seq]


def test_offline_meals_count_until_the_server_has_their_taps(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first, second = append(store, intent()), append(store, intent())
    append(store, served(first.seq))
    append(store, served(second.seq, offline=False))
    meals = store.offline_meals("till-1")
    assert not isinstance(meals, StoreFault)
    assert (meals.count, meals.total, meals.of_card) == (1, 1200, {CARD: 1})
    store.close()
    again = opened(tmp_path, ids_from=50)
    assert again.offline_meals("till-1") == meals
    assert again.mark_acked(again.epoch, 1, 2_000) is None
    gone = again.offline_meals("till-1")
    assert not isinstance(gone, StoreFault)
    assert gone.count == 0
    assert again.last_served()["till-1"].credential == CARD


def test_an_acknowledgement_deletes_nothing_and_a_rewind_sends_again(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(10):
        append(store, note())
    store.mark_acked(store.epoch, 10, 2_000)
    assert store.pending == 0
    assert len(records(store)) == 10
    store.rewind(store.epoch, 4, others=True, at_ms=2_000)
    assert store.pending_epochs() == ((store.epoch, 4, 10),)


def test_the_ring_drops_only_what_is_acknowledged_old_and_beyond_its_size(tmp_path: Path) -> None:
    store = opened(tmp_path, ring_records=3, ring_days=30)
    for at_ms in (1_000, 1_000, 1_000, 1_000, 40 * DAY_MS, 40 * DAY_MS, 40 * DAY_MS, 40 * DAY_MS):
        append(store, note(at_ms))
    store.mark_acked(store.epoch, 6, 41 * DAY_MS)
    assert [record.seq for record in records(store)] == [4, 5, 6, 7, 8]
    store.mark_acked(store.epoch, 8, 41 * DAY_MS)
    assert [record.seq for record in records(store)] == [5, 6, 7, 8]  # 5 is young
    store.close()
    assert opened(tmp_path, ids_from=50).head.seq == 8


def test_a_full_journal_refuses_taps_but_still_closes_them(tmp_path: Path) -> None:
    store = opened(tmp_path, capacity_records=3)
    tap = append(store, intent())
    append(store, note())
    append(store, note())
    assert store.fill_percent == 100
    refused = store.append(intent())
    assert isinstance(refused, StoreFault)
    assert refused.kind is FaultKind.FULL
    append(store, served(tap.seq))
    store.mark_acked(store.epoch, 4, 2_000)
    append(store, intent())


def test_a_copied_directory_gets_a_new_epoch_before_its_first_tap(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    store = opened(first, host=host_fingerprint(first))
    append(store, intent())
    epoch = store.epoch
    store.close()
    shutil.copytree(first, second)
    clone = make(second, ids_from=50, host=host_fingerprint(second))
    report = clone.open(2_000)
    assert report.copied_from == host_fingerprint(first)
    assert report.open_taps_left == 1
    assert clone.epoch != epoch
    assert append(clone, note()).seq == 1
    assert clone.pending_epochs() == ((epoch, 0, 1), (clone.epoch, 0, 1))  # the old one's records still go up
    same = make(first, ids_from=90, host=host_fingerprint(first))
    assert same.open(3_000).copied_from == ""
    assert same.epoch == epoch


@pytest.mark.parametrize("damage", ["body", "seal", "gap", "garbage"])
def test_a_damaged_journal_is_set_aside_and_told(tmp_path: Path, damage: str) -> None:
    store = opened(tmp_path)
    for _ in range(4):
        append(store, note())
    epoch = store.epoch
    store.close()
    path = tmp_path / "journal.db"
    if damage == "garbage":
        path.write_bytes(b"\0" * 8192)
    else:
        statement = {
            "body": "UPDATE record SET body = x'7b7d' WHERE seq = 2",
            "seal": "UPDATE record SET mac = zeroblob(16) WHERE seq = 4",
            "gap": "DELETE FROM record WHERE seq = 3",
        }[damage]
        connection = connect(path)
        connection.execute(statement)
        connection.close()
    again = make(tmp_path, ids_from=50)
    report = again.open(5_000)
    assert report.set_aside == "journal.damaged-5000.db"
    assert (tmp_path / report.set_aside).exists()
    assert again.epoch != epoch
    assert append(again, note()).seq == 1


def test_doctor_finds_damage_that_the_tail_does_not_reach(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for _ in range(1_010):
        append(store, note())
    store._live().execute("UPDATE record SET body = x'7b7d' WHERE seq = 2")
    store.close()
    again = make(tmp_path, ids_from=50)
    assert again.open(1).set_aside == ""
    with pytest.raises(JournalDamagedError, match="record 2"):
        again.verify_all()


def test_a_failed_disk_is_an_answer_and_the_journal_comes_back(tmp_path: Path) -> None:
    """Every statement of an append in turn fails, once told before and once after it was done (F6)."""
    for after_doing in (False, True):
        for nth in range(1, 8):
            directory = tmp_path / f"{after_doing}{nth}"
            directory.mkdir()
            store = opened(directory)
            append(store, note())
            FailingConnection.after_doing = after_doing
            FailingConnection.fail_at = nth
            result = store.append(intent())
            healed = FailingConnection.fail_at > 0
            FailingConnection.fail_at = 0
            if not healed:
                assert isinstance(result, StoreFault), f"statement {nth}"
                assert result.kind is FaultKind.IO
            append(store, note())
            found = records(store)
            assert first_break(START, found) is None
            assert [record.seq for record in found] == list(range(1, len(found) + 1))
            store.close()
            assert opened(directory, ids_from=50).head.seq == len(found)


def test_a_full_disk_frees_the_ballast(tmp_path: Path) -> None:
    store = opened(tmp_path)
    ballast = tmp_path / "ballast"
    assert ballast.exists()
    FailingConnection.message = "database or disk is full"
    FailingConnection.fail_at = 2
    result = store.append(note())
    assert isinstance(result, StoreFault)
    assert result.kind is FaultKind.FULL
    assert not ballast.exists()
    append(store, note())


STEPS = st.lists(
    st.sampled_from(["intent", "decided", "outcome", "note", "ack", "rewind", "restart", "fault", "epoch"]), max_size=40
)


@given(steps=STEPS, failing_at=st.integers(1, 6), after_doing=st.booleans())
def test_after_any_history_the_chain_verifies_and_nothing_acknowledged_is_missing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], failing_at: int, after_doing: bool
) -> None:
    directory = tmp_path_factory.mktemp("history")
    store = opened(directory)
    written: dict[tuple[int, int], bytes] = {}
    taps: list[int] = []
    for at, step in enumerate(steps):
        tap = taps[-1] if taps else 1
        decided = Decided(tap, Verdict(granted=True, reason="granted", policy_version=1, offline=True), stamp())
        bodies: dict[str, Body] = {
            "intent": intent(),
            "decided": decided,
            "outcome": served(tap),
            "note": note(),
            "fault": note(),
        }
        body = bodies.get(step)
        match step:
            case "intent" | "decided" | "note":
                pass
            case "outcome":
                taps = []  # a tap ends once
            case "ack":
                store.mark_acked(store.epoch, store.head.seq, 2_000)
            case "rewind":
                store.rewind(store.epoch, store.head.seq // 2, others=at % 2 == 0, at_ms=2_000)
            case "restart":
                store.close()
                store = opened(directory, ids_from=1_000 * (at + 1))
            case "fault":
                FailingConnection.after_doing = after_doing
                FailingConnection.fail_at = failing_at
            case _:
                assert store.begin_epoch("test") is None
                taps = []
        if body is not None:
            result = store.append(body)
            if isinstance(result, Record):
                written[store.epoch, result.seq] = result.hash
                taps += [result.seq] if isinstance(body, Intent) else []
        FailingConnection.fail_at = 0
    store.verify_all()
    for epoch in {epoch for epoch, _ in written}:
        found = records(store, epoch)
        assert first_break(START, found) is None
        kept = {record.seq: record.hash for record in found}
        assert all(kept[seq] == digest for (of, seq), digest in written.items() if of == epoch)
    store.close()
