"""Two pairs of eyes: another person decides, what was read is what is done, once, and the trail says who did which."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from cardcore.ids import ApprovalId, PersonId, SiteId, StaffId
from server.approvals import repository, service
from server.approvals.models import MAX_WAITING, ApprovalRefusal, ApprovalState, Request
from server.audit import repository as audit_rows
from server.database import Database
from server.people import repository as people_rows
from server.staff import service as staff
from server.staff.roles import Role
from server.system import System
from tests.server.approvals.renaming import RENAME, Rename
from tests.server.conftest import Hire, StillClock

OPERATIONS = {RENAME.name: RENAME}


class Desk:
    """The service with its site, as a page would call it."""

    def __init__(self, database: Database, system: System, site: SiteId) -> None:
        self.database, self.system, self.site = database, system, site

    def ask(self, maker: StaffId, wanted: Rename, reason: str = "why") -> ApprovalId | ApprovalRefusal:
        return self.database.write(
            lambda session: service.ask(session, self.system, self.site, maker, RENAME, wanted, reason)
        )

    def asked(self, maker: StaffId, wanted: Rename | None = None) -> ApprovalId:
        made = self.ask(maker, wanted or Rename("kitchen", "Kitchen"))
        assert not isinstance(made, ApprovalRefusal), made
        return made

    def read(self, approval: ApprovalId) -> Request:
        found = self.database.read(lambda session: service.get(session, self.site, approval))
        assert found is not None
        return found

    def approve(self, approval: ApprovalId, checker: StaffId, seen: str | None = None) -> ApprovalRefusal | None:
        decision = (checker, seen or self.read(approval).seen)
        return self.database.write(
            lambda session: service.approve(session, self.system, self.site, approval, decision, OPERATIONS)
        )

    def decline(self, approval: ApprovalId, checker: StaffId) -> ApprovalRefusal | None:
        return self.database.write(
            lambda session: service.decline(session, self.system, self.site, approval, checker, OPERATIONS)
        )

    def withdraw(self, approval: ApprovalId, maker: StaffId) -> ApprovalRefusal | None:
        return self.database.write(lambda session: service.withdraw(session, self.system, self.site, approval, maker))

    def departments(self) -> list[str]:
        return sorted(self.database.read(lambda session: people_rows.department_ids(session, self.site)))


@pytest.fixture
def desk(database: Database, system: System, site: SiteId) -> Desk:
    return Desk(database, system, site)


@pytest.fixture
def maker(hire: Hire) -> tuple[StaffId, PersonId]:
    return hire(Role.ISSUER)


@pytest.fixture
def checker(hire: Hire) -> tuple[StaffId, PersonId]:
    return hire(Role.SECURITY_OFFICER)


Someone = tuple[StaffId, PersonId]


def test_what_another_person_approves_is_done_once(desk: Desk, maker: Someone, checker: Someone) -> None:
    approval = desk.asked(maker[0])
    assert desk.departments() == []
    assert desk.approve(approval, checker[0]) is None
    assert desk.departments() == ["kitchen"]
    assert desk.read(approval).state is ApprovalState.EXECUTED
    assert desk.approve(approval, checker[0]) is ApprovalRefusal.DECIDED


def test_the_trail_says_who_asked_and_who_approved(desk: Desk, maker: Someone, checker: Someone) -> None:
    approval = desk.asked(maker[0])
    desk.approve(approval, checker[0])
    trail = desk.database.read(lambda session: audit_rows.of_object(session, desk.site, f"approval:{approval}"))
    assert {(row["action"], row["actor"]) for row in trail} == {
        ("approval_asked", f"staff:{maker[0]}"),
        ("approval_executed", f"staff:{checker[0]}"),
    }
    done = desk.database.read(lambda session: audit_rows.of_object(session, desk.site, "department:kitchen"))
    assert [row["actor"] for row in done] == [f"staff:{maker[0]}"]


class TestOnePersonAlone:
    def test_cannot_approve_with_a_second_login(self, desk: Desk, hire: Hire, maker: Someone) -> None:
        second, _ = hire(Role.SECURITY_OFFICER, maker[1])
        approval = desk.asked(maker[0])
        assert desk.approve(approval, second) is ApprovalRefusal.SAME_PERSON
        assert desk.departments() == []

    def test_cannot_ask_or_approve_with_a_login_of_nobody(self, desk: Desk, hire: Hire, maker: Someone) -> None:
        hidden, _ = hire(Role.ISSUER, known=False)
        assert desk.ask(hidden, Rename("kitchen", "Kitchen")) is ApprovalRefusal.PERSON_UNKNOWN
        officer, _ = hire(Role.SECURITY_OFFICER, known=False)
        assert desk.approve(desk.asked(maker[0]), officer) is ApprovalRefusal.PERSON_UNKNOWN

    def test_cannot_say_later_that_a_login_is_somebody_else(self, desk: Desk, maker: Someone, checker: Someone) -> None:
        change = desk.database.write(
            lambda session: staff.set_person(session, desk.system, desk.site, maker[0], checker[1], "test")
        )
        assert change is staff.StaffRefusal.PERSON_SET

    def test_cannot_touch_the_own_card_purse_or_role(self, desk: Desk, maker: Someone, checker: Someone) -> None:
        assert desk.ask(maker[0], Rename("a", "A", about=maker[1])) is ApprovalRefusal.OWN_MATTER
        approval = desk.asked(maker[0], Rename("b", "B", about=checker[1]))
        assert desk.approve(approval, checker[0]) is ApprovalRefusal.OWN_MATTER


class TestRights:
    def test_are_needed_to_ask_and_to_approve(self, desk: Desk, hire: Hire, maker: Someone, checker: Someone) -> None:
        assert desk.ask(checker[0], Rename("a", "A")) is ApprovalRefusal.NOT_ALLOWED
        other_issuer, _ = hire(Role.ISSUER)
        approval = desk.asked(maker[0])
        assert desk.approve(approval, other_issuer) is ApprovalRefusal.NOT_ALLOWED
        assert desk.decline(approval, other_issuer) is ApprovalRefusal.NOT_ALLOWED

    def test_of_the_maker_must_still_hold_when_it_is_done(self, desk: Desk, maker: Someone, checker: Someone) -> None:
        approval = desk.asked(maker[0])
        desk.database.write(
            lambda session: staff.change_staff(session, desk.system, maker[0], [Role.ISSUER], "test", active=False)
        )
        assert desk.approve(approval, checker[0]) is ApprovalRefusal.MAKER_GONE
        assert desk.departments() == []

    def test_show_to_each_what_they_may_decide(
        self, desk: Desk, hire: Hire, clock: StillClock, maker: Someone, checker: Someone
    ) -> None:
        approval = desk.asked(maker[0])
        cashier, _ = hire(Role.CASHIER)
        seen = [
            [
                one.id
                for one in desk.database.read(
                    lambda session, who=who: service.waiting(session, desk.site, who, OPERATIONS, clock.now())  # type: ignore[misc]
                )
            ]
            for who in (maker[0], checker[0], cashier)
        ]
        assert seen == [[approval], [approval], []]


class TestTheRequest:
    def test_must_be_the_one_that_was_read(self, desk: Desk, maker: Someone, checker: Someone) -> None:
        read = desk.read(desk.asked(maker[0], Rename("a", "Harmless")))
        other = desk.asked(maker[0], Rename("b", "Harmful"))
        assert desk.approve(other, checker[0], read.seen) is ApprovalRefusal.CHANGED
        assert desk.departments() == []

    @pytest.mark.parametrize(
        "statement",
        ["update approval set content = '{}'", "update approval set maker_person = maker", "delete from approval"],
    )
    def test_is_never_reworded(self, desk: Desk, maker: Someone, statement: str) -> None:
        desk.asked(maker[0])
        with psycopg.connect(desk.database.url) as owner, pytest.raises(psycopg.Error, match=r"reworded|append-only"):
            owner.execute(statement.encode())

    def test_is_not_approved_past_the_service_by_its_own_maker(self, desk: Desk, maker: Someone) -> None:
        approval = desk.asked(maker[0])
        with pytest.raises(IntegrityError, match="check"):
            desk.database.write(
                lambda session: repository.finish(session, approval, "executed", desk.system.clock.now(), maker, "")
            )

    def test_lives_a_day(self, desk: Desk, clock: StillClock, maker: Someone, checker: Someone) -> None:
        approval = desk.asked(maker[0])
        clock.forward(hours=24)
        assert desk.approve(approval, checker[0]) is ApprovalRefusal.EXPIRED
        assert desk.read(approval).state is ApprovalState.EXPIRED
        assert desk.approve(desk.asked(maker[0]), checker[0]) is None

    def test_waits_once_a_thing(self, desk: Desk, hire: Hire, maker: Someone) -> None:
        desk.asked(maker[0])
        other, _ = hire(Role.ISSUER)
        assert desk.ask(other, Rename("kitchen", "Else")) is ApprovalRefusal.ALREADY_ASKED

    def test_needs_a_reason_and_has_its_limits(self, desk: Desk, maker: Someone) -> None:
        assert desk.ask(maker[0], Rename("a", "A"), " ") is ApprovalRefusal.REASON_MISSING
        assert desk.ask(maker[0], Rename("a", "A"), "x" * 201) is ApprovalRefusal.TOO_LONG
        for number in range(MAX_WAITING):
            desk.asked(maker[0], Rename(f"d{number}", "A"))
        assert desk.ask(maker[0], Rename("one-more", "A")) is ApprovalRefusal.TOO_MANY

    def test_ends_when_it_is_declined_or_withdrawn(self, desk: Desk, maker: Someone, checker: Someone) -> None:
        declined = desk.asked(maker[0])
        assert desk.decline(declined, checker[0]) is None
        withdrawn = desk.asked(maker[0])
        assert desk.withdraw(withdrawn, checker[0]) is ApprovalRefusal.NOT_ALLOWED
        assert desk.withdraw(withdrawn, maker[0]) is None
        assert [desk.approve(one, checker[0]) for one in (declined, withdrawn)] == [ApprovalRefusal.DECIDED] * 2
        assert desk.departments() == []


def test_a_refusal_of_the_operation_undoes_what_it_wrote(desk: Desk, maker: Someone, checker: Someone) -> None:
    approval = desk.asked(maker[0], Rename("kitchen", "bad"))
    assert desk.approve(approval, checker[0]) is ApprovalRefusal.OPERATION_REFUSED
    assert desk.departments() == []
    assert (desk.read(approval).state, desk.read(approval).outcome) == (ApprovalState.REFUSED, "bad_name")


def test_two_who_approve_at_once_do_it_once(desk: Desk, hire: Hire, maker: Someone, checker: Someone) -> None:
    other, _ = hire(Role.SECURITY_OFFICER)
    approval = desk.asked(maker[0])
    approvals: Callable[[StaffId], ApprovalRefusal | None] = lambda who: desk.approve(approval, who)  # noqa: E731
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(approvals, (checker[0], other)))
    assert sorted(str(end) for end in ends) == ["None", str(ApprovalRefusal.DECIDED)]


def test_another_site_sees_nothing(desk: Desk, system: System, maker: Someone, checker: Someone) -> None:
    approval = desk.asked(maker[0])
    other = SiteId(system.ids.uuid7())
    assert desk.database.read(lambda session: service.get(session, other, approval)) is None
    decision = (checker[0], desk.read(approval).seen)
    refused = desk.database.write(
        lambda session: service.approve(session, system, other, approval, decision, OPERATIONS)
    )
    assert refused is ApprovalRefusal.NOT_FOUND
