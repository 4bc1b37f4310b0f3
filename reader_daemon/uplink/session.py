"""One session with the server: frames in, effects out; no I/O, and no clock but the injected one.

    CHALLENGE  -> Challenge: site and version fit -> Hello, signed over the server's nonce
    WELCOME    -> Welcome: signed over our nonce by the pinned key -> Opened;  Goodbye -> Ended
    OPEN       -> Deny, State.., TapDecision, UploadAck, Command, Ping, Pong;  Goodbye -> Ended

A frame that is none is counted, logged once a session, and changes nothing. A message out of its place ends the
session.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, assert_never

import msgspec
import structlog

from cardcore.clock import Clock, to_millis
from cardcore.ids import IdSource
from cardcore.wire import signing
from cardcore.wire.codec import BadFrame, decode_for_daemon
from cardcore.wire.messages import (
    COMMAND_LIFE_MS,
    OLDEST_WIRE_VERSION,
    WIRE_VERSION,
    AuditCheckpoint,
    Challenge,
    Command,
    CommandDone,
    Deny,
    Encode,
    EncoderClose,
    EncoderOpen,
    Goodbye,
    GoodbyeCode,
    Hello,
    KeyTold,
    Ping,
    Pong,
    StateBegin,
    StateCurrent,
    StateEnd,
    StatePart,
    TapDecision,
    ToDaemon,
    UploadAck,
    Welcome,
)
from reader_daemon.clock_watch import ClockWatch
from reader_daemon.identity import Identity
from reader_daemon.policy import Policy
from reader_daemon.store.journal_db import Position
from reader_daemon.uplink import effects
from reader_daemon.uplink.effects import Effect, Ended, Send
from reader_daemon.uplink.transfer import Transfer, begin_problem

NONCE_BYTES = 32
REMEMBERED_NONCES = 1_024
MAX_REFUSED_TRANSFERS = 3
"""A server that goes on sending what must be refused would otherwise fill the link with it."""
LOOK_AGAIN_MS = 60_000
"""Wait after an answer that only a person can mend: revoked, unknown, wrong key, another site."""
_FOR_A_PERSON = frozenset({GoodbyeCode.UNKNOWN_DEVICE, GoodbyeCode.WRONG_KEY, GoodbyeCode.REVOKED, GoodbyeCode.VERSION})

_log = structlog.get_logger(__name__)

_PASSED_ON: Mapping[type, Callable[[Any], Effect]] = {
    TapDecision: effects.Decided,
    UploadAck: effects.Acked,
    KeyTold: effects.CardTold,
    EncoderOpen: effects.CardTold,
    EncoderClose: effects.CardTold,
    Encode: effects.CardTold,
    AuditCheckpoint: effects.CheckpointOffered,
}
"""Answers whose meaning is the driver's business."""


