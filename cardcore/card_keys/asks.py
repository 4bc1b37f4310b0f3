"""What a card dialogue asks of whoever holds the keys, and what it gets: the whole interface between the two.

    dialogue (daemon)                       key source: the server's key service, or an edge key
    BeginAuthentication(key, challenge) ->  derive the card's key, decrypt the challenge, draw RndA
                            <- Begun(handle, token)                                 round trip 1 of a tap
    FinishAuthentication(handle, proof) ->  check the card's proof, derive session keys
                            <- Authenticated(session | None)                        round trip 2 of a tap
    and only in a session that was begun for ISSUE, where the session stays with the key source:
    SealCommand / SealKeyChange / OpenAnswer / EndSession

A tap (purpose READ) gets the session's own keys: they are worth nothing after this tap and do not lead back to the
card's key or to a master. A session for ISSUE may change keys, so its session keys never leave the key source: the
encoder passes sealed bytes. Every ask names a purpose and a role, never key bytes; the key source decides whether the
asker may have it (device, purpose, rate) and answers `KeyRefused` otherwise: a value, no fault. A key source forgets
a handle on any refusal, on `EndSession`, and after `SESSION_LIFE_MS`.

Over the device link the questions and answers travel as `cardcore.wire.messages.KeyAsk` and `KeyTold`. In process the
same structs go to a `KeySource`. `cardcore.card_keys.answering.KeyAnswers` is the reference that does the arithmetic
on `CardKey` objects; a key service wraps it with custody, permission and audit.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from cardcore.card_keys.roles import KeyRole

SESSION_LIFE_MS = 30_000
"""A personalisation takes seconds, a tap less than one."""
MAX_OPEN_SESSIONS = 64
"""Of one asker; the oldest goes when one more begins."""
MAX_CARD_BYTES = 512
"""The most bytes of a card's answer or of a command in one ask."""


class CardMethod(StrEnum):
    """How card and key source prove themselves to each other; decides what challenge, token and proof are."""

    EV2_FIRST = "ev2_first"
    """AuthenticateEV2First (0x71), AES: challenge 16, token 32, proof 32 bytes."""
    EV2_NEXT = "ev2_next"
    """AuthenticateEV2NonFirst (0x77) inside `inside`'s transaction: challenge 16, token 32, proof 16 bytes."""
    EV1_AES = "ev1_aes"
    """AuthenticateAES (0xAA): challenge 16, token 32, proof 16 bytes; IVs chain."""
    LRP_FIRST = "lrp_first"
    """AuthenticateLRPFirst (0x71 with the LRP capability): challenge is RndB in clear, 16; token 32; proof 32 bytes."""
    LRP_NEXT = "lrp_next"
    """AuthenticateLRPNonFirst (0x77) inside `inside`'s transaction: challenge 16, token 32, proof 16 bytes."""
    SM4 = "sm4"
    """CPU cards: challenge 16 (GET CHALLENGE), token is the cryptogram 16 and our challenge 16, proof 16 bytes."""


class KeyPurpose(StrEnum):
    """What the session is wanted for."""

    READ = "read"
    """A tap or a check: the session keys are handed out after the card's proof. Never for a master or write role."""
    ISSUE = "issue"
    """Personalisation and life-cycle changes: the session stays with the key source."""


class CommMode(StrEnum):
    """How a command's data and answer are protected inside a session (DESFire communication modes)."""

    PLAIN = "plain"
    MAC = "mac"
    FULL = "full"


class KeyName(Struct, frozen=True):
    """One card's key, by name. Epoch 0 is the factory's default key and allowed for ISSUE only."""

    role: KeyRole
    uid: bytes
    """The card's real serial number, 7 bytes (4 for some CPU cards)."""
    epoch: int


class SessionKeys(Struct, frozen=True):
    """The keys of one session, as they stand after the authentication. Never logged: its repr shows none."""

    method: CardMethod
    encryption: bytes
    """EV2: S-ENC. EV1: the session key. LRP: the session master. SM4: empty (nothing follows under a session key)."""
    authentication: bytes
    """EV2: S-MAC. Otherwise empty."""
    transaction: bytes = b""
    """TI, 4 bytes (EV2, LRP)."""
    counter: int = 0
    """The command counter from which the session goes on (EV2, LRP)."""

    def __repr__(self) -> str:
        """Show what kind it is and nothing else."""
        return f"SessionKeys({self.method})"


