"""From a blank card to a lost and replaced one on real wires: server, daemon, pcscd and virtual DESFire cards.

One desk with an encoder, a lane and a till, all over PC/SC; the card's keys stay with the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cardcore.access.items import CardState, Product
from cardcore.ids import AccountId, CardId, CategoryId, DeviceId, LaneId, LevelId, PersonId, SiteId, TillId, TransferId
from cardcore.journal import Purpose
from cardcore.money import Fen
from cardcore.reasons import Reason
from firmware_mocks.virtual_card.card import VirtualCard
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from firmware_mocks.virtual_card.desfire.memory import Key
from firmware_mocks.virtual_card.misbehaving import TornCard
from firmware_mocks.virtual_card.uid_card import UidCard
from firmware_mocks.virtual_card.vpcd_link import VpcdLink
from server.access import service as access
from server.cards import service as cards
from server.database import Database, WriteSession, connect_app, migrate
from server.demo.processes import Child
from server.demo.shifted import shift_to_before_lunch, shifted_system
from server.devices import repository as device_rows
from server.devices import service as devices
from server.devices.models import EnrolmentCode
from server.embedded import EmbeddedSupervisor
from server.issuing import service as issuing
from server.issuing.models import BatchId, IssuingRefusal, NewBatch, NewJob
from server.keys.ceremony import with_site
from server.keys.key_file import FILE_NAME, SCRYPT_LEAST_COST, new_file, sealed_file, write_key_file
from server.keys.names import issuer_key, site_layout
from server.ledger import service as ledger
from server.ledger.invariants import all_invariants
from server.people import service as people
from server.seed.reference_site import LANES
from server.seed.service import seed_reference_site
from server.system import System, SystemClock
from tests.pcsc_service.private_pcscd import PrivatePcscd
from tests.server.keys.key_site import PASSPHRASE, drawn
from tests.site.clones import Replayed, Wiretap, clone_of
from tests.site.running_site import unused_port
from tests.site.turns import until

IN_LUNCH_SECONDS = -1800
LUNCH_FEN = 1_200
SETTINGS = """
[server]
url = "ws://127.0.0.1:{port}"
[data]
dir = {data}
[cards]
system_id = "{system_id}"
issuers = ["{issuer}"]
[[pcsc_reader]]
name = "desk"
match = "{names[0]}"
application = "gate"
encoder = true
[[pcsc_reader]]
name = "g01"
match = "{names[1]}"
application = "gate"
[[pcsc_reader]]
name = "t01"
match = "{names[2]}"
application = "canteen"
"""
TORN_AFTER_BYTES = 700
"""In the middle of the making, when the gate's application exists and the card's own key is not set."""
LOOKS = 20
DESK, GATE, TILL = range(3)


@dataclass
class Site:
    """Everything behind one desk, one lane and one till."""

    pcscd: PrivatePcscd
    database: Database
    system: System
    id: SiteId
    device: DeviceId = field(default=None)  # type: ignore[assignment]

    def insert(self, slot: int, card: VirtualCard) -> VpcdLink:
        link = VpcdLink(card, lambda: self.pcscd.connect(slot))
        link.insert()
        return link

    def write(self, call: Any) -> Any:  # noqa: ANN401 - whatever the call returns
        return self.database.write(call)

    def person(self, number: str) -> PersonId:
        def write(session: WriteSession) -> PersonId | people.PersonRefusal:
            new = people.NewPerson(number, "王小明", CategoryId("staff"))
            created = people.create_person(session, self.system, self.id, new, "test")
            if not isinstance(created, people.PersonRefusal):
                access.set_person_levels(session, self.system, self.id, created, [LevelId("staff")], "test")
            return created

        made = self.write(write)
        assert not isinstance(made, people.PersonRefusal), made
        return PersonId(made)

    def issue(self, person: PersonId, number: str, **more: Any) -> BatchId:  # noqa: ANN401 - of NewJob
        wanted = NewBatch(self.device, "desk", (NewJob(person, Product.COMBINED, number, **more),))
        begun = self.write(lambda session: issuing.start(session, self.system, self.id, wanted, "test"))
        assert not isinstance(begun, IssuingRefusal), begun
        return BatchId(begun)

    def job(self, batch: BatchId) -> Any:  # noqa: ANN401 - a row
        return self.database.read(lambda session: issuing.progress(session, self.id, batch))[0]

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        with connect_app(self.database.url) as connection:
            return connection.execute(query).fetchall()

    def taps(self) -> list[tuple[str, str]]:
        """Return place and the server's decision of every tap, in order."""
        decided = self.rows(
            "select place, reason from record where kind = 'intent' and reason is not null order by seq"
        )
        return [(str(place), str(reason)) for place, reason in decided]

    def refused_cards(self) -> list[str]:
        rows = self.rows("select body from record where kind = 'event' and reason = 'card_failed' order by seq")
        return [str(row[0]) for row in rows]

    def shown(self) -> list[dict[str, str]]:
        rows = self.rows("select payload from outbox where topic = 'issuing' order by id")
        return [row[0] for row in rows if row[0]["state"] == "shown"]

    async def tap(self, slot: int, card: VirtualCard) -> str:
        """Hold a card to a reader; returns what the server decided."""
        before = len(self.taps())
        link = self.insert(slot, card)
        try:
            await until(lambda: len(self.taps()) > before, f"tap {before + 1}")
        finally:
            link.remove()
        return self.taps()[before][1]

    async def refused(self, slot: int, card: VirtualCard) -> str:
        """Hold a card that proves nothing to a reader; returns what the reader made of it."""
        before = len(self.refused_cards())
        link = self.insert(slot, card)
        try:
            await until(lambda: len(self.refused_cards()) > before, f"refusal {before + 1} of a card")
        finally:
            link.remove()
        return self.refused_cards()[before]

    def statuses(self) -> Any:  # noqa: ANN401 - rows
        now = self.system.clock.now()
        return self.database.read(lambda session: device_rows.statuses(session, self.id, now))


pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory, short_tmp: Path) -> AsyncIterator[Site]:
    tmp_path = tmp_path_factory.mktemp("desk")
    shift = shift_to_before_lunch(SystemClock(), IN_LUNCH_SECONDS)
    seconds = str(int(shift.total_seconds()))
    system, port = shifted_system(shift), unused_port()
    embedded, pcscd = EmbeddedSupervisor(short_tmp / "issuing"), PrivatePcscd(2)
    pcscd.start()
    url = await asyncio.to_thread(embedded.start)
    migrate(url)
    database, children = Database(url), list[Child]()
    seeded = seed_reference_site(database, system, [])
    site = Site(pcscd, database, system, seeded.site_id)
    try:
        issuer = card_keys(site.id, system, tmp_path)
        environment = {
            "ONECARD_DATABASE_URL": url,
            "ONECARD_DATA_DIR": str(tmp_path),
            "ONECARD_PORT": str(port),
            "ONECARD_KEYS_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
        }
        server = Child("server", [sys.executable, "-m", "server.demo.serve", seconds], environment, tmp_path / "s.log")
        children.append(server)
        await server.start()
        text = SETTINGS.format(
            port=port,
            data=json.dumps(str(tmp_path / "data")),
            names=pcscd.names,
            issuer=issuer,
            system_id=site_layout(site.id).system_id.hex(),
        )
        children.append(await daemon(site, seconds, tmp_path, text))
        await until(lambda: _online(site) == {"desk", "g01", "t01"}, "the readers to be online")
        yield site
    finally:
        for child in reversed(children):
            await child.stop()
        database.close()
        await asyncio.to_thread(embedded.stop)
        pcscd.close()


def card_keys(site: SiteId, system: System, folder: Path) -> str:
    """Hold the ceremony; returns the issuer's public key as readers are told it."""
    file = with_site(new_file(PASSPHRASE, drawn("desk"), SCRYPT_LEAST_COST), site, drawn("desk"), system.clock.now())
    write_key_file(folder / FILE_NAME, sealed_file(file, drawn("seal")), drawn("name"))
    (folder / "passphrase").touch(0o600)
    (folder / "passphrase").write_text(PASSPHRASE)
    return issuer_key(file.public.issuers[0]).text()


async def daemon(site: Site, seconds: str, folder: Path, settings: str) -> Child:
    path = folder / "reader.toml"
    path.write_text(settings)
    purposes = frozenset({Purpose.GATE, Purpose.TILL})
    made = site.write(lambda session: devices.make_code(session, site.system, "", "desk", purposes, "test"))
    assert isinstance(made, EnrolmentCode)
    await until((folder / "s.log").exists, "the server's log")
    for _ in range(20):
        enrolling = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "reader_daemon", "--config", str(path), "enrol", made.code
        )
        if await enrolling.wait() == 0:
            break
    site.device = site.statuses()[0].id
    lane = replace(next(lane for lane in LANES if lane.id == "g01"), has_ready_input=False)
    site.write(lambda session: access.put_lanes(session, site.system, site.id, [lane], "test"))
    places = ([LaneId("g01")], [TillId("t01")])
    site.write(lambda session: access.assign_device(session, site.system, site.id, site.device, places, "test"))
    command = [sys.executable, "-m", "reader_daemon.demonstration", seconds, "--config", str(path)]
    child = Child("daemon", command, {"PCSCLITE_CSOCK_NAME": str(site.pcscd.socket_path)}, folder / "daemon.log")
    await child.start()
    return child


def _online(site: Site) -> set[str]:
    return {each["name"] for row in site.statuses() for each in row.health.get("readers", []) if each["online"]}


def open_account(site: Site, person: PersonId) -> AccountId:
    def write(session: WriteSession) -> AccountId | ledger.LedgerRefusal:
        return ledger.open_account(session, site.system, site.id, person, "test")

    account = site.write(write)
    assert not isinstance(account, ledger.LedgerRefusal), account
    credit = ledger.Credit(TransferId(site.system.ids.uuid7()), account, Fen(5_000), "test")
    site.write(lambda session: ledger.top_up(session, site.system, site.id, credit, "test"))
    return AccountId(account)


