"""Putting two accounts of one person together (two records of the same human, a rehire): balances move, debts too.

Replacing a card moves nothing, for an account belongs to the person and not to the card.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from cardcore.access.items import AccountState
from cardcore.ids import AccountId, PersonId, SiteId
from server.approvals.models import Approved, Operation
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.ledger import repository
from server.ledger.booking import About, Booking
from server.ledger.roles import TransferKind
from server.ledger.service import set_account_state
from server.staff.roles import Permission

KINDS = ("cash", "count", "deposit", "subsidy")


class MergeRefusal(StrEnum):
    """Why two accounts are not put together."""

    SAME_ACCOUNT = "same_account"
    UNKNOWN_ACCOUNT = "unknown_account"
    ACCOUNT_NOT_OPEN = "account_not_open"


class MergeAccounts(msgspec.Struct, frozen=True):
    """Move everything of one account to another, and close the first."""

    source: AccountId
    target: AccountId


def _merge(given: Approved, wanted: MergeAccounts) -> MergeRefusal | None:
    if wanted.source == wanted.target:
        return MergeRefusal.SAME_ACCOUNT
    rows = [
        repository.lock_account(given.session, given.site_id, account)
        for account in sorted((wanted.source, wanted.target))
    ]
    if any(row is None for row in rows):
        return MergeRefusal.UNKNOWN_ACCOUNT
    if any(row is not None and row["state"] != AccountState.OPEN for row in rows):
        return MergeRefusal.ACCOUNT_NOT_OPEN
    booking = Booking(given.session, given.system, given.site_id, given.actor)
    purses = booking.lock((account, kind) for account in (wanted.source, wanted.target) for kind in KINDS)
    moved = {}
    for kind in KINDS:
        source, target = purses[wanted.source, kind], purses[wanted.target, kind]
        moved[kind] = source.balance
        ends = (source.id, target.id) if source.balance > 0 else (target.id, source.id)
        if source.balance:
            booking.move(TransferKind.MERGE, ends, abs(source.balance), About(given.reason))
    booking.write()
    after = {"into": str(wanted.target), "moved": moved}
    deed = Deed(given.actor, "accounts_merged", f"account:{wanted.source}", after=after, reason=given.reason)
    record(given.session, given.system, given.site_id, deed)
    set_account_state(
        given.session, given.system, given.site_id, wanted.source, AccountState.CLOSED, given.actor
    )  # fmt: skip
    return None


def _holders(session: ReadSession | WriteSession, site_id: SiteId, wanted: MergeAccounts) -> frozenset[PersonId]:
    rows = [repository.account(session, site_id, account) for account in (wanted.source, wanted.target)]
    return frozenset(PersonId(row["person_id"]) for row in rows if row is not None)


MERGE = Operation(
    name="account_merge",
    content=MergeAccounts,
    ask=Permission.BALANCE_ADJUST,
    approve=Permission.BALANCE_ADJUST_APPROVE,
    object_of=lambda wanted: f"account:{wanted.source}",
    carry_out=_merge,
    concerns=_holders,
)
