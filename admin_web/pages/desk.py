"""The cash desk: a shift with its float, cash over the counter with receipts, the blind count, the hand-over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import page_number, read_search
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import AccountId, PersonId, ShiftId, StaffId, TransferId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.cashdesk import desk, shifts
from server.cashdesk.models import MAX_COUNTED_FEN, MAX_DESK, DeskRefusal, Receipt, ShiftView, Slip
from server.database import ReadSession
from server.holders import sign_in as holders
from server.ledger import repository as ledger_rows
from server.ledger.roles import TransferKind
from server.ledger.service import MAX_NOTE
from server.staff.roles import Permission
from server.staff.sign_in import SignInOutcome

router = APIRouter()
_AT_DESK = (
    "desk",
    "desk_search",
    "desk_open",
    "desk_close",
    "desk_hand_over",
    "desk_person",
    "desk_book",
    "desk_undo",
    "desk_code",
)
AREA = Area(
    router,
    {
        **allow(dict.fromkeys(_AT_DESK, Permission.TOP_UP)),
        "receipt": frozenset({Permission.TOP_UP, Permission.SHIFTS_READ}),
        **allow({"shifts": Permission.SHIFTS_READ}),
    },
    (
        Place("/desk", "cash-register", "nav.desk", Permission.TOP_UP, Group.FINANCE, "d"),
        Place("/shifts", "clock", "nav.shifts", Permission.SHIFTS_READ, Group.FINANCE),
    ),
    (DeskRefusal, TransferKind),
)
FIELDS: Mapping[DeskRefusal, str] = {
    DeskRefusal.DESK_UNUSABLE: "desk",
    DeskRefusal.ABOVE_HIGHEST: "amount",
    DeskRefusal.BALANCE_TOO_LOW: "amount",
    DeskRefusal.DRAWER_TOO_LOW: "amount",
    DeskRefusal.REASON_MISSING: "reason",
    DeskRefusal.COUNTS_DIFFER: "counted_by_taker",
}
"""Beside which field a refusal is told; all others are told of the form as a whole."""


class Deal(StrEnum):
    """What cash is taken or given for."""

    TOPUP = "topup"
    PAYOUT = "payout"
    DEPOSIT = "deposit"
    DEPOSIT_RETURN = "deposit_return"
    CARD_COST = "card_cost"


Booker = Callable[..., Receipt | DeskRefusal]
DEALS: Mapping[Deal, Booker] = {
    Deal.TOPUP: desk.top_up,
    Deal.PAYOUT: desk.pay_out,
    Deal.DEPOSIT: desk.take_deposit,
    Deal.DEPOSIT_RETURN: desk.return_deposit,
    Deal.CARD_COST: desk.sell_card,
}


@router.get("/desk", name="desk")
async def desk_page(visit: StaffVisit) -> Response:
    """Show the operator's shift, or the form that begins one."""
    return await _desk(visit, Form({}))


@router.post("/desk", name="desk_search")
async def desk_search(visit: StaffVisit) -> Response:
    """Find holders to take cash from; changes nothing."""
    text, page = await read_search(visit.request)
    return await _desk(visit, Form({}), text=text, page=page)


@router.post("/desk/open", name="desk_open")
async def desk_open(visit: StaffVisit) -> Response:
    """Begin a shift with the change from the safe."""
    form = Form(await read_form(visit.request))
    name, opening = form.text("desk", MAX_DESK), form.yuan("opening", Fen(0), MAX_COUNTED_FEN)
    if form.is_good:
        opened = await visit.write(
            lambda session: shifts.open_shift(session, visit.system, visit.site_id, name, visit.actor, opening)
        )
        if not isinstance(opened, DeskRefusal):
            return visit.go("/desk", said="desk.opened")
        refuse(form, opened)
    return await _desk(visit, form, 422)


