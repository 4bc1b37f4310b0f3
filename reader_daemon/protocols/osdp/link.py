"""The conversation with one reader: which message is next, and what its reply, or silence, leads to.

One `ReaderLink` a reader; the panel owns the bus and decides whose turn it is. The phases are a straight line from
IDENTIFY to READY (`docs/osdp.md` has the table); every doubt goes back to IDENTIFY, which forgets the session. In
clear text a link sends ID, CAP, CHLNG and SCRYPT, and nothing else, whatever the reader says.
"""

from __future__ import annotations

from collections.abc import Callable

from reader_daemon.messages import CommandResult
from reader_daemon.protocols.osdp.codes import NakReason, ReplyCode, SecurityBlock
from reader_daemon.protocols.osdp.commands import Command, MalformedDataError, Poll, SetKey, encode_data
from reader_daemon.protocols.osdp.crypto import SecureSession, SecurityFaultError
from reader_daemon.protocols.osdp.exchange import Exchange
from reader_daemon.protocols.osdp.frames import Frame, encode
from reader_daemon.protocols.osdp.health import AlarmKind, Condition, Emit, InstallModeClosed, ReaderHealth
from reader_daemon.protocols.osdp.keys import KeyRing
from reader_daemon.protocols.osdp.opening import Opening, Phase
from reader_daemon.protocols.osdp.replies import Ack, Busy, Nak, Reply, decode_reply
from reader_daemon.protocols.osdp.reports import Reports
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import (
    ANSWER_LIMIT_MS,
    BUSY_LIMIT_MS,
    BUSY_PAUSE_MS,
    HANDSHAKE_PAUSE_MS,
    MAX_REPOLLS,
    MAX_RESENDS_AT_ONCE,
    OFFLINE_MS,
    POLL_INTERVAL_MS,
    QUICK_TRIES,
    RESEND_LIMIT_MS,
    SESSION_RENEWAL_MS,
    STALE_GAP_MS,
    Moment,
)
from reader_daemon.protocols.osdp.waiting import CommandQueue, WaitingCommand

_CARD_REPLIES = frozenset({ReplyCode.RAW, ReplyCode.FMT, ReplyCode.KEYPAD, ReplyCode.MFGREP})
_SESSION_NAKS = frozenset({NakReason.SEQUENCE, NakReason.SECURE_CHANNEL_UNSUPPORTED, NakReason.SECURITY_CONDITIONS})
_SEQUENCES = 3


