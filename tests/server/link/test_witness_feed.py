"""Daemons witness the audit log over the link: they cosign what grew, and a rewritten log is refused and found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.checkpoint import RestoreStatement, read_checkpoint
from cardcore.ids import DeviceId, SiteId
from cardcore.signed_note import Note
from cardcore.wire.messages import AuditCheckpoint, AuditWitness
from reader_daemon.blocking import run_here
from reader_daemon.identity import Identity
from reader_daemon.store.witness_db import Witnessed, WitnessStore
from reader_daemon.witness import Witness
from server.audit import tree_repository as tree
from server.audit.sealer import seal
from server.audit.service import Deed, record
from server.audit.witnesses import Witnesses
from server.database import Database, WriteSession
from server.link.ports import KnownDevice
from server.link.witness_feed import WitnessFeed
from server.system import System
from server.taps.arrivals import LinkDevice
from tests.server.conftest import StillClock

SERVER = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OFFICERS = {name: Ed25519PrivateKey.from_private_bytes(name[:1].encode() * 32) for name in ("li.wei", "wang.fang")}


@dataclass
class Box:
    """A daemon's witness, on a real file, and the alarms that it raised."""

    identity: Identity
    witness: Witness
    store: WitnessStore
    alarms: list[str] = field(default_factory=list)


def held(box: Box) -> Witnessed:
    found = box.store.load()
    assert isinstance(found, Witnessed)
    return found


@pytest.fixture
def make_box(tmp_path: Path, system: System, clock: StillClock) -> Callable[[str], Box]:
    def make(name: str) -> Box:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        private = Ed25519PrivateKey.from_private_bytes(name[:1].encode() * 32)
        identity = Identity(
            device=str(system.ids.uuid7()),
            site=str(system.ids.uuid7()),
            name=name,
            private_key=private.private_bytes_raw(),
            record_key=b"r" * 32,
            server_key=SERVER.public_key().public_bytes_raw(),
        )
        officers = {one: key.public_key().public_bytes_raw() for one, key in OFFICERS.items()}
        store = WitnessStore(folder)

        async def alarm(event: str, _detail: str) -> None:
            box.alarms.append(event)

        box = Box(identity, Witness(identity, store, run_here, clock, officers, alarm), store)
        return box

    return make


class Log:
    """The server's audit log, its rows written and sealed by the test."""

    def __init__(self, database: Database, system: System, site: SiteId, clock: StillClock) -> None:
        self.database, self.system, self.site, self.clock = database, system, site, clock
        self.witnesses = Witnesses(database, system)

    def grows(self, rows: int = 3, generation: str = "g1") -> None:
        def write(session: WriteSession) -> None:
            for number in range(rows):
                record(session, self.system, self.site, Deed("staff:1", "thing_done", f"thing:{number}"))

        self.database.write(write)
        self.database.write(lambda session: seal(session, self.system, SERVER, generation))
        self.clock.forward(seconds=3)

    def is_cut_back_to(self, size: int) -> None:
        """Do what only a superuser can: remove the newest rows with all that seals them."""
        with psycopg.connect(self.database.url) as owner:
            owner.execute("set session_replication_role = replica")
            owner.execute("delete from audit where id in (select audit_id from audit_leaf where number >= %s)", (size,))
            owner.execute("delete from audit_leaf where number >= %s", (size,))
            owner.execute("delete from audit_node where (index + 1) * (1::bigint << level) > %s", (size,))
            owner.execute("delete from audit_checkpoint where size > %s", (size,))
            owner.execute("update audit_tree set size = %s", (size,))
        self.clock.forward(seconds=3)


@pytest.fixture
def log(database: Database, system: System, site: SiteId, clock: StillClock) -> Log:
    return Log(database, system, site, clock)


async def offered(log: Log, box: Box) -> AuditWitness | None:
    """Offer a box what is new; return its answer, None when there was nothing."""
    offer = log.witnesses.offer(await box.witness.position())
    return None if offer is None else await box.witness.judged(offer)


async def test_a_witness_follows_the_log_and_cosigns_it(log: Log, make_box: Callable[[str], Box]) -> None:
    box = make_box("gate")
    for _ in range(5):
        log.grows()
        answer = await offered(log, box)
        assert answer is not None
        assert answer.problem == ""
        public = Ed25519PrivateKey.from_private_bytes(b"g" * 32).public_key().public_bytes_raw()
        assert log.witnesses.cosigned(DeviceId(box.identity.device_id), public, answer)
        assert not log.witnesses.cosigned(DeviceId(box.identity.device_id), b"x" * 32, answer)
        assert await offered(log, box) is None
    seen = read_checkpoint(held(box).seen, box.identity.server_key)
    assert seen is not None
    assert seen.size == 16
    (row,) = log.database.read(lambda session: tree.checkpoints(session, 16, 16))
    assert len(row["cosignatures"]) == 1


