"""Gathers what a batch decides on: locked rows, and of the rest what memory does not hold.

An ordinary batch of taps asks once (policy versions, locked purses) and writes once; one of outcomes that the books
agree with only writes. After somebody else wrote, or for old taps, the journals' rows are locked
first and records and charges are read from the tables.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from cardcore.access.snapshot import Snapshot
from cardcore.canteen.selling import DAY, MEAL, MONTH
from cardcore.clock import from_millis, site_time
from cardcore.ids import SiteId, TapKey
from cardcore.journal import Decided, Intent, Outcome, Purpose
from server.taps import crowd, moments, proofs
from server.taps.arrivals import Arrival, Facts, Journal, JournalKey
from server.taps.checks import Checked
from server.taps.ledger_sheet import agrees
from server.taps.memory import Memory
from server.taps.policy_cache import PolicyCache
from server.taps.store import TapStore

Frames = Sequence[tuple[Arrival, tuple[Checked, ...]]]
"""Arrivals with their checked records."""
Snapshots = Mapping[SiteId, Snapshot]


def gather(
    store: TapStore, frames: Frames, memory: Memory, policy: PolicyCache, now: datetime
) -> tuple[Facts, Snapshots]:
    """Lock and read what a batch needs and memory does not hold, inside its transaction."""
    sites = list({arrival.device.site: None for arrival, _ in frames})
    guessed: Snapshots = {site: policy.known(site) for site in sites}
    # Outcomes tell what happened under whatever policy was in force: only taps need the newest.
    asks_policy = any(type(one.body) is Intent for _, frame in frames for one in frame) or any(
        snapshot.version == 0 for snapshot in guessed.values()
    )
    versions = store.policy_versions(sites) if asks_policy else None
    facts = Facts(_journals(store, frames, memory), {}, {})
    _recall_records(store, frames, facts)
    # The accounts are guessed from the policy known so far: so they come along with the word whether it is the newest.
    _lock_accounts(store, frames, guessed, facts, now)
    snapshots = guessed
    if versions is not None:
        newest = versions()
        snapshots = {site: policy.current(store, site, newest.get(site, 0)) for site in sites}
    if any(snapshots[site] is not guessed[site] for site in sites):
        _lock_accounts(store, frames, snapshots, facts, now)
    if any(snapshot.needs_proof for snapshot in snapshots.values()):
        proofs.gather(store, frames, snapshots, facts, now)
    crowd.gather(store, frames, snapshots, facts, now)
    moments.gather(store, snapshots, facts)
    facts.ledger_accounts = {site: _ledger_accounts(store, memory, site, snapshots[site].version) for site in sites}
    return facts, snapshots


def _journals(store: TapStore, frames: Frames, memory: Memory) -> dict[JournalKey, Journal]:
    """Return the batch's journals in id order: as remembered, or locked and read."""
    keys = sorted({(arrival.device.id, arrival.epoch) for arrival, _ in frames})
    known = {key: memory.recall(key) for key in keys}
    forgotten = [key for key, journal in known.items() if journal is None]
    heads = store.lock_heads(forgotten) if forgotten else {}
    journals: dict[JournalKey, Journal] = {}
    for key, journal in known.items():
        if journal is None:
            head = heads[key]
            journal = Journal(*key, head.writes, head.acked_through, head.head_hash)  # noqa: PLW2901 - read instead of remembered
        journals[key] = journal
    return journals


def _lock_accounts(store: TapStore, frames: Frames, snapshots: Snapshots, facts: Facts, now: datetime) -> None:
    wanted = sorted(set(_accounts(frames, snapshots, facts)) - facts.accounts.keys())
    if wanted:
        days = _days(frames, snapshots, facts, now) if _has_limits(snapshots) else []
        if any(snapshot.has_limits(MONTH) for snapshot in snapshots.values()):
            days = sorted({other for day in days for other in _month_of(day)})
        facts.accounts |= store.lock_accounts(wanted, days)


