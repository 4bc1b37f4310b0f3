"""One suite for both databases of the simulator: what PostgreSQL does, the tables in memory do."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from cardcore.access.items import AccountState, CardState, Passback
from cardcore.access.snapshot import Snapshot
from cardcore.ids import DeviceId, TapKey
from cardcore.journal import (
    GENESIS,
    Body,
    ClockQuality,
    Intent,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    Stamp,
    Verdict,
    write_record,
)
from cardcore.wire.messages import RecordStatus
from server.link.ports import OUTAGES
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.store import StoreLostError
from tests.private_postgres import PrivatePostgres
from tests.simulation import site_plan as plan
from tests.simulation.backend import Backend, Holder
from tests.simulation.books import Books
from tests.simulation.chance import DrawnIds
from tests.simulation.invariants import AT_ANY_TIME, Remains
from tests.simulation.memory_backend import MemoryBackend
from tests.simulation.model import Model
from tests.simulation.postgres_backend import PostgresBackend

NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
EPOCH = 77


class StandingClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return int(self.at.timestamp() * 1000)


PLAIN = plan.Variant(keyed=False, passback=Passback.NONE)


class Site:
    """A backend with the journal of one box, written by hand."""

    def __init__(self, make: Callable[[System], Backend], clock: StandingClock) -> None:
        self.clock = clock
        self.system = System(clock, DrawnIds(clock, random.Random(5)))
        self.backend = make(self.system)
        self.service = self.backend.processor(self.system)
        self.devices = self.backend.devices(self.system)
        self.device = DeviceId(UUID(self.backend.identities["till-1"].device))
        self.devices.open_epoch(self.device, EPOCH)
        self.records: list[Record] = []

    def holder(self, name: str) -> Holder:
        return next(holder for holder in self.backend.holders if holder.name == name)

    def add(self, body: Body) -> Record:
        previous = self.records[-1].hash if self.records else GENESIS
        key = TapKey(self.device, EPOCH, len(self.records) + 1)
        self.records.append(write_record(key, previous, body, self.backend.identities["till-1"].record_key))
        return self.records[-1]

    def meal(self, name: str) -> Record:
        credential = self.holder(name).credential
        return self.add(Intent("t", Purpose.TILL, "t01", "t01", credential, self.stamp(), 1))

    def outcome(self, tap_seq: int, kind: OutcomeKind, amount: int = plan.PRICE_FEN) -> Record:
        verdict = Verdict(kind is OutcomeKind.SERVED, "charged", 1, offline=True, amount=amount, meal="lunch")
        return self.add(Outcome(tap_seq, kind, verdict, self.stamp()))

    def stamp(self) -> Stamp:
        return Stamp(int(self.clock.at.timestamp() * 1000), 1, "boot", ClockQuality.SYNCED)

    def take(self, *records: Record, live: bool = False) -> Receipt:
        known = self.devices.known(self.device)
        assert known is not None
        (receipt,) = self.service.process([Arrival(known.link, EPOCH, records, live)])
        return receipt

    def books(self) -> Books:
        books = self.backend.books()
        remains = Remains(books, Model(self.backend.holders, PLAIN), None, [], {}, set(), restored=False)  # type: ignore[arg-type]
        assert [problem for invariant in AT_ANY_TIME for problem in invariant(remains)] == []
        return books

    def balance(self, name: str) -> int:
        account = self.holder(name).account
        return sum(purse.balance for purse in self.books().purses if purse.account == account)


@pytest.fixture(params=["memory", "postgres"])
def site(request: pytest.FixtureRequest, embedded_postgres: PrivatePostgres) -> Iterator[Site]:
    clock = StandingClock()
    if request.param == "memory":
        yield Site(lambda system: MemoryBackend(system, random.Random(1), PLAIN), clock)
        return
    with embedded_postgres.fresh_database(migrated=True) as url:
        site = Site(lambda system: PostgresBackend(url, system, random.Random(1), "contract", PLAIN), clock)
        yield site
        site.backend.close()


def test_a_live_meal_is_charged_and_a_repeat_gets_the_same_answer(site: Site) -> None:
    tap = site.meal("anna")
    first, again = site.take(tap, live=True), site.take(tap, live=True)
    assert first.decision is not None
    assert (first.decision.granted, first.decision.amount, first.decision.balance_after) == (True, 1_200, 4_800)
    assert first.decision.holder == "anna"
    assert again.decision == first.decision
    assert [first.statuses, again.statuses] == [((1, RecordStatus.STORED),), ((1, RecordStatus.DUPLICATE),)]
    assert site.balance("anna") == 4_800


def test_a_new_process_finds_what_the_old_one_stored(site: Site) -> None:
    tap = site.meal("anna")
    first = site.take(tap, live=True)
    site.service = site.backend.processor(site.system)
    again = site.take(tap, live=True)
    assert again.decision == first.decision
    site.take(site.outcome(1, OutcomeKind.NOT_CONFIRMED, 0))
    assert site.balance("anna") == 6_000
    assert [charge.revision for charge in site.books().charges] == [0, 1]


def test_two_processes_that_take_turns_with_one_journal_miss_nothing(site: Site) -> None:
    ours, theirs = site.service, site.backend.processor(site.system)
    marks = []
    for turn in range(6):
        site.service = ours if turn % 2 else theirs
        marks.append(site.take(site.meal("dora"), live=True).acked_through)
    assert marks == [1, 2, 3, 4, 5, 6]
    assert site.balance("dora") == 20_500 - plan.MEALS_A_DAY * plan.PRICE_FEN


def test_other_content_under_a_key_is_set_aside(site: Site) -> None:
    site.take(site.meal("anna"), live=True)
    site.records.clear()
    receipt = site.take(site.meal("dora"), live=True)
    assert receipt.statuses == ((1, RecordStatus.CONFLICT),)
    site.take(site.records[0])
    books = site.books()
    assert [(row.key[2], row.why) for row in books.quarantine] == [(1, "conflict")]
    assert ("quarantined", f"{site.device}/{EPOCH}/1") in books.findings


def test_a_gap_holds_the_mark_over_processes(site: Site) -> None:
    first, second, third = site.meal("anna"), site.meal("boris"), site.meal("dora")
    assert site.take(first).acked_through == 1
    assert site.take(third).acked_through == 1
    site.service = site.backend.processor(site.system)
    assert site.take(second).acked_through == 3
    mark = next(mark for mark in site.books().marks if mark.epoch == EPOCH)
    assert (mark.acked_through, mark.closed) == (3, False)


def test_an_offline_meal_posts_into_debt_and_is_flagged(site: Site) -> None:
    site.meal("boris")
    site.outcome(1, OutcomeKind.SERVED)
    site.meal("boris")
    site.outcome(3, OutcomeKind.SERVED)
    site.take(*site.records)
    assert site.balance("boris") == 1_300 - 2 * plan.PRICE_FEN
    assert [charge.flag for charge in site.books().charges] == ["", "balance_too_low"]


def test_a_stranger_and_a_closed_account_go_to_the_receivable(site: Site) -> None:
    site.add(Intent("t", Purpose.TILL, "t01", "t01", plan.STRANGER, site.stamp(), 1))
    site.outcome(1, OutcomeKind.SERVED)
    site.backend.set_account(site.holder("anna"), AccountState.CLOSED)
    site.meal("anna")
    site.outcome(3, OutcomeKind.SERVED)
    site.take(*site.records)
    assert site.balance("anna") == 6_000
    assert len(site.books().charges) == 2


def test_what_administrators_change_holds_for_the_next_tap(site: Site) -> None:
    policy = site.backend.policy()
    before = policy.version(site.backend.site)
    assert site.backend.set_card(site.holder("anna"), CardState.LOST)
    assert not site.backend.set_card(site.holder("anna"), CardState.LOST)
    refused = site.take(site.meal("anna"), live=True).decision
    assert refused is not None
    assert (refused.granted, refused.reason) == (False, "card_lost")
    site.backend.set_card(site.holder("anna"), CardState.ACTIVE)
    site.backend.set_price(900)
    site.backend.top_up(site.holder("boris"), 500)
    taken = site.take(site.meal("boris"), live=True).decision
    assert taken is not None
    assert (taken.amount, taken.balance_after) == (900, 900)
    assert policy.version(site.backend.site) > before
    changes = policy.changes(site.backend.site, before)
    assert {item.key for item in changes.items} == {f"card/{site.holder('anna').credential}", "tariff/lunch/*/*"}


def test_the_whole_policy_has_the_hash_it_says(site: Site) -> None:
    site.backend.set_card(site.holder("chen"), CardState.LOST)
    changes = site.backend.policy().changes(site.backend.site, 0)
    assert changes.items[0].key == f"card/{site.holder('chen').credential}"
    assert Snapshot.empty().with_changes(changes.version, changes.items).content_hash == changes.content_hash


def test_meals_count_by_business_day(site: Site) -> None:
    answers = [site.take(site.meal("dora"), live=True).decision for _ in range(plan.MEALS_A_DAY + 1)]
    assert [answer.granted for answer in answers if answer is not None] == [True] * plan.MEALS_A_DAY + [False]
    assert answers[-1] is not None
    assert answers[-1].reason == "meal_limit"
    site.clock.at += timedelta(days=1)
    fresh = site.take(site.meal("dora"), live=True).decision
    assert fresh is not None
    assert fresh.granted


def test_a_database_that_is_down_takes_nothing(site: Site) -> None:
    arrival = _arrival(site, site.meal("anna"))
    site.backend.trouble.down = True
    with pytest.raises(StoreLostError):
        site.service.process([arrival])
    with pytest.raises(OUTAGES):
        site.devices.known(site.device)
    site.backend.trouble.down = False
    assert not site.books().records


def test_a_commit_of_which_nobody_heard_stands(site: Site) -> None:
    tap = site.meal("anna")
    arrival = _arrival(site, tap)
    site.backend.trouble.unknown = 1.0
    with pytest.raises(StoreLostError):
        site.service.process([arrival])
    site.backend.trouble.unknown = 0.0
    assert site.backend.trouble.committed
    assert site.balance("anna") == 4_800
    (receipt,) = site.service.process([arrival])
    assert receipt.statuses == ((1, RecordStatus.DUPLICATE),)
    assert site.balance("anna") == 4_800


def test_a_lost_race_writes_nothing(site: Site) -> None:
    arrival = _arrival(site, site.meal("anna"))
    site.backend.trouble.retry = 1.0
    with pytest.raises(StoreLostError):
        site.service.process([arrival])
    assert not site.books().records
    site.backend.trouble.retry = 0.0
    site.service.process([arrival])
    assert len(site.books().records) == 1


def test_a_new_epoch_closes_the_older_and_somebody_is_told(site: Site) -> None:
    site.take(site.meal("anna"), live=True)
    assert site.devices.open_epoch(site.device, EPOCH).acked_through == 1
    assert site.devices.open_epoch(site.device, EPOCH + 1).acked_through == 0
    assert {mark.epoch: mark.closed for mark in site.books().marks} == {EPOCH: True, EPOCH + 1: False}
    site.devices.open_epoch(site.device, EPOCH)
    kinds = [kind for kind, subject in site.books().findings if subject == f"device:{site.device}"]
    assert sorted(kinds) == ["journal_replaced", "journal_returned"]


def test_money_that_comes_in_after_a_close_stands_in_the_day_that_is_open(site: Site) -> None:
    """Shortly after four in the morning the business day is a day ahead of the date in London."""
    site.clock.at = datetime(2026, 3, 3, 20, 30, tzinfo=UTC)
    site.backend.top_up(site.holder("anna"), 500)
    assert [row.business_day for row in site.books().transfers if row.posted_at == site.clock.at] == [date(2026, 3, 4)]


def _arrival(site: Site, *records: Record) -> Arrival:
    known = site.devices.known(site.device)
    assert known is not None
    return Arrival(known.link, EPOCH, records, live=True)
