"""One daemon's conversation after the handshake: taps and uploads in, decisions, acks and policy out.

Frames are answered as their commits complete, so a slow upload never holds up a live tap. Everything is bounded: live
taps in work, uploads in work (one), frames a second of rubbish before the peer is sent away.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from functools import partial
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cardcore.canteen.limits import Pin
from cardcore.clock import to_millis
from cardcore.ids import DeviceId, SiteId, TapKey
from cardcore.journal import Intent, read_body
from cardcore.wire import codec, signing
from cardcore.wire.messages import (
    COMMAND_LIFE_MS,
    MAX_UPLOAD_RECORDS,
    AuditWitness,
    CardShown,
    Command,
    CommandDone,
    EncoderCard,
    EncoderDone,
    EncoderStep,
    Goodbye,
    GoodbyeCode,
    Health,
    Hello,
    KeyAsk,
    Ping,
    Pong,
    StateCurrent,
    StateInstalled,
    Tap,
    TapDecision,
    ToDaemon,
    Upload,
    UploadAck,
)
from server.link import policy_feed
from server.link.answers import decision, revoked, set_aside
from server.link.handshake import UPLOAD_CREDIT, Introduced
from server.link.ports import (
    OUTAGES,
    AboutCards,
    CardDesk,
    Channel,
    Devices,
    LinkClosedError,
    NoCardDesk,
    Policy,
    Returned,
    Run,
)
from server.link.quotas import Flow, Meter
from server.link.witness_feed import WitnessFeed
from server.system import System
from server.taps.arrivals import Arrival, Receipt
from server.taps.batcher import Batcher, BusyError

Work = Callable[..., Coroutine[Any, Any, None]]

log = structlog.get_logger()

MAX_LIVE_TAPS = 256
"""Taps of one daemon waiting for their decision; a lane has one at a time."""
MAX_HEARD = 64
"""Messages about cards of one daemon in work: 16 readers ask one thing at a time."""
MAX_BAD_FRAMES = 20
"""Unreadable frames before the peer is told to go away; each is counted."""
END_SECONDS = 1.0
"""How long a goodbye may take: a peer behind a cut line takes nothing, and must not hold up its own reconnection."""
STATE_CURRENT_SECONDS = 30.0
"""How often a daemon hears that its policy is still the newest, which renews the age of its snapshot."""


class Session:
    """One live link; implements `server.link.directory.LiveSession`."""

    def __init__(
        self,
        channel: Channel,
        who: Introduced,
        batcher: Batcher,
        devices: Devices,
        policy: Policy,
        run: Run,
        system: System,
        key: Ed25519PrivateKey,
    ) -> None:
        """Take everything the conversation needs; nothing happens before `serve`."""
        self._channel = channel
        self._link = who.device.link
        self._public_key = who.device.public_key
        self._hello: Hello = who.hello
        self._batcher = batcher
        self._devices = devices
        self._policy = policy
        self._run = run
        self._system = system
        self._key = key
        self._told = who.hello.policy_version if who.knows_policy else 0
        self._is_restored = who.is_restored
        self._moved = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._uploads: asyncio.Queue[Upload] = asyncio.Queue(UPLOAD_CREDIT)
        self._commands: dict[str, asyncio.Future[CommandDone]] = {}
        self._bad_frames = 0
        self._live_taps = 0
        self._answers: deque[TapDecision] = deque()
        self._answered = asyncio.Event()
        self._ended = False
        self.witness: WitnessFeed | None = None
        """Offers the audit log's checkpoints; none where the server keeps no log."""
        self.desk: CardDesk = NoCardDesk()
        """Answers for cards; without one every key is refused."""
        self.meter = Meter(system.clock)
        """What this device may still ask; the endpoint keeps one over all its connections."""
        self._heard = 0
        self._encoding = asyncio.Lock()
        """What an encoder says is taken in the order in which it was said; questions for keys do not wait for it."""

    @property
    def device(self) -> DeviceId:
        """Whose session it is."""
        return self._link.id

    @property
    def site(self) -> SiteId:
        """The device's site."""
        return self._link.site

    def policy_moved(self) -> None:
        """Send what is new as soon as possible, and look anew at what this device may do."""
        self._moved.set()

    async def end(self, goodbye: Goodbye) -> None:
        """Say goodbye and close; a peer that is gone already is fine."""
        self._ended = True
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._channel.send(codec.encode(goodbye))
                await self._channel.close(goodbye.code)
        except (LinkClosedError, TimeoutError):
            log.debug("link_gone_before_goodbye", device=str(self.device))

    async def command(self, command: Command) -> CommandDone | None:
        """Send a command; None when no answer came while it lived (P13)."""
        answer = self._commands[command.nonce] = asyncio.get_running_loop().create_future()
        try:
            await self._channel.send(codec.encode(command))
            return await asyncio.wait_for(answer, COMMAND_LIFE_MS / 1000)
        except (TimeoutError, LinkClosedError):
            return None
        finally:
            self._commands.pop(command.nonce, None)

    async def serve(self) -> None:
        """Converse until the link closes; leaves no task behind."""
        self._spawn(self._feed_policy)
        self._spawn(self._take_uploads)
        self._spawn(self._send_answers)
        if self.witness is not None:
            self._spawn(self.witness.serve)
        try:
            while not self._ended:
                frame = await self._channel.receive()
                if not self._ended:  # what a peer says after its goodbye counts for nothing
                    await self._frame(frame)
        except LinkClosedError:
            log.info("link_closed", device=str(self.device))
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.desk.left(self.device)

    async def _frame(self, frame: bytes) -> None:
        match codec.decode_for_server(frame):
            case Tap() as tap:
                self._decide(tap) if not tap.pin else self._spawn(self._decide_with_pin, tap)
            case Upload() as upload:
                if self._uploads.full():
                    await self.end(Goodbye(GoodbyeCode.PROTOCOL, "More uploads than credit.", retry_after_ms=1000))
                else:
                    self._uploads.put_nowait(upload)
            case Ping() as ping:
                await self._send(Pong(ping.id, ping.sent_ms, to_millis(self._system.clock.now())))
            case StateInstalled(parts_left=left) as state if left >= 0:
                await self._state(state)
            case StateInstalled() | Health() as status:
                self._status(status)
            case CommandDone() as done:
                self._done(done)
            case KeyAsk() | EncoderCard() | EncoderStep() | EncoderDone() | CardShown() as said:
                self._hear(said)
            case AuditWitness() as told:
                self._witnessed(told)
            case codec.BadFrame() as bad:
                await self._rubbish(bad)
            case Hello() | Pong():
                pass  # a second hello changes nothing; pongs answer pings that nobody waits for

    def _done(self, done: CommandDone) -> None:
        answer = self._commands.get(done.nonce)
        if answer is not None and not answer.done():
            answer.set_result(done)

    def _witnessed(self, told: AuditWitness) -> None:
        if self.witness is not None:
            self.witness.told(told)

    def _hear(self, said: AboutCards) -> None:
        """Hand a message about a card to the desk. One too many is dropped: the card's dialogue ends by itself."""
        if self._has_left(Flow.QUESTIONS) and self._heard < MAX_HEARD:
            self._heard += 1
            self._spawn(self._answer, said)

    async def _answer(self, said: AboutCards) -> None:
        try:
            async with nullcontext() if isinstance(said, KeyAsk) else self._encoding:
                answers = await self._run(self.desk.hear, self._link, said)
            for answer in answers:
                await self._send(answer)
        except OUTAGES as error:
            log.warning("card_not_answered", device=str(self.device), error=repr(error)[:200])
        finally:
            self._heard -= 1

    async def _rubbish(self, bad: codec.BadFrame) -> None:
        self._bad_frames += 1
        if self._bad_frames == 1:
            log.warning("link_bad_frame", device=str(self.device), problem=bad.problem, size_bytes=bad.size_bytes)
        if self._bad_frames >= MAX_BAD_FRAMES:
            await self.end(Goodbye(GoodbyeCode.PROTOCOL, "Too many unreadable frames.", retry_after_ms=5000))

    # --- taps and uploads ----------------------------------------------------------------------------------

    async def _decide_with_pin(self, tap: Tap) -> None:
        """Find out what the PIN proves, then hand the tap in: the batch never waits for a hash."""
        intent = read_body(tap.record)
        pin = Pin.NONE
        if self._has_left(Flow.PINS) and isinstance(intent, Intent):
            try:
                pin = await self._run(self._devices.pin, self.site, intent.credential, tap.pin)
            except OUTAGES as error:
                log.warning("pin_not_checked", device=str(self.device), error=repr(error)[:200])
        self._decide(tap, pin)

    def _decide(self, tap: Tap, pin: Pin = Pin.NONE) -> None:
        """Hand a tap in. No answer where that cannot be: the daemon decides by itself at its deadline."""
        if tap.epoch != self._hello.epoch or self._live_taps >= MAX_LIVE_TAPS or self._is_restored:
            return
        if not self.meter.allows(Flow.SET_ASIDE):
            self._flooded(Flow.SET_ASIDE)
            return
        if not self._has_left(Flow.RECORDS):
            return
        key = TapKey(self.device, tap.epoch, tap.record.seq)
        try:
            arrival = Arrival(self._link, tap.epoch, (tap.record,), live=True, pin=pin)
            self._batcher.offer(arrival, partial(self._decided, key))
        except BusyError as error:
            self._not_stored(error, live=True)
        else:
            self._live_taps += 1

    def _decided(self, key: TapKey, answer: Receipt | BaseException) -> None:
        """Put the answer of a live tap out; called by the batcher after the commit."""
        self._live_taps -= 1
        if not isinstance(answer, Receipt):
            self._not_stored(answer, live=True)
            return
        self.meter.charge(Flow.SET_ASIDE, set_aside(answer))
        if answer.decision is not None:
            self._answers.append(decision(key, answer, answer.decision))
            self._answered.set()

    async def _send_answers(self) -> None:
        while True:
            await self._answered.wait()
            self._answered.clear()
            while self._answers:
                await self._send(self._answers.popleft())

    async def _take_uploads(self) -> None:
        while True:
            upload = await self._uploads.get()
            if not self._credible(upload):
                await self.end(Goodbye(GoodbyeCode.PROTOCOL, "The signature of an upload is wrong."))
                return
            await self._slowed(Flow.RECORDS, len(upload.records))
            receipt = await self._submit(Arrival(self._link, upload.epoch, upload.records, live=False))
            if receipt is None:
                await self.end(Goodbye(GoodbyeCode.BUSY, "The server cannot store now.", retry_after_ms=1000))
                return
            await self._slowed(Flow.SET_ASIDE, set_aside(receipt))
            await self._send(UploadAck(upload.epoch, receipt.acked_through, receipt.statuses, UPLOAD_CREDIT))

    async def _slowed(self, flow: Flow, amount: int) -> None:
        """Let a device that is beyond its allowance wait: it hands in everything, and nobody else notices."""
        wait_ms = self.meter.charge(flow, amount)
        if wait_ms:
            self._flooded(flow)
            await asyncio.sleep(wait_ms / 1000)

    def _has_left(self, flow: Flow) -> bool:
        """Take one of an allowance; False, and somebody is told, when nothing is left of it."""
        taken = self.meter.takes(flow)
        if not taken:
            self._flooded(flow)
        return taken

    def _flooded(self, flow: Flow) -> None:
        if self.meter.alarm_is_due(flow):
            log.warning("device_flooding", device=str(self.device), what=flow.value)
            self._spawn(self._noted, self._devices.alarm, self.device, "device_flooding", {"what": flow.value})

    def _credible(self, upload: Upload) -> bool:
        if upload.epoch != self._hello.epoch or not 0 < len(upload.records) <= MAX_UPLOAD_RECORDS:
            return False
        last = upload.records[-1]
        signed = signing.upload_bytes(upload.epoch, last.seq, last.hash)
        return signing.verified(self._public_key, upload.signature, signed)

    async def _submit(self, arrival: Arrival) -> Receipt | None:
        try:
            return await self._batcher.submit(arrival)
        except Exception as error:  # noqa: BLE001 - a full queue, an outage, a fault in the batch: not stored, all the same
            self._not_stored(error, live=False)
            return None

    def _not_stored(self, error: BaseException, *, live: bool) -> None:
        log.warning("arrival_not_stored", device=str(self.device), live=live, error=repr(error)[:200])

    # --- policy --------------------------------------------------------------------------------------------

    async def _feed_policy(self) -> None:
        while True:
            self._moved.clear()
            try:
                await self._renew()
                await self._send_policy()
            except OUTAGES as error:
                log.warning("policy_not_sent", device=str(self.device), error=repr(error)[:200])
            try:
                await asyncio.wait_for(self._moved.wait(), STATE_CURRENT_SECONDS)
            except TimeoutError:
                continue

    async def _renew(self) -> None:
        """Read anew what the device may do: it may have been given another lane, or been revoked while it connected."""
        known = await self._run(self._devices.known, self.device)
        if known is None or known.link.revoked_at is not None:
            await self.end(revoked())
            return
        self._link = known.link
        for message in await self._run(self.desk.waiting, self._link):
            await self._send(message)

    async def _send_policy(self) -> None:
        if await self._waits_for_state():
            return  # it would be older than what the daemon has, and would grant what was refused since
        newest = await self._run(self._policy.version, self.site)
        if newest == self._told and newest > 0:
            await self._send(StateCurrent(newest))
            return
        since = self._told if self._told < newest else 0
        changes = await self._run(self._policy.changes, self.site, since)
        for message in policy_feed.messages(changes, str(self.site), self._key):
            await self._send(message)
        self._told = changes.version

    async def _waits_for_state(self) -> bool:
        """Tell whether the server is restored and not released; once released, the daemon takes the whole anew."""
        was_restored, self._is_restored = self._is_restored, await self._run(self._devices.is_restored)
        if was_restored and not self._is_restored:
            self._told = 0
        return self._is_restored

    async def _state(self, state: StateInstalled) -> None:
        """Take what a daemon says of its policy; refused cards in order: a part that is lost ends the session."""
        version = max(state.version, state.deny_version)
        refused = Returned(state.refused, version, last=state.parts_left == 0)
        try:
            await self._run(self._devices.returned, self.device, self.site, refused)
        except OUTAGES as error:
            log.warning("state_not_taken_back", device=str(self.device), error=repr(error)[:200])
            await self.end(Goodbye(GoodbyeCode.BUSY, "The server cannot store now.", retry_after_ms=1000))
        else:
            self.policy_moved()

    def _status(self, status: StateInstalled | Health) -> None:
        if not self._has_left(Flow.STATUS):
            return
        if isinstance(status, Health):
            self._spawn(self._noted, self._devices.healthy, self.device, status)
        else:
            self._spawn(self._installed, status)

    async def _installed(self, state: StateInstalled) -> None:
        await self._noted(self._devices.installed, self.device, state.version, state.deny_version, state.problem)
        if state.problem:
            log.warning("policy_refused_by_device", device=str(self.device), problem=state.problem)
            self._told = 0
            self.policy_moved()

    # --- plumbing ------------------------------------------------------------------------------------------

    async def _noted(self, call: Callable[..., None], *args: object) -> None:
        """Write a status; one that is lost is written anew with the next report."""
        try:
            await self._run(call, *args)
        except OUTAGES as error:
            log.warning("status_not_kept", device=str(self.device), error=repr(error)[:200])

    async def send(self, message: ToDaemon) -> None:
        """Send a message of one of the session's feeds."""
        await self._send(message)

    async def _send(self, message: ToDaemon) -> None:
        await self._channel.send(codec.encode(message))

    def _spawn(self, work: Work, *args: object) -> None:
        task = asyncio.get_running_loop().create_task(_until_closed(work, *args))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _until_closed(work: Work, *args: object) -> None:
    """Let a task end quietly when its link does; `serve` notices by itself."""
    try:
        await work(*args)
    except LinkClosedError:
        log.debug("link_closed_in_task")
