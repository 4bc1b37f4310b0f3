"""REST of the cash desk and of charges given back. Whoever asks draws the ids, so that asking twice books once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.ids import AccountId, ChargeId, ShiftId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.api.answers import Body, refused
from server.api.caller import Caller, needs
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.audit.service import staff_actor
from server.cashdesk import desk, shifts
from server.cashdesk.models import MAX_COUNTED_FEN, MAX_DESK, DeskRefusal, Receipt, ShiftView
from server.corrections import refunds
from server.corrections.approved import REFUND, RefundWanted
from server.corrections.refunds import RefundOrder, RefundRefusal
from server.ledger.service import MAX_NOTE
from server.staff.roles import Permission

router = APIRouter(tags=["desk"])
Cashier = Annotated[Caller, needs(Permission.TOP_UP)]
Undoer = Annotated[Caller, needs(Permission.CHARGES_UNDO)]
Asker = Annotated[Caller, needs(Permission.REFUND)]
Amount = Annotated[int, Field(gt=0, le=MAX_AMOUNT_FEN, description="Fen.")]
Counted = Annotated[int, Field(ge=0, le=MAX_COUNTED_FEN, description="Fen.")]
Reason = Annotated[str, Field(min_length=1, max_length=MAX_NOTE)]


@dataclass(frozen=True, slots=True)
class ShiftAnswer:
    """A shift; what the drawer should hold is told only once it was counted."""

    id: UUID
    desk: str
    number: int
    open: bool
    receipts: int
    counted: int | None
    expected: int | None


@dataclass(frozen=True, slots=True)
class ReceiptAnswer:
    """What the slip says; `repeated` when it was booked before."""

    number: str
    transfer: UUID
    amount: int
    balance: int
    at: datetime
    repeated: bool


@dataclass(frozen=True, slots=True)
class RefundAnswer:
    """What was given back, and what could still be."""

    amount: int
    left: int


class OpeningBody(Body):
    """A shift to begin."""

    desk: Annotated[str, Field(min_length=1, max_length=MAX_DESK)]
    opening: Counted = 0


class CountBody(Body):
    """What was counted in the drawer."""

    counted: Counted


class CashBody(Body):
    """Cash for an account, or from it."""

    transfer: UUID
    account: UUID
    amount: Amount
    note: Annotated[str, Field(max_length=MAX_NOTE)] = ""


class UndoBody(Body):
    """A meal just served to undo, whole."""

    refund: UUID
    reason: Reason


class RefundBody(Body):
    """How much to give back, for another person to approve; everything that is left when left out."""

    amount: Amount | None = None
    reason: Reason


@router.post("/desk/shifts", status_code=201)
async def open_shift(caller: Cashier, body: OpeningBody) -> ShiftAnswer:
    """Begin a shift with change from the safe."""
    opened = await caller.write(
        lambda session: shifts.open_shift(
            session, caller.system, caller.site_id, body.desk, caller.actor, Fen(body.opening)
        )
    )
    return _shift(opened)


@router.post("/desk/shifts/{shift_id}/count")
async def count(caller: Cashier, shift_id: UUID, body: CountBody) -> ShiftAnswer:
    """Count the drawer and end the shift."""
    ended = await caller.write(
        lambda session: shifts.close_shift(
            session, caller.system, caller.site_id, ShiftId(shift_id), caller.actor, Fen(body.counted)
        )
    )
    return _shift(ended)


@router.post("/desk/shifts/{shift_id}/topups")
async def top_up(caller: Cashier, shift_id: UUID, body: CashBody) -> ReceiptAnswer:
    """Take cash onto an account."""
    return await _cash(caller, shift_id, body, desk.top_up)


@router.post("/desk/shifts/{shift_id}/payouts")
async def pay_out(caller: Cashier, shift_id: UUID, body: CashBody) -> ReceiptAnswer:
    """Give cash back from an account."""
    return await _cash(caller, shift_id, body, desk.pay_out)


@router.post("/charges/{charge_id}/undo")
async def undo(caller: Undoer, charge_id: UUID, body: UndoBody) -> RefundAnswer:
    """Undo a meal of the last five minutes."""
    order = RefundOrder(body.refund, ChargeId(charge_id), None, body.reason)
    actor = staff_actor(caller.actor)
    done = await caller.write(lambda session: refunds.undo(session, caller.system, caller.site_id, order, actor))
    if isinstance(done, RefundRefusal):
        refused(done)
    return RefundAnswer(done.amount, done.left)


@router.post("/charges/{charge_id}/refunds", status_code=202)
async def ask_refund(caller: Asker, charge_id: UUID, body: RefundBody) -> dict[str, UUID]:
    """Ask for a refund; it is booked when another person approves it."""
    wanted = RefundWanted(ChargeId(charge_id), body.amount or 0)
    asked = await caller.write(
        lambda session: approvals.ask(session, caller.system, caller.site_id, caller.actor, REFUND, wanted, body.reason)
    )
    if isinstance(asked, ApprovalRefusal):
        refused(asked)
    return {"approval": asked}


async def _cash(
    caller: Caller, shift_id: UUID, body: CashBody, move: Callable[..., Receipt | DeskRefusal]
) -> ReceiptAnswer:
    order = desk.CashOrder(TransferId(body.transfer), AccountId(body.account), Fen(body.amount), body.note)
    till = desk.Till(ShiftId(shift_id), caller.actor)
    done = await caller.write(lambda session: move(session, caller.system, caller.site_id, till, order))
    if isinstance(done, DeskRefusal):
        refused(done)
    return ReceiptAnswer(done.number, done.transfer, done.amount, done.balance, done.at, done.repeated)


def _shift(done: ShiftView | DeskRefusal) -> ShiftAnswer:
    if isinstance(done, DeskRefusal):
        refused(done)
    return ShiftAnswer(done.id, done.desk, done.number, done.is_open, done.receipts, done.counted, done.expected)