class Phase(Enum):
    """Where a session stands."""

    CHALLENGE = auto()
    WELCOME = auto()
    OPEN = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every session of this daemon shares."""

    identity: Identity
    policy: Policy
    watch: ClockWatch
    clock: Clock
    ids: IdSource
    software: str
    seen_commands: deque[str]
    """Nonces of commands, kept across sessions: none is ever run twice."""


def remembered_commands() -> deque[str]:
    """Return an empty memory of command nonces."""
    return deque(maxlen=REMEMBERED_NONCES)


class LinkSession:
    """One session. `receive` every frame, do the effects in order, stop at `Ended`."""

    def __init__(self, around: Surroundings, position: Position, generation: str) -> None:
        """Begin before the server's challenge. `position` and `generation` go into the hello."""
        self._around = around
        self._position = position
        self._generation = generation
        self._nonce = b""
        self._asked_ms = 0
        self._transfer: Transfer | None = None
        self._coming: StateBegin | None = None
        """The transfer that is being installed: the next delta stands on it."""
        self._refusals = 0
        self.phase = Phase.CHALLENGE
        self.bad_frames = 0

    def receive(self, frame: bytes) -> list[Effect]:
        """Take one frame."""
        message = decode_for_daemon(frame)
        if isinstance(message, BadFrame):
            self.bad_frames += 1
            if self.bad_frames == 1:
                _log.warning("bad_frame", problem=message.problem, size_bytes=message.size_bytes)
            return []
        match self.phase:
            case Phase.CHALLENGE:
                return self._challenged(message)
            case Phase.WELCOME:
                return self._welcomed(message)
            case Phase.OPEN:
                return self._open(message)
            case Phase.ENDED:
                return []

    def transfer_ended(self) -> None:
        """Note that an installation ended, well or not: what is in force counts again."""
        self._coming = None

    def end(self, why: str, advised_ms: int = 0, *, alarm: bool = False) -> list[Effect]:
        """End the session from our side."""
        self.phase = Phase.ENDED
        return [Ended(why, advised_ms, alarm)]

    def _challenged(self, message: ToDaemon) -> list[Effect]:
        around = self._around
        match message:
            case Goodbye():
                return self._goodbye(message)
            case Challenge() if message.site not in {"", around.identity.site}:
                return self.end(
                    f"the server is site {message.site}, this device is of {around.identity.site}; "
                    "check the server's address, or enrol anew",
                    LOOK_AGAIN_MS,
                    alarm=True,
                )
            case Challenge() if message.wire_version < OLDEST_WIRE_VERSION:
                return self.end(
                    f"the server speaks version {message.wire_version}, this daemon needs "
                    f"{OLDEST_WIRE_VERSION} or newer: upgrade the server",
                    LOOK_AGAIN_MS,
                )
            case Challenge():
                self.phase = Phase.WELCOME
                self._asked_ms = around.clock.monotonic_ms()
                return [Send(self._hello(message))]
            case _:
                return self.end(f"{type(message).__name__} came before the challenge")

    def _hello(self, challenge: Challenge) -> Hello:
        around, position = self._around, self._position
        self._nonce = around.ids.random_bytes(NONCE_BYTES)
        hello = Hello(
            device=around.identity.device,
            wire_version=min(WIRE_VERSION, challenge.wire_version),
            software=around.software,
            nonce=self._nonce,
            epoch=position.epoch,
            last_seq=position.last_seq,
            acked_through=position.acked_through,
            generation=self._generation,
            policy_version=around.policy.snapshot.version,
            content_hash=around.policy.snapshot.content_hash,
            deny_version=around.policy.deny_version,
        )
        signature = signing.sign(around.identity.signing_key(), signing.hello_bytes(challenge.nonce, hello))
        return msgspec.structs.replace(hello, signature=signature)

    def _welcomed(self, message: ToDaemon) -> list[Effect]:
        match message:
            case Goodbye():
                return self._goodbye(message)
            case Welcome():
                identity = self._around.identity
                signed = signing.welcome_bytes(self._nonce, identity.device, message)
                if not signing.verified(identity.server_key, message.signature, signed):
                    return self.end(
                        "what answers is not the server this device was enrolled at", LOOK_AGAIN_MS, alarm=True
                    )
                self.phase = Phase.OPEN
                now_ms = self._around.clock.monotonic_ms()
                measured = effects.ClockMeasured(self._asked_ms, message.server_time_ms, now_ms)
                return [measured, effects.Opened(message)]
            case _:
                return self.end(f"{type(message).__name__} came before the welcome")

    def _open(self, message: ToDaemon) -> list[Effect]:
        match message:
            case Deny():
                return self._deny(message)
            case StateBegin() | StatePart() | StateEnd() | StateCurrent():
                return self._state(message)
            case (
                TapDecision() | UploadAck() | KeyTold() | AuditCheckpoint() | EncoderOpen() | EncoderClose() | Encode()
            ):
                return [_PASSED_ON[type(message)](message)]
            case Command():
                return self._command(message)
            case Ping():
                return [Send(Pong(message.id, message.sent_ms, to_millis(self._around.clock.now())))]
            case Pong():
                now_ms = self._around.clock.monotonic_ms()
                return [effects.ClockMeasured(message.sent_ms, message.answered_ms, now_ms)]
            case Goodbye():
                return self._goodbye(message)
            case Challenge() | Welcome():
                return self.end(f"{type(message).__name__} came twice")
            case _:
                assert_never(message)

    def _goodbye(self, goodbye: Goodbye) -> list[Effect]:
        for_a_person = goodbye.code in _FOR_A_PERSON
        advised_ms = max(goodbye.retry_after_ms, LOOK_AGAIN_MS if for_a_person else 0)
        return self.end(f"{goodbye.code.value}: {goodbye.advice}", advised_ms, alarm=for_a_person)

    def _deny(self, deny: Deny) -> list[Effect]:
        identity = self._around.identity
        if not signing.verified(identity.server_key, deny.signature, signing.deny_bytes(identity.site, deny)):
            return self.end("a deny list was not signed by this site's server", LOOK_AGAIN_MS, alarm=True)
        if deny.version < self._around.policy.deny_version:
            _log.info("deny_list_older", version=deny.version)
            return []
        return [effects.InstallDeny(deny)]

    def _state(self, message: StateBegin | StatePart | StateEnd | StateCurrent) -> list[Effect]:
        identity = self._around.identity
        problem: str | None
        match message:
            case StateCurrent():
                current = message.version == self._around.policy.snapshot.version
                return [effects.Confirmed(message.version)] if current else []
            case StateBegin():
                now = self._coming or self._around.policy.snapshot
                problem = begin_problem(message, identity.site, identity.server_key, now.version, now.content_hash)
                self._transfer = None if problem else Transfer(message)
            case _ if self._transfer is None:
                return []  # the rest of a transfer that was refused
            case StatePart():
                problem = self._transfer.take(message)
            case StateEnd():
                done, self._transfer = self._transfer, None
                self._coming = done.begin
                return [effects.InstallState(done.begin, tuple(done.items))]
        if problem is None:
            return []
        self._transfer = None
        self._refusals += 1
        if self._refusals > MAX_REFUSED_TRANSFERS:
            return self.end(f"policy refused again and again: {problem}", LOOK_AGAIN_MS, alarm=True)
        _log.warning("state_refused", version=message.version, problem=problem)
        return [effects.StateRefused(problem)]

    def _command(self, command: Command) -> list[Effect]:
        seen = self._around.seen_commands
        if command.nonce in seen:
            return [Send(CommandDone(command.nonce, "refused", "this command came before"))]
        seen.append(command.nonce)
        watch = self._around.watch
        # The oldest that it may be: a command held up on the line must not pass because the clock was measured badly.
        age_ms = watch.server_now_ms() + watch.uncertainty_ms - command.issued_at_ms
        if not -COMMAND_LIFE_MS <= age_ms <= COMMAND_LIFE_MS:
            return [Send(CommandDone(command.nonce, "expired", f"up to {age_ms} ms old"))]
        deadline_ms = self._around.clock.monotonic_ms() + COMMAND_LIFE_MS - max(0, age_ms)
        return [effects.RunCommand(command, deadline_ms)]
