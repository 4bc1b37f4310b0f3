"""The use case of a till: intent, authorisation, durable outcome, then lamp, tone and text with amount and balance.

A meal is served when its outcome is durable, and only then does anything turn green. Alone it charges within the caps
of the offline spell: the meals served here that the server has not acknowledged, and the time since it was heard.
Taking the last charge back is one more outcome of its tap, with a number of its own: nothing is ever edited.
"""

from __future__ import annotations

import msgspec
import structlog

from cardcore.access.items import TillItem
from cardcore.canteen.authorise import Authorisation, MealTap, authorise_alone
from cardcore.canteen.offline import OfflineSpell
from cardcore.canteen.pricing import Entry
from cardcore.clock import site_time, to_millis
from cardcore.ids import CredentialKey, masked
from cardcore.journal import DeviceEvent, Intent, OutcomeKind, Purpose, Verdict
from cardcore.money import Fen
from cardcore.reasons import Reason
from reader_daemon.counter import Counter, Served, pad_rules
from reader_daemon.keypad import shown
from reader_daemon.lane import usable
from reader_daemon.messages import CardRead, KeysPressed, ReaderAction
from reader_daemon.recorder import Written
from reader_daemon.signals import (
    SIGNAL_LIFE_MS,
    answer_signals,
    balance_row,
    keypad_signals,
    meal_signals,
    undone_signals,
)
from reader_daemon.store.tap_state import LastServed, TapNumber
from reader_daemon.surroundings import Surroundings

RECOVERED_GUARD_MS = 120_000
"""After a restart the last meal of a till guards against a second tap for so long: its beep may never have come."""

RECOVERED_AGE_MS = 600_000
"""A meal that is older, of yesterday say, guards nothing: who comes first this morning eats."""

_log = structlog.get_logger(__name__)


