"""A site that takes visitors: a hall with a way in and a way out, two hosts, card keys, cards in stock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import text

from cardcore.access.decide import GateTap, SiteState, decide
from cardcore.access.items import Product
from cardcore.access.moments import Moments
from cardcore.access.snapshot import Snapshot
from cardcore.calendar import Interval
from cardcore.ids import CategoryId, CredentialKey, LaneId, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from cardcore.issuer import IssuerKey
from cardcore.qr_pass import QrPass, verified_pass
from cardcore.reasons import Reason
from server.access import service as access
from server.cards import service as cards
from server.cards.service import NewCard
from server.database import Database, WriteSession
from server.people import service as people
from server.policy import service as policy
from server.system import System
from server.visitors import ending, passes, repository, service
from server.visitors.documents import DocumentKind
from server.visitors.ending import Looked
from server.visitors.models import IssuedPass, NewVisit, VisitId, VisitorRules, VisitRefusal
from server.visitors.service import Desk
from tests.server.conftest import NOON
from tests.server.issuing.issuing_site import site_keys

Result = TypeVar("Result")
OUTSIDE, HALL = ZoneId("outside"), ZoneId("hall")
WAY_IN, WAY_OUT = LaneId("in"), LaneId("out")
VISIT, LEAVE, STAFF = LevelId("visit"), LevelId("leave"), LevelId("staff")
CLERK = Desk("staff:clerk", b"k" * 32)
ID_CARD = "11010519491231002X"


@dataclass
class Lobby:
    """Does things in a transaction each."""

    database: Database
    system: System
    site: SiteId
    host: PersonId
    other: PersonId

    def __post_init__(self) -> None:
        """Hold the key ceremony."""
        self.keys = site_keys(self.site)

    def write(self, call: Callable[[WriteSession, System, SiteId], Result]) -> Result:
        """Run a service call."""
        return self.database.write(lambda session: call(session, self.system, self.site))

    def rules(self, **more: object) -> VisitRefusal | None:
        """Say how the site takes visitors."""
        rules = {"escorted": False} | more
        new = VisitorRules(CategoryId("guest"), OUTSIDE, (VISIT,), (LEAVE,), **rules)  # type: ignore[arg-type]
        return self.write(lambda session, system, site: service.put_rules(session, system, site, new, "test"))

    def visit(self, **more: object) -> NewVisit:
        """Return what a clerk types: two hours from now."""
        typed: dict[str, object] = {
            "name": "Vera Visitor", "host": self.host, "purpose": "a meeting", "document_kind": DocumentKind.ID_CARD,
            "document_number": ID_CARD, "starts_at": self.system.clock.now(),
            "ends_at": self.system.clock.now() + timedelta(hours=2), "company": "Acme",
        }  # fmt: skip
        return NewVisit(**(typed | more))  # type: ignore[arg-type]

    def register(self, new: NewVisit, desk: Desk = CLERK) -> VisitId | VisitRefusal:
        """Write it into the register."""
        return self.write(lambda session, system, site: service.register(session, system, site, new, desk))

    def registered(self, new: NewVisit, desk: Desk = CLERK) -> VisitId:
        """Write it into the register, which takes it."""
        made = self.register(new, desk)
        assert not isinstance(made, VisitRefusal), made
        return made

    def approved(self, **more: object) -> VisitId:
        """Register a visit, and let the host agree."""
        visit = self.registered(self.visit(**more))
        if self.row(visit)["state"] == "announced":
            assert self.answer(visit, ("staff:host", self.host)) is None
        return visit

    def answer(
        self, visit: VisitId, by: tuple[str, PersonId | None], *, agreed: bool = True, for_host: bool = False
    ) -> VisitRefusal | None:
        """Say yes or no."""
        return self.write(
            lambda session, system, site: service.answer(
                session, system, site, visit, by, agreed=agreed, for_host=for_host
            )
        )

    def qr(self, visit: VisitId) -> IssuedPass | VisitRefusal:
        """Hand out a QR pass."""
        return self.write(
            lambda session, system, site: passes.issue_qr(session, system, site, visit, self.keys, CLERK.actor)
        )

    def qr_pass(self, visit: VisitId) -> QrPass:
        """Hand out a QR pass and read it as the scanner does."""
        made = self.qr(visit)
        assert isinstance(made, IssuedPass), made
        read = verified_pass(made.text, [self.issuer], self.system.clock.now())
        assert isinstance(read, QrPass), read
        return read

    @property
    def issuer(self) -> IssuerKey:
        """The site's key, as readers know it."""
        issuer = self.keys.issuer(self.site)
        assert issuer is not None
        return issuer

    def card(self, visit: VisitId, number: str) -> IssuedPass | VisitRefusal:
        """Lend a card."""
        return self.write(
            lambda session, system, site: passes.lend_card(session, system, site, visit, number, CLERK.actor)
        )

    def stock(self, number: str, product: Product = Product.VISITOR) -> CredentialKey:
        """Put a card into stock."""
        key = CredentialKey(f"uid:{number}")
        new = NewCard(number, product, (key,), None)
        made = self.write(lambda session, system, site: cards.issue_card(session, system, site, new, "test"))
        assert not isinstance(made, cards.CardRefusal)
        return key

    def tap(self, credential: CredentialKey, lane: LaneId = WAY_IN, moments: Moments | None = None) -> Reason:
        """Decide as a lane does now."""
        state = SiteState(moments=moments or {})
        return decide(GateTap(credential, lane), self.snapshot(), state, self.system.clock.now()).reason

    def snapshot(self) -> Snapshot:
        """Return the policy as boxes are told it."""
        return self.database.read(lambda session: policy.load_snapshot(session, self.site))

    def walk(self, visit: VisitId, zone: ZoneId) -> None:
        """Let the visitor pass into a zone now, as the tap path notes it."""
        self.move(self.row(visit)["person_id"], zone)

    def move(self, person: object, zone: ZoneId) -> None:
        """Let somebody pass into a zone now, as the tap path notes it."""
        statement = text(
            "insert into presence (person_id, site_id, zone_id, at) values (:person, :site, :zone, :at)"
            " on conflict (person_id) do update set zone_id = excluded.zone_id, at = excluded.at"
        )
        values = {"person": person, "site": self.site, "zone": zone, "at": self.system.clock.now()}
        self.database.write(lambda session: session.execute(statement, values))

    def look(self) -> Looked:
        """See what time and passages brought about."""
        return self.write(ending.look)

    def row(self, visit: VisitId) -> dict[str, object]:
        """Return a visit as the register shows it."""
        found = self.database.read(lambda session: repository.get(session, self.site, visit))
        assert found is not None
        return dict(found)