def _ledger_accounts(store: TapStore, memory: Memory, site: SiteId, policy_version: int) -> dict[tuple[str, str], UUID]:
    accounts = memory.ledger_accounts(site, policy_version)
    if accounts is None:
        accounts = store.ledger_accounts(site)
        memory.keep_ledger_accounts(site, policy_version, accounts)
    return accounts


def _recall_records(store: TapStore, frames: Frames, facts: Facts) -> None:
    """Read the records and charges that the batch asks about and its journals do not have at hand."""
    forgotten = [key for key, journal in facts.journals.items() if not journal.remembered]
    keys: set[TapKey] = set()
    taps: set[TapKey] = set()
    for arrival, frame in frames:
        device, epoch = arrival.device.id, arrival.epoch
        journal = facts.journals[device, epoch]
        for one in frame:
            body, seq = one.body, one.record.seq
            if journal.may_hold(seq) and seq not in journal.stored:
                keys.add(TapKey(device, epoch, seq))
            if isinstance(body, Outcome | Decided) and journal.may_hold(body.tap_seq):
                tap = TapKey(device, epoch, body.tap_seq)
                if tap.seq not in journal.stored:
                    keys.add(tap)
                if tap.seq not in journal.charges:
                    taps.add(tap)
    if not (forgotten or keys or taps):
        return
    above, stored, charges = store.read_journals(forgotten, sorted(keys), sorted(taps))
    for key, chained in above.items():
        facts.journals[key].above.update(chained)
    for tap, record in stored.items():
        facts.journals[tap.device, tap.epoch].stored[tap.seq] = record
    for tap in taps:
        facts.journals[tap.device, tap.epoch].charges[tap.seq] = charges.get(tap)


def _accounts(frames: Frames, snapshots: Snapshots, facts: Facts) -> Iterable[UUID]:
    """Yield the accounts that the batch may touch: of live meals, and of outcomes that disagree with the books."""
    intents: dict[tuple[int, int], Intent] = {}
    for arrival, frame in frames:
        snapshot = snapshots[arrival.device.site]
        journal = facts.journals[arrival.device.id, arrival.epoch]
        for one in frame:
            body = one.body
            if type(body) is Intent:
                if body.purpose is not Purpose.TILL:
                    continue
                intents[id(journal), one.record.seq] = body
                credential: str = body.credential
            elif type(body) is Outcome:
                intent = intents.get((id(journal), body.tap_seq))
                if intent is None and agrees(body, journal.charges.get(body.tap_seq)):
                    continue
                charge = journal.charges.get(body.tap_seq)
                if charge is not None and charge.account_id is not None:
                    yield charge.account_id
                tap = journal.stored.get(body.tap_seq) or intent
                credential = tap.credential if tap is not None and tap.purpose == Purpose.TILL else ""
            else:
                continue
            card = snapshot.card(credential)
            if card is not None and card.account is not None:
                yield card.account


def _has_limits(snapshots: Snapshots) -> bool:
    return any(
        snapshot.has_limits(MEAL) or snapshot.has_limits(DAY) or snapshot.has_limits(MONTH)
        or snapshot.subsidises_meals or any(meal.limit_count for meal in snapshot.meals)
        for snapshot in snapshots.values()
    )  # fmt: skip


def _month_of(day: date) -> list[date]:
    return [day.replace(day=number) for number in range(1, monthrange(day.year, day.month)[1] + 1)]


def _days(frames: Frames, snapshots: Snapshots, facts: Facts, now: datetime) -> list[date]:
    """Return every business day that a meal of the batch may fall on."""
    instants = {now} | {from_millis(one.body.stamp.at_ms) for _, frame in frames for one in frame if one.body}
    days = {
        site_time(at, snapshot.zone, snapshot.day_starts_at).business_day
        for snapshot in snapshots.values()
        for at in instants
    }
    booked = {
        charge.business_day
        for arrival, frame in frames
        for one in frame
        if isinstance(one.body, Outcome)
        and (charge := facts.journals[arrival.device.id, arrival.epoch].charges.get(one.body.tap_seq)) is not None
    }
    return sorted(days | booked)
