"""The database is destroyed and a copy 24 hours old restored: no tap and no charge is lost, and no lost card is let in.

Real daemons with their real journals, the real link, a real cluster and the real commands' functions; only the readers
and the wires are in memory, and the clock is moved.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cardcore.ids import IdSource
from cardcore.journal import Outcome, OutcomeKind, read_body
from cardcore.reasons import Reason
from cardcore.wire.messages import Ping, Pong, StateBegin, StateInstalled, TapDecision
from reader_daemon.blocking import run_here
from reader_daemon.daemon import Daemon, Parts, Site
from reader_daemon.identity import Identity
from reader_daemon.notify import Notifier
from reader_daemon.surroundings import Deadlines
from reader_daemon.system import System as DaemonSystem
from reader_daemon.system import SystemClock
from reader_daemon.uplink.connection import LinkClosedError
from server.backup import restoring, service, taking
from server.cards import service as cards
from server.database import Database, migrate
from server.embedded import embedded_postgres
from server.ledger.invariants import all_invariants
from server.policy.service import current_version
from server.settings import Settings
from server.system import System
from tests.reader_daemon.site import NotingPort
from tests.server.conftest import CountedIds, StillClock
from tests.server.link.link_site import Box, LinkServer, LinkSite, MemoryWire, make_link_site, until
from tests.server.link.peer import Peer

LOST = 4
"""The holder whose card is lost after the backup."""


class Wire:
    """A daemon's end of a link in memory."""

    def __init__(self, wire: MemoryWire) -> None:
        self._wire = wire

    async def send(self, frame: bytes) -> None:
        if self._wire.channel.closed_for is not None:
            raise LinkClosedError(self._wire.channel.closed_for)
        await self._wire.send(frame)

    async def receive(self) -> bytes:
        frame = await self._wire.receive()
        if frame is None:
            raise LinkClosedError
        return frame

    async def close(self) -> None:
        self._wire.cut()


class Network:
    """Connects daemons to whichever server is up."""

    def __init__(self) -> None:
        self.server: LinkServer | None = None

    async def connect(self) -> Wire:
        if self.server is None:
            raise LinkClosedError
        return Wire(self.server.connect())


class MovedClock:
    """The story's wall clock, and a monotonic one that runs: the link counts milliseconds."""

    def __init__(self, wall: StillClock) -> None:
        self._wall, self._running = wall, SystemClock()

    def now(self) -> datetime:
        return self._wall.now()

    def monotonic_ms(self) -> int:
        return self._running.monotonic_ms()


class Readers(NotingPort):
    """The readers of one box."""

    names: tuple[str, ...] = ()

    @property
    def readers(self) -> tuple[str, ...]:
        return self.names

    def start(self) -> None:
        return


class Running:
    """A daemon of one box with one till."""

    def __init__(self, folder: Path, box: Box, till: str, network: Network, wall: StillClock, ids: IdSource) -> None:
        clock = MovedClock(wall)
        folder.mkdir(mode=0o700)
        identity = Identity(
            str(box.device), str(box.site), till, box.key.private_bytes_raw(), box.record_key, box.server_key
        )
        self.till = till

        def make_ports(sink: object) -> tuple[Readers, ...]:
            self.port = Readers(sink, clock)  # type: ignore[arg-type]
            self.port.names = (till,)
            return (self.port,)

        parts = Parts(
            DaemonSystem(clock, ids), network, make_ports, run_here, run_here, Notifier({}), "test", lambda: 0
        )
        self.daemon = Daemon(Site(folder, Deadlines(), {}, {}), identity, parts)
        self.stop = asyncio.Event()
        self.task = asyncio.create_task(self.daemon.run(self.stop))

    @property
    def version(self) -> int:
        return self.daemon.policy.snapshot.version if hasattr(self.daemon, "policy") else 0

    def outcomes(self) -> list[tuple[int, Outcome]]:
        journal = self.daemon.journal
        found = journal.records_after(journal.epoch, 0, 10_000, 10**9)
        assert isinstance(found, tuple)
        bodies = [read_body(record) for record in found]
        return [(body.tap_seq, body) for body in bodies if isinstance(body, Outcome)]

    async def shows(self, site: LinkSite, holder: int) -> Outcome:
        """Let somebody hold a card to the till and wait for the outcome."""
        before = len(self.outcomes())
        self.port.tap(site.holders[holder].credential, self.till)
        await until(lambda: len(self.outcomes()) > before)
        return self.outcomes()[-1][1]


@asynccontextmanager
async def serving(site: LinkSite, network: Network) -> AsyncIterator[LinkServer]:
    async with LinkServer(site) as server:
        network.server = server
        watch = asyncio.create_task(server.directory.watch())
        try:
            yield server
        finally:
            network.server = None
            await server.directory.close()
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch


