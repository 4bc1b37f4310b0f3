"""Corrections that two people carry out: office refund, balance adjustment, a record entered from paper.

Each uses the approval's own id as the key of its deed: an approval works once, and so does the deed.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from cardcore.ids import AccountId, ChargeId, MealId, PersonId, SiteId, TillId, TransferId
from cardcore.money import Fen
from server.approvals.models import Approved, Operation
from server.corrections import repository
from server.corrections.adjustments import AdjustmentOrder, AdjustmentRefusal, adjust
from server.corrections.paper import PaperRefusal, PaperSlip, enter
from server.corrections.refunds import RefundOrder, RefundRefusal, refund
from server.database import ReadSession, WriteSession
from server.ledger import repository as ledger_rows
from server.staff.roles import Permission


class RefundWanted(msgspec.Struct, frozen=True):
    """Give back so many fen of a charge; 0 = all that is left."""

    charge: ChargeId
    amount_fen: int = 0


class AdjustmentWanted(msgspec.Struct, frozen=True):
    """Add so many fen, or take them if negative, on a purse."""

    account: AccountId
    purse: str
    amount_fen: int


class PaperWanted(msgspec.Struct, frozen=True):
    """Charge what a slip of paper says."""

    slip: str
    account: AccountId
    till: TillId
    meal: MealId
    amount_fen: int
    at: datetime


def _refund(given: Approved, wanted: RefundWanted) -> RefundRefusal | None:
    amount = Fen(wanted.amount_fen) if wanted.amount_fen else None
    order = RefundOrder(given.approval_id, wanted.charge, amount, given.reason)
    done = refund(given.session, given.system, given.site_id, order, given.actor)
    return done if isinstance(done, RefundRefusal) else None


def _adjust(given: Approved, wanted: AdjustmentWanted) -> AdjustmentRefusal | None:
    transfer = TransferId(given.approval_id)
    order = AdjustmentOrder(transfer, wanted.account, wanted.purse, Fen(wanted.amount_fen), given.reason)
    done = adjust(given.session, given.system, given.site_id, order, given.actor)
    return done if isinstance(done, AdjustmentRefusal) else None


def _enter(given: Approved, wanted: PaperWanted) -> PaperRefusal | None:
    paper = PaperSlip(wanted.slip, wanted.account, wanted.till, wanted.meal, Fen(wanted.amount_fen), wanted.at)
    done = enter(given.session, given.system, given.site_id, paper, given.actor, given.reason)
    return done if isinstance(done, PaperRefusal) else None


def holder_of(session: ReadSession | WriteSession, site_id: SiteId, account: AccountId) -> frozenset[PersonId]:
    """Return whose account it is."""
    row = ledger_rows.account(session, site_id, account)
    return frozenset() if row is None else frozenset({PersonId(row["person_id"])})


def _eater(session: ReadSession | WriteSession, site_id: SiteId, wanted: RefundWanted) -> frozenset[PersonId]:
    row = repository.charge(session, site_id, wanted.charge)
    return frozenset() if row is None or row["person_id"] is None else frozenset({PersonId(row["person_id"])})


REFUND = Operation(
    name="charge_refund",
    content=RefundWanted,
    ask=Permission.REFUND,
    approve=Permission.REFUND_APPROVE,
    object_of=lambda wanted: f"charge:{wanted.charge}",
    carry_out=_refund,
    concerns=_eater,
)
ADJUSTMENT = Operation(
    name="balance_adjustment",
    content=AdjustmentWanted,
    ask=Permission.BALANCE_ADJUST,
    approve=Permission.BALANCE_ADJUST_APPROVE,
    object_of=lambda wanted: f"account:{wanted.account}/{wanted.purse}",
    carry_out=_adjust,
    concerns=lambda session, site_id, wanted: holder_of(session, site_id, wanted.account),
)
PAPER = Operation(
    name="paper_record",
    content=PaperWanted,
    ask=Permission.PAPER_ENTER,
    approve=Permission.PAPER_APPROVE,
    object_of=lambda wanted: f"paper:{wanted.slip}",
    carry_out=_enter,
    concerns=lambda session, site_id, wanted: holder_of(session, site_id, wanted.account),
)
