"""Cards: issued, blocked, found again, only along the table, and told to the edge in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from cardcore.access.items import CardState, Product
from cardcore.ids import CardId, CategoryId, CredentialKey, PersonId, SiteId
from cardcore.reasons import Reason
from server.cards import service
from server.cards.service import CardChange, CardRefusal, NewCard
from server.cards.transitions import TRANSITIONS, allowed
from server.database import Database, WriteSession
from server.people import service as people
from server.policy import service as policy
from server.system import System
from tests.server.conftest import NOON

KEY = CredentialKey("uid:00000001")


@pytest.fixture
def person(database: Database, system: System, site: SiteId) -> PersonId:
    def write(session: WriteSession) -> PersonId | people.PersonRefusal:
        people.put_category(session, system, site, CategoryId("staff"), people.Named("Staff", "职工"), "test")
        new = people.NewPerson("10001", "王小明", CategoryId("staff"), initials="WXM")
        return people.create_person(session, system, site, new, "test")

    created = database.write(write)
    assert not isinstance(created, people.PersonRefusal)
    return created


@pytest.fixture
def new_card(person: PersonId) -> NewCard:
    return NewCard("00000001", Product.COMBINED, (KEY,), person)


@pytest.fixture
def issue(database: Database, system: System, site: SiteId) -> Callable[[NewCard], CardId | CardRefusal]:
    return lambda new: database.write(lambda session: service.issue_card(session, system, site, new, "test"))


@pytest.fixture
def change(database: Database, system: System, site: SiteId) -> Callable[[CardId, CardState], CardChange]:
    return lambda card, state: database.write(
        lambda session: service.change_state(session, system, site, card, state, ("test", "why"))
    )


Issue = Callable[[NewCard], CardId | CardRefusal]
Change = Callable[[CardId, CardState], CardChange]


def issued(result: CardId | CardRefusal) -> CardId:
    assert not isinstance(result, CardRefusal), result
    return result


def test_an_issued_card_is_active_at_the_edge(
    database: Database, site: SiteId, issue: Issue, new_card: NewCard
) -> None:
    card = issued(issue(new_card))
    item = database.read(lambda session: policy.load_snapshot(session, site)).card(KEY)
    assert item is not None
    assert (item.card, item.state, item.category, item.product) == (card, CardState.ACTIVE, "staff", Product.COMBINED)


def test_a_card_of_nobody_is_known_and_not_issued(database: Database, site: SiteId, issue: Issue) -> None:
    issued(issue(NewCard("00000009", Product.COMBINED, (KEY,), None)))
    refused = database.read(lambda session: policy.denied(session, site))
    assert [(one.credential, one.reason) for one in refused] == [(KEY, Reason.CARD_NOT_ISSUED)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"number": "00000002"}, CardRefusal.CREDENTIAL_TAKEN),
        ({"credentials": (CredentialKey("uid:00000002"),)}, CardRefusal.NUMBER_TAKEN),
        ({"credentials": ()}, CardRefusal.NO_CREDENTIAL),
        ({"person_id": PersonId(UUID(int=5))}, CardRefusal.UNKNOWN_PERSON),
        ({"valid_from": NOON, "valid_until": NOON}, CardRefusal.WRONG_VALIDITY),
    ],
)
def test_a_wrong_card_is_refused_with_its_reason(
    issue: Issue, new_card: NewCard, changes: dict[str, object], refusal: CardRefusal
) -> None:
    issued(issue(new_card))
    assert issue(replace(new_card, **changes)) is refusal  # type: ignore[arg-type]


class TestStates:
    def test_a_lost_card_is_denied_and_a_found_one_is_not(
        self, database: Database, site: SiteId, issue: Issue, change: Change, new_card: NewCard
    ) -> None:
        card = issued(issue(new_card))
        before = database.read(lambda session: policy.current_version(session, site))
        assert change(card, CardState.LOST) is CardChange.DONE
        refused = database.read(lambda session: policy.denied(session, site))
        assert [(one.reason, one.version) for one in refused] == [(Reason.CARD_LOST, before + 1)]
        assert change(card, CardState.ACTIVE) is CardChange.DONE
        assert database.read(lambda session: policy.denied(session, site)) == []

    def test_the_same_state_again_publishes_nothing(
        self, database: Database, site: SiteId, issue: Issue, change: Change, new_card: NewCard
    ) -> None:
        card = issued(issue(new_card))
        before = database.read(lambda session: policy.current_version(session, site))
        assert change(card, CardState.ACTIVE) is CardChange.UNCHANGED
        assert database.read(lambda session: policy.current_version(session, site)) == before

    def test_a_revoked_card_stays_revoked(self, issue: Issue, change: Change, new_card: NewCard) -> None:
        card = issued(issue(new_card))
        assert change(card, CardState.REVOKED) is CardChange.DONE
        assert change(card, CardState.ACTIVE) is CardChange.NOT_ALLOWED

    def test_an_unknown_card_is_not_found(self, system: System, change: Change) -> None:
        assert change(CardId(system.ids.uuid7()), CardState.LOST) is CardChange.NOT_FOUND

    def test_the_trail_says_who_and_from_what_to_what(
        self, database: Database, site: SiteId, issue: Issue, change: Change, new_card: NewCard
    ) -> None:
        card = issued(issue(new_card))
        change(card, CardState.SUSPENDED)
        rows = database.read(lambda session: service.history(session, site, card))
        assert [(row["action"], row["actor"], row["before"], row["after"]["state"], row["reason"]) for row in rows] == [
            ("card_state_set", "test", {"state": "active"}, "suspended", "why"),
            ("card_issued", "test", None, "active", ""),
        ]

    def test_a_fault_leaves_neither_the_state_nor_the_policy(
        self, database: Database, system: System, site: SiteId, issue: Issue, new_card: NewCard
    ) -> None:
        card = issued(issue(new_card))

        def write(session: WriteSession) -> None:
            service.report_lost(session, system, site, card, "test")
            raise RuntimeError

        with pytest.raises(RuntimeError):
            database.write(write)
        assert database.read(lambda session: policy.denied(session, site)) == []
        assert database.read(lambda session: policy.verify(session, site)) == []


class TestTransitions:
    def test_every_state_has_its_row_and_the_end_is_the_end(self) -> None:
        assert set(TRANSITIONS) == set(CardState)
        assert {state for state, after in TRANSITIONS.items() if not after} == {CardState.REVOKED}

    def test_every_usable_card_can_be_revoked(self) -> None:
        usable = set(CardState) - {CardState.BLANK, CardState.REVOKED, CardState.SUPERSEDED}
        assert all(allowed(state, CardState.REVOKED) for state in usable)

    def test_a_blank_card_does_not_become_active_without_being_issued(self) -> None:
        assert not allowed(CardState.BLANK, CardState.ACTIVE)


def test_cards_are_found_by_number_name_and_initials(
    database: Database, site: SiteId, issue: Issue, new_card: NewCard
) -> None:
    issued(issue(new_card))
    for term in ("", "0000", "王小", "10001", "wX"):
        found = database.read(lambda session, term=term: service.search(session, site, term, 1))  # type: ignore[misc]
        assert (found.total, [row["number"] for row in found.rows]) == (1, ["00000001"]), term
    for term in ("9", "李", "%", "_", "\\"):
        found = database.read(lambda session, term=term: service.search(session, site, term, 1))  # type: ignore[misc]
        assert (found.total, found.rows) == (0, ()), term


def test_another_site_sees_nothing(database: Database, system: System, issue: Issue, new_card: NewCard) -> None:
    card = issued(issue(new_card))
    other = SiteId(system.ids.uuid7())
    assert database.read(lambda session: service.get(session, other, card)) is None
    assert database.read(lambda session: service.search(session, other, "", 1)).rows == ()
    assert (
        database.write(lambda session: service.report_lost(session, system, other, card, "x")) is CardChange.NOT_FOUND
    )


def test_validity_travels_in_milliseconds(database: Database, site: SiteId, issue: Issue, new_card: NewCard) -> None:
    issued(issue(replace(new_card, valid_from=NOON, valid_until=NOON + timedelta(days=1))))
    item = database.read(lambda session: policy.load_snapshot(session, site)).card(KEY)
    assert item is not None
    assert item.valid_until_ms - item.valid_from_ms == 86_400_000
