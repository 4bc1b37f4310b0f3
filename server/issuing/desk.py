"""What the desk where cards are made sees and asks: encoders, lists, the next printed number of a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping

from cardcore.access.items import CardState
from cardcore.ids import CardId, DeviceId, PersonId, SiteId, StaffId
from server.audit.service import staff_actor
from server.cards import repository as card_rows
from server.database import ReadSession, WriteSession
from server.devices import repository as device_rows
from server.issuing import repository, service
from server.issuing.models import SHOWN, TOPIC, BatchId, IssuingRefusal, NewBatch
from server.people import repository as people_rows
from server.staff import service as staff
from server.staff.roles import Permission
from server.system import System

MAX_RECENT = 20
MAX_EVENTS = 200
LIVE = frozenset({CardState.ACTIVE, CardState.ISSUED, CardState.SUSPENDED})


@dataclass(frozen=True, slots=True)
class Encoder:
    """A reader that makes cards, as its daemon last told."""

    device: DeviceId
    device_name: str
    reader: str
    is_online: bool

    @property
    def key(self) -> str:
        """Its name in a form."""
        return f"{self.device}/{self.reader}"


@dataclass(frozen=True, slots=True)
class ShownCard:
    """A card that was laid on an encoder to learn whose it is; ids are None where it is nobody's."""

    event: UUID
    reader: str
    card: CardId | None
    person: PersonId | None
    problem: str


def start_for(
    session: WriteSession, system: System, site_id: SiteId, batch: NewBatch, who: StaffId
) -> BatchId | IssuingRefusal:
    """Put a list in line for a member of staff, who may make cards, but none for themselves."""
    if not staff.may(session, who, site_id, Permission.CARDS_ISSUE):
        return IssuingRefusal.NOT_ALLOWED
    own = staff.person_of(session, who)
    if own is not None and any(job.person == own for job in batch.jobs):
        return IssuingRefusal.OWN_MATTER
    return service.start(session, system, site_id, batch, staff_actor(who))


def encoders(session: ReadSession, site_id: SiteId, now: datetime) -> tuple[Encoder, ...]:
    """Return the readers that make cards, by device and name."""
    return tuple(
        Encoder(device.id, device.name, reader["name"], device.is_connected and bool(reader["online"]))
        for device in device_rows.statuses(session, site_id, now)
        for reader in device.health.get("readers", ())
        if reader.get("encoder")
    )


def recent(session: ReadSession, site_id: SiteId) -> Sequence[RowMapping]:
    """Return the newest lists."""
    return repository.recent_batches(session, site_id, MAX_RECENT)


def shown_since(session: ReadSession, site_id: SiteId, after: UUID) -> ShownCard | None:
    """Return the newest card that was laid on any encoder after an id was drawn."""
    rows = repository.shown_since(session, site_id, TOPIC, after, MAX_EVENTS)
    for row in reversed(rows):
        said = row["payload"]
        if said.get("state") == SHOWN:
            card = CardId(UUID(said["card"])) if said["card"] else None
            person = PersonId(UUID(said["person"])) if said["person"] else None
            return ShownCard(row["id"], said["reader"], card, person, said["result"])
    return None


def next_number(session: ReadSession | WriteSession, site_id: SiteId, person: PersonId) -> str:
    """Return a printed number that no card has: the person's own, and how many cards they had, as in `10001-2`."""
    row = people_rows.get(session, site_id, person)
    assert row is not None, "asked for somebody who was found"
    number = len(card_rows.cards_of_person(session, site_id, person)) + 1
    while card_rows.number_taken(session, site_id, f"{row['number']}-{number}"):
        number += 1
    return f"{row['number']}-{number}"


def has_live_card(session: ReadSession, site_id: SiteId, person: PersonId) -> bool:
    """Tell whether somebody has a card that is, or can be put, in use."""
    return any(CardState(card["state"]) in LIVE for card in card_rows.cards_of_person(session, site_id, person))
