"""A daemon written by hand: it speaks the link over any wire and checks every signature and hash on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.access.snapshot import Snapshot, StateItem
from cardcore.ids import TapKey
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
from tests.server.link.link_site import EPOCH, LUNCH_OF_STAFF_FEN, PATIENCE_SECONDS, Box, LinkSite

Message = TypeVar("Message")


class Wire(Protocol):
    """The peer's end of a link."""

    async def send(self, frame: bytes) -> None: ...

    async def receive(self) -> bytes | None:
        """Return the next frame, None at the end."""
        ...


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
