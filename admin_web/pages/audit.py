"""The audit trail: who did what to what, from which value to which, and whether the sealed log still proves itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import time as wall
from functools import partial
from uuid import UUID

from fastapi import APIRouter, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.asking import in_language
from admin_web.forms import NO_DAY, Form
from admin_web.visits import StaffVisit, Visit, read_form
from server.audit import reading
from server.audit.reading import AuditFilter
from server.audit.texts import words_of
from server.staff.roles import Permission

router = APIRouter(prefix="/audit")
AREA = Area(
    router,
    allow(dict.fromkeys(("audit", "audit_found", "audit_verify"), Permission.AUDIT_READ)),
    (Place("/audit", "history", "nav.audit", Permission.AUDIT_READ, Group.SYSTEM),),
)
SHOWN = timedelta(days=30)
MAX_OBJECT = 100
MAX_CURSOR = 100


@router.get("", name="audit")
async def audit(visit: StaffVisit) -> Response:
    """Show the newest deeds of the last thirty days."""
    today = visit.web.clock.now().astimezone(visit.web.settings.zone).date()
    return await _shown(visit, Form({"since": str(today - SHOWN), "until": str(today)}))


@router.post("", name="audit_found")
async def audit_found(visit: StaffVisit) -> Response:
    """Search; sent as a form, for an object may be somebody's id."""
    return await _shown(visit, Form(await read_form(visit.request)))


@router.post("/verify", name="audit_verify")
async def audit_verify(visit: StaffVisit) -> Response:
    """Read the whole sealed log and prove it, as `onecard verify-audit` does offline."""
    key = visit.web.services.secrets.identity_public
    report = await visit.read(lambda session: reading.verified(session, key))
    return visit.page("audit/verified.html", report=report)


async def _shown(visit: StaffVisit, form: Form) -> Response:
    zone = visit.web.settings.zone
    since, until = form.day("since"), form.day("until")
    wanted = AuditFilter(
        action=form.text("action", MAX_OBJECT, required=False),
        subject=form.text("object", MAX_OBJECT, required=False),
        actor=form.text("actor", MAX_OBJECT, required=False),
        since=datetime.combine(since or NO_DAY, wall(), zone).astimezone(UTC),
        until=(datetime.combine(until or NO_DAY, wall(), zone) + timedelta(days=1)).astimezone(UTC),
        before=_cursor(form.value("before")[:MAX_CURSOR]),
        origin=form.text("origin", MAX_OBJECT, required=False).strip(),
    )
    if not form.is_good:
        return visit.page("audit/audit.html", 422, form=form, found=None, kinds=(), words=str)
    found, kinds = await visit.read(
        lambda session: (
            reading.search(session, visit.site_id, wanted),
            reading.kinds(session, visit.site_id),
        )
    )
    return visit.page("audit/audit.html", form=form, found=found, kinds=kinds, words=partial(deed_words, visit))


def deed_words(visit: Visit, deed: str) -> str:
    """Return what somebody did, in the visitor's language."""
    return in_language(visit, words_of(deed))


def _cursor(text: str) -> tuple[datetime, UUID] | None:
    at, _, identity = text.partition("|")
    try:
        return datetime.fromisoformat(at), UUID(identity)
    except ValueError:
        return None
