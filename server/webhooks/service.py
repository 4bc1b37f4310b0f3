"""Webhooks as an administrator works with them. Every change is one audit row; a secret is shown once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.ids import SiteId
from server.audit.service import Deed, record
from server.database import ReadSession, WriteSession
from server.outbox import repository as outbox
from server.outbox.events import Topic
from server.secrets_file import ServerSecrets
from server.system import System
from server.webhooks import repository
from server.webhooks.models import (
    MAX_LOGGED,
    MAX_NAME,
    MAX_WEBHOOKS,
    OLD_SECRET_LIFE,
    Delivery,
    Result,
    WebhookRefusal,
    WebhookState,
    WebhookView,
)
from server.webhooks.signing import new_secret
from server.webhooks.targets import Target, target_of


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A webhook to add; no topics means all that can be followed."""

    name: str
    url: str
    topics: frozenset[Topic]


@dataclass(frozen=True, slots=True)
class ShownSecret:
    """A webhook with its secret, this once."""

    id: UUID
    secret: str


def add(
    session: WriteSession,
    system: System,
    secrets: ServerSecrets,
    targets: Sequence[Target],
    site_id: SiteId,
    actor: str,
    new: NewWebhook,
) -> ShownSecret | WebhookRefusal:
    """Add a webhook; it hears of what happens from now on. `actor` is that of the audit trail."""
    name = new.name.strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        return WebhookRefusal.NAME_UNUSABLE
    if target_of(new.url, targets) is None:
        return WebhookRefusal.TARGET_NOT_ALLOWED
    if repository.count(session, site_id) >= MAX_WEBHOOKS:
        return WebhookRefusal.TOO_MANY
    made = ShownSecret(system.ids.uuid7(), new_secret(system.ids))
    head = outbox.head(ReadSession(session), site_id)
    topics = sorted(new.topics)
    row = {
        "id": made.id, "site_id": site_id, "name": name, "url": new.url, "topics": topics,
        "secret": secrets.seal(made.secret.encode(), made.id.bytes), "cursor": head,
        "at": system.clock.now(),
    }  # fmt: skip
    if not repository.insert(session, row):
        return WebhookRefusal.NAME_TAKEN
    after = {"name": name, "url": new.url, "topics": topics}
    record(session, system, site_id, Deed(actor, "webhook_added", f"webhook:{made.id}", after=after))
    return made


def pause(
    session: WriteSession, system: System, site_id: SiteId, actor: str, webhook_id: UUID
) -> WebhookRefusal | None:
    """Send nothing more until somebody lets it go on; what happens meanwhile is sent then, as far as it is kept."""
    deed = Deed(actor, "webhook_paused", f"webhook:{webhook_id}")
    return _to(session, system, site_id, webhook_id, WebhookState.PAUSED, deed)


def resume(
    session: WriteSession, system: System, site_id: SiteId, actor: str, webhook_id: UUID
) -> WebhookRefusal | None:
    """Go on at once with the event after the last one that was delivered."""
    deed = Deed(actor, "webhook_resumed", f"webhook:{webhook_id}")
    return _to(session, system, site_id, webhook_id, WebhookState.ACTIVE, deed)


def rotate(
    session: WriteSession, system: System, secrets: ServerSecrets, site_id: SiteId, actor: str, webhook_id: UUID
) -> ShownSecret | WebhookRefusal:
    """Give a new secret; the old one signs beside it for `OLD_SECRET_LIFE`."""
    row = repository.lock(session, site_id, webhook_id)
    if row is None:
        return WebhookRefusal.NOT_FOUND
    shown = ShownSecret(webhook_id, new_secret(system.ids))
    until = system.clock.now() + OLD_SECRET_LIFE
    sealed = secrets.seal(shown.secret.encode(), webhook_id.bytes)
    repository.set_secret(session, webhook_id, sealed, bytes(row["secret"]), until)
    after = {"old_secret_until": until.isoformat()}
    record(session, system, site_id, Deed(actor, "webhook_secret_rotated", f"webhook:{webhook_id}", after=after))
    return shown


