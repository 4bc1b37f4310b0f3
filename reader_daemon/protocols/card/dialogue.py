"""Which scheme a card carries, found by trying them, and the driver that runs a dialogue over a reader.

Never decided by the ATR, which proves nothing and varies with the reader. Stronger schemes come first; the serial
number comes last and only where the settings admit it. A card that carries a scheme and fails it is not asked for a
weaker one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from cardcore.card_keys.asks import KeyAnswer, KeyRefusal, KeyRefused, KeyRequest, KeySource
from cardcore.clock import Clock
from cardcore.reasons import Reason
from reader_daemon.protocols.card.cpu_card import cpu_dialogue
from reader_daemon.protocols.card.desfire import DesfireReader, desfire_dialogue
from reader_daemon.protocols.card.outcome import (
    Assertion,
    CardFailure,
    CardOutcome,
    Dialogue,
    NotThisScheme,
    SchemeOutcome,
    Timings,
    TransmitFailed,
)
from reader_daemon.protocols.card.pkoc import UNNAMED_READER, PkocReader, pkoc_dialogue
from reader_daemon.protocols.card.uid_only import uid_dialogue

Result = TypeVar("Result")

EXCHANGES = 64
"""The most exchanges of one tap; the longest, an EV1 card on a reader that tells no serial number, needs 14."""
ASKS_AN_EXCHANGE = 3
"""Questions to the key source for one exchange with the card, at most (seal, open, end)."""
DIALOGUE_BUDGET_MS = 3_000
"""People hold a card for about a second; a relay attack needs longer than a card does."""


@dataclass(frozen=True, slots=True)
class CardPolicy:
    """What one reader accepts."""

    pkoc: PkocReader = UNNAMED_READER
    desfire: DesfireReader | None = None
    """Which application of DESFire and CPU cards is looked for, with which role; None = none."""
    allow_low_assurance: bool = False
    budget_ms: int = DIALOGUE_BUDGET_MS


UNNAMED_POLICY = CardPolicy()


Transmit = Callable[[bytes], bytes]
"""Send a command APDU to the card and return its answer; raises `TransmitFailed` when there is none."""


class NoKeys:
    """The key source of a reader that is set to no scheme with secret keys; implements `KeySource`."""

    def ask(self, request: KeyRequest) -> KeyAnswer:
        """Refuse."""
        return KeyRefused(KeyRefusal.UNAVAILABLE, f"no key source for {type(request).__name__}")


NO_KEYS = NoKeys()


def card_dialogue(policy: CardPolicy, random_bytes: Callable[[int], bytes]) -> Dialogue[CardOutcome]:
    """Try the schemes in the order of what they prove; end with the first the card carries."""
    schemes: list[Dialogue[SchemeOutcome]] = [pkoc_dialogue(policy.pkoc, random_bytes)]
    if policy.desfire is not None:
        schemes += [desfire_dialogue(policy.desfire), cpu_dialogue(policy.desfire)]
    if policy.allow_low_assurance:
        schemes.append(uid_dialogue())
    tried: list[str] = []
    for scheme in schemes:
        outcome = yield from scheme
        if not isinstance(outcome, NotThisScheme):
            return outcome
        tried.append(outcome.detail)
    return CardFailure(Reason.CARD_UNKNOWN_TYPE, "; ".join(tried))


class _Meter:
    """Counts exchanges and the milliseconds of card and key source."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_ms = clock.monotonic_ms()
        self.exchanges = self.asks = 0
        self.keys_ms = 0

    def asked(self, began_ms: int) -> None:
        self.asks += 1
        self.keys_ms += self._clock.monotonic_ms() - began_ms

    @property
    def card_ms(self) -> int:
        return self._clock.monotonic_ms() - self._began_ms - self.keys_ms

    @property
    def timings(self) -> Timings:
        return Timings(self.exchanges, self.card_ms, self.keys_ms)


def run_dialogue(
    dialogue: Dialogue[Result | CardFailure],
    transmit: Transmit,
    clock: Clock,
    budget_ms: int,
    keys: KeySource = NO_KEYS,
    exchanges: int = EXCHANGES,
) -> Result | CardFailure:
    """Run a dialogue to its end over `transmit` and `keys`, within `budget_ms` and `exchanges`.

    Both limits end in `card_timeout`. The budget is the card's own time, looked at after each exchange: one that hangs
    is the transport's to end, and the key source answers within a time of its own.
    """
    meter = _Meter(clock)
    try:
        step = next(dialogue)
        while meter.exchanges < exchanges and meter.asks < exchanges * ASKS_AN_EXCHANGE:
            if not isinstance(step, bytes):
                asked_ms = clock.monotonic_ms()
                told = keys.ask(step)
                meter.asked(asked_ms)
                step = dialogue.send(told)
                continue
            try:
                answer = transmit(step)
            except TransmitFailed as failed:
                step = dialogue.throw(failed)  # a write in it may have something to say
                continue
            finally:
                meter.exchanges += 1
            if meter.card_ms > budget_ms:
                detail = f"{meter.card_ms} ms after {meter.exchanges} exchanges, allowed {budget_ms}"
                return CardFailure(Reason.CARD_TIMEOUT, detail)
            step = dialogue.send(answer)
    except StopIteration as ended:
        outcome: Result | CardFailure = ended.value
        return replace(outcome, timings=meter.timings) if isinstance(outcome, Assertion) else outcome
    except TransmitFailed as failed:
        return CardFailure(failed.reason, failed.detail)
    finally:
        dialogue.close()
    return CardFailure(Reason.CARD_TIMEOUT, f"no outcome after {exchanges} exchanges")
