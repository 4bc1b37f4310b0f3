"""A live card of a holder with a privileged access level takes two people, whichever way it is tried (T9)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from cardcore.access.items import CardState, Product
from cardcore.ids import CategoryId, CredentialKey, LevelId, PersonId, StaffId
from server.access import service as access
from server.access.approved import GIVE_LEVELS, GiveLevels
from server.approvals import service as approvals
from server.approvals.models import ApprovalRefusal, Content, Operation
from server.approvals.operations import OPERATIONS
from server.cards import loans, products, replacement, validity
from server.cards import service as cards
from server.cards.approved import ACTIVATE, CONVERT, Activate, Convert
from server.cards.loans import Loan
from server.cards.replacement import Plastic, Replaced
from server.cards.service import CardChange, CardRefusal
from server.staff.roles import Role
from tests.server.cards.card_desk import LEVEL, Desk
from tests.server.conftest import NOON, Hire

_S = CardState


def give(desk: Desk, person: PersonId, levels: tuple[LevelId, ...], *, approved: bool = False) -> str | None:
    return desk.write(
        lambda session, system, site: access.set_person_levels(
            session, system, site, person, levels, "test", approved=approved
        )
    )


@pytest.fixture
def officer(desk: Desk) -> PersonId:
    """Return a holder of a privileged level."""
    desk.privileged_level()
    person = desk.person()
    assert give(desk, person, (LEVEL,), approved=True) is None
    return person


def test_one_person_cannot_give_a_privileged_level(desk: Desk) -> None:
    desk.privileged_level()
    person = desk.person()
    desk.card("00000001", person)
    assert give(desk, person, (LEVEL,)) == f"the access level {LEVEL} takes two people: ask for approval"
    item = desk.item("uid:00000001")
    assert item is not None
    assert item.levels == ()


def test_a_level_does_not_stop_being_privileged(desk: Desk) -> None:
    desk.privileged_level()
    desk.privileged_level(privileged=False)
    assert give(desk, desk.person(), (LEVEL,)) is not None


def test_a_new_card_waits_for_a_second_person(desk: Desk, officer: PersonId) -> None:
    assert desk.state(desk.card("00000001", officer)) is _S.ISSUED


def test_a_new_copy_waits_for_a_second_person_and_the_old_one_is_dead(desk: Desk, officer: PersonId) -> None:
    old = desk.card("00000001", officer)
    desk.set(old, _S.ACTIVE)
    plastic = Plastic("00000002", (CredentialKey("uid:00000002"),))
    new = desk.write(
        lambda session, system, site: replacement.replace_card(session, system, site, old, plastic, ("test", ""))
    )
    assert isinstance(new, Replaced)
    assert (desk.state(old), desk.state(new.card)) == (_S.SUPERSEDED, _S.ISSUED)


@pytest.mark.parametrize("state", [_S.ISSUED, _S.SUSPENDED, _S.LOST, _S.FOUND, _S.DAMAGED])
def test_one_person_puts_no_card_into_use(desk: Desk, officer: PersonId, state: CardState) -> None:
    card = desk.card("00000001", officer)
    for step in {_S.SUSPENDED: (_S.ACTIVE, state), _S.FOUND: (_S.LOST, state), _S.ISSUED: ()}.get(state, (state,)):
        assert desk.set(card, step) is CardChange.DONE
    deed = ("test", "")
    assert (
        desk.write(lambda session, system, site: cards.change_state(session, system, site, card, _S.ACTIVE, deed))
        is CardChange.NEEDS_APPROVAL
    )
    assert desk.state(card) is state


def test_a_loan_is_no_way_around(desk: Desk, officer: PersonId) -> None:
    stock = desk.card("00000009", None)
    loan = Loan(stock, officer, NOON + timedelta(hours=1))
    refused = desk.write(lambda session, system, site: loans.lend(session, system, site, loan, "test"))
    assert refused is CardRefusal.NEEDS_APPROVAL
    assert desk.state(stock) is _S.BLANK


def test_a_canteen_card_does_not_begin_to_open_lanes(desk: Desk, officer: PersonId) -> None:
    card = desk.card("00000001", officer, Product.CANTEEN_ONLY)
    refused = desk.write(
        lambda session, system, site: products.convert(session, system, site, card, Product.COMBINED, ("test", ""))
    )
    assert refused is CardRefusal.NEEDS_APPROVAL


def test_an_ended_card_is_not_brought_back_with_the_others(desk: Desk, officer: PersonId) -> None:
    ended = NOON - timedelta(days=1)
    card = desk.card("00000001", officer, valid_until=ended)
    desk.set(card, _S.ACTIVE)
    desk.card("00000002", desk.person("10002"), valid_until=ended)
    wanted = validity.Extension(CategoryId("staff"), "", ended, ended + timedelta(hours=1), ended + timedelta(days=30))
    done = desk.write(lambda session, system, site: validity.extend(session, system, site, wanted, "test"))
    assert done == validity.Extended(1, ("00000001",), has_more=False)


def test_two_people_together_can_do_all_of_it(desk: Desk, hire: Hire) -> None:
    (issuer, _), (security, _) = hire(Role.ISSUER), hire(Role.SECURITY_OFFICER)
    desk.privileged_level()
    person = desk.person()
    assert together(desk, issuer, security, GIVE_LEVELS, GiveLevels(person, (LEVEL,))) is None
    card = desk.card("00000001", person, Product.CANTEEN_ONLY)
    assert desk.state(card) is _S.ISSUED
    assert together(desk, issuer, security, ACTIVATE, Activate(card)) is None
    assert together(desk, issuer, security, CONVERT, Convert(card, Product.COMBINED)) is None
    item = desk.item("uid:00000001")
    assert item is not None
    assert (item.state, item.product, item.levels) == (_S.ACTIVE, Product.COMBINED, (LEVEL,))


def test_nobody_approves_the_own_request_or_card(desk: Desk, hire: Hire) -> None:
    (issuer, holder), (security, own) = hire(Role.ISSUER), hire(Role.SECURITY_OFFICER)
    desk.privileged_level()
    wanted = GiveLevels(holder, (LEVEL,))
    assert together(desk, issuer, security, GIVE_LEVELS, wanted) is ApprovalRefusal.OWN_MATTER
    assert together(desk, issuer, security, GIVE_LEVELS, GiveLevels(own, (LEVEL,))) is ApprovalRefusal.OWN_MATTER


def together(
    desk: Desk, maker: StaffId, checker: StaffId, operation: Operation[Content], content: Content
) -> ApprovalRefusal | None:
    """Ask as the one and approve as the other."""
    asked = desk.write(
        lambda session, system, site: approvals.ask(session, system, site, maker, operation, content, "needed")
    )
    if isinstance(asked, ApprovalRefusal):
        return asked
    request = desk.database.read(lambda session: approvals.get(session, desk.site, asked))
    assert request is not None
    decision = (checker, request.seen)
    return desk.write(
        lambda session, system, site: approvals.approve(session, system, site, asked, decision, OPERATIONS)
    )
