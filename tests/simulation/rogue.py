"""A hostile box: it was enrolled, keeps its keys and says what it likes (F20). It replays, forks, leaves gaps, forges.

What it says meets the other boxes' records in the server's batches. Its cards buy nothing, so that whatever it invents
moves no purse: the books of everybody else must be as if it were not there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from cardcore.ids import CredentialKey, DeviceId, TapKey
from cardcore.journal import (
    GENESIS,
    Body,
    ClockQuality,
    DeviceEvent,
    Intent,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    Stamp,
    Verdict,
    write_record,
)
from cardcore.wire import signing
from cardcore.wire.codec import decode_for_daemon, encode
from cardcore.wire.messages import WIRE_VERSION, Challenge, Hello, Tap, Upload
from reader_daemon.identity import Identity
from reader_daemon.uplink.connection import LinkClosedError
from tests.simulation import site_plan as plan
from tests.simulation.box import DaemonEnd
from tests.simulation.history import History
from tests.simulation.hosts import MILLISECONDS, Host
from tests.simulation.network import BrokenError, Network

SESSIONS = 2
DEEDS = (3, 9)
FLOOD_FRAMES = 40
ANSWER_SECONDS = 2.0
SESSION_SECONDS = 12.0
"""After which it gives up: a server that sent it away reads nothing, and its buffer stays full."""
YEAR_MS = 365 * 86_400_000
UNSIGNED = b"s" * 64


class Rogue:
    """See the module. One for a run; its journal goes on from attack to attack."""

    def __init__(self, identity: Identity, host: Host, network: Network, history: History) -> None:
        self._identity = identity
        self._host = host
        self._network = network
        self._history = history
        self._epoch = 1
        self._records: list[Record] = []
        self._victims = [CredentialKey(plan.STRANGER), plan.POOR.credential]

    async def attack(self, stream: random.Random) -> None:
        """Open some sessions and misbehave in each."""
        if not self._host.up:
            self._host.boot()
        for _ in range(SESSIONS):
            try:
                end = DaemonEnd(self._host, await self._network.connect(plan.ROGUE.name))
            except BrokenError:
                continue
            try:
                async with asyncio.timeout(SESSION_SECONDS):
                    await self._session(end, stream)
            except (LinkClosedError, TimeoutError):
                self._history.note(plan.ROGUE.name, "was sent away")
            await end.close()

    async def _session(self, end: DaemonEnd, stream: random.Random) -> None:
        async with asyncio.timeout(ANSWER_SECONDS):
            await self._shake_hands(end, stream)
        for _ in range(stream.randint(*DEEDS)):
            await stream.choice(self._deeds)(self, end, stream)
            async with asyncio.timeout(ANSWER_SECONDS):
                await end.receive()

    async def _shake_hands(self, end: DaemonEnd, stream: random.Random) -> None:
        challenge = decode_for_daemon(await end.receive())
        if not isinstance(challenge, Challenge):
            raise LinkClosedError
        claimed = stream.choice((len(self._records), 0, 10_000))
        hello = Hello(
            self._identity.device, WIRE_VERSION, "rogue", stream.randbytes(32), self._epoch, claimed, 0, "", 0, b"", 0
        )
        signed = signing.sign(self._identity.signing_key(), signing.hello_bytes(challenge.nonce, hello))
        await end.send(encode(msgspec.structs.replace(hello, signature=signed)))
        await end.receive()

    # --- what it does -------------------------------------------------------------------------------------------

    async def _replay(self, end: DaemonEnd, stream: random.Random) -> None:
        record = stream.choice(self._records) if self._records else self._next(self._intent(stream))
        await end.send(encode(Tap(self._epoch, record)))

    async def _fork(self, end: DaemonEnd, stream: random.Random) -> None:
        """Write other content under a number that is taken."""
        del self._records[max(0, len(self._records) - stream.randint(1, 3)) :]
        await end.send(encode(Tap(self._epoch, self._next(self._intent(stream)))))

    async def _gap(self, end: DaemonEnd, stream: random.Random) -> None:
        for _ in range(stream.randint(1, 3)):
            self._next(self._intent(stream))
        await self._upload(end, self._next(self._intent(stream)))

    async def _forge(self, end: DaemonEnd, stream: random.Random) -> None:
        """Seal with no key, or change what was sealed."""
        record = self._next(self._intent(stream))
        forged = stream.choice((
            msgspec.structs.replace(record, mac=stream.randbytes(len(record.mac))),
            msgspec.structs.replace(record, body=record.body.replace(b'"tap"', b'"tip"')),
            msgspec.structs.replace(record, hash=stream.randbytes(32)),
        ))  # fmt: skip
        self._history.reach("forged record sent")
        await end.send(encode(Tap(self._epoch, forged)))

    async def _future(self, end: DaemonEnd, stream: random.Random) -> None:
        at_ms = self._now_ms() + stream.choice((-YEAR_MS, YEAR_MS, 100 * YEAR_MS))
        await self._upload(end, self._next(DeviceEvent("noted", "t01", "", Stamp(at_ms, 1, "rogue"))))

    async def _invent(self, end: DaemonEnd, stream: random.Random) -> None:
        """Tell of a meal that nobody decided, at somebody else's till, for any amount."""
        tap = self._next(self._intent(stream))
        amount = stream.choice((0, 1, 1_200, 10**12, -5))
        verdict = Verdict(True, "charged", 1, offline=True, amount=amount, meal="lunch")  # noqa: FBT003
        ended = Outcome(stream.choice((tap.seq, 1, 10_000)), OutcomeKind.SERVED, verdict, self._stamp())
        await self._upload(end, tap, self._next(ended))

    async def _garbage(self, end: DaemonEnd, stream: random.Random) -> None:
        await end.send(stream.choice((b"", b"\xc1" * 40, stream.randbytes(200), encode(Tap(7, self._any(stream))))))

    async def _flood(self, end: DaemonEnd, stream: random.Random) -> None:
        for _ in range(FLOOD_FRAMES):
            await end.send(encode(Tap(self._epoch, self._next(self._intent(stream)))))

    async def _unsigned(self, end: DaemonEnd, stream: random.Random) -> None:
        await end.send(encode(Upload(self._epoch, (self._any(stream),), UNSIGNED)))

    async def _begin_anew(self, end: DaemonEnd, stream: random.Random) -> None:
        self._epoch, self._records = stream.randint(1, 3), []
        await self._replay(end, stream)

    _deeds: tuple[Callable[..., Awaitable[None]], ...] = (
        _replay, _fork, _gap, _forge, _forge, _future, _invent, _garbage, _flood, _unsigned, _begin_anew,
    )  # fmt: skip

    # --- its journal --------------------------------------------------------------------------------------------

    def _next(self, body: Body) -> Record:
        previous = self._records[-1].hash if self._records else GENESIS
        key = TapKey(DeviceId(UUID(self._identity.device)), self._epoch, len(self._records) + 1)
        self._records.append(write_record(key, previous, body, self._identity.record_key))
        return self._records[-1]

    def _any(self, stream: random.Random) -> Record:
        return stream.choice(self._records) if self._records else self._next(self._intent(stream))

    async def _upload(self, end: DaemonEnd, *records: Record) -> None:
        last = records[-1]
        signed = signing.upload_bytes(self._epoch, last.seq, last.hash)
        signature = signing.sign(self._identity.signing_key(), signed)
        await end.send(encode(Upload(self._epoch, records, signature)))

    def _intent(self, stream: random.Random) -> Intent:
        place = stream.choice((*plan.ROGUE.tills, *plan.TILLS, "t99", ""))
        return Intent("rogue", Purpose.TILL, place, place, stream.choice(self._victims), self._stamp(), 1)

    def _stamp(self) -> Stamp:
        return Stamp(self._now_ms(), 1, "rogue", ClockQuality.SYNCED)

    def _now_ms(self) -> int:
        return int(self._host.now().timestamp() * MILLISECONDS)
