"""A reader daemon as the server sees it: an enrolled device, its chained and sealed journal, its uploads.

It behaves on the wire as the real daemon does: a live tap is an intent record in a frame of its own; outcomes go up in
order, one upload under way, never past a tap that waits for its decision. Nothing is written to disk here: the cost of
the edge's own fsync belongs to the edge.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Sequence
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct
from msgspec.structs import replace

from cardcore.clock import to_millis
from cardcore.ids import CredentialKey, DeviceId, TapKey
from cardcore.journal import (
    GENESIS,
    Body,
    ClockQuality,
    Decided,
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
    LARGE_UPLOAD_RECORDS,
    UPLOAD_GATHER_MS,
    WIRE_VERSION,
    Challenge,
    Goodbye,
    Hello,
    Ping,
    Pong,
    Tap,
    TapDecision,
    Upload,
    UploadAck,
    Welcome,
)
from server.bench.socket_client import ConnectionLostError, LinkSocket
from server.system import real_system

MAX_FRAME_RECORDS = 100
"""Records of one upload frame here; a frame of the wire takes up to 64 KiB."""
START_SECONDS = 60.0
"""A server that is just starting on a busy machine answers late."""
NONCE_BYTES = 32
SOFTWARE = "onecard-bench"

_system = real_system()


class DevicePlan(Struct, frozen=True):
    """An enrolled device, as the bench hands it to the load process."""

    id: str
    private_key: str
    record_key: str
    epoch: int
    policy_version: int
    places: tuple[str, ...]


class BenchDaemon:
    """One daemon with one link."""

    def __init__(self, plan: DevicePlan, seed: int) -> None:
        self.plan = plan
        self._device = DeviceId(UUID(plan.id))
        self._record_key = bytes.fromhex(plan.record_key)
        self._private_key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(plan.private_key))
        self._chance = random.Random(seed)
        self._socket: LinkSocket | None = None
        self._handshake: asyncio.Queue[object] = asyncio.Queue()
        self._held: set[int] = set()
        """Taps the server has stored live: like the real daemon, they are not sent again."""
        self._waiting: dict[int, asyncio.Future[TapDecision]] = {}
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._acked: asyncio.Future[UploadAck] | None = None
        self._pending: dict[int, Record] = {}
        self._grown = asyncio.Event()
        self._uploader: asyncio.Task[None] | None = None
        self._last = (0, GENESIS)
        self._acked_through = 0

    async def connect(self, host: str, port: int) -> None:
        """Open the link and shake hands; both keys are proven as always."""
        loop = asyncio.get_running_loop()
        _, self._socket = await loop.create_connection(lambda: LinkSocket(host, self._frame), host, port)
        await asyncio.wait_for(self._socket.opened, START_SECONDS)
        challenge = await self._next()
        assert isinstance(challenge, Challenge)
        hello = Hello(
            self.plan.id, WIRE_VERSION, SOFTWARE, self._chance.randbytes(NONCE_BYTES), self.plan.epoch,
            self._last[0], self._acked_through, "", self.plan.policy_version, b"", 0,
        )  # fmt: skip
        proof = signing.sign(self._private_key, signing.hello_bytes(challenge.nonce, hello))
        self._socket.send(codec.encode(replace(hello, signature=proof)))
        welcome = await self._next()
        if not isinstance(welcome, Welcome):
            msg = f"the server answered {welcome!r}"
            raise ConnectionLostError(msg)
        self._uploader = asyncio.create_task(self._upload_all())

    async def close(self) -> None:
        """End the link."""
        if self._uploader is not None:
            self._uploader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._uploader
        if self._socket is not None:
            self._socket.close()

    # --- what a till or a lane does ------------------------------------------------------------------------

    def intent(self, purpose: Purpose, place: str, credential: str) -> Record:
        """Write the journal's next record: a tap."""
        tap = str(_system.ids.uuid7())
        return self._write(Intent(tap, purpose, place, place, CredentialKey(credential), _stamp(), 1))

    def live(self, record: Record) -> asyncio.Future[TapDecision]:
        """Send a tap, new or repeated, and return its coming decision."""
        answer: asyncio.Future[TapDecision] = asyncio.get_running_loop().create_future()
        self._waiting[record.seq] = answer
        self._send(Tap(self.plan.epoch, record))
        return answer

    def settle(self, purpose: Purpose, decision: TapDecision) -> None:
        """Write what became of a decided tap; it goes up by itself."""
        kind = OutcomeKind.DECLINED
        verdict = Verdict(
            decision.granted, decision.reason, decision.policy_version, False, decision.amount, decision.meal  # noqa: FBT003
        )  # fmt: skip
        if decision.granted:
            kind = OutcomeKind.SERVED if purpose is Purpose.TILL else OutcomeKind.PASSED
            if purpose is Purpose.GATE:
                self._write(Decided(decision.seq, verdict, _stamp()))
        self._write(Outcome(decision.seq, kind, verdict, _stamp()))
        self._grown.set()

    def backlog_frames(self, taps: Sequence[tuple[str, bool]], place: str, price_fen: int) -> list[bytes]:
        """Write offline meals (credential, approved), each a tap and its outcome; return the signed upload frames."""
        records: list[Record] = []
        for credential, approved in taps:
            tap = self.intent(Purpose.TILL, place, credential)
            verdict = Verdict(
                approved, "charged" if approved else "card_unknown", 1, True, price_fen if approved else 0, "lunch"  # noqa: FBT003
            )  # fmt: skip
            kind = OutcomeKind.SERVED if approved else OutcomeKind.DECLINED
            records += (tap, self._write(Outcome(tap.seq, kind, verdict, _stamp())))
        for record in records:
            del self._pending[record.seq]
        return [
            codec.encode(self._signed(records[start : start + MAX_FRAME_RECORDS]))
            for start in range(0, len(records), MAX_FRAME_RECORDS)
        ]

    async def upload(self, frame: bytes) -> UploadAck:
        """Send one upload frame and wait for its ack."""
        assert self._socket is not None
        self._acked = asyncio.get_running_loop().create_future()
        self._socket.send(frame)
        ack = await self._acked
        self._forget(ack.acked_through)
        return ack

    async def ping(self, number: int) -> None:
        """Send a no-op frame and wait for its answer."""
        answer = self._pongs[number] = asyncio.get_running_loop().create_future()
        self._send(Ping(number, 0))
        await answer

    async def drained(self) -> None:
        """Wait until the server holds everything that was written."""
        async with asyncio.timeout(START_SECONDS):
            while self._acked_through < self._last[0]:
                self._grown.set()
                await asyncio.sleep(0.002)

    # --- the wire ------------------------------------------------------------------------------------------

    def _write(self, body: Body) -> Record:
        seq, previous = self._last
        record = write_record(TapKey(self._device, self.plan.epoch, seq + 1), previous, body, self._record_key)
        self._last = (record.seq, record.hash)
        self._pending[record.seq] = record
        return record

    async def _upload_all(self) -> None:
        while True:
            await self._grown.wait()
            self._grown.clear()
            while batch := self._sendable():
                began = time.perf_counter()
                await self.upload(codec.encode(self._signed(batch)))
                if len(batch) < LARGE_UPLOAD_RECORDS:  # small uploads keep their distance, as the real daemon's do
                    await asyncio.sleep(UPLOAD_GATHER_MS / 1000 - (time.perf_counter() - began))

    def _sendable(self) -> list[Record]:
        last = min(self._waiting, default=self._last[0] + 1) - 1
        last = min(last, self._acked_through + MAX_FRAME_RECORDS)
        return [self._pending[seq] for seq in range(self._acked_through + 1, last + 1) if seq not in self._held]

    def _signed(self, records: Sequence[Record]) -> Upload:
        last = records[-1]
        proof = signing.sign(self._private_key, signing.upload_bytes(self.plan.epoch, last.seq, last.hash))
        return Upload(self.plan.epoch, tuple(records), proof)

    def _forget(self, acked_through: int) -> None:
        for seq in range(self._acked_through + 1, acked_through + 1):
            self._pending.pop(seq, None)
            self._held.discard(seq)
        self._acked_through = max(self._acked_through, acked_through)

    def _send(self, message: Tap | Ping) -> None:
        assert self._socket is not None
        self._socket.send(codec.encode(message))

    async def _next(self) -> object:
        return await asyncio.wait_for(self._handshake.get(), START_SECONDS)

    def _frame(self, frame: bytes) -> None:
        match codec.decode_for_daemon(frame):
            case TapDecision() as decision:
                self._forget(decision.acked_through)
                self._held.add(decision.seq)
                answer = self._waiting.pop(decision.seq, None)
                if answer is not None:
                    answer.set_result(decision)
            case UploadAck() as ack if self._acked is not None and not self._acked.done():
                self._acked.set_result(ack)
            case Pong() as pong:
                self._pongs.pop(pong.id).set_result(None)
            case Challenge() | Welcome() | Goodbye() as message:
                self._handshake.put_nowait(message)


def _stamp() -> Stamp:
    return Stamp(to_millis(_system.clock.now()), _system.clock.monotonic_ms(), "bench", ClockQuality.SYNCED)
