"""Charges of a day, by till or person. Filters are ids and dates: they may stand in the address."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.pages.searching import page_number
from admin_web.visits import StaffVisit, Visit
from cardcore.clock import site_time
from cardcore.ids import PersonId, TillId
from server.reports.rows import ChargeFilter, ChargeState
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow({"charges": Permission.CHARGES_READ}),
    (Place("/charges", "receipt-yuan", "nav.charges", Permission.CHARGES_READ, Group.CANTEEN, "m"),),
    (ChargeState,),
)

FIRST_DAY = date(2000, 1, 2)
LAST_DAY = date(2199, 12, 30)
"""Days beyond are typing errors; the day before and after must exist too."""


@router.get("/charges", name="charges")
async def charges(
    visit: StaffVisit,
    day: Annotated[str, Query(max_length=10)] = "",
    till: Annotated[str, Query(max_length=64)] = "",
    person: Annotated[str, Query(max_length=36)] = "",
    page: str = "",
) -> Response:
    """Show a day's charges, today's if no day is given."""
    services = visit.web.services
    tills = await services.run(services.charges.tills)
    wanted = ChargeFilter(_day(visit, day), TillId(till) if till in tills else None, _person_id(person))
    found = await services.run(services.charges.search, wanted, page_number(page))
    holder = None
    if wanted.person_id is not None:
        view = await services.run(services.people.get, wanted.person_id)
        holder = view.person if view is not None else None
    return visit.web.renderer.page(
        visit,
        "charges.html",
        wanted=wanted,
        tills=tills,
        found=found,
        holder=holder,
        day_before=address_of(replace(wanted, day=wanted.day - timedelta(days=1))),
        day_after=address_of(replace(wanted, day=wanted.day + timedelta(days=1))),
        everybody=address_of(replace(wanted, person_id=None)),
        page_before=address_of(wanted, found.page.number - 1),
        page_after=address_of(wanted, found.page.number + 1),
        is_today=wanted.day == _day(visit, ""),
    )


def address_of(wanted: ChargeFilter, page: int = 1) -> str:
    """Return the address that shows these charges."""
    parts: dict[str, str | UUID | None] = {
        "day": wanted.day.isoformat(),
        "till": wanted.till_id,
        "person": wanted.person_id,
    }
    if page > 1:
        parts["page"] = str(page)
    return "/charges?" + urlencode({name: part for name, part in parts.items() if part is not None})


def _day(visit: Visit, text: str) -> date:
    if text == "":
        settings = visit.web.settings
        return site_time(visit.web.clock.now(), settings.zone, settings.day_starts_at).business_day
    try:
        day = date.fromisoformat(text)
    except ValueError as fault:
        raise HTTPException(404) from fault
    if not FIRST_DAY <= day <= LAST_DAY:
        raise HTTPException(404)
    return day


def _person_id(text: str) -> PersonId | None:
    if text == "":
        return None
    try:
        return PersonId(UUID(text))
    except ValueError as fault:
        raise HTTPException(404) from fault
