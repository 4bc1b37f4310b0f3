"""What a till remembers between cards: the keypad, the last charge and who is asked for a PIN. No I/O.

All of it is of this start of the daemon: after a restart there is nothing to undo here, the office corrects.
"""

from __future__ import annotations

from dataclasses import dataclass

from cardcore.access.items import TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.authorise import meal_at, second_of
from cardcore.canteen.pricing import dish_prices
from cardcore.canteen.selling import NO_MEAL, selling_at
from cardcore.clock import SiteTime
from cardcore.ids import CredentialKey
from cardcore.journal import Verdict
from cardcore.money import Fen
from cardcore.reasons import Reason
from reader_daemon.keypad import Pad, PadRules, press
from reader_daemon.store.tap_state import TapNumber

PAD_LIFE_MS = 60_000
"""What was keyed is forgotten so long after the last key."""
MILLISECONDS_PER_MINUTE = 60_000

START_AGAIN = frozenset({
    Reason.PRICE_CHANGED, Reason.AMOUNT_UNEXPECTED, Reason.AMOUNT_TOO_HIGH, Reason.AMOUNT_MISSING, Reason.MODE_UNKNOWN,
})  # fmt: skip
"""Refusals after which what was keyed is of no use to another card either."""


@dataclass(frozen=True, slots=True)
class Served:
    """The last meal of a till: shown again on a repeated tap, and what can be taken back."""

    credential: CredentialKey
    verdict: Verdict
    balance: Fen | None
    guarded_until_ms: int
    """Monotonic; the repeat-tap guard ends here."""
    tap: TapNumber | None = None
    """None: of an earlier start; it guards, and cannot be taken back."""
    served_ms: int = 0


class Counter:
    """See the module. One a till."""

    def __init__(self, served: Served | None = None) -> None:
        """Begin with the last meal before this start, if any."""
        self.pad = Pad()
        self.served = served
        self.pin_of: CredentialKey | None = None
        """Whose PIN is asked for."""
        self._touched_ms = 0

    def keys(self, keys: str, rules: PadRules, now_ms: int) -> None:
        """Take some keys."""
        self.lapse(now_ms)
        self.pad = press(self.pad, keys, rules)
        self._touched_ms = now_ms
        if self.pad.is_empty and not self.pad.note:
            self.pin_of = None

    def lapse(self, now_ms: int) -> None:
        """Forget what was keyed long ago."""
        if now_ms - self._touched_ms >= PAD_LIFE_MS:
            self.pad, self.pin_of = Pad(), None

    def guards(self, credential: CredentialKey, now_ms: int) -> Served | None:
        """Return the last meal if this card had it a moment ago and nothing new was keyed (C16)."""
        served = self.served
        if served is None or served.credential != credential or now_ms >= served.guarded_until_ms:
            return None
        return None if self.pad.entry.amount else served

    def pin_for(self, credential: CredentialKey) -> str:
        """Return the PIN that was keyed for this very card, and forget it; another card's tap forgets it too."""
        pin = self.pad.pin if credential == self.pin_of else ""
        self.pad = Pad(entry=self.pad.entry)
        self.pin_of = None
        return pin

    def answered(self, credential: CredentialKey, verdict: Verdict, now_ms: int) -> None:
        """Note how a tap ended."""
        if verdict.granted or verdict.reason in START_AGAIN:
            self.pad = Pad()
        elif verdict.reason in {Reason.PIN_NEEDED, Reason.PIN_WRONG} and not verdict.offline:
            self.pin_of, self._touched_ms = credential, now_ms

    def undo(
        self, credential: CredentialKey, till: TillItem, epoch: int, now_ms: int
    ) -> tuple[TapNumber, Verdict] | Reason:
        """Return the charge that this card may take back, or why there is none (C59)."""
        self.pad = Pad()
        served = self.served
        if served is None or served.tap is None or served.tap.epoch != epoch:
            return Reason.NOTHING_TO_UNDO
        if now_ms - served.served_ms > till.undo_minutes * MILLISECONDS_PER_MINUTE:
            return Reason.UNDO_TOO_LATE
        return (served.tap, served.verdict) if served.credential == credential else Reason.UNDO_OTHER_CARD


def pad_rules(till: TillItem, snapshot: Snapshot, moment: SiteTime, *, wants_pin: bool) -> PadRules:
    """Return what keys mean at a till at a moment of site time."""
    second = second_of(moment)
    selling = selling_at(till, second)
    period = meal_at(snapshot, moment.business_day, second)
    meal = NO_MEAL if period is None else period.meal
    prices = dish_prices(selling.mode, till, meal, moment.business_day, snapshot)
    return PadRules(selling.mode, prices, till.undo_code, till.undo_minutes > 0, wants_pin)
