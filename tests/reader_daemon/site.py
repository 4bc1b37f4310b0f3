"""A small site for tests: a lane, a till, a few cards; and a daemon on it whose port only notes what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cardcore.access.items import (
    AccountState,
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
from cardcore.calendar import Interval
from cardcore.ids import (
    AccountId,
    CardId,
    CategoryId,
    CredentialKey,
    LaneId,
    LevelId,
    MealId,
    PersonId,
    ScheduleId,
    StallId,
    TillId,
    ZoneId,
)
from cardcore.journal import Outcome, OutcomeKind, read_body
from cardcore.money import Fen
from reader_daemon.blocking import run_here
from reader_daemon.daemon import Daemon, Parts, Site
from reader_daemon.messages import (
    CardRead,
    CommandFinished,
    CommandResult,
    EventSink,
    InputChanged,
    KeysPressed,
    Pulse,
    ReaderAction,
    ReaderStatus,
    Show,
)
from reader_daemon.notify import Notifier
from reader_daemon.surroundings import Deadlines
from reader_daemon.system import System
from tests.reader_daemon.fake_server import FakeServer, MemoryConnector
from tests.reader_daemon.virtual_time import CountingIds, VirtualClock, VirtualLoop

ANNA = CredentialKey("wiegand:26-01234580")
BORIS = CredentialKey("wiegand:26-0765fe00")
LOST = CredentialKey("wiegand:26-0aaaaa00")
STRANGER = CredentialKey("wiegand:26-0fffff00")
PASS, READY, FIRE = 0, 2, 3


def card(credential: CredentialKey, state: CardState = CardState.ACTIVE) -> CardItem:
    number = CountingIds(hash_of(credential))
    return CardItem(
        credential=credential,
        card=CardId(number.uuid7()),
        person=PersonId(number.uuid7()),
        product=Product.COMBINED,
        state=state,
        category=CategoryId("staff"),
        levels=(LevelId("all"),),
        account=AccountId(number.uuid7()),
        account_state=AccountState.OPEN,
    )


def hash_of(credential: CredentialKey) -> int:
    return int.from_bytes(credential.encode()[-6:], "big")


def site_items(**lane: object) -> list[Item]:
    every_day = ScheduleItem(ScheduleId("always"), (Interval(),))
    return [
        SiteItem(),
        ZoneItem(ZoneId("compound")),
        every_day,
        LevelItem(LevelId("all"), (ZoneId("compound"),), ScheduleId("always")),
        LaneItem(LaneId("lane-1"), "g01", ZoneId("street"), ZoneId("compound"), **lane),  # type: ignore[arg-type]
        TillItem(TillId("till-1"), "t01", StallId("stall-1")),
        MealItem(MealId("lunch"), 0, 24 * 3600),
        TariffItem(MealId("lunch"), Fen(1200)),
        card(ANNA),
        card(BORIS),
        card(LOST, CardState.LOST),
    ]


class NotingPort:
    """A `ReaderPort` that notes what it is told and finishes every command as done."""

    def __init__(self, sink: EventSink, clock: VirtualClock) -> None:
        self._sink = sink
        self._clock = clock
        self.told: list[tuple[str, ReaderAction, int, int]] = []
        """Reader, action, deadline, when."""
        self.pulse_result = CommandResult.DONE
        self.on_tell: Callable[[str, ReaderAction], None] = lambda _reader, _action: None

    @property
    def readers(self) -> tuple[str, ...]:
        return ("g01", "t01")

    def submit(self, reader: str, action: ReaderAction, deadline_ms: int) -> int:
        self.on_tell(reader, action)
        self.told.append((reader, action, deadline_ms, self._clock.monotonic_ms()))
        number = len(self.told)
        result = self.pulse_result if isinstance(action, Pulse) else CommandResult.DONE
        self._sink(CommandFinished(reader, number, result))
        return number

    def start(self) -> None:
        for reader in self.readers:
            self._sink(ReaderStatus(reader, online=True, secure=True))
        self.contact(PASS, active=True)
        self.contact(READY, active=True)

    def stop(self) -> None:
        return

    def tap(self, credential: CredentialKey, reader: str = "g01", *, stale: bool = False, card_ms: int = 0) -> None:
        at, now_ms = self._clock.now(), self._clock.monotonic_ms()
        self._sink(CardRead(reader, credential, at, now_ms, possibly_stale=stale, authentication_ms=card_ms))

    def keys(self, keys: str, reader: str = "t01") -> None:
        self._sink(KeysPressed(reader, keys, self._clock.now(), self._clock.monotonic_ms()))

    def contact(self, number: int, *, active: bool | None) -> None:
        self._sink(InputChanged("g01", number, active, self._clock.now(), self._clock.monotonic_ms()))

    async def pass_through(self) -> None:
        self.contact(PASS, active=False)
        await asyncio.sleep(0.4)
        self.contact(PASS, active=True)
        await asyncio.sleep(0.3)

    def pulses(self) -> list[int]:
        """Return when each pulse was told."""
        return [at for _, action, _, at in self.told if isinstance(action, Pulse)]

    def shown(self) -> list[str]:
        return [action.text for _, action, _, _ in self.told if isinstance(action, Show) and action.row == 1]


class Running:
    """A daemon that runs, with its server and its port."""

    def __init__(self, daemon: Daemon, server: FakeServer, port: NotingPort, clock: VirtualClock) -> None:
        self.daemon = daemon
        self.server = server
        self.port = port
        self.clock = clock

    def outcomes(self) -> list[tuple[OutcomeKind, str]]:
        """Return what the journal says became of the taps, whether the server knows it or not."""
        journal = self.daemon.journal
        records = journal.records_after(journal.epoch, 0, 10_000, 10_000_000)
        assert isinstance(records, tuple)
        bodies = [read_body(record) for record in records]
        return [(body.outcome, body.verdict.reason) for body in bodies if isinstance(body, Outcome)]

    def bodies(self) -> list[object]:
        journal = self.daemon.journal
        records = journal.records_after(journal.epoch, 0, 10_000, 10_000_000)
        assert isinstance(records, tuple)
        return [read_body(record) for record in records]


@asynccontextmanager
async def running(
    loop: VirtualLoop, directory: Path, server: FakeServer | None = None, *, ids_from: int = 1
) -> AsyncIterator[Running]:
    """Run a daemon in `directory` on virtual time until the block ends."""
    clock = VirtualClock(loop)
    server = server or fresh_server(loop)
    ports: list[NotingPort] = []

    def make_ports(sink: EventSink) -> tuple[NotingPort, ...]:
        ports.append(NotingPort(sink, clock))
        return tuple(ports)

    parts = Parts(
        system=System(clock, CountingIds(ids_from)),
        connector=MemoryConnector(server),
        make_ports=make_ports,
        run_journal=run_here,
        run_policy=run_here,
        notifier=Notifier({}),
        software="test",
        microseconds=lambda: clock.monotonic_ms() * 1000,
        run_beside=run_here,
    )
    daemon = Daemon(Site(directory, Deadlines(), {}, {}), server.identity, parts)
    stop = asyncio.Event()
    task = asyncio.create_task(daemon.run(stop))
    await asyncio.sleep(1)  # virtual: long enough for the link, the snapshot and Ready's margin
    if task.done():
        await task
    try:
        yield Running(daemon, server, ports[0], clock)
    finally:
        stop.set()
        await task


def fresh_server(loop: VirtualLoop, **lane: object) -> FakeServer:
    """Return a server that knows the small site."""
    server = FakeServer(VirtualClock(loop))
    server.set_items(*site_items(**lane))
    return server
