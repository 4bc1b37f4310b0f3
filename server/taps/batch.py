"""One batch: takes arrivals in order, over facts that were read and locked, and writes down everything to be stored.

No SQL and no clock. The result equals taking the arrivals one by one (I25): whatever one record changes (a balance,
a stored decision, a mark) is changed in the facts before the next is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import cache

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.items import CardItem, LaneItem, TillItem
from cardcore.access.snapshot import Snapshot
from cardcore.canteen.authorise import AccountView, Authorisation, MealTap, PurseBalance, authorise
from cardcore.canteen.limits import Pin, taken_over
from cardcore.canteen.pricing import NO_ENTRY, Entry
from cardcore.clock import from_millis, site_time
from cardcore.ids import IdSource, LaneId, PersonId, SiteId, TapKey, TillId
from cardcore.journal import Body, ClockQuality, Decided, Intent, Outcome, OutcomeKind, Purpose, Record, Stamp, Verdict
from cardcore.money import Fen
from cardcore.reasons import ALARMING, Reason
from cardcore.wire.messages import RecordStatus
from server.alarms.kinds import ENDS
from server.taps import alarms, crowd, moments, proofs
from server.taps.arrivals import (
    AccountRow,
    Arrival,
    Chained,
    ChargeRow,
    Facts,
    Journal,
    LinkDevice,
    LiveDecision,
    Receipt,
    StoredRecord,
    Writes,
)
from server.taps.checks import Checked
from server.taps.ledger_sheet import (
    LedgerSheet,
    Meal,
    agrees,
    forced_legs,
    must_post,
    no_meal_left,
    parts_of,
    total_balance,
)
from server.taps.rows import dish_line_row, event_row, finding_row, quarantine_row, record_row

LIVE_AGE = timedelta(seconds=30)
"""Older records are late: they are shown as such and trigger nothing (P15)."""
FUTURE_TOLERANCE = timedelta(minutes=10)
"""A device whose clock is further ahead than this is not believed about the day."""
UNDO_TOLERANCE = timedelta(minutes=2)
"""A charge is dated by the server's clock, taking it back by the till's."""
UNDONE_LATE, SUBSIDY_TWICE, CLOCK_UNSURE = "undone_late", "subsidy_twice", "clock_unsure"
"""Flags of what a till did that the server would not have done; each has a finding."""


class Batch:
    """Decides and books the arrivals of one transaction."""

    def __init__(
        self,
        facts: Facts,
        snapshots: Mapping[SiteId, Snapshot],
        ids: IdSource,
        now: datetime,
        closed_through: Callable[[SiteId], date | None],
    ) -> None:
        """Take everything that was read; `now` is the server's instant of this batch.

        `closed_through` tells a site's last closed day; only records of earlier days make it be asked.
        """
        self._closed_through = cache(closed_through)
        self._facts = facts
        self._snapshots = snapshots
        self._ids = ids
        self._now = now
        self.writes = Writes()
        self._sheet = LedgerSheet(facts, self.writes, ids, now)

    def take(self, arrival: Arrival, checked: tuple[Checked, ...]) -> Receipt:
        """Take one frame; `checked` are its records after `server.taps.checks`."""
        device, epoch = arrival.device.id, arrival.epoch
        journal = self._facts.journals[device, epoch]
        statuses: list[tuple[int, RecordStatus]] = []
        decision: LiveDecision | None = None
        purpose = ""
        for one in checked:
            seq = one.record.seq
            status = self._take_record(arrival, journal, TapKey(device, epoch, seq), one)
            statuses.append((seq, status))
            if arrival.live:
                decision = _answer(journal.stored.get(seq), status)
                purpose = str(one.body.purpose) if isinstance(one.body, Intent) else ""
        self._advance(arrival, journal)
        return Receipt(tuple(statuses), journal.acked_through, decision, purpose)

    def _take_record(self, arrival: Arrival, journal: Journal, key: TapKey, one: Checked) -> RecordStatus:
        record, body = one.record, one.body
        stored = journal.stored.get(key.seq)
        if stored is not None:
            if stored.hash == record.hash:
                self._repeat(key)
                return RecordStatus.DUPLICATE
            self._quarantine(arrival, journal, key, record, "conflict")
            return RecordStatus.CONFLICT
        if body is None or one.problem:
            self._quarantine(arrival, journal, key, record, one.problem)
            return RecordStatus.QUARANTINED
        match body:
            case Intent():
                self._intent(arrival, journal, key, record, body)
            case Outcome() | Decided():
                tap = journal.stored.get(body.tap_seq)
                if tap is None or tap.kind != "intent":
                    self._quarantine(arrival, journal, key, record, "no_intent")
                    return RecordStatus.QUARANTINED
                self._later(arrival, journal, key, record, body, tap)
            case _:
                lane = self._lane_of(arrival.device, body.place)
                if lane is not None:
                    at = self.event_time(body.stamp)
                    crowd.happened(self._facts, self.writes, arrival.device.site, body, lane, at)
                if body.alarm or body.event in ENDS:
                    at = self.event_time(body.stamp)
                    alarms.happened(self.writes, arrival.device, key, body, at, self._seen())
                event = StoredRecord(record.hash, "event", "", body.place, "", None)
                self._store(arrival, journal, key, record, body, event)
        return RecordStatus.STORED

    # --- a tap ---------------------------------------------------------------------------------------------

    def _intent(self, arrival: Arrival, journal: Journal, key: TapKey, record: Record, intent: Intent) -> None:
        at = self._now if arrival.live else self.event_time(intent.stamp)
        snapshot = self._snapshots[arrival.device.site]
        card = snapshot.card(intent.credential)
        if intent.purpose is Purpose.TILL:
            decision = self._meal(arrival, key, intent, snapshot, card, at)
        else:
            decision = self._gate(arrival, intent, snapshot, at)
        journal.charges.setdefault(key.seq, None)
        stored = StoredRecord(
            record.hash, "intent", intent.purpose, intent.place, intent.credential, decision,
            card.card if card else None, card.person if card else None,
        )  # fmt: skip
        if decision.reason in ALARMING:
            alarms.refused(self.writes, arrival.device, key, stored, at, self._seen())
        self._store(arrival, journal, key, record, intent, stored)

    def _seen(self) -> alarms.Seen:
        return alarms.Seen(self._ids.uuid7(), self._now)

    def _gate(self, arrival: Arrival, intent: Intent, snapshot: Snapshot, at: datetime) -> LiveDecision:
        device = arrival.device
        if intent.place not in device.places:
            return LiveDecision(granted=False, reason=Reason.LANE_UNKNOWN, policy_version=snapshot.version)
        tap = GateTap(intent.credential, LaneId(intent.place), intent.possibly_stale)
        where, remembered = crowd.whereabouts(self._facts, device.site), moments.known(self._facts, device.site)
        decision = decide(tap, snapshot, SiteState(whereabouts=where, moments=remembered), at)
        lane = snapshot.lane(intent.place)
        if arrival.live and lane is not None:
            moments.tapped(self._facts, self.writes, device.site, lane, (decision.card, decision.reason, at))
        return LiveDecision(decision.granted, decision.reason, decision.policy_version)

    def _meal(
        self, arrival: Arrival, key: TapKey, intent: Intent, snapshot: Snapshot, card: CardItem | None, at: datetime
    ) -> LiveDecision:
        if intent.place not in arrival.device.places:
            return LiveDecision(granted=False, reason=Reason.TILL_UNKNOWN, policy_version=snapshot.version)
        account = self._account_of(card)
        entry = Entry(Fen(intent.amount), intent.lines) if intent.amount or intent.lines else NO_ENTRY
        tap = MealTap(intent.credential, TillId(intent.place), entry)
        view = None if account is None else _view(account, snapshot, intent.place, at, arrival.pin)
        verdict = authorise(tap, snapshot, {}, view, at)
        if verdict.approved and arrival.live:
            meal = self._described(arrival, key, intent.place, verdict, at)
            self._sheet.charge(meal, account, verdict.legs, parts_of(verdict))
        if intent.lines:
            self._note_lines(key, intent, self._described(arrival, key, intent.place, verdict, at))
        return LiveDecision(
            verdict.approved,
            verdict.reason,
            verdict.policy_version,
            verdict.amount,
            total_balance(account, verdict.rights) if account else 0,
            verdict.meal,
            account.holder if account else "",
            verdict.discount,
            verdict.surcharge,
            verdict.rights,
            verdict.credit,
            verdict.subsidy,
        )

    def _note_lines(self, key: TapKey, intent: Intent, meal: Meal) -> None:
        """Keep what was chosen for the statistics of dishes; whether it was sold says the tap's charge."""
        for number, line in enumerate(intent.lines, 1):
            self.writes.dish_line.append(dish_line_row(key, number, line, meal.site, meal))

    def _described(self, arrival: Arrival, key: TapKey, till: str, verdict: Authorisation, at: datetime) -> Meal:
        snapshot = self._snapshots[arrival.device.site]
        item = snapshot.till(till)
        day = verdict.business_day or site_time(at, snapshot.zone, snapshot.day_starts_at).business_day
        stall = item.stall if item else "unknown"
        return Meal(key, arrival.device.site, till, stall, verdict.meal, day, at, offline=not arrival.live)

    # --- what became of it ---------------------------------------------------------------------------------

    def _later(
        self,
        arrival: Arrival,
        journal: Journal,
        key: TapKey,
        record: Record,
        later: Decided | Outcome,
        tap: StoredRecord,
    ) -> None:
        kind = "decided"
        if isinstance(later, Outcome):
            kind = "outcome"
            if tap.purpose == Purpose.TILL:
                self._settle(arrival, TapKey(key.device, key.epoch, later.tap_seq), later, tap)
            if later.outcome is OutcomeKind.PASSED:
                self._passed(arrival, tap, self.event_time(later.stamp))
            elif later.outcome is OutcomeKind.NOT_USED and (lane := self._lane_of(arrival.device, tap.place)):
                moments.ended(self._facts, self.writes, arrival.device.site, lane)
        stored = StoredRecord(
            record.hash, kind, tap.purpose, tap.place, tap.credential, None, tap.card_id, tap.person_id
        )
        self._store(arrival, journal, key, record, later, stored)

    def _passed(self, arrival: Arrival, tap: StoredRecord, at: datetime) -> None:
        """Note that somebody went through a lane: what meals ask of it, and where they are now."""
        snapshot = self._snapshots[arrival.device.site]
        lane = self._lane_of(arrival.device, tap.place)
        if lane is None:
            return
        card, site = snapshot.card(tap.credential), arrival.device.site
        if snapshot.needs_proof:
            proofs.passed(self._account_of(card), snapshot, tap.place, at)
        late = self._now - at > LIVE_AGE
        partner = moments.passed(self._facts, self.writes, site, lane, card, snapshot, at, late=late)
        for person in (tap.person_id, partner):
            if person is not None:
                crowd.passed(self._facts, self.writes, site, PersonId(person), lane, at)

    def _lane_of(self, device: LinkDevice, place: str) -> LaneItem | None:
        """Return a lane that the device has charge of: what it says of another's is kept, and moves nobody."""
        return self._snapshots[device.site].lane(place) if place in device.places else None

    def _settle(self, arrival: Arrival, tap_key: TapKey, outcome: Outcome, tap: StoredRecord) -> None:
        """Make the charge in force equal to what happened at the counter (P17): served amount, or nothing."""
        charge, verdict = self._facts.charge_of(tap_key), outcome.verdict
        if agrees(outcome, charge):
            return
        served = outcome.outcome is OutcomeKind.SERVED
        wanted = verdict.amount if served else 0
        snapshot = self._snapshots[arrival.device.site]
        at = self.event_time(outcome.stamp)
        till = snapshot.till(tap.place)
        moment = site_time(at, snapshot.zone, snapshot.day_starts_at)
        card = snapshot.card(tap.credential)
        account = self._account_of(card)
        legs, overdrawn = forced_legs(account, wanted, verdict.credit)
        overdrawn = overdrawn or no_meal_left(account, verdict.rights)
        if served:
            again = _subsidised_before(account, snapshot, tap, verdict, moment.business_day)
            flag = _flag(account, tap.decision, overdrawn=overdrawn) or (SUBSIDY_TWICE if again else "")
            flag = flag or ("" if self._believes(outcome.stamp) else CLOCK_UNSURE)
        else:
            flag = _undone(verdict, charge, at, till)
        meal = Meal(
            tap_key, arrival.device.site, tap.place, till.stall if till else "unknown",
            outcome.verdict.meal or "unknown", moment.business_day, at, outcome.verdict.offline, flag,
            self._posting_day(arrival.device.site, moment.business_day),
        )  # fmt: skip
        if charge is not None and charge.in_force:
            self._sheet.reverse(meal, charge, self._posting_day(arrival.device.site, charge.business_day))
            legs, _ = forced_legs(account, wanted, verdict.credit)  # the purses have just got their money back
            if flag == UNDONE_LATE:
                self._find(arrival.device.site, UNDONE_LATE, tap_key, {"amount_fen": charge.amount})
        if served and must_post(verdict):
            self._sheet.charge(meal, account, legs, parts_of(verdict))
            if flag:
                self._find(arrival.device.site, f"offline_{flag}", tap_key, {"amount_fen": wanted})

    def _posting_day(self, site: SiteId, eaten: date) -> date:
        """Return the business day in which a meal of a day is posted: its own, or today where that one is closed."""
        snapshot = self._snapshots[site]
        today = site_time(self._now, snapshot.zone, snapshot.day_starts_at).business_day
        if eaten >= today:
            return eaten
        closed = self._closed_through(site)
        return today if closed is not None and eaten <= closed else eaten

    def _account_of(self, card: CardItem | None) -> AccountRow | None:
        return self._facts.accounts.get(card.account) if card is not None and card.account is not None else None

    def event_time(self, stamp: Stamp) -> datetime:
        """Return when a late record happened: the device's wall clock if it can be believed, else now (F10)."""
        return from_millis(stamp.at_ms) if self._believes(stamp) else self._now

    def _believes(self, stamp: Stamp) -> bool:
        known = stamp.quality is not ClockQuality.UNSET
        return known and from_millis(stamp.at_ms) <= self._now + FUTURE_TOLERANCE

    # --- bookkeeping ---------------------------------------------------------------------------------------

    def _store(
        self, arrival: Arrival, journal: Journal, key: TapKey, record: Record, body: Body, stored: StoredRecord
    ) -> None:
        at, now, site = self.event_time(body.stamp), self._now, arrival.device.site
        journal.stored[key.seq] = stored
        journal.above[key.seq] = Chained(record.hash, record.previous)
        self.writes.record.append(record_row(key, site, record, body, stored, live=arrival.live, at=at, now=now))
        event = event_row(key, body, stored, at, late=now - at > LIVE_AGE)
        events = self.writes.events.get(site)
        if events is None:
            events = self.writes.events[site] = []
        events.append(event)

    def _repeat(self, key: TapKey) -> None:
        row = {"id": self._ids.uuid7(), "device_id": key.device, "epoch": key.epoch, "seq": key.seq}
        self.writes.record_arrival.append({**row, "arrived_at": self._now})

    def _quarantine(self, arrival: Arrival, journal: Journal, key: TapKey, record: Record, why: str) -> None:
        site = arrival.device.site
        journal.above.setdefault(key.seq, Chained(record.hash, record.previous))
        row = quarantine_row(self._ids.uuid7(), site, key, record, why)
        self.writes.quarantine.append({**row, "received_at": self._now})
        self._find(site, "quarantined", key, {"why": why})

    def _find(self, site: SiteId, kind: str, key: TapKey, detail: Mapping[str, object]) -> None:
        self.writes.finding.append(finding_row(self._ids.uuid7(), site, kind, key, detail, self._now))

    def _advance(self, arrival: Arrival, journal: Journal) -> None:
        """Move the mark over what is now contiguous; a record that does not chain is found, and passed over."""
        from_seq, above = journal.acked_through, journal.above
        while (following := above.pop(journal.acked_through + 1, None)) is not None:
            journal.acked_through += 1
            if following.previous != journal.head_hash:
                key = TapKey(journal.device, journal.epoch, journal.acked_through)
                self._find(arrival.device.site, "chain_break", key, {"after": from_seq})
            journal.head_hash = following.hash


