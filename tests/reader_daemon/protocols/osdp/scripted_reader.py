"""A reader in virtual time for the panel's tests, built on the pure codec: correct by default, wrong on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reader_daemon.protocols.osdp import commands, replies
from reader_daemon.protocols.osdp.codes import Capability, NakReason, SecurityBlock
from reader_daemon.protocols.osdp.crypto import (
    DEFAULT_KEY,
    Role,
    SecureSession,
    SecurityFaultError,
    SessionKeys,
    client_cryptogram,
    derive_session_keys,
    initial_r_mac,
    server_cryptogram,
)
from reader_daemon.protocols.osdp.frames import Frame, FrameSplitter, encode
from reader_daemon.protocols.osdp.timing import GAP_IN_FRAME_MS

IDENTITY = replies.Identity(vendor=0x0A0B0C, model=2, version=1, serial=0x11223344, firmware=(1, 2, 3))
CAPABILITIES = replies.Capabilities(
    tuple(
        replies.CapabilityRecord(function, compliance, count)
        for function, compliance, count in (
            (Capability.INPUTS, 1, 4),
            (Capability.OUTPUTS, 4, 2),
            (Capability.LED, 4, 1),
            (Capability.CHECK, 1, 0),
            (Capability.SECURITY, 1, 0),
        )
    )
)
SESSION_DROPPED_MS = 8_000


@dataclass(frozen=True)
class Heard:
    """A command the reader executed: when, what, and whether it came inside a session."""

    ms: int
    command: commands.Command
    secured: bool
    default_key: bool


@dataclass
class ScriptedReader:
    """One reader. Assign the fields to make it misbehave."""

    address: int
    scbk: bytes | None
    accepts_default_key: bool = False
    identity: replies.Identity = IDENTITY
    capabilities: replies.Capabilities = CAPABILITIES
    clear_capabilities: replies.Capabilities | None = None
    tampered: bool = False
    inputs: bytes = b"\0\0\0\0"
    powered: bool = True
    events: deque[replies.Reply] = field(default_factory=deque)
    heard: list[Heard] = field(default_factory=list)
    answer: Callable[[commands.Command, bool], replies.Reply | None] = lambda _command, _secured: None
    """Override the reply to a command; None for the normal one. The second argument: inside a session."""
    reply_frame: Callable[[Frame, Frame], Frame] = lambda _clear, sealed: sealed
    """Replace the outgoing frame; gets it before and after sealing."""
    answers_default_key: bool = False
    drops_session_when_silent: bool = True

    def __post_init__(self) -> None:
        self._splitter = FrameSplitter()
        self._session: SecureSession | None = None
        self._keys: SessionKeys | None = None
        self._rnd_b = bytes.fromhex("1122334455667788")
        self._rnd_a = b""
        self._kind = 1
        self._last: tuple[Frame, bytes] | None = None
        self._last_ms = 0
        self._received_ms = 0

    def power_cycle(self) -> None:
        """Forget the session and the last reply."""
        self._session = None
        self._last = None

    def receive(self, received: bytes, ms: int) -> bytes:
        """Take bytes; return what goes on the line."""
        if not self.powered:
            return b""
        if self.drops_session_when_silent and ms - self._last_ms >= SESSION_DROPPED_MS:
            self._session = None
        if ms - self._received_ms >= GAP_IN_FRAME_MS:
            self._splitter.clear()
        self._received_ms = ms
        sent = b""
        for frame in self._splitter.feed(received):
            if isinstance(frame, Frame) and not frame.is_reply and frame.address == self.address:
                self._last_ms = ms
                sent += self._respond(frame, ms)
        return sent

    def _respond(self, frame: Frame, ms: int) -> bytes:
        if frame.sequence == 0:
            self._session = None
        elif self._last is not None and self._last[0] == frame:
            return self._last[1]
        sent = encode(self._reply(frame, ms))
        self._last = (frame, sent)
        return sent

    def _reply(self, frame: Frame, ms: int) -> Frame:
        clear = Frame(self.address, is_reply=True, sequence=frame.sequence, code=0)
        secured = frame.is_secured
        if secured:
            try:
                if self._session is None:
                    return _with(clear, replies.Nak(NakReason.SECURITY_CONDITIONS))
                frame = self._session.unseal(frame)
            except SecurityFaultError:
                self._session = None
                return _with(clear, replies.Nak(NakReason.SECURITY_CONDITIONS))
        command = commands.decode_command(frame.code, frame.data)
        self.heard.append(Heard(ms, command, secured, secured and self._kind == 0))
        reply = self.answer(command, secured)
        if reply is None and not secured:
            if isinstance(command, commands.Challenge):
                return self.reply_frame(clear, self._challenged(clear, frame, command))
            if isinstance(command, commands.ServerCryptogram):
                return self.reply_frame(clear, self._proven(clear, command))
        reply = reply or self._executed(command, secured=secured)
        clear = _with(clear, reply)
        return self.reply_frame(clear, self._session.seal(clear) if secured and self._session else clear)

    def _executed(self, command: commands.Command, *, secured: bool) -> replies.Reply:
        match command:
            case commands.RequestIdentity():
                return self.identity
            case commands.RequestCapabilities():
                return self.capabilities if secured or not self.clear_capabilities else self.clear_capabilities
            case _ if not secured:
                return replies.Nak(NakReason.SECURITY_CONDITIONS)
            case commands.Poll():
                return self.events.popleft() if self.events else replies.Ack()
            case commands.RequestLocalStatus():
                return replies.LocalStatus(self.tampered, power_fault=False)
            case commands.RequestInputs():
                return replies.Inputs(self.inputs)
            case commands.SetKey(scbk):
                self.scbk = scbk
                self.accepts_default_key = False
                return replies.Ack()
            case _:
                return replies.Ack()

    def _challenged(self, clear: Frame, frame: Frame, command: commands.Challenge) -> Frame:
        self._kind = frame.block_data[0]
        key = DEFAULT_KEY if self._kind == 0 or self.answers_default_key else self.scbk
        if key is None or (self._kind == 0 and not self.accepts_default_key):
            return _with(clear, replies.Nak(NakReason.SECURITY_CONDITIONS))
        self._rnd_a = command.rnd_a
        self._keys = derive_session_keys(key, self._rnd_a)
        proof = client_cryptogram(self._keys, self._rnd_a, self._rnd_b)
        answer = _with(clear, replies.ClientCryptogram(b"\1" * 8, self._rnd_b, proof))
        kind = 0 if self.answers_default_key else self._kind
        return replace(answer, block_type=SecurityBlock.SCS_12, block_data=bytes((kind,)))

    def _proven(self, clear: Frame, command: commands.ServerCryptogram) -> Frame:
        if self._keys is None or server_cryptogram(self._keys, self._rnd_a, self._rnd_b) != command.cryptogram:
            return _with(clear, replies.Nak(NakReason.SECURE_CHANNEL_UNSUPPORTED))
        r_mac = initial_r_mac(self._keys, command.cryptogram)
        self._session = SecureSession(Role.READER, self._keys, r_mac)
        answer = _with(clear, replies.InitialRMac(r_mac))
        return replace(answer, block_type=SecurityBlock.SCS_14, block_data=b"\1")

    def executed(self, kind: type[commands.Command]) -> list[Heard]:
        """Return the executed commands of one kind."""
        return [heard for heard in self.heard if isinstance(heard.command, kind)]


def _with(frame: Frame, reply: replies.Reply) -> Frame:
    return replace(frame, code=reply.code, data=replies.encode_data(reply))