def replay(
    session: WriteSession, system: System, site_id: SiteId, actor: str, webhook_id: UUID, after: int
) -> WebhookRefusal | None:
    """Send again whatever came after an event, with the same ids; 0 means everything that is kept."""
    row = repository.lock(session, site_id, webhook_id)
    if row is None:
        return WebhookRefusal.NOT_FOUND
    oldest = repository.oldest_kept(session, site_id)
    begin = oldest - 1 if after == 0 and oldest is not None else after
    if oldest is None or not oldest - 1 <= begin <= outbox.head(ReadSession(session), site_id):
        return WebhookRefusal.NOT_KEPT
    repository.set_cursor(session, webhook_id, begin, system.clock.now())
    deed = Deed(actor, "webhook_replayed", f"webhook:{webhook_id}", {"cursor": row["cursor"]}, {"cursor": begin})
    record(session, system, site_id, deed)
    return None


def ping(session: WriteSession, system: System, site_id: SiteId, webhook_id: UUID) -> WebhookRefusal | None:
    """Let a test message be sent within a second, whatever the webhook's state; its result is in the log."""
    if repository.lock(session, site_id, webhook_id) is None:
        return WebhookRefusal.NOT_FOUND
    repository.set_ping(session, webhook_id, system.ids.uuid7())
    return None


def remove(
    session: WriteSession, system: System, site_id: SiteId, actor: str, webhook_id: UUID
) -> WebhookRefusal | None:
    """Remove a webhook with its secret and log."""
    row = repository.lock(session, site_id, webhook_id)
    if row is None:
        return WebhookRefusal.NOT_FOUND
    repository.delete(session, webhook_id)
    record(session, system, site_id, Deed(actor, "webhook_removed", f"webhook:{webhook_id}", _told(row)))
    return None


def listed(session: ReadSession, site_id: SiteId) -> Sequence[WebhookView]:
    """Return the webhooks of a site by name."""
    return tuple(
        WebhookView(
            id=row["id"], name=row["name"], url=row["url"], topics=tuple(Topic(topic) for topic in row["topics"]),
            state=WebhookState(row["state"]), cursor=row["cursor"], behind=row["behind"], failures=row["failures"],
            failing_since=row["failing_since"], next_at=row["next_at"], delivered_at=row["delivered_at"],
            old_secret_until=row["old_secret_until"], created_at=row["created_at"],
        )
        for row in repository.listed(session, site_id, MAX_WEBHOOKS)
    )  # fmt: skip


def one(session: ReadSession, site_id: SiteId, webhook_id: UUID) -> WebhookView | None:
    """Return one webhook, or None if unknown or of another site."""
    return next((view for view in listed(session, site_id) if view.id == webhook_id), None)


def deliveries(
    session: ReadSession, webhook_id: UUID, before: UUID | None = None, limit: int = MAX_LOGGED
) -> Sequence[Delivery]:
    """Return the delivery log of a webhook that the caller may see, newest first."""
    rows = repository.deliveries(session, webhook_id, before, min(limit, MAX_LOGGED))
    return tuple(Delivery(**{**row, "result": Result(row["result"])}) for row in rows)


def _to(
    session: WriteSession, system: System, site_id: SiteId, webhook_id: UUID, state: WebhookState, deed: Deed
) -> WebhookRefusal | None:
    row = repository.lock(session, site_id, webhook_id)
    if row is None:
        return WebhookRefusal.NOT_FOUND
    repository.set_state(session, webhook_id, state, system.clock.now())
    told = replace(deed, before={"state": row["state"]}, after={"state": state.value})
    record(session, system, site_id, told)
    return None


def _told(row: RowMapping) -> dict[str, Any]:
    return {"name": row["name"], "url": row["url"], "topics": list(row["topics"])}
