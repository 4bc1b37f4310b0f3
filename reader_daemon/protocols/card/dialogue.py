"""Which scheme a card carries, found by trying them, and the driver that runs a dialogue over a reader.

Never decided by the ATR, which proves nothing and varies with the reader. Stronger schemes come first; the serial
number comes last and only where the settings admit it. A card that carries a scheme and fails it is not asked for a
weaker one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from cardcore.clock import Clock
from cardcore.reasons import Reason
from reader_daemon.protocols.card.outcome import (
    Assertion,
    CardFailure,
    CardOutcome,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
    Timings,
)
from reader_daemon.protocols.card.pkoc import UNNAMED_READER, PkocReader, pkoc_dialogue
from reader_daemon.protocols.card.uid_only import uid_dialogue

EXCHANGES = 64
"""The most exchanges of one dialogue; the longest scheme planned (DESFire with a read of 160 bytes) needs 12."""
DIALOGUE_BUDGET_MS = 3_000
"""People hold a card for about a second; a relay attack needs longer than a card does."""


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """What one reader accepts."""

    pkoc: PkocReader = UNNAMED_READER
    allow_low_assurance: bool = False
    budget_ms: int = DIALOGUE_BUDGET_MS


UNNAMED_POLICY = CardPolicy()


class TransmitFailed(Exception):  # noqa: N818 - it names what happened to the card, and is caught by the driver only
    """An exchange did not end in an answer. Raised by a `transmit`; `reason` is moved, timeout or unreadable."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep what the driver turns into a `CardFailure`."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


Transmit = Callable[[bytes], bytes]
"""Send a command APDU to the card and return its answer; raises `TransmitFailed` when there is none."""


def card_dialogue(policy: CardPolicy, random_bytes: Callable[[int], bytes]) -> Dialogue[CardOutcome]:
    """Try the schemes in the order of what they prove; end with the first the card carries."""
    schemes: list[Dialogue[SchemeOutcome]] = [pkoc_dialogue(policy.pkoc, random_bytes)]
    if policy.allow_low_assurance:
        schemes.append(uid_dialogue())
    tried: list[str] = []
    for scheme in schemes:
        outcome = yield from scheme
        if not isinstance(outcome, NotThisScheme):
            return outcome
        tried.append(outcome.detail)
    return CardFailure(Reason.CARD_UNKNOWN_TYPE, "; ".join(tried))


def run_dialogue(dialogue: Dialogue[CardOutcome], transmit: Transmit, clock: Clock, budget_ms: int) -> CardOutcome:
    """Run a dialogue to its end over `transmit`, within `budget_ms` and 64 exchanges.

    Both limits end in `card_timeout`. The budget is looked at after each exchange: one that hangs is the transport's
    to end.
    """
    began_ms = clock.monotonic_ms()
    exchanges = 0
    try:
        command = next(dialogue)
        while exchanges < EXCHANGES:
            answer = transmit(command)
            exchanges += 1
            took_ms = clock.monotonic_ms() - began_ms
            if took_ms > budget_ms:
                return CardFailure(
                    Reason.CARD_TIMEOUT, f"{took_ms} ms after {exchanges} exchanges, allowed {budget_ms}"
                )
            command = dialogue.send(answer)
    except StopIteration as ended:
        outcome: CardOutcome = ended.value
        if isinstance(outcome, Assertion):
            return replace(outcome, timings=Timings(exchanges, clock.monotonic_ms() - began_ms))
        return outcome
    except TransmitFailed as failed:
        return CardFailure(failed.reason, failed.detail)
    finally:
        dialogue.close()
    return CardFailure(Reason.CARD_TIMEOUT, f"no outcome after {EXCHANGES} exchanges")
