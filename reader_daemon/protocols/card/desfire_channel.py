"""The channel to one selected DESFire application: plain at first, secure after an authentication.

A channel dies at the first wrong byte, unexpected status or refusal of the key source, and then takes no command any
more. Where the session keys are (here for a tap, with the key source for issuing) makes no difference to its users.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.card_keys.asks import (
    Authenticated,
    BeginAuthentication,
    Begun,
    CardMethod,
    CommandToSeal,
    CommMode,
    EndSession,
    FinishAuthentication,
    KeyName,
    KeyPurpose,
    KeyRefused,
    OpenAnswer,
    Opened,
    SealCommand,
    Sealed,
    SealKeyChange,
)
from cardcore.desfire.sessions import SecureSession, secure_session
from cardcore.reasons import Reason
from reader_daemon.protocols.card.native import (
    ADDITIONAL_FRAME,
    COMMAND_FRAME_BYTES,
    WHOLE_COMMAND_BYTES,
    DesfireStatus,
    NativeAnswer,
    NotNative,
    native,
    native_frame,
)
from reader_daemon.protocols.card.outcome import (
    REFUSAL_REASONS,
    CardFailure,
    Dialogue,
    TransmitFailed,
    WriteOutcome,
    ask_keys,
)

_AUTHENTICATE = {
    CardMethod.EV2_FIRST: (0x71, b"\x00"),
    CardMethod.EV2_NEXT: (0x77, b""),
    CardMethod.EV1_AES: (0xAA, b""),
    CardMethod.LRP_FIRST: (0x71, b"\x01\x02"),
    CardMethod.LRP_NEXT: (0x77, b""),
}
"""Instruction, and what follows the key number: the capabilities of the reader, with the LRP bit set or none."""
_LRP = frozenset({CardMethod.LRP_FIRST, CardMethod.LRP_NEXT})
_LRP_MODE = b"\x01"
_CHALLENGE_BYTES = 16
_WHOLE = frozenset({0x8D, 0xAD, 0xAB, 0x8B})
"""Instructions of EV2 that are not cut into native frames (read, write, read records, write record)."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The card said no with this status byte; the session, if there was one, is over."""

    status: int


