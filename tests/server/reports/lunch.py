"""A noon at the seeded reference site, played through the real tap path. Test support."""

from __future__ import annotations

import psycopg

from cardcore.access.items import Product
from cardcore.ids import CredentialKey, DeviceId
from cardcore.journal import GENESIS, Intent, Outcome, OutcomeKind, Purpose, Record, Verdict
from server.database import Database, connect_app
from server.seed.card_list import SeedCard
from server.seed.service import SeededSite, seed_reference_site
from server.system import System
from server.taps.arrivals import LinkDevice
from server.taps.repository import PostgresTaps
from server.taps.service import TapService
from tests.server.taps.small_site import CountedIds, Holder, Journal, SetClock, SmallSite

RECORD_KEY = bytes(range(32))
EPOCH = 7
PLACES = frozenset({"g01", "g07", "t01", "t04"})


class Lunch:
    """The site, its one device, and what happens there. Cards: 0 combined, 1 gate only, 2 canteen only, and so on."""

    def __init__(self, database: Database, cards: int = 6) -> None:
        self.clock = SetClock()
        self.system = System(self.clock, CountedIds(self.clock, "lunch"))
        self.database = database
        products = (Product.COMBINED, Product.GATE_ONLY, Product.CANTEEN_ONLY)
        listed = [SeedCard(n, products[n % 3], CredentialKey(f"uid:{n:08x}")) for n in range(cards)]
        self.seeded: SeededSite = seed_reference_site(database, self.system, listed, seed=3)
        self.site = self.seeded.site_id
        device = LinkDevice(
            DeviceId(self.system.ids.uuid7()), self.site, frozenset({"gate", "till"}), PLACES, RECORD_KEY
        )
        holders = [Holder(one.credential, one.card, one.person, one.account) for one in self.seeded.holders]
        ids = CountedIds(self.clock, "journal")
        self.small = SmallSite(database.url, self.site, device, self.clock, ids, holders, EPOCH)
        self.journal = Journal(self.small)
        with psycopg.connect(database.url) as connection:
            connection.execute(
                "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
                " values (%s, %s, 'box', '{gate,till}', %s, '', %s)",
                (device.id, self.site, bytes(32), self.clock.now()),
            )
            connection.execute(
                "insert into device_epoch (device_id, epoch, head_hash, opened_at) values (%s, %s, %s, %s)",
                (device.id, EPOCH, GENESIS, self.clock.now()),
            )
        self.taps = TapService(PostgresTaps(lambda: connect_app(database.url)), self.system)

    def tap(self, index: int, place: str, *, live: bool = True) -> Record:
        """Hold card `index` to a reader; live taps are decided by the server."""
        purpose = Purpose.TILL if place.startswith("t") else Purpose.GATE
        intent = Intent(
            str(self.system.ids.uuid7()), purpose, place, place, CredentialKey(f"uid:{index:08x}"),
            self.journal.stamp(), 1,
        )  # fmt: skip
        record = self.journal.add(intent)
        self.taps.process([self.journal.live(record) if live else self.journal.upload([record])])
        return record

    def outcome(
        self, tap: Record, kind: OutcomeKind, amount: int = 0, reason: str = "charged", *, offline: bool = False
    ) -> Record:
        """Upload what became of a tap."""
        granted = kind is not OutcomeKind.DECLINED
        verdict = Verdict(granted, reason, 1, offline, amount, "lunch" if amount else "")
        record = self.journal.add(Outcome(tap.seq, kind, verdict, self.journal.stamp()))
        self.taps.process([self.journal.upload([record])])
        return record

    def play(self) -> None:
        """Play: two passages, a refusal at a gate, a meal served, one cancelled, one offline, one left open."""
        for index in (0, 1):
            self.outcome(self.tap(index, "g01"), OutcomeKind.PASSED, reason="granted")
        self.outcome(self.tap(2, "g01"), OutcomeKind.DECLINED, reason="product_not_for_gate")
        self.outcome(self.tap(0, "t01"), OutcomeKind.SERVED, 1200)
        self.clock.advance(hours=1)
        self.outcome(self.tap(3, "t01"), OutcomeKind.CANCELLED, 1200)
        self.outcome(self.tap(2, "t04", live=False), OutcomeKind.SERVED, 1000, offline=True)
        self.tap(5, "t01")
