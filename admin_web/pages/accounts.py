"""A person's account: purses, movements for a stated purpose, statement as a file, and corrections asked here."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place
from admin_web.asking import ask
from admin_web.files import FileKind, table_file
from admin_web.forms import Form
from admin_web.pages.searching import page_number, read_search
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import AccountId, ChargeId, PersonId
from cardcore.money import MAX_AMOUNT_FEN, Fen
from server.corrections import refunds
from server.corrections.approved import ADJUSTMENT, REFUND, AdjustmentWanted, RefundWanted
from server.database import ReadSession
from server.exports.report_tables import statement_table
from server.exports.table import Table
from server.ledger import looking
from server.ledger import repository as ledger_rows
from server.ledger.looking import Purpose
from server.reports import books
from server.reports.rows import PurseKind
from server.staff.roles import Permission

router = APIRouter()
READERS = frozenset({Permission.TOP_UP, Permission.BALANCE_ADJUST, Permission.AUDIT_READ})
AREA = Area(
    router,
    {
        **dict.fromkeys(("accounts", "accounts_search", "account", "account_movements", "account_statement"), READERS),
        "account_adjust": frozenset({Permission.BALANCE_ADJUST}),
        "charge_refund_form": frozenset({Permission.REFUND}),
        "charge_refund": frozenset({Permission.REFUND}),
    },
    (Place("/accounts", "wallet", "nav.accounts", Permission.BALANCE_ADJUST, Group.FINANCE, others=READERS),),
    (Purpose,),
)


@router.get("/accounts", name="accounts")
async def accounts(visit: StaffVisit) -> Response:
    """Ask whose account."""
    return visit.page("accounts/accounts.html", found=None, text="")


@router.post("/accounts", name="accounts_search")
async def accounts_search(visit: StaffVisit) -> Response:
    """Find people; changes nothing."""
    text, page = await read_search(visit.request)
    found = await visit.web.services.run(visit.web.services.people.search, text, page) if text else None
    return visit.page("accounts/accounts.html", found=found, text=text)


@router.get("/accounts/{person_id}", name="account")
async def account(visit: StaffVisit, person_id: UUID) -> Response:
    """Show the purses; movements need a purpose."""
    return await _account(visit, PersonId(person_id), Form({}))


@router.post("/accounts/{person_id}/movements", name="account_movements")
async def account_movements(visit: StaffVisit, person_id: UUID) -> Response:
    """Show what moved, and keep who looked and why."""
    form = Form(await read_form(visit.request))
    person, purpose, page = PersonId(person_id), form.choice("purpose", Purpose), page_number(form.value("page"))
    if not form.is_good:
        return await _account(visit, person, form, 422)
    found = await visit.write(
        lambda session: looking.look_into(session, visit.system, visit.site_id, visit.actor, person, purpose, page)
    )
    if found is None:
        raise HTTPException(404)
    return await _account(visit, person, form, movements=found)


@router.post("/accounts/{person_id}/statement", name="account_statement")
async def account_statement(visit: StaffVisit, person_id: UUID) -> Response:
    """Send the movements of some days as a file; who looked and why is kept too."""
    form = Form(await read_form(visit.request))
    person, purpose, kind = PersonId(person_id), form.choice("purpose", Purpose), form.choice("kind", FileKind)
    from_day, through_day = form.day("from_day") or date.min, form.day("through_day") or date.min
    if form.is_good and through_day < from_day:
        form.refuse("through_day", "reports.days_turned")
    if not form.is_good:
        return await _account(visit, person, form, 422)
    account_id = await account_of(visit, person)
    await visit.write(
        lambda session: looking.note_look(session, visit.system, visit.site_id, visit.actor, person, purpose)
    )

    def make(session: ReadSession) -> Table:
        return statement_table(books.statement(session, visit.site_id, account_id, from_day, through_day))

    title = visit.web.renderer.text(visit.language, "account.statement")
    return await table_file(visit, make, kind, title, (from_day, through_day))


@router.post("/accounts/{person_id}/adjust", name="account_adjust")
async def account_adjust(visit: StaffVisit, person_id: UUID) -> Response:
    """Ask another person to agree to a difference on a purse."""
    form = Form(await read_form(visit.request))
    person, limit = PersonId(person_id), Fen(MAX_AMOUNT_FEN)
    amount, purse = form.yuan("amount", Fen(-limit), limit), form.one_of("purse", {"cash": 1, "subsidy": 1})
    wanted = AdjustmentWanted(await account_of(visit, person), purse, amount)
    if form.is_good and await ask(visit, ADJUSTMENT, wanted, form):
        return visit.go("/approvals", said="approvals.asked")
    return await _account(visit, person, form, 422)


@router.get("/charges/{charge_id}/refund", name="charge_refund_form")
async def charge_refund_form(visit: StaffVisit, charge_id: UUID) -> Response:
    """Show one charge and what of it may be given back."""
    return await _refund_form(visit, ChargeId(charge_id), Form({}))


@router.post("/charges/{charge_id}/refund", name="charge_refund")
async def charge_refund(visit: StaffVisit, charge_id: UUID) -> Response:
    """Ask another person to agree to a refund; nothing typed means all that is left."""
    form, charge = Form(await read_form(visit.request)), ChargeId(charge_id)
    amount = form.yuan("amount", Fen(1), Fen(MAX_AMOUNT_FEN)) if form.value("amount").strip() else Fen(0)
    if form.is_good and await ask(visit, REFUND, RefundWanted(charge, amount), form):
        return visit.go("/approvals", said="approvals.asked")
    return await _refund_form(visit, charge, form, 422)


async def account_of(visit: Visit, person: PersonId) -> AccountId:
    """Return a person's account; raises HTTPException 404 for a stranger and for one without."""
    row = await visit.read(lambda session: ledger_rows.account_of_person(session, visit.site_id, person))
    if row is None:
        raise HTTPException(404)
    return AccountId(row["id"])


async def _account(visit: Visit, person: PersonId, form: Form, status: int = 200, movements: object = None) -> Response:
    view = await visit.web.services.run(visit.web.services.people.get, person)
    if view is None:
        raise HTTPException(404)
    kinds = [PurseKind.CASH, PurseKind.SUBSIDY]
    return visit.page(
        "accounts/account.html", status, view=view, form=form, movements=movements, purposes=list(Purpose),
        kinds=kinds, files=list(FileKind),
    )  # fmt: skip


async def _refund_form(visit: Visit, charge: ChargeId, form: Form, status: int = 200) -> Response:
    row = await visit.read(lambda session: refunds.shown(session, visit.site_id, charge))
    if row is None:
        raise HTTPException(404)
    return visit.page("accounts/refund.html", status, charge=row, form=form)
