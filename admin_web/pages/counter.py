"""The cashier's page of one till: who was charged last, with balance, and the undo within its minutes.

It follows the till by asking every three seconds. The amount is keyed at the till: no message of the link sets it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.asking import in_language
from admin_web.forms import WHOLE, Form
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.clock import site_time
from cardcore.ids import ChargeId, PersonId
from server.audit.service import staff_actor
from server.canteen import repository as canteen_rows
from server.corrections import refunds
from server.corrections.refunds import UNDO_WINDOW, RefundOrder, RefundRefusal
from server.corrections.texts import TEXTS
from server.database import ReadSession
from server.ledger.service import MAX_NOTE
from server.reports import sums
from server.reports.sums import Scope
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("counter", "counter_undo"), Permission.CHARGES_UNDO)),
    (Place("/counter", "device-tablet", "nav.counter", Permission.CHARGES_UNDO, Group.CANTEEN, "k"),),
)
SHOWN = 12
"""Charges on the page; more nobody can undo any more."""


@router.get("/counter", name="counter")
async def counter(visit: StaffVisit, till: Annotated[str, Query(max_length=64)] = "") -> Response:
    """Show a till's last charges, or ask which till."""
    return await _counter(visit, Form({}), till)


@router.post("/counter/{charge_id}/undo", name="counter_undo")
async def counter_undo(visit: StaffVisit, charge_id: UUID) -> Response:
    """Give a meal just served back, whole, once however often the form is sent."""
    form = Form(await read_form(visit.request))
    reason, till = form.text("reason", MAX_NOTE), form.value("till")[:64]
    order = RefundOrder(form.identity("refund"), ChargeId(charge_id), None, reason)
    if form.is_good:
        actor = staff_actor(visit.actor)
        done = await visit.write(lambda session: refunds.undo(session, visit.system, visit.site_id, order, actor))
        if not isinstance(done, RefundRefusal):
            return visit.go(f"/counter?till={till}", said="counter.undone")
        form.refuse(WHOLE, "form.told", words=in_language(visit, TEXTS[done]))
    return await _counter(visit, form, till, 422)


async def _counter(visit: Visit, form: Form, till: str, status: int = 200) -> Response:
    now, settings = visit.web.clock.now(), visit.web.settings
    today = site_time(now, settings.zone, settings.day_starts_at).business_day

    def read(session: ReadSession) -> tuple[object, list[dict[str, object]]]:
        tills = canteen_rows.till_rows(session, visit.site_id)
        if till not in {row["id"] for row in tills}:
            return tills, []
        found = sums.charges_behind(session, visit.site_id, Scope(today, today, till=till), 1)
        return tills, [_row(dict(row), now) for row in found.rows[:SHOWN]]

    tills, rows = await visit.read(read)
    last = None
    if rows and rows[0]["person_id"] is not None and visit.may(Permission.PEOPLE_READ):
        last = await visit.web.services.run(visit.web.services.people.get, PersonId(UUID(str(rows[0]["person_id"]))))
    fresh = visit.system.ids
    return visit.page(
        "counter/counter.html", status, tills=tills, till=till, rows=rows, last=last, form=form,
        fresh=lambda: str(fresh.uuid7()),
    )  # fmt: skip


def _row(row: dict[str, object], now: datetime) -> dict[str, object]:
    """Say whether a charge may still be undone here; the service looks again."""
    at, amount, given = row["at"], int(str(row["amount_fen"])), int(str(row["refunded_fen"]))
    is_young = isinstance(at, datetime) and now - at <= UNDO_WINDOW
    return {**row, "may_undo": is_young and amount > given}
