"""Outside crews: no permit in force, no entry; a permit takes two people, and ends to the second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import text

from cardcore.access.items import Product
from cardcore.ids import ApprovalId, CredentialKey, LevelId, PersonId, SiteId, StaffId
from cardcore.reasons import Reason
from server.access import service as access
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal
from server.approvals.operations import OPERATIONS
from server.cards import service as cards
from server.contractors import service
from server.contractors.approved import ask_permit
from server.contractors.models import FIELDS, CrewProblem, NewPermit, PermitId, PermitRefusal, Worker
from server.database import Database, WriteSession
from server.lookout.task import Lookout
from server.staff.roles import Role
from server.system import System
from server.visitors.documents import DocumentKind
from tests.server.conftest import NOON, Hire, StillClock
from tests.server.visitors.lobby import ID_CARD, LEAVE, STAFF, VISIT, WAY_OUT, Lobby, open_lobby

Result = TypeVar("Result")
_R = PermitRefusal
KEY = b"k" * 32
BOB = Worker("Bob Builder", DocumentKind.ID_CARD, ID_CARD)
PAUL = Worker("Paul Painter", DocumentKind.PASSPORT, "E12345678")
MONDAY = date(2026, 9, 7)


class Site:
    """A site with a crew at its gate, and the two people who let crews in."""

    def __init__(self, database: Database, system: System, site: SiteId, hire: Hire) -> None:
        self.lobby: Lobby = open_lobby(database, system, site)
        self.system = system
        self.issuer, _ = hire(Role.ISSUER)
        self.officer, _ = hire(Role.SECURITY_OFFICER)
        self.drawn = 0

    def write(self, call: Callable[[WriteSession, System, SiteId], Result]) -> Result:
        return self.lobby.write(call)

    def permit(self, **more: object) -> NewPermit:
        typed: dict[str, object] = {
            "firm": "Acme", "work": "paint the stairs", "host": self.lobby.host, "starts_on": MONDAY,
            "ends_on": MONDAY + timedelta(days=2), "levels": (VISIT, LEAVE), "crew": (BOB, PAUL), "category": "guest",
        }  # fmt: skip
        return NewPermit(**(typed | more))  # type: ignore[arg-type]

    def draw_up(self, new: NewPermit) -> PermitId | PermitRefusal | CrewProblem:
        return self.write(lambda session, system, site: service.draw_up(session, system, site, new, ("clerk", KEY)))

    def drawn_up(self, **more: object) -> PermitId:
        made = self.draw_up(self.permit(**more))
        assert not isinstance(made, PermitRefusal | CrewProblem), made
        return made

    def ask(self, permit: PermitId, maker: StaffId | None = None) -> ApprovalId | ApprovalRefusal | PermitRefusal:
        return self.write(
            lambda session, system, site: ask_permit(session, system, site, maker or self.issuer, permit, "works")
        )

    def approve(self, request: object, checker: StaffId) -> ApprovalRefusal | None:
        def call(session: WriteSession, system: System, site: SiteId) -> ApprovalRefusal | None:
            found = approvals.get(session, site, request)  # type: ignore[arg-type]
            assert found is not None
            return approvals.approve(session, system, site, found.id, (checker, found.seen), OPERATIONS)

        return self.write(call)

    def approved(self, **more: object) -> PermitId:
        permit = self.drawn_up(**more)
        assert self.approve(self.ask(permit), self.officer) is None
        return permit

    def crew(self, permit: PermitId) -> dict[str, PersonId]:
        found = self.lobby.database.read(lambda session: service.get(session, self.lobby.site, permit))
        assert found is not None
        return {row["name"]: PersonId(row["person_id"]) for row in found[1]}

    def card(self, person: PersonId) -> CredentialKey:
        self.drawn += 1
        key = CredentialKey(f"uid:{self.drawn:08x}")
        new = cards.NewCard(f"C{self.drawn}", Product.CONTRACTOR, (key,), person)
        made = self.write(lambda session, system, site: cards.issue_card(session, system, site, new, "test"))
        assert not isinstance(made, cards.CardRefusal)
        return key

    def end(self, permit: PermitId) -> PermitRefusal | None:
        return self.write(
            lambda session, system, site: service.end(session, system, site, permit, ("officer", "they smoke"))
        )

    def look(self) -> None:
        async def never(*_: object) -> None:
            raise AssertionError

        Lookout(self.lobby.database, never, self.system).once()  # type: ignore[arg-type]


@pytest.fixture
def crews(database: Database, system: System, site: SiteId, hire: Hire) -> Site:
    return Site(database, system, site, hire)


@pytest.mark.parametrize(
    ("typed", "refusal", "field"),
    [
        ({"firm": " "}, _R.FIRM_MISSING, "firm"),
        ({"work": ""}, _R.WORK_MISSING, "work"),
        ({"work": "x" * 101}, _R.TOO_LONG, "work"),
        ({"host": None}, _R.HOST_MISSING, "host"),
        ({"ends_on": MONDAY - timedelta(days=1)}, _R.ENDS_BEFORE_START, "ends_on"),
        ({"starts_on": date(2026, 9, 1), "ends_on": date(2026, 9, 6)}, _R.IN_THE_PAST, "ends_on"),
        ({"ends_on": MONDAY + timedelta(days=366)}, _R.TOO_LONG_A_PERMIT, "ends_on"),
        ({"levels": ()}, _R.LEVEL_MISSING, "levels"),
        ({"levels": (LevelId("moon"),)}, _R.LEVEL_UNKNOWN, "levels"),
        ({"levels": (STAFF,)}, _R.LEVEL_PRIVILEGED, "levels"),
        ({"crew": ()}, _R.CREW_EMPTY, "crew"),
        ({"category": "moon"}, _R.CATEGORY_UNKNOWN, "category"),
    ],
)
def test_s08_a_permit_that_cannot_be_is_refused_with_its_field(
    crews: Site, typed: dict[str, Any], refusal: PermitRefusal, field: str
) -> None:
    assert crews.draw_up(crews.permit(**typed)) is refusal
    assert FIELDS[refusal] == field


@pytest.mark.parametrize(
    ("second", "refusal"),
    [
        (BOB, _R.WORKER_TWICE),
        (replace(PAUL, name=""), _R.WORKER_NAME_MISSING),
        (replace(PAUL, document_number="12"), _R.DOCUMENT_WRONG),
    ],
)
def test_s08_a_wrong_line_of_the_crew_list_is_named_and_nobody_is_written(
    crews: Site, second: Worker, refusal: PermitRefusal
) -> None:
    assert crews.draw_up(crews.permit(crew=(BOB, second))) == CrewProblem(2, refusal)
    count = text("select count(*) from crew_worker")
    assert crews.lobby.database.read(lambda session: session.execute(count).scalar_one()) == 0


def test_s08_a39_without_a_permit_nobody_of_a_crew_gets_in(crews: Site) -> None:
    permit = crews.drawn_up()
    key = crews.card(crews.crew(permit)["Bob Builder"])
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING
    assert not isinstance(crews.ask(permit), ApprovalRefusal | PermitRefusal)
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING


def test_s08_a_level_from_elsewhere_lets_no_worker_in_without_a_permit(crews: Site, clock: StillClock) -> None:
    permit = crews.drawn_up()
    bob = crews.crew(permit)["Bob Builder"]
    key = crews.card(bob)
    crews.write(lambda session, system, site: access.set_person_levels(session, system, site, bob, [VISIT], "seed"))
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING
    assert crews.approve(crews.ask(permit), crews.officer) is None
    crews.write(lambda session, system, site: access.set_person_levels(session, system, site, bob, [VISIT], "seed"))
    assert crews.lobby.tap(key) is Reason.GRANTED
    clock.at = datetime(2026, 9, 9, 16, tzinfo=UTC)
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING


def test_s08_a_contractors_card_asks_for_a_permit_whoever_holds_it(crews: Site) -> None:
    host = crews.lobby.host
    key = crews.card(host)
    crews.write(lambda session, system, site: access.set_person_levels(session, system, site, host, [VISIT], "seed"))
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING


def test_s08_a_permit_takes_a_second_person(crews: Site) -> None:
    permit = crews.drawn_up()
    key = crews.card(crews.crew(permit)["Bob Builder"])
    request = crews.ask(permit)
    assert crews.approve(request, crews.issuer) is ApprovalRefusal.NOT_ALLOWED
    assert crews.approve(request, crews.officer) is None
    assert crews.lobby.tap(key) is Reason.GRANTED
    assert crews.lobby.tap(key, WAY_OUT) is Reason.GRANTED
    assert crews.ask(permit) is _R.WRONG_STATE


def test_who_asks_does_not_approve(crews: Site) -> None:
    request = crews.ask(crews.drawn_up(), crews.officer)
    assert crews.approve(request, crews.officer) is ApprovalRefusal.SAME_PERSON


def test_a_crew_that_changed_since_is_not_the_one_that_was_read(crews: Site) -> None:
    permit = crews.drawn_up()
    request = crews.ask(permit)
    bob = crews.crew(permit)["Bob Builder"]
    assert (
        crews.write(lambda session, system, site: service.remove_worker(session, system, site, permit, bob, "x"))
        is None
    )
    assert crews.approve(request, crews.officer) is ApprovalRefusal.OPERATION_REFUSED
    assert crews.lobby.tap(crews.card(crews.crew(permit)["Paul Painter"])) is Reason.PERMIT_MISSING


def test_s08_a_permit_ends_to_the_second_and_the_next_one_begins(crews: Site, clock: StillClock) -> None:
    permit = crews.approved()
    crews.approved(starts_on=MONDAY + timedelta(days=7), ends_on=MONDAY + timedelta(days=7))
    key = crews.card(crews.crew(permit)["Bob Builder"])
    midnight = datetime(2026, 9, 9, 16, tzinfo=UTC)
    clock.at = midnight - timedelta(seconds=1)
    assert crews.lobby.tap(key) is Reason.GRANTED
    clock.at = midnight
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING
    crews.look()
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING
    clock.at = datetime(2026, 9, 13, 16, tzinfo=UTC)
    assert crews.lobby.tap(key) is Reason.GRANTED
    clock.at += timedelta(days=1)
    crews.look()
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING


def test_s08_a_permit_is_taken_back_at_once_by_one_person(crews: Site) -> None:
    permit = crews.approved()
    key = crews.card(crews.crew(permit)["Bob Builder"])
    assert crews.lobby.tap(key) is Reason.GRANTED
    assert crews.end(permit) is None
    assert crews.lobby.tap(key) is Reason.PERMIT_MISSING
    assert crews.end(permit) is _R.WRONG_STATE


def test_a_worker_of_two_crews_keeps_what_the_other_permit_gives(crews: Site) -> None:
    first = crews.approved()
    second = crews.approved(crew=(BOB,))
    key, other = (crews.card(crews.crew(first)[name]) for name in ("Bob Builder", "Paul Painter"))
    assert crews.end(first) is None
    assert crews.lobby.tap(key) is Reason.GRANTED
    assert crews.lobby.tap(other) is Reason.PERMIT_MISSING
    assert set(crews.crew(second)) == {"Bob Builder"}


def test_another_name_on_a_known_document_is_not_believed(crews: Site) -> None:
    crews.drawn_up()
    again = crews.permit(crew=(PAUL, replace(BOB, name="Bill Builder")))
    assert crews.draw_up(again) == CrewProblem(2, _R.DOCUMENT_OF_ANOTHER)


def test_permits_are_found_by_firm_work_and_worker(crews: Site) -> None:
    crews.drawn_up()
    crews.approved(firm="Lifts & Co", work="mend the lift", crew=(PAUL,))

    def firms(term: str, only: str) -> list[str]:
        page = crews.lobby.database.read(
            lambda session: service.search(session, crews.lobby.site, (term, only), NOON, 1)
        )
        assert page.total == len(page.rows)
        return [row["firm"] for row in page.rows]

    assert sorted(firms("", "")) == ["Acme", "Lifts & Co"]
    assert firms("lift", "") == ["Lifts & Co"]
    assert firms("Bob", "") == ["Acme"]
    assert (firms("", "draft"), firms("", "in_force")) == (["Acme"], ["Lifts & Co"])
