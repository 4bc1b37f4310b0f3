"""What a webhook is, how a delivery can end, and why a change is refused. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from cardcore.ids import SiteId
from server.outbox.events import Topic

MAX_WEBHOOKS = 20
"""Of a site."""
MAX_NAME = 64
MAX_BODY_BYTES = 512 * 1024
OLD_SECRET_LIFE = timedelta(hours=24)
"""How long the old secret signs beside the new one after a rotation."""
LEASE = timedelta(seconds=60)
"""For so long one server process alone sends for a webhook; longer than `RUN_SECONDS` and one request together."""
RUN_EVENTS = 50
RUN_SECONDS = 20
"""After so many events, or so long, the others have their turn."""
FIRST_WAIT_MS = 1_000
LONGEST_WAIT = timedelta(hours=1)
STOP_AFTER = timedelta(hours=24)
STOP_FAILURES = 10
"""A webhook that failed for so long, and so often, is stopped, and an alarm tells it."""
SKIPPED_LAG = 500
"""Events of other topics that the mark may lag behind before it is moved past them."""
LOG_KEPT = timedelta(days=7)
MAX_LOGGED = 100
"""Deliveries of one page."""
PING = "ping"
"""The topic of a test message."""


class WebhookState(StrEnum):
    """How a webhook stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    """By a person."""
    STOPPED = "stopped"
    """By itself, after failing for too long or because the receiver said that it is gone."""


class WebhookRefusal(StrEnum):
    """Why nothing was changed."""

    NOT_FOUND = "not_found"
    NAME_UNUSABLE = "name_unusable"
    NAME_TAKEN = "name_taken"
    TARGET_NOT_ALLOWED = "target_not_allowed"
    """Scheme, host and port are not in ONECARD_WEBHOOK_TARGETS."""
    TOO_MANY = "too_many"
    NOT_KEPT = "not_kept"
    """Events after this id are not kept any more, or never were."""


class Result(StrEnum):
    """How one attempt ended. Only `DELIVERED` moves on to the next event; `TOO_LARGE` and `FORGOTTEN` do too."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """An answer other than 2xx."""
    REDIRECTED = "redirected"
    """The receiver pointed elsewhere; webhooks never follow."""
    GONE = "gone"
    """410: the receiver wants no more."""
    TIMED_OUT = "timed_out"
    NO_CONNECTION = "no_connection"
    NOT_ALLOWED = "not_allowed"
    """The name resolved to an address outside the allow-list."""
    TOO_LARGE = "too_large"
    """Not sent: read it with `GET /api/v1/events`."""
    FORGOTTEN = "forgotten"
    """Events before this one were deleted by age before they could be sent."""


class Message(NamedTuple):
    """One thing to send; `number` is the event's id at the site, None for a test message."""

    id: UUID
    number: int | None
    topic: str
    payload: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of sending one message; `status` 0 where there was no answer."""

    message: Message
    result: Result
    status: int = 0
    took_ms: int = 0
    wait: timedelta | None = None
    """What the receiver asked for (Retry-After)."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A webhook that this process alone sends for until `until`."""

    id: UUID
    site_id: SiteId
    name: str
    url: str
    topics: tuple[Topic, ...]
    secrets: tuple[bytes, ...]
    """Sealed, newest first."""
    lease: UUID
    cursor: int
    failures: int
    failing_since: datetime | None
    is_active: bool
    ping: UUID | None


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook as listed, without its secret."""

    id: UUID
    name: str
    url: str
    topics: tuple[Topic, ...]
    """Empty: everything that can be followed."""
    state: WebhookState
    cursor: int
    """The last event that was delivered or passed over."""
    behind: int
    """Events of any topic after it."""
    failures: int
    failing_since: datetime | None
    next_at: datetime
    delivered_at: datetime | None
    old_secret_until: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One line of the delivery log."""

    id: UUID
    number: int | None
    event: UUID
    topic: str
    at: datetime
    result: Result
    status: int
    took_ms: int
    attempt: int


def wait_after(failures: int, jitter: int) -> timedelta:
    """Return how long to wait after so many failures in a row: doubling, at most an hour, up to a tenth less.

    `jitter` is one random byte, so that many webhooks of one receiver do not come back together.
    """
    longest_ms = LONGEST_WAIT // timedelta(milliseconds=1)
    wait_ms = min(FIRST_WAIT_MS * 2 ** min(failures - 1, 20), longest_ms)
    return timedelta(milliseconds=wait_ms - wait_ms * (jitter % 256) // 2560)


def body_of(message: Message) -> Mapping[str, Any]:
    """Return what is sent, before it becomes JSON; ids and codes only, as the outbox has them."""
    return {
        "type": message.topic,
        "number": message.number,
        "timestamp": message.at.isoformat(),
        "data": message.payload,
    }
