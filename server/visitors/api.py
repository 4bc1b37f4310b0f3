"""REST of visitors: the register, registering, answering for a host, ending a visit. No document number comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import RowMapping

from cardcore.ids import LevelId, PersonId
from server.api.answers import Body, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.database import WriteSession
from server.problem import Problem, ProblemError
from server.staff import service as staff
from server.staff.roles import Permission
from server.visitors import ending, register, service
from server.visitors.documents import DocumentKind
from server.visitors.models import NewVisit, Search, VisitId, VisitRefusal, VisitState
from server.visitors.service import Desk

router = APIRouter(prefix="/visits", tags=["visits"])
Text = Annotated[str, Field(max_length=100)]


class VisitBody(Body):
    """A visitor and a visit; `host` is the id of a person of the site."""

    name: Text
    host: UUID | None = None
    purpose: Text
    document_kind: DocumentKind
    document_number: Annotated[str, Field(max_length=40)]
    starts_at: datetime
    ends_at: datetime
    levels: list[str] = Field(default_factory=list, max_length=50)
    company: Text = ""
    plate: Annotated[str, Field(max_length=12)] = ""
    escorted: bool | None = None
    reentry: bool = False


class AnswerBody(Body):
    """Whether the host expects this visitor."""

    agreed: bool


class EndBody(Body):
    """Whether a card was handed in."""

    card_returned: bool = False


@dataclass(frozen=True, slots=True)
class VisitAnswer:
    """A visit of the register."""

    id: UUID
    visitor: UUID
    name: str
    company: str
    document_kind: DocumentKind
    document_mask: str
    host: UUID
    host_name: str
    purpose: str
    plate: str
    escorted: bool
    state: VisitState
    starts_at: datetime
    ends_at: datetime
    entered_at: datetime | None
    left_at: datetime | None
    ended_at: datetime | None
    overstayed_at: datetime | None


@router.get("")
async def visits(
    caller: Annotated[Caller, needs(Permission.VISITS_READ)],
    state: Annotated[list[VisitState] | None, Query(description="Only these states.")] = None,
    since: datetime | None = None,
    until: datetime | None = None,
    page: Annotated[int, Query(ge=1, le=2_000)] = 1,
) -> Rows[VisitAnswer]:
    """List the register, newest start first; `next` is the number of the next page."""
    wanted = Search("", since, until, tuple(state or ()))
    found = await caller.read(lambda session: register.search(session, caller.site_id, wanted, page))
    return Rows(rows=[_answer(row) for row in found.rows], next=str(page + 1) if found.has_next else None)


@router.get("/{visit_id}")
async def visit(caller: Annotated[Caller, needs(Permission.VISITS_READ)], visit_id: UUID) -> VisitAnswer:
    """Return one visit."""
    row = await caller.read(lambda session: service.get(session, caller.site_id, VisitId(visit_id)))
    if row is None:
        raise ProblemError(Problem.NOT_FOUND)
    return _answer(row)


@router.post("", status_code=201)
async def register_visit(caller: Annotated[Caller, needs(Permission.VISITS_WRITE)], body: VisitBody) -> VisitAnswer:
    """Write a visitor into the register; refused with the reason when something is wrong."""
    new = NewVisit(
        body.name, PersonId(body.host) if body.host else None, body.purpose, body.document_kind, body.document_number,
        body.starts_at, body.ends_at, tuple(LevelId(level) for level in body.levels), body.company, body.plate,
        body.escorted, body.reentry,
    )  # fmt: skip

    def call(session: WriteSession) -> RowMapping | VisitRefusal | None:
        desk = Desk(staff_actor(caller.actor), caller.parts.document_secret, staff.person_of(session, caller.actor))
        made = service.register(session, caller.system, caller.site_id, new, desk)
        return made if isinstance(made, VisitRefusal) else service.get(session, caller.site_id, made)

    made = await caller.write(call)
    if isinstance(made, VisitRefusal) or made is None:
        refused(made or VisitRefusal.NOT_FOUND)
    return _answer(made)


@router.post("/{visit_id}/answer", status_code=204)
async def answer_visit(
    caller: Annotated[Caller, needs(Permission.VISITS_APPROVE)], visit_id: UUID, body: AnswerBody
) -> None:
    """Say yes or no for the host; whoever registered the visit cannot say yes."""
    actor = staff_actor(caller.actor)
    refusal = await caller.write(
        lambda session: service.answer(
            session, caller.system, caller.site_id, VisitId(visit_id),
            (actor, staff.person_of(session, caller.actor)), agreed=body.agreed, for_host=True,
        )
    )  # fmt: skip
    if refusal is not None:
        refused(refusal)


@router.post("/{visit_id}/end", status_code=204)
async def end_visit(caller: Annotated[Caller, needs(Permission.VISITS_WRITE)], visit_id: UUID, body: EndBody) -> None:
    """Check a visitor out; the pass opens nothing more."""
    deed = (staff_actor(caller.actor), "")
    refusal = await caller.write(
        lambda session: ending.check_out(
            session, caller.system, caller.site_id, VisitId(visit_id), deed, card_returned=body.card_returned
        )
    )
    if refusal is not None:
        refused(refusal)


def _answer(row: RowMapping) -> VisitAnswer:
    return VisitAnswer(
        row["id"], row["person_id"], row["name"], row["company"], DocumentKind(row["document_kind"]),
        row["document_mask"], row["host_id"], row["host_name"], row["purpose"], row["plate"], row["escorted"],
        VisitState(row["state"]), row["starts_at"], row["ends_at"], row["entered_at"], row["left_at"],
        row["ended_at"], row["overstayed_at"],
    )  # fmt: skip
