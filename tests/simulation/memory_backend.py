"""Tier 1's database: tables in memory behind the real link and tap service, with administrators who act on them."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.items import (
    AccountState,
    CardItem,
    CardState,
    Item,
    LaneItem,
    LevelItem,
    MealItem,
    ScheduleItem,
    SiteItem,
    TariffItem,
    TillItem,
    ZoneItem,
)
from cardcore.access.snapshot import StateItem
from cardcore.calendar import Interval
from cardcore.canteen.limits import Pin
from cardcore.canteen.selling import KEYED, PERIOD
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
    TillId,
    ZoneId,
)
from cardcore.journal import GENESIS
from cardcore.money import Fen
from cardcore.wire.messages import Health
from reader_daemon.identity import Identity
from server.cards.transitions import allowed
from server.database import DatabaseUnavailableError
from server.link.ports import KnownDevice, Mark, PolicyChanges, Returned
from server.system import System
from server.taps.arrivals import Arrival, LinkDevice, Receipt
from server.taps.batcher import Processor
from server.taps.rows import TransferInsert
from server.taps.service import TapService
from tests.simulation import site_plan as plan
from tests.simulation.backend import (
    AccountSet,
    BatchDone,
    CardSet,
    Committed,
    DayClosed,
    Holder,
    MoneyAdded,
    PriceSet,
    Trouble,
)
from tests.simulation.books import Books
from tests.simulation.box import BoxPlan
from tests.simulation.memory_books import read_books
from tests.simulation.memory_rows import AccountData, DeviceData, HeadRow, PurseData, Tables
from tests.simulation.memory_store import MemoryTaps
from tests.simulation.model import business_day

BOTH = frozenset({"gate", "till"})
LUNCH, STAFF, ALL = MealId("lunch"), CategoryId("staff"), LevelId("all")
SOURCES = (("cash_drawer", "main"), ("subsidy", "main"), ("stall", "main"), ("receivable", "unknown_card"),
           ("receivable", "closed_account"))  # fmt: skip


class MemoryBackend:
    """Implements `tests.simulation.backend.Backend`."""

    def __init__(self, system: System, stream: random.Random, variant: plan.Variant) -> None:
        """Write a new site."""
        self._system = system
        ids = system.ids
        self.trouble = Trouble(stream)
        self.site = SiteId(ids.uuid7())
        self.key = Ed25519PrivateKey.from_private_bytes(ids.random_bytes(32))
        self.log: list[Committed] = []
        self.tables = Tables(ids.random_bytes(16).hex())
        self._backup: tuple[Tables, int] | None = None
        for source in SOURCES:
            self.tables.ledger_accounts[source] = ids.uuid7()
        self.tables.publish(*_places(variant))
        self.holders = tuple(self._write_holder(holder) for holder in plan.HOLDERS)
        self.identities = {box.name: self._enrol(box) for box in (*plan.BOXES, plan.ROGUE)}

    # --- the site -----------------------------------------------------------------------------------------------

    def _write_holder(self, holder: plan.HolderPlan) -> Holder:
        ids, tables = self._system.ids, self.tables
        person, card = PersonId(ids.uuid7()), CardId(ids.uuid7())
        account = AccountId(ids.uuid7()) if holder.subsidy + holder.cash else None
        if account is not None:
            tables.accounts[account] = AccountData(person, holder.name)
            for kind, amount in (("subsidy", holder.subsidy), ("cash", holder.cash)):
                purse = ids.uuid7()
                tables.ledger_accounts["purse", f"{account}/{kind}"] = purse
                tables.purses[purse] = PurseData(account, kind, 0)
                if amount:
                    self._credit(purse, kind, amount)
        item = CardItem(holder.credential, card, person, holder.product, CardState.ACTIVE, STAFF, (ALL,), account)
        tables.cards[holder.credential] = item
        tables.publish(item)
        return Holder(
            holder.name, holder.credential, holder.product, person, card, account, holder.subsidy, holder.cash
        )

    def _credit(self, purse: UUID, kind: str, amount: int) -> None:
        tables, now = self.tables, self._system.clock.now()
        source = tables.ledger_accounts["subsidy" if kind == "subsidy" else "cash_drawer", "main"]
        tables.purses[purse].balance += amount
        transfer = TransferInsert(
            id=self._system.ids.uuid7(),
            site_id=self.site,
            kind="topup",
            from_account=source,
            to_account=purse,
            amount_fen=amount,
            from_balance_fen=None,
            to_balance_fen=tables.purses[purse].balance,
            charge_id=None,
            business_day=business_day(now),
            at=now,
            posted_at=now,
            actor="simulation",
            note="",
        )
        tables.transfers.append(transfer)

    def _enrol(self, box: BoxPlan) -> Identity:
        ids = self._system.ids
        key, record_key = Ed25519PrivateKey.from_private_bytes(ids.random_bytes(32)), ids.random_bytes(32)
        device = DeviceId(ids.uuid7())
        public = key.public_key().public_bytes_raw()
        self.tables.devices[device] = DeviceData(box.name, frozenset(box.readers), public, record_key)
        server_key = self.key.public_key().public_bytes_raw()
        return Identity(str(device), str(self.site), box.name, key.private_bytes_raw(), record_key, server_key)

    # --- for the server's process -------------------------------------------------------------------------------

    def devices(self, system: System) -> MemoryDevices:
        return MemoryDevices(self, system)

    def policy(self) -> MemoryPolicy:
        return MemoryPolicy(self)

    def processor(self, system: System) -> Processor:
        return TapService(MemoryTaps(lambda: self.tables, self.trouble), system)

    def process_died(self) -> None:
        """Nothing was open: every call is one step."""

    def reach(self) -> Tables:
        """Return the tables, if the database can be reached."""
        if self.trouble.down:
            message = "simulated outage"
            raise DatabaseUnavailableError(message)
        return self.tables

    def log_batch(self, at: datetime, arrivals: Sequence[Arrival], receipts: Sequence[Receipt | None]) -> None:
        self.log.append(BatchDone(at, tuple(arrivals), tuple(receipts)))

    # --- administrators -----------------------------------------------------------------------------------------

    def set_card(self, holder: Holder, state: CardState) -> bool:
        card = self.tables.cards[holder.credential]
        if card.state is state or not allowed(card.state, state):
            return False
        self._put_card(_changed(card, state=state))
        self.log.append(CardSet(holder.credential, state))
        return True

    def top_up(self, holder: Holder, amount: int) -> None:
        assert holder.account is not None
        if self.tables.accounts[holder.account].state is AccountState.CLOSED:
            return
        purse = self.tables.ledger_accounts["purse", f"{holder.account}/cash"]
        self._credit(purse, "cash", amount)
        self.log.append(MoneyAdded(holder.account, amount))

    def set_price(self, amount: int) -> None:
        self.tables.publish(TariffItem(LUNCH, Fen(amount)))
        self.log.append(PriceSet(amount))

    def set_account(self, holder: Holder, state: AccountState) -> None:
        assert holder.account is not None
        self.tables.accounts[holder.account].state = state
        self._put_card(_changed(self.tables.cards[holder.credential], account_state=state))
        self.log.append(AccountSet(holder.account, state))

    def close_day(self, day: date) -> bool:
        if self.tables.closed_through is not None and day <= self.tables.closed_through:
            return False
        self.tables.closed_through = day
        self.log.append(DayClosed(day, self._system.clock.now()))
        return True

    def _put_card(self, card: CardItem) -> None:
        self.tables.cards[card.credential] = card
        self.tables.publish(card)

    # --- the books ----------------------------------------------------------------------------------------------

    def books(self) -> Books:
        return read_books(self.tables)

    def back_up(self) -> None:
        self._backup = (copy.deepcopy(self.tables), len(self.log))

    def restore(self) -> bool:
        if self._backup is None:
            return False
        tables, length = self._backup
        self._backup = None
        tables.jump_policy(self.tables.policy_version + 1)
        self.tables = tables
        del self.log[length:]
        tables.generation = self._system.ids.random_bytes(16).hex()
        return True

    def close(self) -> None:
        """Nothing is open."""


class MemoryDevices:
    """Implements `server.link.ports.Devices`."""

    def __init__(self, backend: MemoryBackend, system: System) -> None:
        self._backend = backend
        self._system = system

    def known(self, device_id: DeviceId) -> KnownDevice | None:
        row = self._backend.reach().devices.get(device_id)
        if row is None:
            return None
        link = LinkDevice(device_id, self._backend.site, BOTH, row.places, row.record_key)
        return KnownDevice(link, row.name, row.public_key)

    def revoked(self, device_ids: Sequence[DeviceId]) -> set[DeviceId]:
        self._backend.reach()
        return set()

    def open_epoch(self, device_id: DeviceId, epoch: int) -> Mark:
        tables = self._backend.reach()
        found = tables.heads.get((device_id, epoch))
        if found is not None:
            if found.closed:
                self.alarm(device_id, "journal_returned", {})
            return Mark(found.acked_through, found.head_hash)
        older = [head for (device, _), head in tables.heads.items() if device == device_id and not head.closed]
        for head in older:
            head.closed = True
        tables.heads[device_id, epoch] = HeadRow(0, GENESIS, 0, self._system.clock.now())
        if older:
            self.alarm(device_id, "journal_replaced", {})
        return Mark(0, GENESIS)

    def connected(self, device_id: DeviceId, software: str) -> None:
        self._backend.reach()

    def pin(self, site: SiteId, credential: CredentialKey, pin: str) -> Pin:
        self._backend.reach()
        return Pin.NONE  # nobody has a PIN here

    def disconnected(self, device_id: DeviceId) -> None:
        self._backend.reach()

    def healthy(self, device_id: DeviceId, health: Health) -> None:
        self._backend.reach()

    def installed(self, device_id: DeviceId, policy_version: int, deny_version: int, problem: str) -> None:
        self._backend.reach()

    def alarm(self, device_id: DeviceId, kind: str, detail: dict[str, Any]) -> None:
        finding = (kind, f"device:{device_id}")
        findings = self._backend.reach().findings
        if finding not in findings:
            findings.append(finding)

    def generation(self) -> str:
        return self._backend.reach().generation

    def is_restored(self) -> bool:
        self._backend.reach()
        return False  # a copy is put in place by the story, and nobody's state is waited for

    def returned(self, device_id: DeviceId, site: SiteId, refused: Returned) -> None:
        self._backend.reach()


class MemoryPolicy:
    """Implements `server.link.ports.Policy`."""

    def __init__(self, backend: MemoryBackend) -> None:
        self._backend = backend

    def version(self, site: SiteId) -> int:
        return self._backend.reach().policy_version

    def changes(self, site: SiteId, since: int) -> PolicyChanges:
        tables = self._backend.reach()
        refused = {f"card/{card.credential}" for card in tables.cards.values() if card.state is not CardState.ACTIVE}
        items = [
            StateItem(key, body)
            for key, (version, body) in tables.policy.items()
            if version > since and (body or since)
        ]
        items.sort(key=lambda item: (item.key not in refused, item.key))
        return PolicyChanges(since, tables.policy_version, tables.content_hash, tuple(items))


def _places(variant: plan.Variant) -> Iterable[Item]:
    outside, inside = ZoneId(plan.OUTSIDE), ZoneId(plan.INSIDE)
    always = ScheduleId("always")
    yield from (SiteItem(), ZoneItem(outside), ZoneItem(inside, passback=variant.passback))
    yield ScheduleItem(always, (Interval(on_holidays=True),))
    yield LevelItem(ALL, (outside, inside), always)
    for name in plan.LANES:
        way = (inside, outside) if name == plan.WAY_OUT else (outside, inside)
        yield LaneItem(LaneId(name), name, *way)
    for name in (*plan.TILLS, *plan.ROGUE.tills):
        keyed = variant.keyed and name == plan.KEYED_TILL
        yield TillItem(TillId(name), name, StallId("main"), mode=KEYED if keyed else PERIOD)
    yield MealItem(LUNCH, *plan.LUNCH_SECONDS, plan.MEALS_A_DAY)
    yield TariffItem(LUNCH, Fen(plan.PRICE_FEN))


def _changed(card: CardItem, **changes: Any) -> CardItem:  # noqa: ANN401 - fields of a card
    return msgspec.structs.replace(card, **changes)