class Story:
    """One site over its disaster: two daemons, a third box that says nothing, and what was known before."""

    def __init__(self, home: Path) -> None:
        home.mkdir(mode=0o755)
        self.home = home
        self.settings = Settings(data_dir=home / "data", backup_dir=home / "backups", database_url="")
        self.clock, self.network = StillClock(), Network()
        self.system = System(self.clock, CountedIds(self.clock))
        self.daemons: list[Running] = []
        self.newest = 0

    def found(self, database: Database) -> None:
        """Make the site and start the daemons."""
        self.site = make_link_site(database, self.system)
        second, self.silent = self.site.enrol("gate-2"), self.site.enrol("gate-3")
        self.site.assign(second, [], ["t02"])
        self.site.assign(self.silent, [], ["t03"])
        self.lost = self.site.holders[LOST].card
        for box, till in ((self.site.box, "t01"), (second, "t02")):
            running = Running(self.home / till, box, till, self.network, self.clock, self.system.ids)
            self.daemons.append(running)

    async def until_all(self, holds: Callable[[Running], bool]) -> None:
        await until(lambda: all(holds(daemon) for daemon in self.daemons))

    async def eats(self, daemon: int, holder: int, *, offline: bool = False) -> None:
        outcome = await self.daemons[daemon].shows(self.site, holder)
        assert (outcome.outcome, outcome.verdict.offline) == (OutcomeKind.SERVED, offline), outcome

    def state_of_lost(self) -> str:
        return str(self.site.rows("select state from card where id = %s", self.lost)[0][0])

    async def day_before(self, url: str, database: Database) -> Path:
        """Let people eat until the backup."""
        async with serving(self.site, self.network) as server:
            await Peer(self.site, self.silent).welcomed(server.connect())
            await self.until_all(lambda daemon: daemon.version > 0)
            for holder in (0, 1, 2):
                await self.eats(0, holder)
            await self.until_all(drained)
            return taking.take(self.settings, url, database, self.system)

    async def lost_day(self, database: Database) -> None:
        """Let people eat after the backup, lose a card, and go on alone at the end."""
        self.clock.forward(hours=24)
        async with serving(self.site, self.network):
            await self.until_all(lambda daemon: daemon.daemon.uplink.open)
            for daemon, holder in ((0, 0), (0, 3), (1, 1)):
                await self.eats(daemon, holder)
            database.write(lambda session: cards.report_lost(session, self.system, self.site.site, self.lost, "test"))
            self.newest = database.read(lambda session: current_version(session, self.site.site))
            await self.until_all(lambda daemon: daemon.version == self.newest)
        await self.eats(0, 5, offline=True)

    async def return_of_state(self, server: LinkServer, generation: str) -> Peer:
        """See that nothing is granted online while one box is missing, though the lost card is refused again."""
        peer, database = Peer(self.site, self.silent, epoch=99), self.site.database
        welcome = await peer.welcomed(server.connect())
        assert (welcome.state_wanted, welcome.generation) == (True, generation)
        await peer.say(peer.tap(peer.intent(6, place="t03")))
        await self.until_all(drained)
        await until(lambda: self.state_of_lost() == "lost")
        await peer.say(Ping(1, 0))
        await peer.expect(Pong)
        assert not [message for message in peer.heard if isinstance(message, TapDecision | StateBegin)]
        assert database.read(service.is_restored)
        waiting = database.read(service.status)
        assert waiting is not None
        assert waiting.awaited == ("gate-3",)
        await self.eats(0, 6, offline=True)
        return peer

    async def grants_again(self, peer: Peer) -> None:
        """See that the last box's return lets grants begin, with a policy newer than any, and the lost card refused."""
        database = self.site.database
        await peer.say(StateInstalled(0, bytes(32), parts_left=0))
        await until(lambda: not database.read(service.is_restored))
        assert database.read(lambda session: current_version(session, self.site.site)) > self.newest
        await self.until_all(lambda daemon: daemon.version > self.newest)
        refused = await self.daemons[0].shows(self.site, LOST)
        assert (refused.verdict.reason, refused.verdict.offline) == (Reason.CARD_LOST, False)
        await self.eats(0, 7)
        await self.until_all(drained)


def drained(daemon: Running) -> bool:
    """Tell whether the server has acknowledged all that a daemon wrote."""
    return daemon.daemon.uplink.open and daemon.daemon.journal.pending == 0


@pytest.mark.timeout(240)
async def test_a_day_old_copy_loses_no_tap_and_no_charge_and_a_lost_card_stays_lost(short_tmp: Path) -> None:
    story = Story(short_tmp / "restored")
    data_dir = story.settings.data_dir
    with embedded_postgres(data_dir) as url:
        migrate(url)
        with closing(Database(url)) as database:
            story.found(database)
            backup = await story.day_before(url, database)
            await story.lost_day(database)
    shutil.rmtree(data_dir / "postgres")
    story.clock.forward(minutes=10)
    done = restoring.restore(story.settings, backup, story.system)
    with embedded_postgres(data_dir) as url, closing(Database(url)) as database:
        story.site = replace(story.site, database=database)
        assert story.state_of_lost() == "active"
        async with serving(story.site, story.network) as server:
            peer = await story.return_of_state(server, done.generation)
            await story.grants_again(peer)
            await hold_against_the_journals(story.site, story.daemons)
            for daemon in story.daemons:
                daemon.stop.set()
                await daemon.task
    shutil.rmtree(story.home)


async def hold_against_the_journals(site: LinkSite, boxes: list[Running]) -> None:
    """Compare records and charges with what the boxes themselves wrote, and the books with their invariants."""
    for box in boxes:
        journal, device = box.daemon.journal, box.daemon.journal._settings.keys.device
        written = journal.records_after(journal.epoch, 0, 10_000, 10**9)
        assert isinstance(written, tuple)
        stored = site.rows("select seq, hash from record where device_id = %s order by seq", device)
        assert [(seq, bytes(digest)) for seq, digest in stored] == [(one.seq, one.hash) for one in written]
        served = {
            seq: outcome.verdict.amount for seq, outcome in box.outcomes() if outcome.outcome is OutcomeKind.SERVED
        }
        charged = site.rows(
            "select seq, amount_fen from charge where device_id = %s and revision = 0"
            " and not exists (select from charge c where c.reverses = charge.id)",
            device,
        )
        assert dict(charged) == served
    broken = site.database.read(lambda session: all_invariants(session, site.site, drained=True))
    assert not {name: found for name, found in broken.items() if found}
    intervals = site.rows(
        "select detail ->> 'missing_from', detail ->> 'missing_until' from finding where kind = 'restored'"
    )
    assert len(intervals) == 1
    assert intervals[0][0] < intervals[0][1]
