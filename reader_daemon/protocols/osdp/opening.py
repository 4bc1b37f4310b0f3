"""From silence to a session: the steps before a reader is polled, each with its command and what its reply means.

In clear text ID, CAP and the handshake; then, authenticated, ID and CAP again, tamper, inputs and the resting lamp.
What the reader claims in clear text is compared and may raise an alarm; it never decides anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, auto

from reader_daemon.protocols.osdp.actions import resting_lamp
from reader_daemon.protocols.osdp.codes import KEY_DEFAULT, Capability, ReplyCode, SecurityBlock
from reader_daemon.protocols.osdp.commands import (
    Command,
    MalformedDataError,
    RequestCapabilities,
    RequestIdentity,
    RequestInputs,
    RequestLocalStatus,
    encode_data,
)
from reader_daemon.protocols.osdp.crypto import NONCE_BYTES, SecureSession
from reader_daemon.protocols.osdp.frames import Frame
from reader_daemon.protocols.osdp.handshake import Handshake, HandshakeFault
from reader_daemon.protocols.osdp.health import AlarmKind, Condition, Emit, KeyRolled, ReaderIdentified
from reader_daemon.protocols.osdp.keys import KeyRing
from reader_daemon.protocols.osdp.replies import Capabilities, Identity, Reply, decode_reply
from reader_daemon.protocols.osdp.settings import ReaderSettings
from reader_daemon.protocols.osdp.timing import HANDSHAKE_PAUSE_MS, Moment


class Phase(Enum):
    """The steps, in order. INSTALL is taken only in a session on SCBK-D, instead of all that follow it."""

    IDENTIFY = auto()
    CAPABILITIES = auto()
    CHALLENGE = auto()
    CRYPTOGRAM = auto()
    INSTALL = auto()
    SESSION_IDENTIFY = auto()
    SESSION_CAPABILITIES = auto()
    LOCAL_STATUS = auto()
    INPUTS = auto()
    LAMP = auto()
    READY = auto()


_AFTER = {
    Phase.SESSION_IDENTIFY: Phase.SESSION_CAPABILITIES,
    Phase.SESSION_CAPABILITIES: Phase.LOCAL_STATUS,
    Phase.LOCAL_STATUS: Phase.INPUTS,
    Phase.INPUTS: Phase.LAMP,
    Phase.LAMP: Phase.READY,
}
_NEEDS = {Phase.INPUTS: Capability.INPUTS, Phase.LAMP: Capability.LED}
_AES_BIT = 0x01


@dataclass(frozen=True, slots=True)
class OpeningFailed:
    """No session; try again after the pause."""

    reason: str
    pause_ms: int


class Opening:
    """Where one reader stands between silence and READY."""

    def __init__(
        self,
        settings: ReaderSettings,
        keys: KeyRing,
        condition: Condition,
        random_bytes: Callable[[int], bytes],
        emit: Emit,
    ) -> None:
        """Begin at IDENTIFY."""
        self.phase = Phase.IDENTIFY
        self.blocked = False
        """Another reader answers with the right key: unused until a person confirms it."""
        self.identity: Identity | None = None
        """As read inside the last session."""
        self._settings = settings
        self._keys = keys
        self._condition = condition
        self._random_bytes = random_bytes
        self._emit = emit
        self._expected = settings.expected_identity
        self._handshake: Handshake | None = None
        self._claimed: Capabilities | None = None
        self._capabilities: Capabilities | None = None

    def restart(self) -> None:
        """Forget the session and the handshake; keep what is known of the reader."""
        self.phase = Phase.IDENTIFY
        self._handshake = None
        self._claimed = None
        self._capabilities = None

    def confirm_identity(self) -> None:
        """Accept whoever answers in the next session."""
        self._expected = None
        self.blocked = False

    # --- in clear text -----------------------------------------------------------------------------------

    def clear_frame(self, sequence: int) -> Frame:
        """Return the next clear-text frame: ID, CAP, CHLNG or SCRYPT, and no other."""
        frame = Frame(self._settings.address, is_reply=False, sequence=sequence, code=RequestIdentity.code)
        if self.phase is Phase.IDENTIFY:
            return replace(frame, data=encode_data(RequestIdentity()))
        if self.phase is Phase.CAPABILITIES:
            return replace(frame, code=RequestCapabilities.code, data=encode_data(RequestCapabilities()))
        if self.phase is Phase.CHALLENGE or self._handshake is None:
            choice = self._keys.next_choice()
            assert choice is not None  # a link without a key is never due
            self._handshake = Handshake(choice, self._random_bytes(NONCE_BYTES))
            step: Command = self._handshake.challenge
            block = SecurityBlock.SCS_11
        else:
            assert self.phase is Phase.CRYPTOGRAM
            assert self._handshake.cryptogram is not None  # set by CCRYPT, which led to this phase
            step = self._handshake.cryptogram
            block = SecurityBlock.SCS_13
        return replace(
            frame, code=step.code, data=encode_data(step), block_type=block, block_data=self._handshake.block_data
        )

    def take_clear(self, frame: Frame, now: Moment) -> SecureSession | OpeningFailed | None:
        """Take the reply to a clear-text frame: a session, a failure, or None to go on with the next step."""
        if self.phase is Phase.IDENTIFY:
            return self._take_claimed_identity(frame, now)
        if self.phase is Phase.CAPABILITIES:
            self._take_claimed_capabilities(frame, now)
            self.phase = Phase.CHALLENGE
            return None
        handshake = self._handshake
        assert handshake is not None  # both remaining phases sent one of its messages
        if self.phase is Phase.CHALLENGE:
            fault = handshake.take_client_cryptogram(frame)
            self.phase = Phase.CRYPTOGRAM
            return None if fault is None else self._failed(fault, now)
        session = handshake.take_initial_r_mac(frame)
        if isinstance(session, HandshakeFault):
            return self._failed(session, now)
        promoted = self._keys.opened(handshake.choice)
        if promoted is not None:
            self._emit(KeyRolled(self._settings.name, promoted))
        self.phase = Phase.INSTALL if handshake.choice.kind == KEY_DEFAULT else Phase.SESSION_IDENTIFY
        return session

    def _failed(self, fault: HandshakeFault, now: Moment) -> OpeningFailed:
        if not self._keys.failed():
            return OpeningFailed(fault, 0)
        self._condition.alarm(fault, "no session could be opened with the reader's key", now)
        return OpeningFailed(fault, HANDSHAKE_PAUSE_MS)

    def _take_claimed_identity(self, frame: Frame, now: Moment) -> OpeningFailed | None:
        reply = _decoded(frame)
        if not isinstance(reply, Identity):
            return OpeningFailed(f"answers ID with 0x{frame.code:02X}", HANDSHAKE_PAUSE_MS)
        if self._expected is not None and not _same_reader(reply, self._expected):
            self._condition.alarm(AlarmKind.IDENTITY_CHANGED, f"clear text claims {_words(reply)}", now)
        self.phase = Phase.CAPABILITIES
        return None

    def _take_claimed_capabilities(self, frame: Frame, now: Moment) -> None:
        reply = _decoded(frame)
        if not isinstance(reply, Capabilities):
            return
        self._claimed = reply
        security = reply.find(Capability.SECURITY)
        if security is None or not security.compliance & _AES_BIT:
            self._condition.alarm(AlarmKind.NO_ENCRYPTION, "clear text claims that the reader has no AES", now)

    # --- in the session ----------------------------------------------------------------------------------

    def session_command(self) -> Command:
        """Return the command of the present step."""
        match self.phase:
            case Phase.SESSION_IDENTIFY:
                return RequestIdentity()
            case Phase.SESSION_CAPABILITIES:
                return RequestCapabilities()
            case Phase.LOCAL_STATUS:
                return RequestLocalStatus()
            case Phase.INPUTS:
                return RequestInputs()
            case _:
                assert self.phase is Phase.LAMP
                return resting_lamp(self._settings.resting_colour)

    def take_session(self, reply: Reply | None, now: Moment) -> None:
        """Take the authenticated reply to the present step and go to the next one the reader can do."""
        if self.phase is Phase.SESSION_IDENTIFY:
            self._take_identity(reply, now)
        elif self.phase is Phase.SESSION_CAPABILITIES and isinstance(reply, Capabilities):
            self._capabilities = reply
            if self._claimed is not None and self._claimed != reply:
                self._condition.alarm(AlarmKind.CAPABILITIES_CHANGED, "clear text and session differ", now)
        self.phase = _AFTER[self.phase]
        while self.phase in _NEEDS and not self._able(_NEEDS[self.phase]):
            self.phase = _AFTER[self.phase]

    def _take_identity(self, reply: Reply | None, now: Moment) -> None:
        if not isinstance(reply, Identity):
            if self._expected is not None:
                self.blocked = True
                self._condition.alarm(AlarmKind.IDENTITY_CHANGED, "the reader does not say who it is", now)
            return
        self.identity = reply
        if self._expected is None:
            self._expected = reply
            self._emit(ReaderIdentified(self._settings.name, reply))
        elif not _same_reader(reply, self._expected):
            self.blocked = True
            self._condition.alarm(AlarmKind.IDENTITY_CHANGED, f"session with {_words(reply)}", now)

    def _able(self, function: Capability) -> bool:
        if self._capabilities is None:
            return True
        record = self._capabilities.find(function)
        return record is not None and record.compliance > 0


def _same_reader(one: Identity, other: Identity) -> bool:
    return (one.vendor, one.model, one.serial) == (other.vendor, other.model, other.serial)


def _words(identity: Identity) -> str:
    return f"vendor {identity.vendor:06X}, model {identity.model}, serial {identity.serial:08X}"


def _decoded(frame: Frame) -> Reply | None:
    if frame.block_type is not None or frame.code == ReplyCode.NAK:
        return None
    try:
        return decode_reply(frame.code, frame.data)
    except MalformedDataError:
        return None