@router.post("/desk/close", name="desk_close")
async def desk_close(visit: StaffVisit) -> Response:
    """Take the count, before anybody saw what it should be, and end the shift."""
    form = Form(await read_form(visit.request))
    counted, mine = form.yuan("counted", Fen(0), MAX_COUNTED_FEN), await _own_shift(visit)
    if form.is_good and mine is not None:
        closed = await visit.write(
            lambda session: shifts.close_shift(session, visit.system, visit.site_id, mine.id, visit.actor, counted)
        )
        if isinstance(closed, ShiftView):
            return visit.page("desk/counted.html", ended=closed)
        refuse(form, closed)
    return await _desk(visit, form, 422)


@router.post("/desk/hand-over", name="desk_hand_over")
async def desk_hand_over(visit: StaffVisit) -> Response:
    """Pass the drawer to a colleague, who counts it too and proves to be there."""
    form = Form(await read_form(visit.request))
    counted = form.yuan("counted_by_giver", Fen(0), MAX_COUNTED_FEN)
    again = form.yuan("counted_by_taker", Fen(0), MAX_COUNTED_FEN)
    login, mine = form.text("taker", 64), await _own_shift(visit)
    if form.is_good and mine is not None:
        taker = await _taker(visit, form, login)
        if taker is not None:
            giver = (visit.actor, counted)
            passed = await visit.write(
                lambda session: shifts.hand_over(session, visit.system, visit.site_id, mine.id, giver, (taker, again))
            )
            if not isinstance(passed, DeskRefusal):
                return visit.page("desk/counted.html", ended=passed[0])
            refuse(form, passed)
    return await _desk(visit, form, 422)


@router.get("/desk/holders/{person_id}", name="desk_person")
async def desk_person(visit: StaffVisit, person_id: UUID) -> Response:
    """Show a holder's purses and the forms for cash."""
    return await _holder(visit, PersonId(person_id), Form({}))


@router.post("/desk/holders/{person_id}", name="desk_book")
async def desk_book(visit: StaffVisit, person_id: UUID) -> Response:
    """Take or give cash; sending the same form twice books once."""
    form = Form(await read_form(visit.request))
    deal, transfer = form.choice("deal", Deal), TransferId(form.identity("transfer"))
    amount = form.yuan("amount", Fen(1), Fen(MAX_AMOUNT_FEN))
    note, holder = form.text("note", MAX_NOTE, required=False), PersonId(person_id)
    mine, account = await _own_shift(visit), await _account(visit, holder)
    if form.is_good and mine is not None:
        place, order = desk.Till(mine.id, visit.actor), desk.CashOrder(transfer, account, amount, note)
        booked = await visit.write(lambda session: DEALS[deal](session, visit.system, visit.site_id, place, order))
        if isinstance(booked, Receipt):
            return visit.go(f"/receipts/{booked.transfer}", said="desk.booked")
        refuse(form, booked)
    return await _holder(visit, holder, form, 422)


