"""Cards: search, one card with its history, block and unblock. The service decides; this shows how it ended."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place
from admin_web.pages.searching import read_search
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.access.items import Product
from cardcore.ids import CardId
from server.cards.life import LifeStep, take_step
from server.cards.service import CardChange
from server.reports.rows import BlockReason, CardStatus
from server.staff.roles import Permission

router = APIRouter()
AREA = Area(
    router,
    {
        "cards": frozenset({Permission.CARDS_READ}),
        "cards_search": frozenset({Permission.CARDS_READ}),
        "card": frozenset({Permission.CARDS_READ}),
        "card_block": frozenset({Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST}),
        "card_step": frozenset({Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST, Permission.CARDS_ISSUE}),
        "card_unblock": frozenset({Permission.CARDS_UNBLOCK, Permission.CARDS_UNBLOCK_APPROVE}),
    },
    (Place("/cards", "credit-card", "nav.cards", Permission.CARDS_READ, Group.PEOPLE, "c"),),
    (CardChange, CardStatus, BlockReason, Product, LifeStep),
)

CHANGE_STATUS = {
    CardChange.DONE: 200,
    CardChange.UNCHANGED: 200,
    CardChange.NOT_ALLOWED: 403,
    CardChange.NOT_FOUND: 404,
    CardChange.NEEDS_APPROVAL: 202,
    CardChange.PERSON_UNKNOWN: 403,
}
BLOCKABLE = frozenset({CardStatus.ISSUED})
UNBLOCKABLE = frozenset({CardStatus.LOST, CardStatus.SUSPENDED, CardStatus.DAMAGED})


@router.get("/cards", name="cards")
async def cards(visit: StaffVisit) -> Response:
    """Show the first page of all cards."""
    return await _found(visit, "", 1)


@router.post("/cards", name="cards_search")
async def cards_search(visit: StaffVisit) -> Response:
    """Show what a search finds; changes nothing."""
    text, page = await read_search(visit.request)
    return await _found(visit, text, page)


@router.get("/cards/{card_id}", name="card")
async def card(visit: StaffVisit, card_id: UUID) -> Response:
    """Show one card; an unknown id and one of another site answer alike."""
    return await _card(visit, CardId(card_id), 200, None)


@router.post("/cards/{card_id}/block", name="card_block")
async def card_block(visit: StaffVisit, card_id: UUID) -> Response:
    """Block a card for the chosen reason."""
    chosen = (await read_form(visit.request)).get("reason", "")
    if chosen not in {reason.value for reason in BlockReason}:
        raise HTTPException(400)
    if chosen not in _reasons(visit):
        raise HTTPException(403)
    block = visit.web.services.cards.block
    change = await visit.web.services.run(block, CardId(card_id), BlockReason(chosen), visit.actor)
    return await _card(visit, CardId(card_id), CHANGE_STATUS[change], change)


@router.post("/cards/{card_id}/step", name="card_step")
async def card_step(visit: StaffVisit, card_id: UUID) -> Response:
    """Take a step with a card: found, returned, revoked. The service asks for the step's own permission."""
    form = await read_form(visit.request)
    if form.get("step", "") not in {step.value for step in LifeStep}:
        raise HTTPException(400)
    step, by = LifeStep(form["step"]), (visit.actor, form.get("reason", ""))
    change = await visit.write(
        lambda session: take_step(session, visit.system, visit.site_id, CardId(card_id), step, by)
    )
    if change is CardChange.NOT_FOUND:
        raise HTTPException(404)
    if change in {CardChange.DONE, CardChange.UNCHANGED}:
        return visit.go(f"/cards/{card_id}", said="card_step_taken")
    return visit.go(f"/cards/{card_id}", said="card_step_refused")


@router.post("/cards/{card_id}/unblock", name="card_unblock")
async def card_unblock(visit: StaffVisit, card_id: UUID) -> Response:
    """Put a card back into use, or ask for the second person's approval."""
    change = await visit.web.services.run(visit.web.services.cards.unblock, CardId(card_id), visit.actor)
    return await _card(visit, CardId(card_id), CHANGE_STATUS[change], change)


def _reasons(visit: Visit) -> tuple[BlockReason, ...]:
    """Return the reasons for which the visitor may block: some may only report a loss."""
    if visit.may(Permission.CARDS_BLOCK):
        return tuple(BlockReason)
    return (BlockReason.LOST,) if visit.may(Permission.CARDS_REPORT_LOST) else ()


async def _card(visit: Visit, card_id: CardId, status: int, change: CardChange | None) -> Response:
    view = await visit.web.services.run(visit.web.services.cards.get, card_id)
    if view is None:
        raise HTTPException(404)
    return visit.web.renderer.page(
        visit,
        "card.html",
        status,
        view=view,
        change=change,
        reasons=_reasons(visit),
        is_blockable=view.card.status in BLOCKABLE,
        is_unblockable=view.card.status in UNBLOCKABLE,
    )


async def _found(visit: Visit, text: str, page: int) -> Response:
    services = visit.web.services
    found = await services.run(services.cards.search, text, page)
    return visit.web.renderer.page(visit, "cards.html", found=found, text=text)
