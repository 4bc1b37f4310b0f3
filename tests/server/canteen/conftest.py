"""A till of a stall at a site with a zone, a lunch and two categories; and a holder of the department `works`."""

from __future__ import annotations

import pytest

from cardcore.access.items import Product
from cardcore.ids import AccountId, CategoryId, CredentialKey, MealId, PersonId, SiteId, StallId, TillId, ZoneId
from server.access import service as access
from server.canteen import service
from server.canteen.service import MealPeriod, Stall, Till
from server.cards.service import NewCard, issue_card
from server.database import Database, WriteSession
from server.ledger import service as ledger
from server.people import service as people
from server.system import System

CREDENTIAL = CredentialKey("wiegand:26-01234580")


@pytest.fixture
def till(database: Database, system: System, site: SiteId) -> TillId:
    def write(session: WriteSession) -> TillId:
        access.put_zones(session, system, site, [access.Zone(ZoneId("compound"), "Compound", "院内")], "test")
        for category in ("staff", "guest"):
            people.put_category(session, system, site, CategoryId(category), people.Named(category, category), "test")
        service.put_stalls(session, system, site, [Stall(StallId("main"), "Main", "主食堂")], "test")
        tills = [Till(TillId("t01"), "Till", "一号机", "t01", StallId("main"))]
        assert service.put_tills(session, system, site, tills, "test") is None
        lunch = MealPeriod(MealId("lunch"), "Lunch", "午餐", 10 * 3600, 14 * 3600)
        assert service.put_meals(session, system, site, [lunch], "test") is None
        return TillId("t01")

    return database.write(write)


@pytest.fixture
def person(database: Database, system: System, site: SiteId, till: TillId) -> PersonId:
    def write(session: WriteSession) -> PersonId:
        people.put_department(session, system, site, "works", people.Named("Works", "工程处"), "test")
        new = people.NewPerson("7", "某人", CategoryId("staff"), "works")
        made = people.create_person(session, system, site, new, "test")
        assert not isinstance(made, people.PersonRefusal)
        issue_card(session, system, site, NewCard("7", Product.COMBINED, (CREDENTIAL,), made), "test")
        return made

    return database.write(write)


@pytest.fixture
def holder(database: Database, system: System, site: SiteId, person: PersonId) -> tuple[AccountId, CredentialKey]:
    account = database.write(lambda session: ledger.open_account(session, system, site, person, "test"))
    assert not isinstance(account, ledger.LedgerRefusal)
    return account, CREDENTIAL
