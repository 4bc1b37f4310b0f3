"""The invariants, one function each, named after them (`docs/reliability.md` says them in words).

Each takes what the run left behind and yields what is wrong. Those about moments (I6, I8, I10, I14, I23) are watched
while the run goes on: `watching.py`, `box.py`, `people.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from cardcore.ids import DeviceId, TapKey
from cardcore.journal import (
    GENESIS,
    Body,
    Decided,
    Intent,
    Outcome,
    OutcomeKind,
    Purpose,
    Record,
    authentic,
)
from tests.simulation import site_plan as plan
from tests.simulation.books import Books, ChargeRow, Key
from tests.simulation.history import History
from tests.simulation.model import Model

Problems = Iterator[str]


@dataclass(frozen=True, slots=True)
class JournalRow:
    """A record on a box's disk."""

    key: Key
    hash: bytes
    body: Body


@dataclass(frozen=True, slots=True)
class KnownPolicy:
    """What one version of the policy said."""

    price: int
    refused: frozenset[str]
    """Credentials."""


@dataclass(slots=True)
class Remains:
    """What a run left behind."""

    books: Books
    model: Model
    history: History
    journals: list[JournalRow]
    devices: dict[str, UUID]
    """By box."""
    lost_disks: set[UUID]
    """Devices whose journal was wiped or put back to an older image."""
    restored: bool
    """Whether the server was put back to an older copy."""
    policies: dict[int, KnownPolicy] = field(default_factory=dict)
    """By version."""
    rogues: frozenset[UUID] = frozenset()
    """Hostile devices."""
    keys: dict[UUID, bytes] = field(default_factory=dict)
    """With what each device seals its records."""

    def in_force(self) -> dict[Key, ChargeRow]:
        """Return the charges that are in force, by tap."""
        newest: dict[Key, ChargeRow] = {}
        for charge in self.books.charges:
            if charge.key not in newest or charge.revision > newest[charge.key].revision:
                newest[charge.key] = charge
        return {key: charge for key, charge in newest.items() if charge.revision % 2 == 0}

    def set_aside(self) -> set[Key]:
        """Return the keys of which something is in quarantine."""
        return {row.key for row in self.books.quarantine}


def inv_i01_transfers_sum_to_zero(remains: Remains) -> Problems:
    """A transfer moves a positive amount between two accounts of the books; a charge is the sum of its transfers."""
    books = remains.books
    for row in books.transfers:
        if row.amount <= 0 or row.source == row.target:
            yield f"transfer of {row.amount} from {row.source} to {row.target}"
        if not {row.source, row.target} <= books.ledger_accounts:
            yield f"transfer {row.kind} names an account that is not in the books"
    charges = {charge.id: charge for charge in books.charges}
    legs: dict[UUID, int] = defaultdict(int)
    for row in books.transfers:
        if row.charge is not None:
            legs[row.charge] += row.amount
    for charge_id, charge in charges.items():
        if legs[charge_id] != charge.amount:
            yield f"charge of {charge.amount} has transfers of {legs[charge_id]}"


def inv_i02_balances_equal_postings(remains: Remains) -> Problems:
    """A purse holds what was paid in less what was taken."""
    sums: dict[UUID, int] = defaultdict(int)
    for row in remains.books.transfers:
        sums[row.target] += row.amount
        sums[row.source] -= row.amount
    for purse in remains.books.purses:
        if purse.balance != sums[purse.id]:
            yield f"{purse.kind} purse holds {purse.balance}, its postings say {sums[purse.id]}"


def inv_i03_one_charge_per_tap(remains: Remains) -> Problems:
    """The revisions of a tap's charge are 0, 1, 2 ..: charged, reversed, charged: at most one is in force."""
    found: dict[Key, list[ChargeRow]] = defaultdict(list)
    for charge in remains.books.charges:
        found[charge.key].append(charge)
    for key, revisions in found.items():
        numbers = sorted(charge.revision for charge in revisions)
        if numbers != list(range(len(numbers))):
            yield f"tap {key[2]} has the charge revisions {numbers}"
        if any((charge.revision % 2 == 1) != (charge.reverses is not None) for charge in revisions):
            yield f"tap {key[2]} has a reversal that reverses nothing"