@router.post("/desk/holders/{person_id}/code", name="desk_code")
async def desk_code(visit: StaffVisit, person_id: UUID) -> Response:
    """Show a code once, with which the holder who stands here comes in to the own pages."""
    person = PersonId(person_id)
    code = await visit.write(
        lambda session: holders.make_code(session, visit.system, visit.site_id, visit.actor, person)
    )
    view = await visit.web.services.run(visit.web.services.people.get, person)
    if code is None or view is None:
        raise HTTPException(404)
    return visit.page("desk/code.html", code=code, view=view, minutes=holders.CODE_LIFE.seconds // 60)


@router.post("/desk/receipts/{transfer_id}/take-back", name="desk_undo")
async def desk_undo(visit: StaffVisit, transfer_id: UUID) -> Response:
    """Take a wrong top-up back, whole and once."""
    form = Form(await read_form(visit.request))
    reason, new = form.text("reason", MAX_NOTE), TransferId(form.identity("transfer"))
    slip, mine = await _slip(visit, TransferId(transfer_id)), await _own_shift(visit)
    if form.is_good and mine is not None and slip.account is not None:
        order = desk.CashOrder(new, slip.account, slip.amount, reason)
        place = desk.Till(mine.id, visit.actor)
        done = await visit.write(
            lambda session: desk.reverse_top_up(session, visit.system, visit.site_id, place, slip.transfer, order)
        )
        if isinstance(done, Receipt):
            return visit.go(f"/receipts/{done.transfer}", said="desk.taken_back")
        refuse(form, done)
    return _receipt(visit, slip, form, 422)


@router.get("/receipts/{transfer_id}", name="receipt")
async def receipt(visit: StaffVisit, transfer_id: UUID) -> Response:
    """Show a receipt to print; a cashier sees the own ones."""
    return _receipt(visit, await _slip(visit, TransferId(transfer_id)), Form({}))


@router.get("/shifts", name="shifts")
async def all_shifts(visit: StaffVisit, page: str = "") -> Response:
    """Show everybody's shifts with what was counted and expected."""
    number = page_number(page)
    found = await visit.read(lambda session: shifts.shifts_named(session, visit.site_id, number))
    return visit.page("desk/shifts.html", found=found)


def refuse(form: Form, refusal: DeskRefusal) -> None:
    """Tell a refusal beside its field."""
    form.refuse(FIELDS.get(refusal, WHOLE), key_of(refusal))


async def _own_shift(visit: Visit) -> ShiftView | None:
    return await visit.read(lambda session: shifts.shift_of(session, visit.actor))


async def _account(visit: Visit, person: PersonId) -> AccountId:
    """Return a person's account; raises HTTPException 404 for a stranger and for one without."""
    row = await visit.read(lambda session: ledger_rows.account_of_person(session, visit.site_id, person))
    if row is None:
        raise HTTPException(404)
    return AccountId(row["id"])


async def _taker(visit: Visit, form: Form, login: str) -> StaffId | None:
    """Return the colleague whose password was typed, or refuse: throttled as every sign-in."""
    address = visit.request.client.host if visit.request.client is not None else ""
    proof = await visit.web.services.run(
        visit.web.services.sign_in.verify, login, form.value("taker_password"), address
    )
    if proof.outcome is SignInOutcome.ACCEPTED and proof.staff is not None:
        if Permission.TOP_UP in proof.staff.permissions and proof.staff.id != visit.actor:
            return proof.staff.id
        form.refuse("taker", "desk.taker_may_not")
        return None
    form.refuse("taker_password", "desk.taker_refused")
    return None


async def _slip(visit: Visit, transfer: TransferId) -> Slip:
    slip = await visit.read(lambda session: shifts.slip(session, visit.site_id, transfer))
    if slip is None or (slip.operator != visit.actor and not visit.may(Permission.SHIFTS_READ)):
        raise HTTPException(404)
    return slip


def _receipt(visit: Visit, slip: Slip, form: Form, status: int = 200) -> Response:
    may_undo = (
        slip.kind is TransferKind.TOPUP
        and not slip.taken_back
        and slip.account is not None
        and visit.may(Permission.TOP_UP)
    )
    fresh = visit.system.ids.uuid7()
    return visit.page("desk/receipt.html", status, slip=slip, form=form, may_undo=may_undo, fresh=fresh)


async def _holder(visit: Visit, person: PersonId, form: Form, status: int = 200) -> Response:
    await _account(visit, person)
    services = visit.web.services
    view = await services.run(services.people.get, person)
    if view is None:
        raise HTTPException(404)
    mine = await _own_shift(visit)
    # a form that came back keeps its id: booked once, however often it is sent
    fresh = form.value("transfer") or str(visit.system.ids.uuid7())
    return visit.page("desk/holder.html", status, view=view, form=form, shift=mine, fresh=fresh, deals=list(Deal))


async def _desk(visit: Visit, form: Form, status: int = 200, *, text: str = "", page: int = 1) -> Response:
    services, mine = visit.web.services, await _own_shift(visit)
    found = await services.run(services.people.search, text, page) if text and mine is not None else None

    def slips(session: ReadSession, shift: ShiftId) -> list[Slip]:
        return shifts.receipts(session, visit.site_id, shift)

    booked = await visit.read(lambda session: slips(session, mine.id)) if mine is not None else []
    return visit.page("desk/desk.html", status, form=form, shift=mine, found=found, text=text, slips=booked)
