"""REST of webhooks: where events are sent, signed; their secrets are shown once, their deliveries for a week."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from server.api.answers import Body, Limit, Rows, refused
from server.api.caller import Caller, needs
from server.audit.service import staff_actor
from server.outbox.events import Topic
from server.problem import Problem, ProblemError
from server.secrets_file import ServerSecrets
from server.staff.roles import Permission
from server.webhooks import service
from server.webhooks.models import MAX_LOGGED, Delivery, WebhookRefusal, WebhookView
from server.webhooks.service import NewWebhook, ShownSecret
from server.webhooks.targets import MAX_URL_CHARACTERS

router = APIRouter(prefix="/webhooks", tags=["webhooks"])
MAX_ID = 2**62

Keeper = Annotated[Caller, needs(Permission.WEBHOOKS_WRITE)]


class WebhookBody(Body):
    """A webhook to add; no topics means all that can be followed."""

    name: str
    url: Annotated[str, Field(max_length=MAX_URL_CHARACTERS)]
    topics: Annotated[tuple[Topic, ...], Field(max_length=len(Topic))] = ()


class ReplayBody(Body):
    """The id after which to begin; 0 for the oldest event that is kept."""

    after: Annotated[int, Field(ge=0, le=MAX_ID)]


@router.get("")
async def webhooks(caller: Keeper) -> Rows[WebhookView]:
    """List the webhooks of the site, without their secrets."""
    return Rows(rows=list(await caller.read(lambda session: service.listed(session, caller.site_id))))


@router.post("", status_code=201)
async def add(caller: Keeper, wanted: WebhookBody) -> ShownSecret:
    """Add a webhook for what happens from now on; its secret is in this answer and in no other."""
    new, secrets, actor = _new(wanted), _secrets(caller), staff_actor(caller.actor)
    targets = caller.parts.webhook_targets
    made = await caller.write(
        lambda session: service.add(session, caller.system, secrets, targets, caller.site_id, actor, new)
    )
    return _shown(made)


@router.post("/{webhook_id}/rotate")
async def rotate(caller: Keeper, webhook_id: UUID) -> ShownSecret:
    """Give a new secret; the old one signs beside it for 24 hours."""
    secrets, actor = _secrets(caller), staff_actor(caller.actor)
    made = await caller.write(
        lambda session: service.rotate(session, caller.system, secrets, caller.site_id, actor, webhook_id)
    )
    return _shown(made)


@router.post("/{webhook_id}/pause", status_code=204)
async def pause(caller: Keeper, webhook_id: UUID) -> None:
    """Send nothing more until it is resumed."""
    actor = staff_actor(caller.actor)
    _done(await caller.write(lambda session: service.pause(session, caller.system, caller.site_id, actor, webhook_id)))


@router.post("/{webhook_id}/resume", status_code=204)
async def resume(caller: Keeper, webhook_id: UUID) -> None:
    """Go on with the event after the last one that was delivered."""
    actor = staff_actor(caller.actor)
    _done(await caller.write(lambda session: service.resume(session, caller.system, caller.site_id, actor, webhook_id)))


@router.post("/{webhook_id}/replay", status_code=204)
async def replay(caller: Keeper, webhook_id: UUID, wanted: ReplayBody) -> None:
    """Send again whatever came after an event, under the same ids."""
    actor, after = staff_actor(caller.actor), wanted.after
    _done(
        await caller.write(
            lambda session: service.replay(session, caller.system, caller.site_id, actor, webhook_id, after)
        )
    )


@router.post("/{webhook_id}/ping", status_code=204)
async def ping(caller: Keeper, webhook_id: UUID) -> None:
    """Send a test message within a second; its result is in the deliveries."""
    _done(await caller.write(lambda session: service.ping(session, caller.system, caller.site_id, webhook_id)))


@router.delete("/{webhook_id}", status_code=204)
async def remove(caller: Keeper, webhook_id: UUID) -> None:
    """Remove a webhook with its secret and log."""
    actor = staff_actor(caller.actor)
    _done(await caller.write(lambda session: service.remove(session, caller.system, caller.site_id, actor, webhook_id)))


@router.get("/{webhook_id}/deliveries")
async def deliveries(
    caller: Keeper,
    webhook_id: UUID,
    after: Annotated[UUID | None, Query(description="`next` of the answer before: goes on with older ones.")] = None,
    limit: Limit = MAX_LOGGED,
) -> Rows[Delivery]:
    """List attempts of the last week, newest first."""
    if await caller.read(lambda session: service.one(session, caller.site_id, webhook_id)) is None:
        raise ProblemError(Problem.NOT_FOUND)
    wanted = min(limit, MAX_LOGGED)
    found = await caller.read(lambda session: service.deliveries(session, webhook_id, after, wanted))
    return Rows(rows=list(found), next=str(found[-1].id) if len(found) == wanted else None)


def _new(wanted: WebhookBody) -> NewWebhook:
    return NewWebhook(wanted.name, wanted.url, frozenset(wanted.topics))


def _secrets(caller: Caller) -> ServerSecrets:
    if caller.parts.secrets is None:
        msg = "the server was put together without its secrets"
        raise AssertionError(msg)
    return caller.parts.secrets


def _shown(made: ShownSecret | WebhookRefusal) -> ShownSecret:
    return refused(made) if isinstance(made, WebhookRefusal) else made


def _done(refusal: WebhookRefusal | None) -> None:
    if refusal is not None:
        refused(refusal)
