"""A person's own window bounds all their cards, whatever a card says (A13)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from cardcore.access.decide import card_reason
from cardcore.access.items import Product
from cardcore.ids import CategoryId, CredentialKey, PersonId, SiteId
from cardcore.reasons import Reason
from server.cards.service import NewCard, issue_card
from server.database import Database, WriteSession
from server.people import service
from server.people.service import NewPerson, PersonRefusal
from server.policy import service as policy
from server.system import System
from tests.server.conftest import NOON

KEY = CredentialKey("uid:00000001")
DAY = timedelta(days=1)


@pytest.fixture
def person(database: Database, system: System, site: SiteId) -> PersonId:
    """Return a holder whose card is good from noon for ten days."""

    def write(session: WriteSession) -> PersonId | PersonRefusal:
        service.put_category(session, system, site, CategoryId("staff"), service.Named("Staff", "职工"), "test")
        made = service.create_person(session, system, site, NewPerson("1", "王", CategoryId("staff")), "test")
        assert not isinstance(made, PersonRefusal)
        issue_card(session, system, site, NewCard("1", Product.COMBINED, (KEY,), made, NOON, NOON + 10 * DAY), "test")
        return made

    made = database.write(write)
    assert not isinstance(made, PersonRefusal)
    return made


Window = tuple[datetime | None, datetime | None]


@pytest.mark.parametrize(
    ("window", "good_days"),
    [
        ((None, None), range(10)),
        ((NOON + 2 * DAY, None), range(2, 10)),
        ((None, NOON + 5 * DAY), range(5)),
        ((NOON - DAY, NOON + 99 * DAY), range(10)),
        ((NOON + 2 * DAY, NOON + 3 * DAY), range(2, 3)),
    ],
)
def test_a13_the_narrower_of_card_and_person_counts(
    database: Database, system: System, site: SiteId, person: PersonId, window: Window, good_days: range
) -> None:
    assert database.write(lambda session: service.set_validity(session, system, site, person, window, "test"))
    item = database.read(lambda session: policy.load_snapshot(session, site)).card(KEY)
    reasons = {day: card_reason(item, KEY, {}, NOON + day * DAY) for day in range(-2, 12)}
    assert {day for day, reason in reasons.items() if reason is None} == set(good_days)
    assert {reasons[-2], reasons[11]} == {Reason.CARD_NOT_YET_VALID, Reason.CARD_EXPIRED}


def test_a_window_that_ends_before_it_begins_changes_nothing(
    database: Database, system: System, site: SiteId, person: PersonId
) -> None:
    window = (NOON + DAY, NOON)
    assert not database.write(lambda session: service.set_validity(session, system, site, person, window, "test"))
    row = database.read(lambda session: service.get(session, site, person))
    assert row is not None
    assert (row["valid_from"], row["valid_until"]) == (None, None)
