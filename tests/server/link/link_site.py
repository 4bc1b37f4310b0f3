"""A seeded site with an enrolled device, the server's link over it, and a peer that speaks the link by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.items import Product
from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.ids import CredentialKey, DeviceId, LaneId, SiteId, TapKey, TillId
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
from cardcore.wire import codec, signing
from cardcore.wire.messages import (
    WIRE_VERSION,
    Challenge,
    Deny,
    Goodbye,
    Hello,
    StateBegin,
    StateEnd,
    StatePart,
    Tap,
    ToDaemon,
    ToServer,
    Upload,
    Welcome,
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
from server.taps.service import TapService

PATIENCE_SECONDS = 30
EPOCH = 77
HOLDERS = 8
LUNCH_OF_STAFF_FEN = 1_200

Message = TypeVar("Message")


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
        self.taps = TapService(lambda: connect_app(site.database.url), site.system)
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


class Wire(Protocol):
    """The peer's end of a link."""

    async def send(self, frame: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """Return the next frame, None at the end."""
        ...


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


class Peer:
    """A daemon written by hand: proves its key, keeps a journal, remembers all it was told."""

    def __init__(self, site: LinkSite, box: Box | None = None, epoch: int = EPOCH) -> None:
        self.site = site
        self.box = box or site.box
        self.epoch = epoch
        self.records: list[Record] = []
        self.snapshot = Snapshot.empty()
        self.denied: dict[str, str] = {}
        self.heard: list[ToDaemon] = []
        self.wire: Wire
        self._pending: tuple[StateBegin, list[StateItem]] | None = None

    # --- the link ---

    async def open(self, wire: Wire, signer: Ed25519PrivateKey | None = None, **changes: object) -> ToDaemon:
        """Introduce ourselves, with some fields of the hello changed, and return the answer."""
        self.wire = wire
        challenge = await self.expect(Challenge)
        await self.say(self.hello(challenge, signer or self.box.key, **changes))
        return await self.next()

    async def welcomed(self, wire: Wire, **changes: object) -> Welcome:
        answer = await self.open(wire, None, **changes)
        assert isinstance(answer, Welcome), answer
        hello_nonce = b"N" * 32
        signed = signing.welcome_bytes(hello_nonce, str(self.box.device), answer)
        assert signing.verified(self.box.server_key, answer.signature, signed)
        return answer

    def hello(self, challenge: Challenge, signer: Ed25519PrivateKey, **changes: object) -> Hello:
        hello = Hello(
            device=str(self.box.device), wire_version=WIRE_VERSION, software="peer 1", nonce=b"N" * 32,
            epoch=self.epoch, last_seq=len(self.records), acked_through=0, generation="",
            policy_version=self.snapshot.version, content_hash=self.snapshot.content_hash, deny_version=0,
        )  # fmt: skip
        hello = msgspec.structs.replace(hello, **changes)
        numbers = (hello.epoch, hello.last_seq, hello.acked_through, hello.policy_version, hello.deny_version)
        if min(numbers) < 0:
            return hello  # nobody can sign that
        proof = signing.sign(signer, signing.hello_bytes(challenge.nonce, hello))
        return msgspec.structs.replace(hello, signature=proof)

    async def say(self, message: ToServer) -> None:
        await self.wire.send(codec.encode(message))

    async def next(self) -> ToDaemon:
        """Return the next message; policy is verified and installed on the way, a close is an EOFError."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            frame = await self.wire.receive()
        if frame is None:
            raise EOFError
        message = codec.decode_for_daemon(frame)
        assert not isinstance(message, codec.BadFrame), message
        self.heard.append(message)
        self._install(message)
        return message

    async def expect(self, kind: type[Message]) -> Message:
        """Return the next message of a kind, past others."""
        while True:
            message = await self.next()
            if isinstance(message, kind):
                return message

    async def farewell(self) -> Goodbye:
        """Return the goodbye, and check that the link is closed after it."""
        goodbye = await self.expect(Goodbye)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.wire.receive() is not None:
                pass
        return goodbye

    async def until_policy(self, version: int) -> Snapshot:
        while self.snapshot.version < version:
            await self.expect(StateEnd)
        return self.snapshot

    def _install(self, message: ToDaemon) -> None:
        site, key = str(self.box.site), self.box.server_key
        match message:
            case Deny():
                assert signing.verified(key, message.signature, signing.deny_bytes(site, message))
                self.denied |= dict(message.entries)
            case StateBegin():
                signed = signing.state_bytes(site, message.base_version, message.version, message.content_hash)
                assert signing.verified(key, message.signature, signed)
                self._pending = (message, [])
            case StatePart():
                assert self._pending is not None
                self._pending[1].extend(StateItem(*item) for item in message.items)
            case StateEnd():
                assert self._pending is not None
                begin, items = self._pending
                assert len(items) == begin.items
                assert begin.base_version in {0, self.snapshot.version}
                base = self.snapshot if begin.base_version else Snapshot.empty()
                installed = base.with_changes(begin.version, items)
                assert installed.content_hash == begin.content_hash
                self.snapshot, self._pending = installed, None

    # --- the journal ---

    def add(self, body: Body) -> Record:
        previous = self.records[-1].hash if self.records else GENESIS
        key = TapKey(self.box.device, self.epoch, len(self.records) + 1)
        self.records.append(write_record(key, previous, body, self.box.record_key))
        return self.records[-1]

    def stamp(self) -> Stamp:
        at_ms = int(self.site.system.clock.now().timestamp() * 1000)
        return Stamp(at_ms, at_ms, "boot", ClockQuality.SYNCED)

    def intent(self, holder: int, purpose: Purpose = Purpose.TILL, place: str = "") -> Record:
        place = place or ("t01" if purpose is Purpose.TILL else "g01")
        credential = self.site.holders[holder].credential
        return self.add(Intent(str(self.site.system.ids.uuid7()), purpose, place, place, credential, self.stamp(), 1))

    def served(self, tap: Record, amount: int = LUNCH_OF_STAFF_FEN, *, offline: bool = False) -> Record:
        verdict = Verdict(True, "charged", 1, offline, amount, "lunch")  # noqa: FBT003 - in order of the record
        return self.add(Outcome(tap.seq, OutcomeKind.SERVED, verdict, self.stamp()))

    def tap(self, record: Record, epoch: int | None = None) -> Tap:
        return Tap(self.epoch if epoch is None else epoch, record)

    def upload(self, records: Iterable[Record], signer: Ed25519PrivateKey | None = None) -> Upload:
        records = tuple(records)
        signed = signing.upload_bytes(self.epoch, records[-1].seq, records[-1].hash)
        return Upload(self.epoch, records, signing.sign(signer or self.box.key, signed))


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