# --- asks ----------------------------------------------------------------------------------------------------


class BeginAuthentication(Struct, frozen=True, tag_field="t", tag="begin"):
    """Answer a card's challenge. `inside` is the handle of the session that a NonFirst authentication goes on in."""

    method: CardMethod
    key: KeyName
    purpose: KeyPurpose
    challenge: bytes
    inside: bytes = b""


class FinishAuthentication(Struct, frozen=True, tag_field="t", tag="finish"):
    """Check the card's proof."""

    handle: bytes
    proof: bytes


class CommandToSeal(Struct, frozen=True):
    """One command in clear: instruction, header (never encrypted), data, and how both directions are protected."""

    instruction: int
    header: bytes = b""
    data: bytes = b""
    mode: CommMode = CommMode.MAC
    answer_mode: CommMode = CommMode.MAC
    answer_bytes: int | None = None
    """Clear length of a FULL answer: EV1 needs it, since zero padding does not tell its own length."""


class SealCommand(Struct, frozen=True, tag_field="t", tag="seal"):
    """Protect a command of an ISSUE session. The key source may refuse instructions that its rules do not list."""

    handle: bytes
    command: CommandToSeal


class SealKeyChange(Struct, frozen=True, tag_field="t", tag="seal_key_change"):
    """Protect ChangeKey (0xC4), or ChangeKeyEV2 (0xC6) when `key_set` is given; the new key is never seen outside.

    `number` is the key's number in the selected application. `new` None sets a random value that nobody keeps. `old`
    is given exactly when the key changed is not the one this session was authenticated with.
    """

    handle: bytes
    number: int
    new: KeyName | None
    old: KeyName | None = None
    key_set: int | None = None
    card_level: bool = False
    """The card master key: its number on the wire carries the key type (AES, 0x80)."""


class OpenAnswer(Struct, frozen=True, tag_field="t", tag="open"):
    """Check and decrypt the card's answer to the command sealed last. `status` is the second status byte."""

    handle: bytes
    status: int
    data: bytes


class EndSession(Struct, frozen=True, tag_field="t", tag="end"):
    """Forget a session; unknown handles are fine."""

    handle: bytes


KeyRequest = BeginAuthentication | FinishAuthentication | SealCommand | SealKeyChange | OpenAnswer | EndSession

# --- answers -------------------------------------------------------------------------------------------------


class Begun(Struct, frozen=True, tag_field="t", tag="begun"):
    """Send `token` to the card. `handle` is 16 random bytes."""

    handle: bytes
    token: bytes


class Authenticated(Struct, frozen=True, tag_field="t", tag="authenticated"):
    """The card has proven the key. `session` is given for READ, None for ISSUE."""

    session: SessionKeys | None = None


class Sealed(Struct, frozen=True, tag_field="t", tag="sealed"):
    """The whole data field of the command, header included."""

    data: bytes


class Opened(Struct, frozen=True, tag_field="t", tag="opened"):
    """The answer in clear."""

    data: bytes


class Ended(Struct, frozen=True, tag_field="t", tag="ended"):
    """The session is forgotten."""


class KeyRefusal(StrEnum):
    """Why there is no answer. Each becomes a reason of its own at the lane."""

    NOT_ALLOWED = "not_allowed"
    """This asker may not use this role for this purpose."""
    UNKNOWN_EPOCH = "unknown_epoch"
    """No master of this role in this epoch is accepted (any more)."""
    CARD_NOT_GENUINE = "card_not_genuine"
    """The card's proof, MAC or padding is wrong."""
    BAD_REQUEST = "bad_request"
    """Lengths or order do not fit the method."""
    SESSION_OVER = "session_over"
    """The handle is unknown, expired or spent."""
    BUSY = "busy"
    """Too many asks."""
    UNAVAILABLE = "unavailable"
    """The key source cannot be reached, or is locked."""


class KeyRefused(Struct, frozen=True, tag_field="t", tag="refused"):
    """No. `detail` is English, for the log, without key bytes."""

    refusal: KeyRefusal
    detail: str = ""


KeyAnswer = Begun | Authenticated | Sealed | Opened | Ended | KeyRefused


class KeySource(Protocol):
    """Whoever answers: the relay to the server's key service, or an edge key in this process."""

    def ask(self, request: KeyRequest) -> KeyAnswer:
        """Answer one request; blocks its caller for at most a few hundred ms and never raises for a refusal."""
        ...
