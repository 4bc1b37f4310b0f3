"""Gathers what a batch decides on: locked rows, and of the rest what memory does not hold.

An ordinary batch of taps asks once (policy versions, locked purses) and writes once; one of outcomes that the books
agree with only writes. After somebody else wrote, or for old taps, the journals' rows are locked
first and records and charges are read from the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from cardcore.access.snapshot import Snapshot
from cardcore.clock import from_millis, site_time
from cardcore.ids import SiteId, TapKey
from cardcore.journal import Decided, Intent, Outcome, OutcomeKind, Purpose
from server.taps import repository
from server.taps.arrivals import Arrival, EpochMark, Facts, Head, StoredRecord
from server.taps.checks import Checked
from server.taps.memory import Journal, Memory
from server.taps.policy_cache import PolicyCache
from server.taps.repository import Connection, JournalKey

Frames = Sequence[tuple[Arrival, tuple[Checked, ...]]]
"""Arrivals with their checked records."""


def gather(
    connection: Connection, frames: Frames, memory: Memory, policy: PolicyCache, now: datetime
) -> tuple[Facts, dict[SiteId, Snapshot]]:
    """Lock and read what a batch needs and memory does not hold, inside its transaction."""
    sites = sorted({arrival.device.site for arrival, _ in frames})
    known = {key: memory.recall(key) for key in sorted({(arrival.device.id, arrival.epoch) for arrival, _ in frames})}
    forgotten = [key for key, journal in known.items() if journal is None]
    guessed = {site: policy.known(site) for site in sites}
    # Outcomes tell what happened under whatever policy was in force: only taps need the newest.
    asks_policy = any(isinstance(one.body, Intent) for _, frame in frames for one in frame) or any(
        snapshot.version == 0 for snapshot in guessed.values()
    )
    versions = repository.policy_versions(connection, sites) if asks_policy else None
    heads = repository.lock_heads(connection, forgotten) if forgotten else {}
    facts = Facts(
        marks={key: _mark(journal, heads.get(key)) for key, journal in known.items()},
        writes={key: heads[key].writes if journal is None else journal.writes for key, journal in known.items()},
        stored={},
        charges={},
        accounts={},
        ledger_accounts={},
    )
    _recall_records(connection, frames, known, facts)
    # The accounts are guessed from the policy known so far: so they come along with the word whether it is the newest.
    _lock_accounts(connection, frames, guessed, facts, now)
    snapshots = guessed
    if versions is not None:
        newest = versions()
        snapshots = {site: policy.current(connection, site, newest.get(site, 0)) for site in sites}
    if any(snapshots[site] is not guessed[site] for site in sites):
        _lock_accounts(connection, frames, snapshots, facts, now)
    facts.ledger_accounts = _ledger_accounts(connection, memory, snapshots)
    return facts, snapshots


def _mark(journal: Journal | None, head: Head | None) -> EpochMark:
    if journal is not None:
        return EpochMark(journal.mark.acked_through, journal.mark.head_hash, dict(journal.mark.above))
    assert head is not None
    return EpochMark(head.acked_through, head.head_hash)


def _lock_accounts(
    connection: Connection, frames: Frames, snapshots: Mapping[SiteId, Snapshot], facts: Facts, now: datetime
) -> None:
    wanted = sorted(set(_accounts(frames, snapshots, facts)) - facts.accounts.keys())
    if wanted:
        days = _days(frames, snapshots, facts, now) if _has_limits(snapshots) else []
        facts.accounts |= repository.lock_accounts(connection, wanted, days)


def _ledger_accounts(
    connection: Connection, memory: Memory, snapshots: Mapping[SiteId, Snapshot]
) -> dict[tuple[SiteId, str, str], UUID]:
    found: dict[tuple[SiteId, str, str], UUID] = {}
    for site, snapshot in snapshots.items():
        accounts = memory.ledger_accounts(site, snapshot.version)
        if accounts is None:
            accounts = repository.ledger_accounts(connection, site)
            memory.keep_ledger_accounts(site, snapshot.version, accounts)
        found |= {(site, role, name): account for (role, name), account in accounts.items()}
    return found


def _recall_records(
    connection: Connection, frames: Frames, known: Mapping[JournalKey, Journal | None], facts: Facts
) -> None:
    """Put the records and charges that the batch asks for into the facts, from memory or else from the tables."""
    forgotten = [key for key, journal in known.items() if journal is None]
    keys: set[TapKey] = set()
    taps: set[TapKey] = set()
    for arrival, frame in frames:
        device, epoch = arrival.device.id, arrival.epoch
        journal, mark = known[device, epoch], facts.marks[device, epoch]
        for one in frame:
            seq = one.record.seq
            if journal is None or seq <= mark.acked_through or seq in mark.above:
                _recall(journal, TapKey(device, epoch, seq), facts, keys)
            if isinstance(one.body, Outcome | Decided):
                tap = TapKey(device, epoch, one.body.tap_seq)
                _recall(journal, tap, facts, keys)
                if journal is not None and tap.seq in journal.charges:
                    facts.charges[tap] = journal.charges[tap.seq]
                else:
                    taps.add(tap)
    if forgotten or keys or taps:
        above, stored, charges = repository.read_journals(connection, forgotten, sorted(keys), sorted(taps))
        for key, chained in above.items():
            facts.marks[key].above.update(chained)
        facts.stored |= stored
        facts.charges |= {tap: charges.get(tap) for tap in taps}


def _recall(journal: Journal | None, key: TapKey, facts: Facts, keys: set[TapKey]) -> None:
    stored = journal.stored.get(key.seq) if journal is not None else None
    if stored is None:
        keys.add(key)
    else:
        facts.stored[key] = stored


def _accounts(frames: Frames, snapshots: Mapping[SiteId, Snapshot], facts: Facts) -> Iterable[UUID]:
    """Yield the accounts that the batch may touch: of live meals, and of outcomes that disagree with the books."""
    intents: dict[TapKey, Intent] = {}
    for arrival, frame in frames:
        snapshot = snapshots[arrival.device.site]
        for one in frame:
            key = TapKey(arrival.device.id, arrival.epoch, one.record.seq)
            match one.body:
                case Intent(purpose=Purpose.TILL) as intent:
                    intents[key] = intent
                    credential: str = intent.credential
                case Outcome() as outcome:
                    tap = TapKey(key.device, key.epoch, outcome.tap_seq)
                    if _agrees(outcome, tap, intents, facts):
                        continue
                    charge = facts.charges.get(tap)
                    if charge is not None and charge.account_id is not None:
                        yield charge.account_id
                    stored: StoredRecord | Intent | None = facts.stored.get(tap) or intents.get(tap)
                    credential = stored.credential if stored is not None and stored.purpose == Purpose.TILL else ""
                case _:
                    continue
            card = snapshot.card(credential)
            if card is not None and card.account is not None:
                yield card.account


def _agrees(outcome: Outcome, tap: TapKey, intents: Mapping[TapKey, Intent], facts: Facts) -> bool:
    """Tell whether the books already say what the outcome says; unknown while the tap is of this very batch."""
    if tap in intents:
        return False
    charge = facts.charges.get(tap)
    booked = charge.amount if charge is not None and charge.in_force else 0
    return booked == (outcome.verdict.amount if outcome.outcome is OutcomeKind.SERVED else 0)


def _has_limits(snapshots: Mapping[SiteId, Snapshot]) -> bool:
    return any(meal.limit_count for snapshot in snapshots.values() for meal in snapshot.meals)


def _days(frames: Frames, snapshots: Mapping[SiteId, Snapshot], facts: Facts, now: datetime) -> list[date]:
    """Return every business day that a meal of the batch may fall on."""
    instants = {now} | {from_millis(one.body.stamp.at_ms) for _, frame in frames for one in frame if one.body}
    days = {
        site_time(at, snapshot.zone, snapshot.day_starts_at).business_day
        for snapshot in snapshots.values()
        for at in instants
    }
    return sorted(days | {charge.business_day for charge in facts.charges.values() if charge is not None})