async def test_what_it_saw_outlives_a_restart_of_the_box(log: Log, make_box: Callable[[str], Box]) -> None:
    log.grows()
    first = make_box("gate")
    await offered(log, first)
    first.store.close()
    assert (await make_box("gate").witness.position()).size == 4


async def test_a_rewritten_log_is_refused_and_the_refusal_kept(log: Log, make_box: Callable[[str], Box]) -> None:
    box = make_box("gate")
    log.grows(6)
    await offered(log, box)
    before = held(box).seen
    log.is_cut_back_to(2)
    log.grows(9)  # longer than before, and every row of it signed with the server's own key
    answer = await offered(log, box)
    assert answer is not None
    assert answer.problem == "forked"
    await offered(log, box)
    assert (held(box).seen, [why for _, why in held(box).refused]) == (before, ["forked", "forked"])
    assert box.alarms == ["audit_refused"]


async def test_a_shorter_log_is_refused_until_two_officers_sign(log: Log, make_box: Callable[[str], Box]) -> None:
    box, late = make_box("gate"), make_box("till")
    log.grows(4)
    await offered(log, late)
    log.grows(3)
    await offered(log, box)
    old = read_checkpoint(held(box).seen, box.identity.server_key)
    assert old is not None
    log.is_cut_back_to(3)
    log.grows(1, generation="g2")
    refused = await offered(log, box)
    assert refused is not None
    assert refused.problem == "regressed"
    new = log.database.read(tree.newest_checkpoint)
    assert new is not None
    statement = RestoreStatement(old.origin, old.tree, (int(new["size"]), bytes(new["root"])), "g2", "disk lost")
    note = Note(statement.text())
    for number, name in enumerate(OFFICERS):
        note = note.signed(name, OFFICERS[name])
        document, statement_id = note.document(), log.system.ids.uuid7()
        log.clock.forward(seconds=1)
        log.database.write(
            lambda session, document=document, one=statement_id: tree.insert_restore(  # type: ignore[misc]
                session, one, document, log.clock.now()
            )
        )
        answer = await offered(log, box)
        assert answer is not None
        assert (answer.problem == "") is (number == 1)
    for _ in range(2):
        log.grows(5, generation="g2")
        for one in (box, late):
            answer = await offered(log, one)
            assert answer is not None
            assert answer.problem == ""
    assert held(box).restored == 1
    assert "audit_restored" in box.alarms


async def test_a_checkpoint_of_somebody_else_is_refused(log: Log, make_box: Callable[[str], Box]) -> None:
    log.grows()
    box = make_box("gate")
    offer = log.witnesses.offer(await box.witness.position())
    assert offer is not None
    forged = AuditCheckpoint(offer.note.replace("generation g1", "generation g2"), 0, offer.proof)
    assert (await box.witness.judged(forged)).problem == "signature"


async def test_a_damaged_file_accepts_nothing(log: Log, make_box: Callable[[str], Box], tmp_path: Path) -> None:
    log.grows()
    box = make_box("gate")
    (tmp_path / "gate" / "witness.db").write_bytes(b"rubbish" * 1_000)
    assert (await box.witness.position()).problem == "unreadable"
    offer = log.witnesses.offer(AuditWitness(0, b""))
    assert offer is not None
    assert (await box.witness.judged(offer)).problem == "unreadable"


class KeptAlarms:
    """The register of devices, as far as a witness's feed needs it."""

    def __init__(self) -> None:
        self.alarms: list[tuple[str, dict[str, object]]] = []
        self.told = asyncio.Event()

    def alarm(self, _device: DeviceId, kind: str, detail: dict[str, object]) -> None:
        self.alarms.append((kind, detail))
        self.told.set()


async def run_at_once(call: Callable[..., object], *args: object) -> object:
    return call(*args)


async def test_a_session_offers_what_is_new_and_makes_a_refusal_an_alarm(
    log: Log, make_box: Callable[[str], Box], site: SiteId
) -> None:
    box, register = make_box("gate"), KeptAlarms()
    public = Ed25519PrivateKey.from_private_bytes(b"g" * 32).public_key().public_bytes_raw()
    link = LinkDevice(box.identity.device_id, site, frozenset(), frozenset(), b"r" * 32, None)
    sent: asyncio.Queue[AuditCheckpoint] = asyncio.Queue()
    feed = WitnessFeed(
        log.witnesses,
        register,  # type: ignore[arg-type]
        run_at_once,  # type: ignore[arg-type]
        KnownDevice(link, "gate", public),
        sent.put,
    )
    log.grows(6)
    serving = asyncio.create_task(feed.serve())
    try:
        feed.told(await box.witness.position())
        answer = await box.witness.judged(await asyncio.wait_for(sent.get(), 10))
        log.is_cut_back_to(2)
        log.grows(9)
        feed.told(answer)
        refused = await box.witness.judged(await asyncio.wait_for(sent.get(), 10))
        feed.told(refused)
        await asyncio.wait_for(register.told.wait(), 10)
    finally:
        serving.cancel()
    assert register.alarms == [("audit_refused", {"why": "forked", "seen": 7})]