async def made(site: Site, batch: BatchId, card: VirtualCard) -> CardId:
    link = site.insert(DESK, card)
    try:
        await until(lambda: site.job(batch)["state"] == "done", lambda: f"the card: {dict(site.job(batch))}")
    finally:
        link.remove()
    assert site.job(batch)["step"] == "verify", "steps are kept in the order in which they were taken"
    return CardId(site.job(batch)["card_id"])


async def lifted(site: Site, slot: int) -> None:
    """Wait until the service has seen that no card lies there: a card back sooner than its poll never left."""
    for _ in range(LOOKS):
        doctor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reader_daemon", "--config", "none", "card", "doctor"),
            *("--reader", site.pcscd.names[slot]),
            env={**os.environ, "PCSCLITE_CSOCK_NAME": str(site.pcscd.socket_path)},
            stdout=asyncio.subprocess.DEVNULL,
        )
        if await doctor.wait() == 1:
            return
    pytest.fail(f"the card on {site.pcscd.names[slot]} never left")


async def test_a_card_is_made_used_lost_replaced_and_returned(desk: Site) -> None:
    person = desk.person("10001")
    open_account(desk, person)
    first, second = DesfireCard(bytes.fromhex("04aabbcc112280")), DesfireCard(bytes.fromhex("04aabbcc112281"))

    # torn in the middle, finished at its next placement
    batch = desk.issue(person, "C-1")
    torn = desk.insert(DESK, TornCard(first, TORN_AFTER_BYTES))
    await until(lambda: desk.job(batch)["result"] != "", "the tear to be told")
    torn.remove()
    await lifted(desk, DESK)
    assert desk.job(batch)["state"] in {"waiting", "writing"}
    card = await made(desk, batch, first)

    # it is known at the desk, opens the lane and pays
    link = desk.insert(DESK, first)
    known = {"card": str(card), "person": str(person)}
    await until(lambda: any(known.items() <= row.items() for row in desk.shown()), "the card to be known at the desk")
    link.remove()
    assert await desk.tap(GATE, first) == Reason.GRANTED
    assert await desk.tap(TILL, first) == Reason.CHARGED

    # lost: refused at both; replaced: the new one works, the old one does not
    desk.write(lambda session: cards.report_lost(session, desk.system, desk.id, card, "test", "left in the tray"))
    assert await desk.tap(GATE, first) == Reason.CARD_LOST
    batch = desk.issue(person, "C-2", replaces=card)
    newer = await made(desk, batch, second)
    assert await desk.tap(GATE, second) == Reason.GRANTED
    assert await desk.tap(TILL, second) == Reason.CHARGED
    assert await desk.tap(TILL, first) == Reason.CARD_SUPERSEDED

    # returned, and nobody's any more
    deed = ("test", "left the house")
    desk.write(lambda session: cards.change_state(session, desk.system, desk.id, newer, CardState.RETURNED, deed))
    assert await desk.tap(GATE, second) == Reason.CARD_RETURNED
    assert desk.rows("select person_id, amount_fen from charge") == [(person, LUNCH_FEN)] * 2
    broken = desk.database.read(lambda session: all_invariants(session, desk.id, drained=True))
    assert not any(broken.values()), broken


async def test_copies_and_recordings_of_a_card_are_refused(desk: Site) -> None:
    person = desk.person("10002")
    card = DesfireCard(bytes.fromhex("04aabbcc112290"))
    # another site's card lies there before its job begins: it is looked at once more, and left alone
    known = len(desk.shown())
    link = desk.insert(DESK, other_sites(DesfireCard(bytes.fromhex("04aabbcc112289"))))
    await until(lambda: len(desk.shown()) > known, "the card to be looked at")
    batch = desk.issue(person, "C-3")
    await until(lambda: desk.job(batch)["result"] == Reason.CARD_OF_OTHER_SITE, "the foreign card to be refused")
    link.remove()
    await made(desk, batch, card)
    recording = Wiretap(card)
    assert await desk.tap(GATE, recording) == Reason.GRANTED

    assert Reason.CARD_UNKNOWN_TYPE in await desk.refused(GATE, UidCard(card.uid))
    assert Reason.CARD_NOT_GENUINE in await desk.refused(GATE, Replayed(recording))
    assert Reason.CARD_NOT_GENUINE in await desk.refused(TILL, clone_of(card))
    blank = DesfireCard(card.uid)
    assert Reason.CARD_UNKNOWN_TYPE in await desk.refused(GATE, blank)
    assert await desk.tap(GATE, card) == Reason.GRANTED


def other_sites(card: DesfireCard) -> DesfireCard:
    """Return a card whose master key is somebody else's."""
    card.applications[bytes(3)].key_sets[0][0] = Key(bytes(range(16)), 7)
    return card
