"""A meal on real wires: a PKOC card in a real pcscd, a reader daemon, a server and PostgreSQL, all real processes.

The card's proof is checked by the daemon, the charge by the server; the same card, reported lost, is refused.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from cardcore.access.items import Product
from cardcore.ids import CredentialKey, TillId
from cardcore.journal import Purpose
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.pkoc_card import Forgery, PkocCard
from firmware_mocks.virtual_card.vpcd_link import VpcdLink
from server.access import service as access
from server.cards import service as cards
from server.database import Database, connect_app, migrate
from server.demo.processes import Child
from server.demo.shifted import shift_to_before_lunch, shifted_system
from server.devices import repository as device_rows
from server.devices import service as devices
from server.devices.models import EnrolmentCode
from server.embedded import EmbeddedSupervisor
from server.ledger.invariants import all_invariants
from server.seed.card_list import SeedCard
from server.seed.service import SeededSite, seed_reference_site
from server.system import System, SystemClock
from tests.pcsc_service.private_pcscd import PrivatePcscd
from tests.site.running_site import unused_port
from tests.site.turns import until

IN_LUNCH_SECONDS = -1800
"""Half an hour after lunch began."""
LUNCH_FEN = 1_200
SETTINGS = """
[server]
url = "ws://127.0.0.1:{port}"
[data]
dir = {data}
[[pcsc_reader]]
name = "t01"
match = "{first}"
[[pcsc_reader]]
name = "t02"
match = "{second}"
"""


@dataclass
class Counter:
    """Two tills with a PC/SC reader each, and everything behind them."""

    pcscd: PrivatePcscd
    database: Database
    system: System
    seeded: SeededSite

    def insert(self, slot: int, card: PkocCard) -> VpcdLink:
        link = VpcdLink(card, lambda: self.pcscd.connect(slot))
        link.insert()
        return link

    def outcomes(self) -> list[tuple[str, str, str, int]]:
        """Return place, outcome, reason and amount of every tap that has ended, in order."""
        with connect_app(self.database.url) as connection:
            return connection.execute(
                "select place, outcome, reason, amount_fen from record where kind = 'outcome' order by seq"
            ).fetchall()

    def alarms(self) -> list[str]:
        """Return what the daemon reported of cards that failed."""
        with connect_app(self.database.url) as connection:
            rows = connection.execute("select body from record where kind = 'event' and reason = 'card_failed'")
            return [str(row[0]) for row in rows]

    def policy_at_the_edge(self) -> int:
        rows = self.database.read(
            lambda session: device_rows.statuses(session, self.seeded.site_id, self.system.clock.now())
        )
        return min((row.health.get("policy_version", 0) for row in rows), default=0)

    def readers_online(self) -> set[str]:
        rows = self.database.read(
            lambda session: device_rows.statuses(session, self.seeded.site_id, self.system.clock.now())
        )
        return {reader["name"] for row in rows for reader in row.health.get("readers", []) if reader["online"]}


@pytest.fixture
async def counter(tmp_path: Path, short_tmp: Path) -> AsyncIterator[Counter]:
    shift = shift_to_before_lunch(SystemClock(), IN_LUNCH_SECONDS)
    system, port = shifted_system(shift), unused_port()
    embedded, pcscd = EmbeddedSupervisor(short_tmp / "counter"), PrivatePcscd()
    pcscd.start()
    url = await asyncio.to_thread(embedded.start)
    migrate(url)
    database, children = Database(url), list[Child]()
    plastic = [SeedCard(n, Product.COMBINED, CredentialKey(PkocCard(n).credential)) for n in range(3)]
    made = Counter(pcscd, database, system, seed_reference_site(database, system, plastic))
    try:
        children.append(await serve(shift, url, tmp_path, port))
        await until(lambda: _answers(port), "the server to answer")
        children.append(await read_cards(made, shift, tmp_path, port))
        await until(lambda: made.readers_online() == {"t01", "t02"}, "both readers to be online")
        await until(lambda: made.policy_at_the_edge() >= made.seeded.policy_version, "the card list")
        yield made
    finally:
        for child in reversed(children):
            await child.stop()
        database.close()
        await asyncio.to_thread(embedded.stop)
        pcscd.close()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _shift(shift: timedelta) -> str:
    return str(int(shift.total_seconds()))


async def serve(shift: timedelta, url: str, folder: Path, port: int) -> Child:
    environment = {"ONECARD_DATABASE_URL": url, "ONECARD_DATA_DIR": str(folder), "ONECARD_PORT": str(port)}
    server = Child("server", [sys.executable, "-m", "server.demo.serve", _shift(shift)], environment, folder / "s.log")
    await server.start()
    return server


async def read_cards(counter: Counter, shift: timedelta, folder: Path, port: int) -> Child:
    """Enrol a daemon with two PC/SC readers, give it two tills and start it."""
    site = counter.seeded.site_id
    first, second = counter.pcscd.names
    settings = folder / "reader.toml"
    settings.write_text(SETTINGS.format(port=port, data=json.dumps(str(folder / "data")), first=first, second=second))
    made = counter.database.write(
        lambda session: devices.make_code(session, counter.system, "", "tills", frozenset({Purpose.TILL}), "test")
    )
    assert isinstance(made, EnrolmentCode)
    enrolling = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reader_daemon", "--config", str(settings), "enrol", made.code
    )
    assert await enrolling.wait() == 0
    rows = counter.database.read(lambda session: device_rows.statuses(session, site, counter.system.clock.now()))
    counter.database.write(
        lambda session: access.assign_device(
            session, counter.system, site, rows[0].id, ([], [TillId("t01"), TillId("t02")]), "test"
        )
    )
    command = [sys.executable, "-m", "reader_daemon.demonstration", _shift(shift), "--config", str(settings)]
    environment = {"PCSCLITE_CSOCK_NAME": str(counter.pcscd.socket_path)}
    daemon = Child("daemon", command, environment, folder / "daemon.log")
    await daemon.start()
    return daemon


async def test_a_proven_card_pays_and_a_lost_or_forged_one_does_not(counter: Counter) -> None:
    card = PkocCard(0)
    link = counter.insert(0, card)
    await until(lambda: len(counter.outcomes()) == 1, "the first meal")
    assert counter.outcomes() == [("t01", "served", Reason.CHARGED, LUNCH_FEN)]
    link.remove()

    holder = counter.seeded.holders[0]
    counter.database.write(
        lambda session: cards.report_lost(
            session, counter.system, counter.seeded.site_id, holder.card, "test", "left in the tray"
        )
    )
    link = counter.insert(1, card)
    await until(lambda: len(counter.outcomes()) == 2, "the lost card to be refused")
    assert counter.outcomes()[1] == ("t02", "declined", Reason.CARD_LOST, 0)
    link.remove()

    # A card that names another's key but cannot prove it is no tap: nothing may be charged for it.
    forged = counter.insert(0, PkocCard(1, forgery=Forgery.OTHER_KEY))
    await until(lambda: any(Reason.CARD_NOT_GENUINE in said for said in counter.alarms()), "the forged card's alarm")
    forged.remove()
    honest = counter.insert(1, PkocCard(2))
    await until(lambda: len(counter.outcomes()) == 3, "the third card")
    honest.remove()
    assert counter.outcomes()[2] == ("t02", "served", Reason.CHARGED, LUNCH_FEN)

    site = counter.seeded.site_id
    broken = counter.database.read(lambda session: all_invariants(session, site, drained=True))
    assert not any(broken.values()), broken
    with connect_app(counter.database.url) as connection:
        charged = connection.execute("select person_id, amount_fen from charge order by amount_fen").fetchall()
    assert sorted(charged) == sorted(
        [(counter.seeded.holders[0].person, LUNCH_FEN), (counter.seeded.holders[2].person, LUNCH_FEN)]
    )
