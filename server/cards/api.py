"""REST of cards: one card, the steps of its life, and the table of what may follow what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from pydantic import Field

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, masked
from server.api.answers import Body, refused
from server.api.caller import Caller, needs
from server.cards import service
from server.cards.life import MAX_REASON, LifeStep, steps_from, take_step
from server.cards.service import CardChange
from server.cards.transitions import TRANSITIONS
from server.problem import Problem, ProblemError
from server.staff.roles import Permission

router = APIRouter(prefix="/cards", tags=["cards"])
Reader = Annotated[Caller, needs(Permission.CARDS_READ)]
AtTheDesk = Annotated[Caller, needs(Permission.CARDS_BLOCK, Permission.CARDS_REPORT_LOST, Permission.CARDS_ISSUE)]


@dataclass(frozen=True, slots=True)
class CardAnswer:
    """A card; its number and credentials are masked, `steps` are what may be done with it now."""

    id: UUID
    number: str
    product: Product
    state: CardState
    issue_no: int
    person: UUID | None
    valid_from: datetime | None
    valid_until: datetime | None
    credentials: list[str]
    steps: list[LifeStep]


class StepBody(Body):
    """What happened to the card, or is done with it."""

    step: LifeStep
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""


@router.get("/transitions")
async def transitions(_caller: Reader) -> dict[CardState, list[CardState]]:
    """Return which state of a card may follow which."""
    return {before: sorted(after) for before, after in TRANSITIONS.items()}


@router.get("/{card_id}")
async def card(caller: Reader, card_id: UUID) -> CardAnswer:
    """Return one card."""
    return await _answer(caller, CardId(card_id))


@router.post("/{card_id}/steps")
async def step(caller: AtTheDesk, card_id: UUID, body: StepBody) -> CardAnswer:
    """Take a step with a card: blocking is at once; putting it into use again takes two people and is not here."""
    by = (caller.actor, body.reason)
    change = await caller.write(
        lambda session: take_step(session, caller.system, caller.site_id, CardId(card_id), body.step, by)
    )
    if change not in {CardChange.DONE, CardChange.UNCHANGED}:
        refused(change)
    return await _answer(caller, CardId(card_id))


async def _answer(caller: Caller, card_id: CardId) -> CardAnswer:
    row = await caller.read(lambda session: service.get(session, caller.site_id, card_id))
    if row is None:
        raise ProblemError(Problem.NOT_FOUND)
    state = CardState(row["state"])
    return CardAnswer(
        row["id"], f"…{row['number'][-4:]}", Product(row["product"]), state, row["issue_no"], row["person_id"],
        row["valid_from"], row["valid_until"], [masked(key) for key in row["keys"] or ()], list(steps_from(state)),
    )  # fmt: skip
