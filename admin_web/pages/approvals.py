"""What waits for a second person, whatever the operation, and the decision; what became of it stays for a week."""

from __future__ import annotations

from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place
from admin_web.asking import outcome_text, refusal_text
from admin_web.forms import Form
from admin_web.visits import StaffVisit, Visit, read_form
from cardcore.ids import ApprovalId
from server.approvals import service
from server.approvals.models import ApprovalState
from server.approvals.operations import OPERATIONS
from server.approvals.wording import told
from server.database import ReadSession
from server.staff.roles import Permission

router = APIRouter()
SEEN_BY = frozenset({way for operation in OPERATIONS.values() for way in (operation.ask, operation.approve)})
AREA = Area(
    router,
    dict.fromkeys(("approvals", "approval_decide"), SEEN_BY),
    (Place("/approvals", "checklist", "nav.approvals", Permission.REFUND, Group.TODAY, "a", SEEN_BY),),
    (ApprovalState,),
)
MAX_SEEN = 64
"""Hex digits of what the one who decides has read."""


class Verdict(StrEnum):
    """What can be done with a request."""

    APPROVE = "approve"
    DECLINE = "decline"
    WITHDRAW = "withdraw"


@router.get("/approvals", name="approvals")
async def approvals(visit: StaffVisit) -> Response:
    """Show what waits and what was decided."""
    return await _list(visit, Form({}))


@router.post("/approvals/{approval_id}", name="approval_decide")
async def approval_decide(visit: StaffVisit, approval_id: UUID) -> Response:
    """Approve, decline or withdraw one request, as it was read."""
    form = Form(await read_form(visit.request))
    verdict, seen, wanted = form.choice("verdict", Verdict), form.value("seen")[:MAX_SEEN], ApprovalId(approval_id)
    if not form.is_good:
        raise HTTPException(400)
    site, system, actor = visit.site_id, visit.system, visit.actor
    if verdict is Verdict.APPROVE:
        refusal = await visit.write(
            lambda session: service.approve(session, system, site, wanted, (actor, seen), OPERATIONS)
        )
    elif verdict is Verdict.DECLINE:
        refusal = await visit.write(lambda session: service.decline(session, system, site, wanted, actor, OPERATIONS))
    else:
        refusal = await visit.write(lambda session: service.withdraw(session, system, site, wanted, actor))
    if refusal is None:
        match verdict:
            case Verdict.APPROVE:
                return visit.go("/approvals", said="approvals.approved")
            case Verdict.DECLINE:
                return visit.go("/approvals", said="approvals.declined")
            case Verdict.WITHDRAW:
                return visit.go("/approvals", said="approvals.withdrawn")
    ended = await visit.read(lambda session: service.get(session, site, wanted))
    form.refuse("", "form.told", words=refusal_text(visit, refusal, ended.outcome if ended is not None else ""))
    return await _list(visit, form, 422)


async def _list(visit: Visit, form: Form, status: int = 200) -> Response:
    now = visit.web.clock.now()

    def read(session: ReadSession) -> tuple[list[object], list[object]]:
        waiting = service.waiting(session, visit.site_id, visit.actor, OPERATIONS, now)
        ended = service.decided(session, visit.site_id, visit.actor, OPERATIONS, now)
        return (
            list(zip(waiting, told(session, visit.site_id, waiting), strict=True)),
            list(zip(ended, told(session, visit.site_id, [one for one, _ in ended]), strict=True)),
        )

    waiting, ended = await visit.read(read)
    return visit.page(
        "approvals/approvals.html",
        status,
        form=form,
        waiting=waiting,
        ended=ended,
        me=visit.actor,
        operations=OPERATIONS,
        outcome_text=lambda outcome: outcome_text(visit, outcome),
    )
