"""One batch: takes arrivals in order, over facts that were read and locked, and writes down everything to be stored.

No SQL and no clock. The result equals taking the arrivals one by one (I25): whatever one record changes (a balance,
a stored decision, a mark) is changed in the facts before the next is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.items import CardItem
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.authorise import AccountView, Authorisation, MealTap, PurseBalance, authorise
from cardcore.clock import from_millis, site_time
from cardcore.ids import IdSource, LaneId, SiteId, TapKey, TillId
from cardcore.journal import Body, ClockQuality, Decided, Intent, Outcome, OutcomeKind, Purpose, Record, Stamp
from cardcore.reasons import Reason
from cardcore.wire.messages import RecordStatus
from server.taps.arrivals import (
    AccountRow,
    Arrival,
    Chained,
    Facts,
    LinkDevice,
    LiveDecision,
    Receipt,
    StoredRecord,
    Writes,
)
from server.taps.checks import Checked
from server.taps.ledger_sheet import LedgerSheet, Meal, forced_legs, total_balance
from server.taps.rows import event_row, finding_row, quarantine_row, record_row

LIVE_AGE = timedelta(seconds=30)
"""Older records are late: they are shown as such and trigger nothing (P15)."""
FUTURE_TOLERANCE = timedelta(minutes=10)
"""A device whose clock is further ahead than this is not believed about the day."""


class Batch:
    """Decides and books the arrivals of one transaction."""

    def __init__(self, facts: Facts, snapshots: Mapping[SiteId, Snapshot], ids: IdSource, now: datetime) -> None:
        """Take everything that was read; `now` is the server's instant of this batch."""
        self._facts = facts
        self._snapshots = snapshots
        self._ids = ids
        self._now = now
        self.writes = Writes()
        self._sheet = LedgerSheet(facts, self.writes, ids, now)

    def take(self, arrival: Arrival, checked: tuple[Checked, ...]) -> Receipt:
        """Take one frame; `checked` are its records after `server.taps.checks`."""
        statuses: list[tuple[int, RecordStatus]] = []
        decision: LiveDecision | None = None
        for one in checked:
            key = TapKey(arrival.device.id, arrival.epoch, one.record.seq)
            status = self._take_record(arrival, key, one)
            statuses.append((one.record.seq, status))
            if arrival.live:
                decision = self._answer(key, status)
        mark = self._facts.marks[arrival.device.id, arrival.epoch]
        self._advance(arrival, mark.acked_through)
        purpose = next((str(one.body.purpose) for one in checked if isinstance(one.body, Intent)), "")
        return Receipt(tuple(statuses), mark.acked_through, decision, purpose)

    def _take_record(self, arrival: Arrival, key: TapKey, one: Checked) -> RecordStatus:
        device, record = arrival.device, one.record
        stored = self._facts.stored.get(key)
        if stored is not None:
            if stored.hash == record.hash:
                self._repeat(key)
                return RecordStatus.DUPLICATE
            self._quarantine(device, key, record, "conflict")
            return RecordStatus.CONFLICT
        if one.body is None or one.problem:
            self._quarantine(device, key, record, one.problem)
            return RecordStatus.QUARANTINED
        match one.body:
            case Intent() as intent:
                self._intent(arrival, key, record, intent)
            case Outcome() | Decided() as later:
                tap = self._facts.stored.get(TapKey(key.device, key.epoch, later.tap_seq))
                if tap is None or tap.kind != "intent":
                    self._quarantine(device, key, record, "no_intent")
                    return RecordStatus.QUARANTINED
                self._later(arrival, key, record, later, tap)
            case event:
                self._store(arrival, key, record, event, StoredRecord(record.hash, "event", "", event.place, "", None))
        return RecordStatus.STORED

    # --- a tap ---------------------------------------------------------------------------------------------

    def _intent(self, arrival: Arrival, key: TapKey, record: Record, intent: Intent) -> None:
        at = self._now if arrival.live else self.event_time(intent.stamp)
        snapshot = self._snapshots[arrival.device.site]
        if intent.purpose is Purpose.TILL:
            decision = self._meal(arrival, key, intent, snapshot, at)
        else:
            decision = self._gate(arrival.device, intent, snapshot, at)
        self._facts.charges.setdefault(key, None)
        card = snapshot.card(intent.credential)
        stored = StoredRecord(
            record.hash, "intent", intent.purpose, intent.place, intent.credential, decision,
            card.card if card else None, card.person if card else None,
        )  # fmt: skip
        self._store(arrival, key, record, intent, stored)

    def _gate(self, device: LinkDevice, intent: Intent, snapshot: Snapshot, at: datetime) -> LiveDecision:
        if intent.place not in device.places:
            return LiveDecision(granted=False, reason=Reason.LANE_UNKNOWN, policy_version=snapshot.version)
        tap = GateTap(intent.credential, LaneId(intent.place), intent.possibly_stale)
        decision = decide(tap, snapshot, SiteState(), at)
        return LiveDecision(decision.granted, decision.reason, decision.policy_version)

    def _meal(self, arrival: Arrival, key: TapKey, intent: Intent, snapshot: Snapshot, at: datetime) -> LiveDecision:
        if intent.place not in arrival.device.places:
            return LiveDecision(granted=False, reason=Reason.TILL_UNKNOWN, policy_version=snapshot.version)
        card = snapshot.card(intent.credential)
        account = self._account_of(card)
        tap = MealTap(intent.credential, TillId(intent.place))
        verdict = authorise(tap, snapshot, {}, _view(account), at)
        if verdict.approved and arrival.live:
            self._sheet.charge(self._described(arrival, key, intent.place, verdict, at), account, verdict.legs)
        return LiveDecision(
            verdict.approved,
            verdict.reason,
            verdict.policy_version,
            verdict.amount,
            total_balance(account) if account else 0,
            verdict.meal,
            account.holder if account else "",
        )

    def _described(self, arrival: Arrival, key: TapKey, till: str, verdict: Authorisation, at: datetime) -> Meal:
        snapshot = self._snapshots[arrival.device.site]
        item = snapshot.till(till)
        day = verdict.business_day or site_time(at, snapshot.zone, snapshot.day_starts_at).business_day
        stall = item.stall if item else "unknown"
        return Meal(key, arrival.device.site, till, stall, verdict.meal, day, at, offline=not arrival.live)

    # --- what became of it ---------------------------------------------------------------------------------

    def _later(
        self, arrival: Arrival, key: TapKey, record: Record, later: Decided | Outcome, tap: StoredRecord
    ) -> None:
        if isinstance(later, Outcome) and tap.purpose == Purpose.TILL:
            self._settle(arrival, TapKey(key.device, key.epoch, later.tap_seq), later, tap)
        kind = "outcome" if isinstance(later, Outcome) else "decided"
        stored = StoredRecord(
            record.hash, kind, tap.purpose, tap.place, tap.credential, None, tap.card_id, tap.person_id
        )
        self._store(arrival, key, record, later, stored)

    def _settle(self, arrival: Arrival, tap_key: TapKey, outcome: Outcome, tap: StoredRecord) -> None:
        """Make the charge in force equal to what happened at the counter (P17): served amount, or nothing."""
        wanted = outcome.verdict.amount if outcome.outcome is OutcomeKind.SERVED else 0
        charge = self._facts.charges.get(tap_key)
        booked = charge.amount if charge is not None and charge.in_force else 0
        if wanted == booked:
            return
        snapshot = self._snapshots[arrival.device.site]
        at = self.event_time(outcome.stamp)
        till = snapshot.till(tap.place)
        moment = site_time(at, snapshot.zone, snapshot.day_starts_at)
        card = snapshot.card(tap.credential)
        account = self._account_of(card)
        legs, overdrawn = forced_legs(account, wanted)
        flag = _flag(account, tap.decision, overdrawn=overdrawn) if wanted else ""
        meal = Meal(
            tap_key, arrival.device.site, tap.place, till.stall if till else "unknown",
            outcome.verdict.meal or "unknown", moment.business_day, at, outcome.verdict.offline, flag,
        )  # fmt: skip
        if charge is not None and charge.in_force:
            self._sheet.reverse(meal, charge)
            legs, _ = forced_legs(account, wanted)  # the purses have just got their money back
        if wanted:
            self._sheet.charge(meal, account, legs)
            if flag:
                self._find(arrival.device.site, f"offline_{flag}", tap_key, {"amount_fen": wanted})

    def _account_of(self, card: CardItem | None) -> AccountRow | None:
        return self._facts.accounts.get(card.account) if card is not None and card.account is not None else None

    def event_time(self, stamp: Stamp) -> datetime:
        """Return when a late record happened: the device's wall clock if it can be believed, else now (F10)."""
        at = from_millis(stamp.at_ms)
        if stamp.quality is ClockQuality.UNSET or at > self._now + FUTURE_TOLERANCE:
            return self._now
        return at

    # --- bookkeeping ---------------------------------------------------------------------------------------

    def _store(self, arrival: Arrival, key: TapKey, record: Record, body: Body, stored: StoredRecord) -> None:
        at = self.event_time(body.stamp)
        self._facts.stored[key] = stored
        self._facts.marks[key.device, key.epoch].above[key.seq] = Chained(record.hash, record.previous)
        row = record_row(arrival, key, record, body, stored)
        row["at"], row["received_at"] = at, self._now
        self.writes.record.append(row)
        late = self._now - at > LIVE_AGE
        event = event_row(key, body, stored, at, late=late)
        self.writes.events.setdefault(arrival.device.site, []).append(event)

    def _answer(self, key: TapKey, status: RecordStatus) -> LiveDecision:
        stored = self._facts.stored.get(key)
        if status in {RecordStatus.STORED, RecordStatus.DUPLICATE} and stored is not None and stored.decision:
            return stored.decision
        return LiveDecision(granted=False, reason=Reason.SERVER_FAULT, policy_version=0)

    def _repeat(self, key: TapKey) -> None:
        row = {"id": self._ids.uuid7(), "device_id": key.device, "epoch": key.epoch, "seq": key.seq}
        self.writes.record_arrival.append({**row, "arrived_at": self._now})

    def _quarantine(self, device: LinkDevice, key: TapKey, record: Record, why: str) -> None:
        mark = self._facts.marks[key.device, key.epoch]
        mark.above.setdefault(key.seq, Chained(record.hash, record.previous))
        row = quarantine_row(self._ids.uuid7(), device.site, key, record, why)
        self.writes.quarantine.append({**row, "received_at": self._now})
        self._find(device.site, "quarantined", key, {"why": why})

    def _find(self, site: SiteId, kind: str, key: TapKey, detail: Mapping[str, object]) -> None:
        self.writes.finding.append(finding_row(self._ids.uuid7(), site, kind, key, detail, self._now))

    def _advance(self, arrival: Arrival, from_seq: int) -> None:
        """Move the mark over what is now contiguous; a record that does not chain is found, and passed over."""
        mark = self._facts.marks[arrival.device.id, arrival.epoch]
        while (following := mark.above.pop(mark.acked_through + 1, None)) is not None:
            mark.acked_through += 1
            if following.previous != mark.head_hash:
                key = TapKey(arrival.device.id, arrival.epoch, mark.acked_through)
                self._find(arrival.device.site, "chain_break", key, {"after": from_seq})
            mark.head_hash = following.hash


def _view(account: AccountRow | None) -> AccountView | None:
    if account is None:
        return None
    purses = tuple(PurseBalance(purse.kind, purse.balance, purse.floor) for purse in account.purses.values())  # type: ignore[arg-type]
    return AccountView(account.state, purses, account.meals)


def _flag(account: AccountRow | None, opinion: LiveDecision | None, *, overdrawn: bool) -> str:
    """Name what a person should know about an offline meal that had to post; empty for an ordinary one."""
    if account is None:
        return "unknown_card"
    if opinion is not None and not opinion.granted:
        return str(opinion.reason)
    return "overdrawn" if overdrawn else ""
