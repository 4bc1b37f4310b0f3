"""The use case of a till: intent, authorisation, durable outcome, then lamp, tone and text with amount and balance.

A meal is served when its outcome is durable, and only then does anything turn green. Alone it charges within the caps
of the offline spell: the meals served here that the server has not acknowledged, and the time since it was heard.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from cardcore.access.items import TillItem
from cardcore.canteen.authorise import Authorisation, MealTap, authorise_alone
from cardcore.canteen.offline import OfflineSpell
from cardcore.ids import CredentialKey, masked
from cardcore.journal import DeviceEvent, Intent, OutcomeKind, Purpose, Record, Verdict
from cardcore.money import Fen
from cardcore.reasons import Reason
from reader_daemon.lane import usable
from reader_daemon.messages import CardRead, ReaderAction
from reader_daemon.signals import SIGNAL_LIFE_MS, answer_signals, balance_row, meal_signals
from reader_daemon.store.tap_state import LastServed
from reader_daemon.surroundings import Surroundings

RECOVERED_GUARD_MS = 120_000
"""After a restart the last meal of a till guards against a second tap for so long: its beep may never have come."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """The result of the last charged meal, to be shown again on a repeated tap."""

    credential: CredentialKey
    verdict: Verdict
    balance: Fen | None
    until_ms: int
    """Monotonic; the guard ends here."""


class Till:
    """The till behind one reader; which till that is stands in the snapshot and may change."""

    def __init__(self, reader: str, around: Surroundings, recovered: dict[str, LastServed]) -> None:
        """Begin idle; `recovered` is the last meal of every till before this start."""
        self._reader = reader
        self._around = around
        until_ms = around.clock.monotonic_ms() + RECOVERED_GUARD_MS
        self._shown: dict[str, Shown] = {
            till: Shown(meal.credential, meal.verdict, None, until_ms) for till, meal in recovered.items()
        }

    async def tap(self, read: CardRead, till: TillItem) -> None:
        """Serve one card at this till."""
        before = self._guarding(read.credential, till)
        if before is not None:
            await self._repeat(read, till, before)
            return
        record = await self._intent(read, till)
        if record is None:
            self._tell(answer_signals(Reason.STORE_FAILED, granted=False))
            return
        verdict, balance = await self._authorise(read, till, record)
        _log.info(
            "tap_decided",
            till=till.id,
            card=masked(read.credential),
            seq=record.seq,
            reason=verdict.reason,
            amount=verdict.amount,
            offline=verdict.offline,
        )
        await self._conclude(record.seq, read.credential, till, verdict, balance)

    def _guarding(self, credential: CredentialKey, till: TillItem) -> Shown | None:
        shown = self._shown.get(till.id)
        if shown is None or shown.credential != credential or self._around.clock.monotonic_ms() >= shown.until_ms:
            return None
        return shown

    async def _repeat(self, read: CardRead, till: TillItem, before: Shown) -> None:
        stamp = self._around.watch.stamp(read.at, read.monotonic_ms)
        await self._around.recorder.append(DeviceEvent("repeat", till.id, masked(read.credential), stamp))
        self._tell(meal_signals(Fen(before.verdict.amount), before.balance, Reason.REPEAT_TAP))

    async def _intent(self, read: CardRead, till: TillItem) -> Record | None:
        around = self._around
        return await around.recorder.append(
            Intent(
                tap=str(around.ids.uuid7()),
                purpose=Purpose.TILL,
                place=till.id,
                reader=self._reader,
                credential=read.credential,
                stamp=around.watch.stamp(read.at, read.monotonic_ms),
                policy_version=around.policy.snapshot.version,
                possibly_stale=read.possibly_stale,
            )
        )

    async def _authorise(self, read: CardRead, till: TillItem, record: Record) -> tuple[Verdict, Fen | None]:
        around = self._around
        if read.possibly_stale:
            return self._refusal(Reason.POSSIBLY_STALE), None
        answer = await around.ask(record, around.deadlines.till_ms)
        if answer is not None and usable(answer):
            verdict = Verdict(
                answer.granted,
                answer.reason,
                answer.policy_version,
                offline=False,
                amount=answer.amount,
                meal=answer.meal,
            )
            return verdict, Fen(answer.balance_after)
        alone = await self._alone(read, till)
        if alone is None:
            return self._refusal(Reason.STORE_FAILED), None
        amount = alone.amount if alone.approved else Fen(0)
        return Verdict(
            alone.approved, alone.reason, alone.policy_version, offline=True, amount=amount, meal=alone.meal
        ), None

    async def _alone(self, read: CardRead, till: TillItem) -> Authorisation | None:
        around = self._around
        meals = await around.recorder.offline_meals(till.id)
        if meals is None:
            return None
        spell = OfflineSpell(around.policy.silence(), meals.count, Fen(meals.total), meals.of_card, around.policy.age())
        tap = MealTap(read.credential, till.id)
        return authorise_alone(tap, around.policy.snapshot, around.policy.denied, spell, around.clock.now())

    def _refusal(self, reason: Reason) -> Verdict:
        return Verdict(granted=False, reason=reason, policy_version=self._around.policy.snapshot.version, offline=True)

    async def _conclude(
        self, seq: int, credential: CredentialKey, till: TillItem, verdict: Verdict, balance: Fen | None
    ) -> None:
        """Write the outcome; only when it is durable does the customer see an answer that serves."""
        around = self._around
        kind = OutcomeKind.SERVED if verdict.granted else OutcomeKind.DECLINED
        if not await around.recorder.outcome(seq, kind, verdict):
            around.recorder.abandon(seq)
            self._tell(answer_signals(Reason.STORE_FAILED, granted=False))
            return
        if not verdict.granted:
            second_row = (
                balance_row(balance) if balance is not None and verdict.reason == Reason.BALANCE_TOO_LOW else ""
            )
            self._tell(answer_signals(verdict.reason, granted=False, second_row=second_row))
            return
        guard_ms = around.policy.snapshot.site.repeat_tap_seconds * 1000
        until_ms = around.clock.monotonic_ms() + guard_ms
        self._shown[till.id] = Shown(credential, verdict, balance, until_ms)
        self._tell(meal_signals(Fen(verdict.amount), balance, Reason.CHARGED))

    def _tell(self, actions: tuple[ReaderAction, ...]) -> None:
        deadline_ms = self._around.clock.monotonic_ms() + SIGNAL_LIFE_MS
        for action in actions:
            self._around.tell(self._reader, action, deadline_ms)