def _ends(remains: Remains) -> tuple[dict[Key, int], set[Key]]:
    """Return what was served by tap, and the taps that ended at all, as the records in the order of their numbers say.

    A hostile box tells two ends of one tap, the later numbered first: what is in force came last. It is left out.
    """
    served: dict[Key, int] = {}
    closed: set[Key] = set()
    contradicted: set[Key] = set()
    for row in remains.books.records:
        if row.kind == "outcome" and row.purpose == Purpose.TILL and row.tap_seq is not None:
            tap = (row.key[0], row.key[1], row.tap_seq)
            if tap in closed and tap[0] in remains.rogues:
                contradicted.add(tap)
            closed.add(tap)
            if row.outcome == OutcomeKind.SERVED:
                served[tap] = row.amount
            elif row.outcome == OutcomeKind.CANCELLED:
                served.pop(tap, None)
    return {tap: amount for tap, amount in served.items() if tap not in contradicted}, closed


def inv_i04_meals_and_charges_agree(remains: Remains) -> Problems:
    """Meal confirmed: charged once. Not confirmed: charged nothing. No charge without a tap."""
    in_force = remains.in_force()
    served, closed = _ends(remains)
    taps = {row.key for row in remains.books.records if row.kind == "intent"}
    ended, set_aside = {(mark.device, mark.epoch) for mark in remains.books.marks if mark.closed}, remains.set_aside()
    for tap, amount in served.items():
        charge = in_force.get(tap)
        if amount and (charge is None or charge.amount != amount):
            yield f"meal {tap[2]} of {amount} was served and is charged {charge.amount if charge else 'nothing'}"
    for tap, charge in in_force.items():
        if tap[0] in remains.rogues:
            continue  # it never hands in the rest; the day's close names its taps
        if tap not in taps:
            yield f"charge of {charge.amount} without a tap {tap[2]}"
        if tap[0] in remains.lost_disks and tap in set_aside:
            continue  # what became of it was lost with the disk; what stands there now is with a person
        if tap not in served and not (tap not in closed and tap[:2] in ended):
            yield f"tap {tap[2]} is charged {charge.amount} and no meal was confirmed"
    yield from _green_meals(remains, in_force)


def _green_meals(remains: Remains, in_force: dict[Key, ChargeRow]) -> Problems:
    """Every meal that a green lamp gave away is charged, unless its record was lost with a disk or is set aside."""
    kept = {
        (*row.key[:2], row.body.tap_seq)
        for row in remains.journals
        if isinstance(row.body, Outcome) and row.body.outcome is OutcomeKind.SERVED
    }
    set_aside = remains.set_aside()
    yield from _taken_back(remains, in_force)
    cancelled = {
        (*row.key[:2], row.body.tap_seq)
        for row in remains.journals
        if isinstance(row.body, Outcome) and row.body.outcome is OutcomeKind.CANCELLED
    }
    seen: set[Key] = set()
    last = {(remains.devices[meal.box], meal.epoch, meal.seq): meal for meal in remains.history.meals}
    for meal in remains.history.meals:
        key = (remains.devices[meal.box], meal.epoch, meal.seq)
        if key in seen and key[0] not in remains.lost_disks:  # a number may come again when its record was lost
            yield f"tap {meal.seq} of {meal.box} gave two meals"
        seen.add(key)
        if meal is not last[key] and key[0] in remains.lost_disks:
            continue  # the record that stands under its number is the later one's
        charge = in_force.get(key)
        if charge is not None and charge.amount == meal.amount:
            continue
        if not meal.amount or key in cancelled or any(aside[:2] == key[:2] for aside in set_aside):
            continue
        if key in kept or key[0] not in remains.lost_disks:
            yield f"{meal.box} gave a meal of {meal.amount} away for tap {meal.seq} and it is not charged"


def _taken_back(remains: Remains, in_force: dict[Key, ChargeRow]) -> Problems:
    """What a till said it took back is not charged, unless that record was lost with a disk."""
    for undone in remains.history.undone:
        key = (remains.devices[undone.box], undone.epoch, undone.seq)
        if key in in_force and key[0] not in remains.lost_disks:
            yield f"{undone.box} took tap {undone.seq} back and it is charged {in_force[key].amount}"


