"""REST of the books: closes of business days, findings and their explanations, sums of charges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from server.api.answers import Body, Rows, refused
from server.api.caller import Caller, needs
from server.close import findings, run, service
from server.close.findings import MAX_EXPLANATION, FindingFilter
from server.close.models import CloseRefusal, DayClose, Finding
from server.reports import sums
from server.reports.sums import MAX_DIMENSIONS, Dimension, ReportRefusal, Scope
from server.staff.roles import Permission

router = APIRouter(prefix="/books", tags=["books"])
Reader = Annotated[Caller, needs(Permission.BOOKS_READ)]
Closer = Annotated[Caller, needs(Permission.BOOKS_CLOSE)]
Signer = Annotated[Caller, needs(Permission.BOOKS_SIGN)]
PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Which page; `next` says whether one follows.")]


@dataclass(frozen=True, slots=True)
class CloseAnswer:
    """A day's close: `hash` covers its figures and the close before, in hexadecimal."""

    business_day: date
    state: str
    closed_at: datetime | None
    signed_at: datetime | None
    hash: str
    silent_tills: list[str]


@dataclass(frozen=True, slots=True)
class FindingAnswer:
    """Something that is not equal: its kind, likely cause, who looks into it, since when."""

    id: str
    kind: str
    subject: str
    cause: str
    owner: str
    business_day: date | None
    opened_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class SumAnswer:
    """One line: keys in the order asked for, charges that stand, and what they come to in fen."""

    keys: list[str]
    meals: int
    charged: int
    reversed: int
    refunded: int
    net: int


class CloseBody(Body):
    """A day to close; silent tills are listed instead of waited for with `without_silent`."""

    business_day: date
    without_silent: bool = False


class ExplanationBody(Body):
    """Why something was not equal."""

    explanation: Annotated[str, Field(min_length=1, max_length=MAX_EXPLANATION)]


@router.get("/closes")
async def closes(caller: Reader, from_day: date, through_day: date) -> list[CloseAnswer]:
    """Return the finished closes that stand, at most a year and a bit at a time."""
    if not 0 <= (through_day - from_day).days < sums.MAX_SPAN_DAYS:
        refused(ReportRefusal.DAYS_OUT_OF_RANGE)
    found = await caller.read(lambda session: service.closes_between(session, caller.site_id, from_day, through_day))
    return [_close(one) for one in found]


@router.post("/closes")
async def close(caller: Closer, body: CloseBody) -> CloseAnswer:
    """Close a business day, or return its close as it stands: asked twice, nothing happens twice."""
    parts = caller.parts
    done = await parts.run(
        lambda: run.close_day(
            parts.database, parts.system, caller.site_id, body.business_day, caller.actor,
            without_silent=body.without_silent,
        )
    )  # fmt: skip
    if isinstance(done, CloseRefusal):
        refused(done)
    return _close(done)


@router.post("/closes/{business_day}/sign")
async def sign(caller: Signer, business_day: date) -> CloseAnswer:
    """Sign a closed day; another person than the one who closed it."""
    refusal = await caller.write(
        lambda session: service.sign(session, caller.system, caller.site_id, business_day, caller.actor)
    )
    if refusal is not None:
        refused(refusal)
    done = await caller.read(lambda session: service.standing_close(session, caller.site_id, business_day))
    assert done is not None
    return _close(done)


@router.get("/findings")
async def found(caller: Reader, page: PageNumber = 1, *, settled: bool = False) -> Rows[FindingAnswer]:
    """Return a page of findings, oldest first; with `settled` those that are closed too."""
    wanted = FindingFilter(only_open=not settled)
    rows = await caller.read(lambda session: findings.find(session, caller.site_id, wanted, page))
    following = str(rows.number + 1) if rows.has_next else None
    return Rows(rows=[_finding(one) for one in rows.rows], next=following)


@router.post("/findings/{finding_id}/settle", status_code=204)
async def settle(caller: Closer, finding_id: UUID, body: ExplanationBody) -> None:
    """Settle a finding with its explanation."""
    refusal = await caller.write(
        lambda session: findings.settle(
            session, caller.system, caller.site_id, finding_id, caller.actor, body.explanation
        )
    )
    if refusal is not None:
        refused(refusal)


@router.get("/sums")
async def charge_sums(
    caller: Reader,
    from_day: date,
    through_day: date,
    by: Annotated[tuple[Dimension, ...], Query(max_length=MAX_DIMENSIONS)] = (),
    page: PageNumber = 1,
) -> Rows[SumAnswer]:
    """Return a page of sums of charges by up to four of stall, meal, till, department, category, person, hour, day."""
    scope = Scope(from_day, through_day)
    done = await caller.read(lambda session: sums.charge_sums(session, caller.site_id, scope, by, page))
    if isinstance(done, ReportRefusal):
        refused(done)
    lines = [
        SumAnswer([label.key for label in row.labels], row.meals, row.charged, row.reversed, row.refunded, row.net)
        for row in done.page.rows
    ]
    return Rows(rows=lines, next=str(page + 1) if done.page.has_next else None)


def _close(done: DayClose) -> CloseAnswer:
    return CloseAnswer(done.business_day, done.state, done.closed_at, done.signed_at, done.hash, list(done.silent))


def _finding(one: Finding) -> FindingAnswer:
    return FindingAnswer(
        one.id, one.kind, one.subject, one.cause, one.owner, one.business_day, one.opened_at, one.closed_at
    )
