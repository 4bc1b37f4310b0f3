"""What must always be true of taps and money, each as a function that returns what is wrong; empty means true.

Read only. Each looks at the rows themselves and trusts no other table's word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cardcore.ids import SiteId
from server.database import ReadSession, WriteSession
from server.ledger import data_repository
from server.ledger import invariant_repository as repository

Session = ReadSession | WriteSession


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an invariant does not hold; `subject` names the row, `detail` the numbers."""

    invariant: str
    subject: str
    detail: dict[str, Any]


def inv_i01_transfers_sum_to_zero(session: Session, site_id: SiteId) -> list[Violation]:
    """I1: the postings of every transfer sum to zero, fen with fen and meals with meals, and so do the whole books."""
    unbalanced = _violations("i01", repository.unbalanced_transfers(session, site_id))
    return unbalanced + _violations("i01", repository.mixed_transfers(session, site_id))


def inv_i02_balances_equal_postings(session: Session, site_id: SiteId) -> list[Violation]:
    """I2: a purse's balance is the sum of its postings, and the last balance noted on a transfer is one of them."""
    return _violations("i02", repository.unequal_balances(session, site_id))


def inv_i03_one_charge_per_tap(session: Session, site_id: SiteId) -> list[Violation]:
    """I3: the revisions of a tap's charge run 0, 1, 2 .. and each odd one reverses the one before, to the fen.

    So at most the last one is in force. Each revision's transfers sum to its amount, and none is without a charge.
    """
    broken = _violations("i03", repository.broken_revisions(session, site_id))
    return broken + _violations("i03", repository.unbooked_charges(session, site_id))


def inv_i04_meals_and_charges_agree(session: Session, site_id: SiteId, *, drained: bool = False) -> list[Violation]:
    """I4: a meal served has one charge in force with its amount, every other outcome none.

    With `drained`, when all journals are in and no tap is under way, a charge whose tap has no outcome is wrong too.
    """
    wrong = _violations("i04", repository.outcomes_without_their_charge(session, site_id))
    if drained:
        wrong += _violations("i04", repository.charges_without_outcome(session, site_id))
    return wrong


def inv_i05_no_online_overdraft(session: Session, site_id: SiteId) -> list[Violation]:
    """I5: no charge decided online left a purse below its floor; looks at the last two business days.

    Older ones are not looked at: a floor that was raised since would accuse them.
    """
    return _violations("i05", data_repository.online_overdrafts(session, site_id))


def inv_i07_no_gaps(session: Session, site_id: SiteId) -> list[Violation]:
    """I7: up to the acknowledged mark of a journal every seq is stored or quarantined, and the records chain."""
    missing = _violations("i07", repository.gaps(session, site_id))
    return missing + _violations("i07", repository.broken_chains(session, site_id))


def inv_i11_contents_fit_their_hashes(session: Session, site_id: SiteId) -> list[Violation]:
    """I11: a stored record is what its hash says, and nothing that differs from it was set aside as the same."""
    changed = _violations("i11", data_repository.changed_records(session, site_id))
    return changed + _violations("i11", data_repository.false_conflicts(session, site_id))


def inv_i13_refunds_within_the_charge(session: Session, site_id: SiteId) -> list[Violation]:
    """I13: what was given back of a transfer, and of a charge, by hand or by itself, is never more than it was."""
    return _violations("i13", repository.excessive_refunds(session, site_id))


def inv_d01_ids_resolve(session: Session, site_id: SiteId) -> list[Violation]:
    """D1: the tap path's rows name cards, people, accounts, devices and tills that exist: no foreign key says so."""
    return _violations("d01", data_repository.dangling_ids(session, site_id))


def inv_d02_meal_counts_follow_charges(session: Session, site_id: SiteId) -> list[Violation]:
    """D2: how often somebody ate, as limits count it, is what the charges in force say; days with refunds aside."""
    return _violations("d02", data_repository.wrong_meal_counts(session, site_id))


def inv_d03_day_sums_are_their_charges(session: Session, site_id: SiteId) -> list[Violation]:
    """D3: the sums that are kept of closed days, for quick reports, are what their charges come to."""
    return _violations("d03", data_repository.wrong_day_sums(session, site_id))


def all_invariants(session: Session, site_id: SiteId, *, drained: bool = False) -> dict[str, list[Violation]]:
    """Run all of them; for the doctor and the demo."""
    return {
        "i01_transfers_sum_to_zero": inv_i01_transfers_sum_to_zero(session, site_id),
        "i02_balances_equal_postings": inv_i02_balances_equal_postings(session, site_id),
        "i03_one_charge_per_tap": inv_i03_one_charge_per_tap(session, site_id),
        "i04_meals_and_charges_agree": inv_i04_meals_and_charges_agree(session, site_id, drained=drained),
        "i05_no_online_overdraft": inv_i05_no_online_overdraft(session, site_id),
        "i07_no_gaps": inv_i07_no_gaps(session, site_id),
        "i11_contents_fit_their_hashes": inv_i11_contents_fit_their_hashes(session, site_id),
        "i13_refunds_within_the_charge": inv_i13_refunds_within_the_charge(session, site_id),
        "d01_ids_resolve": inv_d01_ids_resolve(session, site_id),
        "d02_meal_counts_follow_charges": inv_d02_meal_counts_follow_charges(session, site_id),
        "d03_day_sums_are_their_charges": inv_d03_day_sums_are_their_charges(session, site_id),
    }


def _violations(name: str, rows: repository.Found) -> list[Violation]:
    return [
        Violation(name, str(row["subject"]), {key: value for key, value in row.items() if key != "subject"})
        for row in rows
    ]