def inv_i05_no_unseen_overdraft(remains: Remains) -> Problems:
    """A charge that took a purse below its floor is flagged: no decision of the server overdraws."""
    floors = {purse.id: purse.floor for purse in remains.books.purses}
    charges = {charge.id: charge for charge in remains.books.charges}
    for row in remains.books.transfers:
        if row.kind != "charge" or row.source not in floors or row.charge is None or row.source_balance is None:
            continue
        if row.source_balance < floors[row.source] and not charges[row.charge].flag:
            yield f"a charge left {row.source_balance} in a purse with the floor {floors[row.source]}, unflagged"


def inv_i07_no_gaps(remains: Remains) -> Problems:
    """Everything on a box's disk is at the server, whole; what the server holds is chained without a gap."""
    held: dict[Key, set[bytes]] = defaultdict(set)
    chain: dict[Key, bytes] = {}
    for row in remains.books.records:
        held[row.key].add(row.hash)
        chain[row.key] = row.previous
    for aside in remains.books.quarantine:
        held[aside.key].add(aside.hash)
    for journal in remains.journals:
        if journal.hash not in held[journal.key]:
            yield f"record {journal.key[2]} of epoch {journal.key[1]} is on a disk and not at the server"
    for mark in remains.books.marks:
        previous = {GENESIS}
        for seq in range(1, mark.acked_through + 1):
            key = (mark.device, mark.epoch, seq)
            if not held[key]:
                yield f"record {seq} of epoch {mark.epoch} is acknowledged and missing"
            elif key in chain and chain[key] not in previous and not _told(remains, mark.device):
                yield f"record {seq} of epoch {mark.epoch} does not follow the one before, and nobody was told"
            previous = held[key]


def inv_i11_stored_once(remains: Remains) -> Problems:
    """A key is stored once; other content under it is in quarantine, and somebody is told."""
    keys = [row.key for row in remains.books.records]
    if len(keys) != len(set(keys)):
        yield "a key is stored twice"
    aside = {(row.key, row.hash) for row in remains.books.quarantine}
    stored = {row.key: row.hash for row in remains.books.records}
    for key, digest in remains.model.conflicts:
        if (key, digest) not in aside and stored.get(key) != digest:
            yield f"other content for record {key[2]} was dropped"
    for aside_row in remains.books.quarantine:
        subject = "/".join(map(str, aside_row.key))
        if ("quarantined", subject) not in remains.books.findings:
            yield f"record {aside_row.key[2]} is in quarantine and nobody was told"


def inv_i12_acknowledged_is_durable(remains: Remains) -> Problems:
    """What a daemon was told is acknowledged is at the server in the end."""
    held = {row.key for row in remains.books.records} | remains.set_aside()
    for (box, epoch), acked in sorted(remains.history.acked.items()):
        device = remains.devices[box]
        if remains.restored and (device in remains.lost_disks or device in remains.rogues):
            continue  # both copies of a record were lost: no system survives that; a hostile box sends nothing again
        for seq in range(1, acked + 1):
            if (device, epoch, seq) not in held:
                yield f"record {seq} of {box} was acknowledged and is not at the server"


def inv_i13_closed_days_take_nothing(remains: Remains) -> Problems:
    """What is posted stays; nothing is posted into a business day after its close."""
    for close in remains.model.closed:
        for row in remains.books.transfers:
            if row.business_day <= close.day and row.posted_at > close.at:
                yield f"{row.amount} were posted into {row.business_day} after it was closed"


def inv_i14_policy_is_quoted(remains: Remains) -> Problems:
    """Every yes names the policy version and the reason it stands on."""
    for row in remains.journals:
        if isinstance(row.body, Decided | Outcome) and row.body.verdict.granted:
            verdict = row.body.verdict
            if verdict.policy_version <= 0 or not verdict.reason:
                yield f"record {row.key[2]} grants by policy {verdict.policy_version}, reason '{verdict.reason}'"


def inv_i16_records_are_authentic(remains: Remains) -> Problems:
    """Every stored record verifies under its device's key."""
    for row in remains.books.records:
        record = Record(row.key[2], row.body, row.previous, row.hash, row.mac)
        if not authentic(record, TapKey(DeviceId(row.key[0]), *row.key[1:]), remains.keys[row.key[0]]):
            yield f"record {row.key[2]} of epoch {row.key[1]} is stored and does not verify"


