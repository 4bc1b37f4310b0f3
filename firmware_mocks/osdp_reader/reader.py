"""Theory of operation of the mock OSDP reader (peripheral device, OSDP 2.2).

`feed` takes bytes in any chunking and returns the bytes to send; `advance` lets timers run and returns delayed bytes.
A frame for this address goes through these gates, in this order:

1. Sequence: 0 restarts the conversation and drops the session; the number answered last gets the last reply again,
   byte for byte, nothing executed and no MAC chain moved; any other unexpected number gets NAK 4.
2. Faults that answer instead of executing.
3. Security: a secured frame needs a session and a right MAC, or the session dies and the answer is NAK 6. With a key
   nothing is answered in clear text but ID, CAP and the handshake.
4. Execution, by `ReaderBody` or here (identity, keys, line).

Reply, sequence and MAC chain are settled before any fault of the wire, so a repeat heals what the wire spoilt.
No clock and no I/O. It shares the codec with the panel, never its state machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from firmware_mocks.happenings import Kind, Observer, ignore
from firmware_mocks.osdp_reader.body import ReaderBody
from firmware_mocks.osdp_reader.conversation import Conversation, Order
from firmware_mocks.osdp_reader.faults import Fault, FaultBox
from firmware_mocks.osdp_reader.secure_channel import Answer, SecureChannel
from firmware_mocks.osdp_reader.settings import ReaderSettings
from firmware_mocks.osdp_reader.wire import SpoiltWire
from firmware_mocks.system import RandomBytes
from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import (
    KEY_DEFAULT,
    MAX_READER_ADDRESS,
    Capability,
    CommandCode,
    NakReason,
    SecurityBlock,
)
from reader_daemon.protocols.osdp.crypto import KEY_BYTES, SecurityFaultError
from reader_daemon.protocols.osdp.frames import BrokenFrame, Frame, FrameSplitter, encode

BROADCAST_ADDRESS = 0x7F
FRAME_GAP_MS = 50
"""The standard's gap inside a frame is 20 ms; a loaded host's scheduler is granted the rest."""
UNKNOWN_REPLY_CODE = 0xE7
FAULTY_CARD = replies.RawCard(0, 0, 26, bytes.fromhex("1badcafe"))
FAULTY_CHARACTERS = b"1234567890"
SPOILT_MAC_MASK = 0xFF
BAUDS = frozenset({9_600, 19_200, 38_400, 57_600, 115_200, 230_400})
_HANDSHAKE_BLOCKS = {CommandCode.CHLNG: SecurityBlock.SCS_11, CommandCode.SCRYPT: SecurityBlock.SCS_13}
_ANSWERED_IN_CLEAR = (commands.RequestIdentity, commands.RequestCapabilities)


@dataclass(slots=True)
class ReaderCounters:
    """What the protocol saw since the start, for tests."""

    frames: int = 0
    broken: int = 0
    repeats: int = 0
    naks: int = 0
    mac_failures: int = 0
    sessions: int = 0
    keysets: int = 0
    refused_in_clear: int = 0


class OsdpReader:
    """One reader on a bus. Times given to its methods must not go back."""

    def __init__(
        self, name: str, settings: ReaderSettings, random_bytes: RandomBytes, observe: Observer = ignore
    ) -> None:
        """Make a powered reader without conversation."""
        self.name = name
        self.settings = settings
        self.address = settings.address
        self.baud = settings.baud
        self.counters = ReaderCounters()
        self.faults = FaultBox()
        self.body = ReaderBody(name, observe)
        self.channel = SecureChannel(
            settings.unique_id, settings.scbk, random_bytes, install_mode=settings.install_mode
        )
        self._random_bytes = random_bytes
        self._splitter = FrameSplitter()
        self._conversation = Conversation()
        self._wire = SpoiltWire(self.faults, random_bytes)
        self._heard_at_ms = 0
        self._powered_at_ms: int | None = None
        self._told: tuple[bool, bool] = (False, False)
        self._line_change: commands.SetLine | None = None

    @property
    def is_online(self) -> bool:
        """Say whether a conversation is going on."""
        return self._conversation.is_open

    @property
    def is_secure(self) -> bool:
        """Say whether a session under the reader's own key is up."""
        return self.channel.is_active and self.channel.key_number != KEY_DEFAULT

    # --- bytes and time ---

    def feed(self, data: bytes, now_ms: int) -> bytes:
        """Hear bytes; returns what to send at once."""
        sent = self.advance(now_ms)
        if self._powered_at_ms is not None:
            return sent
        if self._splitter.held_bytes and now_ms - self._heard_at_ms > FRAME_GAP_MS:
            self._splitter.drop_partial()
        self._heard_at_ms = now_ms
        for frame in self._splitter.feed(data):
            if isinstance(frame, BrokenFrame):
                self.counters.broken += 1
            elif not frame.is_reply and frame.address in {self.address, BROADCAST_ADDRESS}:
                sent += self._hear(frame, now_ms)
        self._tell_state(now_ms)
        return sent

    def advance(self, now_ms: int) -> bytes:
        """Let everything happen that is due; returns delayed bytes."""
        if self._powered_at_ms is not None and self._powered_at_ms <= now_ms:
            self._powered_at_ms = None
            self.body.tell(Kind.POWER, now_ms, on=True)
        self.body.advance(now_ms)
        ends_ms = self._conversation.ends_ms()
        if ends_ms is not None and ends_ms <= now_ms:
            self._end_conversation()
            self._tell_state(now_ms)
        return self._wire.advance(now_ms)

    def next_due_ms(self) -> int | None:
        """Return when `advance` next has something to do, or None."""
        instants = (
            self.body.next_due_ms(),
            self._wire.next_due_ms(),
            self._conversation.ends_ms(),
            self._powered_at_ms,
        )
        return min((instant for instant in instants if instant is not None), default=None)

    def power_cycle(self, now_ms: int, off_ms: int) -> None:
        """Lose power for `off_ms`: deaf and dumb, everything in memory is gone afterwards; key and address stay."""
        self._powered_at_ms = now_ms + off_ms
        self._end_conversation()
        self._splitter.clear()
        self._wire.clear()
        self.body.lose_power(now_ms)
        self.body.tell(Kind.POWER, now_ms, on=False)
        self._tell_state(now_ms)

    def swap_key(self, scbk: bytes | None, now_ms: int) -> None:
        """Put another key in, as if the reader had been exchanged; conversation and session end."""
        self.channel.scbk = scbk
        self._end_conversation()
        self._tell_state(now_ms)

    def _end_conversation(self) -> None:
        self._conversation.close()
        self.channel.drop()

    def _tell_state(self, now_ms: int) -> None:
        state = (self.is_online, self.is_secure)
        if state != self._told:
            self._told = state
            self.body.tell(Kind.ONLINE, now_ms, online=state[0], secure=state[1])

    # --- one frame ---

    def _hear(self, frame: Frame, now_ms: int) -> bytes:
        self.counters.frames += 1
        if self.faults.take(Fault.DEAF):
            return b""
        self._conversation.heard(now_ms)
        order = self._conversation.judge(frame.sequence)
        if order is Order.REPEAT:
            self.counters.repeats += 1
            return self._wire.send(self._conversation.cached_reply, frame, now_ms)
        if order is Order.WRONG:
            return self._wire.send(encode(self._clear(frame, Answer(replies.Nak(NakReason.SEQUENCE)))), frame, now_ms)
        if order is Order.RESTART:
            self._end_conversation()
            self.body.begin_conversation(now_ms)
        if self.faults.take(Fault.BUSY):
            busy = replace(self._clear(frame, Answer(replies.Busy())), sequence=0)
            return self._wire.send(encode(busy), frame, now_ms)
        sound, sent = self._answer(frame, now_ms)
        self._conversation.answered(frame.sequence, sound)
        self._switch_line()
        return self._wire.send(sent, frame, now_ms)

    def _answer(self, frame: Frame, now_ms: int) -> tuple[bytes, bytes]:
        """Answer a command in sequence: the sound reply, and the copy that goes out if a fault spoils its header."""
        if not frame.is_secured:
            if self.channel.is_active:
                self.channel.drop()
            reply = self._clear(frame, self._answer_in_clear(frame, now_ms))
            return self._encoded(reply, encode(reply))
        try:
            command = self.channel.unseal(frame) if self.channel.is_active else None
        except SecurityFaultError:
            command = None
        if command is None:
            self.counters.mac_failures += self.channel.is_active
            self.channel.drop()
            refused = encode(self._clear(frame, Answer(replies.Nak(NakReason.SECURITY_CONDITIONS))))
            return refused, refused
        return self._answer_in_session(command, now_ms)

    def _answer_in_session(self, frame: Frame, now_ms: int) -> tuple[bytes, bytes]:
        if frame.code == CommandCode.POLL and self.faults.take(Fault.CLEAR_CARD):
            forged = encode(self._clear(frame, Answer(FAULTY_CARD)))
            return self._sealed(frame, replies.Ack())[0], forged
        if frame.code == CommandCode.POLL and self.faults.take(Fault.MAC_ONLY_CARD):
            forged = encode(self.channel.seal_without_encryption(self._clear(frame, Answer(FAULTY_CARD))))
            return self._sealed(frame, replies.Ack())[0], forged
        if frame.code in _HANDSHAKE_BLOCKS:  # a handshake is never spoken inside a session
            return self._sealed(frame, replies.Nak(NakReason.SECURITY_CONDITIONS))
        reply = self._execute(frame, now_ms).reply
        sound, sent = self._sealed(frame, reply)
        if isinstance(reply, replies.Ack) and frame.code == CommandCode.KEYSET:
            self.channel.drop()
        return sound, sent

    def _sealed(self, frame: Frame, reply: replies.Reply) -> tuple[bytes, bytes]:
        clear = self._clear(frame, Answer(reply))
        if self.faults.take(Fault.CLEAR_REPLY):
            return encode(self.channel.seal(clear)), encode(clear)
        misheaded = self._misheaded(clear)
        aside = encode(self.channel.seal_aside(misheaded)) if misheaded is not clear else b""
        sealed = self.channel.seal(clear)
        if self.faults.take(Fault.BAD_MAC):
            spoilt = bytes(byte ^ SPOILT_MAC_MASK for byte in sealed.mac)
            aside = encode(replace(sealed, mac=spoilt))
        sound = encode(sealed)
        return sound, aside or sound

    def _encoded(self, reply: Frame, sound: bytes) -> tuple[bytes, bytes]:
        misheaded = self._misheaded(reply)
        return sound, encode(misheaded) if misheaded is not reply else sound

    def _misheaded(self, reply: Frame) -> Frame:
        if self.faults.take(Fault.WRONG_SQN):
            return replace(reply, sequence=(reply.sequence + 2) % 4)
        if self.faults.take(Fault.WRONG_ADDRESS):
            return replace(reply, address=(reply.address + 1) % BROADCAST_ADDRESS)
        return reply

    def _clear(self, command: Frame, answer: Answer) -> Frame:
        self.counters.naks += isinstance(answer.reply, replies.Nak)
        return Frame(
            address=command.address,
            is_reply=True,
            sequence=command.sequence,
            code=answer.reply.code,
            data=replies.encode_data(answer.reply),
            block_type=answer.block_type,
            block_data=answer.block_data,
        )

    # --- commands ---

    def _answer_in_clear(self, frame: Frame, now_ms: int) -> Answer:
        code = frame.code
        if code in _HANDSHAKE_BLOCKS:
            if frame.block_type != _HANDSHAKE_BLOCKS[CommandCode(code)]:
                return Answer(replies.Nak(NakReason.SECURITY_CONDITIONS))
            return self._execute(frame, now_ms)
        allowed = self.channel.scbk is None or code in {kind.code for kind in _ANSWERED_IN_CLEAR}
        if frame.block_type is not None or not allowed or code == CommandCode.KEYSET:
            self.counters.refused_in_clear += 1
            return Answer(replies.Nak(NakReason.SECURITY_CONDITIONS))
        return self._execute(frame, now_ms)

    def _execute(self, frame: Frame, now_ms: int) -> Answer:
        """Execute a command whose data is clear by now."""
        instead = self._faulty_reply(frame.code)
        if instead is not None:
            return Answer(instead)
        try:
            command = commands.decode_command(frame.code, frame.data)
        except commands.MalformedDataError:
            return Answer(replies.Nak(NakReason.COMMAND_LENGTH))
        match command:
            case commands.RequestIdentity():
                changed = self.faults.take(Fault.CHANGED_ID)
                identity = self.settings.identity
                return Answer(replace(identity, serial=identity.serial ^ 0xFF) if changed else identity)
            case commands.RequestCapabilities():
                return Answer(self._capabilities())
            case commands.SetLine(address, baud):
                return Answer(self._take_line(command, address, baud))
            case commands.SetKey(scbk):
                return Answer(self._take_key(scbk, now_ms))
            case commands.Challenge():
                default = self.faults.take(Fault.DEFAULT_KEY)
                return self.channel.challenge(command, frame.block_data, answer_default=default)
            case commands.ServerCryptogram():
                answer = self.channel.prove(command, frame.block_data)
                self.counters.sessions += self.channel.is_active
                return answer
            case _:
                return Answer(self.body.execute(command, now_ms))

    def _faulty_reply(self, code: int) -> replies.Reply | None:
        reason = self.faults.take_nak()
        if reason is not None:
            return replies.Nak(reason)
        if code != CommandCode.POLL:
            return None
        if self.faults.take(Fault.NAK_POLL):
            return replies.Nak(NakReason.UNKNOWN_COMMAND)
        if self.faults.take(Fault.FMT):
            return replies.FormattedCard(0, 0, FAULTY_CHARACTERS)
        if self.faults.take(Fault.UNKNOWN_REPLY):
            return replies.OtherReply(UNKNOWN_REPLY_CODE, b"\x01\x02")
        return None

    def _capabilities(self) -> replies.Capabilities:
        capabilities = self.settings.capabilities
        if not self.faults.take(Fault.LYING_CAP):
            return capabilities
        hidden = {Capability.SECURITY, Capability.CHECK}
        return replies.Capabilities(tuple(each for each in capabilities.records if each.function not in hidden))

    def _take_line(self, command: commands.SetLine, address: int, baud: int) -> replies.Reply:
        if address > MAX_READER_ADDRESS or baud not in BAUDS:
            return replies.Nak(NakReason.RECORD)
        self._line_change = command
        return replies.Line(address, baud)

    def _switch_line(self) -> None:
        """Take the new address and baud rate, after the reply at the old ones; the conversation begins anew."""
        if self._line_change is not None:
            self.address, self.baud = self._line_change.address, self._line_change.baud
            self._line_change = None
            self._end_conversation()

    def _take_key(self, scbk: bytes, now_ms: int) -> replies.Reply:
        """Take a new key; only reached inside a session."""
        if len(scbk) != KEY_BYTES:
            return replies.Nak(NakReason.COMMAND_LENGTH)
        self.channel.set_key(scbk)
        self.counters.keysets += 1
        self.body.tell(Kind.KEYSET, now_ms)
        return replies.Ack()
