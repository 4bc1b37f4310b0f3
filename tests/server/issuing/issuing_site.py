"""A site with card keys, people and an encoder: blank virtual cards become cards of the site, in process.

The station's half is the daemon's own (`reader_daemon.encoder`); only the socket between the two is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

import psycopg

from cardcore.access.items import Product
from cardcore.card_keys.asks import KeyAnswer, KeyRequest
from cardcore.card_keys.roles import CardApplication, KeyRole
from cardcore.ids import CategoryId, DeviceId, PersonId, SiteId
from cardcore.journal import Purpose
from cardcore.wire.messages import (
    Encode,
    EncoderCard,
    EncoderClose,
    EncoderDone,
    EncoderOpen,
    EncoderStep,
    KeyAsk,
    KeyTold,
)
from firmware_mocks.virtual_card.desfire.card import DesfireCard
from reader_daemon.encoder.making import make_card
from reader_daemon.protocols.card.desfire import DesfireReader, desfire_dialogue
from reader_daemon.protocols.card.outcome import CardFailure, SchemeOutcome
from reader_daemon.protocols.card.personalise import Personalised
from server.database import Database, WriteSession
from server.issuing import service
from server.issuing.models import BatchId, IssuingRefusal, NewBatch, NewJob
from server.issuing.stations import Stations
from server.keys.ceremony import with_site
from server.keys.key_file import SCRYPT_LEAST_COST, new_file
from server.keys.service import KeyService
from server.keys.software import SoftwareVault
from server.people import service as people
from server.system import System
from server.taps.arrivals import LinkDevice
from tests.reader_daemon.protocols.card.site_cards import CardField
from tests.server.conftest import NOON
from tests.server.keys.key_site import PASSPHRASE, drawn

READER = "desk"
READ_ROLES = {CardApplication.GATE: KeyRole.GATE_READ, CardApplication.CANTEEN: KeyRole.CANTEEN_READ}


def site_keys(site: SiteId, seed: str = "site") -> KeyService:
    """Return the key service of a site after its ceremony."""
    file = with_site(new_file(PASSPHRASE, drawn("file" + seed), SCRYPT_LEAST_COST), site, drawn(seed), NOON)
    return KeyService(SoftwareVault(file))


@dataclass
class Link:
    """One device's link: what the daemon's half asks of the server's."""

    stations: Stations
    device: LinkDevice
    open: dict[str, str] = field(default_factory=dict)
    """Job by encoder, as the device was told."""
    steps: list[str] = field(default_factory=list)
    asked: list[KeyRequest] = field(default_factory=list)
    tells_steps: bool = True
    """Steps may be lost."""

    def ask(self, request: KeyRequest) -> KeyAnswer:
        """Be a `KeySource`."""
        self.asked.append(request)
        (told,) = self.stations.hear(self.device, KeyAsk(len(self.asked), READER, request))
        assert isinstance(told, KeyTold)
        assert told.id == len(self.asked)
        return told.answer

    def placed(self, card: EncoderCard) -> Encode:
        """Be a `Station`."""
        (told,) = self.stations.hear(self.device, card)
        assert isinstance(told, Encode)
        return told

    def reached(self, step: EncoderStep) -> None:
        """Be a `Station`."""
        self.steps.append(step.step)
        assert not self.tells_steps or not self.stations.hear(self.device, step)

    def ended(self, done: EncoderDone) -> None:
        """Be a `Station`."""
        self.take(self.stations.hear(self.device, done))

    def look(self) -> None:
        """Hear what encoders wait for."""
        self.take(self.stations.waiting(self.device))

    def take(self, messages: object) -> None:
        """Follow what the device is told."""
        for message in messages:  # type: ignore[attr-defined]
            match message:
                case EncoderOpen():
                    self.open[message.reader] = message.job
                case EncoderClose():
                    self.open.pop(message.reader, None)
                case _:
                    raise AssertionError(message)


@dataclass
class IssuingSite:
    """See the module."""

    database: Database
    system: System
    site: SiteId
    keys: KeyService

    def __post_init__(self) -> None:
        """Begin without a connection."""
        self.stations = Stations(self.database, self.keys, self.system)

    def link(self, name: str, *purposes: Purpose) -> Link:
        """Enrol a device and connect it."""
        device = DeviceId(self.system.ids.uuid7())
        with psycopg.connect(self.database.url, autocommit=True) as connection:
            connection.execute(
                "insert into device (id, site_id, name, purposes, public_key, record_key_sealed, enrolled_at)"
                " values (%s, %s, %s, %s, %s, '', %s)",
                (device, self.site, name, [str(one) for one in purposes], device.bytes * 2, NOON),
            )
        return Link(self.stations, LinkDevice(device, self.site, frozenset(purposes), frozenset(), bytes(32)))

    def person(self, number: str) -> PersonId:
        """Add a person."""
        (person,) = self.people(1, number)
        return person

    def people(self, count: int, prefix: str = "s") -> list[PersonId]:
        """Add people, numbered after the prefix when there are several."""

        def write(session: WriteSession) -> list[PersonId | people.PersonRefusal]:
            people.put_category(session, self.system, self.site, CategoryId("staff"), people.Named("S", "职"), "test")
            numbers = [prefix] if count == 1 else [f"{prefix}{number}" for number in range(count)]
            return [
                people.create_person(
                    session, self.system, self.site, people.NewPerson(number, "王小明", CategoryId("staff")), "test"
                )
                for number in numbers
            ]

        created = self.database.write(write)
        assert all(isinstance(one, UUID) for one in created), created
        return [PersonId(one) for one in created if isinstance(one, UUID)]

    def start(self, link: Link, *jobs: NewJob) -> BatchId:
        """Put a list in line, and let the station hear of it."""
        batch = self.try_start(link, *jobs)
        assert not isinstance(batch, IssuingRefusal), batch
        link.look()
        return batch

    def try_start(self, link: Link, *jobs: NewJob) -> BatchId | IssuingRefusal:
        """Put a list in line."""
        wanted = NewBatch(link.device.id, READER, jobs)
        return self.database.write(lambda session: service.start(session, self.system, self.site, wanted, "staff:x"))

    def job(self, number: str, product: Product = Product.COMBINED, **more: object) -> NewJob:
        """Return a card to make for a new person."""
        return NewJob(self.person("p" + number), product, number, **more)  # type: ignore[arg-type]


def place(link: Link, card: DesfireCard, field_of: CardField | None = None) -> Personalised | CardFailure:
    """Place a card on the encoder, for the job that waits there."""
    field_of = field_of or CardField(card)
    return make_card(link.open[READER], field_of.transmit, link, link, field_of.clock)


def tap(link: Link, card: DesfireCard, application: CardApplication, keys: KeyService) -> SchemeOutcome | CardFailure:
    """Hold a card to a reader of a lane or a till; keys by relay, the issuer's key from the site."""
    issuer = keys.issuer(link.device.site)
    assert issuer is not None
    reader = CardField(card)
    reader.keys = link
    link.asked.clear()
    return reader.run(desfire_dialogue(DesfireReader(READ_ROLES[application], (issuer,))))