def inv_i17_breaks_are_told(remains: Remains) -> Problems:
    """A journal that ended early, or whose chain broke, is a finding."""
    for mark in remains.books.marks:
        if mark.closed and not _told(remains, mark.device):
            yield f"epoch {mark.epoch} was replaced and nobody was told"


def inv_i18_people_are_where_they_passed(remains: Remains) -> Problems:
    """Everybody is taken to be where their latest passage led, and nobody was moved by a mere yes."""
    expected = {person: zone for person, (zone, _) in remains.model.positions.items()}
    for person in sorted({*expected, *remains.books.positions}):
        said, ours = remains.books.positions.get(person), expected.get(person)
        if said != ours:
            yield f"{person} is taken to be in {said}, the passages say {ours}"


def inv_i24_one_decision_core(remains: Remains) -> Problems:
    """The server's answers to live taps are the model's; a box alone does what its policy's version says."""
    for one in remains.model.disagreements:
        yield f"tap {one.key[2]}: the model says {one.ours}, the server said {one.theirs}"
    intents = {row.key: row.body for row in remains.journals if isinstance(row.body, Intent)}
    for row in remains.journals:
        if isinstance(row.body, Outcome | Decided) and (*row.key[:2], row.body.tap_seq) not in intents:
            yield f"record {row.key[2]} tells of a tap that its journal does not hold"
        elif isinstance(row.body, Outcome | Decided) and row.body.verdict.granted and row.body.verdict.offline:
            yield from _alone(remains, row.body, intents[*row.key[:2], row.body.tap_seq])


def _alone(remains: Remains, body: Outcome | Decided, intent: Intent) -> Problems:
    policy = remains.policies.get(body.verdict.policy_version)
    if policy is None or remains.restored:
        return
    if intent.credential in policy.refused:
        yield f"a box granted a card alone that policy {body.verdict.policy_version} refuses"
    keyed = remains.model.variant.keyed and intent.place == plan.KEYED_TILL
    price = intent.amount if keyed else policy.price
    if intent.purpose is Purpose.TILL and body.verdict.amount != price:
        yield f"a box charged {body.verdict.amount} alone, policy {body.verdict.policy_version} says {price}"


def inv_i25_batches_equal_single_taps(remains: Remains) -> Problems:
    """Purses and charges are what the model gets by taking one record after the other."""
    accounts = remains.model.accounts
    for purse in remains.books.purses:
        account = accounts[purse.account]
        expected = {"subsidy": account.subsidy, "cash": account.cash}.get(purse.kind, 0)
        if purse.balance != expected:
            yield f"a {purse.kind} purse holds {purse.balance}, the model says {expected}"
    in_force = remains.in_force()
    for key, tap in remains.model.taps.items():
        booked = in_force[key].amount if key in in_force else 0
        if booked != tap.booked:
            yield f"tap {key[2]} is charged {booked}, the model says {tap.booked}"


def _told(remains: Remains, device: UUID) -> bool:
    return any(
        kind in {"journal_replaced", "journal_returned", "chain_break", "quarantined"} and str(device) in subject
        for kind, subject in remains.books.findings
    )


AT_ANY_TIME = (inv_i01_transfers_sum_to_zero, inv_i02_balances_equal_postings, inv_i03_one_charge_per_tap)
"""What holds at every moment, faults or not."""
AT_THE_END = (
    *AT_ANY_TIME,
    inv_i04_meals_and_charges_agree,
    inv_i05_no_unseen_overdraft,
    inv_i07_no_gaps,
    inv_i11_stored_once,
    inv_i12_acknowledged_is_durable,
    inv_i13_closed_days_take_nothing,
    inv_i14_policy_is_quoted,
    inv_i16_records_are_authentic,
    inv_i17_breaks_are_told,
    inv_i18_people_are_where_they_passed,
    inv_i24_one_decision_core,
    inv_i25_batches_equal_single_taps,
)


def name_of(invariant: object) -> str:
    """Return `I4` for `inv_i04_...`."""
    return f"I{int(getattr(invariant, '__name__').split('_')[1][1:])}"  # noqa: B009 - any callable has one