class DesfireChannel:
    """See the module."""

    def __init__(self) -> None:
        """Begin in clear."""
        self._here: SecureSession | None = None
        self._there: bytes | None = None
        self.method: CardMethod | None = None
        self.dead = False

    def authenticate(
        self, method: CardMethod, number: int, key: KeyName, purpose: KeyPurpose
    ) -> Dialogue[Rejected | CardFailure | None]:
        """Prove the key numbered `number` both ways; None when that went well.

        `Rejected` when the card does not begin (method or key number unknown to it): nothing is lost then, another
        method may be tried. `card_not_genuine` when it does not know the key, whichever side finds out.
        """
        instruction, capabilities = _AUTHENTICATE[method]
        first = yield from native_frame(instruction, bytes([number]) + capabilities)
        if isinstance(first, NotNative):
            return CardFailure(Reason.CARD_UNREADABLE, f"status {first.status:04X} to an authentication")
        if isinstance(first, CardFailure):
            return self._die(first)
        if first.status != DesfireStatus.MORE:
            return Rejected(first.status)
        challenge = first.data
        if method in _LRP:
            challenge = challenge[1:] if challenge[:1] == _LRP_MODE else b""
        if len(challenge) != _CHALLENGE_BYTES:
            return self._die(CardFailure(Reason.CARD_UNREADABLE, f"challenge of {len(first.data)} bytes"))
        inside = self._there or b""
        return (yield from self._prove(BeginAuthentication(method, key, purpose, challenge, inside)))

    def _prove(self, begin: BeginAuthentication) -> Dialogue[CardFailure | None]:
        begun = yield from ask_keys(begin)
        if not isinstance(begun, Begun):
            return self._die(_refused(begun))
        second = yield from native_frame(ADDITIONAL_FRAME, begun.token)
        if isinstance(second, CardFailure):
            return self._die(second)
        if isinstance(second, NotNative):
            return self._die(CardFailure(Reason.CARD_UNREADABLE, f"status {second.status:04X} to our proof"))
        if second.status == DesfireStatus.AUTHENTICATION:
            return self._die(CardFailure(Reason.CARD_NOT_GENUINE, "the card does not know this key"))
        if second.status != DesfireStatus.DONE:
            return self._die(CardFailure(Reason.CARD_UNREADABLE, f"status {second.status:02X} to our proof"))
        finished = yield from ask_keys(FinishAuthentication(begun.handle, second.data))
        if not isinstance(finished, Authenticated):
            return self._die(_refused(finished))
        self._here, self._there, self.method, self.dead = None, None, begin.method, False
        if finished.session is None:
            self._there = begun.handle
        else:
            self._here = secure_session(finished.session)
        return None

    def run(self, command: CommandToSeal) -> Dialogue[bytes | Rejected | CardFailure]:
        """Send a command, secure when authenticated; returns the answer's data in clear."""
        sealed = yield from self._seal(command)
        if isinstance(sealed, CardFailure):
            return sealed
        return (yield from self._send(command.instruction, sealed))

    def write(self, command: CommandToSeal) -> Dialogue[WriteOutcome]:
        """Send a command that changes the card; a missing or wrong answer is `unknown`, never "not done"."""
        sealed = yield from self._seal(command)
        if isinstance(sealed, CardFailure):
            return WriteOutcome.NOT_SENT
        return (yield from self._outcome(command.instruction, sealed))

    def change_key(self, change: SealKeyChange) -> Dialogue[WriteOutcome]:
        """Change a key of the selected application; `change.handle` is filled in. Needs a session for ISSUE."""
        if self._there is None or self.dead:
            return WriteOutcome.NOT_SENT
        request = SealKeyChange(self._there, change.number, change.new, change.old, change.key_set, change.card_level)
        sealed = yield from ask_keys(request)
        if not isinstance(sealed, Sealed):
            self._die(_refused(sealed))
            return WriteOutcome.NOT_SENT
        instruction = 0xC4 if change.key_set is None else 0xC6
        outcome = yield from self._outcome(instruction, sealed.data)
        if change.old is None:
            self.dead = True
        return outcome

    def end(self) -> Dialogue[None]:
        """Let the key source forget the session."""
        if self._there is not None:
            yield from ask_keys(EndSession(self._there))
        self._here = self._there = None

    # --- inside ----------------------------------------------------------------------------------------------

    def _outcome(self, instruction: int, sealed: bytes) -> Dialogue[WriteOutcome]:
        try:
            answer = yield from self._send(instruction, sealed)
        except TransmitFailed:
            self.dead = True
            return WriteOutcome.UNKNOWN
        match answer:
            case bytes():
                return WriteOutcome.SUCCEEDED
            case Rejected():
                return WriteOutcome.REJECTED
            case CardFailure():
                return WriteOutcome.UNKNOWN

    def _send(self, instruction: int, sealed: bytes) -> Dialogue[bytes | Rejected | CardFailure]:
        frame_bytes = WHOLE_COMMAND_BYTES if instruction in _WHOLE else COMMAND_FRAME_BYTES
        answer = yield from native(instruction, sealed, frame_bytes)
        if isinstance(answer, CardFailure):
            return self._die(answer)
        if isinstance(answer, NotNative):
            return self._die(CardFailure(Reason.CARD_UNREADABLE, f"status {answer.status:04X} in a session"))
        if answer.status != DesfireStatus.DONE:
            self.dead = self.dead or self.method is not None
            return Rejected(answer.status)
        return (yield from self._open(answer))

    def _seal(self, command: CommandToSeal) -> Dialogue[bytes | CardFailure]:
        if self.dead:
            return CardFailure(Reason.CARD_NOT_GENUINE, "the session is over")
        if self._here is not None:
            sealed = self._here.seal(command)
            return self._die(_spent()) if sealed is None else sealed
        if self._there is None:
            return command.header + command.data
        told = yield from ask_keys(SealCommand(self._there, command))
        return told.data if isinstance(told, Sealed) else self._die(_refused(told))

    def _open(self, answer: NativeAnswer) -> Dialogue[bytes | CardFailure]:
        if self._here is not None:
            clear = self._here.open(answer.status, answer.data)
            if clear is None:
                return self._die(CardFailure(Reason.CARD_NOT_GENUINE, "the answer's MAC or padding is wrong"))
            return clear
        if self._there is None:
            return answer.data
        told = yield from ask_keys(OpenAnswer(self._there, answer.status, answer.data))
        return told.data if isinstance(told, Opened) else self._die(_refused(told))

    def _die(self, failure: CardFailure) -> CardFailure:
        self.dead = True
        return failure


def _refused(answer: object) -> CardFailure:
    if isinstance(answer, KeyRefused):
        return CardFailure(REFUSAL_REASONS[answer.refusal], f"key source: {answer.refusal}: {answer.detail}")
    return CardFailure(Reason.KEYS_UNAVAILABLE, f"key source answered with {type(answer).__name__}")


def _spent() -> CardFailure:
    return CardFailure(Reason.CARD_NOT_GENUINE, "the session takes no more commands")


PLAIN = CommMode.PLAIN
"""For commands before any authentication."""