def open_lobby(database: Database, system: System, site: SiteId) -> Lobby:
    """Build the site; it has no rules for visitors yet."""

    def call(session: WriteSession) -> tuple[PersonId, PersonId]:
        zones = [access.Zone(OUTSIDE, "Outside", "外"), access.Zone(HALL, "Hall", "厅")]
        assert access.put_zones(session, system, site, zones, "test") is None
        always = access.Schedule(ScheduleId("always"), "Always", "全天", (Interval(on_holidays=True),))
        assert access.put_schedule(session, system, site, always, "test") is None
        for level, zone in ((VISIT, HALL), (STAFF, HALL), (LEAVE, OUTSIDE)):
            new = access.AccessLevel(level, level, level, always.id, (zone,), privileged=level == STAFF)
            assert access.put_level(session, system, site, new, "test") is None
        lanes = [
            access.Lane(WAY_IN, "In", "进", "in", OUTSIDE, HALL),
            access.Lane(WAY_OUT, "Out", "出", "out", HALL, OUTSIDE),
        ]
        assert access.put_lanes(session, system, site, lanes, "test") is None
        for category in ("staff", "guest"):
            people.put_category(session, system, site, CategoryId(category), people.Named(category, category), "test")
        made = []
        for number, name in (("1", "Henry Host"), ("2", "Olga Other")):
            new_person = people.NewPerson(number, name, CategoryId("staff"))
            person = people.create_person(session, system, site, new_person, "test")
            assert not isinstance(person, people.PersonRefusal)
            made.append(person)
        return made[0], made[1]

    host, other = database.write(call)
    assert system.clock.now() == NOON
    return Lobby(database, system, site, host, other)
