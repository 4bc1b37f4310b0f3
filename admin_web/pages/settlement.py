"""Stalls as businesses: contracts, settlement sheets drawn up by one person and marked paid by another."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import page_number
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import StallId
from cardcore.money import Fen
from server.database import ReadSession
from server.settlement import contracts, sheets
from server.settlement.contracts import MAX_TEXT
from server.settlement.models import MAX_FEE_PER_CHARGE_FEN, Contract, SettlementRefusal, SheetState
from server.settlement.models import WHOLE as ALL_BASIS_POINTS
from server.settlement.sheets import MAX_REFERENCE
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    {
        **allow({"settlement": Permission.BOOKS_READ, "settlement_contract": Permission.STALLS_WRITE}),
        **allow(dict.fromkeys(("settlement_draw", "settlement_paid"), Permission.SETTLE)),
    },
    (Place("/settlement", "building-store", "nav.settlement", Permission.BOOKS_READ, Group.FINANCE),),
    (SheetState, SettlementRefusal),
)


@router.get("/settlement", name="settlement")
async def settlement(visit: StaffVisit, page: str = "") -> Response:
    """Show stalls with their contracts, and all sheets."""
    return await _page(visit, Form({}), number=page_number(page))


@router.post("/settlement/contracts", name="settlement_contract")
async def settlement_contract(visit: StaffVisit) -> Response:
    """Add a version of a stall's contract."""
    form = Form(await read_form(visit.request))
    contract = Contract(
        StallId(form.text("stall", 64)),
        form.day("begins") or date.min,
        form.text("owner", MAX_TEXT),
        form.number("commission", 0, ALL_BASIS_POINTS, default=0),
        form.yuan("fee", Fen(0), Fen(MAX_FEE_PER_CHARGE_FEN)) if form.value("fee").strip() else Fen(0),
        account=form.text("account", MAX_TEXT, required=False),
    )
    if form.is_good:
        made = await visit.write(
            lambda session: contracts.add_contract(session, visit.system, visit.site_id, contract, visit.actor)
        )
        if isinstance(made, Contract):
            return visit.go("/settlement", said="settlement.contract_added")
        form.refuse(WHOLE, key_of(made))
    return await _page(visit, form, 422)


@router.post("/settlement/sheets", name="settlement_draw")
async def settlement_draw(visit: StaffVisit) -> Response:
    """Draw a sheet up through a closed day."""
    form = Form(await read_form(visit.request))
    stall, through = StallId(form.text("stall", 64)), form.day("through") or date.min
    if form.is_good:
        made = await visit.write(
            lambda session: sheets.draw_up(session, visit.system, visit.site_id, stall, through, visit.actor)
        )
        if not isinstance(made, SettlementRefusal):
            return visit.go("/settlement", said="settlement.drawn")
        form.refuse(WHOLE, key_of(made))
    return await _page(visit, form, 422)


@router.post("/settlement/sheets/{sheet_id}/paid", name="settlement_paid")
async def settlement_paid(visit: StaffVisit, sheet_id: UUID) -> Response:
    """Mark a sheet paid that another person drew up."""
    form = Form(await read_form(visit.request))
    reference = form.text("reason", MAX_REFERENCE)
    if form.is_good:
        refusal = await visit.write(
            lambda session: sheets.mark_paid(session, visit.system, visit.site_id, sheet_id, visit.actor, reference)
        )
        if refusal is None:
            return visit.go("/settlement", said="settlement.paid")
        form.refuse(WHOLE, key_of(refusal))
    return await _page(visit, form, 422)


async def _page(visit: Visit, form: Form, status: int = 200, number: int = 1) -> Response:
    def read(session: ReadSession) -> tuple[object, object]:
        return contracts.register(session, visit.site_id), sheets.find(session, visit.site_id, None, number)

    stalls, found = await visit.read(read)
    return visit.page("settlement/settlement.html", status, stalls=stalls, found=found, form=form)
