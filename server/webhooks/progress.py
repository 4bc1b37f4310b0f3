"""How far each webhook got: taking one in hand, what comes next for it, and what an attempt changed.

Each call is one transaction. A message counts as delivered only after the receiver's 2xx was written down, so a crash
in between sends it again under the same id: at least once, in order, with stable ids.
"""

from __future__ import annotations

from datetime import datetime

from cardcore.ids import SiteId
from server.alarms.kinds import AlarmKind
from server.alarms.rows import NewAlarm
from server.alarms.service import raise_alarm
from server.database import WriteSession
from server.outbox.events import Topic
from server.system import System
from server.webhooks import progress_repository as repository
from server.webhooks.models import (
    LEASE,
    LONGEST_WAIT,
    PING,
    RUN_EVENTS,
    SKIPPED_LAG,
    STOP_AFTER,
    STOP_FAILURES,
    Attempt,
    Lease,
    Message,
    Result,
    WebhookState,
    wait_after,
)

PASSED = frozenset({Result.DELIVERED, Result.TOO_LARGE, Result.FORGOTTEN})
"""Results after which the next event has its turn."""


def claim(session: WriteSession, system: System) -> Lease | None:
    """Take one webhook in hand that has something to send; None when there is none."""
    now = system.clock.now()
    row = repository.claim(session, system.ids.uuid7(), now, now + LEASE)
    if row is None:
        return None
    old = row["old_secret"] if row["old_secret_until"] is not None and row["old_secret_until"] > now else None
    return Lease(
        id=row["id"], site_id=SiteId(row["site_id"]), name=row["name"], url=row["url"],
        topics=tuple(Topic(topic) for topic in row["topics"]),
        secrets=tuple(bytes(one) for one in (row["secret"], old) if one is not None), lease=row["lease"],
        cursor=row["cursor"], failures=row["failures"], failing_since=row["failing_since"],
        is_active=row["state"] == WebhookState.ACTIVE and row["next_at"] <= now, ping=row["ping"],
    )  # fmt: skip


def waiting(session: WriteSession, system: System, held: Lease) -> list[Message]:
    """Return what comes next for a webhook, in order; moves its mark past events that it does not follow."""
    now = system.clock.now()
    head = repository.head(session, held.site_id)
    topics = [str(topic) for topic in held.topics or tuple(Topic)]
    rows = repository.events(session, held.site_id, held.cursor, head, topics, RUN_EVENTS)
    messages = [Message(row["id"], row["number"], row["topic"], row["payload"], row["created_at"]) for row in rows]
    if not messages and head - held.cursor > SKIPPED_LAG:
        repository.skipped(session, held.lease, head)
    oldest = repository.oldest_after(session, held.site_id, held.cursor)
    if oldest is not None and oldest > held.cursor + 1:
        lost = Message(held.id, oldest - 1, "", None, now)
        _note(session, system, held, Attempt(lost, Result.FORGOTTEN))
        repository.skipped(session, held.lease, oldest - 1)
    return messages


def noted(session: WriteSession, system: System, held: Lease, attempt: Attempt) -> bool:
    """Write down an attempt; False when there is nothing more to send now: it failed, or the lease was lost."""
    now = system.clock.now()
    if attempt.message.topic == PING:
        _note(session, system, held, attempt)
        return repository.pinged(session, held.lease)
    if attempt.result in PASSED:
        delivered = now if attempt.result is Result.DELIVERED else None
        going_on = repository.moved(session, held.lease, attempt.message.number or 0, delivered, now + LEASE)
        if going_on:
            _note(session, system, held, attempt)
        return going_on
    _fail(session, system, held, attempt, now)
    return False


def released(session: WriteSession, held: Lease) -> None:
    """Let another process, or the next turn, go on."""
    repository.release(session, held.lease)


def _fail(session: WriteSession, system: System, held: Lease, attempt: Attempt, now: datetime) -> None:
    failures, since = held.failures + 1, held.failing_since or now
    worn_out = failures >= STOP_FAILURES and now - since >= STOP_AFTER
    stops = worn_out or attempt.result is Result.GONE
    wait = min(attempt.wait or wait_after(failures, system.ids.random_bytes(1)[0]), LONGEST_WAIT)
    state = WebhookState.STOPPED if stops else WebhookState.ACTIVE
    if not repository.failed(session, held.lease, {"state": state, "at": now, "next_at": now + wait}):
        return
    _note(session, system, held, attempt)
    if stops:
        alarm = NewAlarm(AlarmKind.WEBHOOK_STOPPED, held.name, now, detail=str(attempt.result))
        raise_alarm(session, system, held.site_id, alarm)


def _note(session: WriteSession, system: System, held: Lease, attempt: Attempt) -> None:
    repository.note(
        session,
        {
            "id": system.ids.uuid7(), "webhook": held.id, "number": attempt.message.number,
            "event": attempt.message.id, "topic": attempt.message.topic, "at": system.clock.now(),
            "result": attempt.result, "status": attempt.status, "took_ms": attempt.took_ms,
            "attempt": held.failures + 1,
        },
    )  # fmt: skip
