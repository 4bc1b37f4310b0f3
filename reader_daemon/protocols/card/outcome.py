"""What a dialogue with a card ends in, and the shape every card dialogue has.

A scheme (PKOC, UID only, later DESFire EV1/EV2, LRP, SM4) is a generator: it yields one command APDU, is sent the
answer, and returns its outcome. It holds no port, so the same generator serves a reader, a relay, the tests and a
fuzzer. Keys a scheme needs are reached through an object given to it when it is made, never kept here.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from cardcore.ids import CredentialKey
from cardcore.reasons import Reason

_Result = TypeVar("_Result")

Dialogue = Generator[bytes, bytes, _Result]
"""Yields a command APDU, is sent the answer APDU (data and status word), returns the result."""


class Assurance(StrEnum):
    """How much a credential proves; a site admits `low` zone by zone."""

    LOW = "low"
    """The card only names itself: anybody can copy it."""
    HIGH = "high"
    """The card proved that it holds a secret, with a fresh challenge."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What a dialogue cost: exchanges with the card, and milliseconds from the first command to the outcome."""

    exchanges: int = 0
    card_ms: int = 0


@dataclass(frozen=True, slots=True)
class Assertion:
    """A credential and what stands behind it; `evidence` is fit for a log, without a secret or a whole number."""

    scheme: str
    credential: CredentialKey
    assurance: Assurance
    evidence: str
    timings: Timings = Timings()


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
