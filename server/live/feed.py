"""The live feed of one site: newest events, and every later one in order, resumable by event id.

An event's id is the number of its outbox row times `EVENTS_OF_ROW` plus its place in it, so ids grow in the order of
delivery and survive a restart. Names are looked up here, never stored in the outbox.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from cardcore.ids import SiteId
from cardcore.journal import OutcomeKind
from cardcore.money import Fen
from cardcore.reasons import Reason
from server.database import Database, ReadSession
from server.link.ports import Run
from server.live import repository
from server.live.repository import Holder, Place
from server.outbox import repository as outbox
from server.outbox.feed import OutboxFeed
from server.outbox.repository import OutboxEvent
from server.taps.store import EVENT_TOPIC

EVENTS_OF_ROW = 4096
"""More than one outbox row ever holds."""
ROWS_OF_RECENT = 200
"""Outbox rows looked through for the newest events."""
SHOWN_KINDS = frozenset({"intent", "outcome"})


@dataclass(frozen=True, slots=True)
class LiveTap:
    """One change of one tap, as a page shows it; a later one of the same `tap_id` replaces it (its outcome came)."""

    id: int
    """Position in the feed: grows with every event, in the order of delivery."""
    tap_id: UUID
    at: datetime
    reason: Reason
    place: Place
    holder: Holder | None
    card_masked: str | None
    amount: Fen | None
    """What a till charged."""
    is_offline: bool
    is_late: bool
    outcome: OutcomeKind | None


class SiteFeed:
    """The feed of one site."""

    def __init__(self, database: Database, run: Run, outbox_feed: OutboxFeed, site: SiteId) -> None:
        """Take the database, how to run blocking calls, and what follows the outbox."""
        self._database = database
        self._run = run
        self._outbox_feed = outbox_feed
        self._site = site

    def recent(self, count: int) -> tuple[LiveTap, ...]:
        """Return the newest `count` events, oldest first. Blocking."""

        def call(session: ReadSession) -> tuple[LiveTap, ...]:
            rows = outbox.newest(session, self._site, [EVENT_TOPIC], ROWS_OF_RECENT)
            return tuple(self._told(session, rows)[-count:])

        return self._database.read(call)

    async def subscribe(self, after_id: int) -> AsyncIterator[LiveTap]:
        """Yield every event after `after_id`, then new ones as they come, until closed."""
        after_row = max(0, after_id // EVENTS_OF_ROW - 1)
        async for row in self._outbox_feed.follow(self._site, after_row, [EVENT_TOPIC]):
            for event in await self._run(self._tell, row):
                if event.id > after_id:
                    yield event

    def _tell(self, row: OutboxEvent) -> list[LiveTap]:
        return self._database.read(lambda session: self._told(session, [row]))

    def _told(self, session: ReadSession, rows: Sequence[OutboxEvent]) -> list[LiveTap]:
        found = list(_events(rows))
        if not found:
            return []
        places = repository.places(session, self._site)
        people = {UUID(event["person"]) for _, event in found if event.get("person")}
        holders = repository.holders(session, self._site, people)
        return [_live_tap(event_id, event, places, holders) for event_id, event in found]


def _events(rows: Iterable[OutboxEvent]) -> Iterable[tuple[int, dict[str, Any]]]:
    for row in rows:
        if row.topic != EVENT_TOPIC:
            continue
        for index, event in enumerate(row.payload["events"]):
            if event["kind"] in SHOWN_KINDS:
                yield row.number * EVENTS_OF_ROW + index, event


def _live_tap(event_id: int, event: dict[str, Any], places: dict[str, Place], holders: dict[UUID, Holder]) -> LiveTap:
    name = event["place"]
    person = event.get("person")
    return LiveTap(
        id=event_id,
        tap_id=_tap_id(event),
        at=datetime.fromisoformat(event["at"]),
        reason=_reason(event.get("reason")),
        place=places.get(name) or Place(name, name, None),
        holder=holders.get(UUID(person)) if person else None,
        card_masked=f"…{event['credential']}" if event.get("credential") else None,
        amount=Fen(event["amount_fen"]) if event.get("amount_fen") else None,
        is_offline=bool(event.get("offline")),
        is_late=bool(event.get("late")),
        outcome=_outcome(event.get("outcome")),
    )


def _reason(word: str | None) -> Reason:
    """Return the reason; a word of a newer device is shown as a fault, its own word stays in the record."""
    try:
        return Reason(word or "")
    except ValueError:
        return Reason.SERVER_FAULT


def _outcome(word: str | None) -> OutcomeKind | None:
    """Return how the tap ended; a word of a newer device tells this version nothing."""
    try:
        return OutcomeKind(word or "")
    except ValueError:
        return None


def _tap_id(event: dict[str, Any]) -> UUID:
    """Return one id for all events of a tap, made from its key."""
    key = f"{event['device']}/{event['epoch']}/{event['tap_seq']}"
    return UUID(bytes=hashlib.sha256(key.encode()).digest()[:16])
