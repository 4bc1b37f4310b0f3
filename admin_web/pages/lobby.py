"""The display in the lobby: how many people are in the compound, and the day. For everybody; no name, no sign-in."""

from __future__ import annotations

from fastapi import APIRouter, Response

from admin_web.area import Area
from admin_web.i18n import Language
from admin_web.visits import AnyVisit
from server.access import repository
from server.presence import service as presence

router = APIRouter(prefix="/public")
AREA = Area(router, {}, open_routes=frozenset({"lobby"}))
OUTSIDE = "outside"


@router.get("/lobby", name="lobby")
async def lobby(visit: AnyVisit) -> Response:
    """Show the counts in big type; the page renews itself."""
    heads = await visit.read(lambda session: presence.heads(session, visit.system, visit.site_id))
    days = await visit.read(lambda session: repository.day_rows(session, visit.site_id))
    now = visit.web.clock.now()
    today = now.astimezone(visit.web.settings.zone).date()
    return visit.page(
        "public/lobby.html",
        zones=[(_name(head, visit.language), head.known + head.unknown) for head in heads if head.zone != OUTSIDE],
        today=today,
        now=now,
        notice=next((row["name"] for row in days if row["day"] == today), ""),
    )


def _name(head: presence.Heads, language: Language) -> str:
    return head.name_zh if language is Language.CHINESE else head.name_en
