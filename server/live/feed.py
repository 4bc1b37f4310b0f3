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
from server.live.thumbnails import Thumbnails
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
    place_id: str = ""
    person_id: UUID | None = None
    """Whose photo there is to see; None without a photo."""
    photo: bytes = b""
    """A small JPEG; only in events that are followed, not in those looked up, and not again with the outcome."""


class SiteFeed:
    """The feed of one site."""

    def __init__(self, database: Database, run: Run, outbox_feed: OutboxFeed, site: SiteId) -> None:
        """Take the database, how to run blocking calls, and what follows the outbox."""
        self._database = database
        self._run = run
        self._outbox_feed = outbox_feed
        self._site = site
        self._thumbnails = Thumbnails()

    def recent(self, count: int) -> tuple[LiveTap, ...]:
        """Return the newest `count` events, oldest first. Blocking."""

        def call(session: ReadSession) -> tuple[LiveTap, ...]:
            rows = outbox.newest(session, self._site, [EVENT_TOPIC], ROWS_OF_RECENT)
            return tuple(self._told(session, rows)[-count:])

        return self._database.read(call)

    def places(self) -> dict[str, Place]:
        """Return lanes and tills by id, in order. Blocking."""
        return self._database.read(lambda session: repository.places(session, self._site))

    async def subscribe(self, after_id: int) -> AsyncIterator[LiveTap]:
        """Yield every event after `after_id`, then new ones as they come, until closed."""
        after_row = max(0, after_id // EVENTS_OF_ROW - 1)
        async for row in self._outbox_feed.follow(self._site, after_row, [EVENT_TOPIC]):
            for event in await self._run(self._tell, row):
                if event.id > after_id:
                    yield event

    def _tell(self, row: OutboxEvent) -> list[LiveTap]:
        return self._database.read(lambda session: self._told(session, [row], with_photos=True))

    def _told(self, session: ReadSession, rows: Sequence[OutboxEvent], *, with_photos: bool = False) -> list[LiveTap]:
        found = list(_events(rows))
        if not found:
            return []
        places = repository.places(session, self._site)
        people = {UUID(event["person"]) for _, event in found if event.get("person")}
        holders = repository.holders(session, self._site, people)
        photos: dict[UUID, bytes] = {}
        if with_photos:
            shown = {UUID(event["person"]) for _, event in found if event.get("person") and not event.get("outcome")}
            faces = {person: holder for person, holder in holders.items() if person in shown}
            photos = self._thumbnails.of(session, self._site, faces)
        return [_live_tap(event_id, event, places, holders, photos) for event_id, event in found]


def _events(rows: Iterable[OutboxEvent]) -> Iterable[tuple[int, dict[str, Any]]]:
    for row in rows:
        if row.topic != EVENT_TOPIC:
            continue
        for index, event in enumerate(row.payload["events"]):
            if event["kind"] in SHOWN_KINDS:
                yield row.number * EVENTS_OF_ROW + index, event


def _live_tap(
    event_id: int,
    event: dict[str, Any],
    places: dict[str, Place],
    holders: dict[UUID, Holder],
    photos: dict[UUID, bytes],
) -> LiveTap:
    name = event["place"]
    person = UUID(event["person"]) if event.get("person") else None
    holder = holders.get(person) if person is not None else None
    return LiveTap(
        id=event_id,
        tap_id=_tap_id(event),
        at=datetime.fromisoformat(event["at"]),
        reason=_reason(event.get("reason")),
        place=places.get(name) or Place(name, name, None),
        holder=holder,
        card_masked=f"…{event['credential']}" if event.get("credential") else None,
        amount=Fen(event["amount_fen"]) if event.get("amount_fen") else None,
        is_offline=bool(event.get("offline")),
        is_late=bool(event.get("late")),
        outcome=_outcome(event.get("outcome")),
        place_id=name,
        person_id=person if holder is not None and holder.photo_at is not None else None,
        photo=photos.get(person, b"") if person is not None and not event.get("outcome") else b"",
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