class ReaderLink:
    """State of the conversation with one reader."""

    def __init__(self, settings: ReaderSettings, random_bytes: Callable[[int], bytes], emit: Emit) -> None:
        """Begin offline and silent."""
        self.settings = settings
        self.condition = Condition(settings.name, emit)
        self.keys = KeyRing(settings.scbk, settings.pending_scbk)
        self.exchange: Exchange | None = None
        self.misses = QUICK_TRIES
        self._emit = emit
        self._reports = Reports(settings.name, self.condition, emit)
        self._opening = Opening(settings, self.keys, self.condition, random_bytes, emit)
        self._queue = CommandQueue(settings.name, emit)
        self._session: SecureSession | None = None
        self._session_began_ms = 0
        self._sequence = 0
        self._due_ms = 0
        self._repolls = 0
        self._answered_ms: int | None = None
        self._usable = False
        self._new_key: SetKey | None = None
        if not self.keys.has_any:
            self.condition.detail = "no key"

    # --- what the panel asks -----------------------------------------------------------------------------

    @property
    def responsive(self) -> bool:
        """Whether the reader answers; if not, it shares the probe with the other silent ones."""
        return self.misses < QUICK_TRIES

    def online(self, now_ms: int) -> bool:
        """Whether the reader is in use: a session was complete, and an authenticated reply came in the last 8 s."""
        return self._usable and self._answered_ms is not None and now_ms - self._answered_ms < OFFLINE_MS

    @property
    def secure(self) -> bool:
        """Whether a session under the reader's own key is complete now."""
        return self._session is not None and self._opening.phase is Phase.READY

    def due_ms(self) -> int | None:
        """Return when the link wants the bus next; None: not before somebody asks."""
        if self.exchange is not None:
            return self.exchange.retry_ms
        if self._opening.blocked or not self.keys.has_any:
            return None
        return self._due_ms

    def command_order(self) -> int | None:
        """Return the place of a command that can go out now, None without one."""
        if self.exchange is not None or not self.secure:
            return None
        return self._queue.first_order()

    def next_expiry_ms(self) -> int | None:
        """Return when a waiting command expires."""
        return self._queue.first_deadline_ms()

    def health(self, now_ms: int) -> ReaderHealth:
        """Return the frozen picture of this instant."""
        return ReaderHealth(
            reader=self.settings.name,
            online=self.online(now_ms),
            secure=self.secure,
            detail=self.condition.detail,
            last_reply_age_ms=None if self._answered_ms is None else now_ms - self._answered_ms,
            session_age_ms=now_ms - self._session_began_ms if self.secure else None,
            counters=dict(self.condition.counters),
            identity=self._opening.identity,
            installing=self.keys.installing,
        )

    # --- what use cases ask ------------------------------------------------------------------------------

    def submit(self, command: WaitingCommand, now: Moment) -> None:
        """Queue a command; completes it at once as expired if the reader is offline, refused if the queue is full."""
        if not self.online(now.ms) or now.ms >= command.deadline_ms:
            self._queue.finish(command, CommandResult.EXPIRED)
        else:
            self._queue.add(command)

    def roll_key(self, new_key: bytes) -> None:
        """Give the reader a new key inside the session. Raises WeakKeyError, or ValueError without such a session."""
        if not self.secure:
            msg = f"reader {self.settings.name} has no session under its own key"
            raise ValueError(msg)
        if self._new_key is not None or self.keys.pending is not None:
            msg = f"reader {self.settings.name} is being given a key already"
            raise ValueError(msg)
        self.keys.set_pending(new_key)
        self._new_key = SetKey(new_key)

    def open_install_mode(self, new_key: bytes, duration_ms: int, now: Moment) -> None:
        """Allow one handshake on SCBK-D to give the reader its first key. Raises ValueError on a bad key or time."""
        self.keys.open_install_mode(new_key, now.ms, duration_ms)
        self.restart(now.ms)

    def confirm_identity(self, now: Moment) -> None:
        """Accept the reader that answers at this address now: a person looked."""
        self._opening.confirm_identity()
        self.restart(now.ms)

    # --- time --------------------------------------------------------------------------------------------

    def advance(self, now: Moment, *, awaited: bool) -> None:
        """Let time pass: expire, give up, renew, go offline, tell the status. `awaited`: a reply may still come."""
        self._queue.expire(now.ms)
        if self.exchange is not None and not awaited and now.ms >= self.exchange.deadline_ms:
            self.restart(now.ms)
        if self._usable and not self.online(now.ms):
            # Restart too: after a stall of this process the old session must not go on behind an offline reader.
            self.restart(now.ms)
            self._go_offline("silent")
        if self.keys.install_mode_ended(now.ms):
            self._emit(InstallModeClosed(self.settings.name, key_sent=False))
            self.restart(now.ms)
        if self.secure and self.exchange is None and now.ms - self._session_began_ms >= SESSION_RENEWAL_MS:
            self.restart(now.ms)
        self._reports.tell_status(self.online(now.ms), self.secure)

    def line_lost(self, now: Moment) -> None:
        """Go offline with the port: nothing that waits may be sent when it is back."""
        self.restart(now.ms)
        self._go_offline("port lost")
        self.misses = QUICK_TRIES
        self._reports.tell_status(self.online(now.ms), self.secure)

    def close(self) -> None:
        """Complete everything that waits."""
        self.restart(0)
        self._queue.expire_all()

    def restart(self, now_ms: int, pause_ms: int = 0) -> None:
        """Begin anew at sequence 0 without a session. What was sent and not answered is unknown for ever."""
        exchange, self.exchange = self.exchange, None
        self._session = None
        self._new_key = None
        self._sequence = 0
        self._repolls = 0
        self._opening.restart()
        self._due_ms = now_ms + pause_ms
        if exchange is not None and exchange.waiting is not None:
            self._queue.finish(exchange.waiting, CommandResult.UNKNOWN)

    # --- sending -----------------------------------------------------------------------------------------

    def compose(self, now: Moment) -> bytes:
        """Return the bytes to send now: the unanswered message again, or the next one."""
        if self.exchange is not None:
            self.condition.counters["retries"] += 1
            return self.exchange.message
        waiting: WaitingCommand | None = None
        limit_ms = RESEND_LIMIT_MS
        if self._session is None:
            frame = self._opening.clear_frame(self._sequence)
        else:
            command: Command
            if self._opening.phase is Phase.INSTALL or self._new_key is not None:
                command, limit_ms = self._keyset(), ANSWER_LIMIT_MS
            elif self._opening.phase is not Phase.READY:
                command = self._opening.session_command()
            elif waiting := self._queue.take():
                command, limit_ms = waiting.command, min(waiting.deadline_ms - now.ms, ANSWER_LIMIT_MS)
            else:
                command = Poll()
            clear = Frame(self.settings.address, False, self._sequence, command.code, encode_data(command))  # noqa: FBT003
            frame = self._session.seal(clear)
        message = encode(frame)
        self.exchange = Exchange(message, self._sequence, now.ms, now.ms + limit_ms, frame.code, waiting)
        self._sequence = self._sequence % _SEQUENCES + 1
        return message

    def _keyset(self) -> SetKey:
        if self._new_key is not None:
            return self._new_key
        pending = self.keys.pending
        assert pending is not None  # install mode always has the key it was opened for
        self.keys.close_install_mode()
        self._emit(InstallModeClosed(self.settings.name, key_sent=True))
        return SetKey(pending)

    # --- receiving ---------------------------------------------------------------------------------------

    def on_timeout(self, now: Moment) -> None:
        """No reply came in time."""
        self.misses += 1
        if self.misses >= QUICK_TRIES:
            self.condition.detail = "silent"
        if self.exchange is None or self._opening.phase is Phase.IDENTIFY or self.exchange.met_clear_reply:
            self.restart(now.ms)
        else:
            self.exchange.retry_ms = now.ms

    def on_frame(self, frame: Frame, now: Moment) -> bool:
        """Take a reply from this reader's address. Return whether the bus is free again."""
        exchange = self.exchange
        if exchange is None:
            return True
        if frame.code == ReplyCode.BUSY and frame.block_type is None and frame.sequence in {0, exchange.sequence}:
            return self._on_busy(exchange, now)
        if frame.sequence != exchange.sequence:
            self.condition.counters["sequence_errors"] += 1
            return False
        if frame.code == ReplyCode.NAK and not frame.is_secured and frame.data[:1] == bytes((NakReason.CHECK_BYTES,)):
            return self._on_check_nak(exchange, now)
        if self._session is None:
            self._on_opening_reply(frame, now)
            return True
        if not frame.is_secured:
            return self._on_clear_reply(exchange, frame, now)
        self._on_secured_reply(self._session, exchange, frame, now)
        return True

    def _on_busy(self, exchange: Exchange, now: Moment) -> bool:
        self.condition.counters["busy"] += 1
        if exchange.busy_since_ms is None:
            exchange.busy_since_ms = now.ms
        if now.ms - exchange.busy_since_ms >= BUSY_LIMIT_MS:
            self.restart(now.ms)
        else:
            exchange.retry_ms = now.ms + BUSY_PAUSE_MS
        return True

    def _on_check_nak(self, exchange: Exchange, now: Moment) -> bool:
        """NAK 1: the same bytes again. It costs the sender nothing, so only a few are answered at once."""
        self.condition.nak(NakReason.CHECK_BYTES, now, suspicious=False)
        exchange.resent_at_once += 1
        exchange.retry_ms = now.ms
        return exchange.resent_at_once <= MAX_RESENDS_AT_ONCE

    def _on_clear_reply(self, exchange: Exchange, frame: Frame, now: Moment) -> bool:
        """Clear text inside a session proves nothing: dropped. A NAK may mean that the session is lost."""
        self.condition.counters["clear_replies"] += 1
        if frame.code == ReplyCode.NAK:
            self.condition.nak(frame.data[0] if frame.data else 0, now, suspicious=True)
            self.restart(now.ms)
            return True
        if exchange.code == SetKey.code and frame.code == ReplyCode.ACK:
            self.restart(now.ms)
            return True
        self._alarm_clear(frame, now)
        exchange.met_clear_reply = True
        return False

    def _alarm_clear(self, frame: Frame, now: Moment) -> None:
        kind = AlarmKind.CLEAR_CARD if frame.code in _CARD_REPLIES else AlarmKind.CLEAR_REPLY
        self.condition.alarm(kind, f"reply 0x{frame.code:02X} without encryption", now)

    def _on_opening_reply(self, frame: Frame, now: Moment) -> None:
        self.misses = 0
        if frame.code in _CARD_REPLIES:
            self.exchange = None
            self._alarm_clear(frame, now)
            self.restart(now.ms, HANDSHAKE_PAUSE_MS)
            return
        session = self._opening.take_clear(frame, now)
        self.exchange = None
        if isinstance(session, SecureSession):
            self._session = session
            self._session_began_ms = now.ms
            self._authenticated(now)
        elif session is not None:
            self.condition.detail = session.reason
            self.restart(now.ms, session.pause_ms)
        self._due_ms = max(self._due_ms, now.ms) if session is not None else now.ms

    def _authenticated(self, now: Moment) -> None:
        if self._answered_ms is None or now.ms - self._answered_ms > STALE_GAP_MS:
            self._reports.begin_stale_window(now)
        self._answered_ms = now.ms
        self.misses = 0

    def _on_secured_reply(self, session: SecureSession, exchange: Exchange, frame: Frame, now: Moment) -> None:
        try:
            opened = session.unseal(frame)
        except SecurityFaultError as fault:
            self.condition.counters["mac_failures"] += 1
            self.condition.alarm(AlarmKind.BAD_MAC, str(fault), now)
            self.restart(now.ms)
            return
        self._authenticated(now)
        reply = self._decoded(opened, now)
        if isinstance(reply, Nak):
            self.condition.nak(reply.reason, now, suspicious=reply.reason in _SESSION_NAKS)
            if reply.reason in _SESSION_NAKS:
                self.restart(now.ms)
                return
        self.exchange = None
        if exchange.code == SetKey.code:
            self.restart(now.ms)
        elif self._opening.phase is not Phase.READY:
            self._take_opening(reply, now)
        else:
            self._take_ready(exchange, reply, now)

    def _decoded(self, opened: Frame, now: Moment) -> Reply | None:
        """Read the authenticated reply; None if it does not fit its code or must not be believed."""
        if opened.code in _CARD_REPLIES and opened.block_type != SecurityBlock.SCS_18:
            self._alarm_clear(opened, now)
            return None
        try:
            return decode_reply(opened.code, opened.data)
        except MalformedDataError:
            self.condition.counters["malformed"] += 1
            if opened.code == ReplyCode.RAW:
                self._reports.malformed_card(now)
            return None

    def _take_opening(self, reply: Reply | None, now: Moment) -> None:
        if reply is not None and not isinstance(reply, Ack | Nak):
            self._reports.deliver(reply, now)
        self._opening.take_session(reply, now)
        self._due_ms = now.ms
        if self._opening.blocked:
            self.restart(now.ms)
            self._go_offline("identity changed")
        elif self._opening.phase is Phase.READY:
            self._usable = True
            self.condition.detail = ""

    def _take_ready(self, exchange: Exchange, reply: Reply | None, now: Moment) -> None:
        if exchange.waiting is not None:
            self._queue.finish(exchange.waiting, _result_of(reply))
        self.condition.detail = ""
        polled = exchange.code == Poll.code
        if reply is not None and not isinstance(reply, Ack | Nak):
            self._reports.deliver(reply, now)
            self._repolls += 1
            again = self._repolls <= MAX_REPOLLS
            self._due_ms = now.ms if again else now.ms + POLL_INTERVAL_MS
            self._repolls = self._repolls if again else 0
        elif polled:
            self._repolls = 0
            self._due_ms = max(exchange.first_sent_ms + POLL_INTERVAL_MS, now.ms)
            if isinstance(reply, Ack):
                self._reports.memory_is_empty()

    def _go_offline(self, why: str) -> None:
        self._usable = False
        self.condition.detail = why
        self._queue.expire_all()


def _result_of(reply: Reply | None) -> CommandResult:
    """Return what an authenticated answer says about the command it answers."""
    match reply:
        case None:
            return CommandResult.UNKNOWN  # it does not fit its own code
        case Nak() | Busy():
            return CommandResult.REFUSED  # a busy reader under MAC will not take the same bytes again
        case _:
            return CommandResult.DONE