class Till:
    """The till behind one reader; which till that is stands in the snapshot and may change."""

    def __init__(self, reader: str, around: Surroundings, recovered: dict[str, LastServed]) -> None:
        """Begin idle; `recovered` is the last meal of every till before this start."""
        self._reader = reader
        self._around = around
        until_ms = around.clock.monotonic_ms() + RECOVERED_GUARD_MS
        # A clock that lost the time is behind and proves nothing: then the meal guards, as it does when it is fresh.
        eldest_ms = to_millis(around.clock.now()) - RECOVERED_AGE_MS
        self._counters = {
            till: Counter(Served(meal.credential, meal.verdict, None, until_ms))
            for till, meal in recovered.items()
            if not meal.at_ms or meal.at_ms >= eldest_ms
        }

    async def tap(self, read: CardRead, till: TillItem) -> None:
        """Serve one card at this till."""
        counter, now_ms = self._counter(till), self._around.clock.monotonic_ms()
        counter.lapse(now_ms)
        if counter.pad.undoing:
            await self._undo(read, till, counter)
            return
        before = counter.guards(read.credential, now_ms)
        if before is not None:
            await self._repeat(read, till, before)
            return
        pin = counter.pin_for(read.credential)
        tap = await self._intent(read, till, counter.pad.entry)
        if tap is None:
            self._tell(answer_signals(Reason.STORE_FAILED, granted=False))
            return
        verdict, balance = await self._authorise(read, till, tap, counter.pad.entry, pin)
        _log.info(
            "tap_decided",
            till=till.id,
            card=masked(read.credential),
            seq=tap.number.seq,
            reason=verdict.reason,
            amount=verdict.amount,
            offline=verdict.offline,
        )
        await self._conclude(tap.number, read.credential, till, verdict, balance)

    def keys(self, pressed: KeysPressed, till: TillItem) -> None:
        """Take keys of the keypad and show what they come to."""
        around, counter = self._around, self._counter(till)
        snapshot = around.policy.snapshot
        moment = site_time(around.clock.now(), snapshot.zone, snapshot.day_starts_at)
        rules = pad_rules(till, snapshot, moment, wants_pin=counter.pin_of is not None)
        counter.keys(pressed.keys, rules, around.clock.monotonic_ms())
        self._tell(keypad_signals(shown(counter.pad, rules)))

    def _counter(self, till: TillItem) -> Counter:
        found = self._counters.get(till.id)
        if found is None:
            found = self._counters[till.id] = Counter()
        return found

    async def _undo(self, read: CardRead, till: TillItem, counter: Counter) -> None:
        around = self._around
        served = counter.undo(read.credential, till, around.recorder.epoch, around.clock.monotonic_ms())
        if isinstance(served, Reason):
            await around.recorder.event("undo_refused", till.id, f"{masked(read.credential)} {served}")
            self._tell(answer_signals(served, granted=False))
            return
        tap, charged = served
        verdict = msgspec.structs.replace(charged, granted=False, reason=Reason.UNDONE.value)
        if not await around.recorder.outcome(tap, OutcomeKind.CANCELLED, verdict):
            self._tell(answer_signals(Reason.STORE_FAILED, granted=False))
            return
        counter.served = None
        _log.info("charge_undone", till=till.id, seq=tap.seq, amount=verdict.amount)
        self._tell(undone_signals(Fen(verdict.amount)))

    async def _repeat(self, read: CardRead, till: TillItem, before: Served) -> None:
        stamp = self._around.watch.stamp(read.at, read.monotonic_ms)
        await self._around.recorder.append(DeviceEvent("repeat", till.id, masked(read.credential), stamp))
        self._tell(meal_signals(Fen(before.verdict.amount), before.balance, Reason.REPEAT_TAP, before.verdict.rights))

    async def _intent(self, read: CardRead, till: TillItem, entry: Entry) -> Written | None:
        around = self._around
        return await around.recorder.tap(
            Intent(
                tap=str(around.ids.uuid7()),
                purpose=Purpose.TILL,
                place=till.id,
                reader=self._reader,
                credential=read.credential,
                stamp=around.watch.stamp(read.at, read.monotonic_ms),
                policy_version=around.policy.snapshot.version,
                possibly_stale=read.possibly_stale,
                amount=entry.amount,
                lines=entry.lines,
            )
        )

    async def _authorise(
        self, read: CardRead, till: TillItem, tap: Written, entry: Entry, pin: str
    ) -> tuple[Verdict, Fen | None]:
        around = self._around
        if read.possibly_stale:
            return self._refusal(Reason.POSSIBLY_STALE), None
        answer = await around.ask(tap, around.deadlines.till_ms, pin)
        if answer is not None and usable(answer):
            verdict = Verdict(
                answer.granted,
                answer.reason,
                answer.policy_version,
                offline=False,
                amount=answer.amount,
                meal=answer.meal,
                discount=answer.discount,
                surcharge=answer.surcharge,
                rights=answer.rights,
                credit=answer.credit,
                subsidy=answer.subsidy,
            )
            return verdict, Fen(answer.balance_after)
        alone = await self._alone(read, till, entry)
        return (self._refusal(Reason.STORE_FAILED) if alone is None else _verdict_alone(alone)), None

    async def _alone(self, read: CardRead, till: TillItem, entry: Entry) -> Authorisation | None:
        around = self._around
        meals = await around.recorder.offline_meals(till.id)
        if meals is None:
            return None
        spell = OfflineSpell(around.policy.silence(), meals.count, Fen(meals.total), meals.of_card, around.policy.age())
        tap = MealTap(read.credential, till.id, entry)
        return authorise_alone(tap, around.policy.snapshot, around.policy.denied, spell, around.clock.now())

    def _refusal(self, reason: Reason) -> Verdict:
        return Verdict(granted=False, reason=reason, policy_version=self._around.policy.snapshot.version, offline=True)

    async def _conclude(
        self, tap: TapNumber, credential: CredentialKey, till: TillItem, verdict: Verdict, balance: Fen | None
    ) -> None:
        """Write the outcome; only when it is durable does the customer see an answer that serves."""
        around, counter = self._around, self._counter(till)
        kind = OutcomeKind.SERVED if verdict.granted else OutcomeKind.DECLINED
        if not await around.recorder.outcome(tap, kind, verdict):
            around.recorder.abandon(tap)
            self._tell(answer_signals(Reason.STORE_FAILED, granted=False))
            return
        now_ms = around.clock.monotonic_ms()
        counter.answered(credential, verdict, now_ms)
        if not verdict.granted:
            second_row = (
                balance_row(balance) if balance is not None and verdict.reason == Reason.BALANCE_TOO_LOW else ""
            )
            self._tell(answer_signals(verdict.reason, granted=False, second_row=second_row))
            return
        until_ms = now_ms + around.policy.snapshot.site.repeat_tap_seconds * 1000
        counter.served = Served(credential, verdict, balance, until_ms, tap, now_ms)
        self._tell(meal_signals(Fen(verdict.amount), balance, Reason.CHARGED, verdict.rights))

    def _tell(self, actions: tuple[ReaderAction, ...]) -> None:
        deadline_ms = self._around.clock.monotonic_ms() + SIGNAL_LIFE_MS
        for action in actions:
            self._around.tell(self._reader, action, deadline_ms)


def _verdict_alone(alone: Authorisation) -> Verdict:
    """Return what is written down of a decision without the server; a refusal carries no money."""
    if not alone.approved:
        return Verdict(False, alone.reason, alone.policy_version, offline=True, meal=alone.meal)  # noqa: FBT003
    return Verdict(
        granted=True,
        reason=alone.reason,
        policy_version=alone.policy_version,
        offline=True,
        amount=alone.amount,
        meal=alone.meal,
        discount=alone.discount,
        surcharge=alone.surcharge,
        rights=alone.rights,
        credit=alone.credit,
        subsidy=alone.subsidy,
    )
