"""A small site written straight into the tables, with a device whose journal a test writes by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg

from cardcore.access.item_key import item_key
from cardcore.access.items import (
    CardItem,
    CardState,
    Item,
    LaneItem,
    LevelItem,
    MealItem,
    Product,
    ScheduleItem,
    SiteItem,
    TariffItem,
    TillItem,
    ZoneItem,
)
from cardcore.access.snapshot import encode_item
from cardcore.calendar import Interval
from cardcore.canteen.pricing import NO_ENTRY, Entry
from cardcore.ids import (
    AccountId,
    CardId,
    CategoryId,
    CredentialKey,
    DeviceId,
    LaneId,
    LevelId,
    MealId,
    PersonId,
    ScheduleId,
    SiteId,
    StallId,
    TapKey,
    TillId,
    ZoneId,
    uuid7_from,
)
from cardcore.journal import (
    GENESIS,
    Body,
    ClockQuality,
    Decided,
    Intent,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    Stamp,
    Verdict,
    write_record,
)
from cardcore.money import Fen
from server.system import System
from server.taps.arrivals import Arrival, LinkDevice

NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
"""12:00 on a Wednesday in Shanghai."""
RECORD_KEY = bytes(range(32))
LUNCH_FEN = 1200


class SetClock:
    """A clock that stands where a test puts it."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic_ms(self) -> int:
        return int(self.at.timestamp() * 1000)

    def advance(self, **kwargs: float) -> None:
        self.at += timedelta(**kwargs)


