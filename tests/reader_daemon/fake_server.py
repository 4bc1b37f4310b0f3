"""A server that speaks the whole device link from memory, keeps what it is given, and misbehaves on request."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.item_key import item_key
from cardcore.access.items import Item
from cardcore.access.snapshot import Snapshot, StateItem, encode_item
from cardcore.clock import Clock, to_millis
from cardcore.ids import CredentialKey, DeviceId, TapKey
from cardcore.journal import GENESIS, Body, ChainHead, Intent, Record, authentic, first_break, read_body
from cardcore.wire import signing
from cardcore.wire.codec import BadFrame, decode_for_server, encode
from cardcore.wire.messages import (
    Challenge,
    Command,
    CommandDone,
    CommandKind,
    Deny,
    Health,
    Hello,
    Ping,
    Pong,
    RecordStatus,
    StateBegin,
    StateCurrent,
    StateEnd,
    StateInstalled,
    StatePart,
    Tap,
    TapDecision,
    ToDaemon,
    Upload,
    UploadAck,
    Welcome,
)
from reader_daemon.identity import Identity
from reader_daemon.uplink.connection import LinkClosedError

SITE = "01900000-0000-7000-8000-000000000001"
DEVICE = "01900000-0000-7000-8000-0000000000d1"
ITEMS_A_PART = 3

Judge = Callable[[Intent], tuple[bool, str, int, int]]
"""Intent -> granted, reason, amount, balance after."""


class Wire(Protocol):
    async def send(self, frame: bytes) -> None: ...
    async def receive(self) -> bytes: ...
    async def close(self) -> None: ...


def grant_all(_intent: Intent) -> tuple[bool, str, int, int]:
    return True, "granted", 0, 0


class FakeServer:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.key = Ed25519PrivateKey.from_private_bytes(b"S" * 32)
        self.device_key = Ed25519PrivateKey.from_private_bytes(b"D" * 32)
        self.record_key = b"R" * 32
        self.generation = "first"
        self.records: dict[tuple[int, int], Record] = {}
        self.conflicts: list[tuple[int, int]] = []
        self.snapshot = Snapshot.empty()
        self._bodies: dict[str, bytes] = {}
        self.denies: list[Deny] = []
        self.judge: Judge = grant_all
        self.silent_to_taps = False
        self.delay_ms = 0
        self.upload_delay_ms = 0
        self.down = False
        self.new_epoch_wanted = False
        self.credit = 1_000
        self.received: list[object] = []
        self.sessions = 0
        self.max_upload_bytes = 0
        self.duplicates = 0
        self.challenge_site = ""
        self._wires: list[Wire] = []

    @property
    def identity(self) -> Identity:
        public = self.key.public_key().public_bytes_raw()
        return Identity(DEVICE, SITE, "box", self.device_key.private_bytes_raw(), self.record_key, public)

    # --- what a test does ---

    def set_items(self, *items: Item) -> None:
        changes = [StateItem(item_key(item), encode_item(item)) for item in items]
        self._bodies.update(changes)
        self.snapshot = self.snapshot.with_changes(self.snapshot.version + 1, changes)

    def mark(self, epoch: int) -> int:
        seq = 0
        while (epoch, seq + 1) in self.records:
            seq += 1
        return seq

    def bodies(self, epoch: int) -> list[Body]:
        found = [read_body(self.records[epoch, seq]) for seq in range(1, self.mark(epoch) + 1)]
        return [body for body in found if body is not None]

    def of_kind(self, kind: type) -> list[object]:
        return [message for message in self.received if isinstance(message, kind)]

    def chain_is_whole(self, epoch: int) -> bool:
        records = [self.records[epoch, seq] for seq in range(1, self.mark(epoch) + 1)]
        return first_break(ChainHead(0, GENESIS), records) is None

    async def push(self, message: ToDaemon) -> None:
        for wire in self._wires:
            await wire.send(encode(message))

    async def push_frame(self, frame: bytes) -> None:
        for wire in self._wires:
            await wire.send(frame)

    async def drop(self) -> None:
        for wire in list(self._wires):
            await wire.close()

    def signed_deny(self, version: int, *entries: tuple[str, str]) -> Deny:
        deny = Deny(version, tuple((CredentialKey(key), reason) for key, reason in entries))
        return msgspec.structs.replace(deny, signature=signing.sign(self.key, signing.deny_bytes(SITE, deny)))

    def state_messages(self, base_version: int = 0) -> list[ToDaemon]:
        snapshot = self.snapshot
        signed = signing.state_bytes(SITE, base_version, snapshot.version, snapshot.content_hash)
        items = list(self._bodies.items())
        begin = StateBegin(
            base_version, snapshot.version, len(items), snapshot.content_hash, signing.sign(self.key, signed)
        )
        parts = [
            StatePart(snapshot.version, index, tuple(items[at : at + ITEMS_A_PART]))
            for index, at in enumerate(range(0, len(items), ITEMS_A_PART))
        ]
        return [begin, *parts, StateEnd(snapshot.version)]

    def command(self, **changes: object) -> Command:
        command = Command("n1", CommandKind.OPEN_LANE, "lane-1", to_millis(self._clock.now()), "guard", "delivery")
        return msgspec.structs.replace(command, **changes)

    # --- the session ---

    async def session(self, wire: Wire) -> None:
        """Serve one link until it closes."""
        self.sessions += 1
        nonce = b"N" * 32
        with contextlib.suppress(LinkClosedError):
            await self._serve(wire, nonce)
        if wire in self._wires:
            self._wires.remove(wire)

    async def _serve(self, wire: Wire, nonce: bytes) -> None:
        await wire.send(encode(Challenge(nonce, 1, self.challenge_site, to_millis(self._clock.now()))))
        hello = decode_for_server(await wire.receive())
        assert isinstance(hello, Hello)
        self.received.append(hello)
        epoch_of_session = hello.epoch
        signed = signing.hello_bytes(nonce, hello)
        assert signing.verified(self.device_key.public_key().public_bytes_raw(), hello.signature, signed)
        await wire.send(encode(self._welcome(hello)))
        self._wires.append(wire)
        for deny in self.denies:
            await wire.send(encode(deny))
        await self._send_state(wire, hello)
        while True:
            message = decode_for_server(await wire.receive())
            assert not isinstance(message, BadFrame), message
            self.received.append(message)
            assert not isinstance(message, Tap | Upload) or message.epoch == epoch_of_session
            await self._answer(wire, message)

    def _welcome(self, hello: Hello) -> Welcome:
        mark = self.mark(hello.epoch)
        head = self.records[hello.epoch, mark].hash if mark else GENESIS
        welcome = Welcome(
            self.generation,
            mark,
            head,
            1,
            to_millis(self._clock.now()),
            self.credit,
            new_epoch_wanted=self.new_epoch_wanted or mark > hello.last_seq,
        )
        self.new_epoch_wanted = False
        signed = signing.welcome_bytes(hello.nonce, hello.device, welcome)
        return msgspec.structs.replace(welcome, signature=signing.sign(self.key, signed))

    async def _send_state(self, wire: Wire, hello: Hello) -> None:
        if hello.policy_version == self.snapshot.version:
            await wire.send(encode(StateCurrent(self.snapshot.version)))
            return
        for message in self.state_messages():
            await wire.send(encode(message))

    async def _answer(self, wire: Wire, message: object) -> None:
        match message:
            case Tap(epoch, record):
                await self._tap(wire, epoch, record)
            case Upload():
                await self._upload(wire, message)
            case Ping(number, sent_ms):
                await wire.send(encode(Pong(number, sent_ms, to_millis(self._clock.now()))))
            case StateInstalled() | CommandDone() | Health() | Pong() | Hello():
                pass

    async def _tap(self, wire: Wire, epoch: int, record: Record) -> None:
        status = self._keep(epoch, record)
        body = read_body(record)
        assert isinstance(body, Intent)
        if self.silent_to_taps:
            return
        if self.delay_ms:
            await asyncio.sleep(self.delay_ms / 1000)
        granted, reason, amount, balance = self.judge(body)
        await wire.send(
            encode(
                TapDecision(
                    epoch,
                    record.seq,
                    status,
                    granted,
                    reason,
                    self.snapshot.version,
                    self.mark(epoch),
                    amount=amount,
                    balance_after=balance,
                    meal="lunch" if amount else "",
                )
            )
        )

    async def _upload(self, wire: Wire, upload: Upload) -> None:
        last = upload.records[-1]
        signed = signing.upload_bytes(upload.epoch, last.seq, last.hash)
        assert signing.verified(self.device_key.public_key().public_bytes_raw(), upload.signature, signed)
        self.max_upload_bytes = max(self.max_upload_bytes, len(encode(upload)))
        await asyncio.sleep(self.upload_delay_ms / 1000)
        statuses = tuple((record.seq, self._keep(upload.epoch, record)) for record in upload.records)
        await wire.send(encode(UploadAck(upload.epoch, self.mark(upload.epoch), statuses, self.credit)))

    def _keep(self, epoch: int, record: Record) -> RecordStatus:
        assert authentic(record, TapKey(DeviceId(UUID(DEVICE)), epoch, record.seq), self.record_key)
        known = self.records.get((epoch, record.seq))
        if known is None:
            self.records[epoch, record.seq] = record
            return RecordStatus.STORED
        if known.hash == record.hash:
            self.duplicates += 1
            return RecordStatus.DUPLICATE
        self.conflicts.append((epoch, record.seq))
        return RecordStatus.CONFLICT


class MemoryWire:
    """One end of a link in memory."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.peer: MemoryWire | None = None
        self.closed = False

    async def send(self, frame: bytes) -> None:
        if self.closed or self.peer is None:
            msg = "closed"
            raise LinkClosedError(msg)
        self.peer.inbox.put_nowait(frame)

    async def receive(self) -> bytes:
        frame = await self.inbox.get()
        if frame is None:
            self.closed = True
            msg = "closed by the other end"
            raise LinkClosedError(msg)
        return frame

    async def close(self) -> None:
        self.closed = True
        for end in (self, self.peer):
            if end is not None:
                end.inbox.put_nowait(None)


class MemoryConnector:
    """A `Connector` to a `FakeServer` in the same loop."""

    def __init__(self, server: FakeServer) -> None:
        self._server = server
        self._tasks: set[asyncio.Task[None]] = set()
        self.tries = 0

    async def connect(self) -> MemoryWire:
        self.tries += 1
        if self._server.down:
            msg = "connection refused"
            raise LinkClosedError(msg)
        near, far = MemoryWire(), MemoryWire()
        near.peer, far.peer = far, near
        task = asyncio.create_task(self._server.session(far))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return near
