"""Cardholders: search and profile. Searches are sent as a form, so that no name stands in an address or a log."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.pages.searching import read_search
from admin_web.visits import StaffVisit, Visit
from cardcore.ids import PersonId
from server.reports.rows import PersonDeed, PurseKind
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    allow(dict.fromkeys(("people", "people_search", "person"), Permission.PEOPLE_READ)),
    (Place("/people", "users", "nav.people", Permission.PEOPLE_READ, Group.PEOPLE, "p"),),
    (PurseKind, PersonDeed),
)


@router.get("/people", name="people")
async def people(visit: StaffVisit) -> Response:
    """Show the first page of everybody."""
    return await _found(visit, "", 1)


@router.post("/people", name="people_search")
async def people_search(visit: StaffVisit) -> Response:
    """Show what a search finds; changes nothing."""
    text, page = await read_search(visit.request)
    return await _found(visit, text, page)


@router.get("/people/{person_id}", name="person")
async def person(visit: StaffVisit, person_id: UUID) -> Response:
    """Show one person; an unknown id and one of another site answer alike."""
    services = visit.web.services
    view = await services.run(services.people.get, PersonId(person_id))
    if view is None:
        raise HTTPException(404)
    return visit.web.renderer.page(visit, "person.html", view=view)


async def _found(visit: Visit, text: str, page: int) -> Response:
    services = visit.web.services
    found = await services.run(services.people.search, text, page)
    return visit.web.renderer.page(visit, "people.html", found=found, text=text)