def _answer(stored: StoredRecord | None, status: RecordStatus) -> LiveDecision:
    usable = status is RecordStatus.STORED or status is RecordStatus.DUPLICATE
    if usable and stored is not None and stored.decision is not None:
        return stored.decision
    return LiveDecision(granted=False, reason=Reason.SERVER_FAULT, policy_version=0)


def _view(account: AccountRow, snapshot: Snapshot, place: str, at: datetime, pin: Pin) -> AccountView:
    purses = tuple(PurseBalance(purse.kind, purse.balance, purse.floor) for purse in account.purses.values())  # type: ignore[arg-type]
    if not snapshot.needs_proof:
        return AccountView(account.state, purses, account.meals, account.spent, pin=pin)
    entered, ordered = proofs.proved(account, snapshot, place, at)
    return AccountView(account.state, purses, account.meals, account.spent, entered, ordered, pin)


def _undone(verdict: Verdict, charge: ChargeRow | None, at: datetime, till: TillItem | None) -> str:
    """Tell a charge taken back at the till from one whose meal was never served, and whether that was in time.

    A till that takes back too late has given the money back all the same: it is booked, and a person looks into it.
    """
    if verdict.reason != Reason.UNDONE:
        return ""
    minutes = till.undo_minutes if till is not None else 0
    in_time = charge is None or charge.at is None or at - charge.at <= timedelta(minutes=minutes) + UNDO_TOLERANCE
    return str(verdict.reason) if in_time else UNDONE_LATE


def _subsidised_before(
    account: AccountRow | None, snapshot: Snapshot, tap: StoredRecord, verdict: Verdict, day: date
) -> bool:
    """Tell whether a till alone gave a first tap's subsidy to somebody who had eaten already (C26)."""
    till, card = snapshot.till(tap.place), snapshot.card(tap.credential)
    if not verdict.subsidy or account is None or till is None or card is None:
        return False
    item = snapshot.meal_subsidy(card.category, till.stall, verdict.meal)
    return item is not None and taken_over(item.per, (day, verdict.meal), account.meals) > 0


def _flag(account: AccountRow | None, opinion: LiveDecision | None, *, overdrawn: bool) -> str:
    """Name what a person should know about an offline meal that had to post; empty for an ordinary one."""
    if account is None:
        return "unknown_card"
    if opinion is not None and not opinion.granted:
        return str(opinion.reason)
    return "overdrawn" if overdrawn else ""