class CountedIds:
    """Ids that are the same in every run."""

    def __init__(self, clock: SetClock, name: str = "ids") -> None:
        self._clock = clock
        self._name = name
        self._count = 0

    def uuid7(self) -> UUID:
        return uuid7_from(self._clock.now(), self.random_bytes(10))

    def random_bytes(self, count: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(f"{self._name}/{self._count}".encode()).digest(count)


@dataclass
class Holder:
    """A card holder of the small site."""

    credential: CredentialKey
    card: CardId
    person: PersonId
    account: AccountId | None
    purses: dict[str, UUID] = field(default_factory=dict)


@dataclass
class SmallSite:
    """Ids of what was written, and the means to write taps."""

    url: str
    site: SiteId
    device: LinkDevice
    clock: SetClock
    ids: CountedIds
    holders: list[Holder]
    epoch: int = 7

    @property
    def system(self) -> System:
        return System(self.clock, self.ids)

    def publish(self, *items: Item) -> None:
        with psycopg.connect(self.url) as connection:
            publish(connection, self.site, items)

    def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(query, args).fetchall()

    def balance(self, holder: Holder) -> int:
        return int(self.rows("select sum(balance_fen) from purse where account_id = %s", holder.account)[0][0] or 0)


class Journal:
    """A device's journal as a test writes it."""

    def __init__(self, small: SmallSite, epoch: int | None = None) -> None:
        self.small = small
        self.epoch = small.epoch if epoch is None else epoch
        self.records: list[Record] = []

    def add(self, body: Body) -> Record:
        previous = self.records[-1].hash if self.records else GENESIS
        key = TapKey(self.small.device.id, self.epoch, len(self.records) + 1)
        self.records.append(write_record(key, previous, body, self.small.device.record_key))
        return self.records[-1]

    def stamp(self) -> Stamp:
        milliseconds = int(self.small.clock.now().timestamp() * 1000)
        return Stamp(milliseconds, milliseconds, "boot", ClockQuality.SYNCED)

    def meal(self, holder: Holder, till: str = "t01", entry: Entry = NO_ENTRY) -> Record:
        return self._intent(Purpose.TILL, till, holder.credential, entry)

    def gate(self, holder: Holder, lane: str = "g01") -> Record:
        return self._intent(Purpose.GATE, lane, holder.credential)

    def _intent(self, purpose: Purpose, place: str, credential: CredentialKey, entry: Entry = NO_ENTRY) -> Record:
        tap = str(self.small.ids.uuid7())
        intent = Intent(tap, purpose, place, place, credential, self.stamp(), 1, amount=entry.amount, lines=entry.lines)
        return self.add(intent)

    def ended(self, tap_seq: int, kind: OutcomeKind, verdict: Verdict) -> Record:
        return self.add(Outcome(tap_seq, kind, verdict, self.stamp()))

    def outcome(self, tap_seq: int, kind: OutcomeKind, amount: int = LUNCH_FEN, *, offline: bool = False) -> Record:
        verdict = Verdict(kind is OutcomeKind.SERVED, "charged", 1, offline, amount, "lunch")
        return self.add(Outcome(tap_seq, kind, verdict, self.stamp()))

    def decided(self, tap_seq: int) -> Record:
        return self.add(
            Decided(tap_seq, Verdict(granted=True, reason="granted", policy_version=1, offline=False), self.stamp())
        )

    def live(self, record: Record) -> Arrival:
        return Arrival(self.small.device, self.epoch, (record,), live=True)

    def upload(self, records: Iterable[Record]) -> Arrival:
        return Arrival(self.small.device, self.epoch, tuple(records), live=False)


def publish(connection: psycopg.Connection[Any], site: SiteId, items: Sequence[Item]) -> None:
    """Write items as a new policy version, without the hash that nobody here looks at."""
    version = connection.execute(
        "update policy_state set version = version + 1 where site_id = %s returning version", (site,)
    ).fetchone()
    assert version is not None
    for item in items:
        connection.execute(
            "insert into policy_item values (%s, %s, %s, %s) on conflict (site_id, key)"
            " do update set version = excluded.version, body = excluded.body",
            (site, item_key(item), version[0], encode_item(item)),
        )


def make_site(url: str, holders: int = 4, cash_fen: int = 5000, subsidy_fen: int = 0, name: str = "small") -> SmallSite:
    """Write a site with one gate, one till with a second beside it, and some holders with money."""
    clock = SetClock()
    ids = CountedIds(clock, name)
    site = SiteId(ids.uuid7())
    device = LinkDevice(
        DeviceId(ids.uuid7()), site, frozenset({"gate", "till"}),
        frozenset({"g01", *(f"t{number:02d}" for number in range(1, 9))}), RECORD_KEY,
    )  # fmt: skip
    small = SmallSite(url, site, device, clock, ids, [])
    with psycopg.connect(url) as connection:
        _write_site(connection, small, name)
        for index in range(holders):
            small.holders.append(_write_holder(connection, small, index, cash_fen, subsidy_fen))
        publish(connection, site, [*_places(), *(card(holder) for holder in small.holders)])
    return small


def card(holder: Holder, **changes: object) -> CardItem:
    """Return a holder's card item, active and for everything unless changed."""
    values: dict[str, Any] = {
        "product": Product.COMBINED,
        "state": CardState.ACTIVE,
        "category": CategoryId("staff"),
        "levels": (LevelId("all"),),
        "account": holder.account,
    }
    return CardItem(credential=holder.credential, card=holder.card, person=holder.person, **(values | changes))


def _places() -> list[Item]:
    return [
        SiteItem(),
        ZoneItem(ZoneId("outside")),
        ZoneItem(ZoneId("compound")),
        LaneItem(LaneId("g01"), "g01", ZoneId("outside"), ZoneId("compound")),
        ScheduleItem(ScheduleId("always"), (Interval(on_holidays=True),)),
        LevelItem(LevelId("all"), (ZoneId("compound"), ZoneId("outside")), ScheduleId("always")),
        TillItem(TillId("t01"), "t01", StallId("hall")),
        TillItem(TillId("t02"), "t02", StallId("hall")),
        MealItem(MealId("lunch"), 10 * 3600, 14 * 3600),
        TariffItem(MealId("lunch"), Fen(LUNCH_FEN)),
    ]


def _write_site(connection: psycopg.Connection[Any], small: SmallSite, name: str) -> None:
    run, site, now = connection.execute, small.site, small.clock.now()
    run("insert into site (id, slug, name_en, name_zh, created_at) values (%s, %s, 'S', '小', %s)", (site, name, now))
    run("insert into category values (%s, 'staff', 'Staff', '职工')", (site,))
    run("insert into stall values (%s, 'hall', 'Hall', '大厅')", (site,))
    run("insert into policy_state (site_id, content_hash) values (%s, '')", (site,))
    run(
        "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
        " values (%s, %s, 'box', '{gate,till}', %s, '', %s)",
        (small.device.id, site, bytes(32), now),
    )
    open_epoch(connection, small, small.epoch)


def open_epoch(connection: psycopg.Connection[Any], small: SmallSite, epoch: int) -> None:
    """Register an epoch of the small site's device."""
    connection.execute(
        "insert into device_epoch (device_id, epoch, head_hash, opened_at) values (%s, %s, %s, %s)",
        (small.device.id, epoch, GENESIS, small.clock.now()),
    )


def _write_holder(
    connection: psycopg.Connection[Any], small: SmallSite, index: int, cash_fen: int, subsidy_fen: int
) -> Holder:
    run, ids, now = connection.execute, small.ids, small.clock.now()
    person, account = PersonId(ids.uuid7()), AccountId(ids.uuid7())
    holder = Holder(CredentialKey(f"wiegand:34-{index:010x}"), CardId(ids.uuid7()), person, account)
    run(
        "insert into person (id, site_id, number, name, category_id, created_at) values (%s, %s, %s, %s, 'staff', %s)",
        (person, small.site, str(index), f"Holder {index}", now),
    )
    run(
        "insert into card (id, site_id, person_id, number, product, state, created_at, changed_at)"
        " values (%s, %s, %s, %s, 'combined', 'active', %s, %s)",
        (holder.card, small.site, person, str(index), now, now),
    )
    run(
        "insert into account (id, site_id, person_id, opened_at) values (%s, %s, %s, %s)",
        (account, small.site, person, now),
    )
    opening = ids.uuid7()
    run("insert into ledger_account values (%s, %s, 'opening', %s)", (opening, small.site, f"opening/{index}"))
    for kind, balance in (("cash", cash_fen), ("subsidy", subsidy_fen)):
        purse = holder.purses[kind] = ids.uuid7()
        run("insert into ledger_account values (%s, %s, 'purse', %s)", (purse, small.site, f"{account}/{kind}"))
        run("insert into purse values (%s, %s, %s, %s, %s, 0)", (purse, small.site, account, kind, balance))
        if balance:
            run(
                "insert into transfer (id, site_id, kind, from_account, to_account, amount_fen, to_balance_fen,"
                " business_day, at, posted_at, actor) values (%s, %s, 'opening', %s, %s, %s, %s, %s, %s, %s, 'test')",
                (ids.uuid7(), small.site, opening, purse, balance, balance, now.date(), now, now),
            )
    return holder
