"""Webhooks: where events are sent, how it goes, test messages, new secrets, sending again. A secret is shown once."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, HTTPException, Response

from admin_web.area import Area, Group, Place, allow
from admin_web.forms import WHOLE, Form
from admin_web.i18n import key_of
from admin_web.visits import StaffVisit, Visit, read_form
from server.audit.service import staff_actor
from server.outbox.events import Topic
from server.staff.roles import Permission
from server.webhooks import service
from server.webhooks.models import MAX_NAME, Result, WebhookRefusal, WebhookState
from server.webhooks.service import NewWebhook, ShownSecret
from server.webhooks.targets import MAX_URL_CHARACTERS

router = APIRouter(prefix="/webhooks")
ROUTES = (
    "webhooks", "webhook_add", "webhook", "webhook_pause", "webhook_resume", "webhook_rotate", "webhook_ping",
    "webhook_replay", "webhook_remove",
)  # fmt: skip
AREA = Area(
    router,
    allow(dict.fromkeys(ROUTES, Permission.WEBHOOKS_WRITE)),
    (Place("/webhooks", "webhook", "nav.webhooks", Permission.WEBHOOKS_WRITE, Group.SYSTEM),),
    (WebhookRefusal, WebhookState, Result, Topic),
)
MAX_ID = 2**53
FIELDS = {WebhookRefusal.NAME_UNUSABLE: "name", WebhookRefusal.NAME_TAKEN: "name"} | {
    WebhookRefusal.TARGET_NOT_ALLOWED: "url",
    WebhookRefusal.NOT_KEPT: "after",
}


@router.get("", name="webhooks")
async def webhooks(visit: StaffVisit) -> Response:
    """List the webhooks of the site and offer to add one."""
    return await _listed(visit, Form({}))


@router.post("", name="webhook_add")
async def webhook_add(visit: StaffVisit) -> Response:
    """Add a webhook and show its secret, this once."""
    form = Form(await read_form(visit.request))
    name, url = form.text("name", MAX_NAME), form.text("url", MAX_URL_CHARACTERS)
    topics = frozenset(topic for topic in Topic if form.is_on(f"topic_{topic}"))
    if form.is_good:
        services, actor, new = visit.web.services, staff_actor(visit.actor), NewWebhook(name, url, topics)
        made = await visit.write(
            lambda session: service.add(
                session, visit.system, services.secrets, services.webhook_targets, visit.site_id, actor, new
            )
        )
        if isinstance(made, ShownSecret):
            return _secret(visit, made, name)
        form.refuse(FIELDS.get(made, WHOLE), key_of(made))
    return await _listed(visit, form, 422)


@router.get("/{webhook_id}", name="webhook")
async def webhook(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Show one webhook with its deliveries."""
    return await _shown(visit, webhook_id, Form({}))


@router.post("/{webhook_id}/pause", name="webhook_pause")
async def webhook_pause(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Send nothing more until it goes on."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(lambda session: service.pause(session, visit.system, visit.site_id, actor, webhook_id))
    return _done(visit, webhook_id, refusal, said="webhooks.paused")


@router.post("/{webhook_id}/resume", name="webhook_resume")
async def webhook_resume(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Go on after the last event that was delivered."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(lambda session: service.resume(session, visit.system, visit.site_id, actor, webhook_id))
    return _done(visit, webhook_id, refusal, said="webhooks.resumed")


@router.post("/{webhook_id}/rotate", name="webhook_rotate")
async def webhook_rotate(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Give a new secret and show it, this once."""
    secrets, actor = visit.web.services.secrets, staff_actor(visit.actor)
    view = await visit.read(lambda session: service.one(session, visit.site_id, webhook_id))
    made = await visit.write(
        lambda session: service.rotate(session, visit.system, secrets, visit.site_id, actor, webhook_id)
    )
    if view is None or isinstance(made, WebhookRefusal):
        raise HTTPException(404)
    return _secret(visit, made, view.name)


@router.post("/{webhook_id}/ping", name="webhook_ping")
async def webhook_ping(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Let a test message be sent."""
    refusal = await visit.write(lambda session: service.ping(session, visit.system, visit.site_id, webhook_id))
    return _done(visit, webhook_id, refusal, said="webhooks.pinged")


@router.post("/{webhook_id}/replay", name="webhook_replay")
async def webhook_replay(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Send again whatever came after an event."""
    form = Form(await read_form(visit.request))
    after = form.number("after", 0, MAX_ID)
    if form.is_good:
        actor = staff_actor(visit.actor)
        refusal = await visit.write(
            lambda session: service.replay(session, visit.system, visit.site_id, actor, webhook_id, after)
        )
        if refusal is not WebhookRefusal.NOT_KEPT:
            return _done(visit, webhook_id, refusal, said="webhooks.replayed")
        form.refuse("after", key_of(refusal))
    return await _shown(visit, webhook_id, form, 422)


@router.post("/{webhook_id}/remove", name="webhook_remove")
async def webhook_remove(visit: StaffVisit, webhook_id: UUID) -> Response:
    """Remove a webhook with its secret and log."""
    actor = staff_actor(visit.actor)
    refusal = await visit.write(lambda session: service.remove(session, visit.system, visit.site_id, actor, webhook_id))
    if refusal is not None:
        raise HTTPException(404)
    return visit.go("/webhooks", said="webhooks.removed")


def _done(visit: Visit, webhook_id: UUID, refusal: WebhookRefusal | None, *, said: str) -> Response:
    if refusal is not None:
        raise HTTPException(404)
    return visit.go(f"/webhooks/{webhook_id}", said=said)


def _secret(visit: Visit, made: ShownSecret, name: str) -> Response:
    return visit.page("webhooks/secret.html", name=name, secret=made.secret, id=made.id)


async def _listed(visit: Visit, form: Form, status: int = 200) -> Response:
    rows = await visit.read(lambda session: service.listed(session, visit.site_id))
    targets = visit.web.services.webhook_targets
    return visit.page("webhooks/webhooks.html", status, form=form, rows=rows, targets=targets, topics=tuple(Topic))


async def _shown(visit: Visit, webhook_id: UUID, form: Form, status: int = 200) -> Response:
    view = await visit.read(lambda session: service.one(session, visit.site_id, webhook_id))
    if view is None:
        raise HTTPException(404)
    log = await visit.read(lambda session: service.deliveries(session, webhook_id))
    return visit.page("webhooks/webhook.html", status, form=form, view=view, log=log, now=visit.web.clock.now())
