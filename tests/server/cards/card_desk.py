"""A desk that issues, blocks and replaces cards in a test, and what the edge is told of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cardcore.access.items import CardItem, CardState, Product
from cardcore.calendar import Interval
from cardcore.ids import CardId, CategoryId, CredentialKey, LevelId, PersonId, ScheduleId, SiteId, ZoneId
from server.access import service as access
from server.cards import service as cards
from server.cards.service import CardChange, NewCard
from server.database import Database, WriteSession
from server.people import service as people
from server.policy import service as policy
from server.system import System

Result = TypeVar("Result")
LEVEL = LevelId("vault")


@dataclass(frozen=True, slots=True)
class Desk:
    """Does things in a transaction each, as `test`."""

    database: Database
    system: System
    site: SiteId

    def write(self, call: Callable[[WriteSession, System, SiteId], Result]) -> Result:
        """Run a service call."""
        return self.database.write(lambda session: call(session, self.system, self.site))

    def person(self, number: str = "10001", category: str = "staff") -> PersonId:
        """Add a person of a category."""

        def write(session: WriteSession, system: System, site: SiteId) -> PersonId | people.PersonRefusal:
            people.put_category(session, system, site, CategoryId(category), people.Named("Staff", "职工"), "test")
            return people.create_person(
                session, system, site, people.NewPerson(number, "王小明", CategoryId(category)), "test"
            )

        created = self.write(write)
        assert not isinstance(created, people.PersonRefusal)
        return created

    def card(self, number: str, person: PersonId | None, product: Product = Product.COMBINED, **more: object) -> CardId:
        """Issue a card with a credential `uid:<number>`."""
        new = NewCard(number, product, (CredentialKey(f"uid:{number}"),), person, **more)  # type: ignore[arg-type]
        issued = self.write(lambda session, system, site: cards.issue_card(session, system, site, new, "test"))
        assert not isinstance(issued, cards.CardRefusal), issued
        return issued

    def secure_card(self, number: str, person: PersonId | None, product: Product = Product.COMBINED) -> CardId:
        """Issue a card with two credentials, one an application."""
        new = NewCard(
            number, product, (gate_key(number), canteen_key(number)), person, applications=("gate", "canteen")
        )
        issued = self.write(lambda session, system, site: cards.issue_card(session, system, site, new, "test"))
        assert not isinstance(issued, cards.CardRefusal), issued
        return issued

    def set(self, card: CardId, state: CardState) -> CardChange:
        """Bring a card into a state."""
        deed = ("test", "why")
        return self.write(
            lambda session, system, site: cards.change_state(session, system, site, card, state, deed, approved=True)
        )

    def state(self, card: CardId) -> CardState:
        """Return a card's state."""
        row = self.database.read(lambda session: cards.get(session, self.site, card))
        assert row is not None
        return CardState(row["state"])

    def item(self, credential: str) -> CardItem | None:
        """Return what the edge is told of a credential."""
        snapshot = self.database.read(lambda session: policy.load_snapshot(session, self.site))
        return snapshot.card(CredentialKey(credential))

    def privileged_level(self, *, privileged: bool = True) -> LevelId:
        """Add an access level that takes two people."""

        def write(session: WriteSession, system: System, site: SiteId) -> None:
            zones = [access.Zone(ZoneId("in"), "In", "内")]
            access.put_zones(session, system, site, zones, "test")
            always = access.Schedule(ScheduleId("always"), "", "", (Interval(),))
            access.put_schedule(session, system, site, always, "test")
            level = access.AccessLevel(LEVEL, "Vault", "金库", always.id, (ZoneId("in"),), privileged)
            assert access.put_level(session, system, site, level, "test") is None

        self.write(write)
        return LEVEL


def gate_key(number: str) -> CredentialKey:
    """Return the gate credential of a secure card in a test."""
    return CredentialKey("desfire:" + ("a" + number).rjust(32, "0"))


def canteen_key(number: str) -> CredentialKey:
    """Return the canteen credential of a secure card in a test."""
    return CredentialKey("desfire:" + ("c" + number).rjust(32, "0"))
