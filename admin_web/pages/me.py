"""The holder's own pages: balance, meals, gates, statement, lost card, orders, stars, complaints. Nothing of others."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import RedirectResponse

from admin_web.area import Area
from admin_web.files import FileKind, table_file
from admin_web.forms import WHOLE, Form
from admin_web.holder_visits import HolderVisit, OwnVisit, holder_cookie, set_holder_cookie
from admin_web.i18n import key_of
from admin_web.visits import AnyVisit, Visit, read_form
from cardcore.clock import site_time
from cardcore.ids import AccountId, CardId, ChargeId
from server.canteen import menus, orders
from server.canteen import repository as canteen_rows
from server.database import ReadSession
from server.exports.report_tables import statement_table
from server.exports.table import Table
from server.holders import service, sign_in
from server.holders.service import MAX_WORDS, HolderRefusal
from server.ledger import repository as ledger_rows
from server.reports import books

router = APIRouter()
OWN = (
    "me", "me_lost", "me_meals", "me_statement", "me_rate", "me_gates", "me_orders", "me_order", "me_complaints",
    "me_complain",
)  # fmt: skip
AREA = Area(
    router, {}, shown=(HolderRefusal,), open_routes=frozenset({*OWN, "me_sign_in_form", "me_sign_in", "me_sign_out"})
)
"""Open to all in the table of staff's permissions: each of them asks for a holder's session (`OwnVisit`)."""
RECENT = timedelta(days=14)
DAYS_AHEAD = 7
MAX_NUMBER = 40


@router.get("/me/login", name="me_sign_in_form")
async def me_sign_in_form(visit: AnyVisit) -> Response:
    """Ask for the number and the code from the desk."""
    return _entry(visit, Form({}))


@router.post("/me/login", name="me_sign_in")
async def me_sign_in(visit: AnyVisit) -> Response:
    """Take the code, once, and open a holder's session."""
    form, cookie = Form(await read_form(visit.request)), holder_cookie(visit.request)
    proof = (form.text("number", MAX_NUMBER), form.text("code", sign_in.CODE_DIGITS + 1).replace(" ", ""))
    if not form.is_good or cookie is None:
        return _entry(visit, form, 422)
    address = visit.request.client.host if visit.request.client is not None else ""
    answer = await visit.write(lambda session: sign_in.enter(session, visit.system, visit.site_id, proof, address))
    if isinstance(answer, str):
        response = RedirectResponse("/me", 303)
        set_holder_cookie(response, cookie, answer)
        return response
    if answer is None:
        form.refuse(WHOLE, "me.refused")
        return _entry(visit, form, 401)
    form.refuse(WHOLE, "me.throttled", minutes=-(-int(answer.total_seconds()) // 60))
    return _entry(visit, form, 429)


@router.post("/me/logout", name="me_sign_out")
async def me_sign_out(visit: OwnVisit) -> Response:
    """End the session."""
    token, response = visit.token or "", RedirectResponse("/me/login", 303)
    await visit.write(lambda session: sign_in.leave(session, token))
    response.delete_cookie(holder_cookie(visit.request) or "", path="/")
    return response


@router.get("/me", name="me")
async def me(visit: OwnVisit) -> Response:
    """Show balance, cards and the last meals."""
    return await _home(visit, Form({}))


@router.post("/me/cards/{card_id}/lost", name="me_lost")
async def me_lost(visit: OwnVisit, card_id: UUID) -> Response:
    """Block the own card."""
    refusal = await visit.write(
        lambda session: service.report_lost(session, visit.system, visit.site_id, visit.person, CardId(card_id))
    )
    if refusal is not None:
        raise HTTPException(404)
    return visit.go("/me", said="me.lost")


@router.get("/me/meals", name="me_meals")
async def me_meals(visit: OwnVisit, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """Show a month's meals."""
    days = _month(visit, month)
    rows = await visit.read(lambda session: service.meals(session, visit.site_id, visit.person, days))
    before, after = days[0] - timedelta(days=1), days[1] + timedelta(days=1)
    return visit.page(
        "me/meals.html", rows=rows, days=days, before=before, after=after if after <= _today(visit) else None,
        spent=sum(row["amount_fen"] - row["refunded_fen"] for row in rows), files=list(FileKind),
    )  # fmt: skip


@router.get("/me/statement", name="me_statement")
async def me_statement(visit: OwnVisit, kind: FileKind, month: Annotated[str, Query(max_length=7)] = "") -> Response:
    """Send the statement of a month."""
    days = _month(visit, month)
    row = await visit.read(lambda session: ledger_rows.account_of_person(session, visit.site_id, visit.person))
    if row is None:
        raise HTTPException(404)
    account = AccountId(row["id"])

    def make(session: ReadSession) -> Table:
        return statement_table(books.statement(session, visit.site_id, account, *days))

    title = visit.web.renderer.text(visit.language, "account.statement")
    return await table_file(visit, make, kind, title, days)


@router.post("/me/meals/{charge_id}/rate", name="me_rate")
async def me_rate(visit: OwnVisit, charge_id: UUID) -> Response:
    """Give the own meal stars."""
    form = Form(await read_form(visit.request))
    stars, charge = form.number("stars", 1, 5), ChargeId(charge_id)
    refusal = await visit.write(
        lambda session: service.rate(session, visit.system, visit.site_id, visit.person, charge, stars)
    )
    if refusal is not None or not form.is_good:
        raise HTTPException(404)
    return visit.go("/me", said="me.rated")


@router.get("/me/gates", name="me_gates")
async def me_gates(visit: OwnVisit) -> Response:
    """Show where the own card was shown at lanes in the last month."""
    now = visit.web.clock.now()
    rows = await visit.read(lambda session: service.taps(session, visit.site_id, visit.person, now))
    return visit.page("me/gates.html", rows=rows)


@router.get("/me/orders", name="me_orders")
async def me_orders(visit: OwnVisit) -> Response:
    """Show the menu of the next days and what is ordered."""
    return await _orders(visit, Form({}))


@router.post("/me/orders", name="me_order")
async def me_order(visit: OwnVisit) -> Response:
    """Order, change or cancel portions of a meal ahead."""
    form = Form(await read_form(visit.request))
    day, portions = form.day("day") or date.min, form.number("portions", 0, orders.MAX_PORTIONS)
    wanted = orders.MealOrder(visit.person, day, form.text("meal", 64), form.text("stall", 64), portions)
    if form.is_good:
        problem = await visit.write(
            lambda session: orders.put_order(
                session, visit.system, visit.site_id, wanted, sign_in.holder_actor(visit.person)
            )
        )
        if problem is None:
            return visit.go("/me/orders", said="me.ordered")
        form.refuse(WHOLE, "me.order_refused")
    return await _orders(visit, form, 422)


@router.get("/me/complaints", name="me_complaints")
async def me_complaints(visit: OwnVisit) -> Response:
    """Show the own complaints and their answers."""
    return await _complaints(visit, Form({}))


@router.post("/me/complaints", name="me_complain")
async def me_complain(visit: OwnVisit) -> Response:
    """Write a complaint."""
    form = Form(await read_form(visit.request))
    words = form.text("words", MAX_WORDS)
    if form.is_good:
        refusal = await visit.write(
            lambda session: service.complain(session, visit.system, visit.site_id, visit.person, words)
        )
        if refusal is None:
            return visit.go("/me/complaints", said="me.complained")
        form.refuse("words", key_of(refusal))
    return await _complaints(visit, form, 422)


def _entry(visit: Visit, form: Form, status: int = 200) -> Response:
    return visit.page("me/login.html", status, form=form, is_encrypted=holder_cookie(visit.request) is not None)


async def _home(visit: HolderVisit, form: Form) -> Response:
    view = await visit.web.services.run(visit.web.services.people.get, visit.person)
    if view is None:
        raise HTTPException(404)
    today = _today(visit)
    rows = await visit.read(
        lambda session: service.meals(session, visit.site_id, visit.person, (today - RECENT, today))
    )
    return visit.page("me/home.html", view=view, rows=rows, form=form)


async def _orders(visit: HolderVisit, form: Form, status: int = 200) -> Response:
    today, site = _today(visit), visit.site_id

    def read(session: ReadSession) -> tuple[object, object, object, object]:
        stalls = canteen_rows.stall_rows(session, site)
        dishes = [(stall, menus.menu_of(session, site, stall["id"], today, DAYS_AHEAD)) for stall in stalls]
        meals = canteen_rows.meal_rows(session, site)
        return stalls, dishes, meals, service.orders_of(session, site, visit.person, today)

    stalls, dishes, meals, ordered = await visit.read(read)
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_AHEAD)]
    return visit.page(
        "me/orders.html", status, stalls=stalls, dishes=dishes, meals=meals, ordered=ordered, days=days, form=form
    )


async def _complaints(visit: HolderVisit, form: Form, status: int = 200) -> Response:
    rows = await visit.read(lambda session: service.complaints_of(session, visit.site_id, visit.person))
    return visit.page("me/complaints.html", status, rows=rows, form=form)


def _month(visit: Visit, text: str) -> tuple[date, date]:
    try:
        first = date.fromisoformat(f"{text}-01") if text else _today(visit).replace(day=1)
    except ValueError as fault:
        raise HTTPException(404) from fault
    return first, first.replace(day=monthrange(first.year, first.month)[1])


def _today(visit: Visit) -> date:
    settings = visit.web.settings
    return site_time(visit.web.clock.now(), settings.zone, settings.day_starts_at).business_day
