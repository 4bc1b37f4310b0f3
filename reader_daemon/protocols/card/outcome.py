"""What a dialogue with a card ends in, and the shape every card dialogue has.

A scheme is a generator: it yields one command APDU and is sent the answer, or yields a question to the key source
(`cardcore.card_keys.asks`) and is sent that answer, and returns its outcome. It holds neither port nor key, so the same
generator serves a reader, a relay, the tests and a fuzzer. Only `apdu.exchange` and `ask_keys` yield by themselves.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cardcore.card_keys.asks import KeyAnswer, KeyRefusal, KeyRequest
from cardcore.ids import CredentialKey
from cardcore.reasons import Reason

_Result = TypeVar("_Result")

Dialogue = Generator[bytes | KeyRequest, bytes | KeyAnswer, _Result]
"""Yields a command APDU or a key request, is sent the answer of the same kind, returns the result."""


class TransmitFailed(Exception):  # noqa: N818 - it names what happened to the card
    """An exchange did not end in an answer. Raised by a `transmit`; `reason` is moved, timeout or unreadable.

    The driver throws it into the dialogue, where only a write catches it: what it wrote is then unknown.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep what becomes a `CardFailure`."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class WriteOutcome(StrEnum):
    """What became of something that changes a card."""

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    """The card said no, in a genuine answer where the session gives one."""
    SUCCEEDED = "succeeded"
    UNKNOWN = "unknown"
    """Sent, and no answer that can be believed came: done or not, the next look at the card tells."""


class Assurance(StrEnum):
    """How much a credential proves; a site admits `low` zone by zone."""

    LOW = "low"
    """The card only names itself: anybody can copy it."""
    HIGH = "high"
    """The card proved that it holds a secret, with a fresh challenge."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a dialogue cost: exchanges with the card, and milliseconds in the card and in the key source."""

    exchanges: int = 0
    card_ms: int = 0
    """Of the card alone: the key source's time does not count, so that a relayed card stands out."""
    keys_ms: int = 0


@dataclass(frozen=True, slots=True)
class Assertion:
    """A credential and what stands behind it; `evidence` is fit for a log, without a secret or a whole number."""

    scheme: str
    credential: CredentialKey
    assurance: Assurance
    evidence: str
    timings: Timings = Timings()
    issue_number: int = 0
    """From the credential file, 0 where the scheme has none."""


@dataclass(frozen=True, slots=True)
class CardFailure:
    """No credential came of it. `detail` is for the log and for diagnosis, in English."""

    reason: Reason
    detail: str


@dataclass(frozen=True, slots=True)
class NotThisScheme:
    """The card does not carry the scheme that was tried; another one may be tried on it."""

    detail: str


SchemeOutcome = Assertion | CardFailure | NotThisScheme
CardOutcome = Assertion | CardFailure


REFUSAL_REASONS = {
    KeyRefusal.NOT_ALLOWED: Reason.KEYS_UNAVAILABLE,
    KeyRefusal.UNKNOWN_EPOCH: Reason.CARD_KEY_EPOCH,
    KeyRefusal.CARD_NOT_GENUINE: Reason.CARD_NOT_GENUINE,
    KeyRefusal.BAD_REQUEST: Reason.CARD_UNREADABLE,
    KeyRefusal.SESSION_OVER: Reason.KEYS_UNAVAILABLE,
    KeyRefusal.BUSY: Reason.KEYS_UNAVAILABLE,
    KeyRefusal.UNAVAILABLE: Reason.KEYS_UNAVAILABLE,
}
"""What a refusal of the key source is called at the lane."""


def ask_keys(request: KeyRequest) -> Dialogue[KeyAnswer]:
    """Ask the key source one question."""
    answer = yield request
    assert not isinstance(answer, bytes), "the driver answers a question with an answer"
    return answer
