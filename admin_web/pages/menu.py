"""Menus: today's on the lobby's screen for everybody, the week's for the canteen manager, meals ahead, complaints."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.pages.searching import page_number
from admin_web.visits import AnyVisit, StaffVisit, Visit, read_form
from cardcore.clock import site_time
from cardcore.ids import StallId
from cardcore.money import MAX_AMOUNT_FEN, Fen, yuan_text
from server.audit.service import staff_actor
from server.canteen import menus, orders
from server.canteen import repository as canteen_rows
from server.database import ReadSession
from server.holders import service as holders
from server.holders.service import MAX_WORDS
from server.reports import sums
from server.reports.sums import Dimension, Scope, SumsFound
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("menu_week", "menu_publish", "complaints", "complaint_answer"), Permission.PRICES_WRITE)),
    (
        Place("/menu", "calendar-week", "nav.menu_week", Permission.PRICES_WRITE, Group.CANTEEN),
        Place("/complaints", "message", "nav.complaints", Permission.PRICES_WRITE, Group.CANTEEN),
    ),
    open_routes=frozenset({"public_menu"}),
)
MAX_LINE = 60
LINES_A_DAY = 60


@router.get("/public/menu", name="public_menu")
async def public_menu(visit: AnyVisit) -> Response:
    """Show today's menu with prices and how many meals were served; no personal data."""
    today, site = _today(visit), visit.site_id

    def read(session: ReadSession) -> tuple[object, object, object, object, object]:
        served = sums.charge_sums(session, site, Scope(today, today), (Dimension.MEAL,), 1)
        counts = {row.labels[0].key: row.meals for row in served.page.rows} if isinstance(served, SumsFound) else {}
        stalls = canteen_rows.stall_rows(session, site)
        lines = {stall["id"]: list(menus.menu_of(session, site, StallId(stall["id"]), today, 1)) for stall in stalls}
        meals = canteen_rows.meal_rows(session, site)
        prices = [row for row in canteen_rows.tariff_rows(session, site) if row["category_id"] == "*"]
        return stalls, meals, lines, prices, counts

    stalls, meals, lines, prices, counts = await visit.read(read)
    return visit.page(
        "public/menu.html", stalls=stalls, meals=meals, lines=lines, prices=prices, counts=counts, today=today
    )


@router.get("/menu", name="menu_week")
async def menu_week(
    visit: StaffVisit, stall: Annotated[str, Query(max_length=64)] = "", week: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """Show a stall's week, one box of lines a day and meal, and the meals ordered ahead."""
    return await _week(visit, Form({}), stall, week)


@router.post("/menu", name="menu_publish")
async def menu_publish(visit: StaffVisit) -> Response:
    """Publish the week; days gone by stay as they were."""
    form = Form(await read_form(visit.request))
    stall, monday = form.text("stall", 64), form.day("week") or date.min
    meals = await visit.read(lambda session: canteen_rows.meal_rows(session, visit.site_id))
    today, lines = _today(visit), []
    for ahead in range(menus.WEEK_DAYS):
        day = monday + timedelta(days=ahead)
        if day >= today:
            for meal in meals:
                lines += _lines(form, day, meal["id"])
    if form.is_good:
        problem = await visit.write(
            lambda session: menus.publish_week(
                session, visit.system, visit.site_id, StallId(stall), monday, lines, staff_actor(visit.actor)
            )
        )
        if problem is None:
            return visit.go(f"/menu?stall={stall}&week={monday}", said="menu.published")
        form.refuse(WHOLE, "menu.refused", words=problem)
    return await _week(visit, form, stall, monday.isoformat(), 422)


@router.get("/complaints", name="complaints")
async def complaints(visit: StaffVisit, page: str = "") -> Response:
    """Show complaints, those without an answer first; who wrote them is not told."""
    return await _complaints(visit, Form({}), page_number(page))


@router.post("/complaints/{complaint_id}", name="complaint_answer")
async def complaint_answer(visit: StaffVisit, complaint_id: UUID) -> Response:
    """Answer one."""
    form = Form(await read_form(visit.request))
    words = form.text("reason", MAX_WORDS)
    if form.is_good:
        refusal = await visit.write(
            lambda session: holders.answer(session, visit.system, visit.site_id, complaint_id, visit.actor, words)
        )
        if refusal is None:
            return visit.go("/complaints", said="complaints.answered")
        form.refuse(WHOLE, key_of(refusal))
    return await _complaints(visit, form, 1, 422)


def _lines(form: Form, day: date, meal: str) -> list[menus.MenuLine]:
    """Read one box: a dish a line, `number name / English name price`; what cannot be read is told beside it."""
    name, found = f"{day.isoformat()}-{meal}", []
    for number, line in enumerate(form.value(name).splitlines()[:LINES_A_DAY], 1):
        if not line.strip():
            continue
        head, _, price = line.strip().rpartition(" ")
        code, _, words = head.partition(" ")
        chinese, _, english = words.partition("/")
        typed = Form({"price": price})
        fen = typed.yuan("price", Fen(1), Fen(MAX_AMOUNT_FEN))
        is_code = code.isascii() and code.isdecimal()
        if not (typed.is_good and is_code and chinese.strip()) or len(words) > MAX_LINE:
            form.refuse(name, "menu.line", number=number)
            continue
        names = (english.strip() or chinese.strip(), chinese.strip())
        found.append(menus.MenuLine(day, meal, code, *names, fen))
    return found


async def _week(visit: Visit, form: Form, stall: str, week: str, status: int = 200) -> Response:
    today, site = _today(visit), visit.site_id
    try:
        asked = date.fromisoformat(week) if week else today
    except ValueError as fault:
        raise HTTPException(404) from fault
    monday = asked - timedelta(days=asked.weekday())
    days = [monday + timedelta(days=ahead) for ahead in range(menus.WEEK_DAYS)]

    def read(session: ReadSession) -> tuple[object, str, object, dict[str, str], object]:
        stalls = canteen_rows.stall_rows(session, site)
        known = [str(row["id"]) for row in stalls]
        chosen = stall if stall in known else (known[0] if known else "")
        boxes: dict[str, str] = {}
        for line in menus.menu_of(session, site, StallId(chosen), monday, menus.WEEK_DAYS):
            name = f"{line['day'].isoformat()}-{line['meal_id']}"
            text = f"{line['code']} {line['name_zh']} / {line['name_en']} {yuan_text(Fen(line['price_fen']))}"
            boxes[name] = boxes.get(name, "") + text + "\n"
        ahead = [(day, orders.meals_ahead(session, site, day)) for day in days if day >= today]
        return stalls, chosen, canteen_rows.meal_rows(session, site), boxes, ahead

    stalls, chosen, meals, boxes, ahead = await visit.read(read)
    if form.values:
        boxes = dict(form.values)
    return visit.page(
        "canteen/week.html", status, stalls=stalls, chosen=chosen, meals=meals, boxes=boxes, days=days, today=today,
        monday=monday, form=form, ahead=ahead, before=monday - timedelta(days=7), after=monday + timedelta(days=7),
    )  # fmt: skip


async def _complaints(visit: Visit, form: Form, number: int, status: int = 200) -> Response:
    found = await visit.read(lambda session: holders.complaints(session, visit.site_id, number))
    return visit.page("canteen/complaints.html", status, found=found, form=form)


def _today(visit: Visit) -> date:
    settings = visit.web.settings
    return site_time(visit.web.clock.now(), settings.zone, settings.day_starts_at).business_day
