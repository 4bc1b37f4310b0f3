"""A seeded site with an enrolled device, and the server's link over it on wires in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.items import Product
from cardcore.ids import CredentialKey, DeviceId, LaneId, SiteId, TillId
from cardcore.journal import (
    Purpose,
)
from server.access import service as access
from server.database import Database, connect_app
from server.devices import service as devices
from server.devices.models import EnrolledDevice, EnrolmentCode
from server.devices.register import Register
from server.executor import Executor
from server.link.directory import Directory
from server.link.endpoint import Endpoint
from server.link.policy_source import PolicySource
from server.link.ports import LinkClosedError
from server.metrics import Metrics
from server.secrets_file import ServerSecrets, secrets_from
from server.seed.card_list import SeedCard
from server.seed.service import SeededHolder, seed_reference_site
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.batcher import Batcher
from server.taps.repository import PostgresTaps
from server.taps.service import TapService

PATIENCE_SECONDS = 30
EPOCH = 77
HOLDERS = 8
LUNCH_OF_STAFF_FEN = 1_200


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what has no event of its own."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0.01)


def some_cards(count: int) -> list[SeedCard]:
    return [
        SeedCard(n, Product.COMBINED, CredentialKey(f"wiegand:34-{0xC0FFEE0000 + n * 7_919:010x}"))
        for n in range(count)
    ]


@dataclass(frozen=True)
class Box:
    """An enrolled device: its own keys and what it pinned."""

    device: DeviceId
    site: SiteId
    key: Ed25519PrivateKey = field(repr=False)
    record_key: bytes = field(repr=False)
    server_key: bytes


@dataclass
class LinkSite:
    """A site in a database."""

    database: Database
    system: System
    secrets: ServerSecrets
    site: SiteId
    holders: tuple[SeededHolder, ...]
    boxes: list[Box] = field(default_factory=list)

    @property
    def box(self) -> Box:
        return self.boxes[0]

    def rows(self, query: str, *args: object) -> list[tuple[Any, ...]]:
        with connect_app(self.database.url) as connection:
            return connection.execute(query.encode(), args).fetchall()

    def enrol(self, name: str) -> Box:
        """Enrol a device for gates and tills, as a person would, without places."""
        key = Ed25519PrivateKey.from_private_bytes(self.system.ids.random_bytes(32))
        public, record_key = key.public_key().public_bytes_raw(), self.system.ids.random_bytes(32)
        both = frozenset({Purpose.GATE, Purpose.TILL})
        made = self.database.write(lambda session: devices.make_code(session, self.system, "", name, both, "test"))
        assert isinstance(made, EnrolmentCode)
        enrolled = self.database.write(
            lambda session: devices.enrol(session, self.system, self.secrets, made.code, (public, record_key), "test")
        )
        assert isinstance(enrolled, EnrolledDevice)
        self.boxes.append(Box(enrolled.device, self.site, key, record_key, self.secrets.identity_public))
        return self.boxes[-1]

    def assign(self, box: Box, lanes: Sequence[str], tills: Sequence[str]) -> None:
        places = ([LaneId(lane) for lane in lanes], [TillId(till) for till in tills])
        self.database.write(
            lambda session: access.assign_device(session, self.system, self.site, box.device, places, "test")
        )


def make_link_site(database: Database, system: System, secrets: ServerSecrets | None = None) -> LinkSite:
    """Seed a small copy of the reference site and enrol the box `gate-1` for lane g01 and till t01."""
    seeded = seed_reference_site(database, system, some_cards(HOLDERS))
    secrets = secrets or secrets_from(system.ids.random_bytes(32), system.ids)
    made = LinkSite(database, system, secrets, seeded.site_id, seeded.holders)
    made.assign(made.enrol("gate-1"), ["g01"], ["t01"])
    return made


class LinkServer:
    """The server's half of the link without a socket; `async with` runs its batcher."""

    def __init__(self, site: LinkSite, watch: Callable[[TapService], Any] = lambda service: service) -> None:
        """`watch` may wrap what processes the batches."""
        self.site = site
        self.run = Executor("service", 4)
        self._run_batch = Executor("taps", 1)
        self.taps = TapService(PostgresTaps(lambda: connect_app(site.database.url)), site.system)
        self.batcher = Batcher(watch(self.taps), self._run_batch, Metrics())
        self.devices = Register(site.database, site.system, site.secrets)
        self.policy = PolicySource(site.database)
        self.directory = Directory(self.policy, self.devices, self.run)
        self.endpoint = Endpoint(
            self.directory, self.batcher, self.devices, self.policy, self.run, site.system, site.secrets.identity
        )
        self._links: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self.batcher.serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._links, self._serving):
            task.cancel()
        ended = await asyncio.gather(*self._links, self._serving, return_exceptions=True)
        await self._run_batch(self.taps.close)
        self._run_batch.close()
        self.run.close()
        faults = [one for one in ended if isinstance(one, Exception)]
        assert not faults, faults

    def connect(self) -> MemoryWire:
        """Open a link in memory and return the peer's end."""
        channel = MemoryChannel()
        self._links.append(asyncio.create_task(self.endpoint.serve(channel)))
        return MemoryWire(channel)


class MemoryChannel:
    """Implements `server.link.ports.Channel`."""

    def __init__(self) -> None:
        self.to_server: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.to_peer: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed_for: str | None = None
        self.is_stuck = False

    async def send(self, frame: bytes) -> None:
        if self.closed_for is not None:
            raise LinkClosedError
        if self.is_stuck:
            await asyncio.Event().wait()  # a cable that was cut: the socket's buffer is full and stays full
        self.to_peer.put_nowait(frame)

    async def receive(self) -> bytes:
        frame = await self.to_server.get()
        if frame is None:
            raise LinkClosedError
        return frame

    async def close(self, reason: str) -> None:
        self.closed_for = reason
        self.to_peer.put_nowait(None)
        self.to_server.put_nowait(None)


class MemoryWire:
    def __init__(self, channel: MemoryChannel) -> None:
        self.channel = channel

    async def send(self, frame: bytes) -> None:
        self.channel.to_server.put_nowait(frame)

    async def receive(self) -> bytes | None:
        return await self.channel.to_peer.get()

    def cut(self) -> None:
        """Vanish without a word."""
        self.channel.to_server.put_nowait(None)


class Gate:
    """Stands before the tap service: a test learns that a batch is in work, and lets it go on."""

    def __init__(self, service: TapService, holds: Callable[[Sequence[Arrival]], bool]) -> None:
        import threading  # noqa: PLC0415 - only this stands in a worker thread

        self._service = service
        self._holds = holds
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def process(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        if self._holds(arrivals):
            self.reached.set()
            assert self.go_on.wait(PATIENCE_SECONDS)
        return self._service.process(arrivals)
